"""What the judges see besides the drawn scene itself: mirrored, shifted, recoloured and blurred pictures.

Every fourth training scene is shown as the autoencoder gives it back, where there is one: a judge then does not
stumble over the generator's texture. It never sees a generated picture.
"""

import os

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from t2ibench.records import file_digest
from t2ibench.tiny.recipe import common, vae
from t2ibench.tiny.recipe.common import Options
from t2ibench.tiny.recipe.training import Clock

RECONSTRUCTED = 4  # one scene of so many
BLUR_TAPS = 7


def scenes_as_seen(options: Options, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The training images uint8 [N, 64, 64, 3], every fourth one through the autoencoder if it was trained.

    The reconstructions are cached under the digest of the autoencoder.
    """
    weights = options.out / "vae" / "vae.pt"
    if not weights.exists():
        print("augment: no autoencoder yet, so no reconstructions", flush=True)
        return images
    path = options.folder("reconstructions") / f"{file_digest(weights)[:16]}-{len(images)}.npy"
    if not path.exists():
        made = _reconstruct(options, images[::RECONSTRUCTED])
        temporary = path.with_name("new.tmp.npy")
        np.save(temporary, made)
        os.replace(temporary, path)
    seen = images.copy()
    seen[::RECONSTRUCTED] = np.load(path)
    return seen


def _reconstruct(options: Options, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    model, clock, parts = vae.load(options), Clock(0.0), []
    for begin in range(0, len(images), 100):
        pixels = common.to_float(images[begin : begin + 100], torch.device("cpu"))
        with common.half(pixels.device):
            made = vae.reconstruct(model, pixels)
        parts.append(((made.float() + 1.0) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy())
        if clock.log_due():
            print(f"augment: {begin}/{len(images)} reconstructions", flush=True)
    return np.concatenate(parts)


def unit(images: NDArray[np.uint8]) -> Tensor:
    """uint8 [N, H, W, 3] -> float32 [N, 3, H, W] in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float().div_(255.0)


def column(rng: np.random.Generator, count: int, low: float, high: float) -> Tensor:
    """Uniform draws float32 [count, 1, 1, 1]."""
    return torch.from_numpy(rng.uniform(low, high, (count, 1, 1, 1)).astype(np.float32))


def recolour(images: Tensor, rng: np.random.Generator, strength: float = 1.0) -> Tensor:
    """Random brightness, contrast and saturation of images in [0, 1]."""
    count = len(images)
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * column(rng, count, 1 - 0.4 * strength, 1 + 0.4 * strength)
    mean = grey.mean(dim=(2, 3), keepdim=True)
    images = mean + (images - mean) * column(rng, count, 1 - 0.25 * strength, 1 + 0.25 * strength)
    return (images * column(rng, count, 1 - 0.2 * strength, 1 + 0.2 * strength)).clamp_(0.0, 1.0)


def gaussian_kernels(sigmas: NDArray[np.float64]) -> Tensor:
    """Normalised one-dimensional kernels float32 [N, 7] of the given deviations in pixels."""
    taps = np.arange(BLUR_TAPS) - BLUR_TAPS // 2
    kernels = np.exp(-(taps**2) / (2.0 * np.maximum(sigmas, 1e-3)[:, None] ** 2))
    return torch.from_numpy((kernels / kernels.sum(axis=1, keepdims=True)).astype(np.float32))


def gaussian(images: Tensor, sigmas: NDArray[np.float64]) -> Tensor:
    """Blur every image [N, 3, H, W] with its own deviation in pixels."""
    count, channels, height, width = images.shape
    kernels = gaussian_kernels(sigmas).repeat_interleave(channels, dim=0)
    half = BLUR_TAPS // 2
    flat = functional.pad(images.reshape(1, -1, height, width), (half, half, half, half), mode="replicate")
    flat = functional.conv2d(flat, kernels[:, None, :, None], groups=count * channels)
    flat = functional.conv2d(flat, kernels[:, None, None, :], groups=count * channels)
    return flat.reshape(images.shape)


def blur_some(images: Tensor, rng: np.random.Generator, share: float = 0.3, most: float = 1.2) -> Tensor:
    """Blur a share of the images by up to `most` pixels, in place."""
    chosen = np.flatnonzero(rng.random(len(images)) < share)
    if len(chosen):
        images[chosen] = gaussian(images[chosen], rng.uniform(0.0, most, len(chosen)))
    return images


def place(
    images: Tensor, rng: np.random.Generator, scale: tuple[float, float], shift: float, share: float
) -> tuple[Tensor, NDArray[np.float32]]:
    """Mirror half of the images; scale and shift a share of them; the border is continued.

    Returns the images and rows (a, b, s, t) float32 [N, 4]: a point (x, y) of [-1, 1] goes to (a x + s, b y + t).
    """
    count = len(images)
    flip = np.where(rng.random(count) < 0.5, -1.0, 1.0)
    zoom = np.exp(rng.uniform(np.log(scale[0]), np.log(scale[1]), count))
    moved = rng.uniform(-2.0 * shift, 2.0 * shift, (count, 2))
    plain = rng.random(count) >= share
    zoom[plain], moved[plain] = 1.0, 0.0
    rows = np.stack([flip * zoom, zoom, moved[:, 0], moved[:, 1]], axis=1).astype(np.float32)
    mirrored = np.flatnonzero(plain & (flip < 0))
    images[mirrored] = images[mirrored].flip(3)
    warped = np.flatnonzero(~plain)
    if len(warped):
        theta = np.zeros((len(warped), 2, 3), np.float32)  # the inverse: where an output pixel comes from
        chosen = rows[warped]
        theta[:, 0, 0], theta[:, 1, 1] = 1.0 / chosen[:, 0], 1.0 / chosen[:, 1]
        theta[:, 0, 2], theta[:, 1, 2] = -chosen[:, 2] / chosen[:, 0], -chosen[:, 3] / chosen[:, 1]
        part = images[warped]
        grid = functional.affine_grid(torch.from_numpy(theta), list(part.shape), align_corners=False)
        images[warped] = functional.grid_sample(part, grid, padding_mode="border", align_corners=False)
    return images, rows
