"""A picture with its mask drawn on it, for people to look at (IEIE 2026, Figure 4). Equal inputs give equal pixels."""

import colorsys
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from t2ibench.evaluate import Masked
from t2ibench.records import NONE

SMALLEST, LARGEST = 256, 512
"""Pixels of the longer side: a smaller picture is enlarged by a whole factor, a larger one reduced."""

TINT = 0.4
"""How much of the class's colour a pixel of the mask takes."""


LUMINANCE, DARK = (0.299, 0.587, 0.114), 110
"""Weights of red, green and blue (ITU-R BT.601), and the level of 255 up to which white is easier to read on it."""


def overlay(image: NDArray[np.uint8], masked: Masked, classes: Sequence[str]) -> NDArray[np.uint8]:
    """uint8 HWC RGB -> the picture, resized, with the mask tinted in its class's colour, its outline and its label.

    Where nothing is seen, the picture alone. The colours are evenly spaced hues in the order of `classes`.
    """
    import cv2

    drawn = _resize(image)
    if masked.predicted == NONE:
        return drawn
    height, width = drawn.shape[:2]
    mask = cv2.resize(masked.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    colour = _colour(classes.index(masked.predicted), len(classes))
    tinted = cv2.addWeighted(drawn, 1 - TINT, np.full_like(drawn, colour), TINT, 0)
    cv2.copyTo(tinted, mask, drawn)
    borders, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    for shade, thickness in (((0, 0, 0), 4), (colour, 2)):  # black beneath, so that the line shows on every ground
        cv2.drawContours(drawn, borders, -1, shade, thickness, cv2.LINE_AA)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    _label(drawn, f"{masked.predicted} {masked.confidence:.2f}", (int(columns[0]), int(rows[0])), colour)
    return drawn


def _resize(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy of the picture with its longer side between `SMALLEST` and `LARGEST`."""
    import cv2

    height, width = image.shape[:2]
    longer = max(height, width)
    if longer < SMALLEST:
        factor = math.ceil(SMALLEST / longer)
        return image.repeat(factor, axis=0).repeat(factor, axis=1)
    if longer > LARGEST:
        size = max(round(width * LARGEST / longer), 1), max(round(height * LARGEST / longer), 1)
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return image.copy()


def _colour(place: int, of: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(place / of, 0.85, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def _label(image: NDArray[np.uint8], text: str, corner: tuple[int, int], colour: tuple[int, int, int]) -> None:
    """Writes into the picture, on a plate of the colour, above the corner (x, y) where there is room."""
    import cv2

    font, scale, margin = cv2.FONT_HERSHEY_SIMPLEX, 0.5, 4
    (width, height), below = cv2.getTextSize(text, font, scale, 1)
    wide, high = width + 2 * margin, height + below + margin
    x = max(min(corner[0], image.shape[1] - wide), 0)
    y = max(corner[1] - high, 0)
    ink = (0, 0, 0) if np.dot(colour, LUMINANCE) > DARK else (255, 255, 255)
    cv2.rectangle(image, (x, y), (x + wide - 1, y + high - 1), colour, cv2.FILLED)
    cv2.putText(image, text, (x + margin, y + margin // 2 + height), font, scale, ink, 1, cv2.LINE_AA)
