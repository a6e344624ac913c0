"""What the item cache holds, and pruning it. Usage: python -m t2ibench.cache [--prune 30d|2GB] [--kind …] [--yes]
[key=value ...]

Exit codes: 0; 2 for a mistake of the user's, or where the outs of dvc.lock are not here: nothing is deleted then.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.filesize import decimal

from t2ibench.cache import inventory, prune, table
from t2ibench.cache.inventory import REPLIES, Stored
from t2ibench.cache.needed import Needed, check_out, needed
from t2ibench.errors import ConfigError, one_sentence
from t2ibench.harness import config, paths


def main(arguments: Sequence[str]) -> None:
    """Prints the table; with --prune what would go, or, with --yes, deletes it. Raises UserError."""
    asked = _parser().parse_args(arguments)
    rule = prune.Rule.read(asked.prune) if asked.prune else None
    params = config.load(asked.values)
    wanted = needed(params)
    stored = _stored(wanted)
    for kind in asked.kind:
        if kind not in (known := sorted({*table.ORDER, *(one.kind for one in stored)})):
            raise ConfigError("--kind", kind, ", ".join(known))
    console = Console() if sys.stdout.isatty() else Console(width=150)
    console.print(table.table(f"Items in {paths.cache() / 'items'}", stored, wanted, table.last_runs(params)))
    for line in notes(wanted):
        _say(console, line)
    if rule:
        check_out(wanted)
        with prune.alone(params):
            _prune(console, asked, rule, params)


def _prune(console: Console, asked: argparse.Namespace, rule: prune.Rule, params: config.Params) -> None:
    """Looks again, as no stage is at work now, and deletes or tells."""
    wanted = needed(params)
    stored = _stored(wanted)
    chosen = prune.choose(stored, wanted, rule, asked.kind, time.time())
    left = sum(one.bytes for one in stored) - sum(one.bytes for one in chosen)
    if chosen:
        linked = sum(one.bytes for one in chosen if any(path.stat().st_nlink > 1 for path in one.files))
        more = f", {decimal(linked)} of them in files that outs or DVC's cache hold too" if linked else ""
        _say(console, f"{'Deleting' if asked.yes else 'To go'}: {_counts(chosen)}; {decimal(left)} stay{more}. "
                      f"The longest unused was used {prune.oldest(chosen)} ago.")
    else:
        _say(console, f"Nothing to delete: {decimal(left)} stay.")
    if rule.bytes is not None and left > rule.bytes:
        _say(console, f"That is more than {asked.prune}: the rest is needed by dvc.lock, or is paid for, or is of a "
                      "kind that was not asked for.")
    if asked.yes:
        prune.delete(chosen)
    elif chosen:
        _say(console, "Nothing was deleted: add --yes (make cache PRUNE=… YES=1).")


def notes(found: Needed) -> list[str]:
    """What the counts of the lock leave out, in sentences."""
    said = []
    if found.absent:
        said.append(f"Not checked out, so that what the lock needs is not known whole: "
                    f"{', '.join(str(out) for out in found.absent)}; dvc checkout puts them there.")
    if found.unlocked:
        said.append(f"Not in dvc.lock yet: {', '.join(found.unlocked)}. What a stopped run has stored for them "
                    "counts as not needed.")
    said.append("made, reused: of each cell's last run that made anything.")
    return said


def _counts(chosen: Sequence[Stored]) -> str:
    kinds = dict.fromkeys(one.kind for one in chosen)
    counts = [(kind, [one for one in chosen if one.kind == kind]) for kind in kinds]
    return ", ".join(f"{len(mine):,} {kind} ({decimal(sum(one.bytes for one in mine))})" for kind, mine in counts)


def _stored(wanted: Needed) -> list[Stored]:
    return list(inventory.items(paths.cache() / "items", wanted.kinds))


def _say(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, highlight=False, markup=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m t2ibench.cache", description="What the item cache holds.")
    parser.add_argument("--prune", metavar="RULE", default="",
                        help="what could go: unused for an age (30d), or used longest ago until a size is left (2GB)")
    parser.add_argument("--kind", action="append", default=[], metavar="KIND",
                        help=f"prune this kind only; {REPLIES} go only where they are named here")
    parser.add_argument("--yes", action="store_true", help="delete what --prune names")
    parser.add_argument("values", nargs="*", metavar="key=value", help="values in place of those in params.yaml")
    return parser


if __name__ == "__main__":
    with one_sentence():
        main(sys.argv[1:])
