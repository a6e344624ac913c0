"""Both engines in one pass, so that each picture is decoded once; and what they say of an image, as it is stored.

Where the segmenter's mask layers work on the judge's own features, as the bundled ones do, one forward serves both.
A judgement is stored under `Look.key`, which knows the picture's bytes and both engines with their weights and
settings: an image is judged once, whatever cell it is in and however often the filter changes its mind.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from t2ibench.evaluate import Masked, Seen
from t2ibench.evaluate.overlay import overlay
from t2ibench.evaluate.segment import Segment
from t2ibench.evaluate.yolov8 import Yolov8
from t2ibench.pictures import encode_png
from t2ibench.records import Sample, Segmentation, digest

VERSION = 1
"""Part of every key: raise it when the fields of a judgement or the look of an overlay change."""

Found = tuple[Seen, Masked, NDArray[np.uint8]]
"""What is seen in an image, where, and the image itself, to draw on: uint8 HWC RGB."""


class Look:
    """The judge and the segmenter together: a batch function of the judge's batch size."""

    def __init__(self, judge: Yolov8, segment: Segment) -> None:
        self.judge, self.segment = judge, segment
        self.batch_size = judge.batch_size

    def key(self, sha256: str) -> str:
        """Under what the judgement of a picture is stored. sha256: of the picture's file. Loads no model."""
        engines = {"version": VERSION, "judge": self.judge.identity, "segment": self.segment.identity}
        return digest({"look": engines, "image": sha256})

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Found]:
        """images uint8 HWC RGB of one size -> what is found in each."""
        masks = self.segment.segmenter.forward(images)
        shared = self.segment.segmenter.sees_as(self.judge.detector)
        boxes = masks if shared else self.judge.detector.forward(images)
        return list(zip(self.judge.judged(boxes), self.segment.masked(masks), images, strict=True))


def pack(classes: Sequence[str], found: Found) -> tuple[bytes, dict[str, Any]]:
    """A judgement's payload, the overlay as PNG, and what is said beside it. Threads may do it: it touches its
    arguments only."""
    seen, masked, image = found
    said = {"seen": asdict(seen), "predicted": masked.predicted, "confidence": masked.confidence, "area": masked.area,
            "outline": masked.outline, "mask": base64.b64encode(encode_png(masked.mask)).decode()}
    return encode_png(overlay(image, masked, classes)), said


@dataclass(frozen=True)
class Judgement:
    """What a stored judgement says. outlined: the fields of a Segmentation that the image does not give; mask: PNG."""

    seen: Seen
    outlined: Mapping[str, Any]
    mask: bytes

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """From what `pack` said beside the payload."""
        seen = dict(said["seen"])
        box = tuple(seen.pop("box") or ())
        outlined = {key: said[key] for key in ("predicted", "confidence", "area", "outline")}
        return cls(Seen(box=box or None, **seen), outlined, base64.b64decode(said["mask"]))

    def segmentation(self, sample: Sample) -> Segmentation:
        """The row of segmentations.jsonl."""
        return Segmentation(id=sample.id, class_name=sample.class_name, **self.outlined)
