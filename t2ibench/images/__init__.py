"""images: prompts and an engine -> `data/images/<source>/`. This file is the contract.

An engine is a batch function: requests in, an answer for each out, in the same order. Item i of the answer depends
on request i and the engine's `identity` only: neighbours, order, padding and edits of other prompts never change an
image. Loops, files and resumption belong to the runner.

    with engine:                          # may start and stop things, such as a loopback server
        answers = engine(requests)        # Made or Refused for each
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from t2ibench.errors import ConfigError, MissingError, UserError
from t2ibench.pictures import encode_png
from t2ibench.records import Prompt, digest, image_id, image_seed

Pixels = NDArray[np.uint8]
"""An image: uint8 HWC RGB."""


@dataclass(frozen=True)
class Request:
    """One image to make. id: the image's id; seed: in [0, 2**48)."""

    id: str
    prompt_text: str
    seed: int

    @property
    def decides(self) -> dict[str, Any]:
        """What of the request decides the pixels; the id does not."""
        return {"prompt": self.prompt_text, "seed": self.seed}


@dataclass(frozen=True)
class Made:
    """An image: uint8 HWC RGB, or the bytes of a PNG file; extra: what the engine adds to the image's row."""

    image: Pixels | bytes
    extra: dict[str, Any] = field(default_factory=dict)

    def png(self) -> bytes:
        """The bytes of the image's PNG file."""
        return self.image if isinstance(self.image, bytes) else encode_png(self.image)


@dataclass(frozen=True)
class Refused:
    """An image that could not be made: why, and after how many attempts (0 where none was worth making)."""

    reason: str
    attempts: int


class Stopped(UserError):
    """The run has to stop here (wrong key, spent budget). finished: what was made, and paid for, before it did."""

    def __init__(self, message: str, finished: dict[Request, Made | Refused]) -> None:
        self.finished = finished
        super().__init__(message)


class ImageEngine(Protocol):
    """What makes images. identity: all that decides the pixels but the request; batch_size: requests per call."""

    batch_size: int

    @property
    def identity(self) -> dict[str, Any]:
        """Engine name, version number, weights digest and every setting that decides the pixels; loads no model."""

    def __call__(self, requests: Sequence[Request]) -> list[Made | Refused]:
        """Answers every request, in order. Equal requests of one call are answered, and paid for, once.

        Raises Stopped where going on is useless or costs too much.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True)
class Planned:
    """One image of the plan. index: counts the images of one prompt from 0."""

    prompt: Prompt
    index: int
    request: Request


def plan(prompts: Sequence[Prompt], images_per_prompt: int, study_seed: int) -> list[Planned]:
    """Every image of a source, sorted by id.

    Raises ConfigError where images_per_prompt is below 1; MissingError where two prompts share an id.
    """
    if images_per_prompt < 1:
        raise ConfigError("study.images_per_prompt", images_per_prompt, "an integer from 1")
    twice = [prompt for prompt, count in Counter(prompt.id for prompt in prompts).items() if count > 1]
    if twice:
        raise MissingError(f"prompts.jsonl holds the prompt {min(twice)} more than once", "dvc repro -f prompts")
    planned = [
        Planned(
            prompt, index, Request(image_id(prompt.id, index), prompt.text, image_seed(study_seed, prompt.id, index))
        )
        for prompt in prompts
        for index in range(images_per_prompt)
    ]
    return sorted(planned, key=lambda item: item.request.id)


def fingerprint(identity: dict[str, Any], request: Request) -> str:
    """sha256 (64 hex digits) of all that decides an image's pixels; the image's id is not part of it."""
    return digest({"engine": identity, **request.decides})
