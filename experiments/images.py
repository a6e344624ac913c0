"""images: prompts, or a folder of images, and an engine -> data/images/<source>/, results/images/<source>.json.

Usage: python -m experiments.images SOURCE
"""

from pathlib import Path
from typing import Any

from t2ibench.harness.make import Task, make
from t2ibench.harness.outs import PictureFolder, place, shard_count
from t2ibench.harness.stage import Stage, fresh, main, sources
from t2ibench.images import Made, Planned, fingerprint, plan
from t2ibench.images.folder import ImportedImages
from t2ibench.records import Prompt, Sample, read_rows, write_json, write_rows


def run(stage: Stage) -> None:
    """Makes the images of one source that are not stored yet, and puts all of them into its folder."""
    source = stage.params.sources[stage.cell]
    engine = stage.build(source.images)
    planned = engine.plan() if isinstance(engine, ImportedImages) else _drawn(stage, source.prompts)
    prints = {one.request.id: fingerprint(engine.identity, one.request) for one in planned}
    tasks = [Task(one.request.id, one.prompt.class_name, prints[one.request.id], one.request) for one in planned]
    items, failures = make(stage, tasks, engine, lambda task: task.input, _pack)
    shards = shard_count(len(planned), stage.params.study.shard_above, stage.params.study.images_per_shard)
    samples = [_sample(one, shards, source.images, prints[one.request.id], item.sha256, item.extra)
               for one in planned if (item := items.get(one.request.id))]
    summary = None
    if isinstance(engine, ImportedImages):
        samples, failures, summary = engine.settle(planned, samples, failures)
    folder = fresh(Path("data/images", stage.cell))
    with PictureFolder(folder, (sample.file_name for sample in samples)) as pictures:
        for sample in samples:
            pictures.add(sample.file_name, sample, items[sample.id].path)
    write_rows(folder / "metadata.jsonl", samples)
    write_rows(folder / "failures.jsonl", failures)
    if summary is not None:
        write_json(folder / "imported.json", summary)
    with stage.complete(len(planned), len(samples), failures) as counted:
        write_json(Path("results/images", f"{stage.cell}.json"), counted)


def _drawn(stage: Stage, kind: str) -> list[Planned]:
    """The plan of an engine that draws: every prompt, as often as the study says."""
    prompts = read_rows(Path("data/prompts", kind, "prompts.jsonl"), Prompt)
    return plan(prompts, stage.params.study.images_per_prompt, stage.params.study.seed)


def _pack(answer: Any) -> Any:
    return (answer.png(), answer.extra) if isinstance(answer, Made) else answer


def _sample(one: Planned, shards: int, engine: str, fingerprint: str, sha256: str, extra: dict[str, Any]) -> Sample:
    class_name, request = one.prompt.class_name, one.request
    return Sample(file_name=place(class_name, request.id, one.prompt.id, one.index, shards), id=request.id,
                  class_name=class_name,
                  prompt=request.prompt_text, prompt_id=one.prompt.id, index=one.index, seed=request.seed,
                  engine=engine, fingerprint=fingerprint, sha256=sha256, extra=extra)


if __name__ == "__main__":
    main("images", run, sources)
