"""Can the study of params.yaml run here? Usage: python -m t2ibench.plan.doctor [key=value ...]

Exit codes: 0; 1 where something is missing, with the reason and the command that helps. No key's value is shown.
"""

import sys
from collections.abc import Callable, Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from t2ibench.errors import ConfigErrors, MissingError, UserError
from t2ibench.harness import config
from t2ibench.plan import checks, reach
from t2ibench.plan.checks import Finding, Study

STYLES = {"ok": "green", "look": "yellow", "missing": "bold red"}
FAILED = 1
Check = Callable[[Study], Iterator[Finding]]
ALL: Sequence[Check] = (
    checks.python, checks.device, checks.disk, checks.engines, checks.files, checks.weights_here, checks.licences,
    checks.revisions, reach.keys, reach.budget, reach.addresses,
)
EDIT = "edit conf/, then make params"


def findings(overrides: Sequence[str]) -> list[Finding]:
    """What every check finds; where params.yaml cannot be read, its mistakes."""
    try:
        study = Study(config.load(overrides))
    except ConfigErrors as errors:
        return [Finding("params.yaml", "missing", str(error), EDIT) for error in errors.errors]
    except MissingError as error:
        return [Finding("params.yaml", "missing", error.what, error.command)]
    except UserError as error:
        return [Finding("params.yaml", "missing", str(error), EDIT)]
    named = f"study {study.params.study.name}, models {study.params.models.name}, hardware {study.params.hardware.name}"
    return [Finding("params.yaml", "ok", named), *(found for check in ALL for found in _ask(check, study))]


def _ask(check: Check, study: Study) -> list[Finding]:
    """What a check finds; a table on disk that is damaged is a finding too."""
    try:
        return list(check(study))
    except MissingError as error:
        return [Finding(check.__name__, "missing", error.what, error.command)]


def show(found: Sequence[Finding]) -> Table:
    """A row per finding; the command that helps stands below it."""
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    for name in ("what", "state", "found, and what helps"):
        table.add_column(name, no_wrap=name != "found, and what helps")
    for place, one in enumerate(found):
        text = Text(one.found)
        if one.help:
            text.append(f"\n-> {one.help}", style=STYLES[one.state])
        repeated = place and found[place - 1].what == one.what
        table.add_row("" if repeated else one.what, Text(one.state, style=STYLES[one.state]), text)
    return table


def main(overrides: Sequence[str]) -> int:
    """Prints the table and the last word; returns the exit code."""
    found = findings(overrides)
    console = Console() if sys.stdout.isatty() else Console(width=120)
    console.print(show(found))
    missing = [one for one in found if one.state == "missing"]
    if not missing:
        print("The study can run: make plan says what it costs, make repro runs it.")
        return 0
    print(f"The study cannot run: {len(missing)} of {len(found)} findings stand in its way.")
    return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
