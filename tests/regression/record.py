"""Writes bundled.json from results/ and the models' card: run it when the bundled weights change, after `make repro`
and `make tiny-card`. Usage: python tests/regression/record.py"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from t2ibench.harness import config  # noqa: E402
from t2ibench.records import read_json, write_json  # noqa: E402

params = config.load(folder=ROOT)
cells = {
    f"{source}/{variant}": {
        name: {"n": one["n"], "correct": one["correct"]}
        for name, one in read_json(ROOT / f"results/evaluate/{source}/{variant}.json")["per_class"].items()
    }
    for source in params.sources
    for variant in params.variants
}
card = read_json(ROOT / "t2ibench/tiny/card.json")
unfiltered = {name: one["detector"]["mean"] for name, one in card["sources"].items()}
write_json(Path(__file__).parent / "bundled.json",
           {"models": params.models.name, "cells": cells, "unfiltered": unfiltered})
