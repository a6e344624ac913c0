"""The table of `make bench`, and results/bench.json.

A benchmark that has a figure to show puts into `benchmark.extra_info`

    figure      what is compared, in words: its row in the table
    ratio       ours over the yardstick, both taken in turn in one run; the median of the rounds
    goal        what the ratio should be: ">= 1.0" or "<= 1.2"; absent where there is none
    spread      [lowest, highest] ratio of the rounds
    ours, yardstick, unit      the two sides, numbers or words, and their unit
    note        what the yardstick is, in words

of which only `figure` has to be there; one with several figures puts a list of such rows under `figures`. Benchmarks
without a figure are not shown. Ratios are what to read: the machine's own speed drifts between runs.

results/bench.json is written where every benchmark of this folder ran and passed, and T2IBENCH_BENCH_SMALL is unset.
As honest runs differ, it is no output of DVC's.
"""

import operator
import os
import platform
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from t2ibench.harness import timing
from t2ibench.records import write_json

HERE = Path(__file__).parent
FILE = HERE.parents[1] / "results" / "bench.json"
FIGURES = pytest.StashKey[list[dict[str, Any]]]()
RAN = pytest.StashKey[set[Path]]()
KEYS = ("figure", "ours", "yardstick", "unit", "ratio", "spread", "goal", "note")
COMPARED = {">=": operator.ge, "<=": operator.le}


def met(row: Mapping[str, Any]) -> bool | None:
    """Whether a figure meets its goal; None where it has no goal or no ratio."""
    if row.get("goal") is None or row.get("ratio") is None:
        return None
    sign, bound = row["goal"].split()
    return bool(COMPARED[sign](row["ratio"], float(bound)))


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES], config.stash[RAN] = [], set()


@pytest.fixture(autouse=True)
def noted(request: pytest.FixtureRequest) -> Generator[None, None, None]:
    """Takes the figures of a benchmark that has run."""
    benchmark = request.getfixturevalue("benchmark") if "benchmark" in request.fixturenames else None
    yield
    if benchmark is None:
        return
    told = benchmark.extra_info
    request.config.stash[RAN].add(request.path)
    request.config.stash[FIGURES] += [*told.get("figures", []), *([told] if "figure" in told else [])]


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    rows = [{key: row.get(key) for key in KEYS} | {"met": met(row)} for row in config.stash[FIGURES]]
    if not rows:
        return
    Console(width=None if os.environ.get("COLUMNS") else 150).print(table(rows))
    whole = config.stash[RAN] == {*HERE.glob("test_*.py")} and not terminalreporter.stats.get("deselected")
    if whole and exitstatus == 0 and not os.environ.get("T2IBENCH_BENCH_SMALL"):
        write_json(FILE, {"figures": rows, "machine": machine()})
        print(f"written to {FILE.relative_to(HERE.parents[1])}")
    else:
        print(f"{FILE.name} is not written: this was not the whole of tests/bench at full size")


def table(rows: list[dict[str, Any]]) -> Table:
    """figure, ours, yardstick, ratio with its spread, goal, met."""
    shown = Table("figure", "yardstick is", title="Ours over the yardstick, side by side in one run")
    for name in ("ours", "yardstick", "ratio", "spread", "goal"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("met?")
    for row in rows:
        spread = " to ".join(f"{value:.2f}" for value in row["spread"] or [])
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        word = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}[row["met"]]
        shown.add_row(row["figure"], row["note"] or "", _side(row["ours"], row["unit"]),
                      _side(row["yardstick"], row["unit"]), ratio, spread, row["goal"] or "", word)
    return shown


def _side(value: Any, unit: str | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:.4g} {unit or ''}".strip()


def machine() -> dict[str, Any]:
    """What one needs to know of the machine to read the figures."""
    import torch

    return {"device": timing.device()["device"], "cores": os.cpu_count(), "threads": torch.get_num_threads(),
            "python": platform.python_version(), "torch": torch.__version__}
