"""What the models run on. It decides speed only; of its values the dtype alone is part of an image's fingerprint.

`device: auto` stands for what torch.cuda sees when an engine is made (`settled`). It never touches the dtype: that
stands in params.yaml, so that the same plan has the same fingerprints wherever it runs.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from pydantic import Field

SLACK = 0.9
"""A card of 16 GB shows a program some per cent more or less; down to this fraction it still counts as 16 GB."""


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """A machine.

    name: also of its folder in .cache/timings; threads: CPU threads a stage uses, 0 for all cores; memory_gb: the
    device memory, in 10^9 bytes, that the batch sizes are meant for, 0 where that was not asked; batch_size: images per
    forward, by stage; channels_last, compile: memory layout and torch.compile of the network that draws.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    device: Literal["cpu", "cuda", "auto"]
    dtype: Literal["float32", "float16", "bfloat16"]
    threads: Annotated[int, Field(ge=0)] = 0
    channels_last: bool = False
    compile: bool = False
    memory_gb: Annotated[float, Field(ge=0)] = 0
    batch_size: dict[str, Annotated[int, Field(ge=1)]] = field(default_factory=dict)

    def settled(self) -> "Hardware":
        """This machine with `auto` replaced by cuda, batch sizes scaled to the card's memory, or else by cpu.

        Imports torch, and only where the device is `auto`.
        """
        if self.device != "auto":
            return self
        import torch

        if not torch.cuda.is_available():
            return replace(self, device="cpu", channels_last=False, compile=False)
        share = torch.cuda.get_device_properties(0).total_memory / 1e9 / self.memory_gb if self.memory_gb else 1.0
        return replace(self, device="cuda", batch_size=scaled(self.batch_size, share))


def scaled(sizes: Mapping[str, int], share: float) -> dict[str, int]:
    """Batch sizes for `share` times the memory: by a power of two, and never below one image."""
    factor = 2.0 ** math.floor(math.log2(share / SLACK))
    return {stage: max(1, int(size * factor)) for stage, size in sizes.items()}


def repeatable(device: str) -> None:
    """Tells CUDA to use one algorithm per shape, and float32 where float32 is asked for: not TensorFloat-32, which
    cuDNN takes from the RTX 30 series on and which keeps 10 bits of the mantissa. Does nothing on a CPU."""
    if device == "cuda":
        import torch

        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
