"""Images per second of a stage: what the stages' clocks recorded on this hardware, else a stated estimate.

A recorded rate counts where hardware, models, dtype and, if both are known, the device's own name are those of now, and
the engine and its settings are. Where the number of network passes alone is another (steps, guidance), it is scaled by
it, and the basis says so; where anything else differs that decides speed, it does not count. The estimates are rules of
thumb, right within a factor of three: operations of one image over what the device does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2ibench.errors import MissingError
from t2ibench.harness import config, paths, timing
from t2ibench.plan.counting import live
from t2ibench.records import read_json

BUNDLED = {"images": 12.0, "filter": 80.0, "deblur": 45.0, "evaluate": 600.0}
"""Images per second of the bundled models on two processor cores (docs/performance.md)."""

NETWORK = {  # tera-operations of a sampler step without guidance, and of the decoder; the side, in pixels, they are for
    "hub://sd15": (0.8, 2.5, 512), "hub://sd15-inpainting": (0.8, 2.5, 512), "hub://sd-turbo": (0.8, 2.5, 512),
    "hub://sdxl": (6.0, 10.0, 1024), "hub://sd35-medium": (24.0, 10.0, 1024),
}
"""Two operations a multiplication and addition. Counted by us for the published architectures, rounded; SD 3.5's from
its 2.5 * 10^9 parameters and 4,400 tokens."""

JUDGES = {"filter": 0.3, "evaluate": 0.6}
"""Tera-operations an image: CLIP ViT-B/32 and YOLOv8x; YOLOv8x and YOLOv8x-seg, at 640 pixels (ultralytics' tables)."""

RESTORMER = 1.1
"""Tera-operations at 512 x 512: 141 * 10^9 multiplications and additions at 256 x 256 (Zamir et al. 2022)."""

PEAK = {  # float32, float16/bfloat16: tera-operations a second
    "t4": (8.1, 65.0), "rtx3090": (35.6, 71.0), "h100": (67.0, 989.0), "cpu": (0.5, 0.5),
}
"""NVIDIA's data sheets; cpu: two cores with AVX-512."""

SHARE = {True: 0.15, False: 0.4}
"""Of the peak that diffusion and judges reach: on tensor cores (float16, bfloat16), and in float32."""


@dataclass(frozen=True)
class Speed:
    """images_per_second: None where nothing is known; basis: where it is from, in words."""

    images_per_second: float | None
    basis: str


def readings(params: config.Params, device: str) -> list[dict[str, Any]]:
    """The clocks' readings of this hardware, models and dtype that hold a rate. device: its name, "" where unknown.

    Damaged readings, and those that do not say what they timed, are left out: they decide nothing.
    """
    found, hardware = [], params.hardware
    now = {"models": params.models.name, "dtype": hardware.dtype, "threads": hardware.threads}
    for path in sorted((paths.timings() / hardware.name / params.models.name).glob("*/*.json")):
        row = _reading(path)
        elsewhere = device and row.get("driver") is not None and row.get("device") != device
        told = isinstance(row.get("images_per_second"), int | float) and isinstance(row.get("settings"), dict)
        if told and not elsewhere and all(row.get(key) == value for key, value in now.items()):
            found.append(row)
    return found


def _reading(path: Path) -> dict[str, Any]:
    try:
        row = read_json(path)
    except MissingError:
        return {}
    return row if isinstance(row, dict) else {}


def speed(params: config.Params, stage: str, cell: str, rows: Sequence[dict[str, Any]]) -> Speed:
    """The speed of a cell: its own reading, else the mean of cells that did the same work, else one or the other scaled
    to the number of network passes, else an estimate."""
    if stage == "images" and live(params.images[params.sources[cell].images]):
        return Speed(None, "an API: no device time")
    now = timing.settings(params, stage, cell)
    of_stage = [row for row in rows if row.get("stage") == stage]
    works = [(row, work) for row in of_stage if (work := _times(row["settings"], now)) is not None]
    same = [(row, work) for row, work in works if work == 1]
    for pool in (same, works):
        own = [(row, work) for row, work in pool if row.get("cell") == cell]
        if chosen := own or pool:
            seconds = sum(work / max(row["images_per_second"], 1e-9) for row, work in chosen) / len(chosen)
            return Speed(1 / seconds, _basis(params, chosen, bool(own), now))
    return _estimate(params, stage, cell)


def _basis(params: config.Params, chosen: Sequence[tuple[dict[str, Any], float]], own: bool,
           now: dict[str, Any]) -> str:
    """Where a recorded speed is from, and, where it was of another number of network passes, of how many."""
    words = "recorded" if own else "recorded in another cell"
    then = sorted({passes(row["settings"]) for row, work in chosen if work != 1})
    if then:
        words += f" at {' and '.join(map(str, then))} network passes an image, scaled to {passes(now)}"
    return f"{words}, on {chosen[0][0].get('device') or params.hardware.name}"


def passes(settings: dict[str, Any]) -> int:
    """How often the network that draws sees an image: twice a step with guidance, and twice a step of Heun's method."""
    steps = settings.get("steps") or settings.get("server_steps") or 0
    guidance = settings.get("guidance", settings.get("server_guidance")) or 0
    return int(steps) * (2 if guidance > 1 else 1) * (2 if settings.get("scheduler") == "heun" else 1)


def _times(then: dict[str, Any], now: dict[str, Any]) -> float | None:
    """How many times the work of an image `then` an image has `now`; None where passes are not all that differs, for
    no rule of ours carries the speed of one network, or of one size of pictures, over to another."""
    if _apart_from_passes(then) != _apart_from_passes(now):
        return None
    if passes(then) == passes(now):
        return 1.0
    return _drawing(now) / max(_drawing(then), 1e-9)


def _apart_from_passes(settings: dict[str, Any]) -> dict[str, Any]:
    counted = ("steps", "server_steps", "guidance", "server_guidance", "scheduler")
    return {key: value for key, value in settings.items() if key not in counted}


def _drawing(settings: dict[str, Any]) -> float:
    """The work of an image: tera-operations at the native size for the networks that are listed, else passes alone."""
    step, decoder, _ = NETWORK.get(str(settings.get("weights")), (1.0, 0.0, 0))
    return step * passes(settings) + decoder


def _estimate(params: config.Params, stage: str, cell: str) -> Speed:
    if params.models.name == "tiny":
        return Speed(BUNDLED[stage], "estimate: two processor cores, docs/performance.md")
    work = _work(params, stage, cell)
    name = params.hardware.name
    if work is None or name not in PEAK:
        return Speed(None, f"no estimate for {'this model' if work is None else 'hardware ' + name}; "
                           "known after the first cell")
    tensor = stage == "images" and params.hardware.dtype != "float32"  # the judges compute in float32
    rate = PEAK[name][tensor] * SHARE[tensor]
    return Speed(rate / work, f"estimate: {work:.3g} TFLOP an image at {rate:.3g} TFLOP/s "
                              f"({SHARE[tensor]:.0%} of {name}'s peak)")


def _work(params: config.Params, stage: str, cell: str) -> float | None:
    """Tera-operations of one image; None for models that are not listed."""
    if stage in JUDGES:
        return JUDGES[stage]
    node = params.images[params.sources[cell.partition("/")[0]].images]
    size = node.get("size") or 512
    if stage == "deblur":
        return RESTORMER * (size / 512) ** 2
    if node.get("weights") not in NETWORK:
        return None
    return _drawing(node) * float(size / NETWORK[node["weights"]][2]) ** 2
