"""The executor `ray`: a stage's batches on the workers of a Ray cluster, with the bytes that one process would give.

The plan is cut into shards of whole batches. A worker is an actor, a process with an engine of its own, that loads,
asks the engine, finishes and stores a shard with the same loop as one process does (executor.run): same shapes, same
bytes. Where its folders are not this machine's (`shared: false`), this process loads before it and stores after it.

A shard whose worker died, or failed with anything but the user's own error, goes to another worker; the worker is
replaced. Where a batch did not fit a worker's memory, all shards that are given out from then on have its size.

Plain actors and `ray.wait`: Ray Data, tried, keeps no order, and hung with two actors on two cores.
"""

import atexit
import math
import os
import shutil
import socket
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field

from t2ibench.errors import ConfigError, MissingError, UserError
from t2ibench.hardware import Hardware
from t2ibench.harness.cluster.crew import Crew, Member
from t2ibench.harness.executor import THREADS, Engine, Progress, Steps, lower, nothing

T = TypeVar("T")

HELD = 2
"""Shards that a worker holds: the one it works on, and the next, so that it never waits for this process."""

STORE_BYTES = 256 * 2**20
"""Of a cluster started here: its object store holds engines without weights, and rows."""


@dataclass
class Shard:
    """Part of a plan: whole batches, but for the last one. tries: how often it was given out in vain."""

    items: Sequence[Any]
    tries: int = 0


class Ray:
    """Workers of a Ray cluster. The settings are explained in conf/executor/ray.yaml.

    Raises ConfigError where the hardware is a GPU and workers reserve none.
    """

    def __init__(
        self,
        *,
        address: str | None,
        workers: Annotated[int, Field(ge=1)],
        cpus: Annotated[float, Field(gt=0)],
        gpus: Annotated[float, Field(ge=0)],
        batches_per_shard: Annotated[int, Field(ge=1)],
        retries: Annotated[int, Field(ge=0)],
        shared: bool,
        hardware: Hardware,
    ) -> None:
        if hardware.device == "cuda" and not gpus:
            raise ConfigError("executor.gpus", gpus, "a number above 0, where the device is cuda")
        self.address, self.workers, self.batches_per_shard = address, workers, batches_per_shard
        self.retries, self.shared = retries, shared
        self._cores = max(os.cpu_count() or 1, math.ceil(workers * cpus))
        self._crew = Crew(cpus, gpus, hardware.threads or max(1, int(cpus)))
        self._jobs = 0
        self._temporary: Path | None = None

    def __call__(self, engine: Engine, items: Sequence[T], steps: Steps, done: Progress,
                 smaller: Progress) -> Iterator[tuple[T, Any]]:
        """(item, what `store` gave) for every item, a shard at a time, in the order in which shards are finished.

        Raises the user's own error as one process would; UserError where worker after worker dies at a shard; what a
        worker raised otherwise, with its traceback, once `retries` others have failed too.
        """
        self._connect()
        import ray

        length = engine.batch_size * self.batches_per_shard
        queue = deque(Shard(items[start : start + length]) for start in range(0, len(items), length))
        self._jobs += 1
        # in a list, so that Ray hands on the reference and a worker fetches it once for all of its shards
        job = [ray.put((engine, replace(steps, answered=nothing)))]
        try:
            while busy := sum(bool(member.work) for member in self._crew.members) + len(queue):
                self._crew.grow(min(self.workers, busy))
                self._give(queue, job, engine.batch_size, steps)
                member, ref = self._crew.answered()
                answer = self._answer(member, ref, queue)
                if answer is None:
                    continue
                shard, (values, used) = member.work.pop(ref), answer
                if used < engine.batch_size:
                    lower(engine, used, smaller)
                steps.answered(len(shard.items))
                kept = values if self.shared else threaded(steps.store, shard.items, values)
                yield from zip(shard.items, kept, strict=True)
                done(len(shard.items))
        except BaseException:
            self.close()  # nobody wants what the workers are doing
            raise

    def close(self) -> None:
        """Ends the workers, and a cluster that was started here. Both start again when they are needed."""
        import ray

        self._crew.leave()
        if self._temporary is not None:
            ray.shutdown()
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    def _connect(self) -> None:
        """Joins the cluster, or starts one here. A stage without work never comes here."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # its coming default, announced by a warning
        os.environ.setdefault("RAY_worker_niceness", "0")  # at its 15, other work of the machine starves it
        try:
            import ray
        except ModuleNotFoundError:
            raise MissingError("executor=ray needs Ray, and it is not installed", "pip install 't2ibench[ray]'"
                               ) from None
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if ray.is_initialized():
            return
        if self.address is not None:
            try:
                answers(self.address)
                ray.init(address=self.address, **quiet)
            except OSError as error:  # a ConnectionError is one
                raise ConfigError("executor.address", self.address, f"the address of a Ray cluster that runs ({error})"
                                  ) from None
            return
        self._temporary = Path(tempfile.mkdtemp(prefix="ray"))  # short: Ray puts sockets below it
        atexit.register(self.close)
        ray.init(address="local", num_cpus=self._cores, include_dashboard=False, _temp_dir=str(self._temporary),
                 object_store_memory=STORE_BYTES if self.shared else None, **quiet)

    def _give(self, queue: deque[Shard], job: Sequence[Any], size: int, steps: Steps) -> None:
        """Gives shards to the workers that are there: one to each, then a second while there are plenty."""
        ready = [member for member in self._crew.members if member.ready]
        for held in range(HELD):
            for member in ready:
                if len(member.work) == held and len(queue) > held * len(ready):
                    shard = queue.popleft()
                    inputs = None if self.shared else threaded(steps.load, shard.items)
                    member.work[member.actor.work.remote(self._jobs, job, shard.items, inputs, size)] = shard

    def _answer(self, member: Member, ref: Any, queue: deque[Shard]) -> Any:
        """What a worker says; None where it only greets, or was lost, and then its shards are in the queue again."""
        import ray

        try:
            answer = ray.get(ref)
        except ray.exceptions.RayError as error:
            cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else None
            if isinstance(cause, UserError):
                raise cause from None
            why = (str(error) if cause is None else f"{type(cause).__name__}: {cause}").strip().splitlines()[-1]
            shards = self._crew.dismiss(member, why)
            if shards:
                self._count(shards[0], error, cause, why)  # a worker takes its shards in turn: no other was begun
            queue.extendleft(reversed(shards))
            return None
        if answer is None:
            self._crew.greeted(member)
        return answer

    def _count(self, shard: Shard, error: Exception, cause: Any, why: str) -> None:
        """Counts a try in vain. Raises where that were too many."""
        shard.tries += 1
        if shard.tries <= self.retries:
            return
        if isinstance(cause, OSError):  # a full disk, told as from one process
            raise cause
        if cause is not None:
            raise error
        raise UserError(f"{shard.tries} Ray workers died at the same {len(shard.items)} images ({why}); what is "
                        "finished is kept, dvc repro goes on from there")


def threaded(step: Callable[..., Any], *columns: Sequence[Any]) -> list[Any]:
    """`map` with threads. Raises the first error."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(step, *columns))


def answers(address: str) -> None:
    """Knocks at `host:port`: Ray itself would try for minutes. Raises OSError; other forms of address are Ray's own."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()
