"""deblur: the kept images, restored or left alone (IEIE 2026, sections 3.1.3 and 3.2.3).

An engine is a batch function from images to images of the same size and order, uint8 HWC RGB. The variants of a study
name the engine: `none.Nothing` for the base set, `restormer.Restormer` for the deblurred one.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from t2ibench.records import digest


def fingerprint(identity: dict[str, Any], sha256: str) -> str:
    """sha256 (64 hex digits) of all that decides a restored image's pixels. sha256: of the image's file before."""
    return digest({"engine": identity, "image": sha256})


class Deblur(Protocol):
    """What a runner may ask of an engine. changes_pixels: False where the files may be linked instead of made anew."""

    changes_pixels: bool
    batch_size: int

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the pixels, besides the image itself. Loads no model."""
        ...

    def __call__(self, images: Sequence[NDArray[np.uint8]], /) -> list[NDArray[np.uint8]]:
        """Images of one size -> as many images of that size; the i-th depends on the i-th only."""
        ...
