"""YOLOv8 as the judge of the filter's people step and of the evaluate stage: the one place that loads its weights.

A folder with a safetensors state dict of YOLOv8n and `names.json` ({"0": "person", ...} or a list), or a `.pt` file of
ultralytics, of any size from n to x (`hub://yolov8n` to `hub://yolov8x`). A `.pt` is a pickle, which runs code when it
is read: those of the hub are read only with their recorded digest, one of your own where you trust it.

Four things differ from `YOLO.predict`, which gives the same boxes otherwise (tests/test_detector.py compares them):
arrays are RGB; all of the list is one forward; NMS is that of the whole batch, without a clock (nms.py); nothing is
written, fetched or reported.
Weights and activations are float32 on every machine: what judges must not change with the GPU.
"""

import json
import os
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from t2ibench.errors import ConfigError, MissingError
from t2ibench.hardware import Hardware, repeatable
from t2ibench.nms import suppress
from t2ibench.weights import Weights, locate, remedy

Image = NDArray[np.uint8]

VERSION = 1
"""Part of the identity of what uses the detector: raise it when the boxes may change."""

STRIDE = 32
"""YOLOv8's coarsest grid in pixels: sides are padded to a multiple of it."""

IOU = 0.7
"""Boxes of one class that overlap more are one animal (ultralytics' own default)."""


class Box(NamedTuple):
    """A detection. class_id: number in the detector's names; confidence in [0, 1]; xyxy: x0, y0, x1, y1 in pixels."""

    class_id: int
    confidence: float
    xyxy: tuple[float, float, float, float]


class Forward(NamedTuple):
    """What the network gives for a batch, before anybody asks for boxes. raw: tensor [N, 4 + classes + M, places];
    beside: what the head gives beside its boxes, None for a detector; scaled, size: height and width in pixels of what
    the network saw and of the images."""

    raw: Any
    beside: Any
    scaled: tuple[int, int]
    size: tuple[int, int]


class Detector:
    """A YOLOv8 detector. image_size: the longer side in pixels to which images are scaled, a multiple of 32."""

    role: ClassVar[str] = "detector"
    task: ClassVar[str] = "detect"
    network: ClassVar[str] = "YOLOv8n"

    def __init__(self, weights: str, hardware: Hardware, image_size: int) -> None:
        if image_size < STRIDE or image_size % STRIDE:
            raise ConfigError("image_size", image_size, f"a multiple of {STRIDE} pixels, from {STRIDE}")
        self.weights, self.hardware, self.image_size = weights, hardware, image_size

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the boxes, but for thresholds and classes. Loads no model."""
        digest = locate(self.weights).digest
        return {"detector": "yolov8", "detector_version": VERSION, "weights": digest, "image_size": self.image_size}

    @cached_property
    def names(self) -> dict[int, str]:
        """Class number -> name. From `names.json`; for a `.pt` from the checkpoint itself."""
        found = locate(self.weights)
        if _is_pickle(found):
            return dict(self._model.names)
        file = self._file(found, "names.json")
        try:
            read = json.loads(file.read_text(encoding="utf-8"))
            return {int(number): str(name) for number, name in _pairs(read)}
        except (ValueError, AttributeError) as error:
            raise MissingError(f"{file} does not hold class names ({error})", self._help) from None

    def numbers(self, classes: Iterable[str], key: str) -> dict[str, int]:
        """{class: its number}. Raises ConfigError under `key` for the first class that the detector does not know."""
        known = {name: number for number, name in self.names.items()}
        for name in (classes := tuple(classes)):
            if name not in known:
                raise ConfigError(key, name, "the classes of this detector: " + ", ".join(known))
        return {name: known[name] for name in classes}

    def __call__(
        self, images: Sequence[Image], class_ids: Collection[int], confidence: float, max_det: int
    ) -> list[list[Box]]:
        """Per image at most `max_det` boxes of `class_ids` after NMS, surer than `confidence`, surest first.

        images: uint8 HWC RGB, all of one size. All of them are one forward. As in ultralytics, a place in the image
        counts as its best class only, even where that class is not among `class_ids`.
        Raises MissingError where the weights are absent or not YOLOv8n's.
        """
        return self.boxes(self.forward(images), class_ids, confidence, max_det)

    def forward(self, images: Sequence[Image]) -> Forward:
        """What the network gives for images, uint8 HWC RGB, all of one size. Raises MissingError as a call does."""
        if len({image.shape for image in images}) != 1:
            raise ValueError("the images of one batch have to have one size")
        model = self._model  # first: it quietens ultralytics
        import torch

        with torch.inference_mode():
            pixels = self._pixels(images)
            made = model(pixels)[0]
        raw, beside = made if isinstance(made, tuple) else (made, None)
        return Forward(raw, beside, (pixels.shape[2], pixels.shape[3]), (images[0].shape[0], images[0].shape[1]))

    def boxes(
        self, forward: Forward, class_ids: Collection[int], confidence: float, max_det: int
    ) -> list[list[Box]]:
        """The boxes of a forward, as a call gives them: one forward can be asked more than once."""
        rows, counts = self._rows(forward, class_ids, confidence, max_det)
        each = iter([Box(int(r[5]), r[4], (r[0], r[1], r[2], r[3])) for r in rows[:, :6].tolist()])
        return [[*islice(each, count)] for count in counts]

    def _rows(
        self, forward: Forward, class_ids: Collection[int], confidence: float, max_det: int
    ) -> tuple[Any, list[int]]:
        """float32 [K, 6 + what the head adds], image by image, surest first, of x0, y0, x1, y1 in the image's own
        pixels, confidence, class; and how many each image has."""
        import torch
        from ultralytics.utils.ops import scale_boxes

        with torch.inference_mode():
            rows, counts = suppress(forward.raw, len(self.names), class_ids, confidence, IOU, max_det)
            scale_boxes(forward.scaled, rows[:, :4], forward.size)
        return rows, counts

    def _pixels(self, images: Sequence[Image]) -> Any:
        """float32 [N, 3, H, W] in [0, 1]: scaled, and padded with grey to the smallest multiple of 32."""
        import torch
        from ultralytics.data.augment import LetterBox

        height, width = images[0].shape[:2]
        if max(height, width) != self.image_size or height % STRIDE or width % STRIDE:
            fit = LetterBox((self.image_size, self.image_size), auto=True, stride=STRIDE)
            images = [np.asarray(fit(image=image)) for image in images]
        stacked = torch.from_numpy(np.stack(images)).to(self.hardware.device).permute(0, 3, 1, 2)
        return stacked.to(torch.float32, memory_format=torch.contiguous_format).div_(255)

    @cached_property
    def _model(self) -> Any:
        """The fused network on the device, ready to be called. Loaded on first use."""
        found = locate(self.weights)
        repeatable(self.hardware.device)
        quiet_ultralytics()
        from ultralytics.models import YOLO

        model: Any = self._from_pickle(found, YOLO) if _is_pickle(found) else self._from_safetensors(found, YOLO)
        return model.float().eval().fuse(verbose=False).to(self.hardware.device)

    def _from_pickle(self, found: Weights, yolo: Any) -> Any:
        try:
            made = yolo(str(found.path))
        except (RuntimeError, TypeError, EOFError, UnpicklingError) as error:
            raise self._strange(found.path, error) from None
        if made.task != self.task:
            raise MissingError(f"{found.path} is made to {made.task}, and has to {self.task}", self._help)
        return made.model

    def _from_safetensors(self, found: Weights, yolo: Any) -> Any:
        model = yolo(f"{self.network.lower()}.yaml", task=self.task, verbose=False).model
        try:
            model.load_state_dict(self._state(found), strict=True)
        except RuntimeError as error:
            raise self._strange(found.path, error) from None
        return model

    def _state(self, found: Weights) -> dict[str, Any]:
        """The network's state dict."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        file = self._file(found, "*.safetensors")
        try:
            return dict(load_file(file))
        except SafetensorError as error:
            raise self._strange(file, error) from None

    def _file(self, found: Weights, pattern: str) -> Path:
        """The one file of a weights folder that fits the pattern."""
        files = sorted(found.path.glob(pattern)) if found.path.is_dir() else []
        if len(files) != 1:
            raise MissingError(f"{self.weights} has {len(files)} files {pattern}, and has to have one", self._help)
        return files[0]

    def _strange(self, path: Path, error: Exception) -> MissingError:
        first = (str(error).strip().splitlines() or ["it ends too soon"])[0]
        return MissingError(f"{path} does not hold a {self.network} of 80 classes ({first})", self._help)

    @property
    def _help(self) -> str:
        bundled = "tiny://yolo" + self.network.removeprefix("YOLOv8n")
        otherwise = f"give models.{self.role} a {self.network} folder or .pt file, a hub:// name, or {bundled}"
        return remedy(self.weights, otherwise)


def _pairs(names: Any) -> Iterable[tuple[Any, Any]]:
    return enumerate(names) if isinstance(names, list) else names.items()


def _is_pickle(found: Weights) -> bool:
    return found.path.suffix == ".pt"


def quiet_ultralytics() -> None:
    """Keeps ultralytics from the network, from installing packages, from the home folder and from changing Pillow.

    Call it before anything of ultralytics is imported.
    """
    root = Path(os.environ.get("DVC_ROOT") or Path.cwd())
    for key, value in {
        "YOLO_OFFLINE": "1",
        "YOLO_AUTOINSTALL": "0",
        "ULTRALYTICS_SKIP_REQUIREMENTS_CHECKS": "1",
        "YOLO_VERBOSE": "0",
        "YOLO_CONFIG_DIR": str((root / ".cache" / "yolo").resolve()),
    }.items():
        os.environ.setdefault(key, value)
    import torch  # noqa: F401  # before ultralytics, which else takes one thread
    from PIL import Image
    from ultralytics.utils import patches

    Image.open = patches._image_open  # Pillow's own: theirs asks for a HEIF plugin where a picture is damaged
