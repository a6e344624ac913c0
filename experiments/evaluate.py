"""evaluate: a cell's images -> data/evaluate/<cell>/, results/evaluate/<cell>.json. Usage: ... evaluate CELL"""

from functools import partial
from pathlib import Path

from t2ibench.evaluate import predictions, score, summary
from t2ibench.evaluate.funnel import funnel, rejected
from t2ibench.evaluate.look import Judgement, Look, pack
from t2ibench.harness.make import Task, make
from t2ibench.harness.outs import PictureFolder
from t2ibench.harness.stage import Stage, fresh, grid, main
from t2ibench.pictures import read_picture, reading_order, verify
from t2ibench.records import Decision, Sample, read_rows, write_json, write_rows


def run(stage: Stage) -> None:
    """Asks the judge and the segmenter about every image of a cell that they have not seen, and counts what is right.

    Where the variant leaves images as they were generated, the judge sees those too that the filter rejected.
    """
    source, variant = stage.cell.split("/")
    classes = stage.params.study.classes
    images, remake = Path("data/deblur", stage.cell), f"dvc repro -f deblur@{stage.cell.replace('/', '-')}"
    made, redo = Path("data/images", source), f"dvc repro -f images@{source}"
    samples = read_rows(images / "metadata.jsonl", Sample, remake)
    decisions: list[Decision] = []
    out: list[Sample] = []
    as_generated = stage.params.variants[variant].deblur == "none"
    if as_generated:
        decisions = read_rows(Path("data/filter", source, "decisions.jsonl"), Decision, f"dvc repro -f filter@{source}")
        out = rejected(read_rows(made / "metadata.jsonl", Sample, redo), samples, decisions, source)
    verify(images, samples, remake)
    verify(made, out, redo)
    look = Look(stage.build("yolov8"), stage.build("segment"))
    places = [(one, images / one.file_name, remake) for one in reading_order(samples)]
    places += [(one, made / one.file_name, redo) for one in reading_order(out)]
    tasks = [Task(one.id, one.class_name, look.key(one.sha256), (file, again)) for one, file, again in places]
    items, _ = make(stage, tasks, look, lambda task: read_picture(*task.input), partial(pack, classes), ".judged")
    found = {name: Judgement.of(item.extra) for name, item in items.items()}
    folder = fresh(Path("data/evaluate", stage.cell))
    things = [found[sample.id].segmentation(sample) for sample in samples]
    names = [sample.file_name for sample in samples]
    with PictureFolder(folder / "masks", names) as masks, PictureFolder(folder / "overlays", names) as overlays:
        for sample, row in zip(samples, things, strict=True):
            masks.add(sample.file_name, row, found[sample.id].mask)
            overlays.add(sample.file_name, row, items[sample.id].path)
    kept, lost = (predictions(group, [found[one.id].seen for one in group]) for group in (samples, out))
    write_rows(folder / "predictions.jsonl", kept)
    write_rows(folder / "segmentations.jsonl", things)
    if as_generated:
        write_rows(folder / "rejected.jsonl", lost)
    steps = funnel(kept + lost, decisions, classes) if as_generated else None
    with stage.complete(len(tasks), len(kept) + len(lost)) as counted:
        write_json(Path("results/evaluate", f"{stage.cell}.json"), score(kept, classes) | {
            "completeness": counted, "funnel": steps, "segmentation": summary(things, classes)})


if __name__ == "__main__":
    main("evaluate", run, grid)
