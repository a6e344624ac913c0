"""Images per second in steady state of each stage's work, beside the best plain use of the same library.

Ours is the real path: PNG files read, engine, results drawn, encoded and stored as the stage does it. The plain side is
the bare network on tensors that lie in memory, at the same batch size, dtype and thread count, in inference mode. Both
are warm; they take turns, the first to go changes every round, and the median ratio counts: the machine's own speed
drifts. Nothing here asserts a time. T2IBENCH_BENCH_SMALL=1 runs each once on few images: for function, not for figures.
"""

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from t2ibench.detector import IOU
from t2ibench.evaluate.look import Look
from t2ibench.evaluate.look import pack as judged
from t2ibench.evaluate.yolov8 import ALL, FLOOR
from t2ibench.filter.measure import Measure, pack
from t2ibench.filter.people import FLOOR as PERSON_FLOOR
from t2ibench.harness import config
from t2ibench.harness.executor import Steps
from t2ibench.harness.make import Task, make
from t2ibench.harness.stage import Stage
from t2ibench.images import plan
from t2ibench.pictures import encode_png, read_picture
from t2ibench.records import Prompt
from t2ibench.tiny.scenes import CLASSES, draw_scene
from t2ibench.weights import locate

ROOT = Path(__file__).parents[2]
SMALL = bool(os.environ.get("T2IBENCH_BENCH_SMALL"))
ROUNDS = 1 if SMALL else 5
DRAWN, TIMES = (32, 1) if SMALL else (160, 4)
"""Scenes that are drawn, and files of each: a batch is never the whole of a round."""

Side = Callable[[], int]
"""Does its work once; how many images that were."""


@pytest.fixture(scope="module")
def params() -> Any:
    return config.load(folder=ROOT)


@pytest.fixture(scope="module")
def scenes() -> list[np.ndarray]:
    return [draw_scene(30_000_000 + number, CLASSES[number % 10]).image for number in range(DRAWN)]


@pytest.fixture(scope="module")
def files(scenes: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The scenes as PNG files, each a few times under names of its own."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, scene in enumerate(scenes):
        payload = encode_png(scene)
        for time_ in range(TIMES):
            (folder / f"{time_}-{number:03}.png").write_bytes(payload)
    return sorted(folder.glob("*.png"))


@pytest.fixture
def stage(params: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Stage]:
    """A stage of that name with an item cache of its own, empty every time."""
    made: list[int] = []

    def fresh(name: str) -> Stage:
        made.append(0)
        monkeypatch.setenv("DVC_ROOT", str(tmp_path / str(len(made))))
        return Stage(name, "", params)

    return fresh


def side_by_side(benchmark: Any, rows: Sequence[dict[str, Any]], ours: Side, *plain: Side) -> None:
    """Times all sides in turn and notes a figure for each plain one. rows: what the figures say of themselves."""
    speeds: list[list[float]] = []

    def turn() -> None:
        sides = [ours, *plain]
        order = range(len(sides)) if len(speeds) % 2 else reversed(range(len(sides)))
        found = {place: _speed(sides[place]) for place in order}
        speeds.append([found[place] for place in range(len(sides))])

    turn()  # warm-up
    speeds.clear()
    benchmark.pedantic(turn, rounds=ROUNDS, iterations=1)
    benchmark.extra_info["figures"] = [
        row | {"ours": median(one[0] for one in speeds), "yardstick": median(one[place] for one in speeds),
               "unit": "images/s", "ratio": median(ratios), "spread": [min(ratios), max(ratios)]}
        for place, row in enumerate(rows, start=1) if (ratios := [one[0] / one[place] for one in speeds])]


def _speed(side: Side) -> float:
    start = time.perf_counter()
    images = side()
    return images / (time.perf_counter() - start)


def through(stage: Stage, engine: Any, items: Sequence[Any], steps: Steps) -> int:
    """Runs items through the harness, as a stage that stores no items does."""
    with stage.progress(len(items)) as bar:
        return sum(1 for _ in stage.run(engine, items, steps, bar))


def made(stage: Stage, engine: Any, tasks: Sequence[Task], load: Callable[[Task], Any], packed: Callable[[Any], Any],
         suffix: str = ".png") -> int:
    """Runs tasks through the harness and the item cache."""
    items, _ = make(stage, tasks, engine, load, packed, suffix)
    assert len(items) == len(tasks)
    return len(items)


def pictures(files: Sequence[Path]) -> list[Task]:
    return [Task(file.stem, "cat", file.stem.ljust(64, "0"), file) for file in files]


def opened(task: Task) -> np.ndarray:
    return read_picture(task.input)


def in_batches(tensor: Any, size: int, times: int) -> Iterator[Any]:
    for _ in range(times):
        yield from tensor.split(size)


def as_tensor(scenes: Sequence[np.ndarray]) -> Any:
    """float32 [N, 3, H, W] in [0, 1], as YOLOv8 and Restormer take it."""
    import torch

    return torch.from_numpy(np.stack(scenes)).permute(0, 3, 1, 2).float().div(255).contiguous()


def bare_boxes(detector: Any, settings: dict[str, Any]) -> Callable[[Any], None]:
    """A forward of a YOLOv8 and ultralytics' own non-maximum suppression."""
    import torchvision  # noqa: F401  # with it ultralytics takes the faster of its two
    from ultralytics.utils.nms import non_max_suppression

    network, given = detector._model, {"iou_thres": IOU, "nc": len(detector.names), "max_time_img": math.inf} | settings

    def boxes(batch: Any) -> None:
        raw = network(batch)[0]
        non_max_suppression(raw[0] if isinstance(raw, tuple) else raw, **given)

    return boxes


def test_images(benchmark: Any, params: Any, stage: Callable[[str], Stage]) -> None:
    """Four images of each prompt, as the study draws them."""
    import torch

    engine = config.build(params.images["sd"], "images.sd", params)
    batches, singles = (1, 2) if SMALL else (3, 8)
    texts = [f"a {name} reading a newspaper in the park, photograph" for name in CLASSES * batches]
    prompts = [Prompt(id=f"{number:012}", class_name="cat", text=text, kind="bench", origin={})
               for number, text in enumerate(texts)]  # fmt: skip
    planned = plan(prompts, 4, 0)[: batches * engine.batch_size]
    tasks = [Task(one.request.id, "cat", f"{place:064}", one.request) for place, one in enumerate(planned)]
    engine.load()

    def ours() -> int:
        engine.__dict__.pop("_embed", None)  # a stage meets its prompts for the first time
        return made(stage("images"), engine, tasks, lambda task: task.input, lambda one: (one.png(), one.extra))

    def plain(size: int, count: int) -> int:
        for start in range(0, count, size):
            chosen = [one.request for one in planned[start : start + size]]
            engine._pipeline([one.prompt_text for one in chosen], num_inference_steps=engine.steps,
                             guidance_scale=engine.guidance, height=engine.size, width=engine.size,
                             generator=[torch.Generator().manual_seed(one.seed) for one in chosen])
        return count

    rows = [{"figure": "images", "note": "diffusers' pipeline, same batch", "goal": ">= 1.0"},
            {"figure": "images", "note": "diffusers' pipeline, one image a call", "goal": ">= 1.5"}]
    side_by_side(benchmark, rows, ours, lambda: plain(engine.batch_size, len(planned)), lambda: plain(1, singles))


def test_filter(benchmark: Any, params: Any, stage: Callable[[str], Stage], files: list[Path],
                scenes: list[np.ndarray]) -> None:
    """CLIP's cosines from files, over CLIP's forward alone."""
    import torch
    from PIL import Image

    engine = config.build(params.filter["clip"], "filter.clip", params)
    model, prepare = engine._model
    tensor = torch.stack([prepare(Image.fromarray(scene)) for scene in scenes])

    def plain() -> int:
        with torch.inference_mode():
            for batch in in_batches(tensor, engine.batch_size, TIMES):
                model.encode_image(batch, normalize=True)
        return len(files)

    row = {"figure": "filter, CLIP's scores", "note": "bare open_clip forward", "goal": ">= 0.9"}
    side_by_side(benchmark, [row], lambda: through(stage("filter"), engine, files, Steps(read_picture)), plain)


def test_filter_as_a_whole(benchmark: Any, params: Any, stage: Callable[[str], Stage], files: list[Path],
                           scenes: list[np.ndarray]) -> None:
    """All that is measured of an image, and stored, over the forwards of the two networks that measure."""
    import torch
    from PIL import Image

    engine = Measure(*(config.build(params.filter[name], f"filter.{name}", params)
                       for name in ("clip", "quality", "duplicate", "people")))  # fmt: skip
    model, prepare = engine.clip._model
    prepared, tensor = torch.stack([prepare(Image.fromarray(scene)) for scene in scenes]), as_tensor(scenes)
    detect = bare_boxes(engine.people._detector, {"conf_thres": PERSON_FLOOR, "classes": [0], "max_det": 1})

    def plain() -> int:
        with torch.inference_mode():
            for batch in in_batches(prepared, engine.batch_size, TIMES):
                model.encode_image(batch, normalize=True)
            for batch in in_batches(tensor, engine.batch_size, TIMES):
                detect(batch)
        return len(files)

    row = {"figure": "filter, all of it", "note": "bare open_clip and YOLOv8 forwards, NMS"}
    side_by_side(benchmark, [row], lambda: made(stage("filter"), engine, pictures(files), opened,
                                                lambda found: (pack(found), {}), ".npy"), plain)


def test_evaluate(benchmark: Any, params: Any, stage: Callable[[str], Stage], files: list[Path],
                  scenes: list[np.ndarray]) -> None:
    """Detection from files, over the network's forward and NMS, and over ultralytics on the same folder."""
    import torch
    from ultralytics import YOLO

    engine = config.build(params.evaluate["yolov8"], "evaluate.yolov8", params)
    tensor, numbers = as_tensor(scenes), sorted(engine._names)
    detect = bare_boxes(engine.detector, {"conf_thres": FLOOR, "classes": numbers, "max_det": ALL})
    yolo = YOLO("yolov8n.yaml", task="detect")
    yolo.model.load_state_dict(engine.detector._state(locate(engine.detector.weights)))

    def plain() -> int:
        with torch.inference_mode():
            for batch in in_batches(tensor, engine.batch_size, TIMES):
                detect(batch)
        return len(files)

    def predict(batch: int) -> int:
        found = yolo.predict(files[0].parent, imgsz=engine.detector.image_size, batch=batch, device="cpu", stream=True,
                             conf=engine.confidence, classes=numbers, max_det=1, verbose=False, save=False)
        return sum(1 for _ in found)

    rows = [{"figure": "evaluate, detection", "note": "bare YOLOv8 forward and NMS", "goal": ">= 0.85"},
            {"figure": "evaluate, detection", "note": "yolo predict on the folder, same batch", "goal": ">= 1.5"},
            {"figure": "evaluate, detection", "note": "yolo predict as it comes: one image a batch", "goal": ">= 1.5"}]
    side_by_side(benchmark, rows, lambda: through(stage("evaluate"), engine, files, Steps(read_picture)), plain,
                 lambda: predict(engine.batch_size), lambda: predict(1))


@pytest.mark.parametrize("drawn", [False, True])
def test_evaluate_with_masks(benchmark: Any, params: Any, stage: Callable[[str], Stage], files: list[Path],
                             scenes: list[np.ndarray], drawn: bool) -> None:
    """Detection and segmentation, with and without drawing and storing them, over both networks' forwards."""
    import torch

    judge, segment = (config.build(params.evaluate[name], f"evaluate.{name}", params) for name in ("yolov8", "segment"))
    look, tensor = Look(judge, segment), as_tensor(scenes)
    numbers = sorted(judge._names)
    detect = bare_boxes(judge.detector, {"conf_thres": FLOOR, "classes": numbers, "max_det": ALL})
    mask = bare_boxes(segment.segmenter, {"conf_thres": segment.confidence, "classes": numbers, "max_det": 1})

    def ours() -> int:
        if not drawn:
            return through(stage("evaluate"), look, files, Steps(read_picture))
        return made(stage("evaluate"), look, pictures(files), opened, partial(judged, judge.classes), ".judged")

    def plain() -> int:
        with torch.inference_mode():
            for network in (detect, mask):
                for batch in in_batches(tensor, judge.batch_size, TIMES):
                    network(batch)
        return len(files)

    row = {"figure": "evaluate, boxes and masks" + (", overlays drawn and stored" if drawn else ""),
           "note": "both bare forwards and NMS"}  # fmt: skip
    side_by_side(benchmark, [row if drawn else row | {"goal": ">= 0.85"}], ours, plain)


def test_deblur(benchmark: Any, params: Any, stage: Callable[[str], Stage], files: list[Path],
                scenes: list[np.ndarray]) -> None:
    """Restored pictures from files to the item cache, over the network alone."""
    import torch

    engine = config.build(params.deblur["restormer"], "deblur.restormer", params)
    count = engine.batch_size * (1 if SMALL else 6)
    tensor = as_tensor(scenes[:count])

    def plain() -> int:
        with torch.inference_mode():
            for batch in tensor.split(engine.batch_size):
                engine._model(batch)
        return count

    row = {"figure": "deblur", "note": "the bare network", "goal": ">= 0.9"}
    side_by_side(benchmark, [row], lambda: made(stage("deblur"), engine, pictures(files)[:count], opened,
                                                lambda one: (encode_png(one), {})), plain)
