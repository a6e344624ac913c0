"""Published tables as data: one YAML per paper in `compare/tables/`, every printed cell with its printed decimals."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped,unused-ignore]

from t2ibench.errors import ConfigError

TABLES = Path(__file__).parent / "tables"
AVERAGE = "average"
UNKNOWN = "unknown"
UNITS = {"percent": Decimal(100), "fraction": Decimal(1)}


@dataclass(frozen=True, kw_only=True)
class PublishedCell:
    """One printed number. cell: `<source>/<variant>` that reproduces its column; class_name: a class or `average`;
    printed: the digits on paper, in `unit`; n: the number of images behind it, None where the paper is silent."""

    table: int
    about: str
    column: str
    cell: str
    class_name: str
    printed: str
    unit: str
    n: int | None

    @property
    def value(self) -> float:
        """The printed number as a fraction."""
        return float(Decimal(self.printed) / UNITS[self.unit])

    @property
    def decimals(self) -> int:
        """How many decimals are printed: 2 for 99.28, 0 for 100."""
        return len(self.printed.partition(".")[2])


@dataclass(frozen=True, kw_only=True)
class Published:
    """The tables of one paper, cells in printed order. unknown: what the paper does not print."""

    paper: str
    title: str
    authors: str
    venue: str
    unknown: tuple[str, ...]
    cells: tuple[PublishedCell, ...]


NOTHING = Published(paper="none", title="", authors="", venue="", unknown=(), cells=())


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
    cells = tuple(
        PublishedCell(
            table=table["table"],
            about=table["about"],
            column=column["column"],
            cell=column["cell"],
            class_name=class_name,
            printed=_printed(f"table {table['table']}, {column['column']}, {class_name}", printed),
            unit=_unit(document["unit"]),
            n=_n(column["n"]),
        )
        for table in document["tables"]
        for column in table["columns"]
        for class_name, printed in column["values"].items()
    )
    return Published(
        paper=document["paper"],
        title=document["title"],
        authors=document["authors"],
        venue=document["venue"],
        unknown=tuple(key for key, value in document["unknown"].items() if value == UNKNOWN),
        cells=cells,
    )


def _printed(key: str, printed: object) -> str:
    try:
        if isinstance(printed, str) and Decimal(printed).is_finite() and Decimal(printed) >= 0:
            return printed
    except InvalidOperation:
        pass  # refused below, with every other value that is not a number
    raise ConfigError(key, printed, "a number in quotes, with the decimals that the paper prints")


def _unit(unit: object) -> str:
    if unit not in UNITS:
        raise ConfigError("unit", unit, " or ".join(UNITS))
    return str(unit)


def _n(n: object) -> int | None:
    if n == UNKNOWN:
        return None
    if isinstance(n, int) and n > 0:
        return n
    raise ConfigError("n", n, f"a number of images above 0, or {UNKNOWN}")
