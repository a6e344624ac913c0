"""Our side of a published number: the count, its accuracy, and its two intervals.

The images of one prompt resemble each other, so the second interval draws prompts, not images. It is never narrower
than the first, for resemblance adds no information: near 100 % few prompts err, and drawing them again shows too little
of what chance may do. A class with one prompt has one image's worth of information about prompts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from t2ibench.compare.printed import AVERAGE, Published, PublishedCell
from t2ibench.compare.results import CellResult
from t2ibench.compare.settings import Settings
from t2ibench.records import Prediction
from t2ibench.stats import Count, Interval, cluster_bootstrap, mean_of_proportions, wilson

SEED = 0
"""Of the bootstrap: the same predictions give the same interval."""


@dataclass(frozen=True, kw_only=True)
class Ours:
    """Our side of a published number; None where there is nothing.

    counts: of the class, or of each class behind an average; by_prompt: the interval over prompts; obstacle: what makes
    it another thing than the published number; empty: which images are wanting. Both empty where nothing is amiss.
    """

    counts: Mapping[str, Count] | None = None
    accuracy: float | None = None
    interval: Interval | None = None
    prompts: int | None = None
    by_prompt: Interval | None = None
    obstacle: str = ""
    empty: str = ""

    @property
    def n(self) -> int | None:
        """The images behind it."""
        return None if self.counts is None else sum(count.n for count in self.counts.values())

    @property
    def correct(self) -> int | None:
        """Those that were predicted right."""
        return None if self.counts is None else sum(count.correct for count in self.counts.values())


def ours(
    cell: PublishedCell,
    study: Mapping[str, Any],
    results: Mapping[str, CellResult],
    published: Published,
    settings: Settings,
) -> Ours:
    """What our results hold for one published number."""
    found = results.get(cell.cell or "")
    if found is None:
        return Ours(obstacle=f"this study does not run {cell.cell}")
    if cell.class_name == AVERAGE:
        column = [c.class_name for c in published.cells if (c.table, c.column) == (cell.table, cell.column)]
        return _average([name for name in column if name != AVERAGE], study["classes"], found, settings)
    if cell.class_name not in study["classes"]:
        return Ours(obstacle=f"this study has no class {cell.class_name}")
    return _class(cell.class_name, found, settings)


def _class(name: str, found: CellResult, settings: Settings) -> Ours:
    count = found.counts[name]
    rows = [row for row in found.predictions if row.class_name == name]
    interval = wilson(*count, settings.confidence)
    return Ours(
        counts={name: count},
        accuracy=count.correct / count.n if count.n else None,
        interval=interval,
        prompts=len({prompt_of(row) for row in rows}),
        by_prompt=_over_prompts(rows, interval, settings),
        empty="" if count.n else f"there is no image of class {name}",
    )


def _average(names: Sequence[str], known: Sequence[str], found: CellResult, settings: Settings) -> Ours:
    """The mean of those published classes that have images; fewer than the paper's are said to be wanting."""
    shared = [name for name in names if name in known]
    if not shared:
        return Ours(obstacle="this study has none of the published classes")
    absent = [name for name in names if name not in known]
    obstacle = f"the mean lacks {', '.join(absent)}" if absent else ""
    present = [name for name in shared if found.counts[name].n]
    if not present:
        return Ours(counts={name: Count(0, 0) for name in shared}, interval=Interval(0.0, 1.0), prompts=0,
                    by_prompt=Interval(0.0, 1.0), obstacle=obstacle, empty="there are no images")
    shares = [found.counts[name].correct / found.counts[name].n for name in present]
    wanting = [name for name in shared if name not in present]
    interval = mean_of_proportions([found.counts[name] for name in present], settings.confidence)
    rows = [row for row in found.predictions if row.class_name in present]
    return Ours(
        counts={name: found.counts[name] for name in present},
        accuracy=math.fsum(shares) / len(shares),
        interval=interval,
        prompts=len({prompt_of(row) for row in rows}),
        by_prompt=_over_prompts(rows, interval, settings),
        obstacle=obstacle,
        empty=f"the mean lacks {', '.join(wanting)}: there is no image of it" if wanting else "",
    )


def _over_prompts(rows: Sequence[Prediction], images: Interval, settings: Settings) -> Interval:
    """The interval of the mean of the classes' accuracies, drawing prompts within each; images: the one over images."""
    right = [float(row.predicted == row.class_name) for row in rows]
    prompts = [prompt_of(row) for row in rows]
    if len(set(prompts)) < 2:
        seen = {wilson(int(one), 1, settings.confidence) for one in right} or {Interval(0.0, 1.0)}
        return Interval(min(seen).low, max(seen).high)
    classes = [row.class_name for row in rows]
    drawn = cluster_bootstrap(right, prompts, settings.confidence, settings.draws, SEED, classes)
    return Interval(min(images.low, drawn.low), max(images.high, drawn.high))


def prompt_of(row: Prediction) -> str:
    """The prompt's id, which an image's id begins with."""
    return row.id.rpartition("-")[0]
