"""Where a model's weights come from, and proof that they are the ones that were meant.

    tiny://sd           a bundled model: `t2ibench/tiny/weights/sd`, verified against `digests.json` beside it
    hub://sd15          a published model that `make fetch` brought: `.cache/models/sd15`, as t2ibench/hub records it
    any other text      a file or folder on this machine

A model's digest is the sha256 of the canonical JSON of {file name: sha256 of the file}: the same weights have the
same digest wherever they lie, and it is part of every image's fingerprint.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from t2ibench.errors import ConfigError, MissingError
from t2ibench.hub import SCHEME, catalogue, store
from t2ibench.records import digest, file_digest

TINY = Path(__file__).parent / "tiny" / "weights"
RESTORE = "git checkout -- t2ibench/tiny/weights (or make tiny, which trains the bundled models again)"


@dataclass(frozen=True)
class Weights:
    """A model on this machine. path: its file or folder; digest: 64 hex digits over all of its files."""

    path: Path
    digest: str


@cache
def locate(uri: str) -> Weights:
    """Finds and verifies a model's weights.

    Raises MissingError where they are absent, incomplete or not the recorded ones; ConfigError where a
    `tiny://` or `hub://` name is unknown.
    """
    if uri.startswith("tiny://"):
        return _tiny(uri)
    if uri.startswith(SCHEME):
        path, files = store.locate(catalogue.entry(uri))
        return Weights(path, digest(files))
    path = Path(uri).expanduser()
    if not path.exists():
        raise MissingError(f"there are no weights at {path}", "give a file or folder, a tiny:// name or a hub:// name")
    return Weights(path, digest(_digests(path)))


def remedy(uri: str, otherwise: str) -> str:
    """What helps where a library cannot read the weights of `uri`; otherwise: for a file or folder of the user's."""
    if uri.startswith("tiny://"):
        return RESTORE
    if uri.startswith(SCHEME):
        name = uri.removeprefix(SCHEME)
        return f"python -m t2ibench.hub verify {name}; where it finds a difference, {store.FETCH}"
    return otherwise


def _tiny(uri: str) -> Weights:
    name = uri.removeprefix("tiny://")
    try:
        recorded = json.loads((TINY / "digests.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingError("the bundled models' digests.json is missing", RESTORE) from None
    if name not in recorded:
        raise ConfigError("weights", uri, ", ".join(f"tiny://{known}" for known in sorted(recorded)))
    found = _digests(TINY / name)
    for file, expected in sorted(recorded[name].items()):
        if file not in found:
            raise MissingError(f"{uri} lacks its file {file}", RESTORE)
        if found[file] != expected:
            raise MissingError(f"{uri}: {file} is not the recorded file (its digest is {found[file][:12]}…)", RESTORE)
    return Weights(TINY / name, digest(recorded[name]))


def _digests(path: Path) -> dict[str, str]:
    """{file name relative to the folder: sha256} of a folder, or {file name: sha256} of one file."""
    if path.is_file():
        return {path.name: file_digest(path)}
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): file_digest(file) for file in files}
