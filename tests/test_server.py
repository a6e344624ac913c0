"""images over HTTP: the real client against the loopback server, with every answer that a server may give."""

import base64
import io
import json
import socket
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from api_key import KEY
from PIL import Image

from t2ibench.errors import ConfigError, MissingError, UserError
from t2ibench.hardware import Hardware
from t2ibench.images import Made, Refused, Request, Stopped
from t2ibench.images.openai import OpenAIImages
from t2ibench.pictures import encode_png
from t2ibench.tiny.server import Answer, LoopbackServer, refusal

CPU = Hardware(name="test", device="cpu", dtype="float32", batch_size={"images": 4})
REQUEST = Request("a-0", "a cat", 7)
SETTINGS: dict[str, Any] = {
    "model": "standin", "size": 16, "quality": None, "response_format": "b64_json", "send_seed": True, "server": None,
    "server_steps": 1, "server_guidance": 1.0, "concurrency": 4, "attempts": 3, "backoff_seconds": 0.01,
    "timeout_seconds": 20.0, "price_usd": 0.0, "budget_usd": 0.0, "stands_for": "DALL-E 3", "hardware": CPU,
}


def draw(pairs: Sequence[tuple[str, int]]) -> list[np.ndarray | str]:
    """A picture that its prompt and seed decide; a prompt with the word `long` cannot be drawn."""
    return ["the prompt is too long" if "long" in prompt else picture(prompt, seed) for prompt, seed in pairs]


def picture(prompt: str, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, *prompt.encode()]).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def serve(*faults: Answer, **changes: Any) -> LoopbackServer:
    return LoopbackServer(**{"draw": draw, "size": 16, "batch_size": 4, "faults": faults, **changes})


def engine(url: str, **changes: Any) -> OpenAIImages:
    return OpenAIImages(**{**SETTINGS, "base_url": url, **changes})


pytestmark = pytest.mark.usefixtures("api_root")


def ask(*faults: Answer, request: Request = REQUEST, **changes: Any) -> tuple[Made | Refused, int]:
    """The engine's answer to one request that nothing is known of yet, and how many requests that took."""
    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as here, serve(*faults) as server:
        here.setenv("DVC_ROOT", root)
        with engine(server.base_url, **changes) as images:
            (answer,) = images([request])
            return answer, len(server.requests)


def reply(image: bytes, **more: Any) -> Answer:
    return Answer(200, json.dumps({"data": [{"b64_json": base64.b64encode(image).decode(), **more}]}).encode())


def test_an_image_comes_back_pixel_for_pixel_with_what_answered() -> None:
    with serve() as server, engine(server.base_url, quality="hd") as images:
        (answer,) = images([REQUEST])
        sent = {"model": "standin", "prompt": "a cat", "size": "16x16", "n": 1, "quality": "hd"}
        expected = {"path": "/v1/images/generations", "seed": 7, "response_format": "b64_json", **sent}
        assert server.requests == [expected]
    assert isinstance(answer, Made)
    assert (np.asarray(answer.image) == picture("a cat", 7)).all()
    assert answer.extra == {"model": "standin", "revised_prompt": "a cat", "stand_in_for": "DALL-E 3"}


def test_a_seed_a_quality_and_a_format_that_are_not_wanted_are_not_sent() -> None:
    with serve() as server, engine(server.base_url, send_seed=False, response_format=None) as images:
        images([REQUEST])
        assert server.requests[0].keys() == {"path", "model", "prompt", "size", "n"}


def test_sixteen_requests_at_a_time_cost_one_batch_of_a_fixed_shape() -> None:
    shapes: list[int] = []

    def counted(pairs: Sequence[tuple[str, int]]) -> list[np.ndarray | str]:
        shapes.append(len(pairs))
        return draw(pairs)

    requests = [Request(f"a-{n}", "a cat", n) for n in range(16)]
    with (
        serve(draw=counted, batch_size=16, gather_seconds=1.0) as server,
        engine(server.base_url, concurrency=16) as images,
    ):
        answers = images(requests)
        images([replace(request, seed=request.seed + 16) for request in requests[:3]])
        assert server.batches == [16, 3] and shapes == [16, 16]
    assert [answer.png() for answer in answers if isinstance(answer, Made)] == [
        encode_png(picture("a cat", n)) for n in range(16)
    ]


def test_equal_requests_of_a_batch_are_paid_once_and_an_empty_prompt_never() -> None:
    with serve() as server, engine(server.base_url) as images:
        answers = images([REQUEST, REQUEST, replace(REQUEST, prompt_text=" "), REQUEST])
        assert len(server.requests) == 1
    assert answers[0] is answers[1] is answers[3]
    assert answers[2] == Refused("the prompt is empty", 0)


@pytest.mark.parametrize("headers", [{"Retry-After": "0.2"}, {"Retry-After": "soon"}, {}])
def test_too_many_requests_is_obeyed_and_asked_again(headers: dict[str, str]) -> None:
    started = time.monotonic()
    answer, asked = ask(refusal(429, "slow down", headers=headers))
    assert isinstance(answer, Made) and asked == 2
    assert time.monotonic() - started >= (0.2 if headers.get("Retry-After") == "0.2" else 0.01)


def test_too_many_requests_for_ever_is_a_refusal_after_bounded_tries() -> None:
    answer, asked = ask(*[refusal(429, "slow down")] * 9)
    assert answer == Refused("too many requests (429): slow down", 3) and asked == 3


def test_a_wait_that_is_too_long_stops_the_run() -> None:
    with pytest.raises(Stopped, match="asks to wait 3600 seconds"):
        ask(refusal(429, "come back", headers={"Retry-After": "3600"}))


def test_a_retry_date_in_the_past_means_now() -> None:
    answer, asked = ask(refusal(429, "", headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}))
    assert isinstance(answer, Made) and asked == 2


def test_a_failing_server_is_asked_again_a_bounded_number_of_times() -> None:
    answer, asked = ask(refusal(500, "oops"), Answer(503, b"<html>"))
    assert isinstance(answer, Made) and asked == 3
    answer, asked = ask(*[refusal(500, "oops")] * 9)
    assert answer == Refused("the server failed (500): oops", 3) and asked == 3


@pytest.mark.parametrize(
    "fault",
    [
        Answer(200, b"nonsense", {"Content-Type": "text/html"}),
        Answer(200, b'{"data": ['),
        Answer(200, b"[" * 100_000),
        Answer(200, b"null"),
        Answer(200, b'{"data": []}'),
        Answer(200, b'{"data": [{"b64_json": null, "url": "http://127.0.0.1/x.png"}]}'),
        Answer(200, b'{"data": [{"b64_json": "***"}]}'),
        Answer(200, b""),
        reply(b"not an image"),
        reply(encode_png(picture("a cat", 7))[:-300]),
    ],
)
def test_a_reply_that_is_no_image_is_paid_for_twice_at_most(fault: Answer) -> None:
    answer, asked = ask(fault)
    assert isinstance(answer, Made) and asked == 2
    answer, asked = ask(fault, fault, fault)
    assert isinstance(answer, Refused) and (answer.attempts, asked) == (2, 2)


def test_an_image_of_another_size_is_refused_and_not_paid_for_again() -> None:
    answer, asked = ask(reply(encode_png(np.zeros((8, 32, 3), np.uint8))))
    assert answer == Refused("the image is 32 x 8 pixels, not 16 x 16", 1) and asked == 1


def test_an_image_that_claims_to_be_huge_is_refused_before_it_is_decoded() -> None:
    file = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(file, "PNG")
    with pytest.warns(Image.DecompressionBombWarning):
        answer, asked = ask(reply(file.getvalue()))
    assert isinstance(answer, Refused) and asked == 1


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "1", "I;16"])
def test_an_image_in_any_mode_becomes_rgb(mode: str) -> None:
    file = io.BytesIO()
    Image.new(mode, (16, 16)).save(file, "PNG")
    answer, _ = ask(reply(file.getvalue()))
    assert isinstance(answer, Made) and np.asarray(answer.image).shape == (16, 16, 3)


@pytest.mark.parametrize("code", ["content_policy_violation", "moderation_blocked", None])
def test_a_prompt_that_policy_refuses_is_a_refusal_with_the_reason(code: str | None) -> None:
    answer, asked = ask(refusal(400, "Your request was rejected by our safety system.", code))
    assert isinstance(answer, Refused) and asked == answer.attempts == 1
    assert "safety system" in answer.reason and (code or "no code") in answer.reason


def test_a_prompt_that_the_model_cannot_take_is_a_refusal_and_its_neighbours_are_drawn() -> None:
    with serve() as server, engine(server.base_url) as images:
        answers = images([replace(REQUEST, prompt_text="a long cat"), REQUEST])
    assert isinstance(answers[0], Refused) and "the prompt is too long" in answers[0].reason
    assert isinstance(answers[1], Made)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (refusal(401, f"Incorrect API key provided: {KEY}"), "does not accept the key in OPENAI_API_KEY"),
        (refusal(403, f"{KEY} may not use this"), r"\(403\): \[key\] may not use this"),
        (refusal(404, "no such model", "model_not_found", "model"), r"\(404\): no such model"),
        (refusal(400, "Unknown parameter: 'seed'.", "unknown_parameter", "seed"), r"\(400\): Unknown parameter"),
        (refusal(429, "You exceeded your quota", "insufficient_quota"), "budget is spent"),
        (refusal(400, "limit", "billing_hard_limit_reached"), "budget is spent"),
    ],
)
def test_what_no_request_can_mend_stops_the_run_at_once(fault: Answer, said: str) -> None:
    with serve(*[fault] * 9) as server, engine(server.base_url, concurrency=1) as images:
        with pytest.raises(Stopped, match=said) as caught:
            images([replace(REQUEST, seed=seed) for seed in range(8)])
        assert len(server.requests) == 1
    assert isinstance(caught.value, UserError) and KEY not in str(caught.value)


def test_what_was_paid_for_before_a_stop_is_handed_over() -> None:
    with (
        serve(Answer(), refusal(401, "no")) as server,
        engine(server.base_url, concurrency=1) as images,
        pytest.raises(Stopped) as caught,
    ):
        images([REQUEST, replace(REQUEST, seed=8), replace(REQUEST, seed=9)])
    assert list(caught.value.finished) == [REQUEST]
    assert isinstance(caught.value.finished[REQUEST], Made)


def test_a_late_answer_is_not_asked_for_again_because_it_may_have_been_billed() -> None:
    answer, asked = ask(Answer(delay_seconds=1.5), timeout_seconds=0.3)
    assert isinstance(answer, Refused) and "may have been billed" in answer.reason
    assert (answer.attempts, asked) == (1, 1)


def test_a_truncated_answer_is_not_asked_for_again_because_it_may_have_been_billed() -> None:
    answer, asked = ask(Answer(200, b'{"data": [', cut=True))
    assert isinstance(answer, Refused) and "may have been billed" in answer.reason and asked == 1


def test_a_server_that_is_not_there_is_asked_a_bounded_number_of_times_and_stops_the_run() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # held, and nobody listens
        url = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        with engine(url) as images, pytest.raises(Stopped, match=r"nothing answers at 127\.0\.0\.1 \(asked 3 times\)"):
            images([REQUEST])


def test_the_budget_refuses_the_request_that_would_pass_it() -> None:
    requests = [replace(REQUEST, seed=seed) for seed in range(5)]
    with serve(refusal(429, "")) as server:
        images = engine(server.base_url, concurrency=1, price_usd=0.1, budget_usd=0.3)
        with images, pytest.raises(Stopped, match=r"budget_usd = 0\.3 the study has spent 0\.30") as caught:
            images(requests)
        assert len(server.requests) == 4  # one of them was a 429, which costs nothing
    made = caught.value.finished
    assert list(made) == requests[:3] and all(
        isinstance(answer, Made) and answer.extra["price_usd"] == 0.1 for answer in made.values()
    )


def test_a_missing_key_is_named_before_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with serve() as server:
        with pytest.raises(MissingError, match="OPENAI_API_KEY is not set"), engine(server.base_url):
            pass
        assert server.requests == []


def test_the_base_url_of_the_environment_counts_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        with OpenAIImages(**SETTINGS, base_url=None) as images:
            assert isinstance(images([REQUEST])[0], Made)
        assert images.identity["served_by"] == server.base_url


def test_a_url_with_a_password_shows_it_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine("http://me:secret@127.0.0.1:9/v1/").identity["served_by"] == "http://127.0.0.1:9/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "ftp://me:secret@127.0.0.1")
    with pytest.raises(ConfigError, match="OPENAI_BASE_URL") as caught, OpenAIImages(**SETTINGS, base_url=None):
        pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"base_url": "127.0.0.1"}, "base_url"),
        ({"base_url": "http://127.0.0.1", "server": "tiny://standin"}, "base_url"),
        ({"concurrency": 0}, "concurrency"),
        ({"attempts": 0}, "attempts"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"price_usd": -1.0}, "price_usd"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=rf"images\.openai\.{key}"):
        OpenAIImages(**{**SETTINGS, "base_url": None, **changes})


def test_a_server_s_text_is_cleaned_before_it_is_kept() -> None:
    image = encode_png(picture("a cat", 7))
    answer, _ = ask(reply(image, revised_prompt=f"a {KEY}\n cat \ud800"))
    assert isinstance(answer, Made) and answer.extra["revised_prompt"] == "a [key] cat ?"


def test_a_bug_in_the_drawing_is_kept_and_never_hangs_a_client() -> None:
    def broken(pairs: Sequence[tuple[str, int]]) -> list[np.ndarray | str]:
        return draw(pairs)[:1]

    with serve(draw=broken) as server, engine(server.base_url) as images:
        (answer,) = images([REQUEST])
        assert answer == Refused("the server failed (500): the drawing function failed", 3)
        assert isinstance(server.failure, ValueError)


def test_the_server_listens_on_loopback_and_is_gone_after_its_block() -> None:
    with serve() as server:
        url = server.base_url
        assert url.startswith("http://127.0.0.1:")
    with engine(url, attempts=1) as images, pytest.raises(Stopped, match="nothing answers"):
        images([REQUEST])
    assert not [thread for thread in threading.enumerate() if thread.name in ("loopback", "standin")]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"size": "32x32"}, "size"),
        ({"n": 2}, "n"),
        ({"seed": "x"}, "seed"),
        ({"seed": -1}, "seed"),
        ({"prompt": 3}, "prompt"),
        ({"response_format": "url"}, "response_format"),
    ],
)
def test_the_server_names_the_parameter_that_it_cannot_take(body: dict[str, Any], param: str) -> None:
    with serve() as server:
        answer = server.answer("/v1/images/generations", {"model": "standin", "prompt": "a cat", **body})
    assert answer.status == 400 and json.loads(answer.body)["error"]["param"] == param


def test_the_server_lists_its_models_and_answers_chats_through_the_real_client() -> None:
    from openai import NotFoundError, OpenAI

    def chat(body: dict[str, Any]) -> str:
        return str(body["messages"][-1]["content"]).upper()

    with (
        LoopbackServer(chat=chat, models=["llm"]) as server,
        OpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client,
    ):
        assert [model.id for model in client.models.list()] == ["llm"]
        completion = client.chat.completions.create(model="llm", messages=[{"role": "user", "content": "hello"}])
        assert completion.choices[0].message.content == "HELLO" and completion.model == "llm"
        with pytest.raises(NotFoundError):
            client.chat.completions.create(model="other", messages=[])
        with pytest.raises(NotFoundError):
            client.images.generate(model="llm", prompt="a cat")


def test_the_server_survives_nonsense_on_its_socket() -> None:
    heads = [
        b"POST /v1/images/generations HTTP/1.1\r\n\r\n",
        b"POST /v1/images/generations HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        b"POST /v1/images/generations HTTP/1.1\r\nContent-Length: 3\r\n\r\n[[[",
        b"GET /secret HTTP/1.1\r\n\r\n",
        b"\x00\xff\r\n\r\n",
    ]
    with serve() as server, ThreadPoolExecutor() as pool:
        port = int(server.base_url.split(":")[2].split("/")[0])

        def send(head: bytes) -> bytes:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(head)
                return connection.recv(1 << 16)

        answers = list(pool.map(send, heads))
        codes = [int(answer.split()[1]) for answer in answers[:4]]
        assert codes == [413, 413, 400, 404] and b"400" in answers[4]
        with engine(server.base_url) as images:
            assert isinstance(images([REQUEST])[0], Made)
