"""The replies of an images API: the picture in a success's body, and the rules of `paid.answers` for all others."""

import base64
import binascii
import io
import json
from dataclasses import dataclass

import numpy as np

from t2ibench.images import Pixels
from t2ibench.paid.answers import Again, Arrived, Billed, Never, Stop, clean, unread

SWITCH = "images.openai.repeat_lost"


@dataclass(frozen=True)
class Reply:
    """A usable reply. model: the one that answered, as far as the server says; revised_prompt: likewise."""

    image: Pixels
    model: str | None
    revised_prompt: str | None
    outcome: str = "made"
    billed: Billed = "yes"


Outcome = Reply | Again | Never | Stop


def judge(arrived: Arrived, size: int, where: str, secret: str = "") -> Outcome:
    """What an answer means. size: height and width in pixels of the image that was asked for; where: the server."""
    told = unread(arrived, where, secret, SWITCH)
    return read(arrived.body, size, secret) if told is None else told


def read(content: bytes, size: int, secret: str) -> Outcome:
    """The image of a success's body. size: the height and width in pixels that it must have."""
    try:
        body = json.loads(content)
        images = list(body["data"])
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        return Again("malformed", f"the reply is not the JSON of an image ({type(error).__name__})", billed="yes")
    if not images:
        return Again("fewer-images", "the reply has 0 images, and 1 was asked for", billed="yes")
    try:
        item = images[0]
        raw = base64.b64decode(item["b64_json"], validate=True)
    except (ValueError, LookupError, TypeError, binascii.Error) as error:
        return Again("malformed", f"the reply is not the JSON of an image ({type(error).__name__})", billed="yes")
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
                return Never("other-size", f"the image is {width} x {height} pixels, not {size} x {size}", "yes")
            return np.asarray(image.convert("RGB"))
    except broken as error:
        reason = f"the reply's image cannot be decoded ({type(error).__name__})"
        return Again("not-decodable", reason, billed="yes")
