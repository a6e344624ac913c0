"""Asking a server that speaks OpenAI's chat completions: what was answered before, then requests, each in the ledger.

In this order, so that a kill at any moment loses no reply that was paid for and repeats no request that may have been:
the ledger counts the request, it is sent, its reply is saved, the ledger learns what became of it, and only then is
the reply used. A later run reads what was saved first. The client's own retries are off: `paid.answers` has the rules.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from t2ibench.errors import MissingError, UserError
from t2ibench.keys import KEY, secret_key
from t2ibench.paid.answers import PAID_TRIES, Again, Arrived, Never, Stop, clean, once, unread
from t2ibench.paid.ledger import Ledger, path_of
from t2ibench.paid.prices import Prices, reported, usage
from t2ibench.paid.wire import address, bare, post
from t2ibench.prompts.replies import Recording
from t2ibench.records import digest, write_json

SWITCH = "prompts.llm.repeat_lost"


@dataclass(frozen=True)
class Terms:
    """How a server is asked and paid. attempts: HTTP requests for one reply and run; backoff_seconds: before the
    second, doubled after each, where the server names none; budget_usd: of all that shares the ledger; repeat_lost:
    asks again where a request may have been billed and no usable reply came."""

    attempts: int
    backoff_seconds: float
    timeout_seconds: float
    prices: Prices
    budget_usd: float
    ledger: str
    repeat_lost: bool

    def most(self, request: dict[str, Any]) -> float | None:
        """US dollars that a request costs at most, None where its price is unknown."""
        return self.prices.most(request, int(request.get("max_completion_tokens", 0)))


class Live:
    """Asks a server. base_url: null for OPENAI_BASE_URL or OpenAI; save: the recording that replies are added to."""

    def __init__(self, base_url: str | None, save: Path, terms: Terms) -> None:
        self.url = address(base_url)
        self.server = bare(self.url, "prompts.llm.base_url")
        self.where = urlsplit(self.server).hostname or "the server"
        self.save = Path(os.environ.get("DVC_ROOT") or ".") / save
        self.terms = terms
        self.ledger = Ledger(path_of(terms.ledger), terms.budget_usd)
        saved = self.save.exists()
        self.exchanges = Recording.load(self.save, f"rm {self.save}").exchanges if saved else []
        self.asked = 0

    def __call__(self, class_name: str, request: dict[str, Any]) -> dict[str, Any]:
        """The saved reply to this request, or the server's, saved before it is given.

        Raises MissingError for a missing or refused key, UserError where the server gives no reply.
        """
        mark = digest({"server": self.server, "request": request})
        saved = Recording(self.save, False, self.exchanges).find(request)
        self._close(mark, saved)
        if saved is not None:
            return saved
        self._check_past(mark, class_name)
        self.asked += 1
        return self._ask(mark, class_name, request)

    def _close(self, mark: str, saved: dict[str, Any] | None) -> None:
        """Settles the request that a killed run left open: its reply was saved, or nobody knows what became of it."""
        for number in self.ledger.unsettled(mark):
            if saved is None:
                self.ledger.settle(number, "perhaps", "lost")
            else:
                told = reported(saved.get("usage"))
                self.ledger.settle(number, "yes", "made", self.terms.prices.of(told), told)

    def _check_past(self, mark: str, class_name: str) -> None:
        """Raises UserError where an earlier request may have been billed, or was as often as may be, for nothing."""
        if self.terms.repeat_lost or self.terms.prices.free:
            return
        lost, paid = "", 0
        for billed, outcome in self.ledger.past(mark):
            answered = outcome == "made"  # then its reply was thrown away since, by hand: to ask again is meant
            lost = "" if answered else outcome if billed == "perhaps" else lost
            paid = 0 if answered else paid + (billed == "yes")
        if lost:
            raise self._error(class_name, f"no answer came to an earlier request ({lost}); {once(SWITCH)}")
        if paid >= PAID_TRIES:
            raise self._error(class_name, f"{paid} replies were paid for and are no chat completions; asking again "
                              f"pays again ({SWITCH})")

    def _ask(self, mark: str, class_name: str, request: dict[str, Any]) -> dict[str, Any]:
        """Requests until there is a reply. Raises MissingError or UserError, by the rules, where there is none."""
        import openai

        key = secret_key(f"{KEY} is not set, and prompts.llm.recording is null", f"export {KEY}=<your key>")
        with openai.OpenAI(
            api_key=key, base_url=self.url, max_retries=0, timeout=self.terms.timeout_seconds
        ) as client:
            paid, attempt = 0, 0
            while True:
                attempt += 1
                found = self._send(client, key, mark, class_name, request)
                if isinstance(found, dict):
                    return found
                paid += found.billed == "yes"
                if not isinstance(found, Again) or attempt == self.terms.attempts or paid >= PAID_TRIES:
                    break
                wait = found.wait_seconds
                time.sleep(self.terms.backoff_seconds * 2 ** (attempt - 1) if wait is None else wait)
        if found.outcome == "key-refused":
            raise MissingError(found.reason, f"export {KEY}=<a key that this server accepts>")
        raise self._error(class_name, found.reason)

    def _send(self, client: Any, key: str, mark: str, class_name: str,
              request: dict[str, Any]) -> dict[str, Any] | Again | Never | Stop:
        """One HTTP request: its reply, or an outcome that has none."""
        number = self.ledger.ask(mark, f"prompts of {class_name}", request["model"], self.terms.most(request))
        arrived = post(lambda: client.chat.completions.with_raw_response.create(**request), key)
        outcome = unread(arrived, self.where, key, SWITCH)
        reply = {} if outcome else _read(arrived)
        if reply:
            exchange = {"class_name": class_name, "request": request, "request_digest": digest(request)}
            self.exchanges.append(exchange | {"reply": reply})
            write_json(self.save, {"authored": False, "note": "replies of a chat model", "exchanges": self.exchanges})
        told = usage(arrived.body)
        dollars = self.terms.prices.of(told)
        if reply:
            self.ledger.settle(number, "yes", "made", dollars, told)
            return reply
        outcome = outcome or _malformed(arrived, key)
        self.ledger.settle(number, outcome.billed, outcome.outcome, dollars, told)
        return outcome

    def _error(self, class_name: str, reason: str) -> UserError:
        return UserError(f"prompts.llm: {class_name}: {reason}; replies kept in {self.save}: {len(self.exchanges)}, a "
                         "new run asks only for the others")


def _read(arrived: Arrived) -> dict[str, Any]:
    """The chat.completion object of a success's body; empty where it is none."""
    try:
        reply: dict[str, Any] = json.loads(arrived.body)
        return reply if isinstance(reply["choices"][0]["message"], dict) else {}
    except (ValueError, RecursionError, LookupError, TypeError):
        return {}


def _malformed(arrived: Arrived, key: str) -> Again:
    begins = clean(arrived.body[:80].decode("utf-8", "replace"), key)
    return Again("malformed", f"the reply is no chat completion (it begins {begins!r}): prompts.llm.base_url names a "
                 "server that answers with them", billed="yes")
