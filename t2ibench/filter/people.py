"""How sure a detector is that a person is in the image (IEIE 2026, section 3.1.2: humans mixed with animals)."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from t2ibench.detector import Detector
from t2ibench.hardware import Hardware

PERSON = "person"
"""COCO's class 0."""

FLOOR = 0.01
"""Confidences below are reported as 0. Low, so that another threshold can be tried from the rows on disk."""


class People:
    """Confidence of the surest person. confidence: from here on the image is rejected."""

    VERSION = 1
    """Goes up when what this engine makes changes: tests/regression/test_engines.py asks for it."""

    def __init__(
        self,
        weights: str,
        confidence: Annotated[float, Field(ge=FLOOR, le=1)],
        image_size: Annotated[int, Field(ge=32, multiple_of=32)],
        hardware: Hardware,
    ) -> None:
        self.confidence = confidence
        self.batch_size = hardware.batch_size["filter"]
        self._detector = Detector(weights, hardware, image_size)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the measurement; the threshold does not. Loads no model."""
        return {"engine": "people", "version": self.VERSION} | self._detector.identity

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[float]:
        """images uint8 HWC RGB of one size -> per image a confidence in [0, 1], 0 where nobody is seen.

        Raises MissingError for weights that are not there, ConfigError for a detector that knows no person.
        """
        person = self._detector.numbers([PERSON], "models.detector")[PERSON]
        found = self._detector(images, [person], FLOOR, max_det=1)
        return [boxes[0].confidence if boxes else 0.0 for boxes in found]
