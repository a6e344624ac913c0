"""Asking an images API for one image: what was answered before, then requests, each counted, paced and written down.

In this order, so that a kill at any moment loses no reply that was paid for and repeats no request that may have been:
the ledger counts the request, it is sent, its answer is put on the shelf, the ledger learns what became of it, and
only then is the answer used. A later run reads the shelf first.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from t2ibench.errors import UserError
from t2ibench.images import Made, Refused, Request, fingerprint
from t2ibench.images.pace import Clock, Pace
from t2ibench.images.replies import Outcome, Reply, judge
from t2ibench.images.shelf import Entry, Recorded, Shelf
from t2ibench.paid.answers import ENDED, NOT_SENT, PAID_TRIES, Again, Arrived, Never, Stop
from t2ibench.paid.ledger import Ledger, moment
from t2ibench.paid.prices import Prices, usage

Post = Callable[[dict[str, Any]], Arrived]
"""Sends a request's body; returns what came back. Its headers and body no longer hold the key."""


class Unsent(Exception):
    """Another request of the batch stopped the run before this one was sent."""


@dataclass(frozen=True)
class Rules:
    """attempts: requests per image and run; price_usd: of one image, where it is not paid by the token; repeat_lost:
    asks again where a request may have been billed and its answer never came; prices: of tokens, unknown where an image
    has one price; max_output_tokens: of one image at most, where they have a price."""

    attempts: int
    backoff_seconds: float
    price_usd: float
    repeat_lost: bool
    prices: Prices
    max_output_tokens: int = 0

    @property
    def free(self) -> bool:
        """Whether a request is known to cost nothing."""
        return self.prices.free if self.prices.known else not self.price_usd

    def most(self, body: dict[str, Any]) -> float:
        """US dollars that a request costs at most: what is held back for it. body: the request's."""
        told = self.prices.most(body, self.max_output_tokens)
        return self.price_usd if told is None else told

    def price(self, body: dict[str, Any], arrived: Arrived) -> float:
        """What an answer costs: by its tokens where it reports them and they have a price, else what was held back."""
        told = self.prices.of(usage(arrived.body))
        return self.most(body) if told is None else told


@dataclass(frozen=True)
class Asker:
    """Answers a request for one image; threads may share it. body: makes a request's body; extra: what is said of an
    image beside the answer; where: the server's name; secret: the key; stop: set, once the run has to end."""

    identity: dict[str, Any]
    size: int
    body: Callable[[Request], dict[str, Any]]
    post: Post
    extra: dict[str, Any]
    rules: Rules
    shelf: Shelf
    ledger: Ledger | None
    pace: Pace
    clock: Clock
    stop: threading.Event
    where: str
    secret: str

    def __call__(self, request: Request) -> Made | Refused:
        """The image, or why there is none. Raises UserError where the run has to end, Unsent where it does already."""
        try:
            return self._answer(request)
        except BaseException:
            self.stop.set()  # the others of the batch send nothing more
            raise

    def _answer(self, request: Request) -> Made | Refused:
        past = self._past(request)
        known = settled(past, self.size, self.rules.repeat_lost or self.rules.free)
        if known is not None:
            return known
        outcomes = [judge(entry.arrived, self.size, self.where) for entry in past]
        paid, sent = sum(one.billed == "yes" for one in outcomes), len(past)
        for attempt in range(1, self.rules.attempts + 1):
            entry, outcome = self._ask(request, sent + 1)
            sent += entry is not None
            if isinstance(outcome, Stop):
                raise UserError(outcome.reason)
            if entry is not None and isinstance(outcome, Reply):
                return made(entry, outcome)
            assert not isinstance(outcome, Reply)
            refused = Refused(outcome.reason, sent)
            paid += outcome.billed == "yes"
            if isinstance(outcome, Never) or attempt == self.rules.attempts or paid >= PAID_TRIES:
                break
            self._wait(outcome, attempt)
        if isinstance(outcome, Again) and outcome.hopeless:
            raise UserError(f"{outcome.reason} (asked {attempt} times)")
        return refused

    def _wait(self, outcome: Again, attempt: int) -> None:
        if outcome.wait_seconds is None:
            self.clock.wait(self.rules.backoff_seconds * 2 ** (attempt - 1), self.stop)
        else:
            self.pace.hold(outcome.wait_seconds)  # the limit is the account's: the other threads wait too

    def _past(self, request: Request) -> list[Entry]:
        """What was answered before. Requests that a killed run left open become answers that never came."""
        mark = fingerprint(self.identity, request)
        past = self.shelf.history(mark)
        for number in self.ledger.unsettled(mark) if self.ledger else ():
            entry = next((one for one in past if one.reservation == number), None)
            if entry is None:
                entry = self._keep(request, len(past) + 1, Arrived(lost=ENDED), number)
                past.append(entry)
            self._settle(number, entry.arrived, judge(entry.arrived, self.size, self.where))
        return past

    def _ask(self, request: Request, number: int) -> tuple[Entry | None, Outcome]:
        """One HTTP request; no entry where none left. Raises UserError where the run has to stop."""
        self.clock.wait(self.pace.take(), self.stop)
        if self.stop.is_set():
            raise Unsent
        reservation, body = "", self.body(request)
        if self.ledger is not None:
            mark, model = fingerprint(self.identity, request), str(self.identity["model"])
            reservation = self.ledger.ask(mark, request.id, model, self.rules.most(body))
        arrived = self.post(body)
        outcome = judge(arrived, self.size, self.where, self.secret)
        entry = None
        if arrived.lost not in NOT_SENT and not isinstance(outcome, Stop):
            entry = self._keep(request, number, arrived, reservation)
        self._settle(reservation, arrived, outcome)
        return entry, outcome

    def _settle(self, reservation: str, arrived: Arrived, outcome: Outcome) -> None:
        if self.ledger is not None:
            told = usage(arrived.body)
            self.ledger.settle(reservation, outcome.billed, outcome.outcome, self.rules.prices.of(told), told)

    def _keep(self, request: Request, number: int, arrived: Arrived, reservation: str) -> Entry:
        body = self.body(request)
        price = self.rules.price(body, arrived)
        entry = Entry(
            fingerprint=fingerprint(self.identity, request), number=number, image=request.id, identity=self.identity,
            request=body, arrived=arrived, extra=self.extra | ({"price_usd": price} if price else {}),
            price_usd=price, at=moment(), reservation=reservation,
        )
        self.shelf.put(entry)
        return entry


def made(entry: Entry, reply: Reply) -> Made:
    """An image with what is added to its row."""
    extra = {"model": reply.model or entry.request["model"]} | entry.extra
    if reply.revised_prompt is not None:
        extra["revised_prompt"] = reply.revised_prompt
    return Made(reply.image, extra)


def settled(past: list[Entry], size: int, repeat_lost: bool) -> Made | Refused | None:
    """What earlier answers come to, or None where another request may be sent."""
    outcomes = [judge(entry.arrived, size, "the server") for entry in past]
    paid = 0
    for number, (entry, outcome) in enumerate(zip(past, outcomes, strict=True), start=1):
        paid += outcome.billed == "yes"
        if isinstance(outcome, Reply):
            return made(entry, outcome)
        lost = outcome.billed == "perhaps"
        if isinstance(outcome, Never) and not (lost and (repeat_lost or number < len(past))):
            return Refused(outcome.reason, number)
        if isinstance(outcome, Again) and paid >= PAID_TRIES:
            return Refused(outcome.reason, number)
    return None


def replay(recording: Recorded, identity: dict[str, Any], size: int, request: Request) -> Made | Refused:
    """What a recording's answers to a request come to: the same as when they came."""
    past = recording.history(fingerprint(identity, request))
    found = settled(past, size, repeat_lost=False)
    if found is not None:
        return found
    if not past:
        return Refused("the recording has no answer to this request", 0)
    last = judge(past[-1].arrived, size, "the server")
    assert not isinstance(last, Reply)
    return Refused(last.reason, len(past))
