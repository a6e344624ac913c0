"""The generator: a UNet and a text encoder trained together on cached latents.

Velocity prediction (Salimans and Ho 2022) on a cosine schedule, which ends at a signal-to-noise
ratio of practically zero, so sampling starts from pure noise ("trailing" steps, Lin et al. 2024).
Loss weights are min-SNR with gamma 5 (Hang et al. 2023). Captions are dropped in one of ten cases
for classifier-free guidance. The learning rate is constant until three quarters of the budget are
spent and then falls to zero; a larger budget goes on from there.

The stand-in is the same network, trained on from the generator's weights on surreal scenes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from t2ibench.tiny.recipe import common, latents, tokenizer, vae
from t2ibench.tiny.recipe.common import Clock, Ema, Meter, Options

BATCH = 32
RATE = 7e-4
DECAY_FROM = 0.75
DROPPED = 0.1
GAMMA = 5.0
TEXT_WIDTH = 128


@dataclass
class Networks:
    """The two networks that are trained, the tokenizer, and the tokens of the empty prompt."""

    unet: Any
    text: Any
    words: Any
    empty: Tensor


def build_unet(channels: tuple[int, ...], latent_channels: int) -> Any:
    """A UNet for 16 x 16 latents; attention at 8 x 8 and in the middle (4 x 4) only.

    Attention at 16 x 16 costs more time than it is worth here: measured in samples a second.
    """
    from diffusers import UNet2DConditionModel
    from diffusers.models.attention_processor import AttnProcessor

    unet = UNet2DConditionModel(
        sample_size=16, in_channels=latent_channels, out_channels=latent_channels,
        block_out_channels=channels, layers_per_block=1, norm_num_groups=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,  # in diffusers this is the number of heads
        cross_attention_dim=TEXT_WIDTH,
    )
    if not torch.cuda.is_available():
        unet.set_attn_processor(AttnProcessor())  # faster than SDPA when training on a CPU
    return unet


def build_text(words: Any) -> Any:
    """A two-layer CLIP text encoder for our tokenizer."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words), hidden_size=TEXT_WIDTH, intermediate_size=4 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=tokenizer.LENGTH, bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id,
        )
    )


def build(options: Options, latent_channels: int, channels: tuple[int, ...]) -> Networks:
    """Fresh networks with the saved tokenizer."""
    words = tokenizer.read(options.out / "tokenizer")
    empty = torch.from_numpy(tokenizer.encode(words, [""])[0].astype(np.int64))
    return Networks(build_unet(channels, latent_channels), build_text(words), words, empty)


def schedule() -> dict[str, Any]:
    """The settings that the noise schedule and every sampler share."""
    return {
        "num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2",
        "prediction_type": "v_prediction", "steps_offset": 1,
    }  # fmt: skip


def pipeline(networks: Networks, autoencoder: Any) -> Any:
    """A plain StableDiffusionPipeline with DPM-Solver++ around the networks."""
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    pipe = StableDiffusionPipeline(
        vae=autoencoder, text_encoder=networks.text, tokenizer=networks.words, unet=networks.unet,
        scheduler=DPMSolverMultistepScheduler(**schedule(), timestep_spacing="trailing"),
        safety_checker=None, feature_extractor=None, image_encoder=None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    return pipe


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


def load(options: Options, part: str = "diffusion") -> Networks:
    """The trained networks with averaged weights, for sampling."""
    state = common.load_checkpoint(
        options.out / part / "checkpoint.pt", f"python -m t2ibench.tiny.recipe {part}"
    )
    networks = build(options, int(state["latent_channels"]), tuple(state["channels"]))
    ema = Ema([networks.unet, networks.text], 0.0)
    ema.load_state_dict(state["ema"])
    ema.swap()
    networks.unet.eval().requires_grad_(False)
    networks.text.eval().requires_grad_(False)
    return networks


def train_part(options: Options, part: str, surreal: bool) -> None:
    """Train `part` until its budget is spent; the stand-in starts from the generator's weights."""
    from t2ibench.tiny.recipe.grid import write_grid

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
