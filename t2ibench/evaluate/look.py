"""Both engines in one pass, so that each picture is decoded once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from t2ibench.evaluate import Masked, Seen
from t2ibench.evaluate.segment import Segment
from t2ibench.evaluate.yolov8 import Yolov8


class Look:
    """The judge and the segmenter together: a batch function of the judge's batch size."""

    def __init__(self, judge: Yolov8, segment: Segment) -> None:
        self.judge, self.segment = judge, segment
        self.batch_size = judge.batch_size

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[tuple[Seen, Masked, NDArray[np.uint8]]]:
        """images uint8 HWC RGB of one size -> what is seen in each, where, and the image itself, to draw on."""
        return list(zip(self.judge(images), self.segment(images), images, strict=True))
