"""The published networks at their own sizes, with random weights, on this machine's GPU: seconds an image in the ways
in which people run them, for a GPU's time does not depend on what the weights are.

Each network is one row, and its ways are timed in turn in one run, through the harness: one image per call, batched,
and batched with what the hardware profile sets (dtype, channels_last, compile). `extra_info` holds seconds an image of
every way, their speeds over one image per call, and the device's name. T2IBENCH_BENCH_HARDWARE names the profile of
conf/hardware; without it the card's own name does.

Without a CUDA device, or with T2IBENCH_BENCH_SMALL=1, the bundled tiny models run the same way on the processor, so
that this file is tested everywhere; the rows then say `stand-in`, in their names as in `extra_info`: they tell nothing
of a GPU.
"""

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import hub_models
import numpy as np
import pytest
import torch
import yaml
from pydantic import TypeAdapter

from t2ibench.deblur.restormer import Restormer
from t2ibench.evaluate.yolov8 import Yolov8
from t2ibench.filter.clip import ClipRanking
from t2ibench.hardware import Hardware, scaled
from t2ibench.harness import executor, timing
from t2ibench.images import Request
from t2ibench.images.sd import StableDiffusion
from t2ibench.records import CLASSES
from t2ibench.tiny.scenes import draw_scene

CONF = Path(__file__).parents[2] / "conf" / "hardware"
FULL = torch.cuda.is_available() and not os.environ.get("T2IBENCH_BENCH_SMALL")
PLACE = "full-size-on-cuda" if FULL else "tiny-stand-in-on-the-processor"
CARDS = {"T4": "t4", "RTX 3090": "rtx3090", "H100": "h100"}
"""Words of a card's name, and its profile."""

ROUNDS = 3 if FULL else 1
SIZE, STEPS, GUIDANCE = (512, 4, 7.5) if FULL else (64, 2, 2.0)



def profile() -> Hardware:
    """The profile of this card, its batch sizes scaled to the memory that the card has; without a card, the processor's
    with another memory layout."""
    if not FULL:
        return replace(_read("cpu"), channels_last=True, batch_size=dict.fromkeys(_read("cpu").batch_size, 4))
    name = torch.cuda.get_device_name()
    newer = torch.cuda.get_device_capability() >= (8, 0)
    known = next((found for word, found in CARDS.items() if word in name), "h100" if newer else "t4")
    chosen = _read(os.environ.get("T2IBENCH_BENCH_HARDWARE") or known)
    share = torch.cuda.get_device_properties(0).total_memory / 1e9 / (chosen.memory_gb or 16)
    return replace(chosen, device="cuda", batch_size=scaled(chosen.batch_size, share))


def _read(name: str) -> Hardware:
    return TypeAdapter(Hardware).validate_python(yaml.safe_load((CONF / f"{name}.yaml").read_text()))


def ways() -> dict[str, Hardware]:
    """{name of a way: the hardware that it runs on}; without a GPU the dtype stays float32, which processors want."""
    whole = profile()
    plain = replace(whole, dtype="float32", channels_last=False, compile=False)
    return {"one_per_call": replace(plain, batch_size=dict.fromkeys(plain.batch_size, 1)), "batched": plain,
            f"batched_{whole.dtype}": replace(plain, dtype=whole.dtype), "profile": whole}


@pytest.fixture(scope="module", params=[PLACE])
def place(request: pytest.FixtureRequest) -> str:
    """In the name of every row."""
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where a network's weights lie; gone after the test, for pytest would keep gigabytes."""
    yield tmp_path
    for file in tmp_path.rglob("*"):
        if file.is_file():
            file.unlink()


def pictures(count: int) -> list[np.ndarray]:
    return [draw_scene(60_000_000 + number, CLASSES[number % 10], size=SIZE).image for number in range(count)]


def take(benchmark: Any, place: str, network: str, engines: dict[str, Callable[[], Any]],
         items: Callable[[int], Sequence[Any]]) -> None:
    """Times every way in turn; the benchmark's own seconds are the last way's. items: of a number of images."""
    seconds, peaks, sizes = dict[str, float](), dict[str, float](), dict[str, int]()
    for name, build in engines.items():
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        engine = build()
        given = items(2 * engine.batch_size)
        last = name == list(engines)[-1]

        def work(engine: Any = engine, given: Sequence[Any] = given) -> None:
            for _ in executor.run(engine, given, lambda item: item, lambda n: None):
                pass

        work()  # loads, warms up, compiles
        if last:
            benchmark.pedantic(work, rounds=ROUNDS, iterations=1)
            spent = benchmark.stats.stats.median
        else:
            spent = median(_timed(work) for _ in range(ROUNDS))
        seconds[name], sizes[name] = spent / len(given), engine.batch_size
        peaks[name] = torch.cuda.max_memory_allocated() / 2**20 if FULL else timing.peak_memory_mb()
        del engine, work
        gc.collect()
        if FULL:
            torch.cuda.empty_cache()
    benchmark.extra_info |= told(place, network, seconds) | {"peak_mb": peaks, "batch_size": sizes}
    print(f"\n{benchmark.name} ({benchmark.extra_info['device']}): " + ", ".join(
        f"{name} {value:.4g} s an image" for name, value in seconds.items()))


def told(place: str, network: str, seconds: dict[str, float]) -> dict[str, Any]:
    """What a row says beside its own seconds."""
    first = seconds["one_per_call"]
    found = {"network": network if FULL else f"tiny stand-in for {network}: no figure of a GPU", "place": place,
             "device": torch.cuda.get_device_name() if FULL else timing.device()["device"],
             "driver": timing.device()["driver"], "pixels": SIZE}
    key = "" if FULL else "stand_in_"
    return found | {f"{key}seconds_per_image": seconds,
                    f"{key}speed_over_one_per_call": {name: first / value for name, value in seconds.items()}}


def _timed(work: Callable[[], None]) -> float:
    """Results come as arrays, so the device has finished when `work` returns."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def test_stable_diffusion_v15(benchmark: Any, place: str, folder: Path) -> None:
    weights = "tiny://sd"
    if FULL:
        hub_models.write_full_size_sd(folder / "sd15")
        weights = str(folder / "sd15")

    def engine(hardware: Hardware) -> StableDiffusion:
        return StableDiffusion(weights=weights, steps=STEPS, guidance=GUIDANCE, scheduler="dpmsolver++", size=SIZE,
                               negative_prompt="", hardware=hardware)

    take(benchmark, place, f"Stable Diffusion v1.5, {STEPS} steps",
         {name: lambda hardware=hardware: engine(hardware) for name, hardware in ways().items()},
         lambda count: [Request(str(n), f"a {CLASSES[n % 10]} in snow", n) for n in range(count)])


def test_clip_vit_l14(benchmark: Any, place: str, folder: Path) -> None:
    weights = "tiny://clip"
    if FULL:
        hub_models.write_clip_l14(folder / "clip")
        weights = str(folder / "clip")

    def engine(hardware: Hardware) -> ClipRanking:
        return ClipRanking(weights=weights, template="a photo of a {class_name}", classes=CLASSES, hardware=hardware)

    take(benchmark, place, "CLIP ViT-L/14", two_ways(engine), pictures)


def test_yolov8x(benchmark: Any, place: str, folder: Path) -> None:
    weights = "tiny://yolo"
    if FULL:  # a random network is sure of nothing: non-maximum suppression has no boxes to look at
        hub_models.write_yolo_pt(folder / "yolov8x.pt", "detect", "x")
        weights = str(folder / "yolov8x.pt")

    def engine(hardware: Hardware) -> Yolov8:
        return Yolov8(weights=weights, confidence=0.25, image_size=640 if FULL else 64, classes=CLASSES,
                      hardware=hardware)

    take(benchmark, place, "YOLOv8x", two_ways(engine), pictures)


def test_restormer(benchmark: Any, place: str, folder: Path) -> None:
    weights = "tiny://restormer"
    if FULL:
        hub_models.write_full_size_restormer(folder / "restormer")
        weights = str(folder / "restormer")
    take(benchmark, place, "Restormer", two_ways(lambda hardware: Restormer(weights, hardware)), pictures)


def two_ways(engine: Callable[[Hardware], Any]) -> dict[str, Callable[[], Any]]:
    """One image per call and the profile's batches, of networks that compute in float32 whatever the profile says."""
    whole = profile()
    one = replace(whole, batch_size=dict.fromkeys(whole.batch_size, 1))
    return {"one_per_call": lambda: engine(one), "profile": lambda: engine(whole)}
