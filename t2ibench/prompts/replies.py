"""Recorded replies of a chat model.

A recording is one JSON document: {"authored": bool, "note": text, "exchanges": [{"class_name", "request",
"request_digest", "reply"}]}. A reply is a chat.completion object as the server sent it; it is found by the digest of
its request, so an edited instruction or model never gets an old reply. `live` writes what a server answers to such a
document before it is used.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from t2ibench.errors import MissingError, UserError
from t2ibench.keys import KEY
from t2ibench.records import digest, read_json

LIVE = f"to ask a model, set prompts.llm.recording to null and {KEY} to your key"
FIELDS = {"class_name": str, "request": dict, "request_digest": str, "reply": dict}


class NoReply(UserError):
    """A recording holds no reply to this request."""


class Replies(Protocol):
    """Gives the reply, a chat.completion object, to a request for one class. asked: requests sent to a server."""

    asked: int

    def __call__(self, class_name: str, request: dict[str, Any]) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Recording:
    """Recorded replies. authored: they were authored for this project, no server gave them."""

    path: Path
    authored: bool
    exchanges: list[dict[str, Any]]
    asked = 0

    @classmethod
    def load(cls, path: Path, helps: str = LIVE) -> "Recording":
        """Reads and verifies a recording; raises MissingError where it is absent, not JSON, incomplete or damaged."""
        document = read_json(path, helps)
        exchanges = document.get("exchanges") if isinstance(document, dict) else None
        if not isinstance(exchanges, list):
            raise MissingError(f"{path} is no recording: it lacks the list 'exchanges'", helps)
        for number, exchange in enumerate(exchanges):
            for key, kind in FIELDS.items():
                if not isinstance(exchange, dict) or not isinstance(exchange.get(key), kind):
                    raise MissingError(f"{path}, exchanges[{number}], lacks {key!r}", helps)
            if digest(exchange["request"]) != exchange["request_digest"]:
                raise MissingError(f"{path}, exchanges[{number}]: its request is not the one that was sent", helps)
        return cls(path, bool(document.get("authored", False)), exchanges)

    def find(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """The reply to exactly this request, or None."""
        wanted = digest(request)
        return next((x["reply"] for x in self.exchanges if x["request_digest"] == wanted), None)

    def __call__(self, class_name: str, request: dict[str, Any]) -> dict[str, Any]:
        """The recorded reply. Raises NoReply, which says what differs, where there is none."""
        reply = self.find(request)
        if reply is not None:
            return reply
        recorded = [x["request"] for x in self.exchanges if x["class_name"] == class_name]
        if not recorded:
            raise NoReply(f"prompts.llm.recording: {self.path} has no reply for {class_name}; {LIVE}")
        old = recorded[0]
        changed = sorted(key for key in request.keys() | old.keys() if request.get(key) != old.get(key))
        said = ", ".join("instruction" if key == "messages" else key for key in changed)
        raise NoReply(
            f"prompts.llm.recording: the request for {class_name} is not the one whose reply {self.path} holds (its "
            f"{said} differs): undo the edit, or {LIVE}"
        )
