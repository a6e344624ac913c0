"""YOLOv8-seg: the detector that also draws a mask of what it sees (IEIE 2026, section 3.2.1 and Figure 4).

A folder with a safetensors state dict of YOLOv8n-seg and `names.json`, or a `-seg.pt` file of ultralytics
(`hub://yolov8n-seg` to `hub://yolov8x-seg`). A folder without `names.json` holds the mask layers only; they work on the
features of the detector they were trained on, so the two join into one network, whose boxes are that detector's. The
bundled `tiny://yolo-seg` is of this kind.

Masks are those of `YOLO.predict(retina_masks=True)`: drawn at the prototypes' resolution (a quarter of the network's),
scaled to the image's own pixels, cut at zero, cut to their box (tests/test_segmenter.py compares them).
"""

from collections.abc import Collection
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from t2ibench.detector import Box, Detector, Forward
from t2ibench.errors import ConfigError
from t2ibench.hardware import Hardware
from t2ibench.weights import Weights, locate

HEAD = "model.22."
"""YOLOv8's last layer in ultralytics' names: there the mask layers belong."""


class Thing(NamedTuple):
    """A detection with its mask: bool [H, W] in the image's own pixels, False outside of the box."""

    box: Box
    mask: NDArray[np.bool_]


class Segmenter(Detector):
    """A YOLOv8-seg. detector: the weights that mask layers join with; not read where `weights` hold all."""

    role, task, network = "segmenter", "segment", "YOLOv8n-seg"

    def __init__(self, weights: str, detector: str, hardware: Hardware, image_size: int) -> None:
        super().__init__(weights, hardware, image_size)
        self.detector = Detector(detector, hardware, image_size)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides boxes and masks, but for threshold and classes. Loads no model."""
        joined = self.detector.identity["weights"] if self._joins else ""
        return super().identity | {"detector": "yolov8-seg", "joined_with": joined}

    @cached_property
    def names(self) -> dict[int, str]:
        """Class number -> name."""
        return self.detector.names if self._joins else super().names

    def things(self, forward: Forward, class_ids: Collection[int], confidence: float) -> list[Thing | None]:
        """Per image of a forward the surest box of `class_ids` with its mask, or None without a box surer than
        `confidence`. A box without a pixel of mask is None too, as ultralytics drops it."""
        rows, counts = self._rows(forward, class_ids, confidence, max_det=1)
        each = zip(rows.split(counts), forward.beside, counts, strict=True)
        return [self._thing(row, drawn, forward.size) if count else None for row, drawn, count in each]

    def sees_as(self, detector: Detector) -> bool:
        """Whether the boxes of its forward are that detector's: where its mask layers join with those very weights."""
        return self._joins and self.detector.identity == detector.identity

    def _thing(self, row: Any, prototypes: Any, size: tuple[int, int]) -> Thing | None:
        """row [1, 6 + M] and prototypes [M, h, w] of one image."""
        from ultralytics.utils.ops import process_mask_native

        masks = process_mask_native(prototypes, row[:, 6:], row[:, :4], size)
        if not masks.any():
            return None
        x0, y0, x1, y1, confidence, class_id = row[0, :6].tolist()
        mask: NDArray[np.bool_] = masks[0].bool().cpu().numpy()
        return Thing(Box(int(class_id), confidence, (x0, y0, x1, y1)), mask)

    @property
    def _joins(self) -> bool:
        """Whether the weights are mask layers only."""
        path = locate(self.weights).path
        return path.is_dir() and not (path / "names.json").is_file()

    def _state(self, found: Weights) -> dict[str, Any]:
        own = super()._state(found)
        if not self._joins:
            return own
        base = locate(self.detector.weights)
        if not base.path.is_dir():
            accepted = f"a folder of a YOLOv8n, with which the mask layers of {self.weights} join"
            raise ConfigError("models.detector", self.detector.weights, accepted)
        return self.detector._state(base) | {HEAD + key: value for key, value in own.items()}
