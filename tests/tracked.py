"""A workspace that is ready to be published: the results, a dvc.lock, readings of clocks, the report's figures."""

import os
import socket
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from fake_workspace import make_workspace

from t2ibench.pictures import encode_png, read_picture
from t2ibench.records import write_bytes, write_json
from t2ibench.track import CellRun
from t2ibench.track.collect import collect


def make_published(root: Path, params: dict[str, Any]) -> None:
    """The fake workspace, with what `track` reads beside it. Each data folder has a digest of its own."""
    make_workspace(root, params)
    numbers, outs = count(), {}
    for source in params["sources"]:
        folders = {f"images@{source}": f"images/{source}", f"filter@{source}": f"filter/{source}"}
        folders |= {f"{stage}@{source}-{variant}": f"{stage}/{source}/{variant}"
                    for stage in ("deblur", "evaluate") for variant in params["variants"]}
        outs |= {stage: {"outs": [{"path": f"data/{folder}", "md5": f"{next(numbers):032x}.dir"}]}
                 for stage, folder in folders.items()}
        for stage, cell in (one.split("@") for one in folders):
            write_reading(root, "cpu", stage, cell, 4.0)
        for variant in params["variants"]:
            _draw_figures(root, source, variant)
    (root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": outs}))
    (root / "params.yaml").write_text(yaml.safe_dump({"track": {"experiment": "study", "uri": None}}))


def runs_of(root: Path, params: dict[str, Any]) -> list[CellRun]:
    """What `track` would publish of the workspace."""
    return collect(root, params, root / "timings", {"study": "repro", "models": "tiny"})


def write_reading(root: Path, hardware: str, stage: str, cell: str, speed: float | None, **more: Any) -> None:
    """The clock of a cell, as a stage leaves it. speed: images per second."""
    row = {"images": 8, "reused": 0, "seconds": 2.0, "images_per_second": speed, "peak_memory_mb": 100.0,
           "device": f"a {hardware}", "driver": None, "hardware": hardware}
    write_json(root / f"timings/{hardware}/tiny/{stage}/{cell}.json", row | more)


def _draw_figures(root: Path, source: str, variant: str) -> None:
    """Stand-ins for the report's figures: the first pictures of the cell in a row."""
    paths = sorted((root / "data/deblur" / source / variant).glob("*/*.png"))[:6]
    sheet = encode_png(np.concatenate([read_picture(path) for path in paths], axis=1))
    for key in ("grid", "failures", "confusion", "segmentation"):
        write_bytes(root / f"data/report/figures/{key}-{source}-{variant}.png", sheet)
    write_bytes(root / f"data/report/figures/funnel-{source}.png", sheet)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def start_ui(root: Path, port: int) -> tuple["subprocess.Popen[str]", list[str]]:
    """`make ui` of a workspace, in a process of its own, once it answers; and the lines that it printed."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-m", "t2ibench.track.ui", "--port", str(port)]
    process = subprocess.Popen(command, cwd=root, env=environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines: list[str] = []
    assert process.stdout
    for line in process.stdout:
        lines.append(line.rstrip())
        if line.startswith(("    http", "  it holds")) and ("compare-runs" in line or "holds" in line):
            return process, lines
    raise AssertionError(f"the UI ended with {process.wait()}: {lines}")
