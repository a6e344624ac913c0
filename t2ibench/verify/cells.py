"""What can be made again: each source's images, and each cell's restored ones, with the engine that made them.

A fingerprint is computed anew from every row and the engine of params.yaml. Where all of a cell's are others,
params.yaml is not what made it; where some are, those rows do not say what they were made from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2ibench import deblur
from t2ibench.errors import MissingError
from t2ibench.harness import config
from t2ibench.harness.executor import Engine
from t2ibench.images import Request, fingerprint
from t2ibench.images.folder import ImportedImages
from t2ibench.images.openai import OpenAIImages
from t2ibench.pictures import read_picture
from t2ibench.records import Sample, read_rows


@dataclass(frozen=True)
class Cell:
    """The recorded images of one folder. engine: what makes them again, None where nothing can, for the reason `why`;
    load: a row as the engine's input; input: the file that `load` reads, None where it reads none; wrong: {id: what is
    wrong with the row}."""

    stage: str
    name: str
    folder: Path
    rows: Sequence[Sample]
    engine: Engine | None
    load: Callable[[Sample], Any]
    input: Callable[[Sample], Path] | None = None
    wrong: dict[str, str] = field(default_factory=dict)
    why: str = ""


def cells(params: config.Params) -> list[Cell]:
    """Every cell of params.yaml with pictures of its own, in flow order.

    Raises MissingError where a table is absent, or a cell was made with other parameters; UserError for engines.
    """
    found = [_images(params, source) for source in params.sources]
    restoring = {name: config.build(params.deblur[variant.deblur], f"deblur.{variant.deblur}", params)
                 for name, variant in params.variants.items()}
    return found + [_restored(f"{source}/{name}", engine) for source in params.sources
                    for name, engine in restoring.items() if engine.changes_pixels]


def _images(params: config.Params, source: str) -> Cell:
    folder, name = Path("data/images", source), params.sources[source].images
    rows = _rows(folder)
    engine: Any = config.build(params.images[name], f"images.{name}", params)
    why = ""
    if isinstance(engine, ImportedImages):
        why = "imported from a folder, not made here"
    elif isinstance(engine, OpenAIImages) and engine.standin is None:
        why = "made by an API, which draws another image for the same request"
    wrong = {} if isinstance(engine, ImportedImages) else _others(
        folder, f"images@{source}", rows, lambda row: fingerprint(engine.identity, _request(row)))
    drawing = engine.standin if isinstance(engine, OpenAIImages) else engine
    return Cell("images", source, folder, rows, None if why else drawing, _request, wrong=wrong, why=why)


def _request(row: Sample) -> Request:
    return Request(row.id, row.prompt, row.seed)


def _restored(name: str, engine: Any) -> Cell:
    folder, kept = Path("data/deblur", name), Path("data/filter", name.split("/")[0])
    rows, identity = _rows(folder), engine.identity
    wrong = _others(folder, f"deblur@{name.replace('/', '-')}", rows,
                    lambda row: deblur.fingerprint(identity, str(row.extra.get("restored_from"))))
    return Cell("deblur", name, folder, rows, engine, lambda row: read_picture(kept / row.file_name),
                lambda row: kept / row.file_name, wrong)


def _rows(folder: Path) -> list[Sample]:
    return read_rows(folder / "metadata.jsonl", Sample, f"dvc checkout {folder}, or dvc repro")


def _others(folder: Path, stage: str, rows: Sequence[Sample], again: Callable[[Sample], str]) -> dict[str, str]:
    """{id: the reason} for rows whose fingerprint is another. Raises MissingError where all are."""
    others = {row.id: "its row names another prompt, seed or source image than its fingerprint was made of"
              for row in rows if again(row) != row.fingerprint}
    if rows and len(others) == len(rows):
        raise MissingError(f"{folder} was made with other parameters than params.yaml's: no fingerprint is theirs",
                           f"dvc repro {stage}, or the params.yaml that made it")
    return others
