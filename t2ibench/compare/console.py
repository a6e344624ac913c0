"""The comparison on a terminal of 100 columns: ours | paper per class, for the last words of `make repro`."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

BUNDLED = "tiny"
STAND_IN = "dalle3"
"""Sources whose name starts so are drawn by a stand-in where the models are the bundled ones."""


def as_console(comparison: Mapping[str, Any], models: Mapping[str, Any]) -> RenderableType:
    """A table with a row per class and a column per cell, and the line that says what the numbers may be used for.

    Print it with rich: `rich.print(as_console(...))` or `Console().print(...)`. Six cells fit 100 columns.
    """
    rows = comparison["cells"]
    if not rows:
        return Text("This study names no published table to compare with.")
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, title=_title(comparison), title_justify="left")
    table.add_column("class", no_wrap=True, vertical="bottom")
    cells = list(dict.fromkeys((row["table"], row["cell"]) for row in rows))
    for number, cell in cells:
        table.add_column(_heading(number, cell, comparison["models"]), justify="right", no_wrap=True)
    found = {(row["table"], row["cell"], row["class"]): row for row in rows}
    classes = list(dict.fromkeys(row["class"] for row in rows))
    for position, name in enumerate(classes):
        texts = (_pair(found.get((number, cell, name))) for number, cell in cells)
        table.add_row(name, *texts, style="bold" if name == "average" else "")
        if position == len(classes) - 2:
            table.add_section()
    return Group(table, *_last_words(comparison, models))


def _title(comparison: Mapping[str, Any]) -> str:
    return f"Accuracy in percent, ours | paper. Study {comparison['study']}, models {comparison['models']}."


def _heading(number: int, cell: str, models_name: str) -> Text:
    source, _, variant = cell.partition("/")
    stands_in = models_name == BUNDLED and source.startswith(STAND_IN)
    heading = Text(justify="right")
    heading.append("stand-in\n" if stands_in else "\n", style="bold yellow")
    heading.append(f"{source}\n{variant}\n")
    heading.append(f"Table {number}\n", style="dim")
    heading.append("ours|paper", style="dim")
    return heading


def _pair(row: Mapping[str, Any] | None) -> Text:
    if row is None:
        return Text("–")
    ours = "–" if row["accuracy"] is None else f"{100 * row['accuracy']:.2f}"
    return Text.assemble(f"{ours:>6}", ("|", "dim"), (f"{row['published_printed']:>5}", "cyan"))


def _last_words(comparison: Mapping[str, Any], models: Mapping[str, Any]) -> list[Text]:
    if not models["comparable"]:
        why = str(models["note"]).rstrip(".")
        return [Text.assemble(("\nNot comparable with the paper: ", "bold yellow"), f"{why}.")]
    verdicts = [row["verdict"] for row in comparison["cells"]]
    counted = ", ".join(f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts))
    return [Text(f"\nVerdicts: {counted}.")]
