"""Images of any size through a network in overlapping tiles whose seams are blended.

All tiles of an image have one shape: the last of a row or column is moved back until it fits, and is not cut. A forward
is the tile at one place of every image of the batch, so its shape is that of the batch, and an image depends on
itself only. Where tiles overlap, their weights rise and fall as a raised cosine, and are divided by their sum.

Deviation from a whole forward: Restormer's attention compares channels over all pixels that it is given (Zamir et al.
2022, section 3.1), so a tile is restored by its own statistics. Neither is the truth: the network was trained on
patches of 128 to 384 pixels (section 4, progressive learning), nearer to a tile than to a large image.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Levels = NDArray[np.float32]


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin, so that they cover `length` pixels and neighbours share at least `overlap` of them.

    [0] where one tile, cut to the length, is enough. Multiples of 8 give multiples of 8.
    """
    if length <= tile:
        return [0]
    return [*range(0, length - tile, tile - overlap), length - tile]


def weights(length: int, overlap: int) -> Levels:
    """float32 [length] in (0, 1]: a raised cosine over `overlap` pixels at either end, 1 between."""
    near = np.minimum(np.arange(length), np.arange(length)[::-1])
    ramp = 0.5 - 0.5 * np.cos(np.pi * (near + 0.5) / overlap)
    return np.where(near < overlap, ramp, 1.0).astype(np.float32)


def restore(images: Pixels, forward: Callable[[Pixels], Levels], tile: int, overlap: int) -> Levels:
    """uint8 [N, H, W, 3] -> float32 [N, H, W, 3]; forward: the same for tiles of at most `tile` x `tile` pixels.

    An image that fits one tile is one forward, unblended.
    """
    _, height, width, _ = images.shape
    tops, lefts = starts(height, tile, overlap), starts(width, tile, overlap)
    if len(tops) == len(lefts) == 1:
        return forward(images)
    high, wide = min(height, tile), min(width, tile)
    weight = np.outer(weights(high, overlap), weights(wide, overlap))[:, :, None]
    total, shares = np.zeros(images.shape, np.float32), np.zeros((height, width, 1), np.float32)
    for top in tops:
        for left in lefts:
            place = np.s_[top : top + high, left : left + wide]
            total[:, *place] += weight * forward(np.ascontiguousarray(images[:, *place]))
            shares[place] += weight
    total /= shares
    return total
