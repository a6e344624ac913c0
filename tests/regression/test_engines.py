"""An engine that changes what it makes has another identity: else what is stored passes for what it makes now.

engines.json and engines.npz hold what each engine gave under its identity. Where pixels or numbers change, its VERSION
has to be raised, and the new results recorded: `python tests/regression/record_engines.py`.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from engines import CASES, Results, compute
from reference import RECORD, differences, load

from t2ibench.deblur.restormer import Restormer
from t2ibench.evaluate.yolov8 import Yolov8
from t2ibench.filter.clip import ClipRanking
from t2ibench.images.sd import StableDiffusion

Recorded = tuple[dict[str, Any], Results]


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return load()


def stale(name: str, told: dict[str, Any]) -> str:
    """What to do where an engine's identity is another than the recorded one; empty where it is the same."""
    same = CASES[name].make().identity == told["engines"][name]["identity"]
    return "" if same else f"{name} has another version or other weights than its recording: {RECORD}"


@pytest.mark.parametrize("name", CASES)
def test_an_engine_gives_what_was_recorded_under_its_identity(name: str, recorded: Recorded) -> None:
    told, arrays = recorded
    assert stale(name, told) == ""
    changed = differences(name, compute(name, list(arrays["pictures"])), told, arrays)
    assert changed == [], f"raise the VERSION of {name}, or take the change back; then {RECORD}"


@pytest.mark.parametrize(("name", "engine"), [
    ("images.sd dpmsolver++", StableDiffusion), ("deblur.restormer", Restormer), ("filter.measure", ClipRanking),
    ("evaluate.yolov8", Yolov8)])
def test_a_raised_version_asks_for_a_new_recording(name: str, engine: Any, recorded: Recorded,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "VERSION", engine.VERSION + 1)
    assert stale(name, recorded[0]).endswith(RECORD)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_both_comparisons_find_a_change(name: str, exact: bool, recorded: Recorded) -> None:
    """One value by one step is found to the byte; a tenth of the values by a level, elsewhere too."""
    told, arrays = recorded
    results = {key.removeprefix(f"{name}/"): value for key, value in arrays.items() if key.startswith(f"{name}/")}
    assert differences(name, results, told, arrays, exact) == []
    for key, value in results.items():
        spoilt = value.copy()
        some = spoilt.reshape(-1)[:1] if exact else spoilt.reshape(-1)[::10]
        some += np.array(1 if value.dtype == np.uint8 else 30 * CASES[name].off, value.dtype)
        found = differences(name, results | {key: spoilt}, told, arrays, exact)
        assert [text.split(": ")[1] for text in found] == [key]
