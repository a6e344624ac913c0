"""What a folder holds: class sub-folders, or what a table names. Names only: no file is opened here.

The first folder of a path is its class: `cat/2024/a.png` shows a cat. Every name counts once: found = entries +
left out. Links are followed once: a link to a folder that is listed already adds nothing, so that no loop is walked.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from t2ibench.errors import ConfigError, MissingError, UserError
from t2ibench.images.folder.places import inside, relative, shown
from t2ibench.images.folder.rules import LEFT_OUT, Refusal
from t2ibench.images.folder.table import Row, read_table

KEY = "images.folder.path"
SYSTEM = ("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "icon\r", "$recycle.bin")


@dataclass(frozen=True)
class Entry:
    """A file that should be a picture. path: below the folder, as the system names it; file: the same, for people;
    text: its prompt, or empty; rule: what refuses it already, or empty; sha256: of its bytes, empty until hashed."""

    path: str
    file: str
    class_name: str
    text: str
    rule: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Listing:
    """A folder's content. root: its path without links; entries: sorted by class, text and path."""

    root: str
    entries: list[Entry]
    left_out: dict[str, int]

    @property
    def found(self) -> int:
        """Names (or rows) that were looked at."""
        return len(self.entries) + sum(self.left_out.values())


def list_folder(folder: Path, table: Path | None, classes: Sequence[str], names: Mapping[str, str]) -> Listing:
    """Lists a folder for the study's classes. table: relative to the folder; names: {what stands there: class}.

    Raises MissingError where the folder is not there, ConfigError where it has nothing for one of the classes.
    """
    if not folder.is_dir():
        raise MissingError(f"there is no folder at {folder}", f"set {KEY} to the folder of the images")
    root, left_out = os.path.realpath(folder), Counter[str]()
    known = {label.casefold(): name for label, name in {**{name: name for name in classes}, **names}.items()}
    known = {label: name for label, name in known.items() if name in classes}
    if table is None:
        entries = list(_sorted_by_folder(root, known, left_out))
    else:
        rows = read_table(folder / table)
        entries = _named(root, rows, known, left_out)
        _count_the_rest(root, folder / table, rows, left_out)
    without = [name for name in classes if name not in {entry.class_name for entry in entries}]
    if without:
        said = "; ".join(f"{count} x {rule}: {LEFT_OUT[rule]}" for rule, count in sorted(left_out.items())) or "nothing"
        wanted = f"a folder with images of every class; it has none of {', '.join(without)} (left out: {said})"
        raise ConfigError(KEY, str(folder), wanted)
    entries.sort(key=lambda entry: (entry.class_name, entry.text, entry.file))  # equal rows keep the table's order
    return Listing(root, entries, dict(sorted(left_out.items())))


def _sorted_by_folder(root: str, known: Mapping[str, str], left_out: Counter[str]) -> Iterator[Entry]:
    for path, is_folder in _walk(root, left_out):
        label, _, rest = path.partition("/")
        class_name = known.get(label.strip().casefold())
        if not rest and not is_folder:
            left_out["no-class"] += 1
        elif class_name is None:
            left_out["class-not-asked"] += 1
        else:
            yield Entry(path, shown(path), class_name, "")


def _walk(root: str, left_out: Counter[str]) -> Iterator[tuple[str, bool]]:
    """(path, False) for every file, also where it is a link; (path, True) for a link to a folder outside."""
    todo, linked, seen = [""], list[str](), set[str]()
    while todo or linked:
        folder = todo.pop() if todo else linked.pop(0)
        real = os.path.realpath(f"{root}/{folder}")
        if not inside(root, real):
            yield folder, True
            continue
        if real in seen:
            left_out["linked-folder"] += 1
            continue
        seen.add(real)
        for entry in _entries(root, folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith("."):
                left_out["hidden"] += 1
            elif entry.name.casefold() in SYSTEM:
                left_out["system"] += 1
            elif entry.is_dir(follow_symlinks=False):
                todo.append(path)
            elif entry.is_symlink() and os.path.isdir(entry.path):  # noqa: PTH112  # Path.is_dir raises for some links
                linked.append(path)  # walked after all that lies there itself
            else:
                yield path, False


def _entries(root: str, folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(f"{root}/{folder}") as found:
            return sorted(found, key=lambda entry: os.fsencode(entry.name))
    except PermissionError:
        raise UserError(f"{KEY}: its folder {shown(folder) or '.'} may not be listed; nothing was brought in") from None


def _named(root: str, rows: Sequence[Row], known: Mapping[str, str], left_out: Counter[str]) -> list[Entry]:
    """An entry for each row that says something new about a picture of the study."""
    entries: list[Entry] = []
    first: dict[str, int] = {}
    for row in rows:
        class_name = known.get(row.label.casefold())
        if row.blank or class_name is None:
            left_out["blank-row" if row.blank else "class-not-asked" if row.label else "no-class"] += 1
            continue
        try:
            if row.long:
                raise Refusal("long-row")
            entry = Entry(path := relative(root, row.path), shown(path), class_name, row.text)
        except Refusal as refusal:
            entries.append(Entry("", shown(row.path), class_name, row.text, refusal.rule))
            continue
        number = first.setdefault(path, len(entries))
        if number == len(entries):
            entries.append(entry)
        elif replace(entries[number], rule="") == entry:
            left_out["repeated-row"] += 1
        else:  # nobody knows which one is right
            entries[number] = replace(entries[number], rule="two-rows")
            entries.append(replace(entry, rule="two-rows"))
    return entries


def _count_the_rest(root: str, table: Path, rows: Sequence[Row], left_out: Counter[str]) -> None:
    """Counts the files that the table does not name. What it names is named, hidden or not."""
    named, itself = set[str](), os.path.realpath(table)
    for row in rows:
        with suppress(Refusal):
            named.add(relative(root, row.path))
    for path, _ in _walk(root, Counter()):
        if f"{root}/{path}" == itself:
            left_out["table"] += 1
        elif path not in named:
            left_out["not-in-table"] += 1
