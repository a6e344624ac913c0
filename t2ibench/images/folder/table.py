"""A table of pictures: a CSV file with the columns path, class and, if it likes, prompt; others are not read.

A table as a whole that cannot be read (encoding, quotation marks, missing columns) stops the run; a single row that
cannot be used is one picture's matter.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from t2ibench.errors import ConfigError, MissingError

KEY = "images.folder.table"
COLUMNS = ("path", "class", "prompt")
ACCEPTED = "a CSV file in UTF-8, separated by commas, whose header has the columns path and class (and prompt)"


class Row(NamedTuple):
    """A row as it stands there. long: it has more values than the header; blank: it has none."""

    path: str
    label: str
    text: str
    long: bool
    blank: bool


def read_table(file: Path) -> list[Row]:
    """The rows of a table, in its order; the byte order mark and the kind of line ends do not matter.

    Raises MissingError where it is not there, ConfigError where it is no such table.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise MissingError(f"there is no table at {file}", f"set {KEY} to a CSV file, or to null") from None
    except UnicodeDecodeError as error:
        raise ConfigError(KEY, str(file), f"{ACCEPTED}; byte {error.start} is not UTF-8") from None
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = _columns(next(lines, []), file)
        return list(_rows(lines, columns))
    except csv.Error as error:
        raise ConfigError(KEY, str(file), f"{ACCEPTED}; line {lines.line_num}: {error}") from None


def _columns(header: list[str], file: Path) -> dict[str, int]:
    """{name: position}, and under "" how many columns there are."""
    names = [name.strip().casefold() for name in header]
    for name in COLUMNS:
        if names.count(name) > 1 or (name != "prompt" and name not in names):
            wrong = "twice" if name in names else "not"
            raise ConfigError(KEY, str(file), f"{ACCEPTED}; the column {name} is {wrong} there")
    return {name: names.index(name) for name in COLUMNS if name in names} | {"": len(names)}


def _rows(lines: Iterator[list[str]], columns: dict[str, int]) -> Iterator[Row]:
    for values in lines:
        path, label, text = (
            values[columns[name]] if name in columns and columns[name] < len(values) else "" for name in COLUMNS
        )
        long = any(value.strip() for value in values[columns[""] :])
        yield Row(path, label.strip(), " ".join(text.split()), long, not any(value.strip() for value in values))
