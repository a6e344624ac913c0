"""filter: images -> data/filter/<source>/, results/filter/<source>.json. Usage: python -m experiments.filter SOURCE"""

from collections import Counter
from pathlib import Path

from t2ibench.filter import decide, funnel
from t2ibench.filter.measure import Measure
from t2ibench.harness import executor
from t2ibench.harness.items import link
from t2ibench.harness.stage import Stage, fresh, main, sources
from t2ibench.pictures import read_picture
from t2ibench.records import Failure, Sample, read_rows, write_json, write_rows


def run(stage: Stage) -> None:
    """Measures every image of one source, decides, links the kept ones, counts the funnel."""
    made = Path("data/images", stage.cell)
    remake = f"dvc repro -f images@{stage.cell}"
    samples = read_rows(made / "metadata.jsonl", Sample, remake)
    failures = read_rows(made / "failures.jsonl", Failure, remake)
    engine = Measure(*(stage.build(name) for name in ("clip", "quality", "people")))
    with stage.progress(len(samples)) as bar:
        found = executor.run(engine, samples, lambda one: read_picture(made / one.file_name, remake), bar)
        measured = {sample.id: measurement for sample, measurement in found}
    decisions = decide(samples, [measured[sample.id] for sample in samples], engine.thresholds)
    kept = {decision.id for decision in decisions if decision.keep}
    folder = fresh(Path("data/filter", stage.cell))
    for sample in samples:
        if sample.id in kept:
            link(made / sample.file_name, folder / sample.file_name)
    write_rows(folder / "metadata.jsonl", (sample for sample in samples if sample.id in kept))
    write_rows(folder / "decisions.jsonl", decisions)
    planned = Counter([sample.class_name for sample in samples] + [failure.class_name for failure in failures])
    counts = {name: planned[name] for name in stage.params.study.classes}
    write_json(Path("results/filter", f"{stage.cell}.json"), funnel(counts, decisions))


if __name__ == "__main__":
    main("filter", run, sources)
