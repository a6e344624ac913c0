"""dvc.lock: what DVC ran last, with which parameters, and which data came out."""

from pathlib import Path
from typing import Any

import yaml

from t2ibench.errors import MissingError


def read_lock(path: Path) -> dict[str, Any]:
    """{stage: its deps, params and outs} of a dvc.lock, empty where nothing has run yet.

    Raises MissingError where the file is damaged.
    """
    if not path.is_file():
        return {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, many times as fast, where it is built in
    try:
        stages = (yaml.load(path.read_bytes(), loader) or {}).get("stages") or {}
    except (yaml.YAMLError, AttributeError):
        stages = None
    if not isinstance(stages, dict):
        raise MissingError(f"{path} is damaged", "git checkout dvc.lock, or delete it and run dvc repro")
    return stages
