"""What verify found, on a terminal: a row per cell, and a line for each picture that differs."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from t2ibench.verify.redo import Differing, Found

SHOWN = 10
"""Differing pictures that are listed per cell, the worst first."""
RIGHT = ("recorded", "made again", "identical", "lowest PSNR", "largest difference")


def table(title: str, found: Sequence[Found], bound_db: float) -> Table:
    """A row per cell, in flow order. PSNR in dB, over what differs; differences of 255."""
    shown = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, title=title, title_justify="left")
    for name in ("stage", "cell", *RIGHT, "verdict"):
        shown.add_column(name, justify="right" if name in RIGHT else "left", no_wrap=name != "verdict")
    for one in found:
        ratios = [each.psnr_db for each in one.differing if each.psnr_db is not None]
        most = [each.largest for each in one.differing if each.largest is not None]
        shown.add_row(one.stage, one.cell, f"{one.recorded:,}", f"{one.sampled:,}" if one.sampled else "–",
                      f"{one.identical:,} of {one.sampled:,}" if one.sampled else "–",
                      f"{min(ratios):.1f} dB" if ratios else "–", f"{max(most)}" if most else "–",
                      _verdict(one, bound_db))
    return shown


def lines(one: Found, bound_db: float) -> list[str]:
    """A sentence for each picture of a cell that fails, the worst first, and a count of the rest."""
    worse = sorted(one.worse(bound_db), key=lambda each: (not each.wrong, each.psnr_db or 0, each.id))
    said = [f"{one.stage} {one.cell}: {each.id}: {_reason(each, bound_db)}" for each in worse[:SHOWN]]
    if len(worse) > SHOWN:
        said.append(f"{one.stage} {one.cell}: and {len(worse) - SHOWN} more")
    return said


def _verdict(one: Found, bound_db: float) -> str:
    if worse := one.worse(bound_db):
        return f"{len(worse):,} failed"
    if one.skipped:
        return f"{one.skipped:,} skipped: {one.why}"
    return "other in rounding" if one.differing else "the same"


def _reason(one: Differing, bound_db: float) -> str:
    measured = "" if one.psnr_db is None else f"{one.psnr_db:.1f} dB, largest difference {one.largest}"
    if one.wrong:
        return one.wrong + (f" ({measured} from the image made again)" if measured else "")
    return f"{measured}: below {bound_db:g} dB"
