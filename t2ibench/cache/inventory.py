"""Every item on disk: its kind, its bytes, its last use. Payloads are not read.

An item's kind is the word of the stage that made it, as its note says; an answer of an images API is a kind of its own,
because it is paid for. What a kill left behind (temporary files, payloads without a note) is a kind too.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

REPLIES, LEFT, OLDER = "replies", "left by kills", "older"
"""Kinds beside the stages' words. OLDER: items whose notes were written before notes named a kind, and which the lock
does not need, which would tell it."""
REPLY = re.compile(r"(?P<fingerprint>[0-9a-f]{64})-reply-\d+\.json")


@dataclass(frozen=True)
class Stored:
    """What is stored under a fingerprint. files: in the order in which they may be deleted, the note first; bytes: on
    the disk; used: seconds since the epoch, of the last use."""

    kind: str
    fingerprint: str
    files: tuple[Path, ...]
    bytes: int
    used: float


def items(folder: Path, known: Mapping[str, str]) -> Iterator[Stored]:
    """Everything below `.cache/items`, whatever made it; a file that vanishes meanwhile is left out. known: kinds by
    fingerprint, for items whose note does not say it."""
    for place in sorted(folder.glob("??")):
        names = {path.name: path for path in place.iterdir()}
        for name, path in sorted(names.items()):
            if name.startswith("."):
                found = _stored(LEFT, "", path)
            elif reply := REPLY.fullmatch(name):
                found = _stored(REPLIES, reply["fingerprint"], path)
            elif path.suffix == ".json":
                payloads = [other for text, other in names.items() if text != name and text.startswith(f"{path.stem}.")]
                found = _stored(_kind(path) or known.get(path.stem, OLDER), path.stem, path, *payloads)
            else:
                found = None if f"{path.stem}.json" in names else _stored(LEFT, path.stem, path)
            if found:
                yield found


def _stored(kind: str, fingerprint: str, *files: Path) -> Stored | None:
    try:
        told = [path.stat() for path in files]
    except FileNotFoundError:
        return None
    return Stored(kind, fingerprint, files, sum(one.st_blocks * 512 for one in told), told[0].st_mtime)


def _kind(note: Path) -> str:
    try:
        return str(json.loads(note.read_bytes()).get("kind", ""))
    except (FileNotFoundError, ValueError, AttributeError):
        return ""  # damaged: the stage that reads it next discards it
