"""The clock of a stage: images per second in steady state, seconds, peak memory, device.

Steady state leaves out the first batch of each worker (loading, warm-up, compilation), and the first of every new
batch size. A GPU works behind the program's back, so a lap waits for it. A clock's reading is never part of a DVC out:
it goes to `.cache/timings/<hardware>/<models>/`, from where `track` takes it to MLflow: several hardware values of one
study stand side by side, and neither another hardware nor other models overwrite its clocks.
"""

import platform
import resource
import sys
import time
from pathlib import Path
from typing import Any

from t2ibench.harness.config import Params
from t2ibench.records import write_json

DECIDE = ("weights", "detector", "server", "steps", "server_steps", "guidance", "server_guidance", "scheduler", "size",
          "image_size", "tile", "overlap")
"""Settings of engines on which the seconds of an image depend; a threshold is none."""


class Clock:
    """Counts images against wall-clock seconds. Call `lap(n)` after each batch of n images, and `answered(n)` where the
    engine has answered and the batch is done only later: then the rate is of the answers. Batches that wait to be
    finished come to their laps in a burst at the end, which would make two batches of any length look instant."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.laps: list[tuple[float, int]] = []
        self.answers: list[tuple[float, int]] = []
        self.warm = 0
        self.workers = 1
        self.batch_size: int | None = None
        self.reused = 0

    def lap(self, images: int) -> None:
        """Notes that `images` more are done."""
        self.laps.append((_now(), images))

    def answered(self, images: int) -> None:
        """Notes that the engine has answered `images` more."""
        self.answers.append((_now(), images))

    def smaller(self, batch_size: int) -> None:
        """Notes that batches were halved to `batch_size`: the next one is a warm-up again."""
        self.batch_size, self.warm = batch_size, len(self.answers or self.laps)

    def reading(self) -> dict[str, Any]:
        """{images, reused, seconds, images_per_second}; images_per_second is null until every worker has run one batch
        and one of them another."""
        made = sum(images for _, images in self.laps)
        steady = (self.answers or self.laps)[self.warm + self.workers - 1 :]
        rate = None
        if len(steady) > 1:
            seconds = steady[-1][0] - steady[0][0]
            rate = sum(images for _, images in steady[1:]) / max(seconds, 1e-9)
        seconds = time.perf_counter() - self.start
        return {"images": made, "reused": self.reused, "seconds": seconds, "images_per_second": rate}


def _now() -> float:
    """The time, once the GPU has done what it was asked."""
    if torch := _cuda():
        torch.cuda.synchronize()
    return time.perf_counter()


def _cuda() -> Any:
    """torch, where this process has used a GPU through it; None elsewhere. Imports nothing."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_initialized() else None


def peak_memory_mb() -> float:
    """The largest resident size of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform != "darwin" else peak / 1024**2


def device() -> dict[str, Any]:
    """{device, driver, peak_device_memory_mb} of what computed: the GPU where this process used one, with its tensors'
    peak in MiB; else the processor, without a driver or a memory of its own (null)."""
    if torch := _cuda():
        return {"device": str(torch.cuda.get_device_name()), "driver": _driver(),
                "peak_device_memory_mb": torch.cuda.max_memory_allocated() / 1024**2}
    return {"device": _processor(), "driver": None, "peak_device_memory_mb": None}


def _driver() -> str:
    """The version of NVIDIA's driver."""
    import pynvml  # type: ignore[import-untyped]

    pynvml.nvmlInit()
    return str(pynvml.nvmlSystemGetDriverVersion())


def _processor() -> str:
    """The processor's own name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), "") or platform.processor() or platform.machine()


def settings(params: Params, stage: str, cell: str) -> dict[str, Any]:
    """What decides the speed of a cell beside the hardware: its engine's name, the settings of DECIDE, and the size of
    the pictures in pixels. {} for a stage that no image goes through."""
    if stage not in ("images", "filter", "deblur", "evaluate"):
        return {}
    name, _, variant = cell.partition("/")
    source = params.sources[name]
    engine = {"images": source.images, "deblur": params.variants[variant].deblur if variant else ""}.get(stage, "")
    section: dict[str, dict[str, Any]] = getattr(params, stage)
    nodes = {"": section[engine]} if engine else {f"{key}.": node for key, node in section.items()}
    found = {f"{prefix}{key}": node[key] for prefix, node in nodes.items() for key in DECIDE if key in node}
    return {"engine": engine, "size": params.images[source.images].get("size")} | found


def save(path: Path, clock: Clock, stage: str, cell: str, params: Params) -> None:
    """Writes a reading. A run that made nothing new keeps the reading of the run that did.

    batch_size: images per forward of the stage, as planned and as used (smaller where memory was short); null for a
    stage without one. settings: as above.
    """
    reading = clock.reading()
    if not reading["images"] and path.is_file():
        return
    hardware = params.hardware
    planned = hardware.settled().batch_size.get(stage)
    write_json(path, reading | device() | {
        "stage": stage, "cell": cell, "hardware": hardware.name, "models": params.models.name, "dtype": hardware.dtype,
        "threads": hardware.threads, "settings": settings(params, stage, cell),
        "batch_size": clock.batch_size or planned, "batch_size_planned": planned, "peak_memory_mb": peak_memory_mb()})
