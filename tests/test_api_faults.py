"""Every way in which an images API may fail, over real HTTP with the real client: its rule, its count, its cost."""

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_key import KEY
from test_server import REQUEST, SETTINGS, draw, picture, reply, serve
from unreachable import deaf, nobody

from t2ibench.errors import ConfigError, UserError
from t2ibench.images import Made, Refused, Request, Stopped
from t2ibench.images.openai import OpenAIImages
from t2ibench.images.shelf import Shelf
from t2ibench.paid.ledger import Ledger, path_of
from t2ibench.pictures import encode_png
from t2ibench.tiny.server import Answer, LoopbackServer, refusal

PRICE = 0.25
LOST = "it may have been billed, so it is not repeated (images.openai.repeat_lost)"
OVER = r"has spent 1\.00"
UNTOLD = {"price_unknown": 0, "input_tokens": 0, "output_tokens": 0}
"""Of a ledger whose answers report no tokens."""
GOOD = encode_png(picture("a cat", 7))


pytestmark = pytest.mark.usefixtures("api_root")


def engine(url: str, **changes: Any) -> OpenAIImages:
    paid = {"price_usd": PRICE, "budget_usd": 100.0, "ledger": "faults", "concurrency": 1, "stands_for": None}
    return OpenAIImages(**{**SETTINGS, "base_url": url, **paid, **changes})


@dataclass
class Told:
    """What a run came to: the answer or the error that stopped it, the requests that arrived, the ledger's summary."""

    answer: Made | Refused | None
    stopped: str
    arrived: int
    asked: int
    spent: float
    perhaps: float
    outcomes: dict[str, int]
    kept: int

    @property
    def reason(self) -> str:
        return self.answer.reason if isinstance(self.answer, Refused) else self.stopped


def ask(server: LoopbackServer, **changes: Any) -> Told:
    """One request through the engine, with what the ledger says of it afterwards."""
    answer, stopped = None, ""
    with engine(server.base_url, **changes) as images:
        try:
            (answer,) = images([REQUEST])
        except Stopped as error:
            stopped = str(error)
        kept = len(list(Shelf().all()))
    told = Ledger(path_of("faults"), 0).summary()
    return Told(answer, stopped, len(server.requests), told["asked"], told["spent_usd"], told["perhaps_usd"],
                told["outcomes"], kept)


def body(document: Any) -> Answer:
    return Answer(200, json.dumps(document).encode())


SLOW = {"timeout_seconds": 0.3}
Rule = tuple[str, list[Answer], dict[str, Any], str, dict[str, int], float, float]
RULES: list[Rule] = [
    # (what happens, faults, settings, what the answer says ("" for an image), outcomes, spent, of it perhaps)
    ("429 with Retry-After", [refusal(429, "slow", headers={"Retry-After": "0.01"})], {}, "",
     {"rate-limited": 1, "made": 1}, PRICE, 0),
    ("429 with Retry-After in milliseconds", [refusal(429, "slow", headers={"retry-after-ms": "5"})], {}, "",
     {"rate-limited": 1, "made": 1}, PRICE, 0),
    ("429 without Retry-After", [refusal(429, "slow")], {}, "", {"rate-limited": 1, "made": 1}, PRICE, 0),
    ("429 for ever", [refusal(429, "slow")] * 9, {}, "too many requests (429): slow", {"rate-limited": 3}, 0, 0),
    ("429 with Retry-After over 120 s", [refusal(429, "slow", headers={"Retry-After": "121"})], {},
     "asks to wait 121 seconds (Retry-After); run again after that", {"rate-limited": 1}, 0, 0),
    ("500", [refusal(500, "oops")], {}, "", {"failed": 1, "made": 1}, PRICE, 0),
    ("503 with Retry-After", [refusal(503, "busy", headers={"Retry-After": "0"})], {}, "",
     {"failed": 1, "made": 1}, PRICE, 0),
    ("500 for ever", [refusal(500, "oops")] * 9, {}, "the server failed (500): oops", {"failed": 3}, 0, 0),
    ("504 of a gateway", [Answer(504, b"<html>")], {}, f"the answer was lost on its way (504); {LOST}",
     {"gateway": 1}, PRICE, PRICE),
    ("a time-out after the request was sent", [Answer(delay_seconds=1.0)], SLOW,
     f"no whole answer came after the request was sent (ReadTimeout); {LOST}", {"timed-out": 1}, PRICE, PRICE),
    ("a connection that is closed without an answer", [Answer(dropped=True)], {},
     f"no whole answer came after the request was sent (RemoteProtocolError); {LOST}", {"cut-off": 1}, PRICE, PRICE),
    ("a connection that is cut in the middle of the body", [replace(reply(GOOD), cut=True)], {},
     f"no whole answer came after the request was sent (RemoteProtocolError); {LOST}", {"cut-off": 1}, PRICE, PRICE),
    ("malformed JSON, once", [Answer(200, b'{"data": [')], {}, "", {"malformed": 1, "made": 1}, 2 * PRICE, 0),
    ("malformed JSON, for ever", [Answer(200, b'{"data": [')] * 9, {},
     "the reply is not the JSON of an image (JSONDecodeError)", {"malformed": 2}, 2 * PRICE, 0),
    ("a refusal by the content policy", [refusal(400, "not this", "moderation_blocked")], {},
     "refused by the server (400, moderation_blocked): not this", {"policy": 1}, 0, 0),
    ("a prompt that is too long", [refusal(400, "too long", "string_above_max_length", "prompt")], {},
     "refused by the server (400, string_above_max_length): too long", {"refused": 1}, 0, 0),
    ("fewer images than asked, once", [body({"data": []})], {}, "", {"fewer-images": 1, "made": 1}, 2 * PRICE, 0),
    ("fewer images than asked, for ever", [body({"data": []})] * 9, {},
     "the reply has 0 images, and 1 was asked for", {"fewer-images": 2}, 2 * PRICE, 0),
    ("an image that does not decode, once", [reply(GOOD[:-300])], {}, "",
     {"not-decodable": 1, "made": 1}, 2 * PRICE, 0),
    ("an image that does not decode, for ever", [reply(b"GIF")] * 9, {},
     "the reply's image cannot be decoded (UnidentifiedImageError)", {"not-decodable": 2}, 2 * PRICE, 0),
    ("another size than asked", [reply(encode_png(np.zeros((8, 32, 3), np.uint8)))], {},
     "the image is 32 x 8 pixels, not 16 x 16", {"other-size": 1}, PRICE, 0),
    ("a key that is refused", [refusal(401, f"wrong key {KEY}")], {}, "does not accept the key", {"key-refused": 1},
     0, 0),
    ("an account without money", [refusal(429, "no money", "insufficient_quota")], {}, "budget is spent",
     {"quota-spent": 1}, 0, 0),
    ("a parameter that the model does not take", [refusal(400, "no", "unknown_parameter", "seed")], {},
     "does not take such requests (400)", {"not-taken": 1}, 0, 0),
]


@pytest.mark.parametrize("rule", RULES, ids=[rule[0] for rule in RULES])
def test_each_fault_has_its_rule_its_count_and_its_cost(rule: Rule) -> None:
    _, faults, settings, said, outcomes, spent, perhaps = rule
    with serve(*faults) as server:
        told = ask(server, **settings)
        assert said in told.reason if said else isinstance(told.answer, Made), told
        assert told.outcomes == outcomes
        assert told.arrived == told.asked == sum(outcomes.values())
        assert (told.spent, told.perhaps) == (pytest.approx(spent), pytest.approx(perhaps))
        assert told.kept == (0 if told.stopped else told.arrived), "every reply that can be used, or was paid, is kept"
        again = ask(server, **settings)  # with what is known by now
        if spent or {"policy", "refused"} & outcomes.keys():
            assert again.arrived == told.arrived, "nothing is paid for twice"
            assert again.reason == told.reason and type(again.answer) is type(told.answer)


@pytest.mark.parametrize("place", [deaf, nobody])
def test_a_request_that_never_left_is_repeated_costs_nothing_and_then_stops_the_run(place: Any) -> None:
    with place() as url, engine(url, timeout_seconds=0.2) as images:
        with pytest.raises(Stopped, match=r"nothing answers at 127\.0\.0\.1 \(asked 3 times\)"):
            images([REQUEST])
        told = Ledger(path_of("faults"), 0).summary()
    assert told == UNTOLD | {"asked": 3, "spent_usd": 0, "perhaps_usd": 0, "outcomes": {"not-sent": 3}}
    assert not list(Shelf().all())


def test_a_lost_answer_is_asked_for_again_only_where_the_user_says_so_and_pays_twice() -> None:
    with serve(Answer(dropped=True)) as server:
        assert ask(server).arrived == 1
        assert ask(server).arrived == 1
        told = ask(server, repeat_lost=True)
        assert isinstance(told.answer, Made) and told.arrived == 2 and told.spent == 2 * PRICE
        assert isinstance(ask(server).answer, Made), "what was made then stays"


def test_a_lost_answer_that_cost_nothing_is_asked_for_again_by_the_next_run() -> None:
    with serve(Answer(dropped=True)) as server:
        assert isinstance(ask(server, price_usd=0.0).answer, Refused)
        told = ask(server, price_usd=0.0)
        assert isinstance(told.answer, Made) and told.arrived == 2


def test_a_run_that_was_killed_between_request_and_answer_does_not_ask_again() -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with serve() as server:
        images = engine(server.base_url)
        with images:
            asker = replace(images._answer, post=die)
            with pytest.raises(Killed):
                asker(REQUEST)
        told = ask(server)
        assert told.arrived == 0 and told.outcomes == {"lost": 1} and told.spent == told.perhaps == PRICE
        assert told.reason == f"the run ended before the answer came; {LOST}"
        assert ask(server).reason == told.reason, "and the next run says the same"


def test_a_reply_is_kept_the_moment_it_arrives_and_not_with_its_batch() -> None:
    held = threading.Event()

    class Slow(LoopbackServer):
        def answer(self, path: str, body: dict[str, Any]) -> Answer:
            if body["seed"] == 8:
                held.wait(30)
            return super().answer(path, body)

    with Slow(draw, size=16) as server, engine(server.base_url, concurrency=2) as images:
        batch = threading.Thread(target=images, args=([replace(REQUEST, seed=8), REQUEST],))
        batch.start()
        wait_for(lambda: len(list(Shelf().all())) == 1)
        assert not held.is_set(), "the batch is not finished"
        held.set()
        batch.join()
    assert len(list(Shelf().all())) == 2


def wait_for(there: Callable[[], bool]) -> None:
    for _ in range(3000):
        if there():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came")


def test_a_request_that_stops_the_run_lets_no_other_of_its_batch_leave() -> None:
    with serve(refusal(401, "no")) as server, engine(server.base_url) as images:
        with pytest.raises(Stopped):
            images([replace(REQUEST, seed=seed) for seed in range(6)])
        assert len(server.requests) == 1


def test_a_damaged_answer_on_the_shelf_is_named_and_not_paid_for_again(tmp_path: Path) -> None:
    with serve() as server:
        ask(server)
        (path,) = (tmp_path / ".cache/items").rglob("*-reply-1.json")
        path.write_bytes(path.read_bytes().replace(b"standin", b"stondin"))
        with engine(server.base_url) as images, pytest.raises(Stopped, match="is no recorded answer") as caught:
            images([REQUEST])
        assert path.name in str(caught.value) and len(server.requests) == 1


def test_an_entry_holds_the_request_its_digest_the_time_the_model_the_prompt_the_usage_and_the_price() -> None:
    from t2ibench.records import digest

    usage = {"input_tokens": 9, "output_tokens": 272, "total_tokens": 281, "input_tokens_details": {"text_tokens": 9}}
    document = {"model": "the-model-7", "usage": usage,
                "data": [{"b64_json": base64.b64encode(GOOD).decode(), "revised_prompt": "a cat, calm"}]}
    with serve(body(document)) as server:
        told = ask(server)
    (entry,) = Shelf().all()
    row = entry.to_row()
    sent = {"model": "standin", "prompt": "a cat", "size": "16x16", "n": 1, "response_format": "b64_json", "seed": 7}
    assert row["request"] == sent and row["request_digest"] == digest(sent)
    assert (row["model"], row["revised_prompt"], row["usage"]) == ("the-model-7", "a cat, calm", usage)
    assert row["price_usd"] == PRICE and row["at"].endswith("+00:00") and row["status"] == 200
    assert isinstance(told.answer, Made)
    assert told.answer.extra == {"model": "the-model-7", "revised_prompt": "a cat, calm", "price_usd": PRICE}


TOKENS = {"input_usd_per_million": 5.0, "output_usd_per_million": 40.0, "max_output_tokens": 7000}
"""A model that is paid by the token: 28 cents an image at most."""


def paid_by_tokens(written: int) -> Answer:
    """An image that took 50 tokens of request and so many of answer."""
    usage = {"input_tokens": 50, "output_tokens": written, "total_tokens": 50 + written}
    return body({"usage": usage, "data": [{"b64_json": base64.b64encode(GOOD).decode()}]})


def test_a_model_that_is_paid_by_the_token_costs_what_its_answers_report_and_holds_back_the_most_before() -> None:
    answers = [paid_by_tokens(4000)] * 3
    prices = TOKENS | {"budget_usd": 0.5}
    with serve(*answers, reply(GOOD)) as server:
        told = ask(server, **prices)
        assert isinstance(told.answer, Made)
        assert told.answer.extra["price_usd"] == told.spent == pytest.approx(0.16025), "50 and 4000 tokens"
        assert [entry.price_usd for entry in Shelf().all()] == [told.spent]
        with engine(server.base_url, **prices) as images:
            images([replace(REQUEST, seed=8)])
            with pytest.raises(Stopped, match=r"costs up to 0\.28085 USD.* = 0\.5 the study has spent 0\.32"):
                images([replace(REQUEST, seed=9)])
        assert len(server.requests) == 2
    summary = Ledger(path_of("faults"), 0).summary()
    assert (summary["input_tokens"], summary["output_tokens"], summary["spent_usd"]) == (100, 8000, 0.3205)


def test_an_answer_without_its_tokens_costs_what_was_held_back() -> None:
    with serve(reply(GOOD)) as server:
        told, most = ask(server, **TOKENS), engine(server.base_url, **TOKENS).most(REQUEST)
    assert told.spent == most > 7000 * 40 / 1e6
    assert isinstance(told.answer, Made) and told.answer.extra["price_usd"] == most


def test_requests_that_are_in_flight_together_never_pass_the_cap() -> None:
    answer = paid_by_tokens(6500)
    gate = threading.Barrier(3)

    class Together(LoopbackServer):
        def answer(self, path: str, body: dict[str, Any]) -> Answer:
            gate.wait(30)  # three are here at once, or the test fails
            return answer

    requests = [Request(f"a-{n}", "a cat", n) for n in range(12)]
    with (Together(draw, size=16) as server,
          engine(server.base_url, **TOKENS, budget_usd=0.85, concurrency=12) as images,
          pytest.raises(Stopped, match=r"costs up to 0\.28085 USD.*budget_usd = 0\.85 the study has spent 0\.")):
        images(requests)
    told = Ledger(path_of("faults"), 0).summary()
    assert told["outcomes"] == {"made": 3}, "a fourth would bring it to 1.04"
    assert told["spent_usd"] == pytest.approx(3 * 0.26025)


def test_an_answer_above_its_bound_counts_in_full_and_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    with serve(*[paid_by_tokens(9000)] * 3) as server, engine(
            server.base_url, **TOKENS, budget_usd=0.8) as images:
        images([replace(REQUEST, seed=8)])
        images([replace(REQUEST, seed=9)])
        with pytest.raises(Stopped, match=r"the study has spent 0\.72"):
            images([replace(REQUEST, seed=10)])
    said = capsys.readouterr().err
    assert said.count("t2ibench: an answer cost 0.36025 USD, where 0.28085") == 1 and "Raise max_output_tokens" in said
    assert len(server.requests) == 2


@pytest.mark.parametrize(("changes", "key"), [
    ({"input_usd_per_million": 5.0}, "output_usd_per_million"),
    ({"output_usd_per_million": 5.0}, "input_usd_per_million"),
    ({"input_usd_per_million": 5.0, "output_usd_per_million": 40.0}, "max_output_tokens"),
])
def test_prices_of_tokens_that_bound_nothing_are_refused(changes: dict[str, float], key: str) -> None:
    with pytest.raises(ConfigError, match=rf"images\.openai\.{key}"):
        engine("http://127.0.0.1:9/v1", **changes)


def test_the_batch_says_what_was_made_when_the_budget_ends_and_later_runs_and_processes_hold_to_it() -> None:
    requests = [Request(f"a-{n}", "a cat", n) for n in range(6)]
    with serve() as server:
        with engine(server.base_url, budget_usd=1.0) as images, pytest.raises(Stopped, match=OVER) as caught:
            images(requests)
        assert len(caught.value.finished) == 4 and len(server.requests) == 4
        with engine(server.base_url, budget_usd=1.0) as images:
            assert all(isinstance(one, Made) for one in images(requests[:4])), "what was paid for costs nothing now"
            with pytest.raises(UserError, match=OVER):
                images(requests[4:])
        assert len(server.requests) == 4
        with engine(server.base_url, budget_usd=1.5) as images:
            assert len(images(requests)) == 6
        assert len(server.requests) == 6
