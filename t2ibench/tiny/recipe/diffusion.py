"""The generator: a UNet and a text encoder trained together on cached latents.

Velocity prediction (Salimans and Ho 2022) on a cosine schedule, which ends at a signal-to-noise
ratio of practically zero, so sampling starts from pure noise ("trailing" steps, Lin et al. 2024).
Loss weights are min-SNR with gamma 5 (Hang et al. 2023). Captions are dropped in one of ten cases
for classifier-free guidance. The learning rate is constant until three quarters of the budget are
spent and then falls to zero; a larger budget goes on from there.

The stand-in is the same network, trained on from the generator's weights on surreal scenes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from t2ibench.tiny.recipe import common, latents, vae
from t2ibench.tiny.recipe.common import Options
from t2ibench.tiny.recipe.grid import write_grid
from t2ibench.tiny.recipe.networks import Networks, build, schedule
from t2ibench.tiny.recipe.training import Ema, Training, shuffled, warm_up

BATCH = 32
RATE = 7e-4
DECAY_FROM = 0.75
DROPPED = 0.1
GAMMA = 5.0


def loss_of(
    networks: Networks, clean: Tensor, tokens: Tensor, levels: Tensor, draw: torch.Generator
) -> Tensor:
    """The min-SNR weighted velocity loss of a batch; `levels` are the cumulative alphas [1000]."""
    count, device = len(clean), clean.device
    # one stratum of the time axis per sample: less variance than independent draws
    place = torch.rand(1, generator=draw) + torch.randperm(count, generator=draw) / count
    times = ((place % 1.0) * 1000).long().clamp_max(999).to(device)
    noise = torch.randn(clean.shape, generator=draw).to(device)
    signal = levels[times][:, None, None, None]
    noisy = signal.sqrt() * clean + (1.0 - signal).sqrt() * noise
    wanted = signal.sqrt() * noise - (1.0 - signal).sqrt() * clean
    with common.half(device):
        states = networks.text(tokens)[0]
        made = networks.unet(noisy, times, states).sample
    ratio = (signal / (1.0 - signal)).flatten()
    weight = ratio.clamp_max(GAMMA) / (ratio + 1.0)
    error = (made.float() - wanted).square().mean(dim=(1, 2, 3))
    # dividing by the mean weight keeps the scale of gradients apart from the choice of gamma
    return (weight * error).mean() / weight.mean().detach()


def batch(
    cache: latents.Latents, networks: Networks, step: int, chosen: Any, options: Options
) -> tuple[Tensor, Tensor]:
    """Clean latents float32 [B, C, 16, 16] and token ids int64 [B, 48] of one step."""
    rng = np.random.default_rng([options.seed, 1, step])
    count = len(chosen)
    mirror, caption = rng.integers(2, size=count), rng.integers(6, size=count)
    clean = torch.from_numpy(cache.latents[chosen, mirror].astype(np.float32))
    tokens = torch.from_numpy(cache.tokens[chosen, mirror, caption].astype(np.int64))
    tokens[torch.from_numpy(rng.random(count) < DROPPED)] = networks.empty
    return clean, tokens


def rate_at(step: int, fraction: float) -> float:
    """Warm-up, constant, and a linear fall over the last quarter of the budget."""
    fall = min((1.0 - fraction) / (1.0 - DECAY_FROM), 1.0)
    return RATE * warm_up(step, 500) * max(fall, 0.01)


def state_of(networks: Networks) -> dict[str, Any]:
    """The parameters of both networks."""
    return {"unet": networks.unet.state_dict(), "text": networks.text.state_dict()}


def train_part(options: Options, part: str, surreal: bool) -> None:
    """Train `part` until its budget is spent; the stand-in starts from the generator's weights."""
    device = common.start(options)
    path = options.folder(part) / "checkpoint.pt"
    cache = latents.load(options)
    # the generator sees a few surreal scenes too: its captions say so, and the stand-in starts ahead
    usable = np.flatnonzero(cache.surreal) if surreal else np.arange(len(cache.surreal))
    source = path if path.exists() else options.out / "diffusion" / "checkpoint.pt"
    state: dict[str, Any] | None = None
    if path.exists() or surreal:
        state = common.load_checkpoint(source, "python -m t2ibench.tiny.recipe diffusion")
    channels = tuple(state["channels"]) if state else options.unet
    networks = build(options, cache.latents.shape[2], channels)
    networks.unet.to(device)
    networks.text.to(device)
    parameters = [*networks.unet.parameters(), *networks.text.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    training = Training(part, parameters, optimizer, Ema([networks.unet, networks.text], 0.9995), options.minutes)
    if state is not None and path.exists():
        networks.unet.load_state_dict(state["unet"])
        networks.text.load_state_dict(state["text"])
        training.resume(state)
    elif state is not None:
        start_from(state["ema"], training.ema)
    count = sum(p.numel() for p in networks.unet.parameters())
    print(f"{part}: UNet {channels}, {count / 1e6:.2f} M; {len(usable)} scenes", flush=True)
    draw = torch.Generator().manual_seed(options.seed * 1_000_003 + training.step)
    levels = cumulative_alphas().to(device)
    networks.unet.train()
    networks.text.train()

    def step_loss(step: int, chosen: NDArray[np.int64]) -> Tensor:
        clean, tokens = batch(cache, networks, step, usable[chosen], options)
        return loss_of(networks, clean.to(device), tokens.to(device), levels, draw)

    def save() -> None:
        common.atomic_save({**state_of(networks), **training.state(), "channels": list(channels),
                            "latent_channels": cache.latents.shape[2]}, path)

    def grid() -> None:
        write_grid(networks, vae.load(options), path.parent / f"grid-{training.step * BATCH:08d}.png")

    training.run(shuffled(len(usable), BATCH, options.seed, training.step), step_loss, rate_at, save, grid,
                 options.grid_minutes * 60.0)
    training.averaged(grid)


def start_from(averages: Mapping[str, Any], ema: Ema) -> None:
    """Puts another training's averages in the networks' place, and starts to average anew."""
    ema.load_state_dict({**averages, "steps": 0})
    ema.swap()
    ema.load_state_dict({"steps": 0, "values": [p.detach() for p in ema.parameters]})


def cumulative_alphas() -> Tensor:
    """Cumulative alphas float32 [1000] of the schedule."""
    from diffusers import DDPMScheduler

    values: Tensor = DDPMScheduler(**schedule()).alphas_cumprod
    return values.float()


def train(options: Options) -> None:
    """Train the generator."""
    train_part(options, "diffusion", surreal=False)
