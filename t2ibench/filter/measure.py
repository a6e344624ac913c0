"""What is measured of an image, in one pass, so that each picture is decoded once; and its form on disk.

A measurement is a NumPy record: stored as `.npy` under `key`, which knows the picture's bytes and the engines, and
neither thresholds nor wording. So a picture is measured once, whatever is decided of it later.
"""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2ibench.filter import Thresholds
from t2ibench.filter.clip import ClipRanking
from t2ibench.filter.duplicate import SIDE, Duplicates
from t2ibench.filter.people import People
from t2ibench.filter.quality import Quality
from t2ibench.records import digest

VERSION = 1
"""Part of every key: raise it when the fields of a measurement change."""

PARTS = ("clip", "quality", "duplicate", "people")
"""The engines that measure, as `Measure` takes them."""

Row = NDArray[np.void]
"""One measurement, a record without dimensions; stacked, [N]. Its fields: `layout`."""


def layout(width: int) -> np.dtype[np.void]:
    """The fields of a measurement. width: of CLIP's feature, which has length 1."""
    light = [("brightness", "<f8"), ("contrast", "<f8")]
    return np.dtype([("feature", "<f4", (width,)), *light, ("people", "<f8"), ("grid", "u1", (SIDE * SIDE,))])


class Measure:
    """CLIP's feature, quality, grid and people together: a batch function of CLIP's batch size."""

    def __init__(self, clip: ClipRanking, quality: Quality, duplicate: Duplicates, people: People) -> None:
        self.clip, self.quality, self.duplicate, self.people = clip, quality, duplicate, people
        self.batch_size = clip.batch_size

    @property
    def identity(self) -> dict[str, Any]:
        """What decides a measurement: neither thresholds nor texts. Loads no model."""
        return {
            "version": VERSION,
            "clip": self.clip.identity,
            "quality": self.quality.identity,
            "duplicate": self.duplicate.identity,
            "people": self.people.identity,
        }

    @property
    def thresholds(self) -> Thresholds:
        """What the engines' settings reject."""
        return Thresholds(
            black_below=self.quality.black_below, flat_below=self.quality.flat_below, people_from=self.people.confidence
        )

    def key(self, sha256: str) -> str:
        """Under what the measurement of a picture is stored. sha256: of the picture's file."""
        return digest({"measure": self.identity, "image": sha256})

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Row]:
        """images uint8 HWC RGB of one size -> a measurement for each."""
        features = self.clip.features(images)
        rows = np.zeros(len(images), layout(features.shape[1]))
        light = self.quality(images)
        rows["feature"], rows["people"], rows["grid"] = features, self.people(images), self.duplicate(images)
        for name in ("brightness", "contrast"):
            rows[name] = [one[name] for one in light]
        return [rows[place : place + 1].reshape(()) for place in range(len(rows))]


def pack(array: NDArray[Any]) -> bytes:
    """An array as the bytes of a `.npy` file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def unpack(payload: bytes) -> NDArray[Any]:
    """The array that `pack` wrote."""
    return np.asarray(np.load(io.BytesIO(payload), allow_pickle=False))
