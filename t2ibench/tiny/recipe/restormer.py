"""The restorer: a small Restormer (Zamir et al. 2022) that learns to undo blur on drawn scenes.

The architecture is spandrel_extra_arches'. It adds its output to its input, and starts near the identity. Blur is
Gaussian or the smear of a short straight motion; one crop of ten is sharp, so that sharp pictures stay as they are.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from t2ibench.tiny.recipe import augment, common, data, loop
from t2ibench.tiny.recipe.common import Options

BATCH = 16
RATE = 1.5e-3
CROP = 32
RADIUS = 5  # pixels that a blur reaches
SIGMA = (0.6, 1.6)  # pixels
LENGTH = (3.0, 5.0)  # pixels
SHARP, MOVED = 0.1, 0.3
HELD_OUT = 200
SIZES = {
    "dim": 12, "num_blocks": [1, 1, 1, 2], "num_refinement_blocks": 1, "heads": [1, 2, 2, 4],
    "ffn_expansion_factor": 2.0, "LayerNorm_type": "BiasFree",
}


def build() -> nn.Module:
    """A fresh Restormer near the identity."""
    from spandrel_extra_arches.architectures.Restormer import Restormer

    model: nn.Module = Restormer(**SIZES)
    with torch.no_grad():
        model.output.weight.mul_(0.05)  # type: ignore[union-attr, operator]
    return model


def gaussian_kernel(sigma: float) -> NDArray[np.float64]:
    """A normalised Gaussian [11, 11] of the deviation `sigma` in pixels."""
    taps = np.arange(-RADIUS, RADIUS + 1)
    line = np.exp(-(taps**2) / (2.0 * sigma**2))
    kernel: NDArray[np.float64] = np.outer(line, line)
    return kernel / kernel.sum()


def motion_kernel(length: float, angle: float) -> NDArray[np.float64]:
    """A normalised straight smear [11, 11] of `length` pixels at `angle` in radians."""
    kernel = np.zeros((2 * RADIUS + 1, 2 * RADIUS + 1))
    for place in np.linspace(-0.5, 0.5, 33) * (length - 1.0):
        x, y = RADIUS + place * math.cos(angle), RADIUS + place * math.sin(angle)
        left, top = math.floor(x), math.floor(y)
        for column, share in ((left, left + 1 - x), (left + 1, x - left)):
            kernel[top, column] += share * (top + 1 - y)
            kernel[top + 1, column] += share * (y - top)
    return kernel / kernel.sum()


def draw_kernel(rng: np.random.Generator, sharp: float = SHARP) -> NDArray[np.float64]:
    """One random blur; with probability `sharp`, none."""
    draw = rng.random()
    if draw < sharp:
        kernel = np.zeros((2 * RADIUS + 1, 2 * RADIUS + 1))
        kernel[RADIUS, RADIUS] = 1.0
        return kernel
    if draw < sharp + MOVED:
        return motion_kernel(rng.uniform(*LENGTH), rng.uniform(0.0, math.pi))
    return gaussian_kernel(rng.uniform(*SIGMA))


def blurred(images: Tensor, kernels: list[NDArray[np.float64]]) -> Tensor:
    """Each image [N, 3, H + 10, W + 10] through its own kernel, rounded to 256 levels: [N, 3, H, W] in [0, 1]."""
    count, channels = images.shape[:2]
    weight = torch.from_numpy(np.stack(kernels).astype(np.float32)).repeat_interleave(channels, dim=0)[:, None]
    flat = functional.conv2d(images.reshape(1, -1, *images.shape[2:]), weight, groups=count * channels)
    return flat.reshape(count, channels, *flat.shape[2:]).mul_(255.0).round_().div_(255.0).clamp_(0.0, 1.0)


def blur_scenes(images: NDArray[np.uint8], seed: int) -> Tensor:
    """Whole scenes with seeded blurs, none of them sharp; float32 [N, 3, H, W] in [0, 1]. Borders are continued."""
    padded = functional.pad(augment.unit(images), (RADIUS,) * 4, mode="replicate")
    rng = np.random.default_rng([seed, 4])
    return blurred(padded, [draw_kernel(rng, sharp=0.0) for _ in images])


def crops(images: NDArray[np.uint8], rng: np.random.Generator) -> Tensor:
    """One random crop of each scene with the margin that a blur needs: float32 [N, 3, 42, 42] in [0, 1]."""
    size = CROP + 2 * RADIUS
    padded = np.pad(images, ((0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS), (0, 0)), mode="edge")
    corners = rng.integers(0, padded.shape[1] - size + 1, (len(images), 2))
    cut = [image[y : y + size, x : x + size] for image, (y, x) in zip(padded, corners, strict=True)]
    turned = [np.rot90(part, int(rng.integers(4))) for part in cut]
    return augment.unit(np.stack(turned))


def loss_between(made: Tensor, wanted: Tensor) -> Tensor:
    """Absolute error of pixels and of the differences of neighbours."""
    error = made - wanted
    across, down = error.diff(dim=3), error.diff(dim=2)
    return error.abs().mean() + 0.25 * (across.abs().mean() + down.abs().mean())


def decibels(first: Tensor, second: Tensor) -> float:
    """Mean over images of the PSNR of images in [0, 1]."""
    return common.psnr(first * 2.0, second * 2.0)


def train(options: Options) -> None:
    """Train until the budget is spent."""
    common.start(options)
    scenes, model = data.load(options), build()
    held = data.load(options, "plain").images[:HELD_OUT]
    sharp, soft = augment.unit(held), blur_scenes(held, seed=common.HELD_OUT_SEED)

    def loss_of(step: int, chosen: NDArray[np.int64]) -> Tensor:
        rng = np.random.default_rng([options.seed, 5, step])
        wide = crops(scenes.images[chosen], rng)
        wanted = wide[..., RADIUS:-RADIUS, RADIUS:-RADIUS]
        with common.half(loop.CPU):
            made = model(blurred(wide, [draw_kernel(rng) for _ in chosen]))
        return loss_between(made.float(), wanted)

    def report() -> str:
        made = torch.cat([model(part).clamp(0.0, 1.0) for part in soft.split(20)])
        before, after = decibels(soft, sharp), decibels(made, sharp)
        same = torch.cat([model(part).clamp(0.0, 1.0) for part in sharp[:40].split(20)])
        return (
            f"held-out blurred {before:.2f} dB, restored {after:.2f} dB, gain {after - before:+.2f} dB;"
            f" sharp scenes come back with {decibels(same, sharp[:40]):.1f} dB"
        )

    loop.fit(
        options, "restormer", model, len(scenes.images), loss_of, report,
        batch=BATCH, rate=RATE, decay=1e-4, average=0.995,
    )


def load(options: Options) -> nn.Module:
    """The trained Restormer with averaged weights."""
    return loop.restore(options, "restormer", build())
