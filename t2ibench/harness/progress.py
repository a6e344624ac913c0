"""How far a stage is: a bar in a terminal, a line every 30 seconds in a log file or in CI."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY_SECONDS = 30


class Rate:
    """Images per second since the first batch was done: loading and warm-up are left out."""

    def __init__(self) -> None:
        self.first, self.last, self.images, self.batches = 0.0, 0.0, 0, 0

    def add(self, images: int) -> None:
        """Counts a batch."""
        if images:
            self.last, self.batches = time.perf_counter(), self.batches + 1
            if self.batches == 1:
                self.first = self.last
            else:
                self.images += images

    @property
    def value(self) -> float | None:
        """None until two batches are done."""
        return self.images / max(self.last - self.first, 1e-9) if self.batches > 1 else None


class Bar(Protocol):
    """Counts what is done."""

    def __call__(self, images: int, *, reused: int = 0, failed: int = 0) -> None: ...


@contextmanager
def progress(title: str, total: int) -> Iterator[Bar]:
    """A bar of `total` images; call it with the images that were done, reused or failed since the last call."""
    console = Console(file=sys.stderr)
    with _terminal(console, title, total) if console.is_terminal else _log(title, total) as bar:
        yield bar


@contextmanager
def _terminal(console: Console, title: str, total: int) -> Iterator[Bar]:
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(),
               TextColumn("{task.fields[note]}"), TimeRemainingColumn(compact=True))
    counts, rate = {"done": 0, "reused": 0, "failed": 0}, Rate()
    with Progress(*columns, console=console) as shown:
        task = shown.add_task(title, total=total, note="")

        def bar(images: int, *, reused: int = 0, failed: int = 0) -> None:
            _count(counts, images, reused, failed)
            rate.add(images)
            shown.update(task, completed=sum(counts.values()), note=_note(counts, rate))

        yield bar


@contextmanager
def _log(title: str, total: int) -> Iterator[Bar]:
    counts, rate = {"done": 0, "reused": 0, "failed": 0}, Rate()
    said = [time.perf_counter()]

    def bar(images: int, *, reused: int = 0, failed: int = 0) -> None:
        _count(counts, images, reused, failed)
        rate.add(images)
        if time.perf_counter() - said[0] >= LINE_EVERY_SECONDS:
            said[0] = time.perf_counter()
            print(f"{title}: {sum(counts.values())}/{total}, {_note(counts, rate)}", file=sys.stderr, flush=True)

    yield bar
    print(f"{title}: {sum(counts.values())}/{total}, {_note(counts, rate)}", file=sys.stderr, flush=True)


def _count(counts: dict[str, int], done: int, reused: int, failed: int) -> None:
    for key, more in (("done", done), ("reused", reused), ("failed", failed)):
        counts[key] += more


def _note(counts: dict[str, int], rate: Rate) -> str:
    words = [f"{rate.value:.1f} images/s"] if rate.value else []
    return ", ".join(words + [f"{counts[key]} {key}" for key in ("reused", "failed") if counts[key]])
