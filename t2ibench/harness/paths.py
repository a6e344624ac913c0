"""Where things lie. Outs are relative to the workspace; what is paid for once is kept in the repository's real root.

A queued DVC experiment runs in a temporary workspace without the ignored files: there `DVC_ROOT` still names the
real root, so that the item cache, the timings and the MLflow database are shared by all experiments.
"""

import os
from pathlib import Path


def root() -> Path:
    """The repository's real root."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd())


def cache() -> Path:
    """The folder of what is kept between runs and never committed."""
    return root() / ".cache"


def timings() -> Path:
    """The folder of the clocks' readings, a folder per hardware, and in it one per choice of models."""
    return cache() / "timings"


def timing_file(hardware: str, models: str, stage: str, cell: str) -> Path:
    """Where the clock of one cell of a stage is kept. hardware, models: by name; cell: "" where there is but one."""
    return timings() / hardware / models / stage / f"{cell.replace('/', '-') or 'all'}.json"


def lock_file(stage: str, cell: str) -> Path:
    """What a process holds while it works on a stage's cell."""
    return cache() / "locks" / f"{stage}-{cell.replace('/', '-')}.lock"
