"""What all training parts share: clock, checkpoints, moving averages, log lines, seeds.

A part's budget counts its own running time, summed over resumptions. Learning rates are functions
of the fraction of the budget that is spent, so a larger budget makes a finished part go on.
"""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from t2ibench.errors import MissingError

HELD_OUT_SEED = 10_000_000  # scenes with seeds from here on are never trained on
CHECKPOINT_SECONDS = 60.0
LOG_SECONDS = 15.0


@dataclass(frozen=True)
class Options:
    """The command line of one part."""

    out: Path
    minutes: float
    threads: int
    seed: int = 0
    scenes: int = 40_000
    held_out: int = 1_000
    captions: Path | None = None
    latent_channels: int = 8
    unet: tuple[int, ...] = (64, 96, 128)
    grid_minutes: float = 10.0
    start: Path | None = None
    weights: Path = Path(__file__).parents[1] / "weights"

    def folder(self, part: str) -> Path:
        """Return (and make) the folder of a part."""
        path = self.out / part
        path.mkdir(parents=True, exist_ok=True)
        return path


def start(options: Options) -> torch.device:
    """Seed everything, set the thread count, and return the device: CUDA when there is one."""
    torch.manual_seed(options.seed)
    np.random.seed(options.seed)
    torch.set_num_threads(options.threads)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def half(device: torch.device) -> AbstractContextManager[Any]:
    """Mixed precision in bfloat16; on CPUs with AVX-512 BF16 it doubles the speed of training."""
    return torch.autocast(device.type, torch.bfloat16)


def atomic_save(state: object, path: Path) -> None:
    """Write `state` with torch.save under a temporary name, flush it, then rename."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load_checkpoint(path: Path, command: str) -> dict[str, Any]:
    """Read a checkpoint that this recipe wrote.

    Raises MissingError with the command that makes it when it is not there.
    """
    if not path.exists():
        raise MissingError(str(path), command)
    loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return loaded


class Clock:
    """Counts a part's running seconds over resumptions, and says when to log and to save."""

    def __init__(self, minutes: float, spent: float = 0.0) -> None:
        self.total = minutes * 60.0
        self.before = spent
        self.began = self.logged = self.saved = time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds of running time so far."""
        return self.before + time.monotonic() - self.began

    @property
    def fraction(self) -> float:
        """Share of the budget that is spent, in [0, 1]."""
        return min(self.spent / max(self.total, 1e-9), 1.0)

    def _due(self, name: str, seconds: float) -> bool:
        now = time.monotonic()
        if now - getattr(self, name) < seconds:
            return False
        setattr(self, name, now)
        return True

    def log_due(self) -> bool:
        """True about every 15 s."""
        return self._due("logged", LOG_SECONDS)

    def save_due(self) -> bool:
        """True about every 60 s."""
        return self._due("saved", CHECKPOINT_SECONDS)


class Ema:
    """Exponential moving average of parameters; the decay grows from 0 towards `decay`."""

    def __init__(self, modules: Iterable[nn.Module], decay: float) -> None:
        self.parameters = [p for m in modules for p in m.parameters()]
        self.decay = decay
        self.steps = 0
        self.values = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the present parameters."""
        self.steps += 1
        weight = 1.0 - min(self.decay, (1.0 + self.steps) / (10.0 + self.steps))
        torch._foreach_lerp_(self.values, [p.detach() for p in self.parameters], weight)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the parameters and their averages; call again to undo."""
        for parameter, value in zip(self.parameters, self.values, strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(value)
            value.copy_(kept)

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on."""
        return {"steps": self.steps, "values": self.values}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.steps = int(state["steps"])
        for value, saved in zip(self.values, state["values"], strict=True):
            value.copy_(saved)


class Meter:
    """Mean loss and speed since the last log line."""

    def __init__(self, part: str, clock: Clock) -> None:
        self.part, self.clock = part, clock
        self.began, self.samples, self.losses = time.monotonic(), 0, 0.0
        self.batches = 0

    def add(self, loss: float, samples: int) -> None:
        """Count one batch."""
        self.losses, self.batches = self.losses + loss, self.batches + 1
        self.samples += samples

    def line(self, step: int, total: int, rate: float) -> None:
        """Print one log line and start over."""
        seconds = max(time.monotonic() - self.began, 1e-9)
        print(
            f"{self.part}: {self.clock.spent / 60:.1f}/{self.clock.total / 60:.1f} min"
            f" step {step} samples {total} loss {self.losses / max(self.batches, 1):.5f}"
            f" lr {rate:.2e} {self.samples / seconds:.1f} samples/s",
            flush=True,
        )
        self.began, self.samples, self.losses, self.batches = time.monotonic(), 0, 0.0, 0


def warm_up(step: int, steps: int) -> float:
    """Linear factor from 0 to 1 over the first `steps` steps."""
    return min((step + 1) / steps, 1.0)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def shuffled(count: int, batch: int, seed: int, step: int) -> Iterator[NDArray[np.int64]]:
    """Endless batches of indices below `count`, a fresh permutation per epoch, from batch `step`.

    Batch k depends on (seed, k) alone, so a resumed run sees what an unbroken one would have.
    """
    per_epoch = max(count // batch, 1)
    while True:
        order = np.random.default_rng([seed, step // per_epoch]).permutation(count)
        for place in range(step % per_epoch, per_epoch):
            yield order[place * batch : (place + 1) * batch]
            step += 1


def to_float(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 [N, H, W, 3] to float32 [N, 3, H, W] in [-1, 1]."""
    tensor = torch.from_numpy(np.ascontiguousarray(images)).to(device)
    return tensor.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0).contiguous()


def psnr(first: Tensor, second: Tensor) -> float:
    """Mean over images of the peak signal-to-noise ratio in dB, for images in [-1, 1]."""
    error = (first - second).square().mean(dim=(1, 2, 3)).clamp_min(1e-10)
    return float((10.0 * torch.log10(4.0 / error)).mean())
