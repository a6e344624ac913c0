"""The comparison on a terminal of 100 columns: ours | paper per class, for the last words of `make repro`."""

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from t2ibench.compare.pairs import ALL
from t2ibench.compare.verdicts import VERDICTS
from t2ibench.shown import shown

WIDTH = 13
"""Columns of a heading: six of them, and the classes, fit 100."""
STYLES = {"reproduced": "green", "differs": "bold red", "underpowered": "yellow"}


def as_console(comparison: Mapping[str, Any], models: Mapping[str, Any]) -> RenderableType:
    """A table with a row per class and a column per cell, and the line that says what the numbers may be used for.

    Print it with rich: `rich.print(as_console(...))` or `Console().print(...)`. Six cells fit 100 columns.
    """
    rows = comparison["cells"]
    if not rows:
        return Group(Text("This study names no published table to compare with."), *_pairs(comparison))
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, title=_title(comparison), title_justify="left")
    table.add_column("class", no_wrap=True, vertical="bottom")
    cells = list(dict.fromkeys((row["table"], row["cell"]) for row in rows))
    tallest = max(len(_source(cell, comparison["substitutes"])) for _, cell in cells)
    for number, cell in cells:
        table.add_column(_heading(number, cell, comparison["substitutes"], tallest), justify="right", no_wrap=True)
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


def _source(cell: str, substitutes: Mapping[str, str]) -> list[str]:
    """The lines of a cell's source as people read it: its name, then who drew in place of whom."""
    return wrap(shown(cell.partition("/")[0], substitutes), WIDTH)


def _heading(number: int, cell: str, substitutes: Mapping[str, str], tallest: int) -> Text:
    name, *drew = _source(cell, substitutes)
    heading = Text("\n" * (tallest - 1 - len(drew)), justify="right")
    heading.append(f"{name}\n")
    heading.append("".join(f"{line}\n" for line in drew), style="bold yellow")
    heading.append(f"{cell.partition('/')[2]}\n")
    heading.append(f"Table {number}\n", style="dim")
    heading.append("ours|paper", style="dim")
    return heading


def _pair(row: Mapping[str, Any] | None) -> Text:
    if row is None:
        return Text("–")
    ours = "–" if row["accuracy"] is None else f"{100 * row['accuracy']:.2f}"
    style = STYLES.get(row["verdict"], "")
    return Text.assemble((f"{ours:>6}", style), ("|", "dim"), (f"{row['published_printed']:>5}", "cyan"))


def _last_words(comparison: Mapping[str, Any], models: Mapping[str, Any]) -> list[Text]:
    lines = [_verdicts(comparison, models), *_pairs(comparison)]
    wrong = [entry for entry in comparison["audit"] if entry["holds"] is False]
    if wrong:
        lines.append(Text(f"{len(wrong)} of the paper's averages and claims do not follow from its tables: see "
                          "results/compare.md."))
    return lines


def _verdicts(comparison: Mapping[str, Any], models: Mapping[str, Any]) -> Text:
    rows, drew = comparison["cells"], comparison["substitutes"]
    if not models["comparable"]:
        why = str(models["note"]).rstrip(".")
        return Text.assemble(("\nNot comparable with the paper: ", "bold yellow"), f"{why}.")
    words = [row["verdict"] for row in rows]
    text = Text("\nVerdicts: ")
    for word in VERDICTS:
        if word in words:
            text.append(f"{words.count(word)} {word}, ", STYLES.get(word, ""))
    text.right_crop(2)
    apart = [f"{shown(row['cell'], drew)} {row['class']}" for row in rows if row["verdict"] == "differs"]
    return text.append(f". Differs: {', '.join(apart)}." if apart else ".")


def _pairs(comparison: Mapping[str, Any]) -> list[Text]:
    """A line per source and pair of variants: all its images."""
    drew = comparison["substitutes"]
    return [
        Text.assemble((f"{shown(row['source'], drew)}, {row['from']} to {row['to']}: ", "bold"), row["text"])
        for row in comparison["pairs"]
        if row["class"] == ALL
    ]
