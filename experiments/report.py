"""report: everything -> data/report/index.html and figures/*.png. Usage: python -m experiments.report"""

from pathlib import Path

from t2ibench.harness.stage import Stage, fresh, main, no_cells
from t2ibench.records import write_bytes
from t2ibench.report import load
from t2ibench.report.page import build, draw, figures


def run(stage: Stage) -> None:
    """Writes one self-contained page, and its figures as PNG files."""
    inputs = load(Path(), stage.params.model_dump())
    plots = draw(inputs)
    page, pictures = build(inputs, plots), figures(inputs, plots)
    folder = fresh(Path("data/report"))
    write_bytes(folder / "index.html", page.encode())
    for name, png in pictures.items():
        write_bytes(folder / "figures" / f"{name}.png", png)


if __name__ == "__main__":
    main("report", run, no_cells)
