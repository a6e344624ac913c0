"""The same study gives the same bytes, whatever happened on the way: kills, edits, another order, a queued experiment.

What is compared: every file below data/ and results/, and dvc.lock as DVC reads it. The moments of the kills come from
a seed, which a failure prints.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
import study
import yaml
from study import SOURCE, git, lock, run, start, stored, tree

from t2ibench.records import Prompt, read_rows

SEED = 20261121
PLANNED = 18
IMAGES = f"images@{SOURCE}"


def kill_runner(process: subprocess.Popen[str]) -> None:
    """The stage alone: DVC sees that it failed."""
    if found := study.runner(process):
        found.kill()
    else:
        process.kill()


def kill_dvc(process: subprocess.Popen[str]) -> None:
    """DVC alone: its stage keeps running."""
    process.kill()


def kill_group(process: subprocess.Popen[str]) -> None:
    """All of it, as a machine's end does."""
    os.killpg(process.pid, signal.SIGKILL)


KILLS: list[Callable[[subprocess.Popen[str]], None]] = [kill_runner, kill_dvc, kill_group]


@pytest.fixture
def repository(finished: Path, tmp_path: Path) -> Path:
    """A finished study from which nothing is stored, so that another run has all of its images to make."""
    folder = study.copy(finished, tmp_path / "t2ibench")
    shutil.rmtree(folder / ".cache/items")
    return folder


@pytest.mark.parametrize("kill", KILLS)
def test_images_whose_making_was_killed_are_the_same_and_none_is_made_twice(
    finished: Path, repository: Path, kill: Callable[[subprocess.Popen[str]], None]
) -> None:
    seed = SEED + KILLS.index(kill)
    chance = random.Random(seed)
    process = start(repository, "dvc", "repro", "-f", "-s", IMAGES)
    study.until_stored(process, repository, chance.randrange(1, PLANNED))
    time.sleep(chance.uniform(0, 0.2))
    assert process.poll() is None, f"seed {seed}: it ended before it was killed"
    kill(process)
    process.wait()
    paid = stored(repository)
    run(repository, "dvc", "repro", "-f", "-s", IMAGES)
    now = stored(repository)
    assert {name: now[name] for name in paid} == paid, f"seed {seed}: something was paid twice"
    assert len(now) == PLANNED
    assert tree(repository, ["data/images"]) == tree(finished, ["data/images"]), f"seed {seed}"
    assert lock(repository) == lock(finished), f"seed {seed}"


def test_a_prompt_that_is_added_edited_removed_and_added_again_leaves_the_other_images_as_they_are(
    finished: Path, tmp_path: Path
) -> None:
    folder = study.copy(finished, tmp_path / "t2ibench")
    before = tree(folder, ["data/images", "data/prompts"])
    paid = stored(folder)
    captions = folder / "t2ibench/prompts/captions/hard-cases.json"
    content = captions.read_text()
    chosen, other = read_rows(folder / "data/prompts/coco/prompts.jsonl", Prompt)[:2]
    removed = json.loads(content)
    removed["annotations"] = [row for row in removed["annotations"] if row["id"] != chosen.origin["caption_id"]]
    edited = json.loads(content)
    for row in edited["annotations"]:
        if row["id"] == other.origin["caption_id"]:
            row["caption"] = f"One {other.class_name} near a red barn at noon."
    for changed in (removed, edited, json.loads(content)):
        captions.write_text(json.dumps(changed))
        run(folder, "dvc", "repro", IMAGES)
        now = tree(folder, ["data/images"])
        kept = [name for name in now if name.endswith(".png") and name in before]
        assert {name: now[name] for name in kept} == {name: before[name] for name in kept}
        assert len(kept) == PLANNED - 2 * (changed in (removed, edited)), "two images of one prompt"
    assert {name: stored(folder)[name] for name in paid} == paid, "something was paid twice"
    captions.write_text(content)
    run(folder, "dvc", "repro", IMAGES)
    assert tree(folder, ["data/images", "data/prompts"]) == before
    assert lock(folder) == lock(finished)


class Repro:
    """A `dvc repro` in the background, and the seconds since it began each of its stages."""

    def __init__(self, folder: Path) -> None:
        self.process = start(folder, "dvc", "repro", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.began: dict[str, float] = {}
        self.said: list[str] = []
        self._new = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._new:
                self.said.append(line)
                if line.startswith("Running stage '"):
                    self.began[line.split("'")[1]] = time.perf_counter()
                self._new.notify_all()

    def wait_for(self, stages: Collection[str]) -> None:
        """Returns when one of the stages has begun, or DVC has ended."""
        with self._new:
            while not self.began.keys() & set(stages) and self.process.poll() is None:
                self._new.wait(0.2)

    def finish(self) -> dict[str, float]:
        """Waits for its success; {stage: how long it took, in seconds}, in the order of the run."""
        code = self.process.wait()
        self._reader.join()
        assert code == 0, "".join(self.said)
        ends = [*list(self.began.values())[1:], time.perf_counter()]
        return {stage: end - begin for (stage, begin), end in zip(self.began.items(), ends, strict=True)}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """The study of two sources, run once from the start without a disturbance, and how long each stage took."""
    folder = study.create(tmp_path_factory.mktemp("two") / "t2ibench", study.TWO_SOURCES)
    return folder, Repro(folder).finish()


@pytest.mark.slow
def test_twenty_kills_spread_over_a_run_change_no_byte(two: tuple[Path, dict[str, float]], tmp_path: Path) -> None:
    undisturbed, seconds = two
    stages, chance = list(seconds), random.Random(SEED)
    chosen = sorted((place, chance.random()) for place in chance.choices(range(len(stages)), [*seconds.values()], k=20))
    folder = study.create(tmp_path / "t2ibench", study.TWO_SOURCES)
    paid: dict[str, int] = {}
    for number, (place, share) in enumerate(chosen):
        repro = Repro(folder)
        repro.wait_for(stages[place:])  # a stage whose runner outlived DVC may be done already
        # a stage is shorter where a killed one has left something, the last by the database
        early = 0.3 if place == len(stages) - 1 else 0.8
        time.sleep(share * early * seconds[stages[place]])
        assert repro.process.poll() is None, f"seed {SEED}: kill {number} came after the end: {''.join(repro.said)}"
        KILLS[number % len(KILLS)](repro.process)
        repro.process.wait()
        paid |= {name: when for name, when in stored(folder).items() if name not in paid}
    Repro(folder).finish()
    now = stored(folder)
    assert {name: now[name] for name in paid} == paid, f"seed {SEED}: something was paid twice"
    assert tree(folder) == tree(undisturbed), f"seed {SEED}"
    assert lock(folder) == lock(undisturbed), f"seed {SEED}"


@pytest.mark.slow
def test_another_order_of_sources_and_variants_changes_no_byte(
    two: tuple[Path, dict[str, float]], tmp_path: Path
) -> None:
    folder = study.create(tmp_path / "t2ibench", study.TWO_SOURCES)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    for section in ("sources", "variants", "prompts", "images"):
        params[section] = dict(reversed(params[section].items()))
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    Repro(folder).finish()
    assert tree(folder) == tree(two[0])
    assert lock(folder) == lock(two[0])


@pytest.mark.slow
def test_a_queued_experiment_gives_the_same_bytes(repository: Path, finished: Path) -> None:
    git(repository, "rm", "-q", "dvc.lock")
    git(repository, "commit", "-qm", "nothing has run")
    shutil.rmtree(repository / ".dvc/cache")
    run(repository, "dvc", "exp", "run", "--queue", "--name", "again", *(f"-S{one}" for one in study.SMALL))
    run(repository, "dvc", "exp", "run", "--run-all")
    assert len(stored(repository)) >= PLANNED, "it made its images itself"
    experiments = git(repository, "for-each-ref", "--format=%(refname)", "refs/exps").splitlines()
    (name,) = (one for one in experiments if one.endswith("/again"))
    assert yaml.safe_load(git(repository, "show", f"{name}:dvc.lock")) == lock(finished), "every out by its digest"
