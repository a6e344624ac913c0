"""A small server on this machine that speaks the part of OpenAI's HTTP API that t2ibench uses.

    POST /v1/images/generations      n = 1, base64 PNG; an extra field `seed` makes the answer deterministic
    POST /v1/chat/completions        answered by the given `chat` function; a word counts as a token
    GET  /v1/models

It draws with the function it is given. Requests that arrive together are drawn in one batch, always of the same
shape: 16 concurrent requests cost one call, and a neighbour never changes an image. It listens on 127.0.0.1 only.

    with LoopbackServer(draw, size=64, models=["standin"], batch_size=16) as server:
        client = OpenAI(base_url=server.base_url, api_key="none")
"""

import base64
import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from t2ibench.pictures import encode_png
from t2ibench.tiny.batcher import Batcher, Draw

Chat = Callable[[dict[str, Any]], str]
"""A chat request's body -> the text of the reply."""
LARGEST_REQUEST = 1 << 20  # bytes; a prompt is far smaller


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. Given as a fault it is sent in place of the true one; status 0 then means the true one,
    late. delay_seconds: waited first; cut: more bytes are promised than sent, and the connection is closed; dropped: it
    is closed without an answer."""

    status: int = 0
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    cut: bool = False
    dropped: bool = False


def refusal(
    status: int,
    message: str,
    code: str | None = None,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An answer with an error in OpenAI's form."""
    error = {"message": message, "type": "error", "code": code, "param": param}
    return Answer(status, json.dumps({"error": error}).encode(), headers or {})


class LoopbackServer:
    """The server; it runs while its `with` block does.

    draw: None where no images are served; size: pixels, height and width; models: the names it answers to;
    batch_size: pairs per call of `draw`; gather_seconds: how long a batch waits for one more request;
    faults: answers to the first POST requests, in order of arrival.
    """

    def __init__(
        self,
        draw: Draw | None = None,
        *,
        size: int = 64,
        models: Iterable[str] = ("standin",),
        answers_as: str | None = None,
        batch_size: int = 16,
        gather_seconds: float = 0.05,
        chat: Chat | None = None,
        faults: Iterable[Answer] = (),
    ) -> None:
        self.size, self.models, self.answers_as, self.chat = size, tuple(models), answers_as, chat
        self.requests: list[dict[str, Any]] = []
        self._faults = deque(faults)
        self._lock = threading.Lock()
        self._draw, self._shape = draw, (batch_size, gather_seconds)
        self._batcher: Batcher | None = None
        self._http: _HTTP | None = None

    @property
    def base_url(self) -> str:
        """What a client takes as its base URL. Raises RuntimeError outside the `with` block."""
        if self._http is None:
            raise RuntimeError("the server does not run; use it in a with block")
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    @property
    def batches(self) -> list[int]:
        """How many requests each call of `draw` answered, padding not counted."""
        return [] if self._batcher is None else self._batcher.sizes

    @property
    def failure(self) -> Exception | None:
        """What the draw function raised last, if anything: clients only see an error 500."""
        return None if self._batcher is None else self._batcher.failure

    def __enter__(self) -> Self:
        self._http = _HTTP(("127.0.0.1", 0), _Handler)
        self._http.app = self
        if self._draw is not None:
            self._batcher = Batcher(self._draw, *self._shape)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="loopback", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            self._http.shutdown()
            self._thread.join()
            self._http.server_close()
            self._http = None
        if self._batcher is not None:
            self._batcher.stop()

    def answer(self, path: str, body: dict[str, Any]) -> Answer:
        """The answer to a POST request: the next fault where there is one, else the true one."""
        with self._lock:
            self.requests.append({"path": path, **body})
            fault = self._faults.popleft() if self._faults else Answer()
        time.sleep(fault.delay_seconds)
        if fault.status or fault.dropped:
            return fault
        if body.get("model") not in self.models:
            return refusal(404, f"there is no model {body.get('model')!r}", "model_not_found", "model")
        if path == "/v1/images/generations" and self._batcher is not None:
            return self._image(self._batcher, body)
        if path == "/v1/chat/completions" and self.chat is not None:
            return self._reply(self.chat(body), body["model"], body.get("messages", []))
        return refusal(404, f"there is nothing at {path}")

    def _image(self, batcher: Batcher, body: dict[str, Any]) -> Answer:
        size = f"{self.size}x{self.size}"
        prompt, seed = body.get("prompt"), body.get("seed", secrets.randbits(48))
        if not isinstance(prompt, str):
            return refusal(400, "prompt has to be a text", "invalid_type", "prompt")
        if not isinstance(seed, int) or not 0 <= seed < 1 << 63:
            return refusal(400, "seed has to be an integer in [0, 2**63)", "invalid_value", "seed")
        for key, accepted in {"size": size, "n": 1, "response_format": "b64_json"}.items():
            if body.get(key, accepted) != accepted:
                return refusal(400, f"{key} has to be {accepted!r}", "invalid_value", key)
        future = batcher.ask(prompt, seed)
        if future.exception() is not None:  # the batcher keeps it as `failure`
            return refusal(500, "the drawing function failed", "server_error")
        drawn = future.result()
        if isinstance(drawn, str):
            return refusal(400, drawn, "invalid_prompt", "prompt")
        image = {"b64_json": base64.b64encode(encode_png(drawn)).decode(), "revised_prompt": prompt}
        return _json({"created": 0, "model": self.answers_as or body["model"], "data": [image]})

    def _reply(self, text: str, model: str, messages: list[dict[str, Any]]) -> Answer:
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        read, written = sum(len(str(one.get("content")).split()) for one in messages), len(text.split())
        usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        number = f"chatcmpl-{len(self.requests)}"
        answered = {"id": number, "object": "chat.completion", "created": 0, "model": self.answers_as or model}
        return _json({**answered, "choices": [choice], "usage": usage})


class _HTTP(ThreadingHTTPServer):
    app: LoopbackServer
    daemon_threads = True
    request_queue_size = 128  # the default of 5 loses connections that arrive together

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a client that has gone; anything else keeps its traceback."""
        import sys

        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "t2ibench", ""
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one packet
    server: _HTTP

    def do_GET(self) -> None:
        known = [{"id": m, "object": "model", "created": 0, "owned_by": "t2ibench"} for m in self.server.app.models]
        models = _json({"object": "list", "data": known})
        self._send(models if self.path == "/v1/models" else refusal(404, "there is nothing here"))

    def do_POST(self) -> None:
        self._send(self._answer(self.headers.get("Content-Length", "")))

    def _answer(self, length: str) -> Answer:
        if not length.isdecimal() or int(length) > LARGEST_REQUEST:
            self.close_connection = True
            return refusal(413, f"a request has a length of at most {LARGEST_REQUEST} bytes")
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            return refusal(400, "the body has to be a JSON object")
        return self.server.app.answer(self.path, body)

    def _send(self, answer: Answer) -> None:
        if answer.dropped:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for key, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(answer.body) + (100 if answer.cut else 0)))
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()
        self.close_connection = self.close_connection or answer.cut

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the client's answers say all."""


def _json(value: dict[str, Any]) -> Answer:
    return Answer(200, json.dumps(value).encode())
