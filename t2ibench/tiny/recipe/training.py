"""A training: its budget, checkpoint, averages and log lines, and the loop that all parts share.

A part's budget counts its own running time, summed over resumptions. Learning rates are functions of the fraction of
the budget that is spent, so a larger budget makes a finished part go on.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

CHECKPOINT_SECONDS = 60.0
LOG_SECONDS = 15.0


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


class Training:
    """One part's training: what a checkpoint holds besides the networks, and the loop.

    parameters: what is trained; minutes: the budget; clip: the largest norm of a gradient.
    """

    def __init__(self, part: str, parameters: Iterable[nn.Parameter], optimizer: torch.optim.Optimizer, ema: Ema,
                 minutes: float, clip: float = 1.0) -> None:
        self.part, self.parameters, self.optimizer, self.ema = part, list(parameters), optimizer, ema
        self.clip, self.step, self.clock = clip, 0, Clock(minutes)

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.ema.load_state_dict(state["ema"])
        self.step, self.clock = state["step"], Clock(self.clock.total / 60.0, state["spent"])

    def state(self) -> dict[str, Any]:
        """The training's part of a checkpoint."""
        return {"optimizer": self.optimizer.state_dict(), "ema": self.ema.state_dict(), "step": self.step,
                "spent": self.clock.spent}

    def run(self, batches: Iterator[Sequence[int] | NDArray[np.int64]], loss_of: Callable[[int, Any], Tensor],
            rate_of: Callable[[int, float], float], save: Callable[[], None],
            look: Callable[[], None] | None = None, look_seconds: float = float("inf")) -> None:
        """Train until the budget is spent, then save.

        batches: endless indices; loss_of(step, indices): the loss of one batch; rate_of(step, fraction of the budget):
        the learning rate; look(): held-out figures or pictures, every `look_seconds`, with the averages in place.
        """
        meter, looked, seen = Meter(self.part, self.clock), self.clock.spent, 0
        for chosen in batches:
            if self.clock.fraction >= 1.0:
                break
            rate = rate_of(self.step, self.clock.fraction)
            set_rate(self.optimizer, rate)
            loss = loss_of(self.step, chosen)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.ema.update()
            self.step, seen = self.step + 1, len(chosen)
            meter.add(float(loss.detach()), seen)
            if self.clock.log_due():
                meter.line(self.step, self.step * seen, rate)
            if self.clock.save_due():
                save()
            if look is not None and self.clock.spent - looked > look_seconds:
                looked = self.clock.spent
                self.averaged(look)
        save()

    def averaged(self, look: Callable[[], None]) -> None:
        """Calls look() with the averages in the networks' place."""
        self.ema.swap()
        look()
        self.ema.swap()


def falling(rate: float, warm_up_steps: int) -> Callable[[int, float], float]:
    """A learning rate that warms up and then falls linearly to the budget's end."""
    return lambda step, fraction: rate * warm_up(step, warm_up_steps) * max(1.0 - fraction, 0.01)
