"""Sample grids for the eye: one row per class, fixed seeds and prompts, averaged weights."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from t2ibench.tiny.recipe.networks import Networks, pipeline

STEPS = 16
GUIDANCE = 4.0
PROMPTS = (
    "a photo of a {name}",
    "a photo of a {name}",
    "a photo of a {name}",
    "A {name} standing in a grassy field.",
    "A large {name} next to a tree on a sunny day.",
    "A {name} that is standing in the snow.",
)


def sample(pipe: Any, prompts: list[str], first_seed: int, size: int = 20) -> np.ndarray:
    """Pictures uint8 [N, 64, 64, 3], one CPU generator each."""
    parts = []
    for begin in range(0, len(prompts), size):
        texts = prompts[begin : begin + size]
        draws = [torch.Generator().manual_seed(first_seed + begin + n) for n in range(len(texts))]
        made = pipe(
            texts, num_inference_steps=STEPS, guidance_scale=GUIDANCE, generator=draws,
            height=64, width=64, output_type="np",
        ).images
        parts.append((made * 255.0).round().astype(np.uint8))
    return np.concatenate(parts)


def write_grid(networks: Networks, autoencoder: Any, path: Path) -> None:
    """Sample 10 classes x 6 prompts and write them as one PNG at twice the size."""
    from PIL import Image

    from t2ibench.tiny.scenes import CLASSES

    began = time.monotonic()
    networks.unet.eval()
    networks.text.eval()
    pipe = pipeline(networks, autoencoder.to(networks.unet.device))
    prompts = [text.format(name=name) for name in CLASSES for text in PROMPTS]
    prompts = [p.replace("a elephant", "an elephant").replace("A eleph", "An eleph") for p in prompts]
    pictures = sample(pipe, prompts, 1000)
    networks.unet.train()
    networks.text.train()
    rows = pictures.reshape(len(CLASSES), len(PROMPTS), 64, 64, 3)
    # two classes side by side, so that the picture is not a tower
    halves = np.concatenate([rows[:5], rows[5:]], axis=1)
    sheet = halves.transpose(0, 2, 1, 3, 4).reshape(5 * 64, 12 * 64, 3)
    image = Image.fromarray(sheet)
    image.resize((image.width * 2, image.height * 2), Image.Resampling.LANCZOS).save(path)
    seconds = (time.monotonic() - began) / len(prompts)
    print(f"grid: {path}, {seconds:.3f} s an image", flush=True)
