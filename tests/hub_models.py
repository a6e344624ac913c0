"""Small random models in the layouts in which the published ones lie on the hub and in releases."""

import json
from pathlib import Path
from typing import Any

import torch

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
TOKENS = 48


def _tokenizer() -> Any:
    from transformers import CLIPTokenizer

    return CLIPTokenizer(vocab={word: n for n, word in enumerate(WORDS)}, merges=[], model_max_length=TOKENS)


def _text(width: int, projected: bool) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    last = len(WORDS) - 1
    config = CLIPTextConfig(vocab_size=len(WORDS), hidden_size=width, intermediate_size=32, num_hidden_layers=2,
                            num_attention_heads=2, max_position_embeddings=TOKENS, projection_dim=width,
                            bos_token_id=last - 1, eos_token_id=last, pad_token_id=last)
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def _vae(latents: int = 4) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2,
                         up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4, latent_channels=latents,
                         scaling_factor=1.0, shift_factor=0.0)


def _unet(width: int, **more: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(sample_size=16, block_out_channels=(16, 32), cross_attention_dim=width,
                                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), layers_per_block=1,
                                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), norm_num_groups=4,
                                attention_head_dim=8, **more)


def write_sd(folder: Path) -> None:
    """Stable Diffusion v1.5's layout; like the hub's index it names a safety checker, which nobody downloads."""
    from diffusers import PNDMScheduler, StableDiffusionPipeline

    with torch.random.fork_rng():
        torch.manual_seed(0)
        StableDiffusionPipeline(
            vae=_vae(), text_encoder=_text(32, False), tokenizer=_tokenizer(), unet=_unet(32),
            scheduler=PNDMScheduler(skip_prk_steps=True, steps_offset=1), safety_checker=None, feature_extractor=None,
            requires_safety_checker=False,
        ).save_pretrained(folder)
    index = folder / "model_index.json"
    named = json.loads(index.read_text())
    named["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    named["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    index.write_text(json.dumps(named))


def write_full_size_sd(folder: Path) -> None:
    """Stable Diffusion v1.5 in its own sizes, 4.3 GB in float32."""
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    last = len(WORDS) - 1
    text = CLIPTextConfig(vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
                          num_attention_heads=12, max_position_embeddings=77, projection_dim=768,
                          bos_token_id=last - 1, eos_token_id=last, pad_token_id=last)
    crossing = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        StableDiffusionPipeline(
            vae=AutoencoderKL(block_out_channels=(128, 256, 512, 512), down_block_types=("DownEncoderBlock2D",) * 4,
                              up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=2, sample_size=512),
            text_encoder=CLIPTextModel(text),
            tokenizer=CLIPTokenizer(vocab={word: n for n, word in enumerate(WORDS)}, merges=[], model_max_length=77),
            unet=UNet2DConditionModel(sample_size=64, block_out_channels=(320, 640, 1280, 1280), layers_per_block=2,
                                      attention_head_dim=8, cross_attention_dim=768,
                                      down_block_types=(crossing[0],) * 3 + ("DownBlock2D",),
                                      up_block_types=("UpBlock2D",) + (crossing[1],) * 3),
            scheduler=PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                                    skip_prk_steps=True, steps_offset=1),
            safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        ).save_pretrained(folder)


def write_sdxl(folder: Path) -> None:
    """Stable Diffusion XL's layout, fp16 files only, as the catalogue takes them."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet = _unet(64, addition_embed_type="text_time", addition_time_embed_dim=8,
                     projection_class_embeddings_input_dim=6 * 8 + 32, use_linear_projection=True)
        StableDiffusionXLPipeline(
            vae=_vae(), text_encoder=_text(32, False), text_encoder_2=_text(32, True), tokenizer=_tokenizer(),
            tokenizer_2=_tokenizer(), unet=unet, scheduler=EulerDiscreteScheduler(), add_watermarker=False,
        ).save_pretrained(folder, variant="fp16")


def write_sd3(folder: Path) -> None:
    """Stable Diffusion 3.5's layout: three text encoders, a transformer, flow matching."""
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
    from transformers import T5Config, T5EncoderModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformer = SD3Transformer2DModel(sample_size=16, patch_size=1, in_channels=4, num_layers=1, out_channels=4,
                                            attention_head_dim=8, num_attention_heads=4, caption_projection_dim=32,
                                            joint_attention_dim=64, pooled_projection_dim=64)
        t5 = T5EncoderModel(T5Config(vocab_size=len(WORDS), d_model=64, d_ff=32, d_kv=8, num_layers=1, num_heads=2))
        StableDiffusion3Pipeline(
            vae=_vae(), text_encoder=_text(32, True), text_encoder_2=_text(32, True), text_encoder_3=t5,
            tokenizer=_tokenizer(), tokenizer_2=_tokenizer(), tokenizer_3=_tokenizer(), transformer=transformer,
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        ).save_pretrained(folder)


def write_openai_clip(folder: Path) -> None:
    """The layout of OpenAI's CLIPs: a config without a tokenizer, which open_clip brings."""
    import open_clip
    from safetensors.torch import save_file

    vision = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8}
    text = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    model = {"embed_dim": 16, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}
    prepare = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": prepare}))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = open_clip.CLIP(embed_dim=16, quick_gelu=True, vision_cfg=open_clip.CLIPVisionCfg(**vision),
                              text_cfg=open_clip.CLIPTextCfg(**text))
    state = {name: value.contiguous() for name, value in made.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")


def write_yolo_pt(file: Path, task: str, size: str = "n") -> None:
    """A checkpoint as ultralytics saves it. task: detect or segment; size: n to x."""
    from t2ibench.detector import quiet_ultralytics

    quiet_ultralytics()
    from random_models import coco_names
    from ultralytics.models import YOLO

    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = YOLO(f"yolov8{size}{'-seg' if task == 'segment' else ''}.yaml", verbose=False)
    made.model.names = dict(enumerate(coco_names()))
    made.save(file)


def write_restormer_pth(file: Path) -> None:
    """A checkpoint as Restormer's authors saved theirs: a pickle with the tensors under `params`."""
    from spandrel_extra_arches.architectures.Restormer import Restormer

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Restormer(dim=8, num_blocks=[1, 1, 1, 1], num_refinement_blocks=1, heads=[1, 2, 2, 2])
    torch.save({"params": model.state_dict()}, file)


def write_blip(folder: Path) -> None:
    """BLIP's layout, as a pickle of tensors, which is how the published one is kept."""
    from transformers import BlipConfig, BlipForConditionalGeneration

    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**small, "encoder_hidden_size": 16, "vocab_size": 64, "projection_dim": 16, "max_position_embeddings": 32,
            "bos_token_id": 1, "eos_token_id": 2, "sep_token_id": 2, "pad_token_id": 0}
    config = BlipConfig(text_config=text, vision_config={**small, "image_size": 32, "patch_size": 8}, projection_dim=16)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BlipForConditionalGeneration(config)
    model.config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")


def write_clip_l14(folder: Path) -> None:
    """OpenAI's CLIP ViT-L/14 in its own sizes, 1.7 GB in float32."""
    import open_clip
    from safetensors.torch import save_file

    model = {**open_clip.get_model_config("ViT-L-14"), "quick_gelu": True}
    prepare = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": prepare}))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = open_clip.CLIP(embed_dim=model["embed_dim"], quick_gelu=True,
                              vision_cfg=open_clip.CLIPVisionCfg(**model["vision_cfg"]),
                              text_cfg=open_clip.CLIPTextCfg(**model["text_cfg"]))
    state = {name: value.contiguous() for name, value in made.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")


def write_full_size_restormer(folder: Path) -> None:
    """Restormer in its own sizes, 0.1 GB."""
    from safetensors.torch import save_file
    from spandrel_extra_arches.architectures.Restormer import Restormer

    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Restormer()
    save_file(model.state_dict(), folder / "model.safetensors")
