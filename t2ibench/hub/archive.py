"""A model or data set whose files lie in one zip archive: those that the catalogue names are taken out, and no other.

What is asked of the archive is the catalogue's own names, so nothing in it decides where a file goes: a member called
`../x`, a link or a file that nobody asked for stays inside.
"""

import hashlib
import os
import zipfile
import zlib
from pathlib import Path

from t2ibench.hub.catalogue import Entry
from t2ibench.hub.download import CHUNK, wrong
from t2ibench.hub.sources import Item, Trouble

LARGEST = 1 << 30
"""Bytes of a member whose size is not recorded: what says to be larger is refused before it fills the disk."""


def unpack(entry: Entry, archive: Path, folder: Path) -> dict[str, str]:
    """Puts the entry's files in place and returns {path in the folder: sha256}.

    Raises Trouble where the archive is damaged, lacks one, or holds other bytes than the recorded ones.
    """
    try:
        with zipfile.ZipFile(archive) as held:
            return {path: _take(held, _item(entry, path), archive.name, folder) for path in entry.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise Trouble(f"{archive.name} is not an archive that can be read ({error})") from error


def _item(entry: Entry, path: str) -> Item:
    file = entry.files[path]
    return Item(path, path, file.size, file.sha256, None, hub=False)


def _take(held: zipfile.ZipFile, item: Item, archive: str, folder: Path) -> str:
    """One file out of the archive: written beside its place, hashed, renamed."""
    try:
        member = held.getinfo(item.path)
    except KeyError:
        raise Trouble(f"{archive} has no file {item.path}") from None
    if member.file_size > (item.size if item.size is not None else LARGEST):
        raise Trouble(f"{archive}: {item.path} says to have {member.file_size:,} bytes, more than it may")
    target, found = folder / item.path, hashlib.sha256()
    part = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    with held.open(member) as source, part.open("wb") as file:
        while chunk := source.read(CHUNK):
            found.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    if reason := wrong(item, part, found.hexdigest()):
        part.unlink()
        raise Trouble(f"{archive}: {item.path} {reason}")
    os.replace(part, target)
    return found.hexdigest()
