"""What to do with an answer of a paid API: read it, give this request up, send it again, or stop the run.

The rule behind all of them: a request that may have been billed is not sent again because nobody knows what became
of it. OpenAI's API has no idempotency key (https://platform.openai.com/docs/api-reference). What is judged is what was
recorded, and nothing else, so that a replay decides as the live run did.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Literal

LONGEST_WAIT_SECONDS = 120.0
"""A server that asks for a longer wait ends the run: running again later makes the rest. The client's own retries,
which are off, would stop waiting at the same limit."""
PAID_TRIES = 2
"""How often a reply that was paid for and cannot be used is asked for in all."""
NOT_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError")
"""httpx's errors (by name: the client brings its own httpx) that come before a byte of the request has left."""
ENDED = "Ended"
"""In place of an error's name: the run itself ended before the answer came."""
GATEWAYS = frozenset({502, 504, *range(520, 528)})
"""Answers of something between here and the API that has lost the API's own: what that did, nobody knows."""
KEPT_HEADERS = ("retry-after", "retry-after-ms", "x-request-id")
SPENT = ("insufficient_quota", "billing_hard_limit_reached")
POLICY = ("content_policy_violation", "content_filter", "moderation_blocked")
ASKED = ("prompt", "messages")
"""The parameters of a request that hold what is asked for, and not how."""
Billed = Literal["no", "perhaps", "yes"]


@dataclass(frozen=True)
class Arrived:
    """What came back for a request. status: of HTTP, 0 where no whole answer came; lost: then the error's name;
    headers: those that are kept, in lower case; body: as it came, but for the key."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    lost: str = ""


@dataclass(frozen=True)
class Again:
    """The request may be sent again. wait_seconds: what the server asked for, if anything; billed: whether it was
    paid for; hopeless: nothing else will work either, so that the run stops when the tries are used up."""

    outcome: str
    reason: str
    wait_seconds: float | None = None
    billed: Billed = "no"
    hopeless: bool = False


@dataclass(frozen=True)
class Never:
    """The answer cannot be had, and asking again is useless or may cost twice."""

    outcome: str
    reason: str
    billed: Billed = "no"


@dataclass(frozen=True)
class Stop:
    """No request of this run can succeed."""

    outcome: str
    reason: str
    billed: Billed = "no"


def clean(text: object, secret: str, longest: int = 300) -> str:
    """A server's text for people and files: valid UTF-8, one line, cut, and without the key."""
    plain = str(text).replace(secret, "[key]") if secret else str(text)
    return " ".join(plain.split()).encode("utf-8", "replace").decode()[:longest]


def unread(arrived: Arrived, where: str, secret: str, switch: str) -> Again | Never | Stop | None:
    """What an answer means that brings nothing to read; None for a success, whose body is the caller's to read.

    where: the server's name; switch: the parameter that allows a lost request to be sent again.
    """
    if arrived.status == 0:
        return _lost(arrived.lost, where, switch)
    return None if arrived.status < 300 else _refused(arrived, where, secret, switch)


def once(switch: str) -> str:
    """Why a request that may have been billed is not sent again, and what allows it."""
    return f"it may have been billed, so it is not repeated ({switch})"


def _lost(error: str, where: str, switch: str) -> Again | Never:
    if error in NOT_SENT:
        return Again("not-sent", f"nothing answers at {where}", hopeless=True)
    if error == ENDED:
        return Never("lost", f"the run ended before the answer came; {once(switch)}", billed="perhaps")
    outcome = "timed-out" if error.endswith("Timeout") else "cut-off"
    reason = f"no whole answer came after the request was sent ({error}); {once(switch)}"
    return Never(outcome, reason, billed="perhaps")


def _refused(arrived: Arrived, where: str, secret: str, switch: str) -> Again | Never | Stop:
    """What an answer means that is no success."""
    status, error = arrived.status, _error(arrived.body)
    code, param = error.get("code"), error.get("param")
    said = clean(error["message"], secret)
    if code in SPENT:
        return Stop("quota-spent", f"{where} says that the account's budget is spent ({code})")
    if status == 401:  # the server's own words may quote the key
        return Stop("key-refused", f"{where} does not accept the key in OPENAI_API_KEY (401)")
    if status in GATEWAYS:
        return Never("gateway", f"the answer was lost on its way ({status}); {once(switch)}", billed="perhaps")
    if status in (408, 409, 429) or status >= 500:
        kind, outcome = ("too many requests", "rate-limited") if status == 429 else ("the server failed", "failed")
        wait = _wait(arrived.headers)
        if wait is not None and not wait <= LONGEST_WAIT_SECONDS:
            return Stop(outcome, f"{where} asks to wait {wait:.0f} seconds (Retry-After); run again after that")
        return Again(outcome, f"{kind} ({status}): {said}", wait)
    if status in (400, 413, 422) and (param is None or param in ASKED):
        outcome = "policy" if code in POLICY else "refused"
        return Never(outcome, f"refused by the server ({status}, {clean(code or 'no code', secret)}): {said}")
    return Stop("not-taken", f"{where} does not take such requests ({status}): {said}")


def _error(body: bytes) -> dict[str, Any]:
    """The error that a body tells of in OpenAI's form; `message` is always there."""
    try:
        told = json.loads(body)
        told = told.get("error", told)
    except (ValueError, RecursionError, AttributeError):
        told = None
    plain = body.decode("utf-8", "replace")
    return {"message": plain, **told} if isinstance(told, dict) else {"message": plain}


def _wait(headers: Mapping[str, str]) -> float | None:
    """Seconds, from 0, that an answer asks to wait, or None where it does not say."""
    try:
        return max(0.0, float(headers["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        pass  # the header without -ms is the standard's, and the next to be looked at
    asked = headers.get("retry-after", "")
    try:
        return max(0.0, float(asked))
    except ValueError:
        try:
            return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
        except (ValueError, TypeError):
            return None
