"""Making what is worth keeping: the plan minus what the item cache has, stored one by one as it is finished."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from t2ibench.harness import paths
from t2ibench.harness.executor import Engine, Steps
from t2ibench.harness.items import Item, ItemCache
from t2ibench.harness.progress import Bar
from t2ibench.harness.stage import Stage
from t2ibench.records import Failure


@dataclass(frozen=True)
class Task:
    """One thing to make. fingerprint: digest of all that decides it; input: what `load` turns into the engine's."""

    id: str
    class_name: str
    fingerprint: str
    input: Any


def make(stage: Stage, tasks: Sequence[Task], engine: Engine, load: Callable[[Task], Any], pack: Callable[[Any], Any],
         suffix: str = ".png") -> tuple[dict[str, Item], list[Failure]]:
    """Makes every task that is not stored yet, tasks of one fingerprint once.

    Returns the items by id, and a failure for each that was refused. load, pack: run in threads beside the engine;
    pack turns an engine's result into (an item's payload, what its maker says of it), or into something with a `reason`
    and `attempts`. An engine that has to stop may raise an error that carries `finished`, {input: result}: those are
    stored before it goes on.
    """
    cache = ItemCache(paths.cache() / "items", suffix, stage.name)
    steps = Steps(load, partial(_pack, pack), partial(_store, cache))
    stored = cache.find(task.fingerprint for task in tasks)
    kept: dict[str, Any] = {task.id: stored[task.fingerprint] for task in tasks if task.fingerprint in stored}
    stage.reused |= set(kept)
    missing = [task for task in tasks if task.id not in kept]
    first = {task.fingerprint: task for task in reversed(missing)}
    with stage.progress(len(tasks)) as bar:
        bar(0, reused=len(kept))
        kept |= _made(stage, [task for task in missing if first[task.fingerprint] is task], engine, steps, bar)
        twins = [task for task in missing if isinstance(kept[first[task.fingerprint].id], Item) and task.id not in kept]
        kept |= {task.id: kept[first[task.fingerprint].id] for task in twins}
        stage.reused |= {task.id for task in twins}
        bar(0, reused=len(twins))  # a twin of what was refused is asked itself: it may have a reason of its own
        kept |= _made(stage, [task for task in missing if task.id not in kept], engine, steps, bar)
    failures = [Failure(id=task.id, class_name=task.class_name, reason=one.reason, attempts=one.attempts)
                for task in tasks if not isinstance(one := kept[task.id], Item)]
    return {task.id: one for task in tasks if isinstance(one := kept[task.id], Item)}, failures


def _made(stage: Stage, todo: Sequence[Task], engine: Engine, steps: Steps, bar: Bar) -> dict[str, Any]:
    """By id, the item of each task, or what was refused as it is."""
    kept, refused = dict[str, Any](), set[str]()  # refused: of the batch at work

    def done(images: int) -> None:
        bar(images - len(refused), failed=len(refused))
        refused.clear()

    try:
        for task, one in stage.run(engine, todo, steps, done):
            kept[task.id] = one
            if not isinstance(one, Item):
                refused.add(task.id)
        return kept
    except Exception as error:
        finished = getattr(error, "finished", {})
        for task in todo:
            if task.input in finished:
                steps.store(task, steps.finish(task, finished[task.input]))
        raise


def _pack(pack: Callable[[Any], Any], _: Task, result: Any) -> Any:
    return pack(result)


def _store(cache: ItemCache, task: Task, packed: Any) -> Any:
    """The item, or what was refused, as it is."""
    return cache.put(task.fingerprint, *packed) if isinstance(packed, tuple) else packed
