"""Published tables as data: one YAML per paper in `compare/tables/`, every printed number with its printed decimals.

A table has rows and columns; a column measures one metric, which has a unit and a better direction. Where a column is
what a cell of the pipeline reproduces, it names that cell, and its rows are classes and their average. A column that
names none is data all the same: the audit reads it, the comparison has nothing to put beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped,unused-ignore]

from t2ibench.compare.audit.claims import parse_claims
from t2ibench.compare.printed import BETTER, DIVERGED, NOTHING, NUMBER, UNITS, Published, PublishedCell
from t2ibench.errors import ConfigError

TABLES = Path(__file__).parent / "tables"
UNKNOWN = "unknown"


def load_published(name: str | None) -> Published:
    """Reads `tables/<name>.yaml`; None, for a study that reproduces no paper, has no cell.

    Raises ConfigError where there is no such paper, or a value of its file cannot be used.
    """
    if name is None:
        return NOTHING
    known = sorted(path.stem for path in TABLES.glob("*.yaml"))
    if name not in known:
        raise ConfigError("compare.tables", name, ", ".join([*known, "null"]))
    return parse(yaml.safe_load((TABLES / f"{name}.yaml").read_text(encoding="utf-8")))


def parse(document: Mapping[str, Any]) -> Published:
    """Builds the tables from a parsed YAML. Raises ConfigError, naming the value, where one cannot be used."""
    _require("the file", document, "paper", "title", "authors", "venue", "metrics", "unknown", "tables")
    cells = tuple(cell for table in document["tables"] for cell in _table(table, document["metrics"]))
    return Published(
        paper=document["paper"],
        title=document["title"],
        authors=document["authors"],
        venue=document["venue"],
        unknown=tuple(key for key, value in document["unknown"].items() if value == UNKNOWN),
        cells=cells,
        claims=parse_claims(document.get("claims", []), cells),
    )


def _table(table: Mapping[str, Any], metrics: Mapping[str, Any]) -> Iterator[PublishedCell]:
    _require("tables", table, "table", "about", "rows", "columns")
    for column in table["columns"]:
        _require(f"table {table['table']}", column, "column", "n", "values")
    names = [column["column"] for column in table["columns"]]
    if len(set(names)) < len(names):
        raise ConfigError(f"table {table['table']}, columns", names, "columns of different names")
    for column in table["columns"]:
        key = f"table {table['table']}, {column['column']}"
        name = column.get("metric", table.get("metric"))
        metric = _metric(key, name, metrics)
        _check_rows(key, list(column["values"]), table["rows"])
        for row, printed in column["values"].items():
            yield PublishedCell(
                table=table["table"],
                about=table["about"],
                column=column["column"],
                row=row,
                metric=str(name),
                better=metric["better"],
                unit=metric["unit"],
                counted=metric["counted"],
                printed=_printed(f"{key}, {row}", printed, metric["unit"], joined=bool(column.get("cell"))),
                n=_n(key, column["n"]),
                cell=column.get("cell"),
            )


def _require(key: str, entry: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if name not in entry:
            raise ConfigError(f"{key}, {name}", None, f"a value; what is there: {', '.join(entry)}")


def _metric(key: str, name: str | None, metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    if name is None or name not in metrics:
        raise ConfigError(f"{key}, metric", name, ", ".join(metrics))
    metric: Mapping[str, Any] = metrics[name]
    for setting, accepted in (("unit", tuple(UNITS)), ("better", BETTER), ("counted", (True, False))):
        if metric.get(setting) not in accepted:
            raise ConfigError(f"metrics.{name}.{setting}", metric.get(setting), " or ".join(map(str, accepted)))
    if metric["counted"] and metric["unit"] == "score":
        raise ConfigError(f"metrics.{name}.unit", "score", "percent or fraction, for it is counted")
    return metric


def _check_rows(key: str, found: Sequence[str], rows: Sequence[str]) -> None:
    """A class that is misspelt, missing or one too many is found here, for every table names its rows once."""
    for row in found:
        if row not in rows:
            raise ConfigError(f"{key}, row", row, ", ".join(rows))
    if absent := [row for row in rows if row not in found]:
        raise ConfigError(f"{key}, rows", list(found), f"every row of the table: {', '.join(absent)} is missing")


def _printed(key: str, printed: object, unit: str, joined: bool) -> str:
    if printed == DIVERGED and not joined:
        return DIVERGED
    if isinstance(printed, str) and NUMBER.fullmatch(printed) and (unit == "score" or Decimal(printed) <= UNITS[unit]):
        return printed
    most = "" if unit == "score" else f", {UNITS[unit]} at most"
    raise ConfigError(key, printed, f"a number in quotes, with the decimals that the paper prints{most}")


def _n(key: str, n: object) -> int | None:
    if n == UNKNOWN:
        return None
    if isinstance(n, int) and not isinstance(n, bool) and n > 0:
        return n
    raise ConfigError(f"{key}, n", n, f"a number above 0, or {UNKNOWN}")
