"""The catalogue of published models: catalogue.yaml beside this file, and what confirmed.yaml adds to it.

T2IBENCH_CATALOGUE names another catalogue file, for mirrors and models of one's own; its confirmed.yaml lies beside it.
"""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from t2ibench.errors import ConfigError
from t2ibench.hub import SCHEME
from t2ibench.records import digest

BUNDLED = Path(__file__).parent / "catalogue.yaml"
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
RUNS_CODE = (".pt",)
"""Files that run code when they are read: they are read only where their digest is recorded."""


class Strict(BaseModel):
    """A part of the catalogue, in which an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Strict):
    """Where a model's files lie: a repository of the hub at a revision, or a folder of files at a full address."""

    repository: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    revision: Commit | None = None
    release: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.repository is None) == (self.release is None):
            raise ValueError("either repository or release")
        return self

    @property
    def name(self) -> str:
        """The repository, or the address."""
        return self.repository or self.release or ""


class File(Strict):
    """What is recorded of a file. size: bytes."""

    size: int | None = None
    sha256: Sha256 | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """`[size, sha256]` and null are short for the mapping."""
        pair = value if isinstance(value, list) else [None, None]
        return value if isinstance(value, dict) else dict(zip(("size", "sha256"), pair, strict=True))


class Archive(File):
    """A zip archive in which all of a model's files lie, by its name at the source."""

    name: Annotated[str, Field(pattern=r"^[\w-][\w.-]*\.zip$")]


class Confirmed(Strict):
    """What was found on first use. digest: over all of the model's files, as `Entry.digest`."""

    source: str
    revision: Commit | None
    digest: Sha256


class Entry(Strict):
    """A model, or a data set that prompts are read from. gigabytes: 10**9 bytes to download; memory_gb: {dtype: 10**9
    bytes on the device}, empty for what goes onto none; archive: what the files are taken out of."""

    name: str
    what: str
    loader: Literal[
        "diffusers.AutoPipelineForText2Image",
        "diffusers.AutoPipelineForInpainting",
        "open_clip",
        "ultralytics",
        "spandrel_extra_arches",
        "transformers.AutoModelForImageTextToText",
        "t2ibench.prompts.coco",
    ]
    licence: str
    terms: bool = False
    gigabytes: float
    memory_gb: dict[Literal["float32", "float16", "bfloat16"], float]
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    files: dict[str, File]
    include: tuple[str, ...] = ()
    archive: Archive | None = None
    verified: bool
    confirmed: Confirmed | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for path, file in self.files.items():
            if path.startswith("/") or ".." in path.split("/"):
                raise ValueError(f"{path} leaves the model's folder")
            if path.endswith(RUNS_CODE) and file.sha256 is None:
                raise ValueError(f"{path} runs code when it is read, and has no digest")
        if self.verified and (self.include or any(file.sha256 is None for file in self.files.values())):
            raise ValueError("verified, but not every digest is recorded")
        if self.include and not all(source.repository for source in self.sources):
            raise ValueError("include needs a listing, which a release has not")
        if self.archive and not all(source.release for source in self.sources):
            raise ValueError("archive needs releases")
        if not self.files and not self.include:
            raise ValueError("no files")
        return self

    @property
    def digest(self) -> str | None:
        """The digest over all files, where it is known: recorded file by file, or confirmed on first use."""
        if self.confirmed is not None:
            return self.confirmed.digest
        found = {path: file.sha256 for path, file in self.files.items()}
        return None if self.include or None in found.values() else digest(found)

    @property
    def settled(self) -> bool:
        """Whether nothing is left open: the catalogue says verified, or first use was confirmed."""
        return self.verified or self.confirmed is not None

    def title(self) -> str:
        """`hub://sd15 (Stable Diffusion v1.5, 4.27 GB)`."""
        return f"{SCHEME}{self.name} ({self.what}, {self.gigabytes:g} GB)"


def place() -> Path:
    """The catalogue's file."""
    return Path(os.environ.get("T2IBENCH_CATALOGUE") or BUNDLED)


def entries() -> dict[str, Entry]:
    """Every model of the catalogue, by name. Raises ConfigError where the catalogue is not as it should be."""
    return _read(place())


def entry(uri: str) -> Entry:
    """The model of a `hub://` name. Raises ConfigError, naming the known ones, for an unknown one."""
    known = entries()
    name = uri.removeprefix(SCHEME)
    if name not in known:
        raise ConfigError("weights", uri, ", ".join(f"{SCHEME}{other}" for other in sorted(known)))
    return known[name]


def named(tree: Any) -> list[Entry]:
    """The models that a configuration names anywhere as `hub://…`, each once, by name.

    Raises ConfigError for a name that the catalogue does not know.
    """
    return [entry(uri) for uri in sorted(set(_uris(tree)))]


def _uris(node: Any) -> Iterator[str]:
    if isinstance(node, str) and node.startswith(SCHEME):
        yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from _uris(child)


@cache
def _read(path: Path) -> dict[str, Entry]:
    listed, confirmed = _yaml(path, required=True), _yaml(path.with_name("confirmed.yaml"), required=False)
    try:
        return {
            name: Entry(**{**body, "name": name, "confirmed": confirmed.get(name)}) for name, body in listed.items()
        }
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join([str(path), *(str(part) for part in first["loc"])])
        raise ConfigError(key, first["input"], first["msg"]) from None


def _yaml(path: Path, required: bool) -> dict[str, Any]:
    if not required and not path.is_file():
        return {}
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(str(path), type(error).__name__, "a readable YAML file") from None
    if not isinstance(read, dict) or not all(isinstance(body, dict) for body in read.values()):
        raise ConfigError(str(path), type(read).__name__, "a mapping of models")
    return read
