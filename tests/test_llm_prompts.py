"""The LLM's prompts: a recording is replayed, a server is asked over HTTP on the loopback, and every fault is named."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from api_key import KEY

from t2ibench.errors import MissingError, UserError
from t2ibench.prompts.llm import RECORDING, LLMPrompts
from t2ibench.prompts.naming import OTHERS, fault
from t2ibench.records import CLASSES, digest

DOGS = [f"A dog throws ball number {n} in the park." for n in ("one", "two", "three", "four")]

# replay


def test_the_recording_gives_ten_prompts_for_each_class_and_says_that_it_was_authored() -> None:
    found = LLMPrompts()(CLASSES, seed=0)
    assert [p.class_name for p in found] == [name for name in CLASSES for _ in range(10)]
    assert found.read == 100 and not sum(found.rejected.values())
    assert found == LLMPrompts()(CLASSES, seed=5), "the seed has no part in it"
    assert len({p.text for p in found}) == 100
    for prompt in found:
        words = prompt.text.lower().rstrip(".").split()
        assert 8 <= len(words) <= 22 and prompt.class_name in words[:5], prompt.text
        assert not OTHERS.intersection(words) and fault(prompt.text, prompt.class_name) == ""
        assert prompt.origin["authored"] is True and prompt.origin["model"] == "authored"
    document = json.loads(RECORDING.read_text())
    assert document["authored"] is True and "not replies of the requested model" in document["note"]


def test_fewer_prompts_than_recorded_are_the_first_ones() -> None:
    found = LLMPrompts(per_class=2)(["cat"], seed=0)
    assert list(found) == list(LLMPrompts()(["cat"], seed=0))[:2] and found.rejected == {"surplus": 8}


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"instruction": "Draw {class}."}, "its instruction differs"),
        ({"model": "other"}, "its model differs"),
        ({"temperature": 0.5}, "its temperature differs"),
    ],
)
def test_a_changed_request_never_gets_a_recorded_reply(change: dict[str, Any], differs: str) -> None:
    with pytest.raises(UserError, match=differs) as caught:
        LLMPrompts(**change)(["cat"], seed=0)
    assert "set prompts.llm.recording to null and OPENAI_API_KEY" in str(caught.value)


def completion(content: str | None, refusal: str | None = None, finish: str = "stop") -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "refusal": refusal}
    choice = {"index": 0, "finish_reason": finish, "message": message, "logprobs": None}
    return {"id": "r1", "object": "chat.completion", "created": 1, "model": "tiny-chat", "choices": [choice]}


def reply(prompts: list[Any]) -> dict[str, Any]:
    return completion(json.dumps({"prompts": prompts}))


def record(path: Path, body: dict[str, Any], per_class: int = 4) -> LLMPrompts:
    engine = LLMPrompts(per_class=per_class, recording=path)
    request = engine.request("dog")
    row = {"class_name": "dog", "request": request, "request_digest": digest(request), "reply": body}
    path.write_text(json.dumps({"exchanges": [row]}))
    return engine


FAULTY = [
    (reply(DOGS[:3]), "too few prompts: the reply has 3"),
    (reply([*DOGS[:3], "A cat reads a book."]), r"prompt 4 \('A cat reads a book.'\): it names cat, not dog"),
    (reply([*DOGS[:3], "A dog and a cat read."]), "prompt 4 .*several-classes"),
    (reply([*DOGS[:3], "A puppy reads."]), "prompt 4 .*synonym"),
    (reply([*DOGS[:3], "A chair."]), "prompt 4 .*no-class"),
    (reply([*DOGS[:3], " "]), "prompt 4 .*empty"),
    (reply([*DOGS[:3], 5]), "prompt 4 .*empty"),
    (reply([*DOGS[:3], DOGS[0].upper()]), "prompt 4 .*duplicate"),
    (completion("Here are ten prompts"), "not a JSON object"),
    (completion('{"prompts": ["A dog', finish="length"), "cut off"),
    (completion('{"texts": []}'), "not a JSON object with a list"),
    (completion("[1]"), "not a JSON object with a list"),
    (completion(None), "not a JSON object"),
    (completion(None, refusal="I cannot help"), r"the model refused \(I cannot help\)"),
    (completion(None, finish="content_filter"), "the model refused"),
    ({"choices": []}, "no chat completion"),
]


@pytest.mark.parametrize(("body", "said"), FAULTY)
def test_a_faulty_reply_is_one_sentence_with_the_class_and_the_fault(
    tmp_path: Path, body: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said) as caught:
        record(tmp_path / "r.json", body)(["dog"], seed=0)
    assert "the replies for dog give" in str(caught.value) and "of 4 wanted" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_fault_beside_enough_good_prompts_is_counted_and_no_error(tmp_path: Path) -> None:
    body = reply(["A cat reads.", DOGS[0], DOGS[0], "", *DOGS[1:], "A dog naps in bed."])
    found = record(tmp_path / "r.json", body)(["dog"], seed=0)
    assert [p.text for p in found] == DOGS
    assert found.read == 8 and found.rejected == {"wrong-class": 1, "duplicate": 1, "empty": 1, "surplus": 1}


def test_a_damaged_recording_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    engine = LLMPrompts(recording=path)
    record(path, reply(DOGS))
    document = json.loads(path.read_text())
    document["exchanges"][0]["request"]["model"] = "edited"
    contents = [("no json", "not JSON"), ("{}", "'exchanges'"), ('{"exchanges": [{}]}', "lacks 'class_name'")]
    for content, said in [*contents, (json.dumps(document), "not the one that was sent")]:
        path.write_text(content)
        with pytest.raises(MissingError, match=said):
            engine(["dog"], seed=0)
    path.unlink()
    with pytest.raises(MissingError, match=r"r\.json is missing"):
        engine(["dog"], seed=0)
    path.write_text('{"exchanges": []}')
    with pytest.raises(UserError, match="has no reply for dog"):
        engine(["dog"], seed=0)


# live, over HTTP on the loopback


class Server(HTTPServer):
    """Answers each request with the next of `answers`: (status, body, seconds to wait)."""

    answers: list[tuple[int, Any, float]]
    asked: list[dict[str, Any]]
    headers: dict[str, str]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({"path": self.path, "key": self.headers["Authorization"], **body})
        status, answer, wait = self.server.answers.pop(0)
        time.sleep(wait)
        payload = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        kind = "text/html" if isinstance(answer, str) else "application/json"
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(payload)))
            for name, value in self.server.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client had stopped waiting

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(api_root: Path) -> Iterator[Server]:
    running = Server(("127.0.0.1", 0), Handler)
    running.answers, running.asked, running.headers = [], [], {}
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def live(server: Server, **settings: Any) -> LLMPrompts:
    defaults: dict[str, Any] = {"per_class": 4, "model": "tiny-chat", "recording": None, "save": Path("saved.json")}
    return LLMPrompts(base_url=f"http://127.0.0.1:{server.server_port}/v1", **defaults | settings)


def test_a_server_is_asked_once_per_class_and_its_replies_are_kept(server: Server, tmp_path: Path) -> None:
    cats = [text.replace("dog", "cat") for text in DOGS]
    server.answers = [(200, reply(DOGS), 0), (200, reply(cats), 0)]
    found = live(server)(["dog", "cat"], seed=0)
    assert [p.text for p in found] == DOGS + cats
    assert found.prompts[1].origin == {"model": "tiny-chat", "reply_id": "r1", "position": 2}
    first = server.asked[0]
    assert first["path"] == "/v1/chat/completions" and first["key"] == f"Bearer {KEY}"
    assert first["messages"][1]["content"].startswith("Create ten text prompts") and "{class}" not in str(first)
    assert first["response_format"]["type"] == "json_schema" and first["temperature"] == 1.0
    assert live(server)(["dog", "cat"], seed=0) == found and len(server.asked) == 2, "kept replies are not asked again"
    saved = tmp_path / "saved.json"
    assert KEY not in saved.read_text()
    replayed = LLMPrompts(per_class=4, model="tiny-chat", recording=saved)(["dog", "cat"], seed=0)
    assert replayed == found, "and are a recording"


@pytest.mark.parametrize("body", [body for body, _ in FAULTY[:-1]])
def test_a_faulty_reply_is_repaired_and_what_was_good_is_kept(server: Server, body: dict[str, Any]) -> None:
    good = 3 if "ball number one" in json.dumps(body) else 0
    rest = [*DOGS[good:], "A dog naps in a chair."]
    server.answers = [(200, body, 0), (200, reply(rest), 0)]
    found = live(server)(["dog"], seed=0)
    assert [p.text for p in found] == DOGS
    said = server.asked[1]["messages"][-1]["content"]
    assert f"Create {4 - good} more" in said and (not good or DOGS[0] in said)
    assert found.read == len(found.prompts) + sum(found.rejected.values())


def test_repairs_end_with_a_sentence_after_max_tries(server: Server) -> None:
    server.answers = [(200, reply(DOGS[:1]), 0), (200, reply(["A cat."]), 0)]
    said = r"dog give 1 usable prompts of 4 wanted: prompt 1 .*names cat.*run again to ask for the 3 missing"
    with pytest.raises(UserError, match=said):
        live(server, max_tries=2)(["dog"], seed=0)
    assert len(server.asked) == 2


def test_a_run_after_the_last_try_keeps_what_was_good_and_asks_only_for_the_missing(server: Server) -> None:
    server.answers = [(200, reply(DOGS[:3]), 0), (200, reply(["A cat."]), 0)]
    with pytest.raises(UserError, match="give 3 usable prompts of 4"):
        live(server, max_tries=2)(["dog"], seed=0)
    server.answers = [(200, reply(DOGS[3:]), 0)]
    found = live(server, max_tries=2)(["dog"], seed=0)
    assert [p.text for p in found] == DOGS and len(server.asked) == 3
    last = server.asked[2]["messages"][-1]["content"]
    assert "Create 1 more" in last and "names cat, not dog" in last and all(f"- {dog}" in last for dog in DOGS[:3])
    assert live(server, max_tries=1)(["dog"], seed=0) == found and len(server.asked) == 3


def test_a_reply_is_asked_for_as_structured_output_over_http(server: Server) -> None:
    server.answers = [(200, reply(DOGS), 0)]
    live(server)(["dog"], seed=0)
    shape = server.asked[0]["response_format"]["json_schema"]
    assert shape["strict"] is True and shape["schema"]["required"] == ["prompts"]
    assert shape["schema"]["additionalProperties"] is False
    said = server.asked[0]["messages"][1]["content"]
    assert said.startswith("Create ten text prompts") and "dog performing human actions realistically" in said


def test_a_stopped_run_goes_on_where_it_was(server: Server) -> None:
    cats = [text.replace("dog", "cat") for text in DOGS]
    broken = {"error": {"message": f"broken for {KEY}"}}
    server.answers = [(200, reply(DOGS), 0), (400, broken, 0), (200, reply(cats), 0)]
    with pytest.raises(UserError, match=r"cat: refused by .* \(400.*replies kept in .*saved\.json: 1") as caught:
        live(server)(["dog", "cat"], seed=0)
    assert KEY not in str(caught.value) and len(server.asked) == 2
    assert len(live(server)(["dog", "cat"], seed=0).prompts) == 8 and len(server.asked) == 3


@pytest.mark.parametrize(("key", "said"), [(None, "OPENAI_API_KEY is not set"), ("", "not set"), ("a\nb", "no key")])
def test_a_missing_key_is_named_before_anything_is_sent(
    server: Server, monkeypatch: pytest.MonkeyPatch, key: str | None, said: str
) -> None:
    if key is None:
        monkeypatch.delenv("OPENAI_API_KEY")
    else:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(MissingError, match=said):
        live(server)(["dog"], seed=0)
    assert not server.asked
