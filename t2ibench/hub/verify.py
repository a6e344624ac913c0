"""Hashing what is here again, and the line that pins what the catalogue leaves open."""

import json
from collections.abc import Sequence

from t2ibench.errors import MissingError
from t2ibench.hub import store
from t2ibench.hub.catalogue import Entry, place
from t2ibench.records import digest, file_digest


def verify(entry: Entry) -> str:
    """Hashes every file of a fetched model and returns the line to commit to confirmed.yaml; empty where the
    catalogue leaves nothing open.

    Raises MissingError where the model is not here, or a file is not what it was or what is recorded.
    """
    found = store.fetched(entry)
    if found is None:
        raise MissingError(f"{entry.title()} has not been fetched", store.FETCH)
    for path, expected in found.files.items():
        file = store.folder(entry) / path
        if not file.is_file() or file_digest(file) != expected.sha256:
            raise MissingError(f"{entry.title()}: {path} is gone or has changed since it was fetched", store.FETCH)
    store.locate(entry)
    return "" if entry.settled else line(entry, found)


def line(entry: Entry, found: store.Fetched) -> str:
    """The line of confirmed.yaml that pins what was fetched."""
    pin = {"source": found.source, "revision": found.revision, "digest": digest(found.digests)}
    return f"{entry.name}: {{" + ", ".join(f"{key}: {json.dumps(value)}" for key, value in pin.items()) + "}"


def open_lines(entries: Sequence[Entry]) -> list[str]:
    """The lines of those of the models that are here and leave something open. Hashes nothing."""
    found = [(entry, store.fetched(entry)) for entry in entries if not entry.settled]
    return [line(entry, fetched) for entry, fetched in found if fetched is not None]


def where() -> str:
    """The file that takes the lines."""
    return str(place().with_name("confirmed.yaml"))
