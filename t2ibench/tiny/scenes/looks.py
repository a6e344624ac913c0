"""The last step: reduce the big canvas and give it the look of its style."""

from random import Random

import numpy as np
from PIL import Image

from t2ibench.tiny.scenes.draw import SUPER, Canvas, Color

_PALETTES: tuple[tuple[Color, Color, Color, Color], ...] = (
    ((246, 226, 180), (232, 186, 120), (226, 84, 60), (36, 44, 84)),
    ((214, 236, 232), (130, 196, 190), (250, 190, 70), (32, 52, 74)),
    ((250, 222, 214), (242, 160, 150), (250, 246, 236), (92, 34, 72)),
    ((226, 240, 206), (150, 200, 120), (250, 226, 120), (28, 70, 60)),
    ((224, 220, 246), (160, 150, 222), (252, 236, 190), (50, 30, 90)),
)


def finish(canvas: Canvas, style: str, rng: Random) -> np.ndarray:
    """The final picture, uint8 [size, size, 3]."""
    if style in ("plain", "surreal"):
        return np.array(canvas.image.reduce(SUPER))
    big = np.asarray(canvas.image, dtype=np.float32)
    if style == "sketch":
        return _reduce(_sketch(big))
    if style == "poster":
        return _reduce(_poster(big, np.asarray(canvas.ids), rng.choice(_PALETTES)))
    small = np.asarray(canvas.image.reduce(SUPER), dtype=np.float32)
    return _night(small, np.asarray(canvas.ids)[::SUPER, ::SUPER])


def _reduce(big: np.ndarray) -> np.ndarray:
    return np.array(Image.fromarray(big.round().clip(0, 255).astype(np.uint8)).reduce(SUPER))


def _sketch(big: np.ndarray) -> np.ndarray:
    grey = big.mean(axis=2)
    edge = np.zeros_like(grey)
    for step in (1, 2):
        edge[step:] = np.maximum(edge[step:], np.abs(grey[step:] - grey[:-step]))
        edge[:, step:] = np.maximum(edge[:, step:], np.abs(grey[:, step:] - grey[:, :-step]))
    ink = np.clip((edge - 10) / 40, 0, 1)
    paper = 226 + 0.1 * grey
    tone = paper * (1 - ink) + 46 * ink
    out: np.ndarray = tone[..., None] * np.array([1.0, 0.98, 0.93], dtype=np.float32)
    return out


def _poster(big: np.ndarray, ids: np.ndarray, palette: tuple[Color, ...]) -> np.ndarray:
    grey = big.mean(axis=2)
    front = ids > 0
    cut_back = float(np.median(grey[~front])) if (~front).any() else 128.0
    dark = float(np.percentile(grey[front], 12)) if front.any() else 0.0
    light = float(np.percentile(grey[front], 92)) if front.any() else 255.0
    index = np.where(front, np.where(grey > (dark + light) / 2, 2, 3),
                     np.where(grey >= cut_back, 0, 1))
    out: np.ndarray = np.asarray(palette, dtype=np.float32)[index]
    return out


def _night(small: np.ndarray, ids: np.ndarray) -> np.ndarray:
    n = small.shape[0]
    ys, xs = np.nonzero(ids)
    cy, cx = (ys.mean(), xs.mean()) if len(ys) else (n / 2, n / 2)
    grid = np.arange(n, dtype=np.float32)
    near = ((grid[:, None] - cy) ** 2 + (grid[None] - cx) ** 2) / (0.42 * n) ** 2
    spot = np.clip(1.15 - near, 0.0, 1.0)[..., None]
    grey = small.mean(axis=2, keepdims=True)
    dark = (0.3 * small + 0.7 * grey) * np.array([0.2, 0.24, 0.42]) + np.array([6, 8, 22])
    lit = (0.7 * small + 0.3 * grey) * np.array([0.62, 0.6, 0.58]) + np.array([10, 10, 22])
    out: np.ndarray = (dark + (lit - dark) * spot).round().clip(0, 255).astype(np.uint8)
    return out
