"""The comparison on a terminal of 100 columns: ours | paper per class, for the last words of `make repro`."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from t2ibench.compare.pairs import ALL
from t2ibench.compare.verdicts import VERDICTS

BUNDLED = "tiny"
STAND_IN = "dalle3"
"""Sources whose name starts so are drawn by a stand-in where the models are the bundled ones."""
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
    style = STYLES.get(row["verdict"], "")
    return Text.assemble((f"{ours:>6}", style), ("|", "dim"), (f"{row['published_printed']:>5}", "cyan"))


def _last_words(comparison: Mapping[str, Any], models: Mapping[str, Any]) -> list[Text]:
    lines = [_verdicts(comparison["cells"], models), *_pairs(comparison)]
    wrong = [entry for entry in comparison["audit"] if entry["holds"] is False]
    if wrong:
        lines.append(Text(f"{len(wrong)} of the paper's averages and claims do not follow from its tables: see "
                          "results/compare.md."))  # fmt: skip
    return lines


def _verdicts(rows: Sequence[Mapping[str, Any]], models: Mapping[str, Any]) -> Text:
    if not models["comparable"]:
        why = str(models["note"]).rstrip(".")
        return Text.assemble(("\nNot comparable with the paper: ", "bold yellow"), f"{why}.")
    words = [row["verdict"] for row in rows]
    text = Text("\nVerdicts: ")
    for word in VERDICTS:
        if word in words:
            text.append(f"{words.count(word)} {word}, ", STYLES.get(word, ""))
    text.right_crop(2)
    apart = [f"{row['cell']} {row['class']}" for row in rows if row["verdict"] == "differs"]
    return text.append(f". Differs: {', '.join(apart)}." if apart else ".")


def _pairs(comparison: Mapping[str, Any]) -> list[Text]:
    """A line per source and pair of variants: all its images."""
    return [
        Text.assemble((f"{row['source']}, {row['from']} to {row['to']}: ", "bold"), row["text"])
        for row in comparison["pairs"]
        if row["class"] == ALL
    ]
