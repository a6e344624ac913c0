"""The sections about numbers: the verdicts in one sentence, Tables 1-4, the pairs, the audit of the paper."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from t2ibench.report.charts import AVERAGE
from t2ibench.report.inputs import Cell, ReportInputs
from t2ibench.report.strips import Strips, accuracy_strips, difference_strips
from t2ibench.shown import shown
from t2ibench.stats import Count, mean_of_proportions, wilson

WORDS = ("reproduced", "differs", "underpowered", "not comparable")
GLYPHS = {"reproduced": "✓", "differs": "✗", "underpowered": "?", "not comparable": "–"}
KINDS = {"claim": "What the text says, against the tables",
         "average": "Printed averages, against the mean of the printed rows",
         "sample size": "Sample sizes that the printed values allow"}


def summary(inputs: ReportInputs) -> list[dict[str, Any]]:
    """How many published numbers have each verdict: [{word, count}]."""
    counts = Counter(row["verdict"] for row in inputs.comparison["cells"])
    return [{"word": word, "count": counts[word]} for word in dict.fromkeys([*WORDS, *sorted(counts)])]


def sentence(inputs: ReportInputs) -> str:
    """The verdicts in one sentence."""
    cells = inputs.comparison["cells"]
    if not cells:
        return "This study names no published table: its numbers stand for themselves."
    counts = Counter(row["verdict"] for row in cells)
    said = {"reproduced": "are reproduced", "differs": "differ", "underpowered": "need more images to decide",
            "not comparable": "cannot be compared"}
    whole = f"Of the paper's {len(cells)} printed numbers, "
    if len(counts) == 1:
        word = next(iter(counts))
        all_ = "all" if counts[word] > 1 else "the one"
        return f"{whole}{all_} {said.get(word, word)}." if word != "not comparable" else f"{whole}none can be compared."
    parts = [f"{counts[word] or 'none'} {said[word]}" for word in WORDS if counts[word] or word in WORDS[:2]]
    return f"{whole}{', '.join(parts[:-1])} and {parts[-1]}."


def accuracy_rows(inputs: ReportInputs, cell: Cell) -> list[Mapping[str, Any]]:
    """The study's classes, then the average; published values where the tables have them."""
    found = {row["class"]: row for row in inputs.comparison["cells"] if row["cell"] == cell.name}
    confidence = inputs.comparison.get("settings", {}).get("confidence", 0.95)
    counts = {name: count(cell, name) for name in inputs.classes}
    rows: list[Mapping[str, Any]] = []
    for name, counted in counts.items():
        low, high = wilson(*counted, confidence)
        accuracy = counted.correct / counted.n if counted.n else None
        rows.append(found.get(name) or _unpublished(name, counted, accuracy, low, high))
    if AVERAGE in found:
        return [*rows, found[AVERAGE]]
    present = [counted for counted in counts.values() if counted.n]
    low, high = mean_of_proportions(present, confidence) if present else (0.0, 1.0)
    mean = sum(counted.correct / counted.n for counted in present) / len(present) if present else None
    pooled = Count(sum(counted.correct for counted in present), sum(counted.n for counted in present))
    return [*rows, _unpublished(AVERAGE, pooled, mean, low, high)]


def _unpublished(name: str, counted: Count, accuracy: float | None, low: float, high: float) -> dict[str, Any]:
    return {"class": name, "n": counted.n, "correct": counted.correct, "accuracy": accuracy, "ci_low": low,
            "ci_high": high, "published": None, "published_printed": "–", "difference": None, "verdict": "",
            "reason": "", "prompts": None}


def count(cell: Cell, class_name: str) -> Count:
    """Correct and all images of a class."""
    counted = cell.result["per_class"][class_name]
    return Count(counted["correct"], counted["n"])


def tables(inputs: ReportInputs) -> tuple[list[dict[str, Any]], Strips]:
    """Tables 1-4: the published columns with their rows, then the cells that the paper has not; and their slices."""
    columns = []
    for (number, column), group in groupby(inputs.comparison["cells"], key=lambda row: (row["table"], row["column"])):
        rows = list(group)
        columns.append(_column(inputs, number, column, rows[0]["cell"], rows))
    published = {column["cell"] for column in columns}
    for cell in inputs.cells.values():
        if cell.name not in published:
            columns.append(_column(inputs, None, cell.shown, cell.name, accuracy_rows(inputs, cell)))
    strips = accuracy_strips("intervals", [row for column in columns for row in column["rows"]])
    place = iter(strips.slices)
    for column in columns:
        column["slices"] = [next(place) for _ in column["rows"]]
    return columns, strips


def _column(inputs: ReportInputs, number: int | None, name: str, cell: str,
            rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "number": number,
        "column": name,
        "cell": cell,
        "shown": shown(cell, inputs.comparison["substitutes"]),
        "rows": rows,
        "reasons": _reasons(rows),
    }


def _reasons(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The reasons behind the verdicts, each with its classes: [{classes, text}]."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["reason"]:
            found.setdefault(row["reason"], []).append(row["class"])
    return [{"classes": names, "text": text} for text, names in found.items()]


def common_reason(columns: Sequence[Mapping[str, Any]]) -> str:
    """The reason that stands behind every verdict on the page, to be said once; empty where there is none."""
    texts = {row["reason"] for column in columns for row in column["rows"] if row["verdict"]}
    return texts.pop() if len(texts) == 1 else ""


def pairs(inputs: ReportInputs) -> tuple[list[dict[str, Any]], Strips]:
    """What a variant changed on the same images: [{source, from, to, rows}], and the slices of the rows."""
    rows = [row for row in inputs.comparison["pairs"] if row["source"] in inputs.choices]
    strips = difference_strips("differences", rows)
    sliced = zip(rows, strips.slices, strict=True)
    groups = groupby(sliced, key=lambda pair: (pair[0]["source"], pair[0]["from"], pair[0]["to"]))
    return [{"source": inputs.sources[source].shown, "from": before, "to": after, "rows": list(group)}
            for (source, before, after), group in groups], strips


def audit(inputs: ReportInputs) -> list[dict[str, Any]]:
    """The audit of the paper by kind, what does not hold first: [{kind, title, entries, fails}]."""
    found = []
    entries = inputs.comparison["audit"]
    for kind in dict.fromkeys([*KINDS, *(entry["kind"] for entry in entries)]):
        rows = sorted((entry for entry in entries if entry["kind"] == kind),
                      key=lambda entry: {False: 0, None: 1, True: 2}[entry["holds"]])
        if rows:
            fails = sum(row["holds"] is False for row in rows)
            found.append({"kind": kind, "title": KINDS.get(kind, kind), "entries": rows, "fails": fails})
    return found
