"""The plan on a terminal: a row per stage and cell, the sums, and what has to be said beside them."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from t2ibench.harness import progress
from t2ibench.plan.costs import Cost, Download

RIGHT = ("images", "stored", "to make", "device", "US$", "disk")


def table(title: str, costs: Sequence[Cost]) -> Table:
    """A row per cell, in flow order. `≤` marks an upper estimate, `~` an estimated size."""
    shown = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, title=title, title_justify="left")
    for name in ("stage", "cell", *RIGHT, "basis of the time"):
        shown.add_column(name, justify="right" if name in RIGHT else "left", no_wrap=name != "basis of the time")
    for place, one in enumerate(costs):
        cell = one.cell
        shown.add_row("" if place and costs[place - 1].cell.stage == cell.stage else cell.stage, cell.name,
                      ("" if cell.exact else "≤ ") + f"{cell.images:,}" if cell.stage != "prompts" else "–",
                      f"{cell.stored:,}" if cell.stage != "prompts" else "–",
                      "–" if not cell.to_make else ("" if cell.exact else "≤ ") + f"{cell.to_make:,}",
                      duration(one.seconds), money(one.usd), size(one.bytes, one.measured),
                      Text(one.basis, style="dim"))
        if place + 1 < len(costs) and costs[place + 1].cell.stage != cell.stage:
            shown.add_section()
    unknown = any(one.seconds is None for one in costs)
    seconds = sum(one.seconds or 0 for one in costs)
    shown.add_section()
    shown.add_row("sum", "", "", "", "", ("≥ " if unknown else "") + duration(seconds),
                  ("≥ " if any(one.usd is None for one in costs) else "") + money(sum(one.usd or 0 for one in costs)),
                  size(sum(one.bytes for one in costs), all(one.measured for one in costs)), "", style="bold")
    return shown


def to_fetch(found: Sequence[Download]) -> str:
    """A sentence on the downloads."""
    if not found:
        return "Downloads: none; every model that the study names is here."
    total = sum(one.bytes for one in found)
    return f"Downloads: {total / 1e9:.2f} GB (make fetch): " + ", ".join(one.title for one in found) + "."


def duration(seconds: float | None) -> str:
    """`–`, `40 s`, `12 min`, `3.4 h`; `?` where unknown."""
    if seconds is None:
        return "?"
    return progress.duration(seconds) if seconds else "–"


def money(usd: float | None) -> str:
    """Dollars, or a dash for none; `?` where a price is unknown."""
    if usd is None:
        return "?"
    return f"{usd:,.2f}" if usd else "–"


def size(count: int, measured: bool) -> str:
    """Bytes in powers of ten, or a dash for none."""
    if not count:
        return "–"
    unit, name = next((u, n) for u, n in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B")) if count >= u)
    return ("" if measured else "~") + f"{count / unit:.{0 if count / unit >= 10 else 1}f} {name}"
