"""The item cache: an expensive result is stored once, under the fingerprint of all that decides it.

    .cache/items/ab/<fingerprint>.png    the payload
    .cache/items/ab/<fingerprint>.json   its sha256, its kind, and what its maker said of it; written last, so it marks
                                         the item as whole

Both are written under a temporary name, flushed, renamed. A payload is verified when it is read, and hard-linked
(copied, where the file system cannot link) into a stage's out. An out is never opened for writing in place.

An item whose note or payload is damaged is discarded with a warning and made again. A payload without a note is none
yet: it is being written, or its writer was killed. The note's time of change is the time of the item's last use: a
payload shares its own with the outs that it is linked into.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2ibench.records import canonical, file_digest, write_bytes


@dataclass(frozen=True)
class Item:
    """A stored result. sha256: of the payload's bytes; extra: what its maker said of it."""

    path: Path
    sha256: str
    extra: dict[str, Any]


class Damaged(Exception):
    """An item's note or payload is not what was stored."""


NAMED = 3
"""Damaged items that are named one by one; of more, the count is told."""


class ItemCache:
    """Stored results by fingerprint. folder: usually `.cache/items` of the repository's real root; kind: the word of
    the stage that makes them, for people."""

    def __init__(self, folder: Path, suffix: str = ".png", kind: str = "") -> None:
        self.folder, self.suffix, self.kind = folder, suffix, kind

    def get(self, fingerprint: str) -> Item | None:
        """The stored item; None where it is absent, or was damaged and has been discarded, which is warned of."""
        return self.find([fingerprint]).get(fingerprint)

    def find(self, fingerprints: Iterable[str]) -> dict[str, Item]:
        """The stored items among these, by fingerprint. Damaged ones are discarded, with a warning for all of them."""
        found, damaged = dict[str, Item](), list[str]()
        for fingerprint in dict.fromkeys(fingerprints):
            try:
                item = self._read(fingerprint)
            except Damaged as error:
                self._discard(fingerprint)
                damaged.append(f"{self._paths(fingerprint)[0]} is damaged ({error})")
                continue
            if item:
                found[fingerprint] = item
        for told in damaged[:NAMED]:
            _warn(f"{told}; it is discarded and made again")
        if len(damaged) > NAMED:
            _warn(f"{len(damaged) - NAMED} more stored items are damaged; they are discarded and made again")
        return found

    def put(self, fingerprint: str, payload: bytes, extra: dict[str, Any]) -> Item:
        """Stores an item: the payload first, its note last."""
        path, note = self._paths(fingerprint)
        sha256 = hashlib.sha256(payload).hexdigest()
        write_bytes(path, payload)
        write_bytes(note, canonical({"sha256": sha256, "kind": self.kind, "extra": extra}).encode())
        return Item(path, sha256, extra)

    def _read(self, fingerprint: str) -> Item | None:
        """The item, used now; None where there is no note. Raises Damaged."""
        payload, note = self._paths(fingerprint)
        try:
            said = json.loads(note.read_bytes())
            sha256, extra = said["sha256"], said["extra"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise Damaged("its note cannot be read") from None
        try:
            whole = file_digest(payload) == sha256
        except FileNotFoundError:
            raise Damaged("its payload is gone") from None
        if not whole:
            raise Damaged("its sha256 is not the recorded one")
        with suppress(OSError):  # who may only read the cache can leave no trace of the use
            os.utime(note)
        return Item(payload, sha256, extra)

    def _discard(self, fingerprint: str) -> None:
        """Removes an item, the note first: what is left after a kill counts as absent."""
        payload, note = self._paths(fingerprint)
        note.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            payload.chmod(0o644)  # DVC's cache may hold the same inode: it believes a read-only file unseen
            payload.unlink()

    def _paths(self, fingerprint: str) -> tuple[Path, Path]:
        stem = self.folder / fingerprint[:2] / fingerprint
        return stem.with_suffix(self.suffix), stem.with_suffix(".json")


def _warn(text: str) -> None:
    print(f"t2ibench: {text}", file=sys.stderr, flush=True)


def link(source: Path, target: Path) -> None:
    """Puts `source` at `target` without copying where the file system allows it, and never through an open file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copyfile(source, temporary)
    os.replace(temporary, target)
    temporary.unlink(missing_ok=True)  # rename of two names of one file leaves both
