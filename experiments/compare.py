"""compare: results and published tables -> results/compare.*, metrics.json, plots/. Usage: ... experiments.compare"""

from pathlib import Path

from t2ibench.compare import (
    Settings,
    accuracy_csv,
    as_markdown,
    compare,
    funnel_csv,
    load,
    load_completeness,
    load_filters,
    load_published,
    metrics,
)
from t2ibench.harness.stage import Stage, fresh, main, no_cells
from t2ibench.records import write_bytes, write_json


def run(stage: Stage) -> None:
    """Holds our accuracies against the published ones, variants against each other, and the paper against itself."""
    params = stage.params.model_dump()
    settings: Settings = stage.build()
    published = load_published(settings.tables)
    results, filters = load(Path(), params), load_filters(Path(), params)
    comparison = compare(params["study"], params["models"], results, published, settings)
    comparison["completeness"] = load_completeness(Path(), params, results, filters)
    write_json(Path("results/compare.json"), comparison)
    write_bytes(Path("results/compare.md"), as_markdown(comparison, params["models"], published).encode())
    write_json(Path("results/metrics.json"), metrics(comparison, results, filters))
    plots = fresh(Path("results/plots"))
    write_bytes(plots / "accuracy.csv", accuracy_csv(comparison).encode())
    write_bytes(plots / "funnel.csv", funnel_csv(filters, results).encode())


if __name__ == "__main__":
    main("compare", run, no_cells)
