"""YOLOv8 as a classifier: only the study's classes, only the surest box (IEIE 2026, section 3.2.2: max_det = 1)."""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from t2ibench.detector import Box, Detector, Forward
from t2ibench.evaluate import Seen
from t2ibench.hardware import Hardware
from t2ibench.records import NONE

CONFIDENCE_DIGITS, BOX_DIGITS = 6, 2
"""Decimals of a confidence, and of a box's pixels, on disk."""

FLOOR = 0.05
"""Surer than this a runner-up has to be, or as sure as a prediction where that asks for less: a box that nearly was
one says why an image failed, one at 1 % says nothing."""

ALL = 30_000
"""More boxes than an image has: NMS keeps every class's surest."""


class Yolov8:
    """The class of the surest box, or `none` where no box of the classes reaches `confidence`; and the runner-up: the
    surest box of another class, down to `FLOOR`. Surer boxes are never suppressed by less sure ones, so asking for
    more boxes leaves the prediction what it is with max_det = 1."""

    VERSION = 2
    """Goes up when what this engine makes changes: tests/regression/test_engines.py asks for it."""

    def __init__(
        self,
        weights: str,
        confidence: Annotated[float, Field(ge=0, le=1)],
        image_size: Annotated[int, Field(ge=32, multiple_of=32)],
        classes: Sequence[str],
        hardware: Hardware,
    ) -> None:
        self.confidence, self.classes = confidence, tuple(classes)
        self.batch_size = hardware.batch_size["evaluate"]
        self.detector = Detector(weights, hardware, image_size)

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides a prediction, besides the image. Loads no model."""
        own = {"engine": "yolov8", "version": self.VERSION, "confidence": self.confidence,
               "classes": list(self.classes)}
        return own | self.detector.identity

    @cached_property
    def _names(self) -> dict[int, str]:
        """Number -> name of the study's classes. Raises ConfigError for one that the detector does not know."""
        return {number: name for name, number in self.detector.numbers(self.classes, "study.classes").items()}

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Seen]:
        """images uint8 HWC RGB of one size -> what is seen in each.

        Raises MissingError for weights that are not there, ConfigError for a class unknown to the detector.
        """
        return self.judged(self.detector.forward(images))

    def judged(self, forward: Forward) -> list[Seen]:
        """What is seen in each image of a forward. Raises ConfigError as a call does."""
        found = self.detector.boxes(forward, self._names, min(self.confidence, FLOOR), ALL)
        return [self._seen(boxes) for boxes in found]

    def _seen(self, boxes: Sequence[Box]) -> Seen:
        """boxes: surest first."""
        first = boxes[0] if boxes and boxes[0].confidence > self.confidence else None
        second = next((box for box in boxes if first is None or box.class_id != first.class_id), None)
        return Seen(
            predicted=self._names[first.class_id] if first else NONE,
            confidence=_confidence(first),
            box=_corners(first) if first else None,
            runner_up=self._names[second.class_id] if second else NONE,
            runner_up_confidence=_confidence(second),
        )


def _confidence(box: Box | None) -> float:
    return round(box.confidence, CONFIDENCE_DIGITS) if box else 0.0


def _corners(box: Box) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (round(value, BOX_DIGITS) for value in box.xyxy)
    return x0, y0, x1, y1
