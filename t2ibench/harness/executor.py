"""The loop: work in fixed-shape batches; threads load ahead of the model, and finish and store behind it.

Every batch has exactly the engine's batch size, padded by repeating its last input, because a model's rounding
depends on the batch's shape: so neighbours, order, resumption and edits cannot change a result.

A batch that does not fit the memory is halved, and so are all that follow: the plan stays, batches are of one shape
again, and only the rounding may be another (which a sampler amplifies). It shows at the first batch, as all are alike.

A runner does not know where its batches run: `Stage.run` asks the executor that params.yaml names. `Serial`, here, is
this process; `cluster.Ray` is as many as there are.
"""

import ctypes
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from t2ibench.errors import MissingError

T = TypeVar("T")
Progress = Callable[[int], None]
AHEAD = 2
"""Batches whose inputs are loaded while the model works on another."""

BEHIND = 2
"""Batches whose results are being finished while the model works on another; it waits for the oldest of more."""

THREADS = min(4, os.cpu_count() or 1)
"""That load, and as many that finish: Pillow's codecs and the disk work beside Python."""

ALLOCATOR = ("DefaultCPUAllocator", "could not create a primitive", "CUBLAS_STATUS_ALLOC_FAILED",
             "CUDNN_STATUS_ALLOC_FAILED")
"""What torch says in a plain RuntimeError where memory is short: the CPU's allocator, oneDNN, CUDA's own libraries."""


class Engine(Protocol):
    """A batch function: `batch_size` inputs in, as many results out, result i depending on input i only.

    The executor lowers `batch_size` where memory is short; the engine then gets so many inputs. One that is a context
    manager is open while it is called. One whose `at_home` is true runs in the stage's own process, whatever the
    executor: it waits for an API or for files of this machine, and keeps count of what it asks for.
    """

    batch_size: int

    def __call__(self, batch: Any, /) -> Sequence[Any]: ...


def as_it_is(_: Any, result: Any) -> Any:
    """Finishes or stores nothing."""
    return result


def nothing(_: int) -> None:
    """Says nothing."""


@dataclass(frozen=True)
class Steps:
    """What is done with an item around the engine, each step in threads beside it, so none may share unlocked state.

    load: item -> the engine's input. finish: item and result -> what is worth keeping (a picture encoded, a mask
    drawn). store: item and what `finish` gave -> what the runner gets; it alone writes, where the stage's folders are.
    """

    load: Callable[[Any], Any]
    finish: Callable[[Any, Any], Any] = as_it_is
    store: Callable[[Any, Any], Any] = as_it_is
    answered: Progress = nothing
    """Told how many items the engine has answered: a batch counts as done later, when it is finished and stored."""


class Executor(Protocol):
    """Where batches run. Its class is named by params.yaml's `executor`; none of its settings decides a result."""

    def __call__(self, engine: Engine, items: Sequence[T], steps: Steps, done: Progress,
                 smaller: Progress) -> Iterator[tuple[T, Any]]:
        """(item, what `store` gave) for every item, in any order; memory does not grow with the items."""


class Serial:
    """One batch after another in the stage's own process."""

    def __call__(self, engine: Engine, items: Sequence[T], steps: Steps, done: Progress,
                 smaller: Progress) -> Iterator[tuple[T, Any]]:
        def keep(item: T, result: Any) -> Any:
            return steps.store(item, steps.finish(item, result))

        with opened(engine):
            yield from run(engine, items, steps.load, done, smaller, keep, steps.answered)


def opened(engine: Engine) -> AbstractContextManager[Any]:
    """Opens an engine that is a context manager; nothing for others."""
    return engine if isinstance(engine, AbstractContextManager) else nullcontext()


def batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """Cuts a list into lists of `size`; the last may be shorter."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def run(engine: Engine, items: Sequence[T], load: Callable[[T], Any], done: Progress, smaller: Progress | None = None,
        finish: Callable[[T, Any], Any] = as_it_is, answered: Progress = nothing) -> Iterator[tuple[T, Any]]:
    """Yields (item, what `finish` made of its result) for every item, batch by batch.

    load: turns an item into the engine's input, in threads ahead of the model; finish: works in threads behind it;
    `answered(n)` is called when the engine has answered a batch of n items, `done(n)` when it is finished,
    `smaller(size)` where batches are halved to `size`. Inputs that are arrays are batched by their shape. An error of a
    step ends the loop within `BEHIND` batches; what the model has answered by then is finished all the same.
    Raises MissingError where not even one item fits the memory.
    """
    behind: deque[list[tuple[T, Future[Any]]]] = deque()
    with ThreadPoolExecutor(THREADS, "finish") as pool, closing(_loaded(items, load, engine)) as groups:
        for group in groups:
            while group:
                now = group[: engine.batch_size]
                inputs = [value for _, value in now]
                results = _answer(engine, inputs + [inputs[-1]] * (engine.batch_size - len(inputs)))
                if results is None:
                    yield from _finished(behind, 0, done)
                    _halve(engine, smaller)
                    continue
                answered(len(now))
                behind.append([(item, pool.submit(finish, item, result))
                               for (item, _), result in zip(now, results[: len(now)], strict=True)])
                yield from _finished(behind, BEHIND, done)
                group = group[len(now) :]
        yield from _finished(behind, 0, done)


def _finished(behind: deque[list[tuple[T, Future[Any]]]], keep: int, done: Progress) -> Iterator[tuple[T, Any]]:
    """The oldest batches, waited for while more than `keep` are behind, and those that are finished already."""
    while len(behind) > keep or (behind and all(future.done() for _, future in behind[0])):
        batch = behind.popleft()
        for item, future in batch:
            yield item, future.result()
        done(len(batch))


def _answer(engine: Engine, inputs: list[Any]) -> Sequence[Any] | None:
    """The engine's results; None where they do not fit the memory. On return the failed call's tensors are free."""
    try:
        return engine(inputs)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        if engine.batch_size == 1:
            raise MissingError(f"memory for a single image is missing ({str(error).strip().splitlines()[0]})",
                               "smaller images or tiles (models.size, deblur.restormer.tile), or another hardware"
                               ) from error
    return None


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is short: Python's, numpy's, or torch's on any device."""
    torch = sys.modules.get("torch")  # who has not imported it cannot have met its error
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in ALLOCATOR)


def _halve(engine: Engine, smaller: Progress | None) -> None:
    lower(engine, engine.batch_size // 2, smaller)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()  # blocks of the larger size are of no use any more
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # of glibc, which keeps what was freed
        trim(0)


def lower(engine: Engine, size: int, smaller: Progress | None) -> None:
    """Goes on with batches of `size`, and says so."""
    planned, engine.batch_size = engine.batch_size, size
    print(f"t2ibench: a batch of {planned} does not fit the memory; going on with {size}. Pictures may "
          "differ from those of the larger batch by its rounding; hardware.batch_size holds the sizes",
          file=sys.stderr, flush=True)
    if smaller is not None:
        smaller(size)


def _loaded(items: Sequence[T], load: Callable[[T], Any], engine: Engine) -> Generator[list[tuple[T, Any]], None, None]:
    """Groups of (item, input) of one shape each, loaded ahead by threads: a batch, or more where it was halved."""
    waiting: dict[object, list[tuple[T, Any]]] = {}
    with closing(_ahead(items, load, AHEAD * engine.batch_size)) as loaded:
        for item, value in loaded:
            group = waiting.setdefault(_shape(value), [])
            group.append((item, value))
            if len(group) >= engine.batch_size:
                yield waiting.pop(_shape(value))
    yield from waiting.values()


def _ahead(items: Iterable[T], load: Callable[[T], Any], depth: int) -> Generator[tuple[T, Any], None, None]:
    queue: deque[tuple[T, Future[Any]]] = deque()
    pool = ThreadPoolExecutor(THREADS, "load")
    try:
        for item in items:
            queue.append((item, pool.submit(load, item)))
            if len(queue) >= depth:
                first, future = queue.popleft()
                yield first, future.result()
        for first, future in queue:
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)  # where the loop ended early, nobody wants the rest


def _shape(value: Any) -> object:
    return value.shape if isinstance(value, np.ndarray) else None
