"""The timing page: how long every stage took, on which device, and what share of the whole that is.

    python -m t2ibench.report.timing [FOLDER ...]    -> data/timing/index.html

A FOLDER holds readings of the stages' clocks, `<hardware>/<models>/<stage>/<cell>.json` or the end of such a path; by
default it is `.cache/timings`, in which hardware values and models stand side by side. Folders that were copied from
other machines add theirs. Clocks differ between two honest runs, so nothing of this is in data/report or another out.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from t2ibench.errors import MissingError, one_sentence
from t2ibench.records import read_json, write_bytes

STAGES = ("prompts", "images", "filter", "deblur", "evaluate", "compare", "report", "track")
NUMBERS = ("images", "seconds", "peak_memory_mb")
OUT = Path("data/timing/index.html")


def read(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """All readings, in flow order, then by cell and hardware; `share` is added: of the seconds of its hardware. Where
    there are readings of several models, `hardware` names them too. Of a cell that several folders timed on one
    hardware with the same models, the last one's reading.

    Raises MissingError where there is none, or a file is not a reading.
    """
    read = [_reading(path) for folder in folders for depth in ("*/*.json", "*/*/*.json", "*/*/*/*.json")
            for path in sorted(folder.glob(depth))]
    rows = list({(row["stage"], row["cell"], row["hardware"], row["models"]): row for row in read}.values())
    if not rows:
        raise MissingError(f"no stage has been timed in {', '.join(map(str, folders))}", "make repro")
    if len({row["models"] for row in rows}) > 1:
        for row in rows:
            row["hardware"] += f", {row['models']}"
    whole: dict[str, float] = {}
    for row in rows:
        whole[row["hardware"]] = whole.get(row["hardware"], 0.0) + row["seconds"]
    for row in rows:
        row["share"] = row["seconds"] / whole[row["hardware"]] if whole[row["hardware"]] else 0.0
    order = {stage: place for place, stage in enumerate(STAGES)}
    return sorted(rows, key=lambda row: (order.get(row["stage"], len(order)), row["stage"], row["cell"],
                                         row["hardware"]))


def _reading(path: Path) -> dict[str, Any]:
    row = read_json(path, "dvc repro -f (the stage writes its clock again)")
    names = isinstance(row, dict) and all(isinstance(row.get(key), str) for key in ("stage", "cell", "hardware",
                                                                                    "device"))
    if not names or not all(_number(row.get(key)) for key in NUMBERS):
        raise MissingError(f"{path} is not a reading of a stage's clock", f"rm {path}")
    row["models"] = str(row.get("models") or "")
    row["reused"] = row.get("reused") or 0
    row["images_per_second"] = row.get("images_per_second")
    return dict(row)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def by_stage(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Per stage and hardware: [{stage, hardware, device, images, reused, seconds, images_per_second, ...}].

    images_per_second: all made images over the seconds that steady state would take for them; None where no cell of
    the stage has a rate.
    """
    found = []
    for stage in dict.fromkeys(row["stage"] for row in rows):
        for hardware in dict.fromkeys(row["hardware"] for row in rows):
            cells = [row for row in rows if row["stage"] == stage and row["hardware"] == hardware]
            if cells:
                rated = [row for row in cells if row["images_per_second"]]
                steady = sum(row["images"] / row["images_per_second"] for row in rated)
                made = sum(row["images"] for row in rated)
                found.append({
                    "stage": stage,
                    "hardware": hardware,
                    "device": ", ".join(dict.fromkeys(row["device"] for row in cells)),
                    "images": sum(row["images"] for row in cells),
                    "reused": sum(row["reused"] for row in cells),
                    "seconds": sum(row["seconds"] for row in cells),
                    "images_per_second": made / steady if steady else None,
                    "peak_memory_mb": max(row["peak_memory_mb"] for row in cells),
                    "share": sum(row["share"] for row in cells),
                })
    return found


def build(rows: Sequence[Mapping[str, Any]]) -> str:
    """The timing page as one HTML document without an outside reference; rows: as `read` gives them."""
    # here, for both take a second and reading needs neither
    from t2ibench.report.page import TEMPLATES, environment

    stages = by_stage(rows)
    hardware = list(dict.fromkeys(row["hardware"] for row in rows))
    totals = [{"hardware": name,
               "devices": ", ".join(sorted({row["device"] for row in rows if row["hardware"] == name})),
               "seconds": sum(row["seconds"] for row in rows if row["hardware"] == name)} for name in hardware]
    cells = [{"stage": stage, "rows": list(group)} for stage, group in groupby(rows, key=lambda row: row["stage"])]
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    return environment().get_template("timing.html.j2").render(
        style=style, stages=stages, hardware=hardware, totals=totals, cells=cells, chart=_chart(stages, hardware),
        reused=any(row["reused"] for row in rows))


def _chart(stages: Sequence[Mapping[str, Any]], hardware: Sequence[str]) -> dict[str, Any]:
    """Seconds per stage, a bar for each hardware; on a logarithmic axis, for the stages differ by thousands."""
    from markupsafe import Markup

    from t2ibench.report.style import LINE, LOST, MUTED, OURS, PAPER, empty, styled, svg

    names = list(dict.fromkeys(row["stage"] for row in stages))
    tones = [OURS, PAPER, *LOST.values()]
    thick = 0.7 / len(hardware)
    with styled():
        figure, axes = empty(4.6, 0.8 + (0.18 + 0.16 * len(hardware)) * len(names),
                             {"left": 0.85, "right": 0.6, "top": 0.35 if len(hardware) > 1 else 0.1, "bottom": 0.5})
        for place, name in enumerate(hardware):
            mine = {row["stage"]: row["seconds"] for row in stages if row["hardware"] == name}
            ys = [y + (place - (len(hardware) - 1) / 2) * thick for y in range(len(names))]
            values = [max(mine.get(stage, 0.0), 0.01) for stage in names]
            axes.barh(ys, values, height=0.9 * thick, color=tones[place % len(tones)], label=name)
            for y, stage in zip(ys, names, strict=True):
                if stage in mine:
                    axes.text(max(mine[stage], 0.01) * 1.12, y, _seconds(mine[stage]), va="center", fontsize=8)
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel("seconds", color=MUTED)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlim(0.01, 3 * max([*(row["seconds"] for row in stages), 1.0]))
        axes.grid(axis="x", color=LINE, linewidth=0.7)
        if len(hardware) > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=4, frameon=False, fontsize=8)
        told = ", ".join(f"{row['stage']} on {row['hardware']} {_seconds(row['seconds'])}" for row in stages)
        return {"svg": Markup(svg(figure, "timing")), "alt": f"Seconds per stage: {told}."}


def _seconds(value: float) -> str:
    """`0.25 s`, `48.2 s`, `12,345 s`: three digits or more, never a power of ten."""
    return f"{value:,.0f} s" if value >= 100 else f"{value:.3g} s"


def main(arguments: Sequence[str]) -> None:
    """Writes the page and says where it is; ends the process with 2 for a user's mistake."""
    root = Path(os.environ.get("DVC_ROOT") or Path.cwd())
    folders = [Path(argument) for argument in arguments] or [root / ".cache" / "timings"]
    with one_sentence():
        write_bytes(OUT, build(read(folders)).encode())
    print(f"The timings: {OUT}")


if __name__ == "__main__":
    main(sys.argv[1:])
