"""models=hub: the published models' layouts run through every engine, from the download to the mask."""

import json
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hub_server import Repository, read_folder, sha256
from hub_workspace import ROOT, Workspace, pinned, workspace, zipped
from random_models import CPU, noise

from t2ibench import weights
from t2ibench.errors import ConfigError, MissingError
from t2ibench.hub import catalogue
from t2ibench.records import write_json


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    with workspace(tmp_path, monkeypatch) as found:
        yield found


def params_of_hub(folder: Path) -> Any:
    from t2ibench.harness import config
    from t2ibench.harness.params import write

    folder.mkdir(exist_ok=True)
    write(folder / "params.yaml", ["models=hub"], conf=ROOT / "conf")
    return config.load(["images.sd.size=64", "images.sd.steps=2", "prompts.coco.per_class=1"], folder=folder)


ENGINES = [("images", "sd"), ("filter", "clip"), ("filter", "people"), ("deblur", "restormer"),
           ("evaluate", "yolov8"), ("evaluate", "segment")]


@pytest.mark.parametrize(("stage", "name"), ENGINES)
def test_each_engine_of_models_hub_is_built_up_to_the_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, name: str
) -> None:
    from t2ibench.harness import config

    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    weights.locate.cache_clear()
    params = params_of_hub(tmp_path)
    engine = config.build(getattr(params, stage)[name], f"{stage}.{name}", params)
    with pytest.raises(MissingError, match=r"hub://.* has not been fetched; this helps: make fetch"):
        engine.identity  # noqa: B018


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """Small random models in the published ones' layouts, and two captions: {name in the catalogue: files}."""
    import hub_models as models

    made = tmp_path_factory.mktemp("published")
    models.write_sd(made / "sd15")
    models.write_openai_clip(made / "clip-b32")
    for name, task in (("yolov8x", "detect"), ("yolov8x-seg", "segment")):
        (made / name).mkdir()
        models.write_yolo_pt(made / name / f"{name}.pt", task)
    (made / "restormer-motion").mkdir()
    models.write_restormer_pth(made / "restormer-motion" / "motion_deblurring.pth")
    for number, (part, text) in enumerate((("train", "A cat sits in the snow."), ("val", "A dog runs on the sand."))):
        path = made / f"coco-captions/annotations/captions_{part}2017.json"
        said = [{"id": number, "image_id": number, "caption": text}]
        write_json(path, {"images": [{"id": number}], "annotations": said})
    return {folder.name: read_folder(folder) for folder in made.iterdir()}


def catalogue_of(work: Workspace, published: dict[str, dict[str, bytes]]) -> dict[str, Any]:
    """The committed catalogue's entries, their files and sources replaced by the small ones."""
    committed = yaml.safe_load(catalogue.BUNDLED.read_text())
    found = {}
    for name, files in published.items():
        body = {**committed[name], "files": pinned(files), "include": [], "verified": True}
        if "archive" in body:
            packed, archive = zipped(files), body["archive"]["name"]
            work.hub.releases[archive] = packed
            body |= {"archive": {"name": archive, "size": len(packed), "sha256": sha256(packed)},
                     "files": dict.fromkeys(files), "sources": [{"release": f"{work.url}/releases"}], "verified": False}
        elif "release" in body["sources"][0]:
            work.hub.releases |= files
            body["sources"] = [{"release": f"{work.url}/releases"}]
        else:
            repository = body["sources"][0]["repository"]
            work.hub.repositories[repository] = Repository(files, body["sources"][0]["revision"])
        found[name] = body
    return found


def test_models_hub_runs_from_prompt_to_mask_with_the_network_cut(
    work: Workspace, published: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    from t2ibench.harness import config
    from t2ibench.images import Request

    work.write(catalogue_of(work, published))
    params = replace_batches(params_of_hub(tmp_path))
    code, said = work.run("fetch")
    assert code == 0, said
    work.hub.__exit__(None, None, None)
    try:
        engines = {name: config.build(getattr(params, stage)[name], f"{stage}.{name}", params)
                   for stage, name in ENGINES}
        captions = config.build(params.prompts["coco"], "prompts.coco", params)(["cat", "dog"], seed=0).prompts
        assert [one.text for one in captions] == ["A cat sits in the snow.", "A dog runs on the sand."]
        answers = engines["sd"]([Request(one.id, one.text, number) for number, one in enumerate(captions)])
        images = [answer.image for answer in answers]
        assert [image.shape for image in images] == [(64, 64, 3)] * 2 and (images[0] != images[1]).any()
        for engine in engines.values():
            assert "digest" not in str(engine.identity) and len(engine.identity["weights"]) == 64
        scores = engines["clip"](images)
        assert all(-1 <= score <= 1 for row in scores for score in row.values())
        assert [len(row) for row in scores] == [10, 10]
        assert all(0 <= found <= 1 for found in engines["people"](images))
        restored = engines["restormer"](images)
        assert [image.shape for image in restored] == [(64, 64, 3)] * 2
        assert len(engines["yolov8"](images)) == len(engines["segment"](images)) == 2
    finally:
        work.hub.__enter__()


def replace_batches(params: Any) -> Any:
    """The same parameters, two images a forward."""
    sizes = dict.fromkeys(params.hardware.batch_size, 2)
    return params.model_copy(update={"hardware": replace(params.hardware, batch_size=sizes)})


@pytest.mark.parametrize(("builder", "scheduler"), [("write_sdxl", "dpmsolver++"), ("write_sd3", "euler")])
@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_the_engine_draws_with_xl_and_with_35(tmp_path: Path, builder: str, scheduler: str, guidance: float) -> None:
    import hub_models as models

    from t2ibench.images import Made, Request
    from t2ibench.images.sd import StableDiffusion

    getattr(models, builder)(tmp_path / "model")
    hardware = replace(CPU, batch_size={"images": 2})
    settings: dict[str, Any] = {"steps": 2, "guidance": guidance, "size": 32, "negative_prompt": ""}
    engine = StableDiffusion(weights=str(tmp_path / "model"), scheduler=scheduler, hardware=hardware, **settings)
    first, second = Request("a", "a cat", 1), Request("b", "a dog", 2)
    both, alone = engine([first, second]), engine([first])
    assert all(isinstance(answer, Made) for answer in both)
    assert np.array_equal(both[0].image, alone[0].image), "neighbours do not change an image"
    assert (both[0].image != both[1].image).any()


def test_a_scheduler_that_flow_matching_has_not_is_refused_with_those_it_has(tmp_path: Path) -> None:
    import hub_models as models

    from t2ibench.images.sd import StableDiffusion

    models.write_sd3(tmp_path / "model")
    settings: dict[str, Any] = {"steps": 2, "guidance": 1.0, "size": 32, "negative_prompt": ""}
    hardware = replace(CPU, batch_size={"images": 1})
    engine = StableDiffusion(weights=str(tmp_path / "model"), scheduler="ddim", hardware=hardware, **settings)
    with pytest.raises(ConfigError, match=r"images\.sd\.scheduler: 'ddim'.*euler, heun.*flow matching"):
        engine.load()


def test_blips_layout_is_what_transformers_reads(tmp_path: Path) -> None:
    import hub_models as models
    import torch
    from transformers import AutoModelForImageTextToText

    models.write_blip(tmp_path / "blip")
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "blip", local_files_only=True)
    drawn = model.generate(pixel_values=torch.zeros(1, 3, 32, 32), max_new_tokens=3)
    assert drawn.shape[0] == 1


def test_a_pickle_that_would_run_code_is_not_read_as_a_restormer(tmp_path: Path) -> None:
    import pickle

    from t2ibench.deblur.restormer import Restormer

    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"params": Evil()}))
    with pytest.raises(MissingError, match="does not hold a whole Restormer"):
        Restormer(str(tmp_path / "evil.pth"), CPU)([noise(0)])
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_stable_diffusion_of_full_size_makes_a_picture_on_a_processor(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Random weights of v1.5's own sizes: 1.07 thousand million numbers, 512 x 512, two steps; 6 GB and minutes."""
    import shutil

    import hub_models as models

    from t2ibench.images import Made, Request
    from t2ibench.images.sd import StableDiffusion

    models.write_full_size_sd(tmp_path / "sd15")
    hardware = replace(CPU, batch_size={"images": 1})
    engine = StableDiffusion(weights=str(tmp_path / "sd15"), steps=2, guidance=7.5, scheduler="dpmsolver++", size=512,
                             negative_prompt="", hardware=hardware)
    start = time.perf_counter()
    (answer,) = engine([Request("a", "a cat in snow", 1)])
    seconds = time.perf_counter() - start
    assert isinstance(answer, Made) and isinstance(answer.image, np.ndarray)
    assert answer.image.shape == (512, 512, 3) and answer.image.std() > 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    record_property("peak_bytes", peak)
    shutil.rmtree(tmp_path / "sd15")  # 4.3 GB that pytest would keep
    print(json.dumps({"peak_gb": round(peak / 1e9, 2), "seconds": round(seconds, 1)}))
    assert peak < 10e9
