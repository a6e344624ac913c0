"""What goes: by age, or down to a size, what was used longest ago first; never what the lock needs.

A stage's own lock is held over the deleting, so that no stage of this machine writes or reads an item meanwhile: one
that starts then waits, and where one is at work nothing is deleted.
"""

import fcntl
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from t2ibench.cache.inventory import LEFT, REPLIES, Stored
from t2ibench.cache.needed import Needed
from t2ibench.errors import ConfigError, UserError
from t2ibench.harness import config, paths
from t2ibench.harness.stage import grid
from t2ibench.images.shelf import Shelf

SECONDS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}
BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
LEFT_SECONDS = 86_400
"""So old something without a note has to be before it counts as left by a kill: it may be being written."""


@dataclass(frozen=True)
class Rule:
    """What may stay: seconds since the last use, or bytes of the whole cache; one of them is None."""

    seconds: float | None = None
    bytes: float | None = None

    @classmethod
    def read(cls, text: str) -> "Rule":
        """`30d` or `2GB`. Raises ConfigError for anything else."""
        if found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", text.strip()):
            number, unit = float(found[1]), found[2]
            if unit in SECONDS:
                return cls(seconds=number * SECONDS[unit])
            if unit in BYTES:
                return cls(bytes=number * BYTES[unit])
        raise ConfigError("--prune", text, f"an age ({', '.join('30' + unit for unit in SECONDS)}) or a size "
                          f"({', '.join('2' + unit for unit in BYTES)})")


def choose(stored: Sequence[Stored], needed: Needed, rule: Rule, kinds: Sequence[str], now: float) -> list[Stored]:
    """What goes, longest unused first. kinds: only these; none named: all but an API's answers, which are paid for."""
    total, chosen = sum(one.bytes for one in stored), []
    for one in sorted(stored, key=lambda one: (one.kind != LEFT, one.used, one.fingerprint)):
        if rule.bytes is not None and total <= rule.bytes:
            break
        if not (one.kind in kinds if kinds else one.kind != REPLIES) or one.fingerprint in needed.kinds:
            continue
        if now - one.used < (LEFT_SECONDS if one.kind == LEFT else rule.seconds or 0):
            continue
        if one.kind == REPLIES and _refused(one, needed):
            continue
        chosen.append(one)
        total -= one.bytes
    return chosen


def _refused(one: Stored, needed: Needed) -> bool:
    """Whether an answer belongs to an image of the lock that the API did not make: without it, it is asked again."""
    return any(entry.image in needed.failed for entry in Shelf().history(one.fingerprint))


def delete(chosen: Sequence[Stored]) -> None:
    """Deletes, each item's note first, so that what a kill leaves counts as absent."""
    for one in chosen:
        for path in one.files:
            path.unlink(missing_ok=True)


@contextmanager
def alone(params: config.Params) -> Iterator[None]:
    """Holds the lock of every stage's cell: of params.yaml, and of whatever has run here. Raises UserError where one
    is held, naming it."""
    cells = [(stage, cell) for stage in ("images", "filter") for cell in params.sources]
    cells += [(stage, cell) for stage in ("deblur", "evaluate") for cell in grid(params)]
    files = {paths.lock_file(stage, cell) for stage, cell in cells}
    with ExitStack() as held:
        for path in sorted(files | set((paths.cache() / "locks").glob("*.lock"))):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = held.enter_context(path.open("a"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"the stage of {path.name} is at work; nothing was deleted: wait for its end") from None
        yield


def age(seconds: float) -> str:
    """`5 min`, `3 h`, `12 d`."""
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else (
        f"{seconds / 3600:.0f} h" if seconds < 2 * 86_400 else f"{seconds / 86_400:.0f} d")


def oldest(chosen: Sequence[Stored]) -> str:
    """How long the longest unused of these was not used."""
    return age(time.time() - min(one.used for one in chosen))
