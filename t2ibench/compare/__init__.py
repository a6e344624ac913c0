"""compare: our results beside a paper's published tables, with a verdict per published cell.

Contract of the stage:

    load(root, params)                        -> {cell: CellResult}: counts, predictions, funnel
    load_filters(root, params)                -> {source: content of results/filter/<source>.json}
    load_completeness(root, params, ...)      -> what became of all that was planned, a row per source
    load_published(name)                      -> Published, one of compare/tables/*.yaml
    compare(study, models, results, ...)      -> the content of results/compare.json
    as_markdown(comparison, models, published)-> the same as Markdown tables, for results/compare.md
    as_console(comparison, models)            -> the same, small, for the last words of `make repro`
    accuracy_csv, funnel_csv, metrics         -> what `dvc plots` and `dvc metrics` show: results/plots/, metrics.json

A row of `cells` in results/compare.json is one published number: accuracy, published, ci_low, ci_high in [0, 1],
difference = accuracy - published in [-1, 1], n and correct in images, null where there is nothing to give.
`substitutes` says of which source's images another model drew than the study means ({source: `<model> for <model>`}).
The row of class `average` is the mean of the classes, as the paper averages: each class weighs the same.
`verdict` is one of VERDICTS, and `reason` says in words why. `pairs` compares the variants of a source on the same
images; `audit` holds the paper against itself; `completeness` counts what was planned, failed, kept and judged.
"""

from t2ibench.compare.complete import load_completeness
from t2ibench.compare.console import as_console
from t2ibench.compare.join import compare
from t2ibench.compare.markdown import as_markdown
from t2ibench.compare.plots import accuracy_csv, funnel_csv, metrics
from t2ibench.compare.printed import AVERAGE, Published, PublishedCell
from t2ibench.compare.published import load_published
from t2ibench.compare.results import CellResult, load, load_filters
from t2ibench.compare.settings import Settings
from t2ibench.compare.verdicts import VERDICTS

__all__ = [
    "AVERAGE",
    "VERDICTS",
    "CellResult",
    "Published",
    "PublishedCell",
    "Settings",
    "accuracy_csv",
    "as_console",
    "as_markdown",
    "compare",
    "funnel_csv",
    "load",
    "load_completeness",
    "load_filters",
    "load_published",
    "metrics",
]
