"""The comparison as Markdown: results/compare.md, for a reader of the repository or of a pull request."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from t2ibench.compare.pairs import ALL
from t2ibench.compare.printed import AVERAGE, Published
from t2ibench.compare.verdicts import VERDICTS
from t2ibench.shown import shown

HEAD = (
    "| class | images | ours (%) | interval | over prompts | paper (%) | difference | verdict |\n"
    "|---|---:|---:|:---:|:---:|---:|---:|---|"
)
PAIRS = (
    "| source | from → to | class | images | gained | lost | difference | interval | p | after Holm |\n"
    "|---|---|---|---:|---:|---:|---:|:---:|---:|---:|"
)
MARKS = {True: "holds", False: "**does not hold**"}
KINDS = {"average": "Printed averages", "claim": "Claims of the text", "sample size": "Sample sizes"}


def as_markdown(comparison: Mapping[str, Any], models: Mapping[str, Any], published: Published) -> str:
    """One table per published column with the reasons below it, then the pairs of variants, then the paper's audit."""
    parts = [
        f"# {comparison['study']}: ours beside the paper",
        f"Models: **{comparison['models']}**. {_sentence(models['note'])}".rstrip(),
    ]
    if comparison["cells"]:
        parts += [_about(comparison, published), _verdicts(comparison["cells"])]
    else:
        parts.append("This study names no published table with a cell that it could reproduce.")
    for (table, column), rows in groupby(comparison["cells"], key=lambda row: (row["table"], row["column"])):
        parts.append(_table(table, column, list(rows), comparison["substitutes"]))
    if comparison.get("completeness"):
        parts.append(_completeness(comparison["completeness"], comparison["substitutes"]))
    if comparison["pairs"]:
        parts.append(_pairs(comparison, 100 * comparison["settings"]["confidence"]))
    if comparison["audit"]:
        parts.append(_audit(comparison["audit"]))
    return "\n\n".join(parts) + "\n"


def _about(comparison: Mapping[str, Any], published: Published) -> str:
    settings = comparison["settings"]
    return (
        f"Published: {published.authors}, *{published.title}*, {published.venue}. Accuracies are percent of a class's "
        f"kept images; intervals are {100 * settings['confidence']:g} % (a class: Wilson; the average, which is the "
        "mean of the classes: Wilson at its effective number of images). *Over prompts*: a bootstrap of whole "
        "prompts, for the images of one prompt are not independent; never narrower. A difference is ours minus the "
        f"paper's, in points; the margins are {100 * settings['margin_average']:g} for averages and "
        f"{100 * settings['margin_class']:g} for classes."
    )


def _verdicts(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| verdict | averages | classes |", "|---|---:|---:|"]
    for word in VERDICTS:
        averages = [row["class"] == AVERAGE for row in rows if row["verdict"] == word]
        lines.append(f"| {word} | {averages.count(True)} | {averages.count(False)} |")
    return "\n".join(lines)


def _table(table: int, column: str, rows: list[dict[str, Any]], substitutes: Mapping[str, str]) -> str:
    lines = [f"## Table {table}, {column} (`{shown(rows[0]['cell'], substitutes)}`)", "", HEAD]
    for row in rows:
        cells = (
            f"**{row['class']}**" if row["class"] == AVERAGE else row["class"],
            "–" if row["n"] is None else str(row["n"]),
            percent(row["accuracy"]),
            interval(row),
            interval(row, "ci_prompt"),
            row["published_printed"],
            points(row["difference"]),
            row["verdict"],
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_reasons(rows)])


def _reasons(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each reason once, with the classes that it is of, unless it is of all of them."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        reasons.setdefault(row["reason"], []).append(row["class"])
    return [
        f"- {_sentence(reason)}" if len(names) == len(rows) else f"- {', '.join(names)}: {reason.rstrip('.')}."
        for reason, names in reasons.items()
    ]


def _completeness(rows: Sequence[Mapping[str, Any]], drew: Mapping[str, str]) -> str:
    """What became of all that was planned, and why something failed."""
    variants = list(rows[0]["judged"])
    head = ["source", "planned", "failed", "made", "kept", *(f"judged, {name}" for name in variants)]
    lines = ["## Completeness", "", "Images of each source: planned = made + failed, and every kept one is judged.", "",
             f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    for row in rows:
        counts = [*(row[key] for key in ("planned", "failed", "made", "kept")), *row["judged"].values()]
        lines.append(f"| {shown(row['source'], drew)} | {' | '.join(map(str, counts))} |")
    reasons = [f"- {shown(row['source'], drew)}, {where}: {count} x {reason}" for row in rows
               for where, found in row["reasons"].items() for reason, count in found.items()]
    return "\n".join([*lines, "", *reasons]).rstrip()


def _pairs(comparison: Mapping[str, Any], confidence: float) -> str:
    rows, drew = comparison["pairs"], comparison["substitutes"]
    lines = [
        "## The same images before and after",
        "",
        "Gained: right after and not before; lost: the other way round. Differences are points with their "
        f"{confidence:g} % interval (Newcombe, paired); p is McNemar's, exact, then Holm-adjusted over the classes. "
        "A class in which nothing changed is not listed.",
        "",
        PAIRS,
    ]
    for row in rows:
        if row["class"] != ALL and not row["gained"] + row["lost"]:
            continue
        cells = (
            shown(row["source"], drew),
            f"{row['from']} → {row['to']}",
            f"**{row['class']}**" if row["class"] == ALL else row["class"],
            *(str(row[key]) for key in ("n", "gained", "lost")),
            points(row["difference"]),
            "–" if row["ci_low"] is None else f"{100 * row['ci_low']:+.1f} to {100 * row['ci_high']:+.1f}",
            f"{row['p_value']:.2g}",
            "–" if row["p_holm"] is None else f"{row['p_holm']:.2g}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    whole = [row for row in rows if row["class"] == ALL]
    sentences = [f"- {shown(row['source'], drew)}, {row['from']} → {row['to']}: {row['text']}" for row in whole]
    return "\n".join([*lines, "", *sentences])


def _audit(entries: Sequence[Mapping[str, Any]]) -> str:
    """The audit by kind, in the order of KINDS."""
    lines = ["## The paper against itself"]
    for kind in dict.fromkeys([*KINDS, *(entry["kind"] for entry in entries)]):
        found = [entry for entry in entries if entry["kind"] == kind]
        if found:
            lines += ["", f"### {KINDS.get(kind, kind)}", ""]
            lines += [f"- {entry['where']} ({MARKS[entry['holds']]}): {entry['text']}" if entry["holds"] is not None
                      else f"- {entry['where']}: {entry['text']}" for entry in found]
    return "\n".join(lines)


def percent(fraction: float | None, digits: int = 2) -> str:
    """A fraction as percent without the sign, or a dash where there is none."""
    return "–" if fraction is None else f"{100 * fraction:.{digits}f}"


def points(difference: float | None) -> str:
    """A difference of fractions as points with a sign, or a dash where there is none."""
    return "–" if difference is None else f"{100 * difference:+.2f}"


def interval(row: Mapping[str, Any], name: str = "ci") -> str:
    """A row's interval of that name in percent, or a dash."""
    if row["accuracy"] is None:
        return "–"
    return f"{percent(row[f'{name}_low'], 1)} to {percent(row[f'{name}_high'], 1)}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""
