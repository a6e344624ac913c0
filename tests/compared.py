"""Our results beside the published ones, made of counts: what the tests of `compare` hold against each other."""

from dataclasses import replace
from typing import Any

from fake_workspace import make_params

from t2ibench.compare import CellResult, Published, Settings, compare, load_published
from t2ibench.records import CLASSES, Prediction
from t2ibench.stats import Count

CELLS = [f"{source}/{variant}" for source in ("sd-llm", "dalle3-llm", "sd-caption") for variant in ("base", "deblur")]
SETTINGS = Settings(tables="ieie2026", draws=200)
PUBLISHED = load_published("ieie2026")


def seen(class_name: str, count: Count, per_prompt: int = 4) -> list[Prediction]:
    """So many images of a class, the first ones right, of prompts with four images each."""
    wrong = "dog" if class_name == "cat" else "cat"
    return [
        Prediction(id=f"{class_name}{i // per_prompt:03}-{i % per_prompt}", class_name=class_name, confidence=0.9,
                   predicted=class_name if i < count.correct else wrong, box=None)
        for i in range(count.n)
    ]


def result(counts: dict[str, Count]) -> CellResult:
    rows = [row for name, count in counts.items() for row in seen(name, count)]
    return CellResult(counts=counts, predictions=rows)


def results(correct: int = 36, n: int = 40, cells: list[str] = CELLS, **other: Count) -> dict[str, CellResult]:
    """The same counts for each class of each cell, but for the classes in `other`."""
    return {cell: result({name: other.get(name, Count(correct, n)) for name in CLASSES}) for cell in cells}


def as_published(n: int) -> dict[str, CellResult]:
    """What a perfect replication with n images a class finds: the printed accuracies, as near as n allows."""
    values = {(c.cell, c.class_name): c.value for c in PUBLISHED.cells}
    return {cell: result({name: Count(round(n * values[cell, name]), n) for name in CLASSES}) for cell in CELLS}


def run(found: dict[str, CellResult], classes: tuple[str, ...] = CLASSES, comparable: bool = False,
        published: Published = PUBLISHED, settings: Settings = SETTINGS, **models: Any) -> dict[str, Any]:
    params = make_params(classes)
    chosen = params["models"] | {"comparable": comparable} | models
    return compare(params["study"], chosen, found, published, settings)


def row(comparison: dict[str, Any], cell: str, class_name: str) -> dict[str, Any]:
    (found,) = [r for r in comparison["cells"] if (r["cell"], r["class"]) == (cell, class_name)]
    return dict(found)


def substituted(found: dict[str, CellResult], drew: str = "standin for DALL-E 3") -> dict[str, CellResult]:
    """The same, where another model drew in place of DALL-E 3."""
    return found | {cell: replace(found[cell], substitute=drew) for cell in found if cell.startswith("dalle3")}
