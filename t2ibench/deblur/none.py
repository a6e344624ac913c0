"""The null choice: the base set of the ablation, whose images stay as they are (IEIE 2026, section 3.2.3)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Nothing:
    """Leaves images alone; as it changes no pixels, a runner links the files and never calls it."""

    changes_pixels = False
    batch_size = 1

    @property
    def identity(self) -> dict[str, Any]:
        """Nothing decides anything."""
        return {"engine": "none", "version": 1}

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        """The images themselves."""
        return list(images)
