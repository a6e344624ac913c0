"""A stage as a process: its command line, its lock, its gate, its exit codes."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from t2ibench.errors import UserError
from t2ibench.harness import config, paths, timing
from t2ibench.harness.executor import Steps
from t2ibench.harness.stage import Stage
from t2ibench.records import Failure, Prompt, read_json, read_rows, write_json
from t2ibench.report import timing as page

ROOT = Path(__file__).parents[1]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A folder with params.yaml, from which stages can be started."""
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    for name in ("t2ibench", "experiments"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def start(workspace: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": "."}
    environment.pop("DVC_ROOT", None)
    return subprocess.Popen([sys.executable, "-m", *arguments], cwd=workspace, env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(workspace: Path, *arguments: str) -> tuple[int, str]:
    process = start(workspace, *arguments)
    _, said = process.communicate(timeout=120)
    return process.returncode, said


def test_a_stage_writes_its_out_and_its_clock_beside_it(workspace: Path) -> None:
    code, said = finish(workspace, "experiments.prompts", "llm")
    assert code == 0, said
    assert len(read_rows(workspace / "data/prompts/llm/prompts.jsonl", Prompt)) == 100
    assert (workspace / ".cache/timings/cpu/tiny/prompts/llm.json").is_file()
    assert not list((workspace / "data").rglob("*timing*"))


@pytest.mark.parametrize(("arguments", "words"), [
    (["experiments.prompts", "lmm"], ["experiments.prompts", "'lmm'", "coco, llm"]),
    (["experiments.images"], ["one of dalle3-llm, sd-caption, sd-llm"]),
    (["experiments.evaluate", "sd-llm"], ["sd-llm/base"]),
    (["experiments.prompts", "llm", "study.sed=3"], ["study.sed"]),
    (["experiments.images", "sd-llm"], ["prompts.jsonl is missing", "dvc repro"]),
])
def test_a_mistake_is_one_sentence_and_exit_code_2(workspace: Path, arguments: list[str], words: list[str]) -> None:
    code, said = finish(workspace, *arguments)
    assert code == 2, said
    assert "Traceback" not in said
    for word in words:
        assert word in said
    assert not (workspace / "data").exists()


def test_all_mistakes_of_a_configuration_are_told_before_anything_is_done(workspace: Path) -> None:
    tree = yaml.safe_load((workspace / "params.yaml").read_text())
    tree["study"]["classes"][3] = "griffin"
    tree["images"]["sd"]["guidence"] = 4
    (workspace / "params.yaml").write_text(yaml.safe_dump(tree))
    code, said = finish(workspace, "experiments.prompts", "llm")
    assert code == 2
    assert "study.classes.3: 'griffin'" in said
    assert "images.sd.guidence" in said
    assert not (workspace / "data").exists()


def test_a_second_process_waits_for_the_first(workspace: Path) -> None:
    lock = workspace / ".cache/locks/prompts-llm.lock"
    lock.parent.mkdir(parents=True)
    holder = subprocess.Popen(
        [sys.executable, "-c", "import fcntl,sys,time; f=open(sys.argv[1],'w'); fcntl.flock(f,fcntl.LOCK_EX); "
         "print('held',flush=True); time.sleep(60)", str(lock)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    waiting = start(workspace, "experiments.prompts", "llm")
    assert waiting.stderr is not None
    assert "another process works on prompts llm; waiting" in waiting.stderr.readline()
    assert waiting.poll() is None
    assert not (workspace / "data").exists()
    holder.kill()
    holder.wait()
    assert waiting.wait(timeout=60) == 0
    assert (workspace / "data/prompts/llm/prompts.jsonl").is_file()


def test_a_read_only_or_full_disk_is_told_without_a_traceback(workspace: Path) -> None:
    full = "import errno, sys\nfrom t2ibench.harness import stage\n" \
           "def run(s):\n    raise OSError(errno.ENOSPC, 'x', 'data/images/a.png')\n" \
           "sys.argv[1:] = []\nstage.main('images', run, stage.no_cells)\n"
    (workspace / "full.py").write_text(full)
    code, said = finish(workspace, "full")
    assert code == 2
    assert "No space left on device" in said
    assert "what is finished is kept" in said
    assert "Traceback" not in said


@pytest.fixture
def stage() -> Stage:
    return Stage("images", "sd-llm", config.load(folder=ROOT))


def failures(count: int) -> list[Failure]:
    return [Failure(id=f"{number:012d}-0", class_name="cat", reason="the API refused", attempts=1)
            for number in range(count)]


def test_the_gate_lets_a_few_failures_through(stage: Stage) -> None:
    with stage.complete(planned=100, done=96, failures=failures(4)) as counted:
        assert counted == {"planned": 100, "done": 96, "failed": 4, "reasons": {"the API refused": 4}}


def test_the_gate_stops_at_too_many_failures_and_lists_the_reasons_after_they_are_written(
    stage: Stage, tmp_path: Path
) -> None:
    with (pytest.raises(UserError, match=r"6 of 100 images failed.*failures_allowed.*6 x the API refused"),
          stage.complete(planned=100, done=94, failures=failures(6)) as counted):
        write_json(tmp_path / "written.json", counted)
    assert read_json(tmp_path / "written.json")["reasons"] == {"the API refused": 6}


def test_the_gate_finds_images_that_are_unaccounted_for(stage: Stage) -> None:
    with (pytest.raises(RuntimeError, match="100 planned, 90 done, 2 failed"),
          stage.complete(planned=100, done=90, failures=failures(2))):
        raise AssertionError("nothing is to be written of them")


def test_the_clock_leaves_the_first_batch_out_of_the_rate() -> None:
    clock = timing.Clock()
    time.sleep(0.05)
    clock.lap(10)
    time.sleep(0.02)
    clock.lap(10)
    reading = clock.reading()
    assert reading["images"] == 20
    assert reading["images_per_second"] > 10 / 0.05
    assert reading["seconds"] >= 0.07


def test_of_two_workers_the_first_batch_of_each_is_left_out_of_the_rate() -> None:
    clock = timing.Clock()
    clock.workers = 2
    clock.answers = [(9.0, 10), (9.001, 10)]
    assert clock.reading()["images_per_second"] is None
    clock.answers += [(14.001, 10), (14.001, 10)]
    assert clock.reading()["images_per_second"] == pytest.approx(4.0)


class Sleeps:
    """Takes a tenth of a second a batch."""

    batch_size = 4

    def __call__(self, batch: Sequence[int]) -> list[int]:
        time.sleep(0.1)
        return list(batch)


def test_the_rate_is_of_the_engines_answers_and_not_of_the_burst_in_which_the_last_batches_are_finished(
    stage: Stage
) -> None:
    with stage.progress(12) as bar:
        assert len(list(stage.run(Sleeps(), range(12), Steps(lambda item: item), bar))) == 12
    reading = stage.clock.reading()
    assert reading["images"] == 12
    assert reading["images_per_second"] <= 4 / 0.1, "no faster than the engine sleeps"


def test_a_run_that_made_nothing_keeps_the_reading_of_the_run_that_did(tmp_path: Path, stage: Stage) -> None:
    path = tmp_path / "timing.json"
    busy, idle = timing.Clock(), timing.Clock()
    busy.lap(5)
    idle.reused = 5
    timing.save(path, busy, "images", "sd-llm", stage.params)
    before = path.read_bytes()
    timing.save(path, idle, "images", "sd-llm", stage.params)
    assert path.read_bytes() == before


def test_models_that_share_a_hardware_keep_clocks_of_their_own(tmp_path: Path, stage: Stage,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    for name, images in (("tiny", 5), ("hub", 2)):
        clock = timing.Clock()
        clock.lap(images)
        models = stage.params.models.model_copy(update={"name": name})
        timing.save(paths.timing_file("cpu", name, "images", "sd-llm"), clock, "images", "sd-llm",
                    stage.params.model_copy(update={"models": models}))
    rows = page.read([paths.timings()])
    assert [(row["hardware"], row["images"], row["share"]) for row in rows] == [("cpu, hub", 2, 1), ("cpu, tiny", 5, 1)]
    assert [row["hardware"] for row in page.read([paths.timings() / "cpu/hub"])] == ["cpu"]
