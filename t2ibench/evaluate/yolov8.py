"""YOLOv8 as a classifier: only the study's classes, only the surest box (IEIE 2026, section 3.2.2: max_det = 1)."""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from t2ibench.detector import Detector
from t2ibench.evaluate import Seen
from t2ibench.hardware import Hardware
from t2ibench.records import NONE

CONFIDENCE_DIGITS, BOX_DIGITS = 6, 2
"""Decimals of a confidence, and of a box's pixels, on disk."""


class Yolov8:
    """The class of the surest box, or `none` where no box of the classes reaches `confidence`."""

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
        self._detector = Detector(weights, hardware, image_size)

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides a prediction, besides the image. Loads no model."""
        own = {"engine": "yolov8", "version": 1, "confidence": self.confidence, "classes": list(self.classes)}
        return own | self._detector.identity

    @cached_property
    def _names(self) -> dict[int, str]:
        """Number -> name of the study's classes. Raises ConfigError for one that the detector does not know."""
        return {number: name for name, number in self._detector.numbers(self.classes, "study.classes").items()}

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Seen]:
        """images uint8 HWC RGB of one size -> what is seen in each.

        Raises MissingError for weights that are not there, ConfigError for a class unknown to the detector.
        """
        found = self._detector(images, self._names, self.confidence, max_det=1)
        return [self._seen(boxes[0]) if boxes else Seen(predicted=NONE, confidence=0.0, box=None) for boxes in found]

    def _seen(self, box: Any) -> Seen:
        x0, y0, x1, y1 = (round(value, BOX_DIGITS) for value in box.xyxy)
        confidence = round(box.confidence, CONFIDENCE_DIGITS)
        return Seen(predicted=self._names[box.class_id], confidence=confidence, box=(x0, y0, x1, y1))
