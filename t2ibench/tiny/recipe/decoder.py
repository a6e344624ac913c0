"""The decoder alone, trained on from cached latents: better pictures while the latents stay as they are.

A generator is trained on latents, so the encoder may not change after them; the decoder may. It learns from latents
with a little noise added, because a sampler's latents are never exact.
"""

from typing import Any

import numpy as np
import torch

from t2ibench.tiny.recipe import common, data, latents, vae
from t2ibench.tiny.recipe.common import Clock, Ema, Meter, Options

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
    ema = Ema(parts, 0.998)
    step, spent = 0, 0.0
    if path.exists():
        state = torch.load(path, map_location=device, weights_only=True)
        model.load_state_dict(state["training"])
        optimizer.load_state_dict(state["optimizer"])
        ema.load_state_dict(state["ema"])
        step, spent = state["step"], state["spent"]
    clock = Clock(options.minutes, spent)
    meter = Meter("decoder", clock)

    def save() -> None:
        training = {key: value.clone() for key, value in model.state_dict().items()}
        ema.swap()
        state: dict[str, Any] = {"model": model.state_dict(), "training": training, "ema": {}, "step": step,
                                 "optimizer": optimizer.state_dict(), "spent": clock.spent}
        averaged = {key: value.clone() for key, value in state["model"].items()}
        ema.swap()
        common.atomic_save(state | {"model": averaged, "ema": ema.state_dict()}, path)

    for chosen in common.shuffled(len(pictures), BATCH, options.seed + 1, step):
        if clock.fraction >= 1.0:
            break
        rate = RATE * common.warm_up(step, 200) * max(1.0 - clock.fraction, 0.01)
        common.set_rate(optimizer, rate)
        side = step % 2
        wanted = common.to_float(pictures[chosen][:, :, ::-1] if side else pictures[chosen], device)
        given = torch.from_numpy(cache.latents[chosen, side].astype(np.float32)).to(device)
        with common.half(device):
            made = model.decode(given + NOISE * torch.randn_like(given)).sample
        loss = vae.picture_loss(made.float(), wanted)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        ema.update()
        step += 1
        meter.add(float(loss.detach()), BATCH)
        if clock.log_due():
            meter.line(step, step * BATCH, rate)
        if clock.save_due():
            save()
    save()
    print(f"decoder: final held-out PSNR {vae.held_out_psnr(vae.load(options).to(device), held):.2f} dB", flush=True)
