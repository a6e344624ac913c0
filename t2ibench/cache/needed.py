"""The items behind the outs that dvc.lock lists: without them an edit would cost more than what it changes.

A picture's fingerprint stands in its row. A measurement of the filter and a judgement have their keys computed here as
the runners do it, with the parameters that the lock was written with and with those of params.yaml now.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from t2ibench.dvc_lock import read_lock
from t2ibench.errors import ConfigError, MissingError, UserError
from t2ibench.evaluate.look import Look
from t2ibench.filter.measure import PARTS, Measure
from t2ibench.harness import config, paths
from t2ibench.harness.stage import grid
from t2ibench.records import Failure, Sample, canonical, read_rows

STAGES = ("images", "deblur")
"""Stages whose outs have rows that name items."""

E = TypeVar("E")


@dataclass
class Needed:
    """kinds: the kind of every needed item by fingerprint; failed: ids of images that an API refused; absent: outs of
    the lock that are not checked out; unlocked: cells of params.yaml that the lock does not have yet."""

    kinds: dict[str, str] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    absent: list[Path] = field(default_factory=list)
    unlocked: list[str] = field(default_factory=list)


def needed(params: config.Params) -> Needed:
    """What dvc.lock needs, as far as its outs are checked out. Raises UserError for engines that refuse params.yaml,
    MissingError for a table or a lock that is damaged."""
    found, entries = Needed(), read_lock(Path("dvc.lock"))
    cells = [("images", source) for source in params.sources]
    cells += [("deblur", cell) for cell in grid(params)]
    here = {Path("data", stage, cell) for stage, cell in cells}
    locked = set(_rowed(out["path"] for entry in entries.values() for out in entry.get("outs") or ()))
    found.unlocked = sorted(str(out.relative_to("data")) for out in here - locked)
    measures, looks = _made(params, entries, "filter", _measure), _made(params, entries, "evaluate", _look)
    for out in sorted(locked):
        if not (out / "metadata.jsonl").is_file():
            if out in here:  # another study's cells stay in the lock, and need no checkout
                found.absent.append(out)
            continue
        samples = read_rows(out / "metadata.jsonl", Sample, f"dvc checkout {out}")
        for one in samples:
            found.kinds.setdefault(one.fingerprint, "deblur" if "restored_from" in one.extra else "images")
        found.kinds |= {look.key(one.sha256): "evaluate" for look in looks for one in samples}
        if out.parts[1] == "images":
            found.kinds |= {measure.key(one.sha256): "filter" for measure in measures for one in samples}
            found.failed |= {one.id for one in read_rows(out / "failures.jsonl", Failure, f"dvc checkout {out}")}
    for measure in measures:
        found.kinds |= {measure.clip.key(text): "filter" for text in measure.clip.texts.values()}
    return found


def _made(params: config.Params, entries: dict[str, Any], stage: str, make: Callable[[config.Params], E]) -> list[E]:
    """What `make` makes of params.yaml, and of the settings of each of the stage's cells in the lock, each once."""
    found = {canonical([getattr(params, stage), params.study.classes]): make(params)}
    for name, entry in entries.items():
        then = (entry.get("params") or {}).get("params.yaml") or {}
        if not name.startswith(f"{stage}@") or stage not in then:
            continue
        classes = then.get("study.classes", params.study.classes)
        study = params.study.model_copy(update={"classes": classes})
        try:
            found[canonical([then[stage], classes])] = make(
                params.model_copy(update={stage: then[stage], "study": study}))
        except (TypeError, KeyError, ConfigError):
            continue  # settings of an earlier version, with which no stage of this one could run
    return list(found.values())


def _measure(params: config.Params) -> Measure:
    """As experiments/filter.py builds it."""
    found = Measure(*(config.build(params.filter[part], f"filter.{part}", params) for part in PARTS))
    found.identity  # noqa: B018  raises where weights are missing
    return found


def _look(params: config.Params) -> Look:
    """As experiments/evaluate.py builds it."""
    found = Look(*(config.build(params.evaluate[part], f"evaluate.{part}", params) for part in ("yolov8", "segment")))
    found.key("")  # raises where weights are missing
    return found


def check_out(found: Needed) -> None:
    """Makes sure that the rows here are the lock's. Raises MissingError where outs are absent or other than locked,
    UserError where DVC cannot say, as it is at work."""
    if found.absent:
        raise MissingError(f"{_list(found.absent)} {_verb(found.absent)} in dvc.lock but not checked out, so that "
                           "nobody can tell which items it needs",
                           "dvc checkout (dvc repro, where DVC's cache lacks it)")
    asked = subprocess.run([sys.executable, "-m", "dvc", "data", "status", "--json"], cwd=paths.root(),
                           capture_output=True, text=True, check=False)
    try:
        changed = json.loads(asked.stdout).get("uncommitted", {})
    except ValueError:
        last = (asked.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UserError(f"dvc data status cannot tell what has changed since dvc.lock was written: {last}") from None
    if other := _rowed(path for kind in changed.values() for path in kind):
        raise MissingError(f"{_list(other)} {_verb(other)} not as dvc.lock has it", "dvc repro, or dvc checkout")


def _rowed(outs: Iterable[str]) -> list[Path]:
    """Those outs whose rows name items."""
    return [path for path in map(Path, outs) if path.parts[0] == "data" and path.parts[1] in STAGES]


def _list(outs: list[Path]) -> str:
    return ", ".join(str(out) for out in outs)


def _verb(outs: list[Path]) -> str:
    return "is" if len(outs) == 1 else "are"
