"""Pictures between files and arrays: uint8 HWC RGB in memory, PNG on disk, the same bytes for the same pixels."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from t2ibench.errors import MissingError

COMPRESSION = 6
"""zlib's level: a 64 x 64 picture costs under 1 ms, and smaller files cost the disk less than the processor."""


def encode_png(pixels: np.ndarray) -> bytes:
    """PNG bytes of a picture, uint8 [H, W, 3] RGB; equal pixels give equal bytes with one version of Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=COMPRESSION)
    return buffer.getvalue()


def decode(payload: bytes) -> np.ndarray:
    """uint8 [H, W, 3] RGB of an encoded picture. Raises OSError or SyntaxError where it does not decode."""
    with Image.open(io.BytesIO(payload)) as image:
        return np.asarray(image.convert("RGB"))


def read_picture(path: Path, command: str = "dvc repro") -> np.ndarray:
    """uint8 [H, W, 3] RGB of a picture on disk. Raises MissingError, naming `command`, where it is absent or broken."""
    try:
        return decode(path.read_bytes())
    except FileNotFoundError:
        raise MissingError(f"{path} is missing", command) from None
    except (OSError, SyntaxError) as error:
        raise MissingError(f"{path} is damaged ({error})", command) from None
