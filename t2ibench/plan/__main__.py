"""What params.yaml here costs. Usage: python -m t2ibench.plan [key=value ...]

Exit codes: 0; 2 where params.yaml has a mistake, or an engine refuses its settings.
"""

import sys
from collections.abc import Sequence

from rich.console import Console

from t2ibench.errors import EXIT_CODE, one_sentence
from t2ibench.harness import config
from t2ibench.plan import costs, counting, machine, speeds, table


def main(overrides: Sequence[str]) -> list[str]:
    """Prints the plan. Returns what engines refuse, as sentences, but for models that are only to be fetched.

    Raises UserError for bad params.
    """
    params = config.load(overrides)
    cells = counting.count(params)
    found = machine.gpu() if params.hardware.device != "cpu" else None
    rows = speeds.readings(params, found.name if found else "")
    priced = [costs.cost(params, cell, rows) for cell in cells]
    console = Console() if sys.stdout.isatty() else Console(width=150)
    title = f"Study {params.study.name}, models {params.models.name}, hardware {params.hardware.name}."
    console.print(table.table(title, priced))
    fetch = costs.downloads(params)
    for line in [*notes(params, cells), *costs.budgets(params, priced), table.to_fetch(fetch)]:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    reasons = dict.fromkeys(cell.why for cell in cells if cell.why)
    return [reason for reason in reasons if not any(reason.startswith(one.title) for one in fetch)]


def notes(params: config.Params, cells: Sequence[counting.Cell]) -> list[str]:
    """What the counts rest on, in sentences."""
    said = []
    kinds = dict.fromkeys(source.prompts for source in params.sources.values())
    rough = {cell.name for cell in cells if cell.stage == "images" and not cell.exact}
    for kind in kinds:
        sources = [name for name, source in params.sources.items() if source.prompts == kind and name in rough]
        if sources:
            said.append(f"No prompts of these params in data/prompts/{kind} yet: the counts of {', '.join(sources)} "
                        "are an upper estimate from params.yaml, and what is stored is not known.")
    if any(not cell.exact for cell in cells if cell.stage in ("deblur", "evaluate")):
        said.append("≤: the filter has not decided on all images yet; every one of them is counted as kept.")
    if any(cell.copied for cell in cells):
        said.append(f"Sources of more than {params.study.shard_above:,} images lie in tar shards, whose copies of the "
                    "pictures are in the disk's column.")
    return said


if __name__ == "__main__":
    with one_sentence():
        troubles = main(sys.argv[1:])
    for trouble in troubles:
        print(f"t2ibench: {trouble}", file=sys.stderr)
    sys.exit(EXIT_CODE if troubles else 0)
