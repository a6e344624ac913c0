"""What was fetched, under .cache/models/ of the repository's real root: found without the network, and checked.

    .cache/models/<name>/           the model's files, as the library reads them
    .cache/models/<name>.json       written last: source, revision, and of each file digest, size and time of change

A file whose size and time of change are the written ones is not hashed again: it was when it came, and hashing 16 GB
at the start of every stage would cost a minute. Any other file is hashed.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from t2ibench.errors import MissingError
from t2ibench.hub.catalogue import Entry
from t2ibench.records import digest, file_digest, write_json

FETCH = "make fetch"


@dataclass(frozen=True)
class Stamp:
    """A file as it was when it was verified. mtime_ns: time of change in nanoseconds."""

    sha256: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Fetched:
    """A model that is here. source: repository or release; files: {path in the folder: its stamp}."""

    source: str
    revision: str | None
    files: dict[str, Stamp]

    @property
    def digests(self) -> dict[str, str]:
        """{path in the folder: sha256}."""
        return {path: stamp.sha256 for path, stamp in self.files.items()}


def root() -> Path:
    """Where models are kept."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd()) / ".cache" / "models"


def folder(entry: Entry) -> Path:
    """The folder of a model's files."""
    return root() / entry.name


def fetched(entry: Entry) -> Fetched | None:
    """What was written down of a model; None where it was never fetched whole, or the note is damaged."""
    try:
        read = json.loads((root() / f"{entry.name}.json").read_bytes())
        files = {path: Stamp(**stamp) for path, stamp in read["files"].items()}
        return Fetched(read["source"], read["revision"], files)
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write(entry: Entry, source: str, revision: str | None, digests: dict[str, str]) -> Fetched:
    """Writes down that a model is here, whole and verified."""
    made = Fetched(source, revision, {path: stamp(folder(entry) / path, sha) for path, sha in digests.items()})
    write_json(root() / f"{entry.name}.json", asdict(made))
    return made


def forget(entry: Entry) -> None:
    """Takes back that a model is here; its files stay."""
    (root() / f"{entry.name}.json").unlink(missing_ok=True)


def stamp(path: Path, sha256: str) -> Stamp:
    """The stamp of a file with a known digest."""
    status = path.stat()
    return Stamp(sha256, status.st_size, status.st_mtime_ns)


def unlike(entry: Entry, found: Fetched) -> str:
    """Why what was fetched is not what the catalogue records; empty where it is."""
    for source in entry.sources:
        if source.name == found.source and source.revision not in (None, found.revision):
            return f"was fetched at revision {found.revision}, and the catalogue records {source.revision}"
    for path, file in entry.files.items():
        if path not in found.files:
            return f"was fetched without {path}"
        if file.sha256 not in (None, found.files[path].sha256):
            return f"was fetched with another {path} than the catalogue records"
    if entry.digest not in (None, digest(found.digests)):
        return "was fetched with other files than were confirmed"
    return ""


def locate(entry: Entry) -> tuple[Path, dict[str, str]]:
    """A fetched model: its folder, or its file where it has one only; and {path: sha256}.

    Raises MissingError, naming `make fetch`, where it is absent, incomplete or not what the catalogue records.
    """
    found = fetched(entry)
    if found is None:
        raise MissingError(f"{entry.title()} has not been fetched", FETCH)
    if reason := unlike(entry, found):
        raise MissingError(f"{entry.title()} {reason}", FETCH)
    for path, expected in found.files.items():
        file = folder(entry) / path
        if not file.is_file():
            raise MissingError(f"{entry.title()} lacks its file {path}", FETCH)
        if stamp(file, expected.sha256) != expected and file_digest(file) != expected.sha256:
            raise MissingError(f"{entry.title()}: {path} has changed since it was fetched", FETCH)
    single = next(iter(found.files)) if len(found.files) == 1 else ""
    return folder(entry) / single, found.digests
