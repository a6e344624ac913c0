"""One file from the network to its place: resumed where it stopped, verified, renamed.

The part lies under a name that its content's digest decides, so that a part is only ever continued with the same
content. huggingface_hub's own download does not resume after its process has died (it starts each with a new temporary
file), so its client is used, and its errors, but not its download.
"""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
from huggingface_hub import get_session, get_token, hf_raise_for_status
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from t2ibench.hub.sources import TIMEOUT_SECONDS, Item, Trouble, translated
from t2ibench.records import digest, file_digest

CHUNK = 1 << 20
ATTEMPTS = 5
PASSING = (408, 429, 500, 502, 503, 504)
"""HTTP statuses after which asking again may help."""

Moved = Callable[[int], None]
"""Told how many bytes came; negative where bytes had to be given up."""


def part_of(item: Item, parts: Path) -> Path:
    """Where the unfinished file lies."""
    key = digest([item.sha256 or item.git_sha1 or item.url, item.path])[:24]
    return parts / f"{key}.part"


def download(item: Item, target: Path, parts: Path, moved: Moved) -> str:
    """Puts a file in place and returns its sha256; continues what an earlier run left in `parts`.

    Raises Trouble where the source does not give it, or gives other bytes.
    """
    part = part_of(item, parts)
    part.parent.mkdir(parents=True, exist_ok=True)
    resumed = part.stat().st_size if part.is_file() else 0
    _complete(item, part, moved)
    found = file_digest(part)
    if reason := wrong(item, part, found):
        moved(-part.stat().st_size)
        part.unlink()
        if resumed:  # the earlier part may be what is wrong
            return download(item, target, parts, moved)
        raise Trouble(f"{item.url} {reason}; nothing of it was kept")
    target.parent.mkdir(parents=True, exist_ok=True)
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, target)
    return found


def wrong(item: Item, file: Path, sha256: str) -> str:
    """Why a file is not the one that was meant; empty where it is. sha256: the file's."""
    size = file.stat().st_size
    if item.sha256 is not None and sha256 != item.sha256:
        return f"has the digest {sha256[:12]}…, not the recorded {item.sha256[:12]}…"
    if item.git_sha1 is not None and git_sha1(file) != item.git_sha1:
        return "is not the file that the listing names"
    if item.size is not None and size != item.size:
        return f"has {size} bytes, not {item.size}"
    return ""


def git_sha1(file: Path) -> str:
    """A file's name in git: sha1 over `blob <size>`, a zero byte, and the content."""
    content = file.read_bytes()  # the hub keeps large files in LFS: these are small
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _complete(item: Item, part: Path, moved: Moved) -> None:
    """Downloads until the part is whole, again after what passes; every attempt that brought bytes counts anew."""
    failed = 0
    while item.size is None or not part.is_file() or part.stat().st_size < item.size:
        before = part.stat().st_size if part.is_file() else 0
        try:
            if _stream(item, part, moved):
                return
        except (HfHubHTTPError, OfflineModeIsEnabled, httpx2.TransportError) as error:
            passing = isinstance(error, httpx2.TransportError) or (
                isinstance(error, HfHubHTTPError) and error.response.status_code in PASSING
            )
            failed = 1 if part.is_file() and part.stat().st_size > before else failed + 1
            if not passing or failed >= ATTEMPTS:
                raise translated(error, item.url) from error
            time.sleep(min(0.25 * 2**failed, 30))


def _stream(item: Item, part: Path, moved: Moved) -> bool:
    """One request for what is missing; True where the answer was read to its end."""
    have = part.stat().st_size if part.is_file() else 0
    headers = {"Accept-Encoding": "identity"}  # a range of the file, not of a compressed form of it
    if item.hub and (token := get_token()):
        headers["Authorization"] = f"Bearer {token}"
    if have:
        headers["Range"] = f"bytes={have}-"
    request = get_session().stream("GET", item.url, headers=headers, follow_redirects=True, timeout=TIMEOUT_SECONDS)
    with request as answer:
        if answer.status_code == 416:  # nothing is left to send, or the part is longer than the file
            return True
        hf_raise_for_status(answer)
        if have and answer.status_code != 206:  # the server sends all of it again
            moved(-have)
            have = 0
        with part.open("ab" if have else "wb") as file:
            for chunk in answer.iter_bytes(CHUNK):
                file.write(chunk)
                file.flush()
                moved(len(chunk))
    return True
