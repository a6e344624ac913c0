"""The decoder alone, trained on from cached latents: better pictures while the latents stay as they are.

A generator is trained on latents, so the encoder may not change after them; the decoder may. It learns from latents
with a little noise added, because a sampler's latents are never exact.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from t2ibench.tiny.recipe import common, data, latents, vae
from t2ibench.tiny.recipe.common import Options
from t2ibench.tiny.recipe.training import Ema, Training, falling, shuffled

BATCH = 8
RATE = 1e-3
NOISE = 0.05  # deviation; whitened latents have 1


def train(options: Options) -> None:
    """Train until the budget is spent; the result replaces the decoder of `vae.load`."""
    device = common.start(options)
    path = options.folder("decoder") / "checkpoint.pt"
    scenes, cache = data.load(options), latents.load(options)
    pictures = scenes.images[scenes.classes < len(data.class_names()) - len(data.EXTRAS)]
    held = common.to_float(data.load(options, "plain").images[:400], device)
    model = vae.load(options).to(device)
    parts = [model.post_quant_conv, model.decoder]
    parameters = [parameter.requires_grad_(True) for part in parts for parameter in part.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
    training = Training("decoder", parameters, optimizer, Ema(parts, 0.998), options.minutes)
    if path.exists():
        state = torch.load(path, map_location=device, weights_only=True)
        model.load_state_dict(state["training"])
        training.resume(state)

    def step_loss(step: int, chosen: NDArray[np.int64]) -> Tensor:
        side = step % 2
        wanted = common.to_float(pictures[chosen][:, :, ::-1] if side else pictures[chosen], device)
        given = torch.from_numpy(cache.latents[chosen, side].astype(np.float32)).to(device)
        with common.half(device):
            made = model.decode(given + NOISE * torch.randn_like(given)).sample
        return vae.picture_loss(made.float(), wanted)

    def save() -> None:
        now, averaged = _copied(model), dict[str, Tensor]()
        training.averaged(lambda: averaged.update(_copied(model)))
        common.atomic_save({"model": averaged, "training": now, **training.state()}, path)

    training.run(shuffled(len(pictures), BATCH, options.seed + 1, training.step), step_loss, falling(RATE, 200), save)
    print(f"decoder: final held-out PSNR {vae.held_out_psnr(vae.load(options).to(device), held):.2f} dB", flush=True)


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}
