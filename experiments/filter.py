"""filter: images -> data/filter/<source>/, results/filter/<source>.json. Usage: python -m experiments.filter SOURCE"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from t2ibench.filter import agreement, funnel, judge, measure, reviews
from t2ibench.harness import executor, paths
from t2ibench.harness.items import ItemCache, link
from t2ibench.harness.stage import Stage, fresh, main, sources
from t2ibench.pictures import read_picture
from t2ibench.records import Failure, Sample, read_rows, write_json, write_rows


def run(stage: Stage) -> None:
    """Measures the images of one source that are not measured yet, decides, links the kept ones, counts the funnel."""
    made = Path("data/images", stage.cell)
    remake = f"dvc repro -f images@{stage.cell}"
    samples = read_rows(made / "metadata.jsonl", Sample, remake)
    failures = read_rows(made / "failures.jsonl", Failure, remake)
    seen = reviews.read(Path("reviews", f"{stage.cell}.csv"), {sample.id for sample in samples})
    measure.verify(made, samples, remake)
    engine = measure.Measure(*(stage.build(name) for name in ("clip", "quality", "duplicate", "people")))
    cache = ItemCache(paths.cache() / "items", ".npy")
    rows = _measured(stage, engine, cache, samples, lambda one: read_picture(made / one.file_name, remake))
    decisions = judge.judge(samples, rows, _texts(engine.clip, cache), engine, stage.build("review")(seen))
    kept = {decision.id for decision in decisions if decision.keep}
    folder = fresh(Path("data/filter", stage.cell))
    for sample in samples:
        if sample.id in kept:
            link(made / sample.file_name, folder / sample.file_name)
    write_rows(folder / "metadata.jsonl", (sample for sample in samples if sample.id in kept))
    write_rows(folder / "decisions.jsonl", decisions)
    planned = Counter([sample.class_name for sample in samples] + [failure.class_name for failure in failures])
    counts = {name: planned[name] for name in stage.params.study.classes}
    result = funnel(counts, decisions) | {"review": agreement.summary(seen)}
    write_json(Path("results/filter", f"{stage.cell}.json"), result)


def _measured(stage: Stage, engine: measure.Measure, cache: ItemCache, samples: Sequence[Sample],
              load: Callable[[Sample], Any]) -> list[Any]:
    """A measurement for every image, from the cache where it has one. What is new is stored one batch behind."""
    keys = [engine.key(sample.sha256) for sample in samples]
    rows = {key: measure.unpack(item.path.read_bytes()) for key in {*keys} if (item := cache.get(key))}
    todo = {key: sample for key, sample in zip(keys, samples, strict=True) if key not in rows}
    storing = deque[Future[Any]]()
    with stage.progress(len(samples)) as bar, ThreadPoolExecutor(1) as disk:
        bar(0, reused=len(samples) - len(todo))
        for key, row in executor.run(engine, [*todo], lambda key: load(todo[key]), bar, stage.clock.smaller):
            rows[key] = row
            storing.append(disk.submit(cache.put, key, measure.pack(row), {}))
            if len(storing) > engine.batch_size:
                storing.popleft().result()
        while storing:
            storing.popleft().result()
    return [rows[key] for key in keys]


def _texts(clip: Any, cache: ItemCache) -> dict[str, Any]:
    """{class: CLIP's feature of its text}, each stored under its own words."""
    keys = {name: clip.key(text) for name, text in clip.texts.items()}
    items = {name: cache.get(key) or cache.put(key, measure.pack(clip.encode(clip.texts[name])), {})
             for name, key in keys.items()}
    return {name: measure.unpack(item.path.read_bytes()) for name, item in items.items()}


if __name__ == "__main__":
    main("filter", run, sources)
