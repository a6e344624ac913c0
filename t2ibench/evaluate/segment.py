"""YOLOv8-seg: where in the image the surest animal of the study is (IEIE 2026, section 3.2.1 and Figure 4)."""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from t2ibench.detector import Forward
from t2ibench.evaluate import Masked
from t2ibench.hardware import Hardware
from t2ibench.records import NONE
from t2ibench.segmenter import Segmenter, Thing

DIGITS = 6
"""Decimals of a confidence and of a share on disk."""


class Segment:
    """The mask of the surest box, or `none` where no box of the classes reaches `confidence`."""

    VERSION = 1
    """Goes up when what this engine makes changes: tests/regression/test_engines.py asks for it."""

    def __init__(
        self,
        weights: str,
        detector: str,
        confidence: Annotated[float, Field(ge=0, le=1)],
        image_size: Annotated[int, Field(ge=32, multiple_of=32)],
        classes: Sequence[str],
        hardware: Hardware,
    ) -> None:
        self.confidence, self.classes = confidence, tuple(classes)
        self.batch_size = hardware.batch_size["evaluate"]
        self.segmenter = Segmenter(weights, detector, hardware, image_size)

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides a mask, besides the image. Loads no model."""
        own = {"engine": "segment", "version": self.VERSION, "confidence": self.confidence,
               "classes": list(self.classes)}
        return own | self.segmenter.identity

    @cached_property
    def _names(self) -> dict[int, str]:
        """Number -> name of the study's classes. Raises ConfigError for one that the segmenter does not know."""
        return {number: name for name, number in self.segmenter.numbers(self.classes, "study.classes").items()}

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Masked]:
        """images uint8 HWC RGB of one size -> the surest mask of each.

        Raises MissingError for weights that are not there, ConfigError for a class unknown to the segmenter.
        """
        return self.masked(self.segmenter.forward(images))

    def masked(self, forward: Forward) -> list[Masked]:
        """The surest mask of each image of a forward. Raises ConfigError as a call does."""
        found = self.segmenter.things(forward, self._names, self.confidence)
        return [self._masked(thing, forward.size) for thing in found]

    def _masked(self, thing: Thing | None, size: tuple[int, int]) -> Masked:
        if thing is None:
            return Masked(predicted=NONE, confidence=0.0, area=0.0, outline=[], mask=np.zeros(size, np.bool_))
        return Masked(
            predicted=self._names[thing.box.class_id],
            confidence=round(thing.box.confidence, DIGITS),
            area=round(float(thing.mask.mean()), DIGITS),
            outline=outline(thing.mask),
            mask=thing.mask,
        )


def outline(mask: NDArray[np.bool_]) -> list[list[float]]:
    """The border of the largest part of a mask, bool [H, W]: [[x, y], ...] of its pixels' centres, holes left out.

    Corners only: what lies between two of them on a straight line is left out. Pixels that touch at a corner are one
    part. Empty for an empty mask.
    """
    import cv2

    count, parts, sizes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return []
    largest = 1 + int(np.argmax(sizes[1:, cv2.CC_STAT_AREA]))
    borders, _ = cv2.findContours((parts == largest).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [[float(x), float(y)] for x, y in borders[0][:, 0].tolist()]
