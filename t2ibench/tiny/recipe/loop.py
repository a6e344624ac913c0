"""The training loop of the judges and of the restorer: budget, checkpoint, averages, log lines, held-out figures.

These parts train on the processor, also where there is a GPU: on one core they need minutes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from t2ibench.tiny.recipe import common
from t2ibench.tiny.recipe.common import Clock, Ema, Meter, Options

CPU = torch.device("cpu")
EVALUATE_SECONDS = 120.0
WARM_UP_STEPS = 100


class WholeEma(Ema):
    """The average of parameters and of stored floating-point buffers: the statistics of batch normalisation.

    Buffers that are not stored are constants, such as a mask of minus infinity, of which no average can be taken.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__([model], decay)
        kept = model.state_dict(keep_vars=True).values()  # not the masks: minus infinity has no average
        known = {id(parameter) for parameter in self.parameters}
        self.parameters += [value for value in kept if value.is_floating_point() and id(value) not in known]
        self.values = [p.detach().clone() for p in self.parameters]


def optimizer_for(model: nn.Module, rate: float, decay: float) -> torch.optim.Optimizer:
    """AdamW over what is trained; weight decay for matrices and kernels only."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99), fused=True)


def fit(
    options: Options,
    part: str,
    model: nn.Module,
    count: int,
    loss_of: Callable[[int, Any], Tensor],
    report: Callable[[], str],
    *,
    batch: int,
    rate: float,
    decay: float = 0.02,
    average: float = 0.998,
) -> None:
    """Train `model` until the budget is spent, from its checkpoint if there is one.

    count: number of training samples; loss_of(step, indices): the loss of one batch; report(): one line of held-out
    figures of the model in evaluation mode. The learning rate warms up and then falls linearly to the budget's end.
    """
    path = checkpoint_path(options, part)
    optimizer = optimizer_for(model, rate, decay)
    ema = WholeEma(model, average)
    step, spent = 0, 0.0
    if path.exists():
        state = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        ema.load_state_dict(state["ema"])
        step, spent = state["step"], state["spent"]
    clock = Clock(options.minutes, spent)
    meter, evaluated = Meter(part, clock), clock.spent
    trained = [p for p in model.parameters() if p.requires_grad]
    size = sum(p.numel() for p in model.parameters()) / 1e6
    print(f"{part}: {size:.2f} M parameters; {count} samples; from step {step}", flush=True)

    def save() -> None:
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "ema": ema.state_dict()}
        common.atomic_save({**state, "step": step, "spent": clock.spent}, path)

    def figures() -> None:
        model.eval()
        ema.swap()
        with torch.inference_mode():
            print(f"{part}: {report()}", flush=True)
        ema.swap()
        model.train()

    model.train()
    for chosen in common.shuffled(count, batch, options.seed, step):
        if clock.fraction >= 1.0:
            break
        now = rate * common.warm_up(step, WARM_UP_STEPS) * max(1.0 - clock.fraction, 0.01)
        common.set_rate(optimizer, now)
        loss = loss_of(step, chosen)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 10.0)
        optimizer.step()
        optimizer.zero_grad()
        ema.update()
        step += 1
        meter.add(float(loss.detach()), len(chosen))
        if clock.log_due():
            meter.line(step, step * batch, now)
        if clock.save_due():
            save()
        if clock.spent - evaluated > EVALUATE_SECONDS:
            figures()
            evaluated = clock.spent
    save()
    figures()


def checkpoint_path(options: Options, part: str) -> Path:
    """Where a part's checkpoint lies."""
    return options.folder(part) / "checkpoint.pt"


def restore(options: Options, part: str, model: nn.Module) -> nn.Module:
    """Load the averaged weights of a trained part into `model`, in evaluation mode.

    Raises MissingError when the part was not trained.
    """
    state = common.load_checkpoint(options.out / part / "checkpoint.pt", f"python -m t2ibench.tiny.recipe {part}")
    model.load_state_dict(state["model"])
    ema = WholeEma(model, 0.0)
    ema.load_state_dict(state["ema"])
    ema.swap()
    return model.eval().requires_grad_(False)


def table(names: tuple[str, ...], right: dict[str, float]) -> str:
    """`mean 0.95, least 0.91; bird 0.93 ...` of the classes' shares."""
    values = [right[name] for name in names]
    each = " ".join(f"{name} {right[name]:.2f}" for name in names)
    return f"mean {sum(values) / len(values):.3f}, least {min(values):.2f}; {each}"
