"""Images that were made elsewhere: a folder with a sub-folder per class, or with a table of path, class and prompt.

Bing Image Creator's downloads, an archived DALL-E 3 set (OpenAI retired the model on 2026-05-12), a real data set:
each becomes a source beside the generated ones. This engine draws nothing, so it brings its own plan: one image per
file, `<prompt id>-<index>`, the index counting the files of one class and prompt by path. An image is decided by its
file's content and by `identity`; neither name nor seed counts.

The folder lies outside the pipeline. What it holds is pinned by `digest`, which `python -m t2ibench.images.folder`
prints: DVC sees a change of the folder as a change of params.yaml.
"""

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self

from pydantic import Field

from t2ibench.errors import ConfigError
from t2ibench.hardware import Hardware
from t2ibench.images import Made, Planned, Refused, Request
from t2ibench.images.folder.decoding import decode
from t2ibench.images.folder.listing import KEY, Entry, Listing, list_folder
from t2ibench.images.folder.places import open_inside
from t2ibench.images.folder.rules import Refusal, reason
from t2ibench.images.folder.settling import Settled, settle
from t2ibench.pictures import encode_png
from t2ibench.records import Failure, Prompt, Sample, digest, image_id

BATCH = 16
"""Files per call: this many pictures are in memory at once, whatever the folder holds."""
WORKERS = 4
"""Decoders at a time: each may need a dozen bytes per pixel of the largest picture allowed."""


@dataclass(frozen=True)
class FileRequest(Request):
    """A file to bring in. path: below the folder; file: the same for people; rule: what refuses it, or empty."""

    path: str
    file: str
    sha256: str
    rule: str

    @property
    def decides(self) -> dict[str, Any]:
        """The content decides, and not the seed or the prompt."""
        return {"content": self.sha256}


class ImportedImages:
    """Brings in a folder. path: of the folder, relative to the repository or absolute; table: a CSV file, relative to
    the folder, None for class sub-folders; names: {a class as the folder calls it: the study's}; digest: of the
    folder's content; size: height and width in pixels, None for each file's own; max_pixels: of one file.

    Raises ConfigError for values that cannot be used.
    """

    VERSION = 1
    """Goes up when a rule, or a release of Pillow, changes the pixels of a file."""

    batch_size = BATCH

    at_home = True
    """Whatever the executor: the folder is on this machine."""

    def __init__(
        self,
        *,
        path: str | None,
        table: str | None,
        names: dict[str, str],
        digest: str | None,
        size: Annotated[int, Field(ge=8)] | None,
        max_pixels: Annotated[int, Field(ge=64, le=178_956_970)],
        hardware: Hardware,
        classes: Sequence[str],
    ) -> None:
        self.path, self.table, self.names, self.digest = path, table, names, digest
        self.size, self.max_pixels, self.classes = size, max_pixels, tuple(classes)
        self._workers = max(1, min(hardware.threads or os.cpu_count() or 1, WORKERS))
        self._pool: ThreadPoolExecutor | None = None
        self._listing: Listing | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the pixels but the content. The limit is in it: a stored image must not outlive it."""
        return {"engine": "folder", "version": self.VERSION, "size": self.size, "max_pixels": self.max_pixels}

    def listing(self) -> Listing:
        """What the folder holds now, every file hashed. Raises MissingError or ConfigError where it cannot be used."""
        if not self.path:
            raise ConfigError(KEY, self.path, "a folder of images")
        folder = Path(os.environ.get("DVC_ROOT", "."), self.path)
        listing = list_folder(folder, Path(self.table) if self.table else None, self.classes, self.names)
        return replace(listing, entries=list(hashed(listing)))

    def plan(self) -> list[Planned]:
        """Every image of the source, sorted by id; also those that are refused already.

        Raises ConfigError where the folder does not hold what `digest` says.
        """
        self._listing = listing = self.listing()
        found = digest_of(listing)
        if found != self.digest:
            what = "what the folder holds now" if self.digest is None else "what the folder holds now, if that is meant"
            raise ConfigError("images.folder.digest", self.digest, f"{found}, {what}")
        counts: Counter[str] = Counter()
        planned = []
        for entry in listing.entries:
            prompt = Prompt.make(entry.class_name, entry.text, "folder", {"file": entry.file, "sha256": entry.sha256})
            index = counts[prompt.id]
            counts[prompt.id] += 1
            request = FileRequest(image_id(prompt.id, index), entry.text, 0, entry.path, entry.file, entry.sha256,
                                  entry.rule)
            planned.append(Planned(prompt, index, request))
        return sorted(planned, key=lambda one: one.request.id)

    def settle(self, planned: Sequence[Planned], samples: Sequence[Sample], failures: Sequence[Failure]) -> Settled:
        """What needs all images to be known: repeated pictures, the file that each row comes from, and the counts."""
        assert self._listing is not None, "plan comes first"
        return settle(self._listing, planned, samples, failures)

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(self._workers, "folder")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def __call__(self, requests: Sequence[Request]) -> list[Made | Refused]:
        """Decodes the files of the requests; equal ones once. A file that cannot be used is Refused."""
        if self._pool is None:
            raise RuntimeError("the engine is not open; use it in a with block")
        wanted = list(dict.fromkeys(requests))
        with warnings.catch_warnings():  # Pillow warns of broken metadata and large pictures; the rules decide
            warnings.simplefilter("ignore")
            answers = dict(zip(wanted, self._pool.map(self._answer, wanted), strict=True))
        return [answers[request] for request in requests]

    def _answer(self, request: Request) -> Made | Refused:
        assert isinstance(request, FileRequest), "the requests of `plan`"
        assert self._listing is not None, "plan comes first"
        try:
            if request.rule:
                raise Refusal(request.rule)
            with open_inside(self._listing.root, request.path) as file:
                data = file.read()
            if hashlib.sha256(data).hexdigest() != request.sha256:
                raise Refusal("changed")
            found = decode(data, self.max_pixels, self.size)
        except Refusal as refusal:
            return Refused(reason(refusal.rule), 0)
        return Made(encode_png(found.pixels), found.facts)


def hashed(listing: Listing) -> Iterator[Entry]:
    """The entries with the digests of their bytes; one that cannot be opened gets the rule that says why."""
    for entry in listing.entries:
        if entry.rule:
            yield entry
            continue
        try:
            with open_inside(listing.root, entry.path) as file:
                yield replace(entry, sha256=hashlib.file_digest(file, "sha256").hexdigest())
        except Refusal as refusal:
            yield replace(entry, rule=refusal.rule)


def digest_of(listing: Listing) -> str:
    """sha256 (64 hex digits) of all that a hashed listing plans: files, classes, prompts, contents, refusals."""
    return digest([{key: value for key, value in asdict(entry).items() if key != "path"} for entry in listing.entries])
