"""deblur: kept images and a variant -> data/deblur/<source>/<variant>/. Usage: python -m experiments.deblur CELL"""

from dataclasses import replace
from pathlib import Path

from t2ibench.harness.items import link
from t2ibench.harness.make import Task, make
from t2ibench.harness.stage import Stage, fresh, grid, main
from t2ibench.pictures import encode_png, read_picture
from t2ibench.records import Sample, digest, read_rows, write_rows


def run(stage: Stage) -> None:
    """Restores the kept images of one source, or links them as they are where the variant restores nothing."""
    source, variant = stage.cell.split("/")
    name = stage.params.variants[variant].deblur
    engine = stage.build(name)
    kept = Path("data/filter", source)
    samples = read_rows(kept / "metadata.jsonl", Sample)
    folder = fresh(Path("data/deblur", stage.cell))
    if not engine.changes_pixels:
        for sample in samples:
            link(kept / sample.file_name, folder / sample.file_name)
        write_rows(folder / "metadata.jsonl", samples)
        return
    prints = {sample.id: digest({"engine": engine.identity, "image": sample.sha256}) for sample in samples}
    tasks = [Task(one.id, one.class_name, prints[one.id], kept / one.file_name) for one in samples]
    items, failures = make(stage, tasks, engine, lambda task: read_picture(task.input),
                           lambda restored: (encode_png(restored), {}))
    for sample in samples:
        link(items[sample.id].path, folder / sample.file_name)
    write_rows(folder / "metadata.jsonl", [
        replace(sample, fingerprint=prints[sample.id], sha256=items[sample.id].sha256,
                extra=sample.extra | {"deblur": name, "restored_from": sample.sha256}) for sample in samples])
    stage.complete(len(samples), len(items), failures)


if __name__ == "__main__":
    main("deblur", run, grid)
