"""Writes the trained models as the pipeline reads them: half precision, `t2ibench/tiny/weights/<name>/`.

A part without a checkpoint stays as it is. `digests.json` records the sha256 of every file; `t2ibench.weights`
verifies it before anything is computed. The same checkpoints give the same bytes.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from t2ibench.records import file_digest, write_json
from t2ibench.tiny.recipe.common import Options

HALVED_FROM = 2  # dimensions: matrices and kernels are halved, vectors and numbers stay float32


def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict whose matrices and kernels are float16, contiguous and on the processor."""
    return {
        key: (value.half() if value.is_floating_point() and value.ndim >= HALVED_FROM else value).cpu().contiguous()
        for key, value in state.items()
    }


def write_state(model: nn.Module, path: Path) -> None:
    """The halved state of a model as safetensors."""
    from safetensors.torch import save_file

    save_file(halved(model.state_dict()), path)


def write_pipeline(options: Options, part: str, folder: Path) -> None:
    """A whole StableDiffusionPipeline folder of `diffusion` or `standin`."""
    from t2ibench.tiny.recipe import networks, vae

    pipe = networks.pipeline(networks.load(options, part), vae.load(options))
    for module in (pipe.unet, pipe.text_encoder, pipe.vae):
        module.to(torch.float16)
    pipe.save_pretrained(str(folder), safe_serialization=True)


def write_sd(options: Options, folder: Path) -> None:
    """The generator."""
    write_pipeline(options, "diffusion", folder)


def write_standin(options: Options, folder: Path) -> None:
    """The stand-in for a second generator."""
    write_pipeline(options, "standin", folder)


def write_clip(options: Options, folder: Path) -> None:
    """A folder as open_clip writes it, with the tokenizer."""
    from t2ibench.tiny.recipe import clip

    write_state(clip.load(options), folder / "open_clip_model.safetensors")
    write_json(folder / "open_clip_config.json", clip.config())
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(options.out / "tokenizer" / name, folder / name)


def write_yolo(options: Options, folder: Path) -> None:
    """The detector's state and its 80 names."""
    from t2ibench.tiny.recipe import yolo

    write_state(yolo.load(options), folder / "yolov8n.safetensors")
    write_json(folder / "names.json", {str(number): name for number, name in yolo.coco_names().items()})


def write_seg(options: Options, folder: Path) -> None:
    """The segmenter's mask layers: the rest is the detector, and `seg.join` puts them together."""
    from t2ibench.tiny.recipe import seg

    write_state(seg.load(options), folder / "yolov8n-seg-masks.safetensors")


def write_restormer(options: Options, folder: Path) -> None:
    """The restorer's state."""
    from t2ibench.tiny.recipe import restormer

    write_state(restormer.load(options), folder / "restormer.safetensors")


# name of the weights: (part whose checkpoint they are made of, writer)
WRITERS: dict[str, tuple[str, Callable[[Options, Path], None]]] = {
    "sd": ("diffusion", write_sd),
    "standin": ("standin", write_standin),
    "clip": ("clip", write_clip),
    "yolo": ("yolo", write_yolo),
    "yolo-seg": ("seg", write_seg),
    "restormer": ("restormer", write_restormer),
}


def files_of(folder: Path) -> list[Path]:
    """All files below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def export(options: Options) -> None:
    """Write what was trained, then the digests of all weights, and print their sizes."""
    root = options.weights
    root.mkdir(parents=True, exist_ok=True)
    for name, (part, write) in WRITERS.items():
        if not (options.out / part / "checkpoint.pt").exists():
            print(f"export: {part} has no checkpoint; {name} stays as it is", flush=True)
            continue
        fresh = root / f".{name}.tmp"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        write(options, fresh)
        if (root / name).exists():
            shutil.rmtree(root / name)
        os.replace(fresh, root / name)
    digests, total = {}, 0
    for name in sorted(WRITERS):
        files = files_of(root / name)
        if not files:
            continue
        digests[name] = {path.relative_to(root / name).as_posix(): file_digest(path) for path in files}
        size = sum(path.stat().st_size for path in files)
        total += size
        print(f"export: {name:10} {size / 1e6:6.2f} MB in {len(files)} files", flush=True)
    print(f"export: {'together':10} {total / 1e6:6.2f} MB", flush=True)
    write_json(root / "digests.json", digests)
