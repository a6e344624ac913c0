"""Recordings: the answers behind an image set (`shelf`), exported as a cassette, replayed without a key.

A cassette is a file of JSON lines: a header with the engine's identity, then the answers, sorted by fingerprint and
number. A replay is checked against the settings and gives the recorded run's pictures; its identity is that run's with
the file's digest, so that pictures of an edited recording are new ones. It lies below `recordings/`, which DVC watches.

    python -m t2ibench.images.recordings export recordings/FILE --source SOURCE    the answers of data/images/<source>
    python -m t2ibench.images.recordings show recordings/FILE                      what a cassette holds
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from t2ibench.errors import MissingError, one_sentence
from t2ibench.images.shelf import Entry, Shelf
from t2ibench.records import Failure, Sample, canonical, file_digest, read_rows, write_bytes

FORMAT = "t2ibench images recording"
VERSION = 1
COMMAND = "python -m t2ibench.images.recordings"


class Cassette:
    """An exported recording. identity: of the engine whose answers it holds; digest: of the file.

    Raises MissingError where it is absent, damaged, or no cassette.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[str, list[int]] = {}
        try:
            with path.open("rb") as file:
                self.identity = self._header(file.readline())
                place = file.tell()
                for number, line in enumerate(iter(file.readline, b""), start=2):
                    self._places.setdefault(self._entry(line, number).fingerprint, []).append(place)
                    place = file.tell()
            self.digest = file_digest(path)
        except (FileNotFoundError, IsADirectoryError):
            raise MissingError(f"there is no recording at {path}", f"{COMMAND} export {path} --source SOURCE") from None

    def history(self, fingerprint: str) -> list[Entry]:
        """The answers to an image's requests, in order."""
        found = []
        with self.path.open("rb") as file:
            for place in self._places.get(fingerprint, ()):
                file.seek(place)
                found.append(self._entry(file.readline(), 0))
        return found

    def all(self) -> Iterator[Entry]:
        """Every answer, in the file's order."""
        for fingerprint in self._places:
            yield from self.history(fingerprint)

    def _header(self, line: bytes) -> dict[str, Any]:
        helps = f"{COMMAND} export {self.path} --source SOURCE"
        try:
            header = json.loads(line)
            if (header["format"], header["version"]) != (FORMAT, VERSION):
                raise ValueError(f"it has another format or version than {FORMAT} {VERSION}")
            identity: dict[str, Any] = dict(header["identity"])
        except (ValueError, KeyError, TypeError) as error:
            raise MissingError(f"{self.path} is no recording of images ({error})", helps) from None
        return identity

    def _entry(self, line: bytes, number: int) -> Entry:
        where, helps = f"{self.path}, line {number},", f"{COMMAND} export {self.path} --source SOURCE"
        try:
            return Entry.from_row(json.loads(line), where, helps)
        except ValueError as error:
            raise MissingError(f"{where} is damaged ({error})", helps) from None


def export(path: Path, folder: Path) -> int:
    """Writes the answers behind an image set to a cassette. folder: `data/images/<source>`. Returns their number.

    Raises MissingError where the set is absent or an image of it has no recorded answer.
    """
    shelf = Shelf()
    source = folder.name
    samples = read_rows(folder / "metadata.jsonl", Sample, f"dvc repro images@{source}")
    failed = {row.id for row in read_rows(folder / "failures.jsonl", Failure, f"dvc repro images@{source}")}
    found = [entry for sample in samples for entry in shelf.history(sample.fingerprint)]
    bare = {sample.id for sample in samples} - {entry.image for entry in found}
    if bare:
        raise MissingError(
            f"{len(bare)} of {len(samples)} images of {folder} have no recorded answer ({min(bare)} and others)",
            f"dvc repro -f images@{source}, if an API made them: no other engine is recorded",
        )
    if failed:
        identities = {canonical(entry.identity) for entry in found}
        lost = [entry for entry in shelf.all() if entry.image in failed]
        found += [entry for entry in lost if not identities or canonical(entry.identity) in identities]
    identities = {canonical(entry.identity) for entry in found}
    if len(identities) != 1:
        raise MissingError(f"{folder} has answers of {len(identities)} engines, not of one", f"dvc repro -f {source}")
    header = {"format": FORMAT, "version": VERSION, "identity": found[0].identity}
    rows = [entry.to_row() for entry in sorted(found, key=lambda entry: (entry.fingerprint, entry.number))]
    write_bytes(path, "".join(canonical(row) + "\n" for row in [header, *rows]).encode())
    return len(rows)


def main() -> None:
    """The command line; ends with exit code 2 for a user's mistake."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Recorded answers of an images API.")
    commands = parser.add_subparsers(dest="command", required=True)
    writes = commands.add_parser("export", help="write the answers behind an image set to a file")
    writes.add_argument("file", type=Path)
    writes.add_argument("--source", required=True, help="a folder of data/images")
    shows = commands.add_parser("show", help="print what a file holds")
    shows.add_argument("file", type=Path)
    options = parser.parse_args()
    with one_sentence():
        if options.command == "export":
            count = export(options.file, Path("data/images") / options.source)
            print(f"{options.file}: {count} answers; replay them with images.<engine>.recording={options.file}")
        else:
            print(json.dumps(_summary(Cassette(options.file)), sort_keys=True, indent=2))


def _summary(cassette: Cassette) -> dict[str, Any]:
    entries = list(cassette.all())
    return {
        "identity": cassette.identity,
        "images": len({entry.fingerprint for entry in entries}),
        "answers": len(entries),
        "status": Counter(str(entry.arrived.status or entry.arrived.lost) for entry in entries),
        "from": min((entry.at for entry in entries), default=None),
        "to": max((entry.at for entry in entries), default=None),
    }


if __name__ == "__main__":
    main()
