"""Which diffusers pipelines the engine `sd` drives, and in what they differ: parts, text embeddings, schedulers.

Stable Diffusion 1.5 and Turbo have one text encoder and one embedding a prompt. XL has two encoders and 3.5 three, and
both a pooled embedding beside the sequence; 3.5 samples by flow matching (Esser et al., 2024), so it takes other
schedulers.
"""

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from t2ibench.errors import ConfigError, MissingError

UNUSED = ("safety_checker", "feature_extractor", "image_encoder")
"""Parts that a folder may name and lack: the engine does without them."""

SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "dpmsolver++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "euler": ("EulerDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "unipc": ("UniPCMultistepScheduler", {}),
}
"""Scheduler name: diffusers' class and what overrides the checkpoint's own configuration."""

FLOW_SCHEDULERS = {
    "euler": "FlowMatchEulerDiscreteScheduler",
    "heun": "FlowMatchHeunDiscreteScheduler",
}
"""The same for pipelines that sample by flow matching."""

KNOWN = ("StableDiffusionPipeline", "StableDiffusionXLPipeline", "StableDiffusion3Pipeline")
"""diffusers' classes that are taken as a folder names them. AutoPipelineForText2Image, which finds the one for any
other folder, imports every pipeline that it knows: a sixth of the start of a process that draws."""


class Embedded(NamedTuple):
    """A prompt's embedding. sequence: tensor [1, tokens, width]; pooled: [1, width], None for pipelines without one."""

    sequence: Any
    pooled: Any

    @property
    def zeros(self) -> "Embedded":
        """An embedding of this shape, all zeros."""
        return Embedded(self.sequence * 0, None if self.pooled is None else self.pooled * 0)


def embed(pipeline: Any, prompt: str, device: str) -> Embedded:
    """A prompt's embedding, in one forward of each text encoder.

    An empty prompt is zeros where the checkpoint asks for it (XL does), as in the pipeline's own call.
    """
    import torch

    further = {"prompt_2": None, "prompt_3": None}
    takes = inspect.signature(pipeline.encode_prompt).parameters
    with torch.no_grad():
        made = pipeline.encode_prompt(
            prompt=prompt,
            device=device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=False,
            **{name: value for name, value in further.items() if name in takes},
        )
    found = Embedded(made[0], made[2] if len(made) > 2 else None)
    return found.zeros if not prompt and pipeline.config.get("force_zeros_for_empty_prompt") else found


def stacked(prompts: Sequence[Embedded], negative: Embedded | None) -> dict[str, Any]:
    """The pipeline's arguments for a batch of prompts; negative: of all of them, None without guidance."""
    import torch

    given: dict[str, Any] = {
        "prompt_embeds": torch.cat([prompt.sequence for prompt in prompts]),
        "negative_prompt_embeds": None if negative is None else negative.sequence.repeat(len(prompts), 1, 1),
    }
    if prompts[0].pooled is not None:
        given["pooled_prompt_embeds"] = torch.cat([prompt.pooled for prompt in prompts])
        given["negative_pooled_prompt_embeds"] = None if negative is None else negative.pooled.repeat(len(prompts), 1)
    return given


def scheduled(own: Any, name: str) -> Any:
    """The scheduler of that name, configured as the checkpoint's own is.

    Raises ConfigError where the checkpoint samples by flow matching and the name has no such scheduler.
    """
    import diffusers

    if not type(own).__name__.startswith("FlowMatch"):
        kind, overrides = SCHEDULERS[name]
        return getattr(diffusers, kind).from_config(own.config, **overrides)
    if name not in FLOW_SCHEDULERS:
        accepted = ", ".join(FLOW_SCHEDULERS) + ": these weights sample by flow matching"
        raise ConfigError("images.sd.scheduler", name, accepted)
    return getattr(diffusers, FLOW_SCHEDULERS[name]).from_config(own.config)


def load(path: Path, dtype: Any, help: str) -> Any:
    """A pipeline from a folder. help: what mends the folder.

    Raises MissingError where the folder lacks a part or a part cannot be read.
    """
    import diffusers
    from diffusers.utils import logging as diffusers_logging
    from safetensors import SafetensorError
    from transformers.utils import logging as transformers_logging

    index = _index(path, help)
    parts = _parts(index, path, help)
    kind = index.get("_class_name")
    pipelines = cast(Any, getattr(diffusers, kind if kind in KNOWN else "AutoPipelineForText2Image"))
    for logging in (diffusers_logging, transformers_logging):
        logging.disable_progress_bar()
    without: dict[str, Any] = {part: None for part in UNUSED if part in parts}
    if "safety_checker" in parts:
        without["requires_safety_checker"] = False
    try:
        return pipelines.from_pretrained(
            path,
            dtype=dtype,
            variant=_variant(path),
            use_safetensors=True,
            local_files_only=True,
            **without,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        named = ", ".join(part for part in parts if part not in UNUSED)
        raise MissingError(f"the weights in {path} ({named}) cannot be read: {reason}", help) from error


def _variant(path: Path) -> str | None:
    """`fp16` where the folder holds the network's weights in that form only."""
    files = [path / part / "diffusion_pytorch_model.safetensors" for part in ("unet", "transformer")]
    return None if any(file.is_file() for file in files) else "fp16"


def _index(path: Path, help: str) -> dict[str, Any]:
    """The folder's model_index.json: its pipeline's class and parts. Raises MissingError where it cannot be read."""
    index = path / "model_index.json"
    try:
        return dict(json.loads(index.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise MissingError(f"{index} is missing or damaged ({type(error).__name__})", help) from None


def _parts(index: dict[str, Any], path: Path, help: str) -> list[str]:
    """The parts that a pipeline names. Raises MissingError where one has no folder."""
    parts = sorted(key for key, value in index.items() if isinstance(value, list) and value)
    filled = [part for part in parts if index[part][0] is not None]
    for part in filled:
        if part not in UNUSED and not (path / part).is_dir():
            raise MissingError(f"the weights in {path} lack the folder {part}", help)
    return [part for part in parts if part in filled or part in UNUSED]
