"""Stable Diffusion on this machine, through diffusers' pipelines: 1.5, Turbo, XL, 3.5, whichever of these the weights'
folder names.

Source: Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models, CVPR 2022; classifier-free
guidance after Ho and Salimans, 2022; DPM-Solver++ after Lu et al., 2022.
Deviations: no safety checker (it blackens pictures silently), and a prompt that the text encoder cannot take whole is
refused where the pipeline would cut it.

Every forward has the same shape: a call is padded to the batch size, and each image has a CPU generator of its own.
A model's rounding depends on the batch's shape, and a sampler amplifies it into another picture.
"""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from types import TracebackType
from typing import Annotated, Any, Literal, Self, get_args

import numpy as np
from pydantic import Field

from t2ibench.errors import ConfigError
from t2ibench.hardware import Hardware, repeatable
from t2ibench.images import Made, Pixels, Refused, Request
from t2ibench.images.pipelines import Embedded, embed, load, scheduled, stacked
from t2ibench.weights import locate, remedy

Scheduler = Literal["ddim", "dpmsolver++", "euler", "heun", "pndm", "unipc"]


class StableDiffusion:
    """Draws with a checkpoint in diffusers' folder layout.

    weights: `tiny://…`, `hub://…` or a folder; steps: sampler steps; guidance: classifier-free guidance scale, 1 and
    below is none; size: height and width in pixels.
    Raises ConfigError for values that cannot be used.
    """

    VERSION = 1
    """Goes up when this file, or a diffusers release, changes pixels. diffusers' own version is not in the identity:
    requirements.lock pins it, and most releases change no pixel that would be worth paying for again."""

    def __init__(
        self,
        *,
        weights: str,
        steps: Annotated[int, Field(ge=1, le=1000)],
        guidance: Annotated[float, Field(ge=0, le=50)],
        scheduler: Scheduler,
        size: Annotated[int, Field(ge=8, multiple_of=8)],
        negative_prompt: str,
        hardware: Hardware,
    ) -> None:
        self.weights, self.steps, self.guidance, self.scheduler = weights, steps, float(guidance), scheduler
        self.size, self.negative_prompt, self.hardware = size, negative_prompt, hardware
        self.batch_size = hardware.batch_size.get("images", 0)
        self._check()

    def _check(self) -> None:
        if self.scheduler not in get_args(Scheduler):
            raise ConfigError("images.sd.scheduler", self.scheduler, ", ".join(get_args(Scheduler)))
        if not 1 <= self.steps <= 1000:
            raise ConfigError("images.sd.steps", self.steps, "an integer from 1 to 1000")
        if not 0 <= self.guidance <= 50:
            raise ConfigError("images.sd.guidance", self.guidance, "a number from 0 to 50")
        if self.size < 8 or self.size % 8:
            raise ConfigError("images.sd.size", self.size, "a multiple of 8, in pixels")
        if self.batch_size < 1:
            raise ConfigError("hardware.batch_size.images", self.batch_size, "an integer from 1")
        if self.hardware.device == "cpu" and self.hardware.dtype != "float32":
            raise ConfigError("hardware.dtype", self.hardware.dtype, "float32, where the device is cpu")
        if self.negative_prompt and self.guidance <= 1:
            raise ConfigError("images.sd.negative_prompt", self.negative_prompt, "empty, where guidance is 1 or less")

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the pixels but prompt and seed. Raises MissingError where the weights are not there."""
        return {
            "engine": "sd",
            "version": self.VERSION,
            "weights": locate(self.weights).digest,
            "steps": self.steps,
            "guidance": self.guidance,
            "scheduler": self.scheduler,
            "size": self.size,
            "negative_prompt": self.negative_prompt,
            "dtype": self.hardware.dtype,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __call__(self, requests: Sequence[Request]) -> list[Made | Refused]:
        """Answers up to `batch_size` requests; a prompt that cannot be drawn whole is Refused."""
        drawn = self.draw([(request.prompt_text, request.seed) for request in requests])
        return [answer if isinstance(answer, Refused) else Made(answer) for answer in drawn]

    def draw(self, pairs: Sequence[tuple[str, int]]) -> list[Pixels | Refused]:
        """An image (uint8 [size, size, 3]) or a refusal for each (prompt, seed), at most `batch_size` of them.

        Raises ValueError for more; MissingError where the weights cannot be read.
        """
        if len(pairs) > self.batch_size:
            raise ValueError(f"{len(pairs)} requests do not fit a batch of {self.batch_size}")
        reasons = [self._objection(prompt) for prompt, _ in pairs]
        if all(reasons):
            return [Refused(reason, 0) for reason in reasons]
        blank = [("", 0)] * (self.batch_size - len(pairs))
        usable = [("", 0) if reason else pair for pair, reason in zip(pairs, reasons, strict=True)]
        images = self._sample([*usable, *blank])
        return [
            Refused(reason, 0) if reason else self._pixels(image)
            for reason, image in zip(reasons, images[: len(pairs)], strict=True)
        ]

    def load(self) -> None:
        """Loads the model now rather than on first use. Raises MissingError where it cannot be read."""
        self._pipeline  # noqa: B018

    def _objection(self, prompt: str) -> str:
        """Why a prompt cannot be drawn; empty where it can."""
        if not prompt.strip():
            return "the prompt is empty"
        tokens, limit = self._count(prompt)
        if tokens > limit:
            return f"the prompt has {tokens} tokens (start and end included); the text encoder takes {limit}"
        return ""

    def _count(self, prompt: str) -> tuple[int, int]:
        """A prompt's tokens, and how many the text encoder takes; start and end tokens are counted in both."""
        pipeline = self._pipeline
        limit = min(pipeline.tokenizer.model_max_length, pipeline.text_encoder.config.max_position_embeddings)
        return len(pipeline.tokenizer(prompt, truncation=False, verbose=False).input_ids), limit

    def _sample(self, pairs: Sequence[tuple[str, int]]) -> Any:
        """float32 [batch_size, size, size, 3] in [0, 1], NaN where the model failed."""
        import torch

        null = self._embed(self.negative_prompt) if self.guidance > 1 else None
        with torch.inference_mode():  # the pipeline asks for no gradients only: the same bits, with less bookkeeping
            return self._pipeline(
                **stacked([self._embed(prompt) for prompt, _ in pairs], null),
                num_inference_steps=self.steps,
                guidance_scale=self.guidance,
                generator=[torch.Generator("cpu").manual_seed(seed) for _, seed in pairs],
                height=self.size,
                width=self.size,
                output_type="np",
            ).images

    def _pixels(self, image: Any) -> Pixels | Refused:
        if not np.isfinite(image).all():  # diffusers would cast it to a black picture
            return Refused("the model gave values that are not finite (a black picture)", 1)
        return np.asarray((image * 255).round().astype(np.uint8))

    @cached_property
    def _embed(self) -> Any:
        """Prompt -> its text embedding, one prompt a forward, remembered.

        Images come sorted by prompt, so that a short memory meets each distinct prompt once.
        """

        def encode(prompt: str) -> Embedded:
            return embed(self._pipeline, prompt, self.hardware.device)

        return lru_cache(maxsize=256)(encode)

    @cached_property
    def _pipeline(self) -> Any:
        import torch

        help = remedy(self.weights, "give images.sd.weights a folder in diffusers' layout, a hub:// name, or tiny://sd")
        pipeline = load(locate(self.weights).path, getattr(torch, self.hardware.dtype), help)
        pipeline.scheduler = scheduled(pipeline.scheduler, self.scheduler)
        pipeline.set_progress_bar_config(disable=True)
        repeatable(self.hardware.device)
        self.__dict__["_pipeline"] = pipeline.to(self.hardware.device)
        network = getattr(pipeline, "unet", None) or pipeline.transformer
        if self.hardware.channels_last:
            for part in (network, pipeline.vae):
                part.to(memory_format=torch.channels_last)
        if self.hardware.compile:  # batches have one shape
            network.compile(dynamic=False)
        tokens, limit = self._count(self.negative_prompt)
        if tokens > limit:
            del self.__dict__["_pipeline"]
            raise ConfigError(
                "images.sd.negative_prompt", self.negative_prompt, f"at most {limit} tokens, not {tokens}"
            )
        return pipeline
