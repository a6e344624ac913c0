"""Pictures and charts as data URIs, so that the page is one file."""

import base64
import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from t2ibench.pictures import read_picture

SMALL = 128
"""Up to this side, in pixels, a picture is embedded without loss and shown in whole pixels, at twice its size."""
LARGEST = 288
"""Larger pictures are reduced to this side: twice the size at which they are shown, for fine screens."""


class Picture(NamedTuple):
    """uri: the picture itself; crisp: to be shown in whole pixels; width, height: of what is embedded, in pixels."""

    uri: str
    crisp: bool
    width: int
    height: int


def embed_picture(path: Path) -> Picture:
    """A picture of a data set as a WebP data URI. Raises MissingError where it is absent or damaged."""
    picture = Image.fromarray(read_picture(path))
    crisp = max(picture.size) <= SMALL
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if crisp:
        picture.save(buffer, "WEBP", lossless=True, quality=90, method=4)
    else:
        picture.save(buffer, "WEBP", quality=84, method=4)
    return Picture(data_uri("image/webp", buffer.getvalue()), crisp, picture.width, picture.height)


def data_uri(kind: str, payload: bytes) -> str:
    """`data:<kind>;base64,…` of some bytes."""
    return f"data:{kind};base64,{base64.b64encode(payload).decode('ascii')}"
