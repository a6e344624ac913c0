"""Ctrl-C and SIGTERM: the run ends within five seconds, the terminal is as it was, and what is finished is kept."""

import fcntl
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import study
from study import SOURCE, environment, finish, lock, run, start, stored, tree

LIMIT_SECONDS = 5
IMAGES = f"images@{SOURCE}"
FOLDER = f"data/images/{SOURCE}"
SENTENCE = "images was stopped; what is finished is kept, dvc repro goes on from there"
HIDE, SHOW, BAR = "\x1b[?25l", "\x1b[?25h", "━"


class Terminal:
    """A command in the foreground of a terminal of its own."""

    def __init__(self, folder: Path, *command: str, **more: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=folder, env=environment(folder) | {"TERM": "xterm"} | more,
            stdin=slave, stdout=slave, stderr=slave, text=True, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.shown = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        try:
            while part := os.read(self.master, 65536):
                self.shown += part.decode(errors="replace")
        except OSError:  # how Linux says that nobody holds the terminal any more
            return

    def wait_until(self, holds: Callable[[], object]) -> None:
        """Returns when `holds` does. Raises AssertionError where the command ends before."""
        while not holds():
            assert self.process.poll() is None, self.shown
            time.sleep(0.01)

    def interrupt(self) -> float:
        """Ctrl-C on the keyboard; the seconds until nothing of the command is left."""
        pressed = time.perf_counter()
        os.write(self.master, b"\x03")
        self.process.wait()
        self._reader.join()
        os.close(self.master)
        return time.perf_counter() - pressed


def is_clean(shown: str) -> None:
    """No traceback, the cursor is there, and no bar stands where the prompt will be."""
    assert "Traceback" not in shown, shown
    assert shown.rfind(SHOW) >= shown.rfind(HIDE), "the cursor is hidden"
    assert BAR not in shown[shown.rfind(SHOW):], shown


@pytest.fixture
def repository(finished: Path, tmp_path: Path) -> Path:
    folder = study.copy(finished, tmp_path / "t2ibench")
    shutil.rmtree(folder / ".cache/items")
    return folder


def maps(process: subprocess.Popen[str], library: str) -> bool:
    """Whether the stage that a `dvc repro` runs has loaded a library."""
    found = study.runner(process)
    return found is not None and library in Path(f"/proc/{found.pid}/maps").read_text()


MOMENTS: dict[str, Callable[[Terminal, Path], object]] = {
    "imports": lambda terminal, _: maps(terminal.process, "_pydantic_core"),
    "the model's libraries": lambda terminal, _: maps(terminal.process, "libtorch"),
    "the first batch": lambda terminal, _: terminal.shown.count(HIDE) and maps(terminal.process, "_image"),
    "storing": lambda _, folder: stored(folder),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_ends_a_run_and_the_next_one_goes_on(finished: Path, repository: Path, moment: str) -> None:
    terminal = Terminal(repository, "dvc", "repro", "-f", "-s", IMAGES)
    terminal.wait_until(lambda: MOMENTS[moment](terminal, repository))
    seconds = terminal.interrupt()
    assert seconds < LIMIT_SECONDS, f"{seconds:.1f} s after {moment}"
    assert terminal.process.returncode != 0
    assert SENTENCE in terminal.shown, terminal.shown
    is_clean(terminal.shown)
    paid = stored(repository)
    run(repository, "dvc", "repro", "-f", "-s", IMAGES)
    assert {name: stored(repository)[name] for name in paid} == paid
    assert tree(repository, [FOLDER]) == tree(finished, [FOLDER])
    assert lock(repository) == lock(finished)


def test_ctrl_c_ends_a_wait_for_an_api_that_does_not_answer(repository: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        port = silent.getsockname()[1]
        terminal = Terminal(
            repository, "experiments.images", SOURCE, f"sources.{SOURCE}.images=openai", "images.openai.server=null",
            f"images.openai.base_url=http://127.0.0.1:{port}/v1", "images.openai.model=any",
            OPENAI_API_KEY="sk-of-this-test", NO_PROXY="127.0.0.1")
        silent.accept()
        seconds = terminal.interrupt()
    assert seconds < LIMIT_SECONDS, f"{seconds:.1f} s"
    assert terminal.process.returncode == 130
    assert SENTENCE in terminal.shown
    is_clean(terminal.shown)


def test_a_stage_that_is_terminated_says_so_and_keeps_what_is_finished(finished: Path, repository: Path) -> None:
    process = start(repository, "experiments.images", SOURCE, stderr=subprocess.PIPE)
    study.until_stored(process, repository, 1)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert SENTENCE in said and "Traceback" not in said
    paid = stored(repository)
    code, said = finish(repository, "experiments.images", SOURCE)
    assert code == 0 and f"{len(paid)} reused" in said
    assert {name: stored(repository)[name] for name in paid} == paid
    assert tree(repository, [FOLDER]) == tree(finished, [FOLDER])
