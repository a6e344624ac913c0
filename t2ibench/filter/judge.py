"""From stored measurements to decisions: no model, no picture, a second for ten thousand images."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from t2ibench.filter import REASONS, Measurement, decide
from t2ibench.filter.clip import rank
from t2ibench.filter.measure import Measure, Row
from t2ibench.records import Decision, Sample

BEFORE = REASONS[: REASONS.index("duplicate")]
"""What rejects an image before anybody asks whether it repeats another."""


def judge(
    samples: Sequence[Sample],
    rows: Sequence[Row],
    texts: Mapping[str, NDArray[np.float32]],
    engine: Measure,
    verdicts: Mapping[str, str],
) -> list[Decision]:
    """A decision for every image, in their order.

    rows: their measurements; texts: {class: CLIP's feature of its text, float32 [D]}; engine: whose thresholds count;
    verdicts: {id: `keep` or `reject`} of the reviews. Only images that the earlier steps left can repeat each other:
    the copy of a rejected image may be the right one. The first is the one with the smaller id. Raises as `decide`.
    """
    if not samples:
        return []
    measured = np.stack(rows)
    light = zip(*(measured[name].tolist() for name in ("brightness", "contrast", "people")), strict=True)
    scores = rank(measured["feature"], texts)
    found = [
        Measurement(clip_scores=cosines, brightness=brightness, contrast=contrast, people=people)
        for cosines, (brightness, contrast, people) in zip(scores, light, strict=True)
    ]
    so_far = decide(samples, found, engine.thresholds)
    left = [place for place, decision in enumerate(so_far) if decision.reason not in BEFORE]
    left.sort(key=lambda place: samples[place].id)
    firsts = engine.duplicate.firsts(measured["feature"][left], measured["grid"][left])
    repeats = {
        samples[place].id: samples[left[first]].id
        for place, first in zip(left, firsts, strict=True)
        if first is not None
    }
    return decide(samples, found, engine.thresholds, repeats, verdicts)
