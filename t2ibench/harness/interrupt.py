"""Ctrl-C and SIGTERM: a stage ends within seconds, in one sentence, and leaves the terminal as it was.

What is finished lies whole in .cache/items, so little is waited for: what is being written, and for GRACE_SECONDS the
answers of an API that are under way. Standard library only: `experiments` imports this before all else.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

GRACE_SECONDS = 2.5
SIGNALS = (signal.SIGINT, signal.SIGTERM)

_closers: list[Callable[[], object]] = []
_received: list[int] = []


def leave_at_once() -> None:
    """From here on a signal ends the process in one sentence: nothing has begun."""
    for number in SIGNALS:
        signal.signal(number, _leave)


def unwind() -> None:
    """From here on a signal is a KeyboardInterrupt in the main thread; where that ends nothing in time, `end` does."""
    for number in SIGNALS:
        signal.signal(number, _raise)


def received() -> bool:
    """Whether a signal has come: whatever error follows is its consequence."""
    return bool(_received)


@contextmanager
def closing(close: Callable[[], object]) -> Iterator[None]:
    """Within, `close` is what tidies the terminal where the process cannot unwind."""
    _closers.append(close)
    try:
        yield
    finally:
        _closers.remove(close)


def end() -> NoReturn:
    """Tidies the terminal, says one sentence, ends the process with 128 + the signal. Threads may be in the middle of a
    batch: nothing of theirs is worth waiting for."""
    for close in list(_closers):
        close()
    word = sys.argv[0].removesuffix(".py").rpartition("/")[2] if sys.argv[0] != "-m" else "the stage"
    print(f"t2ibench: {word} was stopped; what is finished is kept, dvc repro goes on from there", file=sys.stderr,
          flush=True)
    os._exit(128 + (_received or [signal.SIGINT])[0])


def _leave(number: int, _: FrameType | None) -> None:
    _received.append(number)
    end()


def _raise(number: int, _: FrameType | None) -> None:
    for each in SIGNALS:  # one is enough: a second Ctrl-C must not cut off the tidying
        signal.signal(each, signal.SIG_IGN)
    _received.append(number)
    forced = threading.Timer(GRACE_SECONDS, end)
    forced.daemon = True
    forced.start()
    raise KeyboardInterrupt
