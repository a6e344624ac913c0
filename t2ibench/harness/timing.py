"""The clock of a stage: images per second in steady state, seconds, peak memory, device.

Steady state leaves out the first batch (loading, warm-up). A clock's reading is never part of a DVC out: it goes to
`.cache/timings/`, from where `track` takes it to MLflow.
"""

import platform
import resource
import sys
import time
from pathlib import Path
from typing import Any

from t2ibench.hardware import Hardware
from t2ibench.records import write_json


class Clock:
    """Counts images against wall-clock seconds. Call `lap(n)` after each batch of n images."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.laps: list[tuple[float, int]] = []
        self.reused = 0

    def lap(self, images: int) -> None:
        """Notes that `images` more are done."""
        self.laps.append((time.perf_counter(), images))

    def reading(self) -> dict[str, Any]:
        """{images, reused, seconds, images_per_second}; images_per_second is null until two batches have run."""
        made = sum(images for _, images in self.laps)
        rate = None
        if len(self.laps) > 1:
            seconds = self.laps[-1][0] - self.laps[0][0]
            rate = sum(images for _, images in self.laps[1:]) / max(seconds, 1e-9)
        seconds = time.perf_counter() - self.start
        return {"images": made, "reused": self.reused, "seconds": seconds, "images_per_second": rate}


def peak_memory_mb() -> float:
    """The largest resident size of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform != "darwin" else peak / 1024**2


def device_name(hardware: Hardware) -> str:
    """The processor's or GPU's own name."""
    if hardware.device == "cuda" and "torch" in sys.modules:
        import torch

        return str(torch.cuda.get_device_name())
    return platform.processor() or platform.machine()


def save(path: Path, clock: Clock, stage: str, cell: str, hardware: Hardware) -> None:
    """Writes a reading. A run that made nothing new keeps the reading of the run that did."""
    reading = clock.reading()
    if not reading["images"] and path.is_file():
        return
    write_json(path, reading | {"stage": stage, "cell": cell, "hardware": hardware.name,
                                "device": device_name(hardware), "peak_memory_mb": peak_memory_mb()})
