"""A process of a Ray cluster that works on shards of a plan; without Ray it is an ordinary class."""

import os
from collections.abc import Sequence
from typing import Any

from t2ibench.harness import environment
from t2ibench.harness.executor import Engine, Steps, opened, run


class Worker:
    """Holds the engine of one job at a time. Ray makes it an actor."""

    def __init__(self, folder: str) -> None:
        os.chdir(folder)
        environment.quiet()
        self._job: tuple[int, Engine, Steps] | None = None

    def ready(self) -> None:
        """Answers once the process is there: importing nothing heavy, with the code that it needs."""

    def work(self, number: int, job: Sequence[Any], items: Sequence[Any], inputs: Sequence[Any] | None,
             size: int) -> tuple[list[Any], int]:
        """What became of each item, in their order, and the batch size in the end.

        job: holds Ray's reference to (engine, steps), which is fetched once for all shards of a `number`; inputs: of
        the items, loaded; None where they are loaded here, and results stored here.
        """
        if self._job is None or self._job[0] != number:
            import ray

            self._job = (number, *ray.get(job[0]))
        _, engine, steps = self._job
        engine.batch_size = min(engine.batch_size, size)

        def load(place: int) -> Any:
            return steps.load(items[place]) if inputs is None else inputs[place]

        def keep(place: int, result: Any) -> Any:
            finished = steps.finish(items[place], result)
            return steps.store(items[place], finished) if inputs is None else finished

        with opened(engine):
            kept = dict(run(engine, range(len(items)), load, lambda n: None, None, keep))
        return [kept[place] for place in range(len(items))], engine.batch_size
