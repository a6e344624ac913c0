"""Writes engines.json and engines.npz: what each engine gives under its identity. Run it where an engine's VERSION was
raised, or its weights changed. Usage: python tests/regression/record_engines.py

An engine whose results changed under the same identity is refused: its stored images would pass for what it makes now.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from engines import CASES, compute, machine, one_thread
from reference import JSON, NPZ, differences, entry, load

from t2ibench.records import write_json


def main() -> int:
    """Records all engines, or none where one may not be."""
    old, arrays = load() if JSON.is_file() else ({"engines": {}}, {})
    pictures = arrays.get("pictures")
    if pictures is None:
        drawn = [compute(name, [])["images"] for name in CASES if name.startswith("images.")]
        pictures = np.concatenate(drawn)
    kept: dict[str, np.ndarray] = {"pictures": pictures}
    told, refused = {}, []
    for name in CASES:
        results = compute(name, list(pictures))
        told[name] = entry(name, results)
        before = old["engines"].get(name)
        if before and before["identity"] == told[name]["identity"] and differences(name, results, old, arrays):
            refused.append(name)
        kept |= {f"{name}/{key}": value for key, value in results.items()}
    if refused:
        print(f"not recorded: {', '.join(refused)} changed under the same identity: raise VERSION", file=sys.stderr)
        return 1
    with one_thread():
        write_json(JSON, {"machine": machine(), "engines": told})
    np.savez_compressed(NPZ, **kept)  # type: ignore[arg-type]
    return 0


if __name__ == "__main__":
    sys.exit(main())
