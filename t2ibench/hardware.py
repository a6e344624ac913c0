"""What the models run on. It decides speed only; of its values the dtype alone is part of an image's fingerprint."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """A machine. threads: CPU threads a stage uses, 0 for all cores; batch_size: images per forward, by stage."""

    name: str
    device: Literal["cpu", "cuda"]
    dtype: Literal["float32", "float16", "bfloat16"]
    threads: int = 0
    batch_size: dict[str, int] = field(default_factory=dict)
