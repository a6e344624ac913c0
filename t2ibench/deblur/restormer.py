"""Restormer, a transformer that takes blur away (Zamir et al. 2022; IEIE 2026, section 3.1.3).

The architecture is spandrel_extra_arches'; its sizes are read from the weights, so the bundled Restormer and the
published ones load alike. The network halves the image three times, so sides are padded to a multiple of 8 by
reflection, and cropped back. Larger images are restored in overlapping tiles (tiles.py).

dtype: float32, or bfloat16 as autocast with the residual added in float32. Restormer is not safe in float16 (spandrel
does not support it there), so a float16 machine computes in float32.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from t2ibench.deblur import tiles
from t2ibench.errors import ConfigError, MissingError
from t2ibench.hardware import Hardware, repeatable
from t2ibench.weights import locate, remedy

MULTIPLE = 8
TILE, OVERLAP = 512, 64
"""Pixels; part of version 1 of the identity: an image that fits one tile does not depend on them."""


class Restormer:
    """Restores images with the Restormer in `weights`: a safetensors file, a folder that holds one, or the authors'
    own .pth file (`hub://restormer-motion`, `hub://restormer-defocus`).

    tile: the longest side of a forward; overlap: what neighbouring tiles share at least; both in pixels.
    Raises ConfigError for sizes that are no multiples of 8, or for an overlap of more than half a tile.
    """

    changes_pixels = True

    VERSION = 1
    """Goes up when what this engine makes changes: tests/regression/test_engines.py asks for it."""

    def __init__(
        self,
        weights: str,
        hardware: Hardware,
        tile: Annotated[int, Field(ge=16, multiple_of=MULTIPLE)] = TILE,
        overlap: Annotated[int, Field(ge=8, multiple_of=MULTIPLE)] = OVERLAP,
    ) -> None:
        self.weights, self.hardware, self.tile, self.overlap = weights, hardware, tile, overlap
        if tile < 16 or tile % MULTIPLE:
            raise ConfigError("deblur.restormer.tile", tile, "a multiple of 8 from 16, in pixels")
        if not 8 <= overlap <= tile // 2 or overlap % MULTIPLE:
            raise ConfigError("deblur.restormer.overlap", overlap, f"a multiple of 8 from 8 to {tile // 2} pixels")
        self.batch_size = hardware.batch_size["deblur"]
        self.dtype = "bfloat16" if hardware.dtype == "bfloat16" else "float32"

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the pixels, besides the image itself. Loads no model."""
        own = {"engine": "restormer", "version": self.VERSION, "weights": locate(self.weights).digest,
               "dtype": self.dtype}
        return own | ({} if (self.tile, self.overlap) == (TILE, OVERLAP) else {"tile": [self.tile, self.overlap]})

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        """images uint8 HWC RGB of one size -> restored images of that size.

        Raises MissingError where the weights are absent or not a Restormer for RGB.
        """
        height, width = images[0].shape[:2]
        padded = np.stack([pad(image) for image in images])
        restored = tiles.restore(padded, self._restore, self.tile, self.overlap).round().astype(np.uint8)
        return [np.ascontiguousarray(image[:height, :width]) for image in restored]

    def _restore(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [N, H, W, 3] -> float32 of that shape in [0, 255], in one forward. Sides are multiples of 8; memory
        grows with N * H * W."""
        import torch

        repeatable(self.hardware.device)
        device = self.hardware.device
        pixels = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).contiguous().float().div_(255)
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=self.dtype == "bfloat16"):
            levels = self._model(pixels).float().clamp(0, 1).mul(255)
        result: NDArray[np.float32] = levels.permute(0, 2, 3, 1).cpu().numpy()
        return result

    @cached_property
    def _model(self) -> Any:
        """The network on the device, ready to be called. Loaded on first use."""
        from safetensors import SafetensorError
        from spandrel_extra_arches.architectures.Restormer import RestormerArch

        file = self._file
        arch = RestormerArch()
        try:
            state = _state(file)
            if not arch.detect(state):
                raise MissingError(f"{file} does not hold a Restormer", self._help)
            found = arch.load(state)
        except (SafetensorError, UnpicklingError, RuntimeError, KeyError, EOFError) as error:
            first = (str(error).strip().splitlines() or ["it ends too soon"])[0]
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
        otherwise = "give models.restormer a safetensors or .pth file of a Restormer, a hub:// name, or tiny://restormer"
        return remedy(self.weights, otherwise)


def _state(file: Path) -> dict[str, Any]:
    """The network's state dict, of a safetensors file, or of a .pth file, whose pickle is read as tensors only."""
    import torch
    from safetensors.torch import load_file
    from spandrel import canonicalize_state_dict

    if file.suffix == ".safetensors":
        return dict(load_file(file))
    return dict(canonicalize_state_dict(torch.load(file, map_location="cpu", weights_only=True)))


def pad(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 HWC -> the image, continued by reflection at the right and at the bottom to multiples of 8."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0)), mode="reflect")
