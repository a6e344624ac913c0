"""The review by eye: reviews/<source>.csv, a table under version control that the filter obeys.

Source: IEIE 2026, section 3.1.2, whose authors looked at every image and removed what was black or mixed people and
animals. Here what a person saw is a row of a file: `id,decision,reviewer,note`, `keep` or `reject`, at most one row per
image and reviewer, sorted by reviewer and id, so that two reviewers' work merges and a difference shows in a diff.
A review can only reject. `keep` records that somebody looked.
"""

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal

from t2ibench.errors import ConfigError
from t2ibench.records import write_bytes

HEADER = ["id", "decision", "reviewer", "note"]
DECISIONS = ("keep", "reject")
ACCEPTED = (
    f"the header {','.join(HEADER)}, ids of the source's images, {' or '.join(DECISIONS)}, a reviewer's name, and one "
    "row per image and reviewer"
)


@dataclass(frozen=True)
class Review:
    """What one person thought of one image. decision: `keep` or `reject`; note: one line, or empty."""

    id: str
    decision: str
    reviewer: str
    note: str


def check_reviewer(name: str) -> str:
    """The name, if it can stand in the file. Raises ConfigError where it is empty, has a comma, a quotation mark, a
    line break or another control character, or begins or ends with a blank."""
    if not name or name != name.strip() or not name.isprintable() or set(name) & set(',"') or not _encodes(name):
        raise ConfigError("reviewer", name, "a name without commas, quotation marks and line breaks")
    return name


def read(path: Path, known: Collection[str]) -> list[Review]:
    """The reviews of a source in the file's order; none where there is no file. known: ids of the source's images.

    Raises ConfigError, which names every bad line: another header, a row of another length, an unknown id, a decision
    that is neither word, a reviewer's name that cannot be used, a second row of the same image and reviewer.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")  # spreadsheets open a file with a byte order mark
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), f"bytes that are not UTF-8 ({error.reason})", ACCEPTED) from None
    known = frozenset(known)
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: dict[tuple[str, str], tuple[int, Review]] = {}
    faults: list[str] = []
    try:
        header = next(lines, [])
        if header != HEADER:
            faults.append(f"line 1: {','.join(header)!r} for the header")
        for row in lines:
            fault = _fault(row, known, found)
            if fault:
                faults.append(f"line {lines.line_num}: {fault}")
            elif row:
                found[row[2], row[0]] = (lines.line_num, Review(*row))
    except csv.Error as error:
        faults.append(f"line {lines.line_num}: {error}")
    if faults:
        raise ConfigError(str(path), "; ".join(faults), ACCEPTED)
    return [review for _, review in found.values()]


def write(path: Path, reviews: Iterable[Review]) -> None:
    """Puts the whole file in place at once, sorted by reviewer and id, a note's line breaks made blanks.

    Raises ConfigError for a reviewer's name that cannot be used, ValueError for a decision that is neither word and
    for two reviews of one image by one reviewer.
    """
    rows = sorted(reviews, key=lambda review: (review.reviewer, review.id))
    if len({(row.reviewer, row.id) for row in rows}) < len(rows) or any(row.decision not in DECISIONS for row in rows):
        raise ValueError(f"one row per image and reviewer, {' or '.join(DECISIONS)}")
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(HEADER)
    for row in rows:
        check_reviewer(row.reviewer)
        table.writerow([*astuple(row)[:3], " ".join(row.note.split())])
    write_bytes(path, text.getvalue().encode())


def verdicts(reviews: Sequence[Review], rule: Literal["any", "all"]) -> dict[str, str]:
    """{id: `keep` or `reject`} for the images with a review: rejected where any, or all, of its reviewers reject.

    Raises ConfigError for another rule.
    """
    if rule not in ("any", "all"):
        raise ConfigError("filter.review.rule", rule, "any, all")
    votes: dict[str, list[bool]] = {}
    for review in reviews:
        votes.setdefault(review.id, []).append(review.decision == "reject")
    decides = any if rule == "any" else all
    return {id_: "reject" if decides(rejects) else "keep" for id_, rejects in votes.items()}


def _fault(row: list[str], known: Collection[str], found: Mapping[tuple[str, str], tuple[int, Review]]) -> str:
    """What is wrong with a row, in words; empty where nothing is, or where the line is blank."""
    if not row:
        return ""
    if len(row) != len(HEADER):
        return f"{len(row)} fields instead of {len(HEADER)}"
    id_, decision, reviewer, _ = row
    faults = []
    if id_ not in known:
        faults.append(f"no image {id_!r}")
    if decision not in DECISIONS:
        faults.append(f"decision {decision!r}")
    if (reviewer, id_) in found:
        faults.append(f"{id_} by {reviewer} is in line {found[reviewer, id_][0]} already")
    try:
        check_reviewer(reviewer)
    except ConfigError:
        faults.append(f"reviewer {reviewer!r}")
    return ", ".join(faults)


def _encodes(name: str) -> bool:
    """False for half of a surrogate pair, which no file in UTF-8 can hold."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)
