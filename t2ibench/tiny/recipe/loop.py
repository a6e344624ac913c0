"""How the judges and the restorer are fitted: optimizer, checkpoint, held-out figures.

These parts train on the processor, also where there is a GPU: on one core they need minutes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from t2ibench.tiny.recipe import common
from t2ibench.tiny.recipe.common import Options
from t2ibench.tiny.recipe.training import Training, WholeEma, falling, shuffled

CPU = torch.device("cpu")
EVALUATE_SECONDS = 120.0
WARM_UP_STEPS = 100


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
    training = Training(part, (p for p in model.parameters() if p.requires_grad), optimizer_for(model, rate, decay),
                        WholeEma(model, average), options.minutes, clip=10.0)
    if path.exists():
        state = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        training.resume(state)
    size = sum(p.numel() for p in model.parameters()) / 1e6
    print(f"{part}: {size:.2f} M parameters; {count} samples; from step {training.step}", flush=True)

    def save() -> None:
        common.atomic_save({"model": model.state_dict(), **training.state()}, path)

    def figures() -> None:
        model.eval()
        with torch.inference_mode():
            print(f"{part}: {report()}", flush=True)
        model.train()

    model.train()
    training.run(shuffled(count, batch, options.seed, training.step), loss_of, falling(rate, WARM_UP_STEPS), save,
                 figures, EVALUATE_SECONDS)
    training.averaged(figures)


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
