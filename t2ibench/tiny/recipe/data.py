"""Scenes on disk: rendered once with many processes, in chunks, and read back as arrays.

Training scenes have seeds 0..N-1, held-out ones start at HELD_OUT_SEED. Class and style follow
from the seed alone: of 25 scenes one shows a person or nothing (for the detector and CLIP only);
the others go round the ten classes, and of 25 such rounds four are surreal.
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from t2ibench.errors import MissingError
from t2ibench.tiny.recipe.common import HELD_OUT_SEED, Options

CHUNK = 500
SIZE = 64
EXTRAS = ("person", "nothing")


def class_names() -> tuple[str, ...]:
    """The ten classes and then the extras, in the order of class indices."""
    from t2ibench.tiny.scenes import CLASSES

    return (*CLASSES, *EXTRAS)


def plan_train(seed: int) -> tuple[int, str]:
    """Class index and style of a training scene."""
    if seed % 25 == 24:
        return 10 + (seed // 25) % 2, "plain"
    place = seed - seed // 25
    return place % 10, "surreal" if (place // 10) % 25 in (5, 11, 17, 23) else "plain"


def plan_held_out(seed: int, style: str) -> tuple[int, str]:
    """Class index and style of a held-out scene: balanced over the ten classes."""
    return seed % 10, style


@dataclass(frozen=True)
class Scenes:
    """Rendered scenes: images uint8 [N, 64, 64, 3], class indices, and the things in them."""

    images: NDArray[np.uint8]
    classes: NDArray[np.int64]
    styles: NDArray[np.str_]
    captions: list[list[str]]
    thing_scene: NDArray[np.int64]
    thing_name: NDArray[np.str_]
    thing_box: NDArray[np.float32]
    thing_mask: NDArray[np.uint8]  # packed bits [T, 512]

    def where(self, keep: NDArray[np.bool_]) -> "Scenes":
        """The scenes for which `keep` (bool [N]) is true, with their things."""
        position = np.cumsum(keep) - 1
        things = keep[self.thing_scene]
        return Scenes(
            self.images[keep], self.classes[keep], self.styles[keep],
            [c for c, k in zip(self.captions, keep, strict=True) if k],
            position[self.thing_scene[things]], self.thing_name[things],
            self.thing_box[things], self.thing_mask[things],
        )

    def masks(self, things: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Masks bool [len(things), 64, 64]."""
        bits = np.unpackbits(self.thing_mask[things], axis=1)
        return bits.reshape(-1, SIZE, SIZE).astype(bool)


def render_chunk(path: Path, seeds: Sequence[int], kind: str) -> Path:
    """Draw the scenes of `seeds` and write one chunk file, under a temporary name first."""
    from t2ibench.tiny.scenes import draw_scene

    names = class_names()
    images, classes, styles, captions = [], [], [], []
    owner, thing_names, boxes, masks = [], [], [], []
    for number, seed in enumerate(seeds):
        index, style = plan_train(seed) if kind == "train" else plan_held_out(seed, kind)
        scene = draw_scene(seed, class_name=names[index], style=style, size=SIZE)
        images.append(np.asarray(scene.image, np.uint8))
        classes.append(index)
        styles.append(style)
        captions.append(list(scene.captions))
        for thing in scene.things:
            owner.append(number)
            thing_names.append(thing.name)
            boxes.append(np.asarray(thing.box, np.float32))
            masks.append(np.packbits(np.asarray(thing.mask, bool).reshape(-1)))
    text = np.frombuffer(json.dumps(captions).encode(), np.uint8)
    temporary = path.with_name(f"{path.stem}.{os.getpid()}.tmp.npz")
    np.savez(
        temporary, images=np.stack(images), classes=np.array(classes), styles=np.array(styles),
        captions=text, thing_scene=np.array(owner, np.int64), thing_name=np.array(thing_names),
        thing_box=np.array(boxes, np.float32).reshape(-1, 4),
        thing_mask=np.array(masks, np.uint8).reshape(-1, SIZE * SIZE // 8),
    )
    os.replace(temporary, path)
    return path


def render(options: Options) -> None:
    """Draw every chunk that is not there yet: train, held-out plain and held-out surreal."""
    folder = options.folder("scenes")
    jobs: list[tuple[Path, range, str]] = []
    sets = (
        ("train", 0, options.scenes),
        ("plain", HELD_OUT_SEED, options.held_out),
        ("surreal", HELD_OUT_SEED + 1_000_000, options.held_out // 4),
    )
    for kind, first, count in sets:
        for begin in range(0, count, CHUNK):
            seeds = range(first + begin, first + min(begin + CHUNK, count))
            path = folder / f"{kind}-{begin // CHUNK:05d}-{len(seeds)}.npz"
            if not path.exists():
                jobs.append((path, seeds, kind))
    with ProcessPoolExecutor(options.threads) as pool:
        futures = [pool.submit(partial(render_chunk, *job)) for job in jobs]
        for done, future in enumerate(as_completed(futures), 1):
            print(f"scenes: {done}/{len(jobs)} chunks, {future.result().name}", flush=True)


def load(options: Options, kind: str = "train") -> Scenes:
    """Read all chunks of a kind: `train`, `plain` or `surreal` (the last two held out).

    Raises MissingError when none was rendered.
    """
    paths = sorted((options.out / "scenes").glob(f"{kind}-*[0-9].npz"))
    if not paths:
        raise MissingError(f"scenes of kind {kind}", "python -m t2ibench.tiny.recipe scenes")
    parts: dict[str, list[NDArray[np.generic]]] = {}
    captions: list[list[str]] = []
    total = 0
    for path in paths:
        with np.load(path) as chunk:
            captions += json.loads(chunk["captions"].tobytes())
            for key in chunk.files:
                value = chunk[key] + total if key == "thing_scene" else chunk[key]
                parts.setdefault(key, []).append(value)
            total += len(chunk["images"])
    parts.pop("captions")
    joined = {key: np.concatenate(values) for key, values in parts.items()}
    return Scenes(captions=captions, **joined)  # type: ignore[arg-type]


def mirrored_caption(caption: str) -> str:
    """The caption of the mirror image: left and right change places."""
    swap = {"left": "right", "right": "left"}
    return " ".join(swap.get(word, word) for word in caption.split(" "))
