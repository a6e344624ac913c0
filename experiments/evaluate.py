"""evaluate: a cell's images -> data/evaluate/<cell>/, results/evaluate/<cell>.json. Usage: ... evaluate CELL"""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from t2ibench.evaluate import Seen, predictions, score, summary
from t2ibench.evaluate.funnel import funnel, rejected
from t2ibench.evaluate.look import Look, draw
from t2ibench.harness.executor import Steps
from t2ibench.harness.outs import PictureFolder
from t2ibench.harness.stage import Stage, fresh, grid, main
from t2ibench.pictures import read_picture, reading_order
from t2ibench.records import Decision, Sample, Segmentation, read_rows, write_json, write_rows


def run(stage: Stage) -> None:
    """Asks the judge and the segmenter what they see in every image of a cell, and counts what is right.

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
    look = Look(stage.build("yolov8"), stage.build("segment"))
    folder = fresh(Path("data/evaluate", stage.cell))
    seen, things = dict[str, Seen](), list[Segmentation]()
    names = [sample.file_name for sample in samples]
    with (stage.progress(len(samples) + len(out)) as bar, PictureFolder(folder / "masks", names) as masks,
          PictureFolder(folder / "overlays", names) as overlays):
        looking = Steps(partial(_picture, images, remake), partial(draw, classes))
        for sample, drawn in stage.run(look, reading_order(samples), looking, bar):
            seen[sample.id] = drawn.seen
            things.append(drawn.row)
            masks.add(sample.file_name, drawn.row, drawn.pictures["masks"])
            overlays.add(sample.file_name, drawn.row, drawn.pictures["overlays"])
        for sample, saw in stage.run(look.judge, reading_order(out), Steps(partial(_picture, made, redo)), bar):
            seen[sample.id] = saw
    kept, lost = (predictions(group, [seen[one.id] for one in group]) for group in (samples, out))
    write_rows(folder / "predictions.jsonl", kept)
    write_rows(folder / "segmentations.jsonl", things)
    if as_generated:
        write_rows(folder / "rejected.jsonl", lost)
    steps = funnel(kept + lost, decisions, classes) if as_generated else None
    write_json(Path("results/evaluate", f"{stage.cell}.json"),
               score(kept, classes) | {"funnel": steps, "segmentation": summary(things, classes)})


def _picture(folder: Path, remake: str, sample: Sample) -> NDArray[np.uint8]:
    return read_picture(folder / sample.file_name, remake)


if __name__ == "__main__":
    main("evaluate", run, grid)
