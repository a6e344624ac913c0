"""The comparison as Markdown: results/compare.md, for a reader of the repository or of a pull request."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from t2ibench.compare.published import Published

HEAD = (
    "| class | images | ours (%) | interval | paper (%) | difference | verdict |\n|---|---:|---:|:---:|---:|---:|---|"
)


def as_markdown(comparison: Mapping[str, Any], models: Mapping[str, Any], published: Published) -> str:
    """One Markdown table per published column, with who ran what above and the reasons below each."""
    confidence = 100 * comparison["settings"]["confidence"]
    parts = [
        f"# {comparison['study']}: ours beside the paper",
        f"Models: **{comparison['models']}**. {_sentence(models['note'])}".rstrip(),
    ]
    if published.cells:
        parts.append(
            f"Published: {published.authors}, *{published.title}*, {published.venue}. Accuracies are percent of a "
            f"class's kept images; intervals are {confidence:g} % (a class: Wilson; the average, which is the mean of "
            "the classes: Wilson limits combined). A difference is ours minus the paper's, in points."
        )
    else:
        parts.append("This study names no published table.")
    for (table, column), rows in groupby(comparison["cells"], key=lambda row: (row["table"], row["column"])):
        parts.append(_table(table, column, list(rows)))
    return "\n\n".join(parts) + "\n"


def _table(table: int, column: str, rows: list[dict[str, Any]]) -> str:
    lines = [f"## Table {table}, {column} (`{rows[0]['cell']}`)", "", HEAD]
    for row in rows:
        name = f"**{row['class']}**" if row["class"] == "average" else row["class"]
        cells = (
            name,
            "–" if row["n"] is None else str(row["n"]),
            percent(row["accuracy"]),
            interval(row),
            row["published_printed"],
            "–" if row["difference"] is None else f"{100 * row['difference']:+.2f}",
            row["verdict"],
        )
        lines.append(f"| {' | '.join(cells)} |")
    reasons = dict.fromkeys(row["reason"] for row in rows if row["reason"])
    return "\n".join([*lines, "", *(f"- {_sentence(reason)}" for reason in reasons)])


def percent(fraction: float | None, digits: int = 2) -> str:
    """A fraction as percent without the sign, or a dash where there is none."""
    return "–" if fraction is None else f"{100 * fraction:.{digits}f}"


def interval(row: Mapping[str, Any]) -> str:
    """A row's interval in percent, or a dash."""
    if row["accuracy"] is None:
        return "–"
    return f"{percent(row['ci_low'], 1)} to {percent(row['ci_high'], 1)}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""
