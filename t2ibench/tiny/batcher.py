"""Gathers the requests of many threads into calls of one shape.

A model's rounding depends on the shape of its batch: with one shape, a neighbour never changes an image.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

Drawn = NDArray[np.uint8] | str
"""An image, uint8 [size, size, 3], or the reason why there is none."""
Draw = Callable[[Sequence[tuple[str, int]]], Sequence[Drawn]]
"""(prompt, seed) pairs -> an image or a reason for each."""


class Batcher:
    """Gathers requests of many threads into calls of one shape, made by one thread."""

    def __init__(self, draw: Draw, batch_size: int, gather_seconds: float) -> None:
        self.draw, self.batch_size, self.gather_seconds = draw, batch_size, gather_seconds
        self.sizes: list[int] = []
        self.failure: Exception | None = None
        self._jobs: SimpleQueue[tuple[tuple[str, int], Future[Drawn]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="standin", daemon=True)
        self._thread.start()

    def ask(self, prompt: str, seed: int) -> Future[Drawn]:
        """One image or reason, when it is there; it raises what the draw function raised."""
        future: Future[Drawn] = Future()
        self._jobs.put(((prompt, seed), future))
        return future

    def stop(self) -> None:
        """Ends the thread after the batch that it draws."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            batch = [job]
            while len(batch) < self.batch_size:
                try:
                    job = self._jobs.get(timeout=self.gather_seconds)
                except Empty:
                    break
                if job is None:
                    self._jobs.put(None)
                    break
                batch.append(job)
            self._answer([pair for pair, _ in batch], [future for _, future in batch])

    def _answer(self, pairs: list[tuple[str, int]], futures: list[Future[Drawn]]) -> None:
        self.sizes.append(len(pairs))
        padding = [pairs[-1]] * (self.batch_size - len(pairs))
        try:
            drawn = self.draw([*pairs, *padding])
            if len(drawn) != self.batch_size:
                raise ValueError(f"{len(drawn)} answers to {self.batch_size} pairs")
        except Exception as error:  # noqa: BLE001 kept for the server's owner, who raises it
            self.failure = error
            for future in futures:
                future.set_exception(error)
            return
        for future, answer in zip(futures, drawn, strict=False):  # the padding's answers are dropped
            future.set_result(answer)
