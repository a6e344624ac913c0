"""Composes conf/ into params.yaml, as `dvc exp run` does. Usage: python -m t2ibench.harness.params [key=value ...]"""

import sys
from collections.abc import Sequence
from pathlib import Path

from t2ibench.errors import ConfigError, one_sentence
from t2ibench.harness.config import load
from t2ibench.records import write_bytes


def write(target: Path, overrides: Sequence[str] = (), conf: Path | None = None) -> None:
    """Composes `conf` (default: conf/ here) and writes it. Raises ConfigError for a choice that does not exist."""
    from dvc.utils.hydra import compose_and_dump
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        compose_and_dump(str(target), str((conf or Path("conf")).resolve()), None, "config", "", list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        text = " ".join(str(error).split())
        raise ConfigError("conf", " ".join(overrides), f"choices and keys that conf/ has ({text})") from None


def main(overrides: Sequence[str]) -> None:
    """Composes into a file beside params.yaml, checks it, and only then puts it in place."""
    folder = Path(".cache/params")
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / "params.yaml"
    write(draft, overrides)
    load(folder=folder)
    write_bytes(Path("params.yaml"), draft.read_bytes())
    print("params.yaml is what conf/ says")


if __name__ == "__main__":
    with one_sentence():
        main(sys.argv[1:])
