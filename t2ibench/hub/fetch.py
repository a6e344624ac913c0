"""A whole model: from the first source that gives it, file by file, into .cache/models/<name>/.

Whatever is already there and has the right digest stays. A model counts as fetched when its note is written, which is
the last step: a run that ends earlier, however it ends, leaves parts that the next one continues.
"""

import fcntl
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from t2ibench.errors import MissingError
from t2ibench.hub import store
from t2ibench.hub.archive import unpack
from t2ibench.hub.catalogue import Entry
from t2ibench.hub.download import Moved, download, part_of, wrong
from t2ibench.hub.sources import Offer, Trouble, offer
from t2ibench.hub.store import FETCH
from t2ibench.records import file_digest

Started = Callable[[Entry, Offer, int], Moved]
"""Told what comes from where and how many bytes are here already; returns what is told of every further byte."""

MIRROR = "make fetch (again later, or with HF_ENDPOINT=… or T2IBENCH_CATALOGUE=… naming a mirror)"


def fetch(entries: Sequence[Entry], started: Started) -> list[store.Fetched]:
    """Downloads what is not here yet, model by model. Needs no network where all of it is here.

    Raises MissingError, with what helps, where no source of a model gives it.
    """
    with _alone():
        return [present(entry) or _fetch(entry, started) for entry in entries]


def present(entry: Entry) -> store.Fetched | None:
    """The note of a model that is here, whole and as the catalogue records it; else None."""
    try:
        store.locate(entry)
    except MissingError:
        return None
    return store.fetched(entry)


def _fetch(entry: Entry, started: Started) -> store.Fetched:
    troubles: list[Trouble] = []
    store.forget(entry)
    for source in entry.sources:
        try:
            return _from(entry, offer(entry, source), started)
        except Trouble as trouble:
            troubles.append(trouble)
    raise _sentence(entry, troubles)


def _from(entry: Entry, offered: Offer, started: Started) -> store.Fetched:
    """All files of one source. Raises Trouble where one cannot be had, MissingError where the disk is too small."""
    folder, parts = store.folder(entry), store.root() / ".parts" / entry.name
    here: dict[str, str] = {}
    for item in offered.items:
        file = folder / item.path
        if file.is_file() and (item.sha256 or item.git_sha1):
            sha256 = file_digest(file)
            if not wrong(item, file, sha256):
                here[item.path] = sha256
    missing = [item for item in offered.items if item.path not in here]
    begun = sum(_size(part_of(item, parts)) for item in missing)
    _room(entry, sum(item.size or 0 for item in missing) - begun)
    moved = started(entry, offered, begun + sum(_size(folder / path) for path in here))
    for item in missing:
        here[item.path] = download(item, folder / item.path, parts, moved)
    if entry.archive:
        here = _unpacked(entry, folder / entry.archive.name)
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.relative_to(folder).as_posix() not in here:
            file.unlink()  # of an earlier revision, or the archive that was unpacked
    shutil.rmtree(parts, ignore_errors=True)
    made = store.write(entry, offered.source.name, offered.revision, dict(sorted(here.items())))
    if reason := store.unlike(entry, made):
        store.forget(entry)
        raise Trouble(f"what {offered.source.name} gave is not what is recorded: the model {reason}")
    return made


def _unpacked(entry: Entry, archive: Path) -> dict[str, str]:
    """{path: sha256} of an archive's files, in place. Raises Trouble, and keeps no archive that is not as meant."""
    try:
        return unpack(entry, archive, archive.parent)
    except Trouble:
        archive.unlink()
        raise


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _room(entry: Entry, needed: int) -> None:
    store.root().mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(store.root()).free
    if needed > free:
        what = f"{entry.title()} needs {needed / 1e9:.1f} GB more, and {store.root()} has {free / 1e9:.1f} GB free"
        raise MissingError(what, f"make room, then {FETCH}")


def _sentence(entry: Entry, troubles: Sequence[Trouble]) -> MissingError:
    """One sentence for all that went wrong, and what helps."""
    said = "; ".join(str(trouble) for trouble in troubles)
    if any(trouble.licence for trouble in troubles):
        what = f"{entry.title()} is under the {entry.licence}, which has to be accepted on the model's page: {said}"
        return MissingError(what, f"accept it there, then hf auth login (or export HF_TOKEN=…), then {FETCH}")
    if all(trouble.network for trouble in troubles):
        what = f"{entry.title()} is not here and the network cannot be reached: {said}"
        return MissingError(what, f"{FETCH}, with a network and without HF_HUB_OFFLINE; it continues where it stopped")
    return MissingError(f"{entry.title()} cannot be had: {said}", MIRROR)


@contextmanager
def _alone() -> Iterator[None]:
    """One fetch at a time: two would write into the same parts."""
    store.root().mkdir(parents=True, exist_ok=True)
    with (store.root() / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MissingError("another fetch is running in this repository", f"wait for it, then {FETCH}") from None
        yield
