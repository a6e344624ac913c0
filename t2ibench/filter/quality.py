"""Black and flat images, from their luminance alone (IEIE 2026, section 3.1.2: images "generated in black").

A safety checker that blanks an image, or a sampler that diverges, gives one colour everywhere. Luminance is Rec. 709's
weighted sum of the stored sRGB values over 255: no gamma is undone, as brightness is judged here as it is seen.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

WEIGHTS = np.array([0.2126, 0.7152, 0.0722])
"""Rec. 709: how much red, green and blue add to what is seen as bright."""


class Quality:
    """Mean and standard deviation of the luminance. Thresholds: see conf/filter/quality.yaml."""

    batch_size = 16

    VERSION = 1
    """Goes up when what this engine makes changes: tests/regression/test_engines.py asks for it."""

    def __init__(
        self, black_below: Annotated[float, Field(ge=0, le=1)], flat_below: Annotated[float, Field(ge=0, le=0.5)]
    ) -> None:
        self.black_below, self.flat_below = black_below, flat_below

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the measurement; the thresholds do not."""
        return {"engine": "quality", "version": self.VERSION}

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[dict[str, float]]:
        """images uint8 HWC RGB -> per image {brightness in [0, 1], contrast in [0, 0.5]}."""
        return [_measure(image) for image in images]


def _measure(image: NDArray[np.uint8]) -> dict[str, float]:
    luminance = image.astype(np.float64) @ WEIGHTS / 255
    return {"brightness": float(luminance.mean()), "contrast": float(luminance.std())}
