"""How far two pictures of 8 bits are from each other: the peak signal-to-noise ratio and the largest difference."""

import math

import numpy as np
from numpy.typing import NDArray


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """10 log10(255^2 / mean square difference) in dB, over all pixels and channels; infinite where they are equal."""
    mean = float(np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2))
    return 10 * math.log10(255**2 / mean) if mean else math.inf


def largest(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    """The largest difference of one value, 0 to 255."""
    return int(np.abs(one.astype(np.int16) - other.astype(np.int16)).max())
