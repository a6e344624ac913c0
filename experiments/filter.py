"""filter: images -> data/filter/<source>/, results/filter/<source>.json. Usage: python -m experiments.filter SOURCE"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from t2ibench.filter import agreement, funnel, judge, measure, reviews
from t2ibench.harness import paths
from t2ibench.harness.items import ItemCache
from t2ibench.harness.make import Task, make
from t2ibench.harness.outs import PictureFolder
from t2ibench.harness.stage import Stage, fresh, main, sources
from t2ibench.pictures import read_picture, reading_order, verify
from t2ibench.records import Failure, Sample, read_rows, write_json, write_rows

SUFFIX = ".npy"


def run(stage: Stage) -> None:
    """Measures the images of one source that are not measured yet, decides, keeps, counts the funnel."""
    made, remake = Path("data/images", stage.cell), f"dvc repro -f images@{stage.cell}"
    samples = read_rows(made / "metadata.jsonl", Sample, remake)
    failures = read_rows(made / "failures.jsonl", Failure, remake)
    seen = reviews.read(Path("reviews", f"{stage.cell}.csv"), {sample.id for sample in samples})
    verify(made, samples, remake)
    engine = measure.Measure(*(stage.build(name) for name in measure.PARTS))
    rows = _measured(stage, engine, made, samples, remake)
    decisions = judge.judge(samples, rows, _texts(stage, engine.clip), engine, stage.build("review")(seen))
    kept = [sample for sample, decision in zip(samples, decisions, strict=True) if decision.keep]
    folder = fresh(Path("data/filter", stage.cell))
    with PictureFolder(folder, (sample.file_name for sample in kept)) as pictures:
        for sample in kept:
            pictures.add(sample.file_name, sample, made / sample.file_name)
    write_rows(folder / "metadata.jsonl", kept)
    write_rows(folder / "decisions.jsonl", decisions)
    planned = Counter([sample.class_name for sample in samples] + [failure.class_name for failure in failures])
    counts = {name: planned[name] for name in stage.params.study.classes}
    with stage.complete(len(samples), len(decisions)) as counted:
        write_json(Path("results/filter", f"{stage.cell}.json"), funnel(counts, decisions) | {
            "completeness": counted, "review": agreement.summary(seen)})


def _measured(stage: Stage, engine: measure.Measure, made: Path, samples: Sequence[Sample], remake: str) -> list[Any]:
    """A measurement for every image, from the cache where it has one."""
    tasks = [Task(one.id, one.class_name, engine.key(one.sha256), made / one.file_name)
             for one in reading_order(samples)]
    items, _ = make(stage, tasks, engine, lambda task: read_picture(task.input, remake),
                    lambda row: (measure.pack(row), {}), SUFFIX)
    return [measure.unpack(items[one.id].path.read_bytes()) for one in samples]


def _texts(stage: Stage, clip: Any) -> dict[str, Any]:
    """{class: CLIP's feature of its text}, each stored under its own words."""
    cache = ItemCache(paths.cache() / "items", SUFFIX, stage.name)
    keys = {name: clip.key(text) for name, text in clip.texts.items()}
    items = {name: cache.get(key) or cache.put(key, measure.pack(clip.encode(clip.texts[name])), {})
             for name, key in keys.items()}
    return {name: measure.unpack(item.path.read_bytes()) for name, item in items.items()}


if __name__ == "__main__":
    main("filter", run, sources)
