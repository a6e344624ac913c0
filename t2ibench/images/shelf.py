"""The shelf: every answer of an images API, kept before it is used, each in a file of the item cache.

    .cache/items/ab/<fingerprint>-reply-<n>.json    the n-th answer to the requests for one image

An entry holds the request and its digest, the time, the model that answered, the revised prompt, the usage, the price
and the answer as it came, but for the key. What it leads to is judged anew whenever it is read (`replies`).
"""

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from t2ibench.errors import MissingError
from t2ibench.paid.answers import Arrived, clean
from t2ibench.records import canonical, digest, write_bytes


@dataclass(frozen=True)
class Entry:
    """One answer to one request. number: counts the requests for one image from 1; identity: the engine's; request:
    the body that was sent; extra: what the engine says of the image beside the answer; reservation: the ledger's id;
    at: when it came, UTC; price_usd: what one image costs."""

    fingerprint: str
    number: int
    image: str
    identity: dict[str, Any]
    request: dict[str, Any]
    arrived: Arrived
    extra: dict[str, Any]
    price_usd: float
    at: str
    reservation: str = ""

    def to_row(self) -> dict[str, Any]:
        """The entry as one JSON object with its own digest, `sha256`."""
        body = self.arrived.body
        try:
            told = {"body": body.decode()}
        except UnicodeDecodeError:
            told = {"body_base64": base64.b64encode(body).decode()}
        row: dict[str, Any] = told | {
            "fingerprint": self.fingerprint, "number": self.number, "image": self.image, "identity": self.identity,
            "request": self.request, "request_digest": digest(self.request), "at": self.at, "extra": self.extra,
            "price_usd": self.price_usd, "reservation": self.reservation, "status": self.arrived.status,
            "headers": dict(self.arrived.headers), "lost": self.arrived.lost, **_told(body),
        }
        return row | {"sha256": digest(row)}

    @classmethod
    def from_row(cls, row: Any, where: str, helps: str) -> "Entry":
        """Reads an entry. Raises MissingError, naming `where` and `helps`, where it is not what was written."""
        try:
            claimed = row["sha256"]
            if digest({key: value for key, value in row.items() if key != "sha256"}) != claimed:
                raise ValueError("its digest is another")
            body = row["body"].encode() if "body" in row else base64.b64decode(row["body_base64"])
            arrived = Arrived(row["status"], row["headers"], body, row["lost"])
            given = {key: row[key] for key in ("fingerprint", "number", "image", "identity", "request", "extra")}
            return cls(**given, arrived=arrived, price_usd=row["price_usd"], at=row["at"],
                       reservation=row["reservation"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MissingError(f"{where} is no recorded answer ({error})", helps) from None


def _told(body: bytes) -> dict[str, Any]:
    """Model, revised prompt and usage of an answer, for people; null where it does not say."""
    try:
        said = json.loads(body)
        revised = (said.get("data") or [{}])[0].get("revised_prompt")
        texts = {"model": said.get("model"), "revised_prompt": revised}
        told = {key: clean(text, "", 32_000) if isinstance(text, str) else None for key, text in texts.items()}
        return {**told, "usage": _numbers(said.get("usage"))}
    except (ValueError, RecursionError, AttributeError, LookupError, TypeError):
        return {"model": None, "revised_prompt": None, "usage": None}


def _numbers(usage: Any) -> Any:
    """A usage's counts; null for anything that is none."""
    if isinstance(usage, dict):
        return {clean(key, ""): _numbers(value) for key, value in usage.items()}
    return usage if isinstance(usage, int) else None


class Recorded(Protocol):
    """Where answers that came before are found."""

    def history(self, fingerprint: str) -> list[Entry]: ...


class Shelf:
    """The answers on this machine, each a file of the item cache."""

    def __init__(self) -> None:
        self.folder = Path(os.environ.get("DVC_ROOT") or ".") / ".cache/items"

    def put(self, entry: Entry) -> None:
        """Writes an answer down, at once and whole."""
        write_bytes(self._path(entry.fingerprint, entry.number), (canonical(entry.to_row()) + "\n").encode())

    def history(self, fingerprint: str) -> list[Entry]:
        """The answers to an image's requests, in order. Raises MissingError where one is damaged."""
        found: list[Entry] = []
        while (path := self._path(fingerprint, len(found) + 1)).exists():
            found.append(_load(path))
        return found

    def all(self) -> Iterator[Entry]:
        """Every answer, by its file's name."""
        for path in sorted(self.folder.glob("??/*-reply-*.json")):
            yield _load(path)

    def _path(self, fingerprint: str, number: int) -> Path:
        return self.folder / fingerprint[:2] / f"{fingerprint}-reply-{number}.json"


def _load(path: Path) -> Entry:
    helps = f"rm {path} (its image is then asked, and paid for, again)"
    try:
        return Entry.from_row(json.loads(path.read_bytes()), str(path), helps)
    except ValueError as error:
        raise MissingError(f"{path} is no recorded answer ({error})", helps) from None
