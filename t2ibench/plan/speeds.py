"""Images per second of a stage: what the stages' clocks recorded on this hardware, else a stated estimate.

A recorded rate counts where hardware, models and, if both are known, the device's own name are those of now. The
estimates are rules of thumb, right within a factor of three: operations of one image over what the device does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2ibench.errors import MissingError
from t2ibench.harness import config, paths
from t2ibench.plan.counting import live
from t2ibench.records import read_json

BUNDLED = {"images": 12.0, "filter": 80.0, "deblur": 45.0, "evaluate": 600.0}
"""Images per second of the bundled models on two processor cores (docs/performance.md)."""

NETWORK = {  # tera-operations of a sampler step without guidance, and of the decoder; the side, in pixels, they are for
    "hub://sd15": (0.8, 2.5, 512), "hub://sd15-inpainting": (0.8, 2.5, 512), "hub://sd-turbo": (0.8, 2.5, 512),
    "hub://sdxl": (6.0, 10.0, 1024), "hub://sd35-medium": (24.0, 10.0, 1024),
}  # fmt: skip
"""Two operations a multiplication and addition. Counted by us for the published architectures, rounded; SD 3.5's from
its 2.5 * 10^9 parameters and 4,400 tokens."""

JUDGES = {"filter": 0.3, "evaluate": 0.6}
"""Tera-operations an image: CLIP ViT-B/32 and YOLOv8x; YOLOv8x and YOLOv8x-seg, at 640 pixels (ultralytics' tables)."""

RESTORMER = 1.1
"""Tera-operations at 512 x 512: 141 * 10^9 multiplications and additions at 256 x 256 (Zamir et al. 2022)."""

PEAK = {  # float32, float16/bfloat16: tera-operations a second
    "t4": (8.1, 65.0), "rtx3090": (35.6, 71.0), "h100": (67.0, 989.0), "cpu": (0.5, 0.5),
}  # fmt: skip
"""NVIDIA's data sheets; cpu: two cores with AVX-512."""

SHARE = {True: 0.15, False: 0.4}
"""Of the peak that diffusion and judges reach: on tensor cores (float16, bfloat16), and in float32."""


@dataclass(frozen=True)
class Speed:
    """images_per_second: None where nothing is known; basis: where it is from, in words."""

    images_per_second: float | None
    basis: str


def readings(params: config.Params, device: str) -> list[dict[str, Any]]:
    """The clocks' readings on this hardware with these models that hold a rate. device: its name, "" where unknown.

    A reading that does not name its models is of the bundled ones. Damaged readings are left out: they decide nothing.
    """
    found = []
    for path in sorted((paths.cache() / "timings").glob("*/*.json")):
        row = _reading(path)
        same = row.get("hardware") == params.hardware.name and row.get("models", "tiny") == params.models.name
        elsewhere = device and row.get("driver") is not None and row.get("device") != device
        if same and not elsewhere and isinstance(row.get("images_per_second"), int | float):
            found.append(row)
    return found


def _reading(path: Path) -> dict[str, Any]:
    try:
        row = read_json(path)
    except MissingError:
        return {}
    return row if isinstance(row, dict) else {}


def speed(params: config.Params, stage: str, cell: str, rows: Sequence[dict[str, Any]]) -> Speed:
    """The speed of a cell: its own reading, else the mean of its stage's (same engine first), else an estimate."""
    if stage == "images" and live(params.images[params.sources[cell].images]):
        return Speed(None, "an API: no device time")
    of_stage = [row for row in rows if row.get("stage") == stage]
    own = [row for row in of_stage if row.get("cell") == cell]
    like = [row for row in of_stage if _engine(params, stage, str(row.get("cell"))) == _engine(params, stage, cell)]
    for chosen, words in ((own, "recorded"), (like, "recorded in another cell")):
        if chosen:
            seconds = sum(1 / max(row["images_per_second"], 1e-9) for row in chosen) / len(chosen)
            return Speed(1 / seconds, f"{words}, on {chosen[0].get('device') or params.hardware.name}")
    return _estimate(params, stage, cell)


def _engine(params: config.Params, stage: str, cell: str) -> str | None:
    """What makes the speed of cells alike: the engine of images and deblur; None for a cell that is not of now."""
    source, _, variant = cell.partition("/")
    if source not in params.sources or (variant and variant not in params.variants):
        return None
    return {"images": params.sources[source].images,
            "deblur": params.variants[variant].deblur if variant else ""}.get(stage, stage)


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
    step, decoder, native = NETWORK[node["weights"]]
    passes = 2 if node.get("guidance", 0) > 1 else 1
    return float((step * passes * node["steps"] + decoder) * (size / native) ** 2)
