"""How far a stage is: a bar in a terminal, a line every 30 seconds in a log file or in CI."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY_SECONDS = 30


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
    start, counts = time.perf_counter(), {"done": 0, "reused": 0, "failed": 0}
    with Progress(*columns, console=console) as shown:
        task = shown.add_task(title, total=total, note="")

        def bar(images: int, *, reused: int = 0, failed: int = 0) -> None:
            _count(counts, images, reused, failed)
            shown.update(task, completed=sum(counts.values()), note=_note(counts, start))

        yield bar


@contextmanager
def _log(title: str, total: int) -> Iterator[Bar]:
    start, counts = time.perf_counter(), {"done": 0, "reused": 0, "failed": 0}
    said = [start]

    def bar(images: int, *, reused: int = 0, failed: int = 0) -> None:
        _count(counts, images, reused, failed)
        if time.perf_counter() - said[0] >= LINE_EVERY_SECONDS:
            said[0] = time.perf_counter()
            print(f"{title}: {sum(counts.values())}/{total}, {_note(counts, start)}", file=sys.stderr, flush=True)

    yield bar
    print(f"{title}: {sum(counts.values())}/{total}, {_note(counts, start)}", file=sys.stderr, flush=True)


def _count(counts: dict[str, int], done: int, reused: int, failed: int) -> None:
    for key, more in (("done", done), ("reused", reused), ("failed", failed)):
        counts[key] += more


def _note(counts: dict[str, int], start: float) -> str:
    rate = counts["done"] / max(time.perf_counter() - start, 1e-9)
    words = [f"{rate:.1f} images/s"] if counts["done"] else []
    return ", ".join(words + [f"{counts[key]} {key}" for key in ("reused", "failed") if counts[key]])
