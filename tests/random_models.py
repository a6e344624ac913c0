"""Untrained models on disk, in the formats of the bundled ones, for tests that need no sense, only arithmetic."""

import json
import string
from pathlib import Path

import numpy as np
import torch

from t2ibench.hardware import Hardware

CPU = Hardware(
    name="test", device="cpu", dtype="float32", threads=1, batch_size={"filter": 4, "deblur": 4, "evaluate": 4}
)


def noise(seed: int, height: int = 64, width: int = 64) -> np.ndarray:
    """A picture of coloured blocks, uint8 [height, width, 3]: every channel is different."""
    blocks = np.random.default_rng(seed).integers(0, 256, (-(-height // 8), -(-width // 8), 3), dtype=np.uint8)
    return blocks.repeat(8, axis=0).repeat(8, axis=1)[:height, :width].copy()


def coco_names() -> list[str]:
    """COCO's 80 class names, from ultralytics' own list."""
    from t2ibench import detector

    detector.quiet_ultralytics()
    from ultralytics.cfg import ROOT
    from ultralytics.utils import YAML

    return list(YAML.load(ROOT / "cfg" / "datasets" / "coco.yaml")["names"].values())


def write_yolo(folder: Path, names: list[str] | None = None) -> str:
    """A YOLOv8n whose class scores differ from place to place and picture to picture. Returns its weights key."""
    from safetensors.torch import save_file

    from t2ibench import detector

    detector.quiet_ultralytics()
    from ultralytics.nn.tasks import DetectionModel

    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = DetectionModel("yolov8n.yaml", verbose=False)
        norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = 1.0
        with torch.no_grad():  # one pass sets the statistics, so that the picture reaches the scores
            model.train()(torch.from_numpy(np.stack([noise(n) for n in range(16)])).permute(0, 3, 1, 2) / 255)
        state = model.state_dict()
        for name, value in state.items():
            if name.startswith("model.22.cv3") and name.endswith(".2.weight"):
                value.normal_(0, 0.2)
            if name.startswith("model.22.cv3") and name.endswith(".2.bias"):
                value.fill_(-3)
    save_file(state, folder / "model.safetensors")
    listed = coco_names() if names is None else names
    (folder / "names.json").write_text(json.dumps(dict(enumerate(listed))), encoding="utf-8")
    return str(folder)


def write_clip(folder: Path) -> str:
    """A CLIP of one layer a tower with a tokenizer of single letters. Returns its weights key."""
    import open_clip
    from safetensors.torch import save_file
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True)
    letters = string.ascii_lowercase
    words = ["<|pad|>", *letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[], pad_token="<|pad|>", model_max_length=32)
    tokenizer.save_pretrained(str(folder))
    text = {"context_length": 32, "vocab_size": len(words), "width": 32, "heads": 2, "layers": 1}
    model = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": text | {"hf_tokenizer_name": "tokenizer"},
    }
    prepare = {"mean": [0.5, 0.4, 0.3], "std": [0.25, 0.25, 0.25]}
    config = {"model_cfg": model, "preprocess_cfg": prepare}
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = open_clip.CLIP(
            embed_dim=32,
            vision_cfg=open_clip.CLIPVisionCfg(**model["vision_cfg"]),
            text_cfg=open_clip.CLIPTextCfg(**model["text_cfg"]),
        )
    save_file({name: value.contiguous() for name, value in made.state_dict().items()}, folder / "model.safetensors")
    return str(folder)


def write_restormer(folder: Path) -> str:
    """A Restormer of one block a level. Returns its weights key."""
    from safetensors.torch import save_file
    from spandrel_extra_arches.architectures.Restormer import Restormer

    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Restormer(dim=8, num_blocks=[1, 1, 1, 1], num_refinement_blocks=1, heads=[1, 2, 2, 2])
    save_file(model.state_dict(), folder / "model.safetensors")
    return str(folder)
