"""report: everything on one page. A self-contained HTML file that opens from disk, and the figures as PNG.

Contract of the stage:

    load(root, params)      -> ReportInputs: all that is shown, read and checked; cells come from params.yaml
    page.build(inputs)      -> the page as a string, for data/report/index.html
    page.figures(inputs)    -> {name: PNG bytes} of every chart and sheet, for data/report/figures/<name>.png
    python -m t2ibench.report.timing   -> data/timing/index.html, from the stages' clocks; never part of an out

The page asks nothing of a network, holds no clock, host or path, and equal results give equal bytes.
"""

from t2ibench.report.inputs import Cell, ReportInputs, Settings, Source
from t2ibench.report.reading import load

__all__ = ["Cell", "ReportInputs", "Settings", "Source", "load"]
