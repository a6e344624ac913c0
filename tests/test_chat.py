"""Every way in which a chat model may fail, over real HTTP with the real client: its rule, its count, its cost."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_key import KEY
from unreachable import deaf, nobody

from t2ibench.errors import ConfigError, MissingError, UserError
from t2ibench.paid.ledger import Ledger, path_of
from t2ibench.prompts.llm import LLMPrompts
from t2ibench.records import digest
from t2ibench.tiny.server import Answer, LoopbackServer, refusal

ROOT = Path(__file__).parents[1]
DOGS = ["A dog reads a book in a library.", "A dog cooks soup in a kitchen."]
READ, WRITTEN = 1000, 200
COST = 0.0036
"""Of a good answer: 1000 tokens at 2 dollars and 200 at 8, per million."""
LOST = "it may have been billed, so it is not repeated (prompts.llm.repeat_lost)"


pytestmark = pytest.mark.usefixtures("api_root")


def completion(content: str | None, **message: Any) -> Answer:
    """A chat completion as OpenAI sends it, with its tokens."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content, **message}}
    usage = {"prompt_tokens": READ, "completion_tokens": WRITTEN, "total_tokens": READ + WRITTEN}
    return Answer(200, json.dumps({"id": "r1", "object": "chat.completion", "created": 1, "model": "tiny-chat-1",
                                   "choices": [choice], "usage": usage}).encode())


GOOD = completion(json.dumps({"prompts": DOGS}))


def serve(*faults: Answer) -> LoopbackServer:
    """A server that answers with DOGS, after the faults. Its own count of tokens is of words."""
    return LoopbackServer(models=["tiny-chat"], faults=faults, chat=lambda _: json.dumps({"prompts": DOGS}))


def engine(url: str, **changes: Any) -> LLMPrompts:
    paid = {"input_usd_per_million": 2.0, "output_usd_per_million": 8.0, "max_output_tokens": 500}
    asked = {"per_class": 2, "model": "tiny-chat", "recording": None, "save": Path("saved.json"), "ledger": "chat",
             "backoff_seconds": 0.01, "attempts": 3, "timeout_seconds": 20.0, "budget_usd": 100.0}
    return LLMPrompts(**{**asked, **paid, "base_url": url, **changes})


def summary() -> dict[str, Any]:
    return Ledger(path_of("chat"), 0).summary()


def ask(server: LoopbackServer, **changes: Any) -> str:
    """What one run for the class dog says: nothing where it gave its prompts."""
    try:
        found = engine(server.base_url, **changes)(["dog"], seed=0)
    except UserError as error:
        assert KEY not in str(error) and "\n" not in str(error)
        return str(error)
    assert [one.text for one in found] == DOGS
    return ""


Rule = tuple[str, list[Answer], dict[str, Any], str, dict[str, int], int, bool, bool]
NONSENSE = Answer(200, b"<html>hello", {"Content-Type": "text/html"})
RULES: list[Rule] = [
    # (what happens, faults, settings, what the run says ("" for prompts), outcomes, billed answers with their tokens,
    #  whether something may have been billed, whether the next run may ask again)
    ("a good answer", [GOOD], {}, "", {"made": 1}, 1, False, False),
    ("429 with Retry-After", [refusal(429, "slow", headers={"Retry-After": "0.01"}), GOOD], {}, "",
     {"rate-limited": 1, "made": 1}, 1, False, False),
    ("429 with Retry-After in milliseconds", [refusal(429, "slow", headers={"retry-after-ms": "5"}), GOOD], {}, "",
     {"rate-limited": 1, "made": 1}, 1, False, False),
    ("429 without Retry-After", [refusal(429, "slow"), GOOD], {}, "", {"rate-limited": 1, "made": 1}, 1, False, False),
    ("429 with nonsense as Retry-After", [refusal(429, "slow", headers={"Retry-After": "soon"}), GOOD], {}, "",
     {"rate-limited": 1, "made": 1}, 1, False, False),
    ("429 for ever", [refusal(429, "slow")] * 3, {}, "too many requests (429): slow", {"rate-limited": 3}, 0, False,
     True),
    ("429 with Retry-After over 120 s", [refusal(429, "slow", headers={"Retry-After": "121"})], {},
     "asks to wait 121 seconds (Retry-After); run again after that", {"rate-limited": 1}, 0, False, True),
    ("an account without money", [refusal(429, "no money", "insufficient_quota")], {}, "budget is spent",
     {"quota-spent": 1}, 0, False, True),
    ("500", [refusal(500, "oops"), GOOD], {}, "", {"failed": 1, "made": 1}, 1, False, False),
    ("503 for ever", [refusal(503, "busy")] * 3, {}, "the server failed (503): busy", {"failed": 3}, 0, False, True),
    ("504 of a gateway", [Answer(504, b"<html>")], {}, f"the answer was lost on its way (504); {LOST}", {"gateway": 1},
     0, True, False),
    ("a time-out after the request was sent", [Answer(delay_seconds=1.0)], {"timeout_seconds": 0.3},
     f"no whole answer came after the request was sent (ReadTimeout); {LOST}", {"timed-out": 1}, 0, True, False),
    ("a connection that is closed without an answer", [Answer(dropped=True)], {},
     f"no whole answer came after the request was sent (RemoteProtocolError); {LOST}", {"cut-off": 1}, 0, True, False),
    ("a connection that is cut in the middle of the body", [replace(GOOD, cut=True)], {},
     f"no whole answer came after the request was sent (RemoteProtocolError); {LOST}", {"cut-off": 1}, 0, True, False),
    ("malformed JSON, once", [Answer(200, b'{"choices": ['), GOOD], {}, "", {"malformed": 1, "made": 1}, 1, False,
     False),
    ("malformed JSON, for ever", [Answer(200, b'{"choices": [')] * 3, {}, "the reply is no chat completion",
     {"malformed": 2}, 0, False, False),
    ("another kind of server", [NONSENSE] * 3, {}, "it begins '<html>hello'", {"malformed": 2}, 0, False, False),
    ("a reply without choices", [Answer(200, b'{"choices": []}')] * 3, {}, "is no chat completion", {"malformed": 2},
     0, False, False),
    ("a refusal of the model, then prompts", [completion(None, refusal="I will not"), GOOD], {}, "", {"made": 2}, 2,
     False, False),
    ("a refusal by the content policy", [refusal(400, "not this", "content_filter")], {},
     "refused by the server (400, content_filter): not this", {"policy": 1}, 0, False, True),
    ("a key that is refused", [refusal(401, f"wrong key {KEY}")], {}, "does not accept the key in OPENAI_API_KEY (401)",
     {"key-refused": 1}, 0, False, True),
    ("a key without rights", [refusal(403, f"{KEY} may not")], {}, "(403): [key] may not", {"not-taken": 1}, 0, False,
     True),
    ("a parameter that the model does not take", [refusal(400, "no", "unknown_parameter", "response_format")], {},
     "does not take such requests (400)", {"not-taken": 1}, 0, False, True),
]


@pytest.mark.parametrize("rule", RULES, ids=[rule[0] for rule in RULES])
def test_each_fault_has_its_rule_its_count_and_its_cost(rule: Rule) -> None:
    _, faults, settings, said, outcomes, billed, perhaps, again = rule
    with serve(*faults) as server:
        told = ask(server, **settings)
        assert said in told if said else not told, told
        found = summary()
        assert found["outcomes"] == outcomes and found["asked"] == len(server.requests) == sum(outcomes.values())
        assert (found["input_tokens"], found["output_tokens"]) == (billed * READ, billed * WRITTEN)
        unread = outcomes.get("malformed", 0)  # paid for, and without a word about tokens: what was held back counts
        held = engine(server.base_url).terms.most(engine(server.base_url).request("dog"))
        assert held is not None and held > COST
        assert found["spent_usd"] == pytest.approx(billed * COST + (unread + perhaps) * held)
        assert found["perhaps_usd"] == pytest.approx(perhaps * held)
        arrived = len(server.requests)
        second = ask(server, **settings)  # with what is known by now; the server would answer
        assert (len(server.requests) > arrived) == again
        if not again:
            assert bool(second) == bool(told) and ("prompts.llm.repeat_lost" in second or not second)


@pytest.mark.parametrize("place", [deaf, nobody])
def test_a_request_that_never_left_is_repeated_and_costs_nothing(place: Any) -> None:
    with place() as url, pytest.raises(UserError, match=r"dog: nothing answers at 127\.0\.0\.1"):
        engine(url, timeout_seconds=0.2)(["dog"], seed=0)
    assert summary() == {"asked": 3, "spent_usd": 0, "perhaps_usd": 0, "price_unknown": 0, "input_tokens": 0,
                         "output_tokens": 0, "outcomes": {"not-sent": 3}}


def test_a_lost_reply_is_asked_for_again_only_where_the_user_says_so_or_where_it_costs_nothing() -> None:
    with serve(Answer(dropped=True)) as server:
        assert LOST in ask(server)
        assert LOST in ask(server) and len(server.requests) == 1
        assert not ask(server, repeat_lost=True) and len(server.requests) == 2
        assert not ask(server), "what was answered then stays"
    free = {"input_usd_per_million": 0.0, "output_usd_per_million": 0.0, "save": Path("free.json")}
    with serve(Answer(dropped=True)) as server:
        assert ask(server, **free) and not ask(server, **free) and len(server.requests) == 2


def test_replies_that_were_thrown_away_by_hand_are_asked_for_again(api_root: Path) -> None:
    with serve(GOOD, GOOD, GOOD) as server:
        for _ in range(3):
            assert not ask(server)
            (api_root / "saved.json").unlink()
        assert len(server.requests) == 3 and summary()["spent_usd"] == pytest.approx(3 * COST)


def test_a_run_that_was_killed_before_the_reply_does_not_ask_again_and_one_after_it_pays_once(api_root: Path) -> None:
    with serve(GOOD) as server:
        images = engine(server.base_url)
        request = images.request("dog")
        mark = digest({"server": server.base_url, "request": request})
        ledger = Ledger(path_of("chat"), 100)
        open_ = ledger.ask(mark, "prompts of dog", "tiny-chat", 0.5)
        assert "no answer came to an earlier request (lost)" in ask(server) and not server.requests
        assert summary()["perhaps_usd"] == 0.5
        assert not ask(server, repeat_lost=True)
        lines = path_of("chat").read_text().splitlines()
        assert json.loads(lines[-1])["event"] == "settle" and json.loads(lines[0])["id"] == open_
        path_of("chat").write_text("\n".join(lines[:-1]) + "\n")  # killed between the saved reply and its settlement
        assert not ask(server) and len(server.requests) == 1
        found = summary()
        assert found["outcomes"] == {"lost": 1, "made": 1} and found["spent_usd"] == pytest.approx(0.5 + COST)


def test_the_cap_is_one_for_texts_and_images_and_refuses_the_request_that_would_pass_it() -> None:
    with serve(GOOD) as server:
        request = engine(server.base_url).request("dog")
        held = engine(server.base_url).terms.most(request)
        assert held is not None
        Ledger(path_of("chat"), 100).ask("f", "a-0", "an-images-model", 1.0)
        said = ask(server, budget_usd=1.0 + held / 2)
        assert "costs up to" in said and "has spent 1.00" in said and "study.budget_usd" in said
        assert not server.requests and summary()["asked"] == 1
        assert not ask(server, budget_usd=1.0 + held)
        assert summary()["spent_usd"] == pytest.approx(1.0 + COST)


def test_a_request_costs_no_more_than_was_held_back_for_it() -> None:
    terms, request = engine("http://127.0.0.1:9/v1").terms, engine("http://127.0.0.1:9/v1").request("giraffe")
    longest = len(json.dumps(request).encode())  # a token has a byte at least
    assert request["max_completion_tokens"] == 500
    held = terms.most(request)
    assert held is not None and held >= (longest * 2.0 + 500 * 8.0) / 1e6


def test_an_unknown_price_is_counted_in_requests_and_tokens_and_said_to_be_unknown() -> None:
    unknown = {"input_usd_per_million": None, "output_usd_per_million": None, "max_output_tokens": None}
    with serve(GOOD) as server:
        assert not ask(server, **unknown)
        assert "max_completion_tokens" not in server.requests[0]
        found = summary()
        assert (found["price_unknown"], found["spent_usd"]) == (1, 0)
        assert (found["input_tokens"], found["output_tokens"]) == (READ, WRITTEN)
        said = ask(server, **unknown, budget_usd=0.0, save=Path("other.json"))
        assert "has an unknown price" in said and len(server.requests) == 1, "a cap that is reached refuses it"


@pytest.mark.parametrize(("changes", "key"), [
    ({"input_usd_per_million": None}, "input_usd_per_million"), ({"output_usd_per_million": None}, "output_usd"),
    ({"max_output_tokens": None}, "max_output_tokens"),
])
def test_prices_that_bound_nothing_are_refused(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=rf"prompts\.llm\.{key}"):
        engine("http://127.0.0.1:9/v1", **changes)


def test_a_line_of_the_ledger_says_what_was_asked_when_of_which_model_and_what_it_cost(api_root: Path) -> None:
    with serve(GOOD) as server:
        assert not ask(server)
    asked, settled = (json.loads(line) for line in (api_root / ".cache/ledger/chat.jsonl").read_text().splitlines())
    assert (asked["event"], asked["about"], asked["model"]) == ("ask", "prompts of dog", "tiny-chat")
    assert (settled["billed"], settled["outcome"], settled["usd"]) == ("yes", "made", COST)
    assert settled["tokens"] == [READ, WRITTEN] and asked["at"].endswith("+00:00")


@pytest.mark.parametrize("key", [None, "", "two words"])
def test_a_missing_key_is_named_before_anything_is_written(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    monkeypatch.delenv("OPENAI_API_KEY") if key is None else monkeypatch.setenv("OPENAI_API_KEY", key)
    with serve() as server:
        with pytest.raises(MissingError, match="OPENAI_API_KEY"):
            engine(server.base_url)(["dog"], seed=0)
        assert not server.requests and not summary()["asked"]


def test_a_recording_outside_the_watched_folders_is_refused_before_the_stage_runs(tmp_path: Path) -> None:
    tree = yaml.safe_load((ROOT / "params.yaml").read_text())
    for name in ("t2ibench", "experiments"):
        (tmp_path / name).symlink_to(ROOT / name)
    for path in ("mine.json", "recordings/../mine.json", "/x/recordings/mine.json"):
        tree["prompts"]["llm"]["recording"] = tree["images"]["openai"]["recording"] = path
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
        done = subprocess.run([sys.executable, "-m", "experiments.prompts", "llm"], cwd=tmp_path, text=True,
                              env={**os.environ, "PYTHONPATH": "."}, capture_output=True)
        assert done.returncode == 2 and "prompts.llm.recording" in done.stderr, done.stderr
        assert "images.openai.recording" in done.stderr and "below recordings/" in done.stderr
