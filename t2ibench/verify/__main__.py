"""Makes a sample of the recorded images again and compares. Usage: python -m t2ibench.verify [--sample 50] [--seed 0]
[--bound 48] [--json] [key=value ...]

Exit codes: 0; 1 where a picture is below the bound or not the recorded one; 2 for a mistake of the user's, among them
other parameters than those that made the images.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console

from t2ibench.errors import ConfigError, one_sentence
from t2ibench.harness import config
from t2ibench.harness.environment import quiet
from t2ibench.verify import table
from t2ibench.verify.cells import cells
from t2ibench.verify.redo import Found, redo

FAILED = 1
BOUND_DB = 48.0
"""A difference of one level of 255 in every value is 48.1 dB. Rounding stays above 80 dB (docs/performance.md)."""


def main(arguments: Sequence[str]) -> int:
    """Prints what was found; returns the exit code. Raises UserError before any model is loaded."""
    asked = _parser().parse_args(arguments)
    if asked.sample < 1:
        raise ConfigError("--sample", asked.sample, "an integer from 1")
    if not 0 <= asked.bound <= 100:
        raise ConfigError("--bound", asked.bound, "0 to 100 dB")
    params = config.load(asked.values)
    if params.hardware.threads:
        os.environ["OMP_NUM_THREADS"] = str(params.hardware.threads)  # before a model's library is imported
    found = [redo(cell, asked.sample, asked.seed) for cell in cells(params)]
    worse = sum(len(one.worse(asked.bound)) for one in found)
    if asked.json:
        print(json.dumps(as_json(found, asked.bound, asked.seed), indent=2, sort_keys=True, allow_nan=False))
    else:
        _print(found, asked.bound)
    return FAILED if worse else 0


def as_json(found: Sequence[Found], bound_db: float, seed: int) -> dict[str, object]:
    """What was found, as one JSON object."""
    return {"bound_db": bound_db, "seed": seed, "failed": sum(len(one.worse(bound_db)) for one in found),
            "cells": [asdict(one) for one in found]}


def _print(found: Sequence[Found], bound_db: float) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=150)
    console.print(table.table("Recorded images, made again", found, bound_db))
    lines = [line for one in found for line in table.lines(one, bound_db)]
    sampled, identical = sum(one.sampled for one in found), sum(one.identical for one in found)
    lines.append(f"{identical} of {sampled} are the same to the byte; what differs may do so by rounding, down to "
                 f"{bound_db:g} dB.")
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m t2ibench.verify", description="Makes recorded images again.")
    parser.add_argument("--sample", type=int, default=50, help="pictures of each cell, chosen at random")
    parser.add_argument("--seed", type=int, default=0, help="of the choice")
    parser.add_argument("--bound", type=float, default=BOUND_DB, metavar="DB",
                        help="PSNR down to which a difference counts as rounding")
    parser.add_argument("--json", action="store_true", help="prints JSON in place of the table")
    parser.add_argument("values", nargs="*", metavar="key=value", help="values in place of those in params.yaml")
    return parser


if __name__ == "__main__":
    quiet()
    with one_sentence():
        sys.exit(main(sys.argv[1:]))
