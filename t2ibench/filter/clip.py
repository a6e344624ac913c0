"""Which class CLIP ranks first (IEIE 2026, section 3.1.2; CLIP score: Hessel et al. 2021, without its scale and clamp).

The cosine between an image and "a photo of a <class>" is taken for every class; the image is well generated where its
own class has the highest. Scale and clamp of the published score cannot change a ranking, except that the clamp would
tie all negative cosines. Images and texts are turned into features apart from each other, so that either can be stored.

Weights: a folder as open_clip writes it (`open_clip_config.json`, a safetensors file, and the tokenizer's files there
or in `tokenizer/`; OpenAI's CLIPs need none, open_clip brings their tokenizer). Computed in float32 on every machine:
what judges must not change with the GPU.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2ibench.errors import ConfigError, MissingError
from t2ibench.hardware import Hardware, repeatable
from t2ibench.records import digest
from t2ibench.weights import locate, remedy

SLOT = "{class_name}"


class ClipRanking:
    """Cosines between images and one text per class. template: holds `{class_name}` once."""

    VERSION = 2
    """Goes up when what this engine makes changes: tests/regression/test_engines.py asks for it."""

    def __init__(self, weights: str, template: str, classes: Sequence[str], hardware: Hardware) -> None:
        if template.count(SLOT) != 1 or set("{}") & set(template.replace(SLOT, "")):
            raise ConfigError("filter.clip.template", template, f"a text that holds {SLOT} once and no other braces")
        self.weights, self.template, self.classes, self.hardware = weights, template, tuple(classes), hardware
        self.batch_size = hardware.batch_size["filter"]

    @property
    def identity(self) -> dict[str, Any]:
        """What decides a feature, of an image as of a text. Loads no model."""
        return {"engine": "clip", "version": self.VERSION, "weights": locate(self.weights).digest, "dtype": "float32"}

    @property
    def texts(self) -> dict[str, str]:
        """{class: the text that stands for it}."""
        return {name: self.template.replace(SLOT, name) for name in self.classes}

    def key(self, text: str) -> str:
        """Under what a text's feature is stored."""
        return digest({"clip": self.identity, "text": text})

    def features(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """images uint8 HWC RGB of one size -> float32 [N, D], of length 1.

        Raises MissingError where the weights are absent, incomplete or not a CLIP.
        """
        import torch

        model, _ = self._model
        with torch.inference_mode():
            encoded = model.encode_image(self._pixels(images).to(self.hardware.device), normalize=True)
        return np.asarray(encoded.cpu().numpy(), np.float32)

    def _pixels(self, images: Sequence[NDArray[np.uint8]]) -> Any:
        """float32 [N, 3, H, W], the bits that the model's own preprocessing gives image by image: its fitting where an
        image has not the model's size, its arithmetic for all at once. On the processor: a GPU rounds another way."""
        import torch
        from PIL import Image
        from torchvision.transforms import Compose

        model, prepare = self._model
        *fit, _, normalize = prepare.transforms  # the last two: to a tensor in [0, 1]; by mean and standard deviation
        size = model.visual.preprocess_cfg["size"]
        if images[0].shape[:2] != ((size, size) if isinstance(size, int) else tuple(size)):
            images = [np.asarray(Compose(fit)(Image.fromarray(image))) for image in images]
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
        return normalize(pixels.to(torch.float32, memory_format=torch.contiguous_format).div_(255))

    def encode(self, text: str) -> NDArray[np.float32]:
        """float32 [D], of length 1. One text a forward, so that the other classes cannot change it."""
        import torch

        with torch.inference_mode():
            tokens = self._tokenizer([text]).to(self.hardware.device)
            encoded = self._model[0].encode_text(tokens, normalize=True)
        return np.asarray(encoded[0].cpu().numpy(), np.float32)

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[dict[str, float]]:
        """images uint8 HWC RGB of one size -> per image {class: cosine in [-1, 1]}. Raises as `features` does."""
        return rank(self.features(images), self._encoded)

    @cached_property
    def _encoded(self) -> dict[str, NDArray[np.float32]]:
        return {name: self.encode(text) for name, text in self.texts.items()}

    @property
    def _folder(self) -> Path:
        """The weights' folder, with all the parts that a CLIP needs."""
        folder = locate(self.weights).path
        for what in ("open_clip_config.json", "*.safetensors"):
            if not list(folder.glob(what)):
                raise MissingError(f"{self.weights} has no {what}", self._help)
        return folder

    @cached_property
    def _model(self) -> tuple[Any, Any]:
        """The model in float32 on the device, and its own preprocessing. Loaded on first use."""
        import open_clip
        from safetensors import SafetensorError

        folder = self._folder
        repeatable(self.hardware.device)
        try:
            model, prepare = open_clip.create_model_from_pretrained(
                f"local-dir:{folder}", precision="fp32", device=self.hardware.device
            )
            return model.eval(), prepare  # open_clip gives it in training mode, in which batch norms mix neighbours
        except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
            first = str(error).strip().splitlines()[0]
            raise MissingError(f"{self.weights} is not a CLIP that open_clip reads ({first})", self._help) from None

    @cached_property
    def _tokenizer(self) -> Any:
        import open_clip

        folder = self._folder
        try:
            if not (folder / "tokenizer").is_dir():
                return open_clip.get_tokenizer(f"local-dir:{folder}")
            config = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))
            text = config["model_cfg"]["text_cfg"]
            length, more = text.get("context_length", 77), text.get("tokenizer_kwargs", {})
            return open_clip.tokenizer.HFTokenizer(str(folder / "tokenizer"), context_length=length, **more)
        except (OSError, ValueError, KeyError) as error:
            first = str(error).strip().splitlines()[0]
            raise MissingError(f"{self.weights} has no tokenizer that loads ({first})", self._help) from None

    @property
    def _help(self) -> str:
        return remedy(self.weights, "give models.clip a folder that open_clip wrote, a hub:// name, or tiny://clip")


def rank(features: NDArray[np.float32], texts: Mapping[str, NDArray[np.float32]]) -> list[dict[str, float]]:
    """Image features float32 [N, D] and {class: text feature float32 [D]} -> per image {class: cosine in [-1, 1]}.

    In float64, so that how many images are ranked together changes no digit that is kept.
    """
    cosines = features.astype(np.float64) @ np.stack(list(texts.values())).T.astype(np.float64)
    return [dict(zip(texts, row, strict=True)) for row in cosines.clip(-1, 1).tolist()]
