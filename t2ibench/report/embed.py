"""Pictures as data URIs, each embedded once however often it is shown, so that the page is one file."""

import base64
import io
import json
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from t2ibench.pictures import read_picture

SMALL = 128
"""Up to this side, in pixels, a picture is embedded without loss and shown in whole pixels."""
SIDES = (640, 512, 384, 320, 256, 192, 128, 96)
"""Larger pictures are reduced to one of these sides: the largest with which all of them fit the page."""
QUALITY, BYTES_PER_PIXEL = 82, 0.35
"""Of the reduced pictures: WebP's quality, and the characters that a pixel of a photograph then costs, rather more."""


class Picture(NamedTuple):
    """key: names it within the page; width, height: of the picture on disk, in pixels; crisp: to be shown in whole
    pixels."""

    key: str
    width: int
    height: int
    crisp: bool


class Album:
    """The pictures of a page. `add` gives a picture its key; `uris` encodes the large ones when their number is known.

    A small picture is kept as text, a large one as its path: a thousand of them do not fit the memory.
    """

    def __init__(self) -> None:
        self._found: dict[Path, Picture] = {}
        self._keys: dict[str, str] = {}
        self._small: dict[str, str] = {}
        self._large: dict[str, Path] = {}

    def add(self, path: Path) -> Picture:
        """Puts a picture in, unless its pixels are there already. Raises MissingError: absent or damaged."""
        if path not in self._found:
            pixels = read_picture(path)
            height, width = pixels.shape[:2]
            same = sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
            key = self._keys.setdefault(same, f"p{len(self._keys)}")
            crisp = max(width, height) <= SMALL
            if crisp and key not in self._small:
                self._small[key] = _lossless(pixels)
            elif not crisp:
                self._large.setdefault(key, path)
            self._found[path] = Picture(key, width, height, crisp)
        return self._found[path]

    def uris(self, budget: int) -> str:
        """JSON {key: data URI} in about `budget` bytes, if reducing the larger pictures can do that."""
        room = budget - sum(map(len, self._small.values()))
        fitting = [side for side in SIDES if len(self._large) * side**2 * BYTES_PER_PIXEL <= room]
        side = max(fitting, default=min(SIDES))
        large = {key: _reduced(read_picture(path), side) for key, path in self._large.items()}
        return json.dumps(self._small | large, sort_keys=True, separators=(",", ":"))


def _lossless(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    # method 0: a tenth larger than the best that WebP can do, and twenty times faster
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, quality=0, method=0)
    return _uri(buffer)


def _reduced(pixels: np.ndarray, side: int) -> str:
    picture, buffer = Image.fromarray(pixels), io.BytesIO()
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    picture.save(buffer, "WEBP", quality=QUALITY, method=4)
    return _uri(buffer)


def _uri(buffer: io.BytesIO) -> str:
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
