"""filter: which images show their class and nothing that spoils them (IEIE 2026, section 3.1.2).

Four engines measure: `clip.ClipRanking`, `quality.Quality`, `duplicate.Duplicates`, `people.People`. Each is a batch
function from images (uint8 HWC RGB) to one measurement an image. `decide` compares the measurements with thresholds and
`funnel` counts: both are pure, so a decision can be checked from its row alone.

Deviation: the paper removed black images and images that mix people and animals by eye. Here a threshold on the
luminance and a person detector do it, so that the step can be repeated; who wants to look as well writes a review
(`reviews`), which the last step obeys.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from t2ibench.records import Decision, Sample

REASONS = ("clip", "black", "flat", "duplicate", "people", "review")
"""What can reject an image, in the order in which it is asked."""

STEPS = (("clip", 1), ("quality", 4), ("people", 5), ("review", 6), ("kept", 6))
"""The funnel after `generated` and `made`: a step, and how many of the reasons have been asked by its end."""

DIGITS = 6
"""Measurements are rounded to this many decimals before they are compared, so that the row on disk decides."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What was measured of one image. clip_scores: cosine in [-1, 1] per class; brightness in [0, 1] and contrast in
    [0, 0.5]: mean and standard deviation of the luminance; people: highest confidence in [0, 1] of a person."""

    clip_scores: Mapping[str, float]
    brightness: float
    contrast: float
    people: float


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """An image is black below `black_below`, flat below `flat_below`, and shows people from `people_from` on."""

    black_below: float
    flat_below: float
    people_from: float


def decide(
    samples: Sequence[Sample],
    measured: Sequence[Measurement],
    thresholds: Thresholds,
    repeats: Mapping[str, str] = MappingProxyType({}),
    verdicts: Mapping[str, str] = MappingProxyType({}),
) -> list[Decision]:
    """A decision for every image, in their order; the first step that rejects it is the reason.

    repeats: {id of an image: id of the one that it repeats}; verdicts: {id: `keep` or `reject`} of the reviews.
    Raises ValueError where an image's own class has no CLIP score or the lengths differ.
    """
    return [
        _decide(sample, found, thresholds, repeats.get(sample.id, ""), verdicts.get(sample.id, ""))
        for sample, found in zip(samples, measured, strict=True)
    ]


def _decide(sample: Sample, found: Measurement, thresholds: Thresholds, repeated: str, review: str) -> Decision:
    scores = {name: round(float(score), DIGITS) for name, score in found.clip_scores.items()}
    if sample.class_name not in scores:
        raise ValueError(f"{sample.id}: no CLIP score for its class {sample.class_name}")
    brightness, contrast, people = (
        round(float(value), DIGITS) for value in (found.brightness, found.contrast, found.people)
    )
    best = max(scores, key=scores.__getitem__)
    rejected = {
        "clip": best != sample.class_name,
        "black": brightness < thresholds.black_below,
        "flat": contrast < thresholds.flat_below,
        "duplicate": bool(repeated),
        "people": people >= thresholds.people_from,
        "review": review == "reject",
    }
    reason = next((step for step in REASONS if rejected[step]), "")
    return Decision(
        id=sample.id,
        class_name=sample.class_name,
        keep=not reason,
        reason=reason,
        clip_class=best,
        clip_scores=scores,
        brightness=brightness,
        contrast=contrast,
        people=people,
        duplicate_of=repeated,
        review=review,
    )


def funnel(planned: Mapping[str, int], decisions: Sequence[Decision]) -> dict[str, Any]:
    """How many images each step left, overall and per class: the figures of results/filter/<source>.json.

    planned: {class: images that were to be made}; it names every class, in the order of the tables. decisions: one
    per image that was made. A rate over no images is None. Raises ValueError where more was made than planned.
    """
    made = Counter(decision.class_name for decision in decisions)
    for name, count in made.items():
        if count > planned.get(name, 0):
            raise ValueError(f"{count} images of {name} were decided, {planned.get(name, 0)} were planned")
    left = {"generated": dict(planned), "made": _per_class(planned, decisions, ())}
    for step, until in STEPS:
        left[step] = _per_class(planned, decisions, REASONS[:until])
    rejected = Counter(decision.reason for decision in decisions if not decision.keep)
    return {
        "planned": sum(planned.values()),
        "made": len(decisions),
        "funnel": [{"step": step, "count": sum(per.values()), "per_class": per} for step, per in left.items()],
        "clip_pass_rate": _rate(sum(left["clip"].values()), len(decisions)),
        "clip_pass_rate_per_class": {name: _rate(left["clip"][name], left["made"][name]) for name in planned},
        "rejected": {reason: rejected[reason] for reason in REASONS},
    }


def _per_class(planned: Mapping[str, int], decisions: Sequence[Decision], reasons: Sequence[str]) -> dict[str, int]:
    """{class: images that none of `reasons` rejected}."""
    counts = Counter(decision.class_name for decision in decisions if decision.reason not in reasons)
    return {name: counts[name] for name in planned}


def _rate(count: int, of: int) -> float | None:
    return count / of if of else None
