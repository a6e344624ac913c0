"""The loop: every batch has one shape and one size, every item one result, nothing depends on its neighbours."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from random_models import CPU, noise, write_restormer

from t2ibench.deblur.restormer import Restormer
from t2ibench.errors import MissingError
from t2ibench.harness import config, executor

ROOT = Path(__file__).parents[1]


class Recorder:
    """Adds one to every input, and notes the batches it was given."""

    batch_size = 4

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.shapes: list[set[object]] = []

    def __call__(self, batch: list[np.ndarray]) -> list[np.ndarray]:
        self.sizes.append(len(batch))
        self.shapes.append({value.shape for value in batch})
        return [value + 1 for value in batch]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 17])
def test_every_item_has_its_result_whatever_the_remainder(count: int) -> None:
    engine, done = Recorder(), []
    found = dict(executor.run(engine, list(range(count)), lambda item: np.full((2, 2), item), done.append))
    assert {item: int(value[0, 0]) for item, value in found.items()} == {item: item + 1 for item in range(count)}
    assert set(engine.sizes) <= {4}
    assert sum(done) == count


def test_inputs_of_different_shapes_never_share_a_batch() -> None:
    engine = Recorder()
    shapes = [(2, 2), (3, 3), (2, 2), (3, 3), (5, 1)]
    found = list(executor.run(engine, shapes, np.zeros, lambda n: None))
    assert sorted(item for item, _ in found) == sorted(shapes)
    assert all(len(shape) == 1 for shape in engine.shapes)
    assert all(value.shape == item for item, value in found)


def test_an_input_that_cannot_be_loaded_stops_the_loop_with_its_own_error() -> None:
    def load(item: int) -> np.ndarray:
        if item == 2:
            raise FileNotFoundError("picture 2")
        return np.zeros(1)

    with pytest.raises(FileNotFoundError, match="picture 2"):
        list(executor.run(Recorder(), [0, 1, 2], load, lambda n: None))


def plus(item: int, result: np.ndarray) -> int:
    return item * 1000 + int(result.flat[0])


def array(item: int) -> np.ndarray:
    return np.full((2, 2), item)


@pytest.mark.parametrize("count", [0, 1, 4, 5, 50])
def test_what_finish_makes_of_a_result_comes_in_the_order_of_the_batches(count: int) -> None:
    done: list[int] = []
    found = list(executor.run(Recorder(), range(count), array, done.append, finish=plus))
    assert found == [(item, item * 1000 + item + 1) for item in range(count)]
    assert sum(done) == count


def test_loading_and_finishing_go_on_while_the_model_works() -> None:
    """The model's second batch waits until the first is being finished and the third loaded: else it waits in vain."""
    finishing, loading = threading.Event(), threading.Event()

    class Waits(Recorder):
        def __call__(self, batch: list[np.ndarray]) -> list[np.ndarray]:
            if len(self.sizes) == 1:
                assert finishing.wait(20)
                assert loading.wait(20)
            return super().__call__(batch)

    def load(item: int) -> np.ndarray:
        if item == 8:
            loading.set()
        return array(item)

    def finish(item: int, result: np.ndarray) -> int:
        finishing.set()
        return plus(item, result)

    assert len(list(executor.run(Waits(), range(12), load, lambda n: None, finish=finish))) == 12


@pytest.mark.parametrize("slow", ["load", "model", "finish"])
def test_memory_does_not_grow_with_the_number_of_images_whatever_is_slow(slow: str) -> None:
    """Counts what was begun with and not yet given to the runner."""
    begun, most, lock = [0], [0], threading.Lock()

    class Slow(Recorder):
        def __call__(self, batch: list[np.ndarray]) -> list[np.ndarray]:
            time.sleep(0.004 * (slow == "model"))
            return super().__call__(batch)

    def load(item: int) -> np.ndarray:
        with lock:
            begun[0] += 1
            most[0] = max(most[0], begun[0])
        time.sleep(0.002 * (slow == "load"))
        return array(item)

    def finish(item: int, result: np.ndarray) -> int:
        time.sleep(0.002 * (slow == "finish"))
        return plus(item, result)

    for _ in executor.run(Slow(), range(300), load, lambda n: None, finish=finish):
        with lock:
            begun[0] -= 1
    assert begun[0] == 0
    assert most[0] <= (executor.AHEAD + executor.BEHIND + 2) * Recorder.batch_size


def test_an_error_of_finish_ends_the_loop_within_the_batches_that_are_behind() -> None:
    engine = Recorder()

    def finish(item: int, result: np.ndarray) -> int:
        if item == 5:
            raise OSError("no room for picture 5")
        return plus(item, result)

    with pytest.raises(OSError, match="no room for picture 5"):
        list(executor.run(engine, range(4000), array, lambda n: None, finish=finish))
    assert len(engine.sizes) <= 2 + executor.BEHIND


def test_what_the_model_answered_before_it_failed_is_finished() -> None:
    finished: list[int] = []

    class Fails(Recorder):
        def __call__(self, batch: list[np.ndarray]) -> list[np.ndarray]:
            if len(self.sizes) == 3:
                raise ZeroDivisionError
            return super().__call__(batch)

    def finish(item: int, _: np.ndarray) -> None:
        time.sleep(0.01)
        finished.append(item)

    with pytest.raises(ZeroDivisionError):
        list(executor.run(Fails(), range(100), array, lambda n: None, finish=finish))
    assert sorted(finished) == list(range(12))


def test_threads_end_with_the_loop_though_it_ends_early() -> None:
    before = threading.active_count()
    loop = executor.run(Recorder(), range(1000), array, lambda n: None, finish=plus)
    next(loop)
    loop.close()
    assert threading.active_count() == before


def cpu_allocator() -> None:
    import torch

    torch.empty(10**15)


def numpy_allocator() -> None:
    np.empty(10**16)


def onednn() -> None:
    raise RuntimeError("could not create a primitive")


def cuda_allocator() -> None:
    import torch

    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def cublas() -> None:
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


class Fits(Recorder):
    """A Recorder whose memory holds batches of `room` only."""

    def __init__(self, room: int, fail: Callable[[], None]) -> None:
        super().__init__()
        self.room, self.fail, self.refused = room, fail, 0

    def __call__(self, batch: list[np.ndarray]) -> list[np.ndarray]:
        if len(batch) > self.room:
            self.refused += 1
            self.fail()
        return super().__call__(batch)


@pytest.mark.parametrize("fail", [cpu_allocator, numpy_allocator, onednn, cuda_allocator, cublas])
def test_a_batch_that_does_not_fit_is_halved_for_good_with_a_warning(
    fail: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    engine, done, told = Fits(1, fail), [], []
    found = list(executor.run(engine, list(range(7)), lambda item: np.full((2, 2), item), done.append, told.append))
    assert [(item, int(value[0, 0])) for item, value in found] == [(item, item + 1) for item in range(7)]
    assert set(engine.sizes) == {1}
    assert engine.refused == 2, "four, two, and never again"
    assert told == [2, 1]
    assert sum(done) == 7
    said = capsys.readouterr().err
    assert "a batch of 4 does not fit the memory; going on with 2" in said
    assert "a batch of 2 does not fit the memory; going on with 1" in said


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
def test_batches_are_of_one_size_again_after_halving(count: int) -> None:
    engine = Fits(2, cuda_allocator)
    found = list(executor.run(engine, list(range(count)), lambda item: np.zeros(item % 2 + 1), lambda n: None))
    assert sorted(item for item, _ in found) == list(range(count))
    assert set(engine.sizes) == {2}
    assert all(len(shape) == 1 for shape in engine.shapes)


def test_one_image_that_does_not_fit_is_told_with_what_helps() -> None:
    with pytest.raises(MissingError, match=r"memory for a single image is missing \(CUDA.*another hardware"):
        list(executor.run(Fits(0, cuda_allocator), [1], lambda item: np.zeros(1), lambda n: None))


def test_an_error_that_is_not_about_memory_is_not_answered_by_halving() -> None:
    def fail() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    engine = Fits(0, fail)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        list(executor.run(engine, [1], lambda item: np.zeros(1), lambda n: None))
    assert engine.batch_size == 4


class SmallDevice(Restormer):
    """A real Restormer on a device whose memory holds two images."""

    def __call__(self, images: list[np.ndarray]) -> list[np.ndarray]:
        if len(images) > 2:
            cuda_allocator()
        return super().__call__(images)


def test_a_real_engine_gives_the_images_of_its_smaller_batch_after_halving(tmp_path: Path) -> None:
    weights = write_restormer(tmp_path / "restormer")
    images = [noise(seed, 32, 32) for seed in range(5)]
    halved, planned = SmallDevice(weights, CPU), Restormer(weights, CPU)
    found = [image for _, image in executor.run(halved, images, lambda image: image, lambda n: None)]
    expected = [*planned(images[:2]), *planned(images[2:4]), *planned([images[4]] * 2)[:1]]
    for image, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(image, other)
    full = [image for _, image in executor.run(planned, images, lambda image: image, lambda n: None)]
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(found, full, strict=True)) <= 1, "rounding, no more"


WITHOUT_RAY = """
import sys
from t2ibench.harness import config
from t2ibench.harness.executor import Steps
from t2ibench.harness.stage import Stage

params = config.load()
if {at_home}:
    params.executor = dict(_target_="t2ibench.harness.cluster.Ray", address=None, workers=2, cpus=1, gpus=0,
                           batches_per_shard=4, retries=2, shared=True)

class Engine:
    batch_size, at_home = 4, {at_home}

    def __call__(self, batch):
        return [item + 1 for item in batch]

found = list(Stage("images", "sd-llm", params).run(Engine(), range(6), Steps(lambda item: item), lambda n: None))
assert found == [(item, item + 1) for item in range(6)]
assert not [name for name in sys.modules if name.split(".")[0] in ("ray", "torch")]
"""


@pytest.mark.parametrize("at_home", [False, True])
def test_serial_imports_no_ray_and_neither_does_an_engine_that_stays_at_home(at_home: bool) -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_RAY.replace("{at_home}", str(at_home))], cwd=ROOT, check=True)


def test_what_waits_for_an_api_or_reads_this_machines_disk_stays_at_home() -> None:
    engines = config.load(folder=ROOT).images
    assert {name for name, node in engines.items() if getattr(config._target(node, name), "at_home", False)} == {
        "openai", "folder"}


def test_no_stage_depends_on_the_executor() -> None:
    assert "executor" not in (ROOT / "dvc.yaml").read_text(encoding="utf-8")


def test_the_loop_imports_no_heavy_library() -> None:
    code = "import sys, t2ibench.harness.executor, t2ibench.hardware; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
