"""What a source offers of a model, before anything is downloaded: files, their sizes and what the source says of them.

Of a repository the hub's own listing at one revision (HF_ENDPOINT sets the hub's address, HF_TOKEN or `hf auth login`
the account); of a release nothing but addresses.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from t2ibench.hub.catalogue import Entry, File, Source

TIMEOUT_SECONDS = 30.0


class Trouble(Exception):
    """A source that does not give the model: the next one may. licence: it wants terms accepted; network: it cannot
    be reached."""

    def __init__(self, sentence: str, *, licence: bool = False, network: bool = False) -> None:
        self.licence, self.network = licence, network
        super().__init__(sentence)


@dataclass(frozen=True)
class Item:
    """A file to have. sha256, git_sha1: what it must hash to, where known (git_sha1: as git hashes a blob)."""

    path: str
    url: str
    size: int | None
    sha256: str | None
    git_sha1: str | None
    hub: bool


@dataclass(frozen=True)
class Offer:
    """All files of a model at one source. revision: the full commit; None for a release."""

    source: Source
    revision: str | None
    items: tuple[Item, ...]


def offer(entry: Entry, source: Source) -> Offer:
    """What a source offers. Raises Trouble where it is gone, closed, out of reach, or offers other files."""
    return _release(entry, source) if source.release else _repository(entry, source)


def _release(entry: Entry, source: Source) -> Offer:
    base = (source.release or "").rstrip("/")
    files: dict[str, File] = {entry.archive.name: entry.archive} if entry.archive else entry.files
    items = [Item(path, f"{base}/{path}", file.size, file.sha256, None, hub=False) for path, file in files.items()]
    return Offer(source, None, tuple(items))


def _repository(entry: Entry, source: Source) -> Offer:
    try:
        listing = HfApi(endpoint=constants.ENDPOINT).model_info(
            source.name, revision=source.revision, files_metadata=True, timeout=TIMEOUT_SECONDS
        )
    except (HfHubHTTPError, OfflineModeIsEnabled, httpx2.TransportError) as error:
        raise translated(error, source.name) from error
    if source.revision not in (None, listing.sha):
        raise Trouble(f"{source.name} answers with revision {listing.sha} where {source.revision} was asked for")
    files = {sibling.rfilename: sibling for sibling in listing.siblings or ()}
    paths = sorted({*entry.files, *(p for p in files if any(fnmatchcase(p, pattern) for pattern in entry.include))})
    items = [_item(entry, source, listing.sha or "main", path, files.get(path)) for path in paths]
    return Offer(source, listing.sha, tuple(items))


def _item(entry: Entry, source: Source, revision: str, path: str, listed: Any) -> Item:
    """A file of the listing, held against what the catalogue records of it."""
    if listed is None:
        raise Trouble(f"{source.name} has no file {path}")
    if path.startswith("/") or ".." in path.split("/"):
        raise Trouble(f"{source.name} lists {path!r}, which leaves the model's folder")
    recorded = entry.files.get(path)
    stated = listed.lfs.sha256 if listed.lfs else None
    wanted = recorded.sha256 if recorded else None
    if wanted is not None and stated is not None and wanted != stated:
        raise Trouble(f"{source.name} offers another {path} than the recorded one (digest {stated[:12]}…)")
    url = hf_hub_url(source.name, path, revision=revision, endpoint=constants.ENDPOINT)
    return Item(path, url, listed.size, wanted or stated, None if stated else listed.blob_id, hub=True)


def translated(error: Exception, name: str) -> Trouble:
    """What went wrong at a source, in a sentence."""
    if isinstance(error, GatedRepoError):  # before RepositoryNotFoundError, of which it is one
        return Trouble(f"{name} wants its licence accepted", licence=True)
    if isinstance(error, RepositoryNotFoundError):
        return Trouble(f"{name} is gone, or not public")
    if isinstance(error, RevisionNotFoundError):
        return Trouble(f"{name} no longer has the recorded revision")
    if isinstance(error, OfflineModeIsEnabled):
        return Trouble("HF_HUB_OFFLINE is set, so nothing is asked for", network=True)
    if isinstance(error, HfHubHTTPError):
        return Trouble(f"{name} answers with HTTP status {error.response.status_code}")
    return Trouble(f"{name} cannot be reached ({type(error).__name__})", network=True)
