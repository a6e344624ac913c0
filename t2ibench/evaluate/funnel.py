"""How right the judge is before and after each step of the filter (the paper reports only after: IEIE 2026, Table 1).

What the filter rejected is judged too, as it was generated, so that every step has its accuracy. Only images whose
pixels nobody changed can stand side by side with them: those of a variant that deblurs nothing.
"""

from collections.abc import Sequence
from typing import Any

from t2ibench.errors import MissingError
from t2ibench.evaluate import score
from t2ibench.records import Decision, Prediction, Sample

STEPS: dict[str, tuple[str, ...]] = {
    "made": (),
    "clip": ("clip",),
    "quality": ("black", "flat", "duplicate"),
    "people": ("people",),
    "review": ("review",),
    "kept": (),
}
"""Each step of the funnel and the reasons for which it rejects, in the order of the filter."""


def rejected(
    made: Sequence[Sample], kept: Sequence[Sample], decisions: Sequence[Decision], source: str
) -> list[Sample]:
    """The made images that the filter did not keep, in their order.

    Raises MissingError where images, decisions and kept images are not those of one run of the filter.
    """
    decided = {decision.id: decision.keep for decision in decisions}
    known, left = {sample.id for sample in made}, {sample.id for sample in kept}
    for strange, what in (
        (known - set(decided), "no decision about"),
        (set(decided) - known, "a decision about an image that was not made:"),
        (left ^ {name for name, keep in decided.items() if keep}, "another decision than the kept images say about"),
    ):
        if strange:
            more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
            raise MissingError(f"data/filter/{source}/decisions.jsonl has {what} {min(strange)}{more}",
                               f"dvc repro -f filter@{source}, then dvc repro")
    return [sample for sample in made if not decided[sample.id]]


def funnel(predicted: Sequence[Prediction], decisions: Sequence[Decision], classes: Sequence[str]) -> list[Any]:
    """Accuracies in [0, 1] of what each step left: the result's `funnel`, in the order of `STEPS`.

    predicted: one row for every decision. Raises ValueError where they do not fit, or for an unknown reason.
    """
    reasons = {decision.id: decision.reason for decision in decisions}
    if sorted(row.id for row in predicted) != sorted(reasons) or len(reasons) != len(decisions):
        raise ValueError("there has to be one prediction and one decision for every image")
    if strange := set(reasons.values()) - {""} - {reason for added in STEPS.values() for reason in added}:
        raise ValueError(f"no step of the filter rejects for {', '.join(sorted(strange))}")
    gone: set[str] = set()
    steps = []
    for step, added in STEPS.items():
        gone |= set(added)
        scored = score([row for row in predicted if reasons[row.id] not in gone], classes)
        del scored["confusion"]
        steps.append({"step": step} | scored)
    return steps
