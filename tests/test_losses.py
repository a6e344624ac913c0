"""Nothing is lost: full and read-only disks, tampered files, two runs at once, stale locks, clocks that go backwards,
too little memory. Each fault is a real one, and each ends the same way: a clear sentence, exit code 2 where the run
cannot go on, nothing half-written that looks whole, and the right bytes from the next run.

Kills are in test_identity.py, signals in test_signals.py, MLflow's database in test_track.py, the API in
test_api_faults.py.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import disks
import pytest
import study
from study import SOURCE, finish, lock, run, start, stored, tree

from t2ibench.records import read_json

IMAGES = f"images@{SOURCE}"
STAGE = ("experiments.images", SOURCE)
FOLDER = f"data/images/{SOURCE}"
PLANNED = 18


@pytest.fixture
def repository(finished: Path, tmp_path: Path) -> Path:
    """A finished study of which the images are gone: nothing of them is stored, and their folder is not there."""
    folder = study.copy(finished, tmp_path / "t2ibench")
    shutil.rmtree(folder / ".cache/items")
    shutil.rmtree(folder / FOLDER)
    return folder


def is_told(code: int, said: str, *words: str) -> None:
    """The fault is told in a sentence with these words."""
    assert code == 2, said
    assert "Traceback" not in said, said
    for word in words:
        assert word in said, said


def test_a_full_disk_is_told_and_what_is_finished_is_kept(finished: Path, repository: Path) -> None:
    shutil.rmtree(repository / ".cache")
    with disks.small(repository / ".cache", room=160 * 1024) as disk:
        code, said = finish(repository, *STAGE, under=disk.under)
        is_told(code, said, "cannot write", "No space left on device" if disk.mounted else "File too large",
                "is kept", "make room")
        assert not (repository / FOLDER).exists()
        disk.enlarge()
        code, said = finish(repository, *STAGE, under=disk.under)
        assert code == 0, said
        assert (f"{PLANNED}/{PLANNED}" in said) and ("reused" in said) == disk.mounted, said
    assert tree(repository, [FOLDER]) == tree(finished, [FOLDER])


def test_a_read_only_disk_is_told_before_anything_is_made(finished: Path, repository: Path) -> None:
    with disks.read_only(repository / ".cache") as under:
        is_told(*finish(repository, *STAGE, under=under), "cannot write", ".cache", "make it writable")
    assert stored(repository) == {}
    run(repository, *STAGE)
    assert tree(repository, [FOLDER]) == tree(finished, [FOLDER])


def test_a_folder_that_one_may_not_write_is_told_and_its_images_are_not_made_twice(
    finished: Path, repository: Path
) -> None:
    with disks.permissions(repository / "data/images") as under:
        is_told(*finish(repository, *STAGE, under=under), "cannot write", FOLDER, "Permission denied",
                "make it writable")
    paid = stored(repository)
    assert len(paid) == PLANNED
    run(repository, *STAGE)
    assert stored(repository) == paid
    assert tree(repository, [FOLDER]) == tree(finished, [FOLDER])


def test_an_image_that_root_changed_in_place_is_told_and_made_again_everywhere(
    finished: Path, tmp_path: Path
) -> None:
    """One inode is the stored item, DVC's cache and the out, and DVC trusts a read-only file without looking."""
    folder = study.copy(finished, tmp_path / "t2ibench")
    victim = next((folder / FOLDER).rglob("*.png"))
    mode = victim.stat().st_mode
    assert victim.stat().st_nlink > 2
    victim.chmod(0o644)
    with victim.open("r+b") as file:
        file.seek(200)
        file.write(b"another picture's bytes")
    victim.chmod(mode)
    is_told(*finish(folder, "experiments.filter", SOURCE), f"{victim.name} is damaged", f"dvc repro -f {IMAGES}")
    run(folder, "dvc", "repro", "-f", "-s", IMAGES)
    assert tree(folder, [FOLDER]) == tree(finished, [FOLDER])
    assert lock(folder) == lock(finished)
    run(folder, "dvc", "checkout", "--relink", IMAGES)
    assert tree(folder, [FOLDER]) == tree(finished, [FOLDER])


def stopped_runner(process: subprocess.Popen[str], repository: Path) -> int:
    """Stops the stage of a `dvc repro` in the middle of its work; its process id."""
    study.until_stored(process, repository, 1)
    found = study.runner(process)
    assert found is not None
    found.send_signal(signal.SIGSTOP)
    return int(found.pid)


def test_a_second_run_beside_the_first_says_who_is_at_work_and_spoils_nothing(
    finished: Path, repository: Path
) -> None:
    first = start(repository, "dvc", "repro", "-f", "-s", IMAGES)
    child = stopped_runner(first, repository)
    paid = stored(repository)
    code, said = finish(repository, "dvc", "repro", "-f", "-s", IMAGES)
    os.kill(child, signal.SIGCONT)
    assert code != 0
    assert "busy" in said and f"(PID {first.pid})" in said, said
    assert first.wait() == 0
    assert {name: stored(repository)[name] for name in paid} == paid
    assert tree(repository, [FOLDER]) == tree(finished, [FOLDER])
    assert lock(repository) == lock(finished)


def test_a_run_waits_for_the_stage_that_a_killed_dvc_left_at_work(finished: Path, repository: Path) -> None:
    first = start(repository, "dvc", "repro", "-f", "-s", IMAGES)
    child = stopped_runner(first, repository)
    first.kill()
    first.wait()
    paid = stored(repository)
    second = start(repository, "dvc", "repro", "-f", "-s", IMAGES, stderr=subprocess.PIPE)
    assert second.stderr is not None
    for line in second.stderr:
        if "another process works on" in line:
            assert f"images {SOURCE} (process {child}); waiting for it" in line
            break
    else:
        raise AssertionError("the second run did not wait")
    os.kill(child, signal.SIGCONT)
    second.stderr.read()
    assert second.wait() == 0
    now = stored(repository)
    assert {name: now[name] for name in paid} == paid
    assert len(now) == PLANNED
    assert tree(repository, [FOLDER]) == tree(finished, [FOLDER])


def test_locks_of_processes_that_are_dead_hold_nobody_up(finished: Path, repository: Path) -> None:
    with subprocess.Popen(["true"]) as dead:
        pass
    out = str(repository / FOLDER)
    (repository / ".dvc/tmp/rwlock").write_text(json.dumps({"write": {out: {"pid": dead.pid, "cmd": "dvc repro"}}}))
    (repository / f".cache/locks/images-{SOURCE}.lock").write_text(f"{dead.pid}\n")
    said = run(repository, "dvc", "repro", "-f", "-s", IMAGES)
    assert "waiting" not in said
    assert tree(repository, [FOLDER]) == tree(finished, [FOLDER])


BACKWARDS = """import time
real, began = time.time, time.time()
time.time = lambda: began - 3600 - (real() - began)
time.time_ns = lambda: int(time.time() * 1e9)
"""


def test_a_clock_that_goes_backwards_changes_no_byte_and_no_duration(finished: Path, repository: Path) -> None:
    for path in [*(repository / "data").rglob("*"), *(repository / ".dvc").rglob("*")]:
        os.utime(path, (time.time() + 86400,) * 2)  # written before the clock went back by a day
    (repository / "sitecustomize.py").write_text(BACKWARDS)
    said = run(repository, "dvc", "repro", "-f", "-s", IMAGES, f"filter@{SOURCE}")
    assert f"Running stage '{IMAGES}'" in said
    reading = read_json(repository / f".cache/timings/cpu/tiny/images/{SOURCE}.json")
    assert reading["seconds"] > 0 and reading["images_per_second"] > 0
    assert tree(repository, ["data/images", "data/filter"]) == tree(
        finished, ["data/images", "data/filter"])
    assert lock(repository) == lock(finished)
    assert "up to date" in run(repository, "dvc", "repro", IMAGES)


PEAK = """import atexit, pathlib
status = pathlib.Path("/proc/self/status")
atexit.register(lambda: pathlib.Path("peak").write_text(status.read_text()))
"""


def test_a_batch_that_does_not_fit_the_memory_is_halved_and_the_study_goes_on(repository: Path) -> None:
    (repository / "sitecustomize.py").write_text(PEAK)
    small = (*STAGE, "hardware.threads=1", "images.sd.steps=1")
    run(repository, *small)
    peak = next(line for line in (repository / "peak").read_text().splitlines() if line.startswith("VmPeak"))
    room = int(peak.split()[1]) * 1024 + 2**30  # glibc gives little address space back after a batch that failed
    shutil.rmtree(repository / ".cache/items")
    code, said = finish(repository, *small, "hardware.batch_size.images=2048", under=["prlimit", f"--as={room}"])
    assert code == 0, said
    assert "a batch of 2048 does not fit the memory; going on with 1024" in said
    used = read_json(repository / f".cache/timings/cpu/tiny/images/{SOURCE}.json")["batch_size"]
    halved = tree(repository, [FOLDER])
    shutil.rmtree(repository / ".cache/items")
    run(repository, *small, f"hardware.batch_size.images={used}")
    assert tree(repository, [FOLDER]) == halved
