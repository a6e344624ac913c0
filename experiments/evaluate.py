"""evaluate: a cell's images -> data/evaluate/<cell>/, results/evaluate/<cell>.json. Usage: ... evaluate CELL"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from t2ibench.evaluate import Masked, Seen, predictions, score, segmentation, summary
from t2ibench.evaluate.funnel import funnel, rejected
from t2ibench.evaluate.look import Look
from t2ibench.evaluate.overlay import overlay
from t2ibench.harness import executor
from t2ibench.harness.stage import Stage, fresh, grid, main
from t2ibench.pictures import encode_png, read_picture
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
    with stage.progress(len(samples) + len(out)) as bar:
        for sample, found in executor.run(look, samples, partial(_picture, images, remake), bar, stage.clock.smaller):
            seen[sample.id], masked, image = found
            things.append(segmentation(sample, masked))
            _show(folder, sample, image, masked, classes)
        for sample, found in executor.run(look.judge, out, partial(_picture, made, redo), bar, stage.clock.smaller):
            seen[sample.id] = found
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


def _show(folder: Path, sample: Sample, image: NDArray[np.uint8], masked: Masked, classes: Sequence[str]) -> None:
    """Writes an image's mask and overlay; a stage that is killed starts anew, so nothing waits for the disk."""
    place = Path(sample.class_name, f"{sample.id}.png")
    for kind, pixels in (("masks", masked.mask), ("overlays", overlay(image, masked, classes))):
        (folder / kind / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / kind / place).write_bytes(encode_png(pixels))


if __name__ == "__main__":
    main("evaluate", run, grid)
