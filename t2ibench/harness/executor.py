"""The loop: work in fixed-shape batches, loading ahead of the model and storing behind it.

Every batch has exactly the engine's batch size, padded by repeating its last input, because a model's rounding
depends on the batch's shape: so neighbours, order, resumption and edits cannot change a result.

A batch that does not fit the memory is halved, and so are all that follow: the plan stays, batches are of one shape
again, and only the rounding may be another (which a sampler amplifies). It shows at the first batch, as all are alike.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import numpy as np

from t2ibench.errors import MissingError

T = TypeVar("T")
Progress = Callable[[int], None]
AHEAD = 2
"""Batches whose inputs are loaded while the model works on another."""

ALLOCATOR = ("DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
"""What torch says in a plain RuntimeError where memory is short: the CPU's allocator, and CUDA's own libraries."""


class Engine(Protocol):
    """A batch function: `batch_size` inputs in, as many results out, result i depending on input i only.

    The executor lowers `batch_size` where memory is short; the engine then gets so many inputs.
    """

    batch_size: int

    def __call__(self, batch: Any, /) -> Sequence[Any]: ...


def batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """Cuts a list into lists of `size`; the last may be shorter."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def run(engine: Engine, items: Sequence[T], load: Callable[[T], Any], done: Progress,
        smaller: Progress | None = None) -> Iterator[tuple[T, Any]]:
    """Yields (item, result) for every item, batch by batch.

    load: turns an item into the engine's input, in a thread ahead of the model; `done(n)` is called after each batch
    of n items, `smaller(size)` where batches are halved to `size`. Inputs that are arrays are batched by their shape.
    Raises MissingError where not even one item fits the memory.
    """
    for group in _loaded(items, load, engine):
        while group:
            now = group[: engine.batch_size]
            inputs = [value for _, value in now]
            results = _answer(engine, inputs + [inputs[-1]] * (engine.batch_size - len(inputs)))
            if results is None:
                _halve(engine, smaller)
                continue
            yield from zip((item for item, _ in now), results[: len(now)], strict=True)
            done(len(now))
            group = group[len(now) :]


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
    planned, engine.batch_size = engine.batch_size, engine.batch_size // 2
    print(f"t2ibench: a batch of {planned} does not fit the memory; going on with {engine.batch_size}. Pictures may "
          "differ from those of the larger batch by its rounding; hardware.batch_size holds the sizes",
          file=sys.stderr, flush=True)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()  # blocks of the larger size are of no use any more
    if smaller is not None:
        smaller(engine.batch_size)


def _loaded(items: Sequence[T], load: Callable[[T], Any], engine: Engine) -> Iterator[list[tuple[T, Any]]]:
    """Groups of (item, input) of one shape each, loaded ahead by a thread: a batch, or more where it was halved."""
    waiting: dict[object, list[tuple[T, Any]]] = {}
    for item, value in _ahead(items, load, AHEAD * engine.batch_size):
        group = waiting.setdefault(_shape(value), [])
        group.append((item, value))
        if len(group) >= engine.batch_size:
            yield waiting.pop(_shape(value))
    yield from waiting.values()


def _ahead(items: Iterable[T], load: Callable[[T], Any], depth: int) -> Iterator[tuple[T, Any]]:
    with ThreadPoolExecutor(1) as pool:
        queue = []
        for item in items:
            queue.append((item, pool.submit(load, item)))
            if len(queue) >= depth:
                first, future = queue.pop(0)
                yield first, future.result()
        for first, future in queue:
            yield first, future.result()


def _shape(value: Any) -> object:
    return value.shape if isinstance(value, np.ndarray) else None
