"""progress: a bar in a terminal, a line every half minute elsewhere, and both say what a waiting person asks."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from t2ibench.harness import config
from t2ibench.harness.make import Task, make
from t2ibench.harness.progress import Count, duration, progress
from t2ibench.harness.stage import Stage
from t2ibench.images import Refused

ROOT = Path(__file__).parents[1]
WORK = """
import sys, time
from t2ibench.harness.progress import progress
with progress("images sd-llm", 40, every=0.2) as bar:
    bar(0, reused=8)
    for _ in range(6):
        time.sleep(0.15)
        bar(3, failed=1)
    {ending}
"""


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("CI", "COLUMNS", "NO_COLOR", "TERM")}
    return kept | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color"} | more


def on_a_terminal(ending: str, **more: str) -> str:
    """What a program with a terminal of 120 columns wrote to it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = subprocess.Popen([sys.executable, "-c", WORK.format(ending=ending)], stderr=theirs, stdout=theirs,
                               stdin=theirs, env=environment(**more))
    os.close(theirs)
    found = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how a terminal says that its last program has ended
            break
        if not part:
            break
        found += part
    os.close(ours)
    process.wait(timeout=60)
    return found.decode()


def plain(text: str) -> str:
    """Without colours and movements."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_a_terminal_has_a_bar_with_done_reused_failed_speed_and_time_left() -> None:
    said = on_a_terminal("pass")
    shown = plain(said)
    assert "images sd-llm" in shown
    assert "━" in shown
    assert re.search(r"8/40 .*8 reused", shown), "what was reused is there at once"
    assert re.search(r"28/40 \d[\d.]* images/s, 15 done, 8 reused, 5 failed (\d+|< 1) s left", shown)
    assert re.search(r"32/40 \d[\d.]* images/s, 18 done, 8 reused, 6 failed", shown)
    assert said.rstrip().endswith("\x1b[?25h"), "the cursor is back"


def test_a_bar_that_an_error_ends_gives_the_cursor_back() -> None:
    said = on_a_terminal("raise SystemExit('no room')")
    assert "no room" in said
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l")


def test_in_ci_and_on_a_terminal_that_cannot_move_there_are_lines() -> None:
    for more in ({"CI": "true"}, {"TERM": "dumb"}):
        said = on_a_terminal("pass", **more)
        assert "\x1b" not in said
        assert said.splitlines()[-1].startswith("images sd-llm: 32/40, ")


def lines(captured: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in captured.readouterr().err.splitlines() if line.startswith("images")]


def test_a_log_has_a_line_in_every_interval_and_one_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("images sd-llm", 24, every=0.2) as bar:
        bar(0, reused=4)
        for _ in range(5):
            time.sleep(0.1)
            bar(3, failed=1)
    found = lines(capsys)
    assert len(found) >= 3
    assert re.fullmatch(r"images sd-llm: \d+/24, .*4 reused.* so far, .*(left|second batch)", found[0])
    speed = r"\d[\d.]* images/s, 15 done, 4 reused, 5 failed, (\d+|< 1) s so far"
    assert re.fullmatch(rf"images sd-llm: 24/24, {speed}", found[-1])


def test_a_batch_that_outlasts_the_interval_is_told_while_it_lasts(capsys: pytest.CaptureFixture[str]) -> None:
    before = threading.active_count()
    with progress("images sd-llm", 16, every=0.1) as bar:
        until_said = time.monotonic() + 30
        said: list[str] = []
        while len(said) < 2 and time.monotonic() < until_said:  # one long batch: nobody calls the bar
            time.sleep(0.02)
            said += lines(capsys)
        assert len(said) >= 2
        assert "images sd-llm: 0/16" in said[0]
        assert said[0].endswith("time left not known before the second batch")
        bar(4)
        time.sleep(0.05)
        bar(4)
        said = []
        while not said and time.monotonic() < until_said:
            time.sleep(0.02)
            said = lines(capsys)
        assert re.search(r"8/16, \d[\d.]* images/s, 8 done, (\d+|< 1) s so far, < 1 s left$", said[0])
    assert threading.active_count() == before, "the thread has ended"


def test_an_error_ends_the_lines_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    before, start = threading.active_count(), time.monotonic()
    with pytest.raises(OSError), progress("images sd-llm", 16, every=600):
        raise OSError("no room")
    assert threading.active_count() == before
    assert time.monotonic() - start < 60, "it does not wait for its interval"
    assert lines(capsys) == []


def test_time_left_is_of_this_runs_batches_and_counts_down_while_one_is_at_work() -> None:
    count = Count(100)
    count(0, reused=60)
    assert count.left(count.last) is None, "what was reused took no time and foretells none"
    count(10)
    assert count.rate is None
    count(8, failed=2)
    count.first = count.last - 5
    assert count.rate == pytest.approx(2.0)
    assert count.left(count.last) == pytest.approx(10.0)
    assert count.left(count.last + 4) == pytest.approx(6.0)
    assert count.left(count.last + 60) == 0.0
    assert count.words() == "2 images/s, 18 done, 60 reused, 2 failed"


def test_the_burst_of_the_last_batch_does_not_count_as_speed() -> None:
    count = Count(30)
    count(10)
    count(10)
    count.first = count.last - 5
    count(10)
    assert (count.rate, count.seen) == (pytest.approx(2.0), 30)


def test_each_workers_first_batch_is_no_measure_of_speed() -> None:
    count = Count(100, workers=2)
    count(10)
    count(10)
    assert count.rate is None, "they came at the same moment, and say how long loading took"
    count(10)
    count.first = count.last - 5
    assert count.rate == pytest.approx(2.0)


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "< 1 s"), (40, "40 s"), (600, "10 min"), (3.4 * 3600, "3.4 h")])
def test_durations_are_short(seconds: float, words: str) -> None:
    assert duration(seconds) == words


class Half:
    """Refuses every second input."""

    batch_size = 4

    def __call__(self, batch: Sequence[int]) -> list[bytes | Refused]:
        return [Refused("odd", 1) if one % 2 else b"even" for one in batch]


def test_what_an_engine_refused_is_counted_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    stage = Stage("images", "sd-llm", config.load(folder=ROOT))
    tasks = [Task(f"{number}-0", "cat", f"{number:064x}", number) for number in range(6)]
    items, failures = make(stage, tasks, Half(), lambda task: task.input,
                           lambda result: result if isinstance(result, Refused) else (result, {}))
    assert (len(items), len(failures)) == (3, 3)
    assert "6/6, " in (last := lines(capsys)[-1]) and "3 done, 3 failed" in last
    assert stage.clock.reading()["images"] == 3
