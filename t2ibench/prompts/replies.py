"""Where the replies of a chat model come from: a recording, or a server that speaks OpenAI's chat completions.

A recording is one JSON document: {"authored": bool, "note": text, "exchanges": [{"class_name", "request",
"request_digest", "reply"}]}. A reply is a chat.completion object as the server sent it; it is found by the digest of
its request, so an edited instruction or model never gets an old reply. Live replies are written to such a document
before they are used, and what it holds is not asked again: a run that was stopped pays only for the rest.
The client never retries by itself: a request that timed out may have been billed. Only a 429, which is not, is waited
out, as long as the server asks for (120 s at most) and RATE_TRIES times.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from t2ibench.errors import ConfigError, MissingError, UserError
from t2ibench.keys import KEY, secret_key
from t2ibench.records import digest, read_json, write_json

LIVE = f"to ask a model, set prompts.llm.recording to null and {KEY} to your key"
RATE_TRIES = 4
LONGEST_WAIT_SECONDS = 120.0
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


class Live:
    """Asks a server. base_url: null for the client's default; save: the recording that replies are added to."""

    def __init__(self, base_url: str | None, timeout_seconds: float, save: Path) -> None:
        self.base_url, self.timeout_seconds = base_url, timeout_seconds
        self.save = Path(os.environ.get("DVC_ROOT", ".")) / save
        saved = self.save.exists()
        self.exchanges = Recording.load(self.save, f"rm {self.save}").exchanges if saved else []
        self.asked = 0

    def __call__(self, class_name: str, request: dict[str, Any]) -> dict[str, Any]:
        """The saved reply to this request, or the server's, saved before it is given.

        Raises MissingError for a missing or refused key, UserError where the server gives no reply.
        """
        saved = Recording(self.save, False, self.exchanges).find(request)
        if saved is not None:
            return saved
        self.asked += 1
        reply = self._ask(class_name, request)
        exchange = {"class_name": class_name, "request": request, "request_digest": digest(request), "reply": reply}
        self.exchanges.append(exchange)
        write_json(self.save, {"authored": False, "note": "replies of a chat model", "exchanges": self.exchanges})
        return reply

    def _ask(self, class_name: str, request: dict[str, Any]) -> dict[str, Any]:
        import openai

        key = secret_key(f"{KEY} is not set, and prompts.llm.recording is null", f"export {KEY}=<your key>")
        kept = f"replies kept in {self.save}: {len(self.exchanges)}, a new run asks only for the others"
        try:
            client = openai.OpenAI(
                api_key=key, base_url=self.base_url, max_retries=0, timeout=self.timeout_seconds
            )
            reply: Any = _patiently(lambda: client.chat.completions.create(**request))
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            refused = f"the server refused the key in {KEY} (HTTP {error.status_code})"
            raise MissingError(refused, f"export {KEY}=<a key that this server accepts>") from None
        except openai.APIStatusError as error:
            said = " ".join(error.message.replace(key, "[key]").split())[:200]
            raise UserError(f"prompts.llm: HTTP {error.status_code} for {class_name}: {said}; {kept}") from None
        except openai.APIConnectionError as error:
            late = isinstance(error, openai.APITimeoutError)
            what = f"no reply within {self.timeout_seconds:g} s" if late else "no connection, or a broken one"
            raise UserError(
                f"prompts.llm: {what} for {class_name}; the request may have been billed and is not sent twice; {kept}"
            ) from None
        except (openai.APIResponseValidationError, ValueError):
            reply = None
        if not isinstance(reply, openai.types.chat.ChatCompletion):
            server = self.base_url or "the default server"
            raise ConfigError("prompts.llm.base_url", server, "a server that answers with chat completions")
        document: dict[str, Any] = reply.model_dump(mode="json", exclude_unset=True)
        return document


def _patiently(ask: Callable[[], Any]) -> Any:
    """Asks; waits and asks again where there were too many requests."""
    import openai

    for number in range(RATE_TRIES - 1):
        try:
            return ask()
        except openai.RateLimitError as error:
            try:
                seconds = float(error.response.headers.get("retry-after", 2**number))
            except ValueError:
                seconds = 2.0**number
            if error.code == "insufficient_quota" or not seconds <= LONGEST_WAIT_SECONDS:
                raise
            time.sleep(max(0.0, seconds))
    return ask()
