"""The detector: ultralytics' YOLOv8n with COCO's 80 classes, trained from scratch at 64 pixels.

The network and its loss are ultralytics' own. The loop is ours: at 64 pixels ultralytics' loader, which works image by
image, would take longer than the network. Ten of the 80 classes and `person` have examples; the others stay silent.
"""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from t2ibench.tiny.recipe import augment, common, data, loop
from t2ibench.tiny.recipe.common import Options

BATCH = 64
RATE = 2e-3
CONFIDENCE = 0.25
LEAST_PIXELS = 3.0  # boxes cut to less are dropped
LEAST_VISIBLE = 0.35
GAINS = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, overlap_mask=True)  # ultralytics' defaults


def coco_names() -> dict[int, str]:
    """COCO's 80 names by number, from ultralytics' own list."""
    from t2ibench.detector import quiet_ultralytics

    quiet_ultralytics()
    from ultralytics.utils import ROOT, YAML

    return {int(number): str(name) for number, name in YAML.load(ROOT / "cfg/datasets/coco.yaml")["names"].items()}


def build(kind: str = "yolov8n") -> nn.Module:
    """A fresh network of 80 classes with the loss's settings. kind: `yolov8n` or `yolov8n-seg`."""
    from t2ibench.detector import quiet_ultralytics

    quiet_ultralytics()
    from ultralytics.models import YOLO

    model: nn.Module = YOLO(f"{kind}.yaml", task="segment" if kind.endswith("seg") else "detect", verbose=False).model
    model.args = GAINS  # type: ignore[assignment]
    return model.float().requires_grad_(True)


class Boxes:
    """The boxes of all scenes, found by scene."""

    def __init__(self, scenes: data.Scenes) -> None:
        numbers = {name: number for number, name in coco_names().items()}
        self.class_ids = np.array([numbers[str(name)] for name in scenes.thing_name], np.float32)
        self.boxes = scenes.thing_box / (data.SIZE / 2.0) - 1.0  # corners in [-1, 1]
        self.first = np.searchsorted(scenes.thing_scene, np.arange(len(scenes.images) + 1))

    def of(self, chosen: NDArray[np.int64], rows: NDArray[np.float32]) -> tuple[dict[str, Tensor], NDArray[np.int64]]:
        """ultralytics' targets of the chosen scenes after `augment.place` with `rows`, and the things' numbers."""
        counts = self.first[chosen + 1] - self.first[chosen]
        owner = np.repeat(np.arange(len(chosen)), counts)
        inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        things = self.first[chosen][owner] + inside
        boxes, row = self.boxes[things], rows[owner]
        across = boxes[:, [0, 2]] * row[:, :1] + row[:, 2:3]
        across.sort(axis=1)  # mirrored boxes have their corners changed
        down = boxes[:, [1, 3]] * row[:, 1:2] + row[:, 3:4]
        whole = (across[:, 1] - across[:, 0]) * (down[:, 1] - down[:, 0])
        across, down = across.clip(-1.0, 1.0), down.clip(-1.0, 1.0)
        width, height = across[:, 1] - across[:, 0], down[:, 1] - down[:, 0]
        least = LEAST_PIXELS / (data.SIZE / 2.0)
        keep = (width >= least) & (height >= least) & (width * height >= LEAST_VISIBLE * whole)
        shape = np.stack([across.mean(1) + 1.0, down.mean(1) + 1.0, width, height], axis=1)[keep] / 2.0
        targets = {
            "batch_idx": torch.from_numpy(owner[keep].astype(np.float32)),
            "cls": torch.from_numpy(self.class_ids[things[keep]]),
            "bboxes": torch.from_numpy(shape.astype(np.float32)),
        }
        return targets, things[keep]


def picture(images: NDArray[np.uint8], rng: np.random.Generator) -> tuple[Tensor, NDArray[np.float32]]:
    """Augmented images float32 [N, 3, 64, 64] in [0, 1] and how they were placed."""
    pixels, rows = augment.place(augment.unit(images), rng, (0.7, 1.35), 0.12, 0.6)
    return augment.blur_some(augment.recolour(pixels, rng), rng), rows


def top_classes(model: nn.Module, images: NDArray[np.uint8], wanted: list[int]) -> NDArray[np.int64]:
    """The class [N] of the surest box of the wanted classes in each image, -1 without one: the evaluation's rule.

    A place counts as its best class only, so this is what NMS with one box an image would leave.
    """
    found = []
    for begin in range(0, len(images), 100):
        raw = model(augment.unit(images[begin : begin + 100]))[0]
        raw = raw[0] if isinstance(raw, tuple) else raw
        score, number = raw[:, 4:84].max(dim=1)
        usable = torch.isin(number, torch.tensor(wanted)) & (score > CONFIDENCE)
        score, spot = score.where(usable, torch.tensor(-1.0)).max(dim=1)
        number = number.gather(1, spot[:, None])[:, 0]
        found.append(number.where(score > 0, torch.tensor(-1)).numpy())
    return np.concatenate(found)


def accuracy(model: nn.Module, scenes: data.Scenes) -> dict[str, float]:
    """Share of held-out scenes of each of the ten classes whose surest box has that class."""
    names = data.class_names()[:10]
    numbers = {name: number for number, name in coco_names().items()}
    wanted = [numbers[name] for name in names]
    right = top_classes(model, scenes.images, wanted) == np.array(wanted)[scenes.classes]
    return {name: float(right[scenes.classes == index].mean()) for index, name in enumerate(names)}


def report_line(model: nn.Module, plain: data.Scenes, surreal: data.Scenes) -> str:
    """Held-out figures in one line."""
    names = data.class_names()[:10]
    hard = accuracy(model, surreal)
    return f"held-out {loop.table(names, accuracy(model, plain))}; surreal {sum(hard.values()) / 10:.3f}"


def train(options: Options) -> None:
    """Train until the budget is spent."""
    common.start(options)
    scenes = data.load(options)
    plain, surreal = data.load(options, "plain"), data.load(options, "surreal")
    images, boxes = augment.scenes_as_seen(options, scenes.images), Boxes(scenes)
    model = build()
    criterion: Any = model.init_criterion()  # type: ignore[operator]

    def loss_of(step: int, chosen: NDArray[np.int64]) -> Tensor:
        rng = np.random.default_rng([options.seed, 2, step])
        pixels, rows = picture(images[chosen], rng)
        targets, _ = boxes.of(chosen, rows)
        with common.half(loop.CPU):
            made = model(pixels)
        made = {"feats": made["feats"], "boxes": made["boxes"].float(), "scores": made["scores"].float()}
        loss: Tensor = criterion(made, targets)[0].sum() / len(chosen)
        if not math.isfinite(float(loss.detach())):
            raise FloatingPointError(f"yolo: the loss of step {step} is {float(loss.detach())}")
        return loss

    loop.fit(
        options, "yolo", model, len(images), loss_of, lambda: report_line(model, plain, surreal),
        batch=BATCH, rate=RATE, decay=0.02,
    )


def load(options: Options) -> nn.Module:
    """The trained detector with averaged weights."""
    return loop.restore(options, "yolo", build())
