"""The generator: a small UNet for 16 x 16 latents, a two-layer CLIP text encoder, and the pipeline around both."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from t2ibench.tiny.recipe import common, tokenizer
from t2ibench.tiny.recipe.common import Options
from t2ibench.tiny.recipe.training import Ema

TEXT_WIDTH = 128


@dataclass
class Networks:
    """The two networks that are trained, the tokenizer, and the tokens of the empty prompt."""

    unet: Any
    text: Any
    words: Any
    empty: Tensor


def build_unet(channels: tuple[int, ...], latent_channels: int) -> Any:
    """A UNet for 16 x 16 latents; attention at 8 x 8 and in the middle (4 x 4) only.

    Attention at 16 x 16 costs more time than it is worth here: measured in samples a second.
    """
    from diffusers import UNet2DConditionModel
    from diffusers.models.attention_processor import AttnProcessor

    unet = UNet2DConditionModel(
        sample_size=16, in_channels=latent_channels, out_channels=latent_channels,
        block_out_channels=channels, layers_per_block=1, norm_num_groups=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,  # in diffusers this is the number of heads
        cross_attention_dim=TEXT_WIDTH,
    )
    if not torch.cuda.is_available():
        unet.set_attn_processor(AttnProcessor())  # faster than SDPA when training on a CPU
    return unet


def build_text(words: Any) -> Any:
    """A two-layer CLIP text encoder for our tokenizer."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words), hidden_size=TEXT_WIDTH, intermediate_size=4 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=tokenizer.LENGTH, bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id,
        )
    )


def build(options: Options, latent_channels: int, channels: tuple[int, ...]) -> Networks:
    """Fresh networks with the saved tokenizer."""
    words = tokenizer.read(options.out / "tokenizer")
    empty = torch.from_numpy(tokenizer.encode(words, [""])[0].astype(np.int64))
    return Networks(build_unet(channels, latent_channels), build_text(words), words, empty)


def schedule() -> dict[str, Any]:
    """The settings that the noise schedule and every sampler share."""
    return {
        "num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2",
        "prediction_type": "v_prediction", "steps_offset": 1,
    }


def pipeline(networks: Networks, autoencoder: Any) -> Any:
    """A plain StableDiffusionPipeline with DPM-Solver++ around the networks."""
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    pipe = StableDiffusionPipeline(
        vae=autoencoder, text_encoder=networks.text, tokenizer=networks.words, unet=networks.unet,
        scheduler=DPMSolverMultistepScheduler(**schedule(), timestep_spacing="trailing"),
        safety_checker=None, feature_extractor=None, image_encoder=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def load(options: Options, part: str = "diffusion") -> Networks:
    """The trained networks with averaged weights, for sampling."""
    state = common.load_checkpoint(
        options.out / part / "checkpoint.pt", f"python -m t2ibench.tiny.recipe {part}"
    )
    networks = build(options, int(state["latent_channels"]), tuple(state["channels"]))
    ema = Ema([networks.unet, networks.text], 0.0)
    ema.load_state_dict(state["ema"])
    ema.swap()
    networks.unet.eval().requires_grad_(False)
    networks.text.eval().requires_grad_(False)
    return networks
