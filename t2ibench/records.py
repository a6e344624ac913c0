"""What is on disk: prompts, samples, failures, decisions and predictions; their ids, seeds and files.

Tables are JSON lines in UTF-8: one object a line, keys sorted, one trailing newline, rows sorted by id.
Fractions lie in [0, 1]; units stand in the names (`seconds`, `width_px`).
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeVar

from t2ibench.errors import MissingError

CLASSES = ("cat", "dog", "horse", "bird", "zebra", "sheep", "cow", "elephant", "bear", "giraffe")
"""The paper's ten animal classes, in the order of its tables (IEIE 2026, section 3.1.2)."""

NONE = "none"
"""The predicted class of an image in which the detector finds none of the classes."""


def canonical(value: object) -> str:
    """One text for equal values: JSON with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest(value: object) -> str:
    """sha256 (64 hex digits) of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 (64 hex digits) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def prompt_id(class_name: str, text: str) -> str:
    """12 hex digits that depend on the class and the text of a prompt, and on nothing else."""
    return hashlib.sha256(f"{class_name}\n{text}".encode()).hexdigest()[:12]


def image_id(prompt: str, index: int) -> str:
    """`<prompt id>-<index>`: the index counts the images of one prompt from 0."""
    return f"{prompt}-{index}"


def image_seed(study_seed: int, prompt: str, index: int) -> int:
    """The seed of one image, in [0, 2**48): it depends on the study's seed, the prompt's id and the index only."""
    text = f"{study_seed}/{prompt}/{index}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


@dataclass(frozen=True, kw_only=True)
class Record:
    """A row of a table. Unknown keys of a row on disk are kept in `extra` where the class has one."""

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Builds the record from one parsed JSON line; raises KeyError or TypeError where the row does not fit."""
        names = {f.name for f in fields(cls)}
        known = {key: value for key, value in row.items() if key in names}
        if "extra" in names:
            known["extra"] = {key: value for key, value in row.items() if key not in names}
        return cls(**known)

    def to_row(self) -> dict[str, Any]:
        """The record as a JSON object; `extra` is spread over the row."""
        row: dict[str, Any] = asdict(self)
        extra: dict[str, Any] = row.pop("extra", {})
        return row | extra


@dataclass(frozen=True, kw_only=True)
class Prompt(Record):
    """A text to draw. kind: the prompts engine (`llm`, `coco`); origin: where the text came from."""

    id: str
    class_name: str
    text: str
    kind: str
    origin: dict[str, Any]

    @classmethod
    def make(cls, class_name: str, text: str, kind: str, origin: dict[str, Any]) -> "Prompt":
        """A prompt with the id that its class and text give it."""
        return cls(id=prompt_id(class_name, text), class_name=class_name, text=text, kind=kind, origin=origin)


@dataclass(frozen=True, kw_only=True)
class Sample(Record):
    """An image on disk. fingerprint: digest of all that decides the pixels; sha256: of the file's bytes."""

    file_name: str
    id: str
    class_name: str
    prompt: str
    prompt_id: str
    index: int
    seed: int
    engine: str
    fingerprint: str
    sha256: str
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Failure(Record):
    """An image that could not be made, and why, after how many attempts; extra: where it would have come from."""

    id: str
    class_name: str
    reason: str
    attempts: int
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Decision(Record):
    """What the filter decided of an image. reason: empty where kept, else the first step that rejected it
    (`clip`, `black`, `flat`, `duplicate`, `people`, `review`); clip_class: the class that CLIP ranks first;
    clip_scores: cosine in [-1, 1] per class; duplicate_of: the id of the image that it repeats, else empty; people:
    the detector's highest confidence in [0, 1] that a person is there; review: `keep`, `reject`, or empty where
    nobody looked at it."""

    id: str
    class_name: str
    keep: bool
    reason: str
    clip_class: str
    clip_scores: dict[str, float]
    brightness: float
    contrast: float
    people: float
    duplicate_of: str = ""
    review: str = ""


@dataclass(frozen=True, kw_only=True)
class Prediction(Record):
    """What the judge saw in an image: the top box's class or `none`, its confidence in [0, 1], its box
    (x0, y0, x1, y1 in pixels) or null; runner_up: the surest box's class among the other classes, or `none`."""

    id: str
    class_name: str
    predicted: str
    confidence: float
    box: tuple[float, float, float, float] | None
    runner_up: str = NONE
    runner_up_confidence: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Segmentation(Record):
    """The surest mask of an image: its class or `none`, its confidence and the share of the image that it covers, both
    in [0, 1], and the outline of its largest part, [[x, y], ...] in pixels, empty for `none`."""

    id: str
    class_name: str
    predicted: str
    confidence: float
    area: float
    outline: list[list[float]]


R = TypeVar("R", bound=Record)


def write_bytes(path: Path, payload: bytes) -> None:
    """Puts a file in place at once, as `writing` does."""
    with writing(path) as file:
        file.write(payload)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A file that is put in place at once: a temporary name, flushed to the disk, renamed. Readers see all or nothing:
    nothing where the block raises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}.tmp")  # threads, and machines, may share the folder
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Writes one JSON document: sorted keys, two spaces, one trailing newline."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, indent=2, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def read_json(path: Path, command: str = "dvc repro") -> Any:
    """Reads one JSON document. Raises MissingError, naming `command`, where it is absent or not JSON."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise MissingError(f"{path} is missing", command) from None
    except ValueError as error:
        raise MissingError(f"{path} is not JSON ({error})", command) from None


def as_line(record: Record) -> str:
    """A row of a table, with its newline: one JSON object, keys sorted."""
    return json.dumps(record.to_row(), sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write_rows(path: Path, records: Iterable[Record]) -> None:
    """Writes a table sorted by id, line by line: a table of a million rows is never one text in memory."""
    with writing(path) as file:
        file.writelines(as_line(record).encode() for record in sorted(records, key=attrgetter("id")))


def read_rows(path: Path, kind: type[R], command: str = "dvc repro") -> list[R]:
    """Reads a table. Raises MissingError, naming the line and `command`, where it is absent or damaged."""
    return list(_rows(path, kind, command))


def _rows(path: Path, kind: type[R], command: str) -> Iterator[R]:
    if not path.is_file():
        raise MissingError(f"{path} is missing", command)
    with path.open("rb") as file:  # as bytes only the newline ends a line: a text may hold U+2028 and its like
        for number, line in enumerate(file, start=1):
            try:
                yield kind.from_row(json.loads(line.decode()))
            except (ValueError, KeyError, TypeError) as error:
                raise MissingError(f"{path}, line {number}, is damaged ({error})", command) from None
