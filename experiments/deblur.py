"""deblur: kept images and a variant -> data/deblur/<cell>/, results/deblur/<cell>.json. Usage: ... deblur CELL"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from t2ibench.deblur import fingerprint
from t2ibench.harness.make import Task, make
from t2ibench.harness.outs import PictureFolder, link_all
from t2ibench.harness.stage import Stage, fresh, grid, main
from t2ibench.pictures import encode_png, read_picture, reading_order
from t2ibench.records import Failure, Sample, read_rows, write_json, write_rows


def run(stage: Stage) -> None:
    """Restores the kept images of one source, or links them as they are where the variant restores nothing."""
    source, variant = stage.cell.split("/")
    name = stage.params.variants[variant].deblur
    engine = stage.build(name)
    kept = Path("data/filter", source)
    samples = read_rows(kept / "metadata.jsonl", Sample)
    folder = fresh(Path("data/deblur", stage.cell))
    if not engine.changes_pixels:
        link_all(kept, folder, (sample.file_name for sample in samples))
        write_rows(folder / "metadata.jsonl", samples)
        stage.reused = {sample.id for sample in samples}
        _end(stage, folder, len(samples), len(samples), [])
        return
    prints = {sample.id: fingerprint(engine.identity, sample.sha256) for sample in samples}
    tasks = [Task(one.id, one.class_name, prints[one.id], kept / one.file_name) for one in reading_order(samples)]
    items, failures = make(stage, tasks, engine, lambda task: read_picture(task.input),
                           lambda restored: (encode_png(restored), {}))
    restored = [replace(sample, fingerprint=prints[sample.id], sha256=items[sample.id].sha256,
                        extra=sample.extra | {"deblur": name, "restored_from": sample.sha256})
                for sample in samples if sample.id in items]
    with PictureFolder(folder, (sample.file_name for sample in restored)) as pictures:
        for sample in restored:
            pictures.add(sample.file_name, sample, items[sample.id].path)
    write_rows(folder / "metadata.jsonl", restored)
    _end(stage, folder, len(samples), len(restored), failures)


def _end(stage: Stage, folder: Path, planned: int, done: int, failures: Sequence[Failure]) -> None:
    write_rows(folder / "failures.jsonl", failures)
    with stage.complete(planned, done, failures) as counted:
        write_json(Path("results/deblur", f"{stage.cell}.json"), counted)


if __name__ == "__main__":
    main("deblur", run, grid)
