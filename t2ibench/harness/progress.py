"""How far a stage is: a bar in a terminal; in a log file or in CI a line every 30 seconds, from a thread of its own, so
that a batch of many minutes says that it is alive. Both tell images done, reused and failed, images per second and the
time left, from the batches of this run alone: what was reused took no time."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from t2ibench.harness import interrupt

LINE_EVERY_SECONDS = 30.0


class Bar(Protocol):
    """Counts what is done."""

    def __call__(self, images: int, *, reused: int = 0, failed: int = 0) -> None: ...


class Count:
    """What is known of a stage's progress. Seconds of `now` are of `time.perf_counter`; workers: that are at work at
    once."""

    def __init__(self, total: int, workers: int = 1) -> None:
        self.total, self.done, self.reused, self.failed = total, 0, 0, 0
        self.start = self.first = self.last = time.perf_counter()
        self.worked = self.in_first = 0
        self.loading = workers

    def __call__(self, images: int, *, reused: int = 0, failed: int = 0) -> None:
        self.done, self.reused, self.failed = self.done + images, self.reused + reused, self.failed + failed
        if images + failed and self.seen < self.total:  # the last batches come in a burst, and say nothing of the speed
            self.last = time.perf_counter()
            self.worked += images + failed
            if self.loading:
                self.first, self.in_first, self.loading = self.last, self.worked, self.loading - 1

    @property
    def seen(self) -> int:
        """Images that need no more work: done, reused or failed."""
        return self.done + self.reused + self.failed

    @property
    def rate(self) -> float | None:
        """Images per second since every worker's first batch was done, so without loading and warm-up; None before."""
        steady = self.worked - self.in_first
        return steady / max(self.last - self.first, 1e-9) if steady else None

    def left(self, now: float) -> float | None:
        """Seconds until all images are done; None where no rate is known."""
        return None if self.rate is None else max((self.total - self.seen) / self.rate - (now - self.last), 0.0)

    def words(self) -> str:
        """`1.5 images/s, 40 done, 8 reused, 2 failed`, without what is not there."""
        counts = {"done": self.done, "reused": self.reused, "failed": self.failed}
        return ", ".join([*([f"{self.rate:.3g} images/s"] if self.rate else []),
                          *(f"{count} {word}" for word, count in counts.items() if count)])

    def line(self, now: float) -> str:
        """The line of a log: `16/400, 1.5 images/s, 16 done, 40 s so far, 4 min left`."""
        left = self.left(now)
        time_left = f"{duration(left)} left" if left is not None else "time left not known before the second batch"
        spent = f"{duration(now - self.start)} so far"
        return ", ".join(filter(None, [f"{self.seen}/{self.total}", self.words(), spent,
                                       time_left if self.seen < self.total else ""]))


def duration(seconds: float) -> str:
    """`< 1 s`, `40 s`, `12 min`, `3.4 h`."""
    return "< 1 s" if seconds < 1 else f"{seconds:.0f} s" if seconds < 120 else (
        f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h")


@contextmanager
def progress(title: str, total: int, workers: int = 1, every: float = LINE_EVERY_SECONDS) -> Iterator[Bar]:
    """A bar of `total` images; call it with the images that were done, reused or failed since the last call.

    workers: that are at work at once; every: seconds between the lines, where stderr is no terminal or the environment
    says CI.
    """
    live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")
    count = Count(total, workers)
    with _terminal(title, count) if live else _log(title, count, every) as bar:
        yield bar


class _Left(ProgressColumn):
    """The time left, counted down while a batch is at work."""

    def __init__(self, count: Count) -> None:
        self.count = count
        super().__init__()

    def render(self, task: Task) -> Text:
        left = self.count.left(time.perf_counter())
        return Text("" if left is None or self.count.seen >= self.count.total else f"{duration(left)} left")


@contextmanager
def _terminal(title: str, count: Count) -> Iterator[Bar]:
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(),
               TextColumn("{task.fields[words]}"), _Left(count))
    with Progress(*columns, console=Console(file=sys.stderr)) as shown, interrupt.closing(lambda: _erase(shown)):
        task = shown.add_task(title, total=count.total, words="")

        def bar(images: int, *, reused: int = 0, failed: int = 0) -> None:
            count(images, reused=reused, failed=failed)
            shown.update(task, completed=count.seen, words=count.words())

        try:
            yield bar
        except KeyboardInterrupt:
            _erase(shown)
            raise


def _erase(shown: Progress) -> None:
    """Takes the bar off the terminal and shows the cursor again."""
    shown.live.transient = True
    shown.stop()


@contextmanager
def _log(title: str, count: Count, every: float) -> Iterator[Bar]:
    ended = threading.Event()

    def say() -> None:
        sys.stderr.write(f"{title}: {count.line(time.perf_counter())}\n")  # in one piece: others write here too
        sys.stderr.flush()

    def repeat() -> None:
        while not ended.wait(every):
            say()

    thread = threading.Thread(target=repeat, name="progress", daemon=True)
    thread.start()
    try:
        yield count
    finally:
        ended.set()
        thread.join()
    say()
