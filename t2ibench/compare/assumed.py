"""How many images are behind a published number, where the paper does not say: the fewest that its digits allow.

The fewest, because a verdict must not rest on a precision that nobody claimed: a sample that is larger than assumed
has a narrower interval, so what is decided here stays decided. A source's columns are read together, for the
deblurred images are the base images again: 99.28 and 99.29 for one class leave n = 140, where each alone leaves 138.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from t2ibench.compare.audit.samples import N_MAX, common, fitting
from t2ibench.compare.printed import AVERAGE, Published, PublishedCell

Cells = Sequence[PublishedCell]


class Assumed(NamedTuple):
    """n: images behind a class's published accuracy, None where nothing is known of it; how: where n is from, in
    words that follow "the paper prints no n, ", empty where it does, or where n is None."""

    n: int | None
    how: str


def assumed_ns(published: Published) -> dict[tuple[str, str], Assumed]:
    """(cell, class) -> what to take as its number of images, for every class cell that something reproduces.

    1. the printed n; 2. the smallest n that fits every class of every column of the source; 3. the smallest that fits
    the class in those columns; N_MAX, the end of the search, where none does; 4. for a class that is 100 % throughout,
    which fits every n, the fewest of 3 among the source's other classes.
    """
    sources: dict[str, list[PublishedCell]] = {}
    for cell in published.cells:
        if cell.cell and cell.row != AVERAGE:
            sources.setdefault(cell.cell.partition("/")[0], []).append(cell)
    return {key: one for name, cells in sources.items() for key, one in _of_source(name, cells).items()}


def _of_source(name: str, cells: Cells) -> dict[tuple[str, str], Assumed]:
    classes = {cell.class_name: [one for one in cells if one.class_name == cell.class_name] for cell in cells}
    smallest = {one: _smallest(same) for one, same in classes.items() if not _silent(same)}
    throughout = _smallest_of_all(cells)

    def of(cell: PublishedCell) -> Assumed:
        if cell.n is not None:
            return Assumed(cell.n, "")
        if throughout is not None:
            return Assumed(throughout, f"taken as {throughout}, the smallest that fits all classes of {name}")
        if cell.class_name in smallest:
            n = smallest[cell.class_name]
            return Assumed(n, f"taken as {n}, which its {cell.class_name} cells need at least")
        if not smallest:
            return Assumed(None, "")
        n = min(smallest.values())
        return Assumed(n, f"taken as {n}, which another class of {name} needs at least: its own digits fit any")

    return {(str(cell.cell), cell.class_name): of(cell) for cell in cells}


def _smallest_of_all(cells: Cells) -> int | None:
    """The smallest n that all columns allow; a column is written by one rule, another one by another perhaps."""
    if _silent(cells):
        return None
    columns = {cell.cell: [one for one in cells if one.cell == cell.cell] for cell in cells}
    fits = [set(common([_fitting(one.printed, one.unit) for one in column])) for column in columns.values()]
    return min(set.intersection(*fits), default=None)


def _smallest(cells: Cells) -> int:
    """The smallest n that all these cells allow; where none does, the most that one of them asks for, N_MAX at most."""
    fits = [set(_fitting(cell.printed, cell.unit)) for cell in cells]
    return min(set.intersection(*fits), default=max(min(one, default=N_MAX) for one in fits))


def _silent(cells: Cells) -> bool:
    """Whether the digits say nothing of n: all or nothing is right."""
    return all(cell.value in (0.0, 1.0) for cell in cells)


_fitting = cache(fitting)
