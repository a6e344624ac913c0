"""`python -m t2ibench.tiny.recipe <part>`: train one of the bundled models, or with `all` every one in order."""

import argparse
import importlib
import os
import sys
from dataclasses import replace
from pathlib import Path

# Waiting threads that spin slow a shared machine by a factor of ten. libgomp reads this when torch
# is first imported, so it comes before.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

from t2ibench.errors import one_sentence
from t2ibench.tiny.recipe.common import Options

# part: (module, function, default minutes)
PARTS = {
    "scenes": ("data", "render", 0.0),
    "tokenizer": ("tokenizer", "train", 0.0),
    "vae": ("vae", "train", 25.0),
    "latents": ("latents", "encode", 0.0),
    "decoder": ("decoder", "train", 20.0),
    "transfer": ("transfer", "start", 0.0),
    "diffusion": ("diffusion", "train", 180.0),
    "standin": ("standin", "train", 30.0),
    "clip": ("clip", "train", 15.0),
    "yolo": ("yolo", "train", 10.0),
    "seg": ("seg", "train", 5.0),
    "restormer": ("restormer", "train", 15.0),
    "export": ("export", "export", 0.0),
}
ALL = "all"
OPTIONAL = ("transfer",)  # `all` starts from nothing


def parse(arguments: list[str]) -> list[tuple[str, Options]]:
    """The parts to run, each with its options."""
    parser = argparse.ArgumentParser(prog="python -m t2ibench.tiny.recipe", description=__doc__)
    parser.add_argument("part", choices=[*PARTS, ALL])
    parser.add_argument("--minutes", type=float, help="budget of running time, over resumptions")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(".cache/tiny"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=40_000, help="training scenes to render")
    parser.add_argument("--held-out", type=int, default=1_000, help="held-out scenes to render")
    parser.add_argument("--captions", type=Path, help="COCO captions JSON for the tokenizer")
    parser.add_argument("--latent-channels", type=int, default=8, choices=(4, 6, 8))
    parser.add_argument("--unet", default="64,96,128", help="UNet channels at 16, 8 and 4 pixels")
    parser.add_argument("--grid-minutes", type=float, default=10.0)
    parser.add_argument("--start", type=Path, help="transfer: the folder of the training to start from")
    given = parser.parse_args(arguments)
    if given.part == ALL and given.minutes is not None:
        parser.error("--minutes is the budget of one part; with `all` every part has its own")
    options = Options(
        out=given.out, minutes=0.0, threads=given.threads, seed=given.seed,
        scenes=given.scenes, held_out=given.held_out, captions=given.captions,
        latent_channels=given.latent_channels, grid_minutes=given.grid_minutes, start=given.start,
        unet=tuple(int(width) for width in given.unet.split(",")),
    )
    return [
        (part, replace(options, minutes=PARTS[part][2] if given.minutes is None else given.minutes))
        for part in ([name for name in PARTS if name not in OPTIONAL] if given.part == ALL else [given.part])
    ]


def main() -> None:
    """Run the parts; a user's error is one sentence and exit code 2."""
    with one_sentence():
        for part, options in parse(sys.argv[1:]):
            module, function, _ = PARTS[part]
            getattr(importlib.import_module(f"t2ibench.tiny.recipe.{module}"), function)(options)


if __name__ == "__main__":
    main()
