"""The verdict on one published number, and the reason in words."""

from typing import Literal, NamedTuple

Word = Literal["reproduced", "differs", "underpowered", "not comparable"]
VERDICTS: tuple[Word, ...] = ("reproduced", "differs", "underpowered", "not comparable")


class Verdict(NamedTuple):
    """word: one of VERDICTS; reason: why, one sentence without a full stop."""

    word: Word
    reason: str


def decide(
    *, models_comparable: bool, note: str, obstacle: str, n: int | None, difference: float | None, margin: float
) -> Verdict:
    """The verdict on a published number.

    note: why the models are not the paper's; obstacle: what keeps the numbers from being of the same thing (empty
    where nothing does); n: our images, None where the study has no such cell; difference: ours - published, and
    margin, both as fractions.

    `not comparable` comes before every statistic: the best interval says nothing about other models. `underpowered`
    is all that can be said of comparable numbers here: `reproduced` and `differs` need a test of equivalence over
    whole columns, and belong below.
    """
    if n is None:
        return Verdict("not comparable", obstacle)
    if not models_comparable:
        return Verdict("not comparable", "; ".join(filter(None, (note, obstacle))))
    if n == 0 or difference is None:
        return Verdict("underpowered", obstacle or "there are no images")
    if obstacle:
        return Verdict("not comparable", obstacle)
    return Verdict(
        "underpowered",
        f"{100 * difference:+.2f} points with {n} images, against a margin of {100 * margin:g}: no test of "
        "equivalence was made, and the paper's number of images is unknown",
    )
