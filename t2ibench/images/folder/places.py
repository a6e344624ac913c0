"""Where a file lies: opening what is inside the folder and nothing else, and names that can be shown."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path, PureWindowsPath

from t2ibench.images.folder.rules import LARGEST_FILE, Refusal

FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
"""A pipe or a device must not hold up the run, and the name that was checked must not have become a link."""


def shown(path: str) -> str:
    """A relative path for people and files: printable, one line, valid UTF-8; different paths stay different."""
    return "".join(char if char.isprintable() and char != "\\" else _escaped(char) for char in path)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def inside(root: str, real: str) -> bool:
    """Whether a path without links lies in the folder `root`, itself without links."""
    return os.path.commonpath([root, real]) == root


def relative(root: str, named: str) -> str:
    """The path below `root` that a table names, without `.` and doubled slashes. Raises Refusal."""
    if not named.strip():
        raise Refusal("no-path")
    if "\0" in named or any("\ud800" <= char <= "\udfff" for char in named):
        raise Refusal("bad-name")
    if named.startswith(("/", "\\")) or PureWindowsPath(named).is_absolute():
        raise Refusal("absolute")
    if ".." in named.replace("\\", "/").split("/"):  # whatever it leads to: nothing needs it
        raise Refusal("parent")
    if "\\" in named and not os.path.lexists(f"{root}/{named}"):
        named = named.replace("\\", "/")  # a table that was written on Windows
    parts = [part for part in named.split("/") if part not in ("", ".")]
    if not parts:
        raise Refusal("not-a-file")
    return "/".join(parts)


def open_inside(root: str, path: str) -> BufferedReader:
    """Opens the regular file at `path` below `root`; links are followed as long as they end inside.

    Raises Refusal where it is not there, not inside, not a file, empty, too large or not readable.
    """
    full = f"{root}/{path}"
    try:
        real = os.path.realpath(full, strict=True)
        if not inside(root, real):
            raise Refusal("link-out")
        handle = os.open(real, FLAGS)
    except OSError as error:
        raise Refusal(_rule(error, full)) from None
    try:
        _check(os.fstat(handle))
    except Refusal:
        os.close(handle)
        raise
    return os.fdopen(handle, "rb")


def _rule(error: OSError, path: str) -> str:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "broken-link" if Path(path).is_symlink() else "missing"
    if error.errno == errno.ELOOP:
        return "link-loop"
    if error.errno == errno.ENAMETOOLONG:
        return "bad-name"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "unreadable"
    if error.errno in (errno.ENXIO, errno.ENODEV):  # a socket; a device without a driver
        return "not-a-file"
    raise error  # a broken disk is no property of a picture


def _check(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Refusal("not-a-file")
    if found.st_size == 0:
        raise Refusal("empty")
    if found.st_size > LARGEST_FILE:
        raise Refusal("too-large")
