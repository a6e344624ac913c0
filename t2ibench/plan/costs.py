"""What the images that are still to make cost: device seconds, dollars, bytes; and what has to be downloaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2ibench.errors import MissingError
from t2ibench.harness import config
from t2ibench.hub import SCHEME, catalogue, store
from t2ibench.paid.ledger import Ledger, path_of
from t2ibench.pictures import SHARD
from t2ibench.plan.counting import Cell
from t2ibench.plan.speeds import speed
from t2ibench.plan.stored import named

BYTES_A_PIXEL = 1.6
"""Of a photographic picture as PNG; measured sizes are used where pictures are stored."""
MEASUREMENT = 12_000
"""Bytes of a measurement of the filter with its note: CLIP's feature, the grid, and two blocks of a file system."""
TAR = 2_000
"""Bytes that a picture takes in a tar shard beside its own: two headers, its row, and what fills up blocks."""


STOPS = ": the run will stop there"


@dataclass(frozen=True)
class Cost:
    """Of one cell. seconds: on the device, None where unknown; usd: at most, None where a price is unknown; measured:
    whether the bytes are from stored pictures."""

    cell: Cell
    seconds: float | None
    basis: str
    usd: float | None
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
    if cell.stage == "prompts":
        tries = int(params.prompts[cell.name].get("max_tries", 1))
        unknown = "; price unknown" if cell.usd is None else ""
        return Cost(cell, 0.0, f"{cell.requests} requests, {tries * cell.requests} with all repairs{unknown}", cell.usd,
                    0, True)
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
    shown = mean * 1.1 if cell.stage == "evaluate" else mean  # an overlay, and a mask of 1 bit
    each = MEASUREMENT if cell.stage == "filter" else shown
    copies = max(0.0, cell.copied * (shown + TAR) - _shards(cell)) if cell.copied else 0.0
    return Cost(cell, seconds, basis, cell.usd, round(cell.to_make * each + copies),
                bool(cell.sizes) or (cell.stage == "filter" and not cell.copied))


def _shards(cell: Cell) -> int:
    """Bytes of the tar shards that are in the cell's out already."""
    return sum(path.stat().st_size for path in Path("data", cell.stage, cell.name).rglob(f"*{SHARD}"))


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
    """Sentences on the ledgers: what was spent, what is to come, and whether the cap will stop the run."""
    nodes = {f"prompts.{source.prompts}": params.prompts[source.prompts] for source in params.sources.values()}
    nodes |= {f"images.{source.images}": params.images[source.images] for source in params.sources.values()}
    paid = {key: node for key, node in nodes.items() if "ledger" in node}
    said = []
    for name in dict.fromkeys(str(node["ledger"]) for node in paid.values()):
        sharing = {key: node for key, node in paid.items() if node["ledger"] == name}
        asked = [one for one in costs if one.cell.requests and _section(params, one.cell) in sharing]
        path = path_of(name)
        spent = Ledger(path, 0).summary() if path.exists() else None
        if spent is None and not asked:
            continue
        caps = [float(sharing[_section(params, one.cell)]["budget_usd"]) for one in asked]
        cap = min(caps or [float(node["budget_usd"]) for node in sharing.values()])
        said.append(_sentence(name, spent or {}, asked, cap))
    return said


def _section(params: config.Params, cell: Cell) -> str:
    """The section of params.yaml whose engine sends a cell's requests."""
    return f"prompts.{cell.name}" if cell.stage == "prompts" else f"images.{params.sources[cell.name].images}"


def _sentence(name: str, spent: dict[str, Any], asked: Sequence[Cost], cap: float) -> str:
    """What a ledger holds and will hold. It ends with STOPS where the cap ends the run."""
    past, come = float(spent.get("spent_usd", 0)), sum(one.usd or 0 for one in asked)
    perhaps = float(spent.get("perhaps_usd", 0))
    unknown = int(spent.get("price_unknown", 0)), sum(one.cell.requests for one in asked if one.usd is None)
    text = f"Ledger {name}: {past:.2f} USD spent so far"
    text += f" ({perhaps:.2f} of it perhaps)" if perhaps else ""
    text += f" and {unknown[0]} requests of unknown price" if unknown[0] else ""
    text += f", {come:.2f} to come"
    text += f" and {unknown[1]} requests of unknown price" if unknown[1] else ""
    text += f", {past + come:.2f} in all, at most {cap:.2f} allowed (budget_usd)"
    return text + (STOPS if past + come > cap + 1e-9 else "")
