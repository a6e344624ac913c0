"""evaluate: a cell's images -> data/evaluate/<cell>/, results/evaluate/<cell>.json. Usage: ... evaluate CELL"""

from pathlib import Path

from t2ibench.evaluate import predictions, score
from t2ibench.harness import executor
from t2ibench.harness.stage import Stage, fresh, grid, main
from t2ibench.pictures import read_picture
from t2ibench.records import Sample, read_rows, write_json, write_rows


def run(stage: Stage) -> None:
    """Asks the judge what it sees in every image of a cell, and counts what is right."""
    images = Path("data/deblur", stage.cell)
    remake = f"dvc repro -f deblur@{stage.cell.replace('/', '-')}"
    samples = read_rows(images / "metadata.jsonl", Sample, remake)
    engine = stage.build("yolov8")
    with stage.progress(len(samples)) as bar:
        found = executor.run(engine, samples, lambda one: read_picture(images / one.file_name, remake), bar)
        seen = {sample.id: one for sample, one in found}
    rows = predictions(samples, [seen[sample.id] for sample in samples])
    write_rows(fresh(Path("data/evaluate", stage.cell)) / "predictions.jsonl", rows)
    write_json(Path("results/evaluate", f"{stage.cell}.json"), score(rows, stage.params.study.classes))


if __name__ == "__main__":
    main("evaluate", run, grid)
