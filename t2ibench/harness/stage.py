"""A stage of the pipeline as a process: its cell, its parameters, its lock, its clock, its completeness gate.

A runner is `def run(stage: Stage) -> None` and `main("<word>", run, cells)`; DVC starts it as
`python -m experiments.<word> <cell> [key=value ...]`.
"""

import atexit
import errno
import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from t2ibench.errors import EXIT_CODE, ConfigError, UserError
from t2ibench.harness import completeness, config, interrupt, paths, timing
from t2ibench.harness.environment import quiet
from t2ibench.harness.executor import Engine, Executor, Progress, Serial, Steps
from t2ibench.harness.progress import Bar, progress
from t2ibench.records import Failure

T = TypeVar("T")

DISK = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "make room") | dict.fromkeys(
    (errno.EROFS, errno.EACCES, errno.EPERM), "make it writable")
"""What a disk says that takes nothing, and what helps."""


@dataclass
class Stage:
    """What a runner is given. name: the stage's word; cell: what it works on, "" where the stage has one cell."""

    name: str
    cell: str
    params: config.Params
    clock: timing.Clock = field(default_factory=timing.Clock)
    reused: set[str] = field(default_factory=set)
    """The ids of what was stored before this run."""

    def build(self, engine: str = "") -> Any:
        """The engine of that name in this stage's section; without a name, what the section as a whole makes."""
        section = getattr(self.params, self.name)
        node, key = (section[engine], f"{self.name}.{engine}") if engine else (section, self.name)
        return config.build(node, key, self.params)

    def run(self, engine: Engine, items: Sequence[T], steps: Steps, done: Progress) -> Iterator[tuple[T, Any]]:
        """(item, what `steps.store` gave) for every item, in any order, from the executor that params.yaml names."""
        if items:
            self.clock.workers = self._workers
            chosen: Executor = Serial() if getattr(engine, "at_home", False) else self._executor
            yield from chosen(engine, items, replace(steps, answered=self.clock.answered), done, self.clock.smaller)

    @property
    def _workers(self) -> int:
        """That the executor has at work at once: the first batch of each is no measure of speed."""
        return int(self.params.executor.get("workers", 1))

    @cached_property
    def _executor(self) -> Any:
        return config.build(self.params.executor, "executor", self.params)

    @contextmanager
    def progress(self, total: int) -> Iterator[Bar]:
        """The stage's bar; what it counts as done or reused goes to the clock too."""
        with progress(f"{self.name} {self.cell}".strip(), total, self._workers) as bar:

            def count(images: int, *, reused: int = 0, failed: int = 0) -> None:
                if images:
                    self.clock.lap(images)
                self.clock.reused += reused
                bar(images, reused=reused, failed=failed)

            yield count

    @contextmanager
    def complete(self, planned: int, done: int, failures: Sequence[Failure] = ()) -> Iterator[dict[str, Any]]:
        """With this a stage ends: gives what results/ says of completeness, to be written in the block, so that a stop
        is explained there too. After the block it says what was planned, made, reused and failed, and holds the gate.

        Raises RuntimeError where images are unaccounted for, UserError where too many failed.
        """
        counted, name = completeness.completeness(planned, done, failures), f"{self.name} {self.cell}"
        yield counted
        reused = self.reused - {failure.id for failure in failures}
        print(completeness.line(name, counted, len(reused)), file=sys.stderr, flush=True)
        completeness.hold(name, counted, self.params.study.failures_allowed)


def fresh(folder: Path) -> Path:
    """An empty folder for an out: files are linked into it, never opened in place."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def main(name: str, run: Callable[[Stage], None], cells: Callable[[config.Params], Sequence[str]]) -> None:
    """Runs a stage from the command line and ends the process: 0, 2 for a user's mistake, 130 for Ctrl-C, 143 for
    SIGTERM. Returns under a profiler or debugger alone, which have an end of their own."""
    quiet()
    interrupt.unwind()
    try:
        _run(name, run, cells, sys.argv[1:])
    except BaseException as error:
        if interrupt.received():  # a library may have made another error of the KeyboardInterrupt
            interrupt.end()
        if isinstance(error, UserError):
            sentence = str(error)
        elif isinstance(error, OSError) and error.errno in DISK:
            sentence = (f"{name} cannot write {error.filename or 'its results'}: {os.strerror(error.errno)}; what is "
                        f"finished is kept in .cache/items: {DISK[error.errno]} and run dvc repro again")
        else:
            raise
        print(f"t2ibench: {sentence}", file=sys.stderr)
        sys.exit(EXIT_CODE)
    if interrupt.received():
        interrupt.end()
    if not (sys.getprofile() or sys.gettrace()):
        _leave()


def _leave() -> NoReturn:
    """Ends the process with 0. With torch loaded Python would take a second to take itself apart, object by object."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _run(name: str, run: Callable[[Stage], None], cells: Callable[[config.Params], Sequence[str]],
         arguments: Sequence[str]) -> None:
    named = [argument for argument in arguments if "=" not in argument]
    params = config.load([argument for argument in arguments if "=" in argument])
    if params.hardware.threads:
        os.environ["OMP_NUM_THREADS"] = str(params.hardware.threads)  # before a model's library is imported
    known = list(cells(params))
    cell = named[0] if named else ""
    if len(named) > 1 or cell not in (known or [""]):
        accepted = f"one of {', '.join(known)}" if known else "no cell: this stage works on all of them"
        raise ConfigError(f"python -m experiments.{name}", " ".join(named), accepted)
    with _lock(name, cell):
        stage = Stage(name, cell, params)
        run(stage)
        file = paths.timing_file(params.hardware.name, params.models.name, name, cell)
        timing.save(file, stage.clock, name, cell, params)


@contextmanager
def _lock(name: str, cell: str) -> Iterator[None]:
    """One process at a time works on a cell: a killed `dvc` leaves its child running, and a second would pay twice."""
    path = paths.lock_file(name, cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:  # what it holds is the holder's
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            who = f" (process {holder})" if (holder := file.read().strip()) else ""
            print(f"t2ibench: another process works on {name} {cell}{who}; waiting for it", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        print(os.getpid(), file=file, flush=True)
        yield


def no_cells(_: config.Params) -> Sequence[str]:
    """The cells of a stage that works on everything at once."""
    return ()


def sources(params: config.Params) -> Sequence[str]:
    """The cells of a stage with one cell per source."""
    return list(params.sources)


def grid(params: config.Params) -> Sequence[str]:
    """The cells of a stage with one cell per source and variant: `<source>/<variant>`."""
    return [f"{source}/{variant}" for source in params.sources for variant in params.variants]
