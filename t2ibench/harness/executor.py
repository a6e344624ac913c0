"""The loop: work in fixed-shape batches, loading ahead of the model and storing behind it.

Every batch has exactly the engine's batch size, padded by repeating its last input, because a model's rounding
depends on the batch's shape: so neighbours, order, resumption and edits cannot change a result.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import numpy as np

T = TypeVar("T")
Progress = Callable[[int], None]
AHEAD = 2
"""Batches whose inputs are loaded while the model works on another."""


class Engine(Protocol):
    """A batch function: `batch_size` inputs in, as many results out, result i depending on input i only."""

    batch_size: int

    def __call__(self, batch: Any, /) -> Sequence[Any]: ...


def batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """Cuts a list into lists of `size`; the last may be shorter."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def run(engine: Engine, items: Sequence[T], load: Callable[[T], Any], done: Progress) -> Iterator[tuple[T, Any]]:
    """Yields (item, result) for every item, batch by batch.

    load: turns an item into the engine's input, in a thread ahead of the model; `done(n)` is called after each batch
    of n items. Inputs that are arrays are batched by their shape.
    """
    for group in _loaded(items, load, engine.batch_size):
        inputs = [value for _, value in group]
        padded = inputs + [inputs[-1]] * (engine.batch_size - len(inputs))
        results = engine(padded)[: len(inputs)]
        yield from zip((item for item, _ in group), results, strict=True)
        done(len(inputs))


def _loaded(items: Sequence[T], load: Callable[[T], Any], size: int) -> Iterator[list[tuple[T, Any]]]:
    """Batches of (item, input) of one shape each, loaded ahead by a thread."""
    waiting: dict[object, list[tuple[T, Any]]] = {}
    for item, value in _ahead(items, load, AHEAD * size):
        group = waiting.setdefault(_shape(value), [])
        group.append((item, value))
        if len(group) == size:
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
