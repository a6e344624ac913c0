"""The bytes of a file -> 8-bit RGB, or the rule that refuses them. The content decides; the name is not asked.

Order: format by signature, pixel limit (before anything is decoded), PNG's check sums, first frame, EXIF orientation,
8-bit RGB on white, the central square at `size`. Source: Pillow; its own `open` is used, also where ultralytics has
replaced it by one that installs packages when a picture cannot be identified.
"""

import io
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from t2ibench.images import Pixels
from t2ibench.images.folder.pixels import to_rgb
from t2ibench.images.folder.rules import FORMATS, Refusal

ORIENTATION = 274
BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)
BROKEN = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError,
          EOFError, MemoryError, struct.error, zlib.error)
"""What Pillow's decoders raise on bytes that were not written by an encoder."""


@dataclass(frozen=True)
class Decoded:
    """A picture. format, mode, width_px, height_px: of the file, before anything was done; notes: sorted."""

    pixels: Pixels
    format: str
    mode: str
    width_px: int
    height_px: int
    notes: list[str]

    @property
    def facts(self) -> dict[str, Any]:
        """What the picture's row says of its file."""
        return {"format": self.format, "mode": self.mode, "width_px": self.width_px, "height_px": self.height_px,
                "notes": self.notes}


def decode(data: bytes, max_pixels: int, size: int | None) -> Decoded:
    """Decodes a file. size: height and width in pixels of the result, None for the file's own. Raises Refusal."""
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # other libraries set it, and Pillow then fills up with grey
    try:
        image = _checked(data, max_pixels)
        kind, mode, (width, height) = str(image.format), image.mode, image.size
        notes = _load(image)
        rgb, more = to_rgb(image)
    except Refusal:
        raise
    except BOMB:
        raise Refusal("too-many-pixels") from None
    except UnidentifiedImageError:
        raise Refusal("not-a-picture") from None
    except BROKEN as error:
        raise Refusal("truncated" if _cut(error) else "damaged") from None
    notes += more
    if size is not None:
        notes += ["upscaled"] * (min(rgb.size) < size)
        rgb = _square(rgb, size)
    return Decoded(np.asarray(rgb), kind, mode, width, height, sorted(notes))


def _checked(data: bytes, max_pixels: int) -> Image.Image:
    """A file that is identified, within the limit, and whole as far as its format can tell; not decoded yet."""
    image = _open(data)
    if image.width * image.height > max_pixels:
        raise Refusal("too-many-pixels")
    if image.format == "PNG":  # without this, a flipped bit can decode to other pixels
        image.verify()
        image = _open(data)
    return image


def _load(image: Image.Image) -> list[str]:
    """Decodes the first picture of a file, upright; returns the notes about the file."""
    orientation = image.getexif().get(ORIENTATION, 1)  # TIFF's decoder turns the picture and forgets the tag
    image.load()
    orientation = image.getexif().get(ORIENTATION, orientation)  # PNG's may come last
    ImageOps.exif_transpose(image, in_place=True)
    notes = ["oriented"] * (orientation in range(2, 9))
    notes += ["first-frame"] * bool(getattr(image, "is_animated", False))
    return notes + ["profile-ignored"] * bool(image.info.get("icc_profile"))


def _open(data: bytes) -> Image.Image:
    patches = sys.modules.get("ultralytics.utils.patches")
    own: Callable[..., Image.Image] = getattr(patches, "_image_open", Image.open)
    return own(io.BytesIO(data), formats=_known())


@cache
def _known() -> tuple[str, ...]:
    """FORMATS as Pillow's `open` knows them: MPO is opened as a JPEG, and a build may lack a library."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _square(image: Image.Image, size: int) -> Image.Image:
    """The central square, at size x size: cut before it is scaled, so that a long thin picture is never blown up."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    if image.size != (side, side):
        image = image.crop((left, top, left + side, top + side))
    return image if side == size else image.resize((size, size), Image.Resampling.LANCZOS)


def _cut(error: Exception) -> bool:
    said = str(error).lower()
    return isinstance(error, EOFError) or any(word in said for word in ("truncat", "not enough", "unexpected end"))
