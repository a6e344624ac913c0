"""The workers of a Ray cluster that this process has started: who is there, who has answered, who was lost."""

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import t2ibench
from t2ibench.errors import UserError
from t2ibench.harness import environment, paths
from t2ibench.harness.cluster.worker import Worker

STARTS = 3
"""Workers that may die one after the other before one has started; then something is wrong with all of them."""

PATIENCE_SECONDS = 60
"""Without a worker for so long, the user is told what the cluster lacks, and again after as long."""


@dataclass(eq=False)
class Member:
    """A worker as this process sees it.

    greeting: Ray's reference to its first word, None once that came; work: what it was given and has not answered,
    oldest first, by Ray's reference to the answer.
    """

    actor: Any
    greeting: Any
    work: dict[Any, Any] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether its process is there."""
        return self.greeting is None


class Crew:
    """Workers that reserve `cpus` cores and `gpus` GPUs each and compute with `threads` threads."""

    def __init__(self, cpus: float, gpus: float, threads: int) -> None:
        self.cpus, self.gpus, self.threads = cpus, gpus, threads
        self.members: list[Member] = []
        self._vain = 0

    def grow(self, wanted: int) -> None:
        """Starts workers until there are `wanted`."""
        import ray

        for _ in range(wanted - len(self.members)):
            made = ray.remote(Worker).options(num_cpus=self.cpus, num_gpus=self.gpus, max_restarts=0,
                                              runtime_env={"env_vars": self._environment()})
            actor = made.remote(str(Path.cwd()))
            self.members.append(Member(actor, actor.ready.remote()))

    def _environment(self) -> dict[str, str]:
        """What makes a process one of ours, on whatever machine."""
        code = str(Path(t2ibench.__file__).resolve().parents[1])
        ours = {key: os.environ[key] for key in environment.SETTINGS if key in os.environ}
        return ours | {"PYTHONPATH": os.pathsep.join(filter(None, [code, os.environ.get("PYTHONPATH")])),
                       "DVC_ROOT": str(paths.root().resolve()), "OMP_NUM_THREADS": str(self.threads)}

    def answered(self) -> tuple[Member, Any]:
        """Waits for a worker that has something to say: it, and Ray's reference to what it says."""
        import ray

        asked = {ref: member for member in self.members for ref in ([*member.work] if member.ready
                                                                    else [member.greeting])}
        began = time.monotonic()
        while not (found := ray.wait(list(asked), timeout=PATIENCE_SECONDS)[0]):
            if not any(member.ready for member in self.members):
                self._complain(round(time.monotonic() - began))
        return asked[found[0]], found[0]

    def _complain(self, seconds: int) -> None:
        import ray

        has = ray.cluster_resources()
        print(f"t2ibench: no Ray worker has started for {seconds} s: each reserves {self.cpus:g} CPUs and "
              f"{self.gpus:g} GPUs (executor.cpus, executor.gpus); the cluster has {has.get('CPU', 0):g} and "
              f"{has.get('GPU', 0):g}", file=sys.stderr, flush=True)

    def greeted(self, member: Member) -> None:
        """Notes that a worker is there."""
        member.greeting, self._vain = None, 0

    def dismiss(self, member: Member, why: str) -> list[Any]:
        """Ends a worker that died or failed; returns what it had not answered, oldest first.

        Raises UserError where `STARTS` workers in turn have not even started.
        """
        import ray

        self.members.remove(member)
        ray.kill(member.actor)
        self._vain += not member.ready
        if self._vain >= STARTS:
            raise UserError(f"Ray workers cannot start: {why}")
        print(f"t2ibench: a Ray worker was lost ({why}); another one takes its work", file=sys.stderr, flush=True)
        return list(member.work.values())

    def leave(self) -> None:
        """Ends all workers."""
        import ray

        for member in self.members if ray.is_initialized() else ():
            ray.kill(member.actor)
        self.members = []
