"""Both engines in one pass, so that each picture is decoded once, and what is drawn of what they see.

Where the segmenter's mask layers work on the judge's own features, as the bundled ones do, one forward serves both.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from t2ibench.evaluate import Masked, Seen, segmentation
from t2ibench.evaluate.overlay import overlay
from t2ibench.evaluate.segment import Segment
from t2ibench.evaluate.yolov8 import Yolov8
from t2ibench.pictures import encode_png
from t2ibench.records import Sample, Segmentation

Found = tuple[Seen, Masked, NDArray[np.uint8]]
"""What is seen in an image, where, and the image itself, to draw on: uint8 HWC RGB."""


class Drawn(NamedTuple):
    """What is kept of an image: what was seen, the row of its mask, and PNG files, {"masks" or "overlays": bytes}."""

    seen: Seen
    row: Segmentation
    pictures: dict[str, bytes]


def draw(classes: Sequence[str], sample: Sample, found: Found) -> Drawn:
    """Draws the mask and the overlay of an image. Threads may do it: it touches its arguments only."""
    seen, masked, image = found
    pictures = {"masks": encode_png(masked.mask), "overlays": encode_png(overlay(image, masked, classes))}
    return Drawn(seen, segmentation(sample, masked), pictures)


class Look:
    """The judge and the segmenter together: a batch function of the judge's batch size."""

    def __init__(self, judge: Yolov8, segment: Segment) -> None:
        self.judge, self.segment = judge, segment
        self.batch_size = judge.batch_size

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Found]:
        """images uint8 HWC RGB of one size -> what is found in each."""
        masks = self.segment.segmenter.forward(images)
        shared = self.segment.segmenter.sees_as(self.judge.detector)
        boxes = masks if shared else self.judge.detector.forward(images)
        return list(zip(self.judge.judged(boxes), self.segment.masked(masks), images, strict=True))
