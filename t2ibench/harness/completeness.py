"""Completeness: planned = done + failed, of every stage that works on images.

What is the same in every honest run lies in results/ (`completeness`); how much of it was made now and how much was
reused is said in one line where a stage ends (`line`), for it depends on what was stored before.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from t2ibench.errors import UserError
from t2ibench.records import Failure


def completeness(planned: int, done: int, failures: Sequence[Failure] = ()) -> dict[str, Any]:
    """{planned, done, failed, reasons: {reason: count}}, in images; reasons are the most frequent first.

    Raises RuntimeError where images are unaccounted for.
    """
    if planned != done + len(failures):
        raise RuntimeError(f"{planned} planned, {done} done, {len(failures)} failed: some images are unaccounted for")
    reasons = dict(Counter(failure.reason for failure in failures).most_common())
    return {"planned": planned, "done": done, "failed": len(failures), "reasons": reasons}


def line(name: str, counted: dict[str, Any], reused: int) -> str:
    """A stage's last line. name: its word and cell; reused: those of the images done that were stored before."""
    return (f"{name}: planned = {counted['planned']}, made = {counted['done'] - reused}, reused = {reused}, "
            f"failed = {counted['failed']}")


def hold(name: str, counted: dict[str, Any], allowed: float) -> None:
    """Raises UserError, with the reasons, where more than the share `allowed` in [0, 1] of the planned failed."""
    if counted["failed"] > allowed * counted["planned"]:
        listed = "; ".join(f"{count} x {reason}" for reason, count in counted["reasons"].items())
        raise UserError(f"{name}: {counted['failed']} of {counted['planned']} images failed, more than the share of "
                        f"{allowed:g} that study.failures_allowed accepts: {listed}")
