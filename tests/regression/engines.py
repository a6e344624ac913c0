"""What each engine gives on fixed inputs and the bundled models: small, and through every branch that pixels take.

A result is an array; `compute` runs an engine, `identity` is what its fingerprints hold of it.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from t2ibench.deblur.restormer import Restormer  # noqa: E402
from t2ibench.evaluate.segment import Segment  # noqa: E402
from t2ibench.evaluate.yolov8 import Yolov8  # noqa: E402
from t2ibench.filter.clip import ClipRanking  # noqa: E402
from t2ibench.filter.duplicate import Duplicates  # noqa: E402
from t2ibench.filter.measure import Measure, pack  # noqa: E402
from t2ibench.filter.people import People  # noqa: E402
from t2ibench.filter.quality import Quality  # noqa: E402
from t2ibench.hardware import Hardware  # noqa: E402
from t2ibench.images import Request  # noqa: E402
from t2ibench.images.openai import OpenAIImages  # noqa: E402
from t2ibench.images.sd import StableDiffusion  # noqa: E402
from t2ibench.pictures import decode  # noqa: E402
from t2ibench.records import CLASSES  # noqa: E402

CPU = Hardware(name="cpu", device="cpu", dtype="float32", threads=1,
               batch_size={"images": 2, "filter": 4, "deblur": 2, "evaluate": 4})
REQUESTS = [Request("a", "a zebra reading a newspaper", 7), Request("b", "a cat on a red sofa", 2026)]
Results = dict[str, np.ndarray]


def machine() -> dict[str, Any]:
    """What two machines have to share for the same rounding."""
    import torch

    from t2ibench.harness.timing import device

    return {"torch": torch.__version__, "capability": torch.backends.cpu.get_cpu_capability(),
            "processor": device()["device"], "threads": torch.get_num_threads()}


@contextmanager
def one_thread() -> Iterator[None]:
    """torch with one thread: rounding may depend on how many share a sum."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Case:
    """One engine. make: a fresh one; compute: what it gives, from itself and eight recorded pictures (uint8 HWC RGB);
    off: by how much the mean of a result may be off where another machine computes, in the result's own units."""

    make: Callable[[], Any]
    compute: Callable[[Any, Sequence[np.ndarray]], Results]
    off: float


def _sd(scheduler: str, guidance: float, negative: str) -> StableDiffusion:
    return StableDiffusion(weights="tiny://sd", steps=4, guidance=guidance, scheduler=scheduler, size=64,  # type: ignore[arg-type]
                           negative_prompt=negative, hardware=CPU)


def _openai() -> OpenAIImages:
    return OpenAIImages(model="dall-e-3", base_url=None, size=64, quality="standard", response_format="b64_json",
                        send_seed=True, server="tiny://standin", server_steps=4, server_guidance=1.0, concurrency=2,
                        attempts=1, backoff_seconds=0, timeout_seconds=120, price_usd=0.0, budget_usd=0.0,
                        stands_for="DALL-E 3", hardware=CPU)


def _draw(engine: Any, _: Sequence[np.ndarray]) -> Results:
    """In a folder of its own: the images API's engine keeps its answers, and would take them from there."""
    before = os.environ.get("DVC_ROOT")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DVC_ROOT"] = folder
        try:
            with engine:
                answers = engine(REQUESTS)
        finally:
            os.environ.pop("DVC_ROOT") if before is None else os.environ.update(DVC_ROOT=before)
    return {"images": np.stack([decode(one.png()) for one in answers])}


def _restore(engine: Restormer, pictures: Sequence[np.ndarray]) -> Results:
    """Whole, with sides that are no multiples of 8, and in tiles."""
    odd = [picture[:52, :60] for picture in pictures[:2]]
    tiled = Restormer("tiny://restormer", CPU, tile=32, overlap=8)
    return {"whole": np.stack(engine(pictures[:2])), "odd": np.stack(engine(odd)),
            "tiled": np.stack(tiled(pictures[:2]))}


def _measure() -> Measure:
    return Measure(ClipRanking("tiny://clip", "a photo of a {class_name}", CLASSES, CPU), Quality(0.02, 0.02),
                   Duplicates(0.008, 0.9), People("tiny://yolo", 0.5, 64, CPU))


def _measured(engine: Measure, pictures: Sequence[np.ndarray]) -> Results:
    rows = np.stack(engine(pictures[:4]) + engine(pictures[4:]))
    fields = {str(name): np.ascontiguousarray(rows[name]) for name in rows.dtype.names or ()}
    assert len(pack(rows)) > rows.nbytes
    return fields | {"texts": np.stack([engine.clip.encode(text) for text in engine.clip.texts.values()])}


def _judged(engine: Yolov8, pictures: Sequence[np.ndarray]) -> Results:
    names = ("none", *CLASSES)
    rows = [[names.index(one.predicted), one.confidence, *(one.box or (0, 0, 0, 0)), names.index(one.runner_up),
             one.runner_up_confidence] for part in (pictures[:4], pictures[4:]) for one in engine(part)]
    return {"seen": np.array(rows, np.float64)}


def _segmented(engine: Segment, pictures: Sequence[np.ndarray]) -> Results:
    found = [one for part in (pictures[:4], pictures[4:]) for one in engine(part)]
    return {"masks": np.stack([one.mask for one in found]).astype(np.uint8),
            "areas": np.array([[one.area, one.confidence, len(one.outline)] for one in found], np.float64)}


CASES = {
    "images.sd dpmsolver++": Case(lambda: _sd("dpmsolver++", 2.0, ""), _draw, 0.05),
    "images.sd euler, no guidance": Case(lambda: _sd("euler", 1.0, ""), _draw, 0.05),
    "images.sd ddim, negative prompt": Case(lambda: _sd("ddim", 3.0, "a dog"), _draw, 0.05),
    "images.openai stand-in": Case(_openai, _draw, 0.05),
    "deblur.restormer": Case(lambda: Restormer("tiny://restormer", CPU), _restore, 0.05),
    "filter.measure": Case(_measure, _measured, 1e-4),
    "evaluate.yolov8": Case(lambda: Yolov8("tiny://yolo", 0.25, 64, CLASSES, CPU), _judged, 0.01),
    "evaluate.segment": Case(lambda: Segment("tiny://yolo-seg", "tiny://yolo", 0.25, 64, CLASSES, CPU), _segmented,
                             0.01),
}
"""`off`: a picture's levels of 255, a feature's and a confidence's own scale, a box's pixels. Measured with SSE 4.2 in
place of AVX-512: pictures 0.013 at most, features 2e-8, boxes and masks 0. A rounding left out gives pictures 0.5."""


def compute(name: str, pictures: Sequence[np.ndarray]) -> Results:
    """What an engine gives now, with one thread. pictures: the recorded ones; an engine that draws needs none."""
    with one_thread():
        return CASES[name].compute(CASES[name].make(), pictures)
