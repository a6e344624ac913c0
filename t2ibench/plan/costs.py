"""What the images that are still to make cost: device seconds, dollars, bytes; and what has to be downloaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from t2ibench.errors import MissingError
from t2ibench.harness import config
from t2ibench.hub import SCHEME, catalogue, store
from t2ibench.paid.ledger import Ledger, path_of
from t2ibench.plan.counting import Cell
from t2ibench.plan.speeds import speed
from t2ibench.plan.stored import named

BYTES_A_PIXEL = 1.6
"""Of a photographic picture as PNG; measured sizes are used where pictures are stored."""
MEASUREMENT = 12_000
"""Bytes of a measurement of the filter with its note: CLIP's feature, the grid, and two blocks of a file system."""


STOPS = ": the run will stop there"


@dataclass(frozen=True)
class Cost:
    """Of one cell. seconds: on the device, None where unknown; measured: whether the bytes are from stored pictures."""

    cell: Cell
    seconds: float | None
    basis: str
    usd: float
    bytes: int
    measured: bool


@dataclass(frozen=True)
class Download:
    """A model that is not here whole. title: with its size, for people."""

    name: str
    title: str
    bytes: int
    licence: str


def cost(params: config.Params, cell: Cell, rows: Sequence[dict[str, Any]]) -> Cost:
    """What a cell costs. rows: the clocks' readings."""
    node = params.images[params.sources[cell.name.split("/")[0]].images]
    found = speed(params, cell.stage, cell.name, rows)
    seconds: float | None = 0.0
    if cell.to_make and not cell.requests:
        seconds = cell.to_make / found.images_per_second if found.images_per_second else None
    basis = found.basis if cell.to_make else ""
    if cell.requests:
        pace = node.get("requests_per_minute")
        basis = f"{cell.requests} requests" + (f", {cell.requests / pace:.0f} min at {pace} a minute" if pace else "")
    elif cell.stage == "images" and cell.to_make and found.images_per_second is None and "API" in found.basis:
        seconds = 0.0  # every answer is there already
    mean = sum(cell.sizes) / len(cell.sizes) if cell.sizes else BYTES_A_PIXEL * (node.get("size") or 512) ** 2
    each = {"filter": MEASUREMENT, "evaluate": mean * 1.1}.get(cell.stage, mean)  # an overlay, and a mask of 1 bit
    return Cost(cell, seconds, basis, cell.requests * float(node.get("price_usd") or 0), round(cell.to_make * each),
                bool(cell.sizes) or cell.stage == "filter")


def downloads(params: config.Params) -> list[Download]:
    """The published models that the study names and that `make fetch` has not brought whole.

    Raises ConfigError for a name that the catalogue does not know.
    """
    found = []
    for uri in named(params):
        if uri.startswith(SCHEME):
            entry = catalogue.entry(uri)
            try:
                store.locate(entry)
            except MissingError:
                found.append(Download(entry.name, entry.title(), round(entry.gigabytes * 1e9), entry.licence))
    return found


def budgets(params: config.Params, costs: Sequence[Cost]) -> list[str]:
    """Sentences on the ledgers: what was spent, and whether the cap will stop the run."""
    said = []
    for name in dict.fromkeys(source.images for source in params.sources.values()):
        sources = [key for key, source in params.sources.items() if source.images == name]
        usd = sum(one.usd for one in costs if one.cell.stage == "images" and one.cell.name in sources)
        if not usd:
            continue
        node = params.images[name]
        path = path_of(str(node.get("ledger", "study")))
        spent = float(Ledger(path, 0).summary()["spent_usd"]) if path.exists() else 0.0
        cap = float(node["budget_usd"])
        text = f"images.{name}: {spent:.2f} USD spent so far, {usd:.2f} to come, at most {cap:.2f} allowed (budget_usd)"
        said.append(text + (STOPS if spent + usd > cap + 1e-9 else ""))
    return said
