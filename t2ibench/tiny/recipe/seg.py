"""The segmenter: YOLOv8n-seg, which is the detector and layers that draw masks.

The detector is frozen, so only the mask layers are trained, with ultralytics' own mask loss. Only they are stored;
`join` builds the whole network from both.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from t2ibench.tiny.recipe import augment, common, data, loop, yolo
from t2ibench.tiny.recipe.common import Options

BATCH = 64
RATE = 2e-3
HEAD = "model.22."  # the last layer of YOLOv8n, in ultralytics' names


class Masks(nn.Module):
    """The layers of YOLOv8n-seg that YOLOv8n has not, under ultralytics' own names: prototypes and coefficients."""

    def __init__(self) -> None:
        super().__init__()
        head: Any = yolo.build("yolov8n-seg").model[-1]  # type: ignore[union-attr, index]
        self.proto, self.cv4 = head.proto, head.cv4

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Features of three scales -> prototypes [N, 32, 16, 16] and coefficients [N, 32, anchors]."""
        parts = [layer(feature).flatten(2) for layer, feature in zip(self.cv4, features, strict=True)]
        return self.proto(features[0]), torch.cat(parts, dim=2)


def join(detector: dict[str, Tensor], masks: dict[str, Tensor]) -> nn.Module:
    """A whole YOLOv8n-seg in evaluation mode from the detector's state dict and that of the mask layers."""
    model = yolo.build("yolov8n-seg")
    model.load_state_dict(detector | {HEAD + key: value for key, value in masks.items()}, strict=True)
    return model.eval().requires_grad_(False)


def frozen_detector(options: Options) -> nn.Module:
    """The trained detector, whose head returns what it computes without decoding it."""
    model = yolo.load(options)
    model.model[-1].training = True  # type: ignore[union-attr, index, operator]
    return model


def thing_masks(scenes: data.Scenes, things: NDArray[np.int64], owner: NDArray[np.int64], count: int) -> Tensor:
    """ultralytics' overlapping masks uint8 [count, 64, 64]: the n-th thing of an image is n, the ground 0."""
    sheets = np.zeros((count, data.SIZE, data.SIZE), np.uint8)
    number = np.arange(len(owner)) - np.searchsorted(owner, owner) + 1
    for mask, image, value in zip(scenes.masks(things), owner, number, strict=True):
        sheets[image][mask] = value
    return torch.from_numpy(sheets)


def mean_overlap(detector: nn.Module, masks: Masks, scenes: data.Scenes) -> float:
    """Mean over scenes of the overlap (IoU) between the surest box's mask and the thing that fits it best."""
    first = np.searchsorted(scenes.thing_scene, np.arange(len(scenes.images) + 1))
    scores = []
    for begin in range(0, len(scenes.images), 100):
        made: Any = detector(augment.unit(scenes.images[begin : begin + 100]))
        proto, coefficients = masks(made["feats"])
        spot = made["scores"].amax(dim=1).argmax(dim=1)
        chosen = coefficients.gather(2, spot[:, None, None].expand(-1, coefficients.shape[1], 1))[..., 0]
        drawn = torch.einsum("nc,nchw->nhw", chosen, proto)[:, None]
        drawn = functional.interpolate(drawn, (data.SIZE, data.SIZE), mode="bilinear")[:, 0] > 0
        for place, seen in enumerate(drawn.numpy(), begin):
            things = np.arange(first[place], first[place + 1])
            if len(things):
                scores.append(max(_cropped_overlap(seen, true) for true in scenes.masks(things)))
    return float(np.mean(scores))


def _cropped_overlap(seen: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """IoU inside the true mask's box: a prototype's mask is meant to be cut to its box."""
    ys, xs = np.flatnonzero(true.any(1)), np.flatnonzero(true.any(0))
    inside = np.zeros_like(seen)
    inside[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1] = True
    seen = seen & inside
    return float((seen & true).sum() / max((seen | true).sum(), 1))


def train(options: Options) -> None:
    """Train the mask layers until the budget is spent."""
    common.start(options)
    scenes, plain = data.load(options), data.load(options, "plain")
    boxes, detector, masks = yolo.Boxes(scenes), frozen_detector(options), Masks()
    whole = yolo.build("yolov8n-seg")
    criterion: Any = whole.init_criterion()  # type: ignore[operator]

    def loss_of(step: int, chosen: NDArray[np.int64]) -> Tensor:
        rng = np.random.default_rng([options.seed, 6, step])
        pixels, rows = augment.place(augment.unit(scenes.images[chosen]), rng, (1.0, 1.0), 0.0, 0.0)
        pixels = augment.blur_some(augment.recolour(pixels, rng), rng)
        targets, things = boxes.of(chosen, rows)
        sheets = thing_masks(scenes, things, targets["batch_idx"].numpy().astype(np.int64), len(chosen))
        mirrored = torch.from_numpy(rows[:, 0] < 0)[:, None, None]
        sheets = torch.where(mirrored, sheets.flip(2), sheets)
        # half the resolution is much faster; the two choices of pixels in turn shift the masks neither way
        targets["masks"] = sheets[:, step % 2 :: 2, step % 2 :: 2]
        with common.half(loop.CPU):
            with torch.no_grad():
                made = detector(pixels)
            proto, coefficients = masks(made["feats"])
        made = {"feats": made["feats"], "boxes": made["boxes"].float(), "scores": made["scores"].float()}
        made |= {"proto": proto.float(), "mask_coefficient": coefficients.float()}
        loss: Tensor = criterion(made, targets)[0][1] / len(chosen)
        return loss

    loop.fit(
        options, "seg", masks, len(scenes.images), loss_of,
        lambda: f"held-out masks overlap by {mean_overlap(detector, masks, plain):.3f} (mean IoU)",
        batch=BATCH, rate=RATE, decay=0.01,
    )


def load(options: Options) -> Masks:
    """The trained mask layers with averaged weights."""
    masks = Masks()
    loop.restore(options, "seg", masks)
    return masks
