"""Drawn scenes with masks, boxes and captions: the training data of the bundled models.

A scene is a pure function of (seed, class, style, size). It is drawn from polygons at four times
its size and reduced with a box filter. No picture from outside is used.
"""

import hashlib
from dataclasses import dataclass
from random import Random

import numpy as np

from t2ibench.tiny.scenes import compose
from t2ibench.tiny.scenes.animals import CLASSES
from t2ibench.tiny.scenes.captions import write_captions
from t2ibench.tiny.scenes.looks import finish

STYLES = ("plain", "surreal", "sketch", "poster", "night")
OTHERS = ("person", "nothing")


@dataclass(frozen=True)
class Thing:
    """One animal or person: class name, visible box in pixels, bool mask [size, size]."""

    name: str
    box: tuple[float, float, float, float]
    mask: np.ndarray


@dataclass(frozen=True)
class Scene:
    """A drawn picture (uint8 [size, size, 3] RGB) and all that is known about it."""

    image: np.ndarray
    class_name: str
    style: str
    things: tuple[Thing, ...]
    captions: tuple[str, ...]


def draw_scene(
    seed: int, class_name: str | None = None, style: str = "plain", size: int = 64
) -> Scene:
    """Draw one scene; without `class_name`, the seed picks one of the ten classes.

    Raises ValueError for an unknown class or style, or a size below 16.
    """
    if class_name is not None and class_name not in (*CLASSES, *OTHERS):
        raise ValueError(f"class_name {class_name!r} is none of {(*CLASSES, *OTHERS)}")
    if style not in STYLES:
        raise ValueError(f"style {style!r} is none of {STYLES}")
    if size < 16:
        raise ValueError(f"size {size} is below 16")
    digest = hashlib.sha256(f"scene/{seed}/{class_name}/{style}".encode()).digest()
    rng = Random(int.from_bytes(digest[:8], "big"))
    name = class_name or rng.choice(CLASSES)
    canvas, facts, names = compose.compose(name, style, size, rng)
    ids = np.asarray(canvas.ids)
    image = finish(canvas, style, rng)
    things = []
    for number, thing in enumerate(names, start=1):
        share = (ids == number).reshape(size, 4, size, 4).mean(axis=(1, 3))
        mask = share >= 0.5
        if mask.sum() < 4:
            continue
        ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = (float(xs[0]), float(ys[0]), float(xs[-1] + 1), float(ys[-1] + 1))
        things.append(Thing(thing, box, mask))
    return Scene(image, name, style, tuple(things), write_captions(facts, rng))


__all__ = ["CLASSES", "STYLES", "Scene", "Thing", "draw_scene"]
