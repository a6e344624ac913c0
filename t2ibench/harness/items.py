"""The item cache: an expensive result is stored once, under the fingerprint of all that decides it.

    .cache/items/ab/<fingerprint>.png    the payload
    .cache/items/ab/<fingerprint>.json   its sha256 and what its maker said of it; written last, so it marks the item
                                         as whole

Both are written under a temporary name, flushed, renamed. A payload is verified when it is read, and hard-linked
(copied, where the file system cannot link) into a stage's out. An out is never opened for writing in place.
"""

import json
import os
import shutil
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


class ItemCache:
    """Stored results by fingerprint. folder: usually `.cache/items` of the repository's real root."""

    def __init__(self, folder: Path, suffix: str = ".png") -> None:
        self.folder, self.suffix = folder, suffix

    def get(self, fingerprint: str) -> Item | None:
        """The stored item, or None where it is absent, half-written or no longer the bytes that were stored."""
        payload, note = self._paths(fingerprint)
        try:
            said = json.loads(note.read_bytes())
            sha256, extra = said["sha256"], said["extra"]
            whole = file_digest(payload) == sha256
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return Item(payload, sha256, extra) if whole else None

    def put(self, fingerprint: str, payload: bytes, extra: dict[str, Any]) -> Item:
        """Stores an item: the payload first, its note last."""
        path, note = self._paths(fingerprint)
        write_bytes(path, payload)
        sha256 = file_digest(path)
        write_bytes(note, canonical({"sha256": sha256, "extra": extra}).encode())
        return Item(path, sha256, extra)

    def _paths(self, fingerprint: str) -> tuple[Path, Path]:
        stem = self.folder / fingerprint[:2] / fingerprint
        return stem.with_suffix(self.suffix), stem.with_suffix(".json")


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
