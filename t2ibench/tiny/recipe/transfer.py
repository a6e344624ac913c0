"""A generator for new latents that starts from one that was trained on other latents of the same scenes.

Both latents describe the same pictures, so one is nearly a linear map of the other, place by place. The map is folded
into the first and the last convolution; all layers between, and the text encoder, stay. Training then goes on as usual:
`python -m t2ibench.tiny.recipe transfer --start FOLDER`, then `... diffusion`.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from t2ibench.errors import ConfigError
from t2ibench.tiny.recipe import common, latents, networks
from t2ibench.tiny.recipe.common import Options
from t2ibench.tiny.recipe.training import Ema

SCENES = 2000


def linear_map(given: Tensor, wanted: Tensor) -> Tensor:
    """float32 [D, C]: the least-squares map from given [N, C] to wanted [N, D]."""
    return torch.linalg.lstsq(given, wanted).solution.T


def _places(cache: latents.Latents) -> Tensor:
    """Latents of the first scenes, one row per place: float32 [N, C]."""
    part = torch.from_numpy(cache.latents[:SCENES, 0].astype(np.float32))
    return part.permute(0, 2, 3, 1).flatten(0, 2)


@torch.no_grad()
def refit(unet: Any, old: Any, to_old: Tensor, from_old: Tensor) -> None:
    """Loads `old` into `unet`, whose latents have other channels. to_old [C_old, C_new], from_old [C_new, C_old]."""
    state = old.state_dict()
    state["conv_in.weight"] = torch.einsum("oikl,ic->ockl", state["conv_in.weight"], to_old)
    state["conv_out.weight"] = torch.einsum("oikl,co->cikl", state["conv_out.weight"], from_old)
    state["conv_out.bias"] = from_old @ state["conv_out.bias"]
    unet.load_state_dict(state)


def start(options: Options) -> None:
    """Write a checkpoint of the part `diffusion` at step 0 that starts from the generator in `options.start`.

    Raises ConfigError without such a folder, MissingError where it holds no generator.
    """
    if options.start is None:
        raise ConfigError("--start", None, "the folder of a training whose generator is to be taken over")
    other = replace(options, out=options.start)
    old, (given, cache) = networks.load(other), (latents.load(other), latents.load(options))
    before, now = _places(given), _places(cache)
    channels = tuple(old.unet.config.block_out_channels)
    fresh = networks.build(options, cache.latents.shape[2], channels)
    to_old, from_old = linear_map(now, before), linear_map(before, now)
    refit(fresh.unet, old.unet, to_old, from_old)
    fresh.text.load_state_dict(old.text.state_dict())
    explained = 1.0 - float((now @ to_old.T - before).square().mean() / before.var())
    parameters = [*fresh.unet.parameters(), *fresh.text.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    ema = Ema([fresh.unet, fresh.text], 0.9995)
    state = {"unet": fresh.unet.state_dict(), "text": fresh.text.state_dict(), "optimizer": optimizer.state_dict(),
             "ema": ema.state_dict(), "step": 0, "spent": 0.0, "channels": list(channels),
             "latent_channels": cache.latents.shape[2]}
    common.atomic_save(state, options.folder("diffusion") / "checkpoint.pt")
    print(f"transfer: the new latents explain {explained:.3f} of the old ones", flush=True)
