"""An images API over HTTP, through the openai client: OpenAI's, a compatible server, or the bundled stand-in.

Source: the paper's DALL-E 3 images (IEIE 2026). OpenAI retired DALL-E 3 on 2026-05-12, so that its tables can only
be reproduced from archived images; the stand-in proves the path, never the paper.

The client's own retries are off: `replies` says which answers allow another request.
"""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field

from t2ibench.errors import ConfigError, MissingError, UserError
from t2ibench.hardware import Hardware
from t2ibench.images import Made, Refused, Request, Stopped
from t2ibench.images.budget import Purse
from t2ibench.images.replies import Again, Never, Reply, judge, read
from t2ibench.images.sd import StableDiffusion

OPENAI = "https://api.openai.com/v1"
PAID_TRIES = 2
"""How often a reply that was paid for and cannot be used is asked for in all."""


class _Unsent(Exception):
    """Another request of the batch stopped the run before this one was sent."""


class OpenAIImages:
    """Asks an images API for every image, `concurrency` at a time.

    base_url: None for OPENAI_BASE_URL or OpenAI; size: height and width in pixels; quality and response_format: as
    the model knows them, None for not sent; send_seed: sends the image's seed as an extra field `seed`; server: the
    weights of a stand-in that this engine serves on 127.0.0.1 itself, None for a real API; attempts: requests per
    image; price_usd: of one image; budget_usd: of one run; stands_for: the model that the stand-in replaces.
    Raises ConfigError for values that cannot be used.
    """

    VERSION = 1

    def __init__(
        self,
        *,
        model: Annotated[str, Field(min_length=1)],
        base_url: str | None,
        size: Annotated[int, Field(ge=8)],
        quality: str | None,
        response_format: Literal["b64_json"] | None,
        send_seed: bool,
        server: str | None,
        server_steps: Annotated[int, Field(ge=1, le=1000)],
        server_guidance: Annotated[float, Field(ge=0, le=50)],
        concurrency: Annotated[int, Field(ge=1, le=256)],
        attempts: Annotated[int, Field(ge=1, le=20)],
        backoff_seconds: Annotated[float, Field(ge=0, le=60)],
        timeout_seconds: Annotated[float, Field(gt=0)],
        price_usd: Annotated[float, Field(ge=0)],
        budget_usd: Annotated[float, Field(ge=0)],
        stands_for: str | None,
        hardware: Hardware,
    ) -> None:
        self.model, self.base_url, self.size, self.quality = model, base_url, size, quality
        self.response_format, self.send_seed, self.stands_for = response_format, send_seed, stands_for
        self.attempts, self.backoff_seconds, self.timeout_seconds = attempts, backoff_seconds, timeout_seconds
        self.concurrency = self.batch_size = concurrency
        self.price_usd = 0.0 if server else price_usd
        self._purse = Purse(budget_usd)
        self._check()
        if server is not None and base_url is not None:
            raise ConfigError("images.openai.base_url", base_url, "null, where images.openai.server is given")
        self._standin: StableDiffusion | None = None
        if server is not None:
            batch = min(concurrency, hardware.batch_size.get("images", 0))
            self._standin = StableDiffusion(
                weights=server,
                steps=server_steps,
                guidance=server_guidance,
                scheduler="dpmsolver++",
                size=size,
                negative_prompt="",
                hardware=replace(hardware, batch_size={"images": batch}),
            )
        self._open = ExitStack()
        self._client: Any = None
        self._server: Any = None
        self._where, self._key = "", ""

    def _check(self) -> None:
        if self.base_url is not None:
            _bare(self.base_url, "images.openai.base_url")
        for key in ("concurrency", "attempts", "timeout_seconds"):
            if getattr(self, key) <= 0:
                raise ConfigError(f"images.openai.{key}", getattr(self, key), "a number above 0")
        for key in ("backoff_seconds", "price_usd"):
            if getattr(self, key) < 0:
                raise ConfigError(f"images.openai.{key}", getattr(self, key), "a number from 0")

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the pixels but prompt and seed; of a real API, as far as the client can know it."""
        standin = self._standin
        return {
            "engine": "openai",
            "version": self.VERSION,
            "model": self.model,
            "size": self.size,
            "quality": self.quality,
            "send_seed": self.send_seed,
            "served_by": standin.identity if standin else _bare(self._url(), "OPENAI_BASE_URL"),
        }

    def __enter__(self) -> Self:
        """Connects; starts the stand-in. Raises MissingError where the key or the stand-in's weights are missing."""
        from openai import DefaultHttpxClient, OpenAI

        self._stop = threading.Event()
        self._open = ExitStack()
        with ExitStack() as opening:
            if self._standin is not None:
                self._server = opening.enter_context(self._serve(self._standin))
                url, self._key = self._server.base_url, "loopback"
            else:
                _bare(self._url(), "OPENAI_BASE_URL")
                url, self._key = self._url(), os.environ.get("OPENAI_API_KEY", "").strip()
                if not self._key:
                    raise MissingError("OPENAI_API_KEY is not set", "export OPENAI_API_KEY=… (kept out of every file)")
            self._where = urlsplit(url).hostname or "the server"
            # a proxy of the environment must not see what stays on this machine
            http = opening.enter_context(DefaultHttpxClient(trust_env=self._standin is None))
            self._client = OpenAI(
                api_key=self._key, base_url=url, max_retries=0, timeout=self.timeout_seconds, http_client=http
            )
            self._pool = opening.enter_context(ThreadPoolExecutor(self.concurrency, "images"))
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._open.close()
        self._client = self._server = None

    def __call__(self, requests: Sequence[Request]) -> list[Made | Refused]:
        """Answers requests; equal ones are sent once. Raises Stopped, with what is finished, where the run must end."""
        if self._client is None:
            raise RuntimeError("the engine is not open; use it in a with block")
        futures = {request: self._pool.submit(self._answer, request) for request in dict.fromkeys(requests)}
        wait(futures.values())
        errors = [e for future in futures.values() if (e := future.exception()) and not isinstance(e, _Unsent)]
        finished = {request: future.result() for request, future in futures.items() if not future.exception()}
        for error in errors:
            if not isinstance(error, UserError):
                raise error
        if errors:
            raise Stopped(str(errors[0]), finished) from None
        return [finished[request] for request in requests]

    def _answer(self, request: Request) -> Made | Refused:
        if not request.prompt_text.strip():
            return Refused("the prompt is empty", 0)
        try:
            return self._tries(request)
        except BaseException:
            self._stop.set()  # the others of the batch send nothing more
            raise

    def _tries(self, request: Request) -> Made | Refused:
        paid = 0
        for attempt in range(1, self.attempts + 1):
            outcome = self._ask(request)
            if isinstance(outcome, Reply):
                return Made(outcome.image, self._extra(outcome))
            if isinstance(outcome, Never):
                return Refused(outcome.reason, attempt)
            paid += outcome.billed == "yes"
            if attempt == self.attempts or paid == PAID_TRIES:
                break
            backoff = self.backoff_seconds * 2 ** (attempt - 1)
            self._stop.wait(backoff if outcome.wait_seconds is None else outcome.wait_seconds)
        assert isinstance(outcome, Again)
        if outcome.hopeless:
            raise UserError(f"{outcome.reason} (asked {attempt} times)")
        return Refused(outcome.reason, attempt)

    def _ask(self, request: Request) -> Reply | Again | Never:
        """One HTTP request. Raises UserError where the run has to stop."""
        if self._stop.is_set():
            raise _Unsent
        self._purse.take(self.price_usd)
        outcome = self._send(request)
        if not isinstance(outcome, Reply) and outcome.billed == "no":
            self._purse.give_back(self.price_usd)
        return outcome

    def _send(self, request: Request) -> Reply | Again | Never:
        from openai import APIError

        optional = {"quality": self.quality, "response_format": self.response_format}
        try:
            reply = self._client.images.with_raw_response.generate(
                model=self.model,
                prompt=request.prompt_text,
                size=f"{self.size}x{self.size}",
                n=1,
                extra_body={"seed": request.seed} if self.send_seed else None,
                **{key: value for key, value in optional.items() if value is not None},
            )
        except APIError as error:
            if self._server is not None and self._server.failure is not None:
                raise self._server.failure from None  # a bug of ours, and no fault of a network
            return judge(error, self._where, self._key)
        return read(reply.content, self.size, self._key)

    def _extra(self, reply: Reply) -> dict[str, Any]:
        """What is added to an image's row."""
        extra: dict[str, Any] = {"model": reply.model or self.model}
        if reply.revised_prompt is not None:
            extra["revised_prompt"] = reply.revised_prompt
        if self._standin is not None and self.stands_for:
            extra["stand_in_for"] = self.stands_for
        if self.price_usd:
            extra["price_usd"] = self.price_usd
        return extra

    def _url(self) -> str:
        return self.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI

    def _serve(self, standin: StableDiffusion) -> Any:
        """The loopback server, not started; the stand-in's model is loaded, so that a missing one stops the run."""
        from t2ibench.tiny.server import LoopbackServer

        standin.load()

        def draw(pairs: Sequence[tuple[str, int]]) -> list[Any]:
            return [drawn.reason if isinstance(drawn, Refused) else drawn for drawn in standin.draw(pairs)]

        return LoopbackServer(
            draw, size=self.size, models=[self.model], answers_as="t2ibench-standin", batch_size=standin.batch_size
        )


def _bare(url: str, key: str) -> str:
    """A URL without user, password and query. Raises ConfigError, which shows no secret, where it is none."""
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(key, host or "…", "http://<host>/… or https://<host>/…")
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
