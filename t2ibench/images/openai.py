"""An images API over HTTP, through the openai client: OpenAI's, a compatible server, or the bundled stand-in.

Source: the paper's DALL-E 3 images (IEIE 2026). OpenAI retired DALL-E 3 on 2026-05-12 (`retired`), so that its tables
can only be reproduced from archived images or recordings; the stand-in proves the path, never the paper.

The client's own retries are off: `paid.answers` says which answers allow another request, `asking` makes them.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field

from t2ibench.errors import ConfigError, UserError
from t2ibench.hardware import Hardware
from t2ibench.images import Made, Refused, Request, Stopped
from t2ibench.images.asking import Asker, Post, Rules, Unsent, replay
from t2ibench.images.pace import Clock, Pace
from t2ibench.images.recordings import Cassette
from t2ibench.images.retired import check_served
from t2ibench.images.sd import StableDiffusion
from t2ibench.images.shelf import Shelf
from t2ibench.paid.answers import Arrived
from t2ibench.paid.ledger import Ledger, path_of
from t2ibench.paid.prices import Prices
from t2ibench.paid.wire import address, api_key, bare, post


class OpenAIImages:
    """Asks an images API for every image, `concurrency` at a time.

    base_url: None for OPENAI_BASE_URL or OpenAI; size: height and width in pixels; quality and response_format: as
    the model knows them, None for not sent; send_seed: sends the image's seed as an extra field `seed`; server: the
    weights of a stand-in that this engine serves on 127.0.0.1 itself, None for a real API; attempts: requests per
    image and run; price_usd: of one image; where the two prices per million tokens are given, they take its place: then
    a request holds back its own tokens and max_output_tokens, the most that the server bills for an image of this size
    and quality, and the answer's usage says what it was; budget_usd: of all that shares the ledger; stands_for: the
    model that the stand-in, or another model, replaces; recording: a cassette to replay in place of asking;
    repeat_lost: asks again where a request may have been billed and its answer never came; ledger: the ledger's name.
    Raises ConfigError for values that cannot be used, a model that no live API serves any more among them.
    """

    VERSION = 1

    at_home = True
    """Whatever the executor: it waits, and does not compute, and one process keeps the ledger, the pace and the cap."""

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
        recording: str | None = None,
        requests_per_minute: Annotated[int, Field(ge=1)] | None = None,
        input_usd_per_million: Annotated[float, Field(ge=0)] | None = None,
        output_usd_per_million: Annotated[float, Field(ge=0)] | None = None,
        max_output_tokens: Annotated[int, Field(ge=1)] | None = None,
        ledger: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")] = "study",
        repeat_lost: bool = False,
    ) -> None:
        self.model, self.base_url, self.size, self.quality = model, base_url, size, quality
        self.response_format, self.send_seed, self.stands_for = response_format, send_seed, stands_for
        self.concurrency = self.batch_size = concurrency
        self.requests_per_minute, self.timeout_seconds = requests_per_minute, timeout_seconds
        self.ledger, self.budget_usd = ledger, budget_usd
        prices = Prices.given("images.openai", input_usd_per_million, output_usd_per_million)
        self.rules = Rules(attempts, backoff_seconds, 0.0 if server else price_usd, repeat_lost,
                           Prices() if server else prices, max_output_tokens or 0)
        self.clock = Clock()
        self._check()
        if server is not None and base_url is not None:
            raise ConfigError("images.openai.base_url", base_url, "null, where images.openai.server is given")
        self._cassette = self._replayed(Path(recording)) if recording is not None else None
        self._standin: StableDiffusion | None = None
        if self._cassette is None and server is not None:
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
        elif self._cassette is None:
            check_served(model)
        self._open = ExitStack()
        self._answer: Any = None
        self._server: Any = None

    def _check(self) -> None:
        if self.base_url is not None:
            bare(self.base_url, "images.openai.base_url")
        for key, value in (("concurrency", self.concurrency), ("attempts", self.rules.attempts),
                           ("timeout_seconds", self.timeout_seconds),
                           ("requests_per_minute", self.requests_per_minute or 1)):
            if value <= 0:
                raise ConfigError(f"images.openai.{key}", value, "a number above 0")
        for key, value in (("backoff_seconds", self.rules.backoff_seconds), ("price_usd", self.rules.price_usd)):
            if value < 0:
                raise ConfigError(f"images.openai.{key}", value, "a number from 0")
        if self.rules.prices.known and self.rules.max_output_tokens < 1:
            raise ConfigError("images.openai.max_output_tokens", self.rules.max_output_tokens or None, "a whole number "
                              "from 1: with prices of tokens, it bounds what an image costs")

    def _replayed(self, path: Path) -> Cassette:
        """The cassette, checked against the settings. Raises ConfigError where it answers to others."""
        cassette = Cassette(path)
        for key in ("model", "size", "quality", "send_seed"):
            recorded, asked = cassette.identity.get(key), getattr(self, key)
            if recorded != asked:
                raise ConfigError(f"images.openai.{key}", asked, f"{recorded!r}, as in the recording {path}")
        return cassette

    def most(self, request: Request) -> float:
        """US dollars that the request for an image costs at most."""
        return self.rules.most(self._body(request))

    @property
    def standin(self) -> StableDiffusion | None:
        """What draws where this engine serves a stand-in itself; None for a real API and for a recording."""
        return self._standin

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the pixels but prompt and seed; of a real API, as far as the client can know it."""
        if self._cassette is not None:
            return self._cassette.identity | {"recording": self._cassette.digest}
        standin = self._standin
        return {
            "engine": "openai",
            "version": self.VERSION,
            "model": self.model,
            "size": self.size,
            "quality": self.quality,
            "send_seed": self.send_seed,
            "served_by": standin.identity if standin else bare(address(self.base_url), "OPENAI_BASE_URL"),
        }

    def __enter__(self) -> Self:
        """Connects; starts the stand-in. Raises MissingError where the key or the stand-in's weights are missing."""
        self._stop = threading.Event()
        self._open = ExitStack()
        with ExitStack() as opening:
            if self._cassette is not None:
                cassette, identity = self._cassette, self._cassette.identity
                self._answer = lambda request: replay(cassette, identity, self.size, request)
            else:
                self._answer = self._connect(opening)
            self._pool = opening.enter_context(ThreadPoolExecutor(self.concurrency, "images"))
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._open.close()
        self._answer = self._server = None

    def __call__(self, requests: Sequence[Request]) -> list[Made | Refused]:
        """Answers requests; equal ones are sent once. Raises Stopped, with what is finished, where the run must end."""
        if self._answer is None:
            raise RuntimeError("the engine is not open; use it in a with block")
        wanted = dict.fromkeys(requests)
        futures = {request: self._pool.submit(self._answer, request) for request in wanted if _drawable(request)}
        wait(futures.values())
        errors = [e for future in futures.values() if (e := future.exception()) and not isinstance(e, Unsent)]
        finished = {request: future.result() for request, future in futures.items() if not future.exception()}
        finished |= {request: Refused("the prompt is empty", 0) for request in wanted if not _drawable(request)}
        for error in errors:
            if not isinstance(error, UserError):
                raise error
        if errors:
            raise Stopped(str(errors[0]), finished) from None
        return [finished[request] for request in requests]

    def _connect(self, opening: ExitStack) -> Asker:
        """The client, and the stand-in where there is one, as something that answers requests."""
        from openai import DefaultHttpxClient, OpenAI

        if self._standin is not None:
            self._server = opening.enter_context(self._serve(self._standin))
            url, key = self._server.base_url, "loopback"
        else:
            url = address(self.base_url)
            bare(url, "OPENAI_BASE_URL")
            key = api_key()
        # a proxy of the environment must not see what stays on this machine
        http = opening.enter_context(DefaultHttpxClient(trust_env=self._standin is None))
        client = OpenAI(api_key=key, base_url=url, max_retries=0, timeout=self.timeout_seconds, http_client=http)
        return Asker(
            identity=self.identity,
            size=self.size,
            body=self._body,
            post=self._post(client, "" if self._standin else key),
            extra=self._extra(),
            rules=self.rules,
            shelf=Shelf(),
            ledger=None if self._standin else Ledger(path_of(self.ledger), self.budget_usd),
            pace=Pace(self.requests_per_minute, self.clock),
            clock=self.clock,
            stop=self._stop,
            where=urlsplit(url).hostname or "the server",
            secret="" if self._standin else key,
        )

    def _body(self, request: Request) -> dict[str, Any]:
        """The body of the request for one image."""
        optional = {"quality": self.quality, "response_format": self.response_format}
        return {
            "model": self.model,
            "prompt": request.prompt_text,
            "size": f"{self.size}x{self.size}",
            "n": 1,
            **{key: value for key, value in optional.items() if value is not None},
            **({"seed": request.seed} if self.send_seed else {}),
        }

    def _post(self, client: Any, key: str) -> Post:
        def send(body: dict[str, Any]) -> Arrived:
            known = {name: value for name, value in body.items() if name != "seed"}
            extra = {"seed": body["seed"]} if "seed" in body else None  # no parameter of OpenAI's
            arrived = post(lambda: client.images.with_raw_response.generate(**known, extra_body=extra), key)
            if self._server is not None and self._server.failure is not None and arrived.status != 200:
                raise self._server.failure  # a bug of ours, and no fault of a network
            return arrived

        return send

    def _extra(self) -> dict[str, Any]:
        """What is added to every image's row beside what the server says."""
        return {"stand_in_for": self.stands_for} if self.stands_for else {}

    def _serve(self, standin: StableDiffusion) -> Any:
        """The loopback server, not started; the stand-in's model is loaded, so that a missing one stops the run."""
        from t2ibench.tiny.server import LoopbackServer

        standin.load()

        def draw(pairs: Sequence[tuple[str, int]]) -> list[Any]:
            return [drawn.reason if isinstance(drawn, Refused) else drawn for drawn in standin.draw(pairs)]

        return LoopbackServer(
            draw, size=self.size, models=[self.model], answers_as="t2ibench-standin", batch_size=standin.batch_size
        )


def _drawable(request: Request) -> bool:
    return bool(request.prompt_text.strip())
