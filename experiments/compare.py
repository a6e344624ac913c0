"""compare: results and published tables -> results/compare.json and .md. Usage: python -m experiments.compare"""

from pathlib import Path

from t2ibench.compare import Settings, as_markdown, compare, load, load_published
from t2ibench.harness.stage import Stage, main, no_cells
from t2ibench.records import write_bytes, write_json


def run(stage: Stage) -> None:
    """Holds every cell's accuracies against the published ones."""
    params = stage.params.model_dump()
    settings: Settings = stage.build()
    published = load_published(settings.tables)
    comparison = compare(params["study"], params["models"], load(Path(), params), published, settings)
    write_json(Path("results/compare.json"), comparison)
    write_bytes(Path("results/compare.md"), as_markdown(comparison, params["models"], published).encode())


if __name__ == "__main__":
    main("compare", run, no_cells)
