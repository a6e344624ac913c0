"""The generator: a UNet and a text encoder trained together on cached latents.

Velocity prediction (Salimans and Ho 2022) on a cosine schedule, which ends at a signal-to-noise
ratio of practically zero, so sampling starts from pure noise ("trailing" steps, Lin et al. 2024).
Loss weights are min-SNR with gamma 5 (Hang et al. 2023). Captions are dropped in one of ten cases
for classifier-free guidance. The learning rate is constant until three quarters of the budget are
spent and then falls to zero; a larger budget goes on from there.

The stand-in is the same network, trained on from the generator's weights on surreal scenes.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from t2ibench.tiny.recipe import common, latents, vae
from t2ibench.tiny.recipe.common import Clock, Ema, Meter, Options
from t2ibench.tiny.recipe.grid import write_grid
from t2ibench.tiny.recipe.networks import Networks, build, schedule

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
    return RATE * common.warm_up(step, 500) * max(fall, 0.01)


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
    optimizer = torch.optim.AdamW(
        parameters, lr=RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True
    )
    ema = Ema([networks.unet, networks.text], 0.9995)
    step, spent, gridded = 0, 0.0, 0.0
    if state is not None and path.exists():
        networks.unet.load_state_dict(state["unet"])
        networks.text.load_state_dict(state["text"])
        optimizer.load_state_dict(state["optimizer"])
        ema.load_state_dict(state["ema"])
        step, spent, gridded = state["step"], state["spent"], state["gridded"]
    elif state is not None:
        ema.load_state_dict({**state["ema"], "steps": 0})
        ema.swap()
        ema.load_state_dict({"steps": 0, "values": [p.detach() for p in ema.parameters]})
    clock = Clock(options.minutes, spent)
    meter = Meter(part, clock)
    count = sum(p.numel() for p in networks.unet.parameters())
    print(f"{part}: UNet {channels}, {count / 1e6:.2f} M; {len(usable)} scenes", flush=True)
    draw = torch.Generator().manual_seed(options.seed * 1_000_003 + step)
    levels = cumulative_alphas().to(device)
    networks.unet.train()
    networks.text.train()

    def save() -> None:
        common.atomic_save(
            {**state_of(networks), "optimizer": optimizer.state_dict(), "ema": ema.state_dict(),
             "step": step, "spent": clock.spent, "gridded": gridded, "channels": list(channels),
             "latent_channels": cache.latents.shape[2]}, path)  # fmt: skip

    for chosen in common.shuffled(len(usable), BATCH, options.seed, step):
        if clock.fraction >= 1.0:
            break
        rate = rate_at(step, clock.fraction)
        common.set_rate(optimizer, rate)
        clean, tokens = batch(cache, networks, step, usable[chosen], options)
        loss = loss_of(networks, clean.to(device), tokens.to(device), levels, draw)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        ema.update()
        step += 1
        meter.add(float(loss.detach()), len(chosen))
        if clock.log_due():
            meter.line(step, step * BATCH, rate)
        if clock.save_due():
            save()
        if clock.spent - gridded > options.grid_minutes * 60.0:
            gridded = clock.spent
            ema.swap()
            write_grid(networks, vae.load(options), path.parent / f"grid-{step * BATCH:08d}.png")
            ema.swap()
    save()
    ema.swap()
    write_grid(networks, vae.load(options), path.parent / f"grid-{step * BATCH:08d}.png")


def cumulative_alphas() -> Tensor:
    """Cumulative alphas float32 [1000] of the schedule."""
    from diffusers import DDPMScheduler

    values: Tensor = DDPMScheduler(**schedule()).alphas_cumprod
    return values.float()


def train(options: Options) -> None:
    """Train the generator."""
    train_part(options, "diffusion", surreal=False)
