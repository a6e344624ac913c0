"""Making what is worth keeping: the plan minus what the item cache has, stored one by one as it is finished."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from t2ibench.harness import executor, paths
from t2ibench.harness.items import Item, ItemCache
from t2ibench.harness.stage import Stage
from t2ibench.records import Failure

Packed = tuple[bytes, dict[str, Any]]
"""The payload of an item, and what its maker says of it."""


@dataclass(frozen=True)
class Task:
    """One thing to make. fingerprint: digest of all that decides it; input: what `load` turns into the engine's."""

    id: str
    class_name: str
    fingerprint: str
    input: Any


def make(stage: Stage, tasks: Sequence[Task], engine: executor.Engine, load: Callable[[Task], Any],
         pack: Callable[[Any], Any]) -> tuple[dict[str, Item], list[Failure]]:
    """Makes every task that is not stored yet. Returns the items by id, and a failure for each that was refused.

    pack: turns an engine's result into Packed, or into something with a `reason` and `attempts`. An engine that has
    to stop may raise an error that carries `finished`, {input: result}: those are stored before it goes on.
    """
    cache = ItemCache(paths.cache() / "items")
    items = {task.id: item for task in tasks if (item := cache.get(task.fingerprint))}
    todo = [task for task in tasks if task.id not in items]
    failures: list[Failure] = []
    storing: list[tuple[Task, Future[Item]]] = []
    manager = engine if todo and isinstance(engine, AbstractContextManager) else nullcontext()
    with stage.progress(len(tasks)) as bar, ThreadPoolExecutor(1) as disk, manager:
        bar(0, reused=len(items))

        def keep(task: Task, result: Any) -> None:
            packed = pack(result)
            if isinstance(packed, tuple):
                storing.append((task, disk.submit(cache.put, task.fingerprint, *packed)))
            else:
                failures.append(Failure(id=task.id, class_name=task.class_name, reason=packed.reason,
                                        attempts=packed.attempts))

        try:
            for task, result in executor.run(engine, todo, load, bar, stage.clock.smaller):
                keep(task, result)
        except Exception as error:
            finished = getattr(error, "finished", {})
            for task in todo:
                if task.input in finished:
                    keep(task, finished[task.input])
            raise
        items |= {task.id: future.result() for task, future in storing}
    return items, failures
