"""Pictures between files and arrays: uint8 HWC RGB in memory, PNG on disk, the same bytes for the same pixels.

A picture is a file of its own (`cat/<id>.png`), or in large sets a member of a shard (`000003.tar/<id>.png`): the row's
`file_name` says which, and everyone who wants a picture reads it here.
"""

import errno
import io
import os
import tarfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from t2ibench.errors import MissingError
from t2ibench.records import Sample

COMPRESSION = 6
"""zlib's level: a 64 x 64 picture costs under 1 ms, and smaller files cost the disk less than the processor."""
SHARD = ".tar"
SHARDS_KNOWN = 64
"""Shards whose table of members is kept: about 0.3 MB for a thousand pictures."""


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
        return decode(read_bytes(path))
    except FileNotFoundError:
        raise MissingError(f"{path} is missing", command) from None
    except (OSError, SyntaxError) as error:
        raise MissingError(f"{path} is damaged ({error})", command) from None


def read_bytes(path: Path) -> bytes:
    """The bytes of a picture's file, or of its member of a shard. Raises what `open_picture` raises."""
    with open_picture(path) as file:
        return file.read()


def open_picture(path: Path) -> BinaryIO:
    """A picture's file, to be read; path: `<folder>/<file_name>`. Threads may share a shard.

    Raises FileNotFoundError where the file, the shard or its member is absent, OSError where the shard is damaged.
    """
    shard = path.parent
    if shard.suffix != SHARD:
        return path.open("rb")
    with shard.open("rb") as file:
        now = os.fstat(file.fileno())
        try:
            offset, size = _members(shard, now.st_ino, now.st_mtime_ns, now.st_size)[path.name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None
        file.seek(offset)
        return io.BytesIO(file.read(size))


def shard_of(file_name: str) -> str:
    """`000003.tar` for `000003.tar/<id>.png`; empty for a picture with a file of its own."""
    folder = file_name.rpartition("/")[0]
    return folder if folder.endswith(SHARD) else ""


def reading_order(samples: Iterable[Sample]) -> list[Sample]:
    """The samples shard by shard, so that each shard is looked into once; those with files of their own as they are."""
    return sorted(samples, key=lambda sample: shard_of(sample.file_name))


@lru_cache(SHARDS_KNOWN)
def _members(shard: Path, *_: int) -> dict[str, tuple[int, int]]:
    """{name: (offset, size)} of a shard's members, in bytes. What follows the path tells a replaced shard apart."""
    try:
        with tarfile.open(shard, "r:") as archive:
            return {member.name: (member.offset_data, member.size) for member in archive if member.isreg()}
    except tarfile.TarError as error:
        raise OSError(f"{shard.name}: {error}") from None


def verify(folder: Path, samples: Sequence[Sample], command: str) -> None:
    """Holds the files below `folder` to their records: what is stored of a picture is of the bytes that its row names.

    Decodes nothing. Raises MissingError, naming the first file that is absent or other bytes, and `command`.
    """
    ordered = reading_order(samples)
    files = [folder / sample.file_name for sample in ordered]
    with ThreadPoolExecutor() as pool:
        for file, sample, found in zip(files, ordered, pool.map(_digest, files), strict=True):
            if found is None:
                raise MissingError(f"{file} is missing", command)
            if found != sample.sha256:
                raise MissingError(f"{file} is damaged (its sha256 is not the one in metadata.jsonl)", command)


def _digest(file: Path) -> str | None:
    """sha256 (64 hex digits) of a picture's bytes; None where it is absent, empty where its shard cannot be read."""
    try:
        return sha256(read_bytes(file)).hexdigest()
    except FileNotFoundError:
        return None
    except OSError:
        return ""
