"""What the reviews of a source amount to: a verdict per image, and how far two reviewers agree.

Cohen's kappa (1960) is taken over the images that both reviewers judged. With three reviewers or more it is that of the
two who share the most images.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any, Literal

from t2ibench.filter.reviews import Review, verdicts
from t2ibench.stats import cohen_kappa


class ReviewRule:
    """Turns reviews into verdicts. rule: an image is rejected where `any` or where `all` of its reviewers reject it."""

    def __init__(self, rule: Literal["any", "all"]) -> None:
        self.rule = rule

    def __call__(self, reviews: Sequence[Review]) -> dict[str, str]:
        """{id: `keep` or `reject`} of the images that somebody looked at."""
        return verdicts(reviews, self.rule)


def summary(reviews: Sequence[Review]) -> dict[str, Any]:
    """{reviewed: images with a review, by: {reviewer: rows}, agreement}; agreement is null where no image has two.

    agreement: {reviewers: the two names, both: images that both judged, agree: those judged alike, kappa: in [-1, 1],
    null where it is undefined}.
    """
    by = Counter(review.reviewer for review in reviews)
    return {"reviewed": len({review.id for review in reviews}), "by": dict(by), "agreement": _agreement(reviews)}


def _agreement(reviews: Sequence[Review]) -> dict[str, Any] | None:
    judged: dict[str, dict[str, str]] = {}
    for review in reviews:
        judged.setdefault(review.reviewer, {})[review.id] = review.decision
    pairs = [(a, b, sorted(judged[a].keys() & judged[b].keys())) for a, b in combinations(sorted(judged), 2)]
    if not pairs or not any(shared for _, _, shared in pairs):
        return None
    a, b, shared = max(pairs, key=lambda pair: len(pair[2]))
    first, second = ([judged[name][one] for one in shared] for name in (a, b))
    agree = sum(x == y for x, y in zip(first, second, strict=True))
    return {"reviewers": [a, b], "both": len(shared), "agree": agree, "kappa": cohen_kappa(first, second)}
