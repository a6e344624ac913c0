"""Throughput of each stage's engine through the harness, beside the best plain use of the same library.

`make bench` prints the table; `extra_info` of a row holds images per second and the ratio to the plain use, taken
side by side in one run, because the machine's own speed drifts. Nothing here asserts a time.
T2IBENCH_BENCH_SMALL=1 runs each once on a handful of images: for function, not for figures.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from t2ibench.harness import config, executor
from t2ibench.images import Request
from t2ibench.tiny.scenes import CLASSES, draw_scene

ROOT = Path(__file__).parents[2]
SMALL = bool(os.environ.get("T2IBENCH_BENCH_SMALL"))
ROUNDS = 1 if SMALL else 5


@pytest.fixture(scope="module")
def params() -> Any:
    return config.load(folder=ROOT)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [draw_scene(30_000_000 + number, CLASSES[number % 10]).image for number in range(32 if SMALL else 256)]


def side_by_side(benchmark: Any, ours: Callable[[], None], plain: Callable[[], None], images: int) -> None:
    """Benchmarks `ours`, and notes its speed over that of `plain`, timed in turn."""
    ours()
    plain()
    ratios = []

    def turn() -> None:
        start = time.perf_counter()
        ours()
        middle = time.perf_counter()
        plain()
        ratios.append((time.perf_counter() - middle) / (middle - start))

    for _ in range(ROUNDS):
        turn()
    benchmark.pedantic(ours, rounds=ROUNDS, iterations=1)
    benchmark.extra_info["images_per_second"] = images / benchmark.stats.stats.median
    benchmark.extra_info["speed_over_plain"] = median(ratios)
    print(f"\n{benchmark.name}: {images / benchmark.stats.stats.median:.1f} images/s, "
          f"{median(ratios):.2f} x the plain use")


def through_harness(engine: Any, items: list[Any]) -> None:
    for _ in executor.run(engine, items, lambda item: item, lambda n: None):
        pass


def test_images_over_the_bare_pipeline(benchmark: Any, params: Any) -> None:
    import torch

    engine = config.build(params.images["sd"], "images.sd", params)
    count = engine.batch_size * (1 if SMALL else 2)
    prompts = [f"a photo of a {CLASSES[number % 10]}" for number in range(count)]
    requests = [Request(str(number), prompt, number) for number, prompt in enumerate(prompts)]
    engine.load()
    pipeline = engine._pipeline

    def plain() -> None:
        for start in range(0, count, engine.batch_size):
            chosen = range(start, start + engine.batch_size)
            pipeline([prompts[number] for number in chosen], num_inference_steps=engine.steps,
                     guidance_scale=engine.guidance, height=engine.size, width=engine.size, output_type="np",
                     generator=[torch.Generator().manual_seed(number) for number in chosen])

    side_by_side(benchmark, lambda: through_harness(engine, requests), plain, count)


def test_filter_over_bare_open_clip(benchmark: Any, params: Any, pictures: list[np.ndarray]) -> None:
    import torch
    from PIL import Image

    engine = config.build(params.filter["clip"], "filter.clip", params)
    engine(pictures[:1])
    model, prepare = engine._model
    tensors = torch.stack([prepare(Image.fromarray(picture)) for picture in pictures])

    def plain() -> None:
        with torch.inference_mode():
            for part in tensors.split(engine.batch_size):
                model.encode_image(part, normalize=True)

    side_by_side(benchmark, lambda: through_harness(engine, pictures), plain, len(pictures))


def test_deblur_over_the_bare_network(benchmark: Any, params: Any, pictures: list[np.ndarray]) -> None:
    import torch

    engine = config.build(params.deblur["restormer"], "deblur.restormer", params)
    engine(pictures[:1])
    tensors = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255

    def plain() -> None:
        with torch.inference_mode():
            for part in tensors.split(engine.batch_size):
                engine._model(part)

    side_by_side(benchmark, lambda: through_harness(engine, pictures), plain, len(pictures))


def test_evaluate_over_bare_yolov8(benchmark: Any, params: Any, pictures: list[np.ndarray]) -> None:
    import torch

    engine = config.build(params.evaluate["yolov8"], "evaluate.yolov8", params)
    engine(pictures[:1])
    network = engine._detector._model
    tensors = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255

    def plain() -> None:
        with torch.inference_mode():
            for part in tensors.split(engine.batch_size):
                network(part)

    side_by_side(benchmark, lambda: through_harness(engine, pictures), plain, len(pictures))


def test_prompts_over_reading_the_json(benchmark: Any, params: Any) -> None:
    import json

    engine = config.build(params.prompts["coco"], "prompts.coco", params)
    path = ROOT / params.prompts["coco"]["captions"]
    captions = len(json.loads(path.read_bytes())["annotations"])
    side_by_side(benchmark, lambda: engine(CLASSES, 0), lambda: json.loads(path.read_bytes()), captions)
