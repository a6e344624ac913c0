"""The item cache on a terminal: a row per kind, the sums, and what the stages' last runs reused."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.filesize import decimal
from rich.table import Table

from t2ibench.cache.inventory import LEFT, OLDER, REPLIES, Stored
from t2ibench.cache.needed import Needed
from t2ibench.errors import MissingError
from t2ibench.harness import config, paths
from t2ibench.records import read_json

ORDER = ("images", "filter", "deblur", "evaluate", REPLIES, OLDER, LEFT)
WHAT = {
    "images": "pictures", "filter": "measurements, features of texts", "deblur": "restored pictures",
    "evaluate": "judgements", REPLIES: "answers of an images API, paid for",
    OLDER: "stored before notes named their stage", LEFT: "temporary files, payloads without a note",
}
RIGHT = ("items", "on disk", "in the lock", "made", "reused", "hit rate")


def table(title: str, stored: Sequence[Stored], needed: Needed, runs: Mapping[str, Counter[str]]) -> Table:
    """A row per kind that has items or ran. runs: {stage: {made, reused}}."""
    shown = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, title=title, title_justify="left")
    for name in ("kind", "what", *RIGHT):
        shown.add_column(name, justify="right" if name in RIGHT else "left", no_wrap=True)
    kinds = [*ORDER, *sorted({one.kind for one in stored} - {*ORDER})]
    for kind in kinds:
        mine = [one for one in stored if one.kind == kind]
        if mine or kind in runs:
            shown.add_row(kind, WHAT.get(kind, ""), *_sums(mine, needed), *_rate(runs.get(kind)))
    shown.add_section()
    shown.add_row("sum", "", *_sums(stored, needed), "", "", "", style="bold")
    return shown


def _sums(stored: Sequence[Stored], needed: Needed) -> tuple[str, str, str]:
    wanted = sum(one.fingerprint in needed.kinds for one in stored)
    return f"{len(stored):,}", decimal(sum(one.bytes for one in stored)), f"{wanted:,}"


def _rate(run: Counter[str] | None) -> tuple[str, str, str]:
    if not run:
        return "", "", ""
    total = run["made"] + run["reused"]
    return f"{run['made']:,}", f"{run['reused']:,}", f"{run['reused'] / total:.0%}" if total else "–"


def last_runs(params: config.Params) -> dict[str, Counter[str]]:
    """{stage: {made, reused}} over the cells of params.yaml, from the clocks' readings of the models of now; of several
    hardware values, a cell's newest. A damaged reading is left out: it decides nothing."""
    newest: dict[tuple[str, str], Any] = {}
    files = [*paths.timings().rglob("*.json")]
    for path in sorted(files, key=lambda path: path.stat().st_mtime):
        try:
            row = read_json(path)
            if row["models"] == params.models.name:
                newest[str(row["stage"]), str(row["cell"])] = (int(row["images"]), int(row["reused"]))
        except (MissingError, KeyError, TypeError, ValueError):
            continue
    runs = dict[str, Counter[str]]()
    for (stage, cell), (made, reused) in newest.items():
        if cell.split("/")[0] in params.sources and stage in ORDER and made + reused:
            runs.setdefault(stage, Counter()).update(made=made, reused=reused)
    return runs
