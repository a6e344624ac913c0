"""A stage's work on ten times as many images: its time and its processor's time per image, and its peak memory.

Each stage runs in a process of its own, so that its peak is its own. Images are brought in from a folder and nothing
is deblurred: the models' work is measured elsewhere, here it is what the stages add. `extra_info` of a row holds the
ratios of many images to few. Nothing here asserts a figure. The stages run in turn, each on what the one before left.
T2IBENCH_BENCH_SMALL=1 takes a tenth of the images, in shards alone.
"""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sharded import CLASSES, SOURCE, settings, write_corpus

from t2ibench.tiny.scenes import draw_scene

ROOT = Path(__file__).parents[2]
FEW, MANY, LAYOUTS = 400, 4000, ("files", "shards")
if os.environ.get("T2IBENCH_BENCH_SMALL"):
    FEW, MANY, LAYOUTS = 40, 400, ("shards",)
CELLS = {"images": SOURCE, "filter": SOURCE, "deblur": f"{SOURCE}/base", "evaluate": f"{SOURCE}/base"}
CODE = """
import json, sys, time
from importlib import import_module
from t2ibench.harness import config, timing
from t2ibench.harness.environment import quiet
from t2ibench.harness.stage import Stage
name, cell = sys.argv[1:]
quiet()
runner, stage = import_module(f"experiments.{name}"), Stage(name, cell, config.load())
start, busy = time.perf_counter(), time.process_time()
runner.run(stage)
print(json.dumps({"seconds": time.perf_counter() - start, "processor_seconds": time.process_time() - busy,
                  "peak_memory_mb": timing.peak_memory_mb()}))
"""


class Workspace:
    """A study of so many drawn scenes in the layout, whose stages run in turn."""

    def __init__(self, folder: Path, images: int, sharded: bool) -> None:
        import yaml

        self.folder, self.images = folder, images
        corpus = folder / "corpus"
        write_corpus(corpus, [_scene(number) for number in range(images)], [f"picture {n}" for n in range(images)])
        tree = settings(corpus, above=0 if sharded else images, per_shard=100, size=64)
        tree["variants"] = {"base": {"deblur": "none"}}
        (folder / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))

    def run(self, stage: str) -> dict[str, float]:
        """A stage's seconds per image, and its peak memory."""
        done = subprocess.run([sys.executable, "-c", CODE, stage, CELLS[stage]], cwd=self.folder, text=True, check=True,
                              stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)})  # fmt: skip
        found: dict[str, float] = json.loads(done.stdout)
        return {key: value / (self.images if "seconds" in key else 1) for key, value in found.items()}


def _scene(number: int) -> np.ndarray:
    """One of 300 scenes, each time darker by more than two copies may differ: drawing 4,000 would take minutes."""
    return np.clip(_drawn(number % 300).astype(int) - 3 * (number // 300), 0, 255).astype(np.uint8)


@cache
def _drawn(number: int) -> np.ndarray:
    return draw_scene(93_000_000 + number, CLASSES[number % 3]).image


@pytest.fixture(scope="module", params=LAYOUTS)
def workspaces(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Workspace]:
    few, many = (Workspace(tmp_path_factory.mktemp(f"{request.param}{images}"), images, request.param == "shards")
                 for images in (FEW, MANY))  # fmt: skip
    return few, many


@pytest.mark.parametrize("stage", CELLS)
def test_ten_times_as_many_images(benchmark: Any, workspaces: tuple[Workspace, Workspace], stage: str) -> None:
    few, many = workspaces
    small, found = few.run(stage), dict[str, float]()
    benchmark.pedantic(lambda: found.update(many.run(stage)), rounds=1, iterations=1)
    benchmark.extra_info["images"] = [FEW, MANY]
    benchmark.extra_info |= {f"{key}_ratio": found[key] / small[key] for key in small}
    benchmark.extra_info |= {f"{key}_of_few": small[key] for key in small}
    benchmark.extra_info["figures"] = [
        {"figure": f"{benchmark.name[len('test_'):]}: {what}", "note": f"{MANY} images over {FEW}",
         "ratio": found[key] / small[key], "goal": "<= 1.1"}
        for key, what in (("seconds", "time per image"), ("peak_memory_mb", "peak memory"))]  # fmt: skip
    print(f"\n{benchmark.name}, {MANY} images over {FEW}: per image {found['seconds'] / small['seconds']:.2f} x the "
          f"time, {found['processor_seconds'] / small['processor_seconds']:.2f} x the processor's; "
          f"{found['peak_memory_mb'] / small['peak_memory_mb']:.2f} x the memory ({small['peak_memory_mb']:.0f} MiB)")
