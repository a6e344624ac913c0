"""The recorded results of the engines, and whether results of now are the same.

To the byte where this machine rounds as the recording one (torch, the processor, its instructions, one thread); within
each engine's tolerance elsewhere. engines.npz holds arrays, engines.json identities and digests.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from engines import CASES, Results, machine, one_thread

from t2ibench.records import read_json

JSON, NPZ = Path(__file__).with_name("engines.json"), Path(__file__).with_name("engines.npz")
RECORD = "python tests/regression/record_engines.py"


def load() -> tuple[dict[str, Any], Results]:
    with np.load(NPZ, allow_pickle=False) as arrays:
        return read_json(JSON, RECORD), {name: arrays[name] for name in arrays.files}


def entry(name: str, results: Results) -> dict[str, Any]:
    """What engines.json holds of an engine."""
    return {"identity": CASES[name].make().identity,
            "sha256": {key: hashlib.sha256(value.tobytes()).hexdigest() for key, value in results.items()}}


def differences(name: str, results: Results, told: dict[str, Any], arrays: Results,
                exact: bool | None = None) -> list[str]:
    """What differs from the recording, in words. exact: to the byte; None: where this machine is the recording one."""
    with one_thread():
        exact = machine() == told["machine"] if exact is None else exact
    recorded = {key.removeprefix(f"{name}/"): value for key, value in arrays.items() if key.startswith(f"{name}/")}
    if {*recorded} != {*results}:
        return [f"{name}: it gives {', '.join(sorted(results))}, recorded are {', '.join(sorted(recorded))}"]
    found = []
    for key, now in results.items():
        then = recorded[key]
        if now.shape != then.shape or now.dtype != then.dtype:
            found.append(f"{key}: {now.dtype} {now.shape}, recorded {then.dtype} {then.shape}")
            continue
        off = float(np.abs(now.astype(np.float64) - then.astype(np.float64)).mean())
        if exact and hashlib.sha256(now.tobytes()).hexdigest() != told["engines"][name]["sha256"][key]:
            found.append(f"{key}: other bytes, off by {off:.3g} in the mean")
        elif off > CASES[name].off:
            found.append(f"{key}: off by {off:.3g} in the mean, more than {CASES[name].off:g}")
    return [f"{name}: {text}" for text in found]
