"""evaluate: does a detector see the class that an image was made to show (IEIE 2026, sections 3.2.2 and 3.2.3)?

An engine is a batch function from images (uint8 HWC RGB) to one `Seen` an image. `score` counts: it is pure.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from t2ibench.records import NONE, Prediction, Sample


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the judge saw. predicted: a class or `none`; confidence in [0, 1], 0 for `none`; box: x0, y0, x1, y1 in
    pixels, or None."""

    predicted: str
    confidence: float
    box: tuple[float, float, float, float] | None


def predictions(samples: Sequence[Sample], seen: Sequence[Seen]) -> list[Prediction]:
    """The rows of predictions.jsonl, in the order of the samples. Raises ValueError where the lengths differ."""
    return [
        Prediction(
            id=sample.id, class_name=sample.class_name, predicted=one.predicted, confidence=one.confidence, box=one.box
        )
        for sample, one in zip(samples, seen, strict=True)
    ]


def score(predicted: Sequence[Prediction], classes: Sequence[str]) -> dict[str, Any]:
    """Accuracies in [0, 1] and confusion counts: the document results/evaluate/<source>/<variant>.json.

    `accuracy` is the mean of the classes' accuracies, as the paper averages its tables; classes without images have
    accuracy None and do not enter it. `accuracy_pooled` is the share of all images. `confusion` holds the counts above
    zero. Raises ValueError for a class, true or predicted, that is not among `classes`.
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name in classes}
    for row in predicted:
        if row.class_name not in counts or row.predicted not in (*classes, NONE):
            raise ValueError(f"{row.id}: {row.class_name} seen as {row.predicted} is not among {', '.join(classes)}")
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


def _share(correct: int, n: int) -> dict[str, Any]:
    return {"n": n, "correct": correct, "accuracy": correct / n if n else None}
