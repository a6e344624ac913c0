"""What to do with an answer of an images API: use it, refuse the image, try again, or stop the run.

The rule behind all of them: a request that may have been billed is not sent again because nobody knows what became
of it. OpenAI's images API has no idempotency key (https://platform.openai.com/docs/api-reference/images).
"""

import base64
import binascii
import io
import json
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import numpy as np

from t2ibench.errors import UserError
from t2ibench.images import Pixels

LONGEST_WAIT_SECONDS = 120.0
"""A server that asks for a longer wait ends the run: running again later makes the rest."""
NOT_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError")
"""httpx's errors (by name: the client brings its own httpx) that come before a byte of the request has left."""
Billed = Literal["no", "perhaps", "yes"]
SPENT = ("insufficient_quota", "billing_hard_limit_reached")


@dataclass(frozen=True)
class Again:
    """The request may be sent again. wait_seconds: what the server asked for, if anything; billed: whether it was
    paid for; hopeless: nothing else will work either, so that the run stops when the tries are used up."""

    reason: str
    wait_seconds: float | None = None
    billed: Billed = "no"
    hopeless: bool = False


@dataclass(frozen=True)
class Never:
    """The image cannot be made, and asking again is useless or may cost twice."""

    reason: str
    billed: Billed = "no"


@dataclass(frozen=True)
class Reply:
    """A usable reply. model: the one that answered, as far as the server says; revised_prompt: likewise."""

    image: Pixels
    model: str | None
    revised_prompt: str | None


def clean(text: object, secret: str, longest: int = 300) -> str:
    """A server's text for people and files: valid UTF-8, one line, cut, and without the key."""
    line = " ".join(str(text).replace(secret, "[key]").split())
    return line.encode("utf-8", "replace").decode()[:longest]


def judge(error: Any, where: str, secret: str) -> Again | Never:
    """What an `openai.APIError` means. where: the server's name. Raises UserError where the run has to stop."""
    status = getattr(error, "status_code", None)
    if status is None:
        return _lost(error, where)
    body = error.body
    said = clean(body.get("message") or error.message if isinstance(body, dict) else error.message, secret)
    if error.code in SPENT:
        raise UserError(f"{where} says that the account's budget is spent ({error.code})")
    if status == 401:  # the server's own words may quote the key
        raise UserError(f"{where} does not accept the key in OPENAI_API_KEY (401)")
    if status == 429:
        return Again(f"too many requests (429): {said}", _wait(error.response.headers, where))
    if status in (408, 409) or status >= 500:
        return Again(f"the server failed ({status}): {said}", _wait(error.response.headers, where), billed="perhaps")
    about_the_prompt = status in (400, 413, 422) and (error.param is None or error.param == "prompt")
    if about_the_prompt:
        return Never(f"refused by the server ({status}, {clean(error.code or 'no code', secret)}): {said}")
    raise UserError(f"{where} does not take such requests ({status}): {said}")


def _lost(error: Any, where: str) -> Again | Never:
    if type(error.__cause__).__name__ in NOT_SENT:
        return Again(f"nothing answers at {where}", hopeless=True)
    kind = type(error.__cause__ or error).__name__
    return Never(f"no whole answer came after the request was sent ({kind}); it may have been billed", billed="perhaps")


def _wait(headers: Any, where: str) -> float | None:
    """Seconds that the answer's Retry-After asks for. Raises UserError where they are too many to wait."""
    asked = headers.get("retry-after", "")
    try:
        seconds = float(asked)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(asked).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    if not seconds <= LONGEST_WAIT_SECONDS:
        raise UserError(f"{where} asks to wait {seconds:.0f} seconds (Retry-After); run again after that")
    return max(0.0, seconds)


def read(content: bytes, size: int, secret: str) -> Reply | Again | Never:
    """The image of a reply's body. size: the height and width in pixels that it must have."""
    try:
        body = json.loads(content)
        item = body["data"][0]
        packed = item["b64_json"]
        raw = base64.b64decode(packed, validate=True)
    except (ValueError, RecursionError, LookupError, TypeError, binascii.Error) as error:
        return Again(f"the reply is not the JSON of an image ({type(error).__name__})", billed="yes")
    image = _decode(raw, size)
    if not isinstance(image, np.ndarray):
        return image
    model, revised = body.get("model"), item.get("revised_prompt")
    return Reply(
        image,
        clean(model, secret) if isinstance(model, str) else None,
        clean(revised, secret, 32_000) if isinstance(revised, str) else None,
    )


def _decode(raw: bytes, size: int) -> Pixels | Again | Never:
    from PIL import Image

    broken = (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(raw), formats=("PNG", "JPEG", "WEBP")) as image:
            if image.size != (size, size):  # known before anything is decoded; asking again would pay for the same
                width, height = image.size
                return Never(f"the image is {width} x {height} pixels, not {size} x {size}", billed="yes")
            return np.asarray(image.convert("RGB"))
    except broken as error:
        return Again(f"the reply's image cannot be decoded ({type(error).__name__})", billed="yes")
