"""Whitened latents of all ten-class training scenes and of their mirror images, on disk."""

import os
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from t2ibench.errors import MissingError
from t2ibench.tiny.recipe import common, data, tokenizer, vae
from t2ibench.tiny.recipe.common import Options
from t2ibench.tiny.recipe.training import Clock


@dataclass(frozen=True)
class Latents:
    """latents float16 [N, 2, C, 16, 16] (scene, mirror image), tokens int16 [N, 2, 6, 48]."""

    latents: NDArray[np.float16]
    tokens: NDArray[np.int16]
    surreal: NDArray[np.bool_]


@torch.no_grad()
def encode(options: Options) -> None:
    """Encode with the whitened autoencoder; written whole, under a temporary name first."""
    device = common.start(options)
    scenes = data.load(options)
    scenes = scenes.where(scenes.classes < 10)
    model = vae.load(options).to(device)
    clock, parts = Clock(0.0), []
    for begin in range(0, len(scenes.images), 100):
        images = common.to_float(scenes.images[begin : begin + 100], device)
        both = torch.stack([images, images.flip(3)], dim=1).flatten(0, 1)
        with common.half(device):
            mode = model.encode(both).latent_dist.mode().float()
        parts.append(mode.unflatten(0, (-1, 2)).half().cpu().numpy())
        if clock.log_due():
            print(f"latents: {begin}/{len(scenes.images)} scenes", flush=True)
    words = tokenizer.read(options.out / "tokenizer")
    straight = [text for texts in scenes.captions for text in texts]
    ids = [
        tokenizer.encode(words, texts).reshape(len(scenes.images), -1, tokenizer.LENGTH)
        for texts in (straight, [data.mirrored_caption(text) for text in straight])
    ]
    values = np.concatenate(parts)
    path = options.folder("latents") / "latents.npz"
    temporary = path.with_name("latents.tmp.npz")
    np.savez(
        temporary, latents=values, tokens=np.stack(ids, axis=1), surreal=scenes.styles == "surreal"
    )
    os.replace(temporary, path)
    print(
        f"latents: {values.shape}, means {values.mean(axis=(0, 1, 3, 4), dtype=float).round(2)},"
        f" deviations {values.std(axis=(0, 1, 3, 4), dtype=float).round(2)}",
        flush=True,
    )


def load(options: Options) -> Latents:
    """Read the cached latents.

    Raises MissingError when they were not made.
    """
    path = options.out / "latents" / "latents.npz"
    if not path.exists():
        raise MissingError("the cached latents", "python -m t2ibench.tiny.recipe latents")
    with np.load(path) as file:
        return Latents(file["latents"], file["tokens"], file["surreal"])
