"""From a stage's start to its first batch, beside a process that imports the same libraries and loads the same weights.

Each side is a process of its own, as DVC starts a stage. Ours reads params.yaml, checks it, builds the engine as the
runner does and sends a batch through the harness; the plain one gets the libraries' own calls, and one batch as well.
`extra_info["ratio"]` is the median of runs in turn.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SMALL = bool(os.environ.get("T2IBENCH_BENCH_SMALL"))
ROUNDS = 1 if SMALL else 5
TINY = "t2ibench/tiny/weights"

OURS = """
from t2ibench.harness import config
from t2ibench.harness.environment import quiet
from t2ibench.harness.executor import Serial, Steps
from t2ibench.harness.stage import Stage
quiet()
import numpy as np
stage = Stage("{stage}", "", config.load())
{build}
inputs = [{input} for number in range(engine.batch_size)]
for _ in stage.run(engine, inputs, Steps(lambda one: one), lambda images: None):
    pass
"""
PICTURE = "np.full((64, 64, 3), number, np.uint8)"
"""Of the bundled models' size."""

BUILT = {
    "images": ("engine = stage.build('sd')\nfrom t2ibench.images import Request",
               "Request(str(number), 'a cat', number)"),
    "filter": ("from t2ibench.filter.measure import Measure\n"
               "engine = Measure(*(stage.build(name) for name in ('clip', 'quality', 'duplicate', 'people')))",
               PICTURE),
    "deblur": ("engine = stage.build('restormer')", PICTURE),
    "evaluate": ("from t2ibench.evaluate.look import Look\n"
                 "engine = Look(stage.build('yolov8'), stage.build('segment'))", PICTURE),
}

YOLO = f"""
from ultralytics.models import YOLO
from safetensors.torch import load_file
model = YOLO("yolov8n{{kind}}.yaml", task="{{task}}", verbose=False).model
state = load_file("{TINY}/yolo/yolov8n.safetensors")
model.load_state_dict(state, strict=False)
model = model.float().eval().fuse(verbose=False)
with torch.inference_mode():
    model(torch.zeros(32, 3, 64, 64))
"""
PLAIN = {
    "images": f"""
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
pipeline = StableDiffusionPipeline.from_pretrained("{TINY}/sd", local_files_only=True, torch_dtype=torch.float32)
pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
pipeline.set_progress_bar_config(disable=True)
pipeline(["a cat"] * 16, num_inference_steps=12, guidance_scale=2.0, height=64, width=64, output_type="np")
""",
    "filter": f"""
import open_clip
model, prepare = open_clip.create_model_from_pretrained("local-dir:{TINY}/clip")
with torch.inference_mode():
    model.eval().encode_image(torch.zeros(32, 3, 64, 64), normalize=True)
""" + YOLO.format(kind="", task="detect"),
    "deblur": f"""
from pathlib import Path
from safetensors.torch import load_file
from spandrel_extra_arches.architectures.Restormer import RestormerArch
model = RestormerArch().load(load_file(next(Path("{TINY}/restormer").glob("*.safetensors")))).model.float().eval()
with torch.inference_mode():
    model(torch.zeros(16, 3, 64, 64))
""",
    "evaluate": YOLO.format(kind="-seg", task="segment"),
}


def seconds(program: str) -> float:
    """How long a process of its own takes for the program, in the repository."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=os.environ | {"PYTHONPATH": "."}, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - start


@pytest.mark.parametrize("stage", list(BUILT))
def test_start_over_importing_and_loading(benchmark: Any, stage: str) -> None:
    build, given = BUILT[stage]
    ours = OURS.format(stage=stage, build=build, input=given)
    plain = ("from t2ibench.harness.environment import quiet\nfrom t2ibench.detector import quiet_ultralytics\n"
             f"quiet()\nquiet_ultralytics()\nimport torch\n{PLAIN[stage]}")
    seconds(ours)
    seconds(plain)
    ratios = []

    def turn() -> None:
        ratios.append(seconds(ours) / seconds(plain))

    benchmark.pedantic(turn, rounds=ROUNDS, iterations=1)
    benchmark.extra_info |= {"figure": f"{stage}, start to first batch", "note": "imports, weights, one batch",
                             "ratio": median(ratios), "spread": [min(ratios), max(ratios)], "goal": "<= 1.2"}
    print(f"\n{stage}: {median(ratios):.2f} x importing its libraries, loading its weights and one batch")
