"""evaluate: does a detector see the class that an image was made to show (IEIE 2026, sections 3.2.2 and 3.2.3)?

Two engines look, each a batch function from images (uint8 HWC RGB): `yolov8.Yolov8` to one `Seen` an image, and
`segment.Segment` to one `Masked`; `look.Look` asks both in one pass. `score` and `summary` count, `funnel.funnel`
counts step by step: all are pure.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2ibench.records import NONE, Prediction, Sample, Segmentation


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the judge saw. predicted: a class or `none`; confidence in [0, 1], 0 for `none`; box: x0, y0, x1, y1 in
    pixels, or None; runner_up: the surest class among the others, or `none`, with its confidence."""

    predicted: str
    confidence: float
    box: tuple[float, float, float, float] | None
    runner_up: str = NONE
    runner_up_confidence: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Masked:
    """The surest mask: bool [H, W], all False for `none`. predicted, confidence: as in `Seen`; area: share of the
    image in [0, 1]; outline of the largest part: [[x, y], ...], the centres of its border's pixels."""

    predicted: str
    confidence: float
    area: float
    outline: list[list[float]]
    mask: NDArray[np.bool_]


def predictions(samples: Sequence[Sample], seen: Sequence[Seen]) -> list[Prediction]:
    """The rows of predictions.jsonl, in the order of the samples. Raises ValueError where the lengths differ."""
    return [
        Prediction(id=sample.id, class_name=sample.class_name, **asdict(one))
        for sample, one in zip(samples, seen, strict=True)
    ]


def score(predicted: Sequence[Prediction], classes: Sequence[str]) -> dict[str, Any]:
    """Accuracies in [0, 1] and confusion counts: the figures of results/evaluate/<source>/<variant>.json.

    `accuracy` is the mean of the classes' accuracies, as the paper averages its tables; classes without images have
    accuracy None and do not enter it. `accuracy_pooled` is the share of all images. `confusion` holds the counts above
    zero. Raises ValueError for a class, true or predicted, that is not among `classes`.
    """
    _check(predicted, classes)
    counts: dict[str, Counter[str]] = {name: Counter() for name in classes}
    for row in predicted:
        counts[row.class_name][row.predicted] += 1
    per_class = {name: _share(seen[name], seen.total()) for name, seen in counts.items()}
    total = _share(sum(one["correct"] for one in per_class.values()), len(predicted))
    rates = [one["accuracy"] for one in per_class.values() if one["n"]]
    return {
        "n": total["n"],
        "correct": total["correct"],
        "accuracy": sum(rates) / len(rates) if rates else None,
        "accuracy_pooled": total["accuracy"],
        "per_class": per_class,
        "confusion": {name: dict(seen) for name, seen in counts.items()},
    }


def _check(rows: Sequence[Prediction] | Sequence[Segmentation], classes: Sequence[str]) -> None:
    for row in rows:
        if row.class_name not in classes or row.predicted not in (*classes, NONE):
            raise ValueError(f"{row.id}: {row.class_name} seen as {row.predicted} is not among {', '.join(classes)}")


def _share(correct: int, n: int) -> dict[str, Any]:
    return {"n": n, "correct": correct, "accuracy": correct / n if n else None}


def summary(rows: Sequence[Segmentation], classes: Sequence[str]) -> dict[str, Any]:
    """How many images have a mask, and one of their own class, overall and per class: the result's `segmentation`.

    `fraction_right` in [0, 1] is the share of all images, None without images; `mean_confidence` is that of the masks,
    None without masks. Raises ValueError for a class, true or predicted, that is not among `classes`.
    """
    _check(rows, classes)
    per_class = {name: _masks([row for row in rows if row.class_name == name]) for name in classes}
    return _masks(rows) | {"per_class": per_class}


def _masks(rows: Sequence[Segmentation]) -> dict[str, Any]:
    found = [row.confidence for row in rows if row.predicted != NONE]
    right = sum(row.predicted == row.class_name for row in rows)
    return {
        "n": len(rows),
        "with_mask": len(found),
        "right_class": right,
        "fraction_right": right / len(rows) if rows else None,
        "mean_confidence": math.fsum(found) / len(found) if found else None,
    }
