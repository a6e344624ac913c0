"""Which images repeat an earlier one of their source, byte for byte or nearly (ours: the paper names no such step).

An image is reduced to a grid of 16 x 16 luminances. Two images are one picture where their grids hardly differ and
CLIP's features agree: the grid alone does not see colour, the features alone do not tell two views of one scene apart.
An image that repeats only a repetition is its own first, so that no two images that are left repeat each other.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from t2ibench.filter.quality import WEIGHTS

SIDE = 16
"""Cells of the grid, per side. 16 x 16 squares of 255 add up to less than 2**24: float32 adds them without rounding,
in any order and on any machine."""

BLOCK = 256
"""Images that are compared with all earlier ones at once: 10 MB of distances where 10,000 came before."""

DIGITS = 6
"""Cosines are rounded to this many decimals: a copy's cosine with itself is 1, whatever the rounding of its length."""


class Duplicates:
    """Luminance grids, and who repeats whom. distance: largest root mean square difference of two grids, in [0, 1];
    similarity: smallest cosine of two CLIP features, in [-1, 1]. Both have to hold."""

    batch_size = 16

    VERSION = 1
    """Goes up when what this engine makes changes: tests/regression/test_engines.py asks for it."""

    def __init__(
        self, distance: Annotated[float, Field(ge=0, le=1)], similarity: Annotated[float, Field(ge=-1, le=1)]
    ) -> None:
        self.distance, self.similarity = distance, similarity

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the grids; the thresholds do not."""
        return {"engine": "duplicate", "version": self.VERSION, "side": SIDE}

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        """images uint8 HWC RGB -> per image its grid, uint8 [SIDE * SIDE], mean luminance of each cell."""
        return [_grid(image) for image in images]

    def firsts(self, features: NDArray[np.float32], grids: NDArray[np.uint8]) -> list[int | None]:
        """Per image the place of the earliest one that it repeats and that repeats none itself, else None.

        features: float32 [N, D] of length 1; grids: uint8 [N, SIDE * SIDE]; both in the order in which images count
        as earlier. Time grows with N * N in matrix products, memory with N.
        """
        exact, found = grids.astype(np.float32), list[int | None]()
        originals = np.zeros(0, np.intp)
        for start in range(0, len(grids), BLOCK):
            block = np.arange(start, min(start + BLOCK, len(grids)))
            seen = self._same(features, exact, block, originals)
            inside = self._same(features, exact, block, block)
            own = np.zeros(len(block), np.bool_)
            for row in range(len(block)):
                earlier = originals[seen[row]]
                near = earlier if len(earlier) else block[own & inside[row]]
                found.append(int(near[0]) if len(near) else None)
                own[row] = not len(near)
            originals = np.concatenate([originals, block[own]])
        return found

    def _same(self, features: NDArray[np.float32], exact: NDArray[np.float32], rows: NDArray[np.intp],
              columns: NDArray[np.intp]) -> NDArray[np.bool_]:
        """bool [R, C]: whether image rows[r] and image columns[c] are one picture."""
        one, other = exact[rows], exact[columns]
        both = one @ other.T
        squares = ((one * one).sum(1)[:, None] - both) + ((other * other).sum(1)[None] - both)
        same: NDArray[np.bool_] = squares <= (255 * self.distance) ** 2 * SIDE * SIDE
        asked = same.any(1)
        cosines = features[rows[asked]].astype(np.float64) @ features[columns].T.astype(np.float64)
        same[asked] &= cosines.round(DIGITS) >= self.similarity
        return same


def _grid(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    small = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
    return np.asarray((small @ WEIGHTS).round().reshape(-1), np.uint8)
