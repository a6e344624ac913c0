"""The three measurements of an image in one pass, so that each picture is decoded once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from t2ibench.filter import Measurement, Thresholds
from t2ibench.filter.clip import ClipRanking
from t2ibench.filter.people import People
from t2ibench.filter.quality import Quality


class Measure:
    """CLIP's ranking, quality and people together: a batch function of CLIP's batch size."""

    def __init__(self, clip: ClipRanking, quality: Quality, people: People) -> None:
        self.clip, self.quality, self.people = clip, quality, people
        self.batch_size = clip.batch_size

    @property
    def thresholds(self) -> Thresholds:
        """What the engines' settings reject."""
        return Thresholds(
            black_below=self.quality.black_below, flat_below=self.quality.flat_below, people_from=self.people.confidence
        )

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Measurement]:
        """images uint8 HWC RGB of one size -> a Measurement for each."""
        found = zip(self.clip(images), self.quality(images), self.people(images), strict=True)
        return [Measurement(clip_scores=scores, people=people, **light) for scores, light, people in found]
