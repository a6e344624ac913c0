"""Restormer, a transformer that takes blur away (Zamir et al. 2022; IEIE 2026, section 3.1.3).

The architecture is spandrel_extra_arches'; its sizes are read from the weights, so the bundled Restormer and the
published ones load alike. The network halves the image three times, so sides are padded to a multiple of 8 by
reflection, and cropped back.

dtype: float32, or bfloat16 as autocast with the residual added in float32. Restormer is not safe in float16 (spandrel
does not support it there), so a float16 machine computes in float32.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2ibench.errors import MissingError
from t2ibench.hardware import Hardware
from t2ibench.weights import RESTORE, locate

MULTIPLE = 8


class Restormer:
    """Restores images with the Restormer in `weights`: a safetensors file, or a folder that holds one."""

    changes_pixels = True

    def __init__(self, weights: str, hardware: Hardware) -> None:
        self.weights, self.hardware = weights, hardware
        self.batch_size = hardware.batch_size["deblur"]
        self.dtype = "bfloat16" if hardware.dtype == "bfloat16" else "float32"

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the pixels, besides the image itself. Loads no model."""
        return {"engine": "restormer", "version": 1, "weights": locate(self.weights).digest, "dtype": self.dtype}

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        """images uint8 HWC RGB of one size -> restored images of that size.

        Raises MissingError where the weights are absent or not a Restormer for RGB.
        """
        height, width = images[0].shape[:2]
        padded = np.stack([pad(image) for image in images])
        restored = self._restore(padded)
        return [np.ascontiguousarray(image[:height, :width]) for image in restored]

    def _restore(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 [N, H, W, 3] -> the same, in one forward. Sides are multiples of 8. The place to cut tiles for
        images that do not fit the memory: memory grows with H * W."""
        import torch

        device = self.hardware.device
        pixels = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).contiguous().float().div_(255)
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=self.dtype == "bfloat16"):
            levels = self._model(pixels).float().clamp(0, 1).mul(255).round().to(torch.uint8)
        result: NDArray[np.uint8] = levels.permute(0, 2, 3, 1).cpu().numpy()
        return result

    @cached_property
    def _model(self) -> Any:
        """The network on the device, ready to be called. Loaded on first use."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file
        from spandrel_extra_arches.architectures.Restormer import RestormerArch

        file = self._file
        arch = RestormerArch()
        try:
            state = load_file(file)
            if not arch.detect(state):
                raise MissingError(f"{file} does not hold a Restormer", self._help)
            found = arch.load(state)
        except (SafetensorError, RuntimeError, KeyError) as error:
            first = str(error).strip().splitlines()[0]
            raise MissingError(f"{file} does not hold a whole Restormer ({first})", self._help) from None
        if (found.input_channels, found.output_channels) != (3, 3):
            raise MissingError(f"{file} is a Restormer, but not for RGB images", self._help)
        return found.model.float().eval().to(self.hardware.device)

    @property
    def _file(self) -> Path:
        path = locate(self.weights).path
        files = [path] if path.is_file() else sorted(path.glob("*.safetensors"))
        if len(files) != 1:
            raise MissingError(f"{self.weights} has {len(files)} safetensors files, and has to have one", self._help)
        return files[0]

    @property
    def _help(self) -> str:
        tiny = self.weights.startswith("tiny://")
        return RESTORE if tiny else "give models.restormer a safetensors file of a Restormer, or tiny://restormer"


def pad(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 HWC -> the image, continued by reflection at the right and at the bottom to multiples of 8."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0)), mode="reflect")
