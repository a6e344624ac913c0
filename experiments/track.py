"""track: results and timings -> MLflow runs, data/track/published.json. Usage: python -m experiments.track"""

import os
import subprocess
from pathlib import Path

from t2ibench.harness import paths
from t2ibench.harness.stage import Stage, main, no_cells
from t2ibench.records import write_json
from t2ibench.track import Settings
from t2ibench.track.collect import collect
from t2ibench.track.mlflow import publish
from t2ibench.track.store import address


def run(stage: Stage) -> None:
    """Publishes every cell that is not published yet, then writes which results are: a failure leaves no such file."""
    written = Path("data/track/published.json")
    written.unlink(missing_ok=True)
    params = stage.params.model_dump()
    settings: Settings = stage.build()
    tags = {"study": params["study"]["name"], "models": params["models"]["name"],
            "mlflow.source.git.commit": _revision(), "dvc.experiment": os.environ.get("DVC_EXP_NAME", "workspace")}
    runs = collect(Path(), params, paths.timings(), tags)
    new = publish(runs, settings.experiment, settings.uri, paths.root())
    write_json(written, {"experiment": settings.experiment, "cells": {run.name: run.content for run in runs}})
    print(f"track: {new} new runs of {len(runs)} in {address(settings.uri, paths.root())}")


def _revision() -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    main("track", run, no_cells)
