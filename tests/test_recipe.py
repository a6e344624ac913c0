"""The recipe of the bundled models, from the first scene to exported weights, with a budget of seconds a part."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from t2ibench.hardware import Hardware
from t2ibench.images.sd import StableDiffusion
from t2ibench.records import file_digest, read_json
from t2ibench.tiny.recipe import (
    clip,
    data,
    decoder,
    diffusion,
    export,
    latents,
    restormer,
    seg,
    standin,
    tokenizer,
    vae,
    yolo,
)
from t2ibench.tiny.recipe.common import Options

PARTS = {"vae": vae.train, "decoder": decoder.train, "diffusion": diffusion.train, "standin": standin.train,
         "clip": clip.train, "yolo": yolo.train, "seg": seg.train, "restormer": restormer.train}
BEFORE = {"vae": (data.render, tokenizer.train), "decoder": (latents.encode,)}


def steps(options: Options, part: str) -> int:
    state = torch.load(options.out / part / "checkpoint.pt", map_location="cpu", weights_only=True)
    return int(state["step"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Options:
    folder = tmp_path_factory.mktemp("recipe")
    options = Options(out=folder / "out", weights=folder / "weights", minutes=0.03, threads=1, scenes=500, held_out=50)
    for part, train in PARTS.items():
        for prepare in BEFORE.get(part, ()):
            prepare(options)
        train(options)
    export.export(options)
    return options


@pytest.mark.slow
def test_every_part_trains_and_its_weights_are_exported_with_their_digests(trained: Options) -> None:
    assert all(steps(trained, part) > 0 for part in PARTS)
    digests = read_json(trained.weights / "digests.json")
    assert sorted(digests) == sorted(export.WRITERS)
    for name, files in digests.items():
        assert files == {file: file_digest(trained.weights / name / file) for file in files}


@pytest.mark.slow
def test_exported_weights_draw(trained: Options) -> None:
    hardware = Hardware(name="cpu", device="cpu", dtype="float32", batch_size={"images": 2})
    engine = StableDiffusion(weights=str(trained.weights / "sd"), steps=2, guidance=1.0, scheduler="dpmsolver++",
                             size=64, negative_prompt="", hardware=hardware)
    first, second = engine.draw([("a cat", 1), ("a cat", 2)])
    assert isinstance(first, np.ndarray) and isinstance(second, np.ndarray)
    assert first.shape == (64, 64, 3) and not np.array_equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["vae", "diffusion", "yolo"])
def test_a_larger_budget_goes_on_from_the_checkpoint_and_a_spent_one_is_done(trained: Options, part: str) -> None:
    before = steps(trained, part)
    PARTS[part](trained)
    assert steps(trained, part) == before
    PARTS[part](replace(trained, minutes=0.06))
    assert steps(trained, part) > before
