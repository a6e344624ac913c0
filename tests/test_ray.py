"""executor=ray on a real cluster of two workers: the results of one process, whoever dies, fails or has less memory."""

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_models import CPU

from t2ibench.errors import ConfigError, MissingError, UserError
from t2ibench.harness import config
from t2ibench.harness.cluster import Ray
from t2ibench.harness.executor import Serial, Steps
from t2ibench.harness.stage import Stage
from t2ibench.images import Made, Request, Stopped
from t2ibench.records import Prompt, write_rows

SETTINGS = {"address": None, "workers": 2, "cpus": 1, "gpus": 0, "batches_per_shard": 2, "retries": 2, "shared": True}


class Adds:
    """Adds one to every input."""

    batch_size = 4

    def __call__(self, batch: Sequence[Any]) -> list[Any]:
        assert len(batch) == self.batch_size
        return [value + 1 for value in batch]


class Once(Adds):
    """Adds; what `go_wrong` does happens to the first worker that meets `item`."""

    def __init__(self, marker: Path, item: int = 21) -> None:
        self.marker, self.item = marker, item

    def __call__(self, batch: Sequence[Any]) -> list[Any]:
        if self.item in [int(value.flat[0]) for value in batch] and self.first():
            self.go_wrong()
        return super().__call__(batch)

    def first(self) -> bool:
        try:
            self.marker.open("x").close()
        except FileExistsError:
            return False
        return True

    def go_wrong(self) -> None:
        raise NotImplementedError


class Killed(Once):
    def go_wrong(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Fails(Once):
    def go_wrong(self) -> None:
        raise ZeroDivisionError("this worker's device is broken")


class Always(Once):
    """Notes how often it failed."""

    def first(self) -> bool:
        with self.marker.open("a") as file:
            file.write("x")
        return True


class AlwaysFails(Always, Fails):
    pass


class AlwaysKilled(Always, Killed):
    pass


class Mistaken(Always):
    def go_wrong(self) -> None:
        raise ConfigError("images.sd.steps", 0, "an integer from 1")


class Spent(Always):
    def go_wrong(self) -> None:
        raise Stopped("the budget is spent", {Request("a-0", "a cat", 7): Made(b"png", {"model": "m"})})


class Full(Always):
    def go_wrong(self) -> None:
        raise OSError(28, "No space left on device", "a.png")


class Fits(Adds):
    """Adds, in a memory that holds two."""

    def __call__(self, batch: Sequence[Any]) -> list[Any]:
        if len(batch) > 2:
            raise MemoryError
        return super().__call__(batch)


def load(item: int) -> np.ndarray:
    return np.full((2 + item % 2, 2), item)


def finish(item: int, result: np.ndarray) -> tuple[int, int, int]:
    return item, int(result.sum()), os.getpid()


def store(item: int, finished: tuple[int, int, int]) -> tuple[int, int, int, int]:
    return *finished, os.getpid()


STEPS = Steps(load, finish, store)


@pytest.fixture(scope="module")
def ray() -> Iterator[Ray]:
    """A cluster of this machine, and workers, that all tests share: they take seconds to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # where workers find the engines of this file
        executor = Ray(**SETTINGS, hardware=CPU)
        executor._connect()
        executor._temporary, place = None, executor._temporary  # an error ends the workers, and leaves the cluster
        yield executor
        executor._temporary = place
        executor.close()


def results(executor: Any, engine: Any, count: int, steps: Steps = STEPS) -> tuple[dict[int, Any], int]:
    """{item: what became of it}, and how many the bar was told of; every item comes once."""
    done: list[int] = []
    found = list(executor(engine, range(count), steps, done.append, lambda size: None))
    assert len(found) == len(dict(found))
    return dict(found), sum(done)


def figures(found: dict[int, Any]) -> dict[int, Any]:
    """Without the processes' numbers."""
    return {item: value[:2] for item, value in found.items()}


def test_every_item_has_the_result_of_one_process_whatever_the_remainder(ray: Ray) -> None:
    for count in (1, 7, 8, 9, 61):
        expected, _ = results(Serial(), Adds(), count)
        found, done = results(ray, Adds(), count)
        assert figures(found) == figures(expected)
        assert sorted(found) == list(range(count))
        assert done == count


def test_workers_do_the_work_and_stay_for_the_next_engine(ray: Ray) -> None:
    first, _ = results(ray, Adds(), 61)
    second, _ = results(ray, Adds(), 61)
    finished, stored = ({value[place] for found in (first, second) for value in found.values()} for place in (2, 3))
    assert finished == stored
    assert 1 <= len(finished) <= 2
    assert os.getpid() not in finished


def test_without_a_shared_folder_this_process_loads_and_stores(ray: Ray, tmp_path: Path) -> None:
    ray.close()  # its workers hold the cluster's two cores
    executor = Ray(**SETTINGS | {"shared": False}, hardware=CPU)

    def here(item: int) -> np.ndarray:
        (tmp_path / f"{item}-{os.getpid()}").touch()
        return load(item)

    found, done = results(executor, Adds(), 30, Steps(here, finish, store))
    executor.close()
    expected, _ = results(Serial(), Adds(), 30)
    assert figures(found) == figures(expected)
    assert done == 30
    assert {path.name for path in tmp_path.iterdir()} == {f"{item}-{os.getpid()}" for item in range(30)}
    assert {value[3] for value in found.values()} == {os.getpid()}
    assert os.getpid() not in {value[2] for value in found.values()}


@pytest.mark.parametrize("engine", [Killed, Fails])
def test_the_shard_of_a_worker_that_died_or_failed_is_made_by_another(
    ray: Ray, tmp_path: Path, engine: type[Once], capfd: pytest.CaptureFixture[str]
) -> None:
    expected, _ = results(Serial(), Adds(), 61)
    found, done = results(ray, engine(tmp_path / "marker"), 61)
    assert (tmp_path / "marker").exists(), "a worker did go wrong"
    assert figures(found) == figures(expected)
    assert done == 61
    assert capfd.readouterr().err.count("a Ray worker was lost") == 1


def test_an_engine_that_fails_everywhere_is_told_with_its_own_error_after_the_retries(ray: Ray, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError, match="this worker's device is broken"):
        results(ray, AlwaysFails(tmp_path / "marker"), 61)
    assert (tmp_path / "marker").read_text() == "x" * (1 + SETTINGS["retries"])


def test_images_at_which_every_worker_dies_end_the_run_with_what_happened(ray: Ray, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="3 Ray workers died at the same 8 images"):
        results(ray, AlwaysKilled(tmp_path / "marker"), 61)


def test_an_error_of_the_user_comes_once_as_from_one_process(ray: Ray, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as found:
        results(ray, Mistaken(tmp_path / "mistaken"), 61)
    assert (found.value.key, found.value.value, found.value.accepted) == ("images.sd.steps", 0, "an integer from 1")
    assert str(found.value) == str(ConfigError("images.sd.steps", 0, "an integer from 1"))
    assert (tmp_path / "mistaken").read_text() == "x"
    with pytest.raises(Stopped, match="the budget is spent") as stopped:
        results(ray, Spent(tmp_path / "spent"), 61)
    assert stopped.value.finished == {Request("a-0", "a cat", 7): Made(b"png", {"model": "m"})}
    with pytest.raises(OSError, match="No space left") as full:
        results(ray, Full(tmp_path / "full"), 61)
    assert (full.value.errno, full.value.filename) == (28, "a.png")


def test_an_input_that_is_missing_is_told_as_from_one_process(ray: Ray) -> None:
    with pytest.raises(MissingError, match="picture 21 is missing; this helps: dvc repro"):
        results(ray, Adds(), 61, Steps(missing, finish, store))


def missing(item: int) -> np.ndarray:
    if item == 21:
        raise MissingError("picture 21 is missing", "dvc repro")
    return load(item)


def test_workers_after_an_error_are_new_ones(ray: Ray, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        results(ray, Mistaken(tmp_path / "mistaken"), 61)
    assert figures(results(ray, Adds(), 30)[0]) == figures(results(Serial(), Adds(), 30)[0])


def test_a_batch_that_does_not_fit_a_worker_is_halved_for_all_that_follow(
    ray: Ray, capfd: pytest.CaptureFixture[str]
) -> None:
    engine, told = Fits(), []
    found = dict(ray(engine, range(61), STEPS, lambda n: None, told.append))
    assert figures(found) == figures(results(Serial(), Adds(), 61)[0])
    assert told == [2]
    assert engine.batch_size == 2
    assert capfd.readouterr().err.count("a batch of 4 does not fit the memory; going on with 2") == 1


def test_a_loop_that_ends_early_leaves_no_worker_behind(ray: Ray) -> None:
    loop = ray(Adds(), range(61), STEPS, lambda n: None, lambda size: None)
    _, (_, _, worker, _) = next(loop)
    loop.close()
    for _ in range(100):
        if not Path(f"/proc/{worker}").exists():
            break
        time.sleep(0.1)
    else:
        pytest.fail("the worker lives on")


def test_a_gpu_that_no_worker_reserves_is_a_mistake() -> None:
    from dataclasses import replace

    with pytest.raises(ConfigError, match=r"executor\.gpus: 0 .*above 0, where the device is cuda"):
        Ray(**SETTINGS, hardware=replace(CPU, device="cuda"))


def test_an_address_where_no_cluster_runs_is_told() -> None:
    code = ("from random_models import CPU\nfrom t2ibench.harness.cluster import Ray\nimport test_ray as t\n"
            "r = Ray(**t.SETTINGS | {'address': '127.0.0.1:1'}, hardware=CPU)\n"
            "try: t.results(r, t.Adds(), 1)\n"
            "except t.ConfigError as error: print('told', error)\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, text=True, capture_output=True,
                          env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}, check=False)
    assert "told executor.address: '127.0.0.1:1'" in done.stdout, done.stderr


ROOT = Path(__file__).parents[1]
CELL = "sd-caption/deblur"
SMALL = ["study.classes=[cat,zebra]", "images.sd.steps=2", "study.images_per_prompt=2",
         "hardware.batch_size={images: 2, filter: 2, deblur: 2, evaluate: 2}"]
PLANNED = 2 * 3 * 2


def study(folder: Path, executor: dict[str, Any]) -> list[Stage]:
    """Runs images, filter, deblur and evaluate of a small study in this process and the folder."""
    params = config.load(SMALL, folder=ROOT)
    params = params.model_copy(update={"executor": executor})
    prompts = [Prompt.make(name, f"a {name} {place}", "coco", {"caption_id": number})
               for name in params.study.classes
               for number, place in enumerate(("on a beach", "in a kitchen", "at night"))]
    write_rows(folder / "data/prompts/coco/prompts.jsonl", prompts)
    (folder / "reviews").mkdir()
    stages = []
    for name, cell in (("images", "sd-caption"), ("filter", "sd-caption"), ("deblur", "sd-caption/base"),
                       ("deblur", CELL), ("evaluate", "sd-caption/base"), ("evaluate", CELL)):
        stages.append(Stage(name, cell, params))
        importlib.import_module(f"experiments.{name}").run(stages[-1])
        if isinstance(found := stages[-1].__dict__.get("_executor"), Ray):
            found.close()
    return stages


def contents(folder: Path) -> dict[str, bytes]:
    """What a study made: its outs, and what is stored."""
    places = (folder / "data", folder / "results", folder / ".cache/items")
    return {str(file.relative_to(folder)): file.read_bytes() for place in places for file in place.rglob("*")
            if file.is_file()}


def kill_one_worker(folder: Path, killed: list[int]) -> None:
    """Waits until something is stored, then kills a process that is at work, as the kernel would."""
    import psutil

    while not any((folder / ".cache/items").rglob("*.json")):
        time.sleep(0.02)
    mine = psutil.Process().children(recursive=True)
    working = [one for one in mine if one.name().startswith("ray::Worker") or "ray::Worker" in " ".join(one.cmdline())]
    working[0].kill()
    killed.append(working[0].pid)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As Ray's workers have with `cpus: 1`: two round some pictures differently (docs/performance.md, Rounding)."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("shared", [True, False])
def test_a_study_has_the_bytes_of_one_process_though_a_worker_is_killed_in_the_middle(
    ray: Ray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """Both ways of storing; the worker is killed in the middle of the images."""
    ray.close()  # its workers hold the cluster's two cores
    alone, spread = tmp_path / "alone", tmp_path / "spread"
    killed: list[int] = []
    for folder, executor in (
        (alone, {"_target_": "t2ibench.harness.executor.Serial"}),
        (spread, {"_target_": "t2ibench.harness.cluster.Ray", **SETTINGS, "batches_per_shard": 1, "shared": shared}),
    ):
        folder.mkdir()
        monkeypatch.chdir(folder)
        monkeypatch.setenv("DVC_ROOT", str(folder))
        if folder == spread:
            killer = threading.Thread(target=kill_one_worker, args=(folder, killed))
            killer.start()
        stages = study(folder, executor)
    killer.join()
    assert len(killed) == 1
    assert capfd.readouterr().err.count("a Ray worker was lost") == 1
    expected, found = contents(alone), contents(spread)
    assert sorted(found) == sorted(expected)
    assert found == expected
    assert sum(name.startswith(".cache/items") and name.endswith(".png") for name in expected) >= PLANNED
    assert stages[0].clock.reading()["images"] == PLANNED


STOPPED = """
import os, sys, time
from random_models import CPU
from test_ray import SETTINGS, STEPS, Adds
from t2ibench.harness.cluster import Ray

class Slow(Adds):
    def __call__(self, batch):
        time.sleep(0.2)
        return super().__call__(batch)

try:
    for _ in Ray(**SETTINGS, hardware=CPU)(Slow(), range(100_000), STEPS, lambda n: None, lambda size: None):
        print("one", flush=True)
except KeyboardInterrupt:
    os._exit(130)  # as harness.stage ends
"""


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_no_worker_and_no_cluster_outlives_a_stage_that_is_stopped_or_killed(sent: signal.Signals, code: int) -> None:
    import psutil

    paths = f"{Path(__file__).parent}{os.pathsep}{ROOT}"
    with subprocess.Popen([sys.executable, "-c", STOPPED], env=os.environ | {"PYTHONPATH": paths}, text=True,
                          stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "one\n"
        started = [one for one in psutil.Process(process.pid).children(recursive=True)
                   if sent == signal.SIGINT or "Agent" not in one.name()]  # idle agents find a killed raylet out later
        process.send_signal(sent)
        assert process.wait(timeout=60) == code
    _, alive = psutil.wait_procs(started, timeout=60)
    assert alive == []
