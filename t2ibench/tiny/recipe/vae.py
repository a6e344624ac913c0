"""The autoencoder: 64 x 64 pictures to whitened 16 x 16 latents and back (diffusers' AutoencoderKL).

Loss: absolute and squared error, absolute error of the horizontal and vertical differences (it
keeps stripes and outlines), and a very small KL term. After training, each latent channel's mean
and deviation are folded into quant_conv and post_quant_conv: latents then have mean 0 and
deviation 1, and the scaling factor is 1, so a plain pipeline reads them.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from t2ibench.tiny.recipe import common, data
from t2ibench.tiny.recipe.common import Options
from t2ibench.tiny.recipe.training import Ema, Training, falling, shuffled

BATCH = 4  # measured: small batches learn twice as much a sample while the model is young
RATE = 1.5e-3
KL_WEIGHT = 1e-4
EVALUATE_SECONDS = 150.0


def build(latent_channels: int) -> Any:
    """A fresh AutoencoderKL of factor four."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 64), layers_per_block=1, latent_channels=latent_channels,
        norm_num_groups=8, sample_size=64, scaling_factor=1.0, mid_block_add_attention=False,
    )


def edges(images: Tensor) -> tuple[Tensor, Tensor]:
    """Horizontal and vertical differences of neighbouring pixels."""
    return images[..., 1:] - images[..., :-1], images[..., 1:, :] - images[..., :-1, :]


def picture_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """Absolute and squared error of pixels and absolute error of outlines, for images in [-1, 1]."""
    error = made - wanted
    across, down = edges(error)
    pixels = error.abs().mean() + 8.0 * error.square().mean()
    return pixels + 0.5 * (across.abs().mean() + down.abs().mean())


def loss_of(made: Tensor, wanted: Tensor, posterior: Any) -> Tensor:
    """The training loss of a batch of images in [-1, 1]."""
    kl = 0.5 * (posterior.mean.square() + posterior.var - 1.0 - posterior.logvar).mean()
    return picture_loss(made, wanted) + KL_WEIGHT * kl


@torch.no_grad()
def reconstruct(vae: Any, images: Tensor) -> Tensor:
    """Images in [-1, 1] through encoder and decoder, float32."""
    made: Tensor = vae.decode(vae.encode(images).latent_dist.mode()).sample
    return made.clamp(-1.0, 1.0)


def held_out_psnr(vae: Any, images: Tensor) -> float:
    """PSNR in dB of reconstructions, averaged over batches of 50."""
    vae.eval()
    parts = [common.psnr(reconstruct(vae, part), part) for part in images.split(50)]
    vae.train()
    return sum(parts) / len(parts)


@torch.no_grad()
def whiten(vae: Any, images: Tensor) -> None:
    """Fold the latents' per-channel mean and deviation over `images` into the quant convolutions."""
    latents = torch.cat([vae.encode(part).latent_dist.mode() for part in images.split(50)])
    mean, deviation = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
    channels = len(mean)
    quant, back = vae.quant_conv, vae.post_quant_conv
    quant.weight[:channels] /= deviation[:, None, None, None]
    quant.bias[:channels] = (quant.bias[:channels] - mean) / deviation
    # the second half holds log variances: log(v / s^2) = log v - 2 log s
    quant.bias[channels:] -= 2.0 * deviation.log()
    back.bias += (back.weight[:, :, 0, 0] * mean).sum(dim=1)
    back.weight *= deviation[None, :, None, None]


def load(options: Options) -> Any:
    """The trained, whitened autoencoder in evaluation mode."""
    state = common.load_checkpoint(
        options.out / "vae" / "vae.pt", "python -m t2ibench.tiny.recipe vae"
    )
    vae = build(int(state["latent_channels"]))
    vae.load_state_dict(state["model"])
    decoder = options.out / "decoder" / "checkpoint.pt"  # the same encoder, a decoder that was trained on
    if decoder.exists():
        vae.load_state_dict(torch.load(decoder, map_location="cpu", weights_only=True)["model"])
    return vae.eval().requires_grad_(False)


def export(options: Options, vae: Any, ema: Ema, sample: Tensor) -> None:
    """Write the whitened average model beside the checkpoint that training goes on from."""
    ema.swap()
    plain = {key: value.clone() for key, value in vae.state_dict().items()}
    vae.eval()
    whiten(vae, sample)
    state = {"latent_channels": vae.config.latent_channels, "model": vae.state_dict()}
    common.atomic_save(state, options.folder("vae") / "vae.pt")
    vae.load_state_dict(plain)
    ema.swap()


def train(options: Options) -> None:
    """Train until the budget is spent; learning rate warms up, then falls to zero at its end."""
    device = common.start(options)
    path = options.folder("vae") / "checkpoint.pt"
    scenes = data.load(options)
    held = common.to_float(data.load(options, "plain").images[:400], device)
    vae = build(options.latent_channels).to(device)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
    training = Training("vae", vae.parameters(), optimizer, Ema([vae], 0.998), options.minutes)
    if path.exists():
        state = torch.load(path, map_location=device, weights_only=True)
        vae.load_state_dict(state["model"])
        training.resume(state)
    sample = common.to_float(scenes.images[:2000], device)

    def step_loss(step: int, chosen: NDArray[np.int64]) -> Tensor:
        images = common.to_float(scenes.images[chosen], device)
        if step % 2:
            images = images.flip(3)
        with common.half(device):
            posterior = vae.encode(images).latent_dist
            made = vae.decode(posterior.sample()).sample
        return loss_of(made.float(), images, posterior)

    def save() -> None:
        common.atomic_save({"model": vae.state_dict(), **training.state()}, path)

    training.run(shuffled(len(scenes.images), BATCH, options.seed, training.step), step_loss, falling(RATE, 200), save,
                 lambda: print(f"vae: held-out PSNR {held_out_psnr(vae, held):.2f} dB", flush=True), EVALUATE_SECONDS)
    export(options, vae, training.ema, sample)
    final = load(options).to(device)
    print(f"vae: final held-out PSNR {held_out_psnr(final, held):.2f} dB", flush=True)
