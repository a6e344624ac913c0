"""segmenter: mask layers join with their detector, masks are ultralytics' own, and wrong weights are named."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_models import CPU

from t2ibench.detector import Detector
from t2ibench.errors import ConfigError, MissingError
from t2ibench.records import CLASSES
from t2ibench.segmenter import HEAD, Segmenter, Thing
from t2ibench.tiny.scenes import Scene, draw_scene
from t2ibench.weights import TINY

TINY_SEG, TINY_YOLO = "tiny://yolo-seg", "tiny://yolo"
SCENES = [draw_scene(71_000_000 + n, CLASSES[n % 10]) for n in range(20)]
IMAGES = [scene.image for scene in SCENES]


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(TINY_SEG, TINY_YOLO, CPU, 64)


@pytest.fixture(scope="module")
def ids(segmenter: Segmenter) -> list[int]:
    return list(segmenter.numbers(CLASSES, "study.classes").values())


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    """The whole network's state dict, joined by hand."""
    from safetensors.torch import load_file

    masks = load_file(TINY / "yolo-seg" / "yolov8n-seg-masks.safetensors")
    return load_file(TINY / "yolo" / "yolov8n.safetensors") | {HEAD + key: value for key, value in masks.items()}


@pytest.fixture(scope="module")
def model(state: dict[str, Any]) -> Any:
    """The same network in ultralytics' own hands."""
    from ultralytics import YOLO

    model = YOLO("yolov8n-seg.yaml", task="segment")
    model.model.load_state_dict(state, strict=True)
    model.model.names = Detector(TINY_YOLO, CPU, 64).names
    return model


@pytest.fixture(scope="module")
def whole(state: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder that holds all of the network and its names."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("segmenter") / "whole"
    folder.mkdir()
    save_file(state, folder / "model.safetensors")
    shutil.copyfile(TINY / "yolo" / "names.json", folder / "names.json")
    return str(folder)


def surest(segmenter: Segmenter, images: Sequence[Any], ids: list[int], confidence: float) -> list[Thing | None]:
    """The surest thing of each image, in one forward."""
    return segmenter.things(segmenter.forward(images), ids, confidence)


def equal(first: list[Thing | None], second: list[Thing | None]) -> bool:
    return all(
        (a is None and b is None) or (a is not None and b is not None and a.box == b.box and (a.mask == b.mask).all())
        for a, b in zip(first, second, strict=True)
    )


def overlap(mask: np.ndarray, scene: Scene) -> float:
    """IoU with the animal of the scene that fits best."""
    return max(float((mask & one.mask).sum() / (mask | one.mask).sum()) for one in scene.things)


@pytest.mark.parametrize(("height", "width", "image_size"), [(64, 64, 64), (48, 64, 64), (64, 40, 96), (150, 100, 96)])
def test_the_masks_are_those_of_ultralytics_predict(
    model: Any, ids: list[int], height: int, width: int, image_size: int
) -> None:
    size = max(height, width, 64)
    drawn = [draw_scene(72_000_000 + n, CLASSES[n % 10], size=size).image for n in range(10)]
    images = [np.ascontiguousarray(image[:height, :width]) for image in drawn]
    ours = surest(Segmenter(TINY_SEG, TINY_YOLO, CPU, image_size), images, ids, 0.25)
    bgr = [np.ascontiguousarray(image[..., ::-1]) for image in images]
    theirs = model.predict(bgr, imgsz=image_size, device="cpu", verbose=False, save=False, conf=0.25, classes=ids,
                           max_det=1, retina_masks=True)
    assert sum(one is not None for one in ours) >= 3
    for thing, one in zip(ours, theirs, strict=True):
        assert (thing is None) == (len(one.boxes) == 0)
        if thing is not None:
            row = one.boxes.data[0].numpy()
            found = [*thing.box.xyxy, thing.box.confidence, thing.box.class_id]
            np.testing.assert_allclose(found, row, atol=0.02)  # of a pixel: rounding
            assert thing.mask.shape == (height, width) and thing.mask.dtype == bool
            assert np.mean(thing.mask != (one.masks.data[0].numpy() > 0)) <= 0.002  # of the pixels: rounding


def test_the_boxes_are_those_of_the_detector_that_the_mask_layers_join(segmenter: Segmenter, ids: list[int]) -> None:
    things = surest(segmenter, IMAGES, ids, 0.25)
    boxes = Detector(TINY_YOLO, CPU, 64)(IMAGES, ids, 0.25, 1)
    assert [[thing.box] if thing else [] for thing in things] == boxes
    assert segmenter(IMAGES, ids, 0.25, 1) == boxes, "a segmenter is a detector too"


def test_the_masks_fit_the_animals_and_are_cut_to_their_boxes(segmenter: Segmenter, ids: list[int]) -> None:
    things = surest(segmenter, IMAGES, ids, 0.25)
    assert sum(thing is not None for thing in things) >= 18
    fits = []
    for thing, scene in zip(things, SCENES, strict=True):
        if thing is None:
            continue
        fits.append(overlap(thing.mask, scene))
        x0, y0, x1, y1 = thing.box.xyxy
        rows, columns = np.nonzero(thing.mask)
        assert x0 <= columns.min() <= columns.max() < x1
        assert y0 <= rows.min() <= rows.max() < y1
    assert np.mean(fits) >= 0.7


def test_neighbours_and_order_do_not_change_a_mask(segmenter: Segmenter, ids: list[int]) -> None:
    together = surest(segmenter, IMAGES[:4], ids, 0.25)
    assert equal(surest(segmenter, IMAGES[:4][::-1], ids, 0.25), together[::-1])
    assert equal(surest(segmenter, [IMAGES[0], *IMAGES[10:13]], ids, 0.25)[:1], together[:1])


def test_without_a_box_that_is_sure_enough_there_is_no_mask(segmenter: Segmenter, ids: list[int]) -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    assert surest(segmenter, [grey], ids, 0.25) == [None]
    assert surest(segmenter, IMAGES[:2], ids, 1.0) == [None, None]


def test_a_folder_that_holds_the_whole_network_gives_the_same(
    segmenter: Segmenter, whole: str, ids: list[int]
) -> None:
    one = Segmenter(whole, "nowhere", CPU, 64)
    assert one.names == segmenter.names
    assert equal(surest(one, IMAGES[:4], ids, 0.25), surest(segmenter, IMAGES[:4], ids, 0.25))


def test_a_pt_file_of_ultralytics_is_read_too(
    segmenter: Segmenter, model: Any, ids: list[int], tmp_path: Path
) -> None:
    model.save(tmp_path / "yolov8n-seg.pt")
    from_pt = Segmenter(str(tmp_path / "yolov8n-seg.pt"), "nowhere", CPU, 64)
    assert from_pt.names == segmenter.names
    ours, theirs = surest(from_pt, IMAGES[:4], ids, 0.25), surest(segmenter, IMAGES[:4], ids, 0.25)
    # ultralytics saves half precision, so the masks are near, not equal
    for one, other in zip(ours, theirs, strict=True):
        assert one is not None and other is not None
        assert np.mean(one.mask != other.mask) < 0.02


def test_the_identity_names_the_detector_only_where_it_is_joined(segmenter: Segmenter, whole: str) -> None:
    assert segmenter.identity["joined_with"] == Detector(TINY_YOLO, CPU, 64).identity["weights"]
    assert Segmenter(whole, "nowhere", CPU, 64).identity["joined_with"] == ""
    other_machine = replace(CPU, name="other", device="cuda", threads=7)
    assert Segmenter(TINY_SEG, TINY_YOLO, other_machine, 64).identity == segmenter.identity
    assert Segmenter(TINY_SEG, TINY_YOLO, CPU, 96).identity != segmenter.identity


def test_mask_layers_cannot_join_with_a_pt_file(tmp_path: Path) -> None:
    (tmp_path / "yolov8n.pt").write_bytes(b"PK")
    with pytest.raises(ConfigError, match=r"models\.detector: .*a folder of a YOLOv8n"):
        surest(Segmenter(TINY_SEG, str(tmp_path / "yolov8n.pt"), CPU, 64), IMAGES[:1], [15], 0.25)


@pytest.mark.parametrize("detector", ["nowhere", "tiny://yolo-seg"])
def test_mask_layers_without_their_detector_are_missing_something(detector: str) -> None:
    with pytest.raises(MissingError):
        surest(Segmenter(TINY_SEG, detector, CPU, 64), IMAGES[:1], [15], 0.25)


def test_absent_weights_are_missing() -> None:
    with pytest.raises(MissingError, match="no weights at"):
        surest(Segmenter("nowhere/seg", TINY_YOLO, CPU, 64), IMAGES[:1], [15], 0.25)


def test_a_detector_is_no_segmenter(tmp_path: Path) -> None:
    from ultralytics import YOLO

    with pytest.raises(MissingError, match="does not hold a YOLOv8n-seg"):
        surest(Segmenter(TINY_YOLO, TINY_YOLO, CPU, 64), IMAGES[:1], [15], 0.25)
    YOLO("yolov8n.yaml", task="detect").save(tmp_path / "yolov8n.pt")
    with pytest.raises(MissingError, match="made to detect, and has to segment"):
        surest(Segmenter(str(tmp_path / "yolov8n.pt"), TINY_YOLO, CPU, 64), IMAGES[:1], [15], 0.25)


def test_truncated_or_other_mask_layers_are_missing(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    folder = tmp_path / "masks"
    shutil.copytree(TINY / "yolo-seg", folder)
    file = folder / "yolov8n-seg-masks.safetensors"
    file.write_bytes(file.read_bytes()[:100_000])
    with pytest.raises(MissingError, match=r"masks\.safetensors does not hold a YOLOv8n-seg"):
        surest(Segmenter(str(folder), TINY_YOLO, CPU, 64), IMAGES[:1], [15], 0.25)
    save_file({"x": torch.zeros(1)}, file)
    with pytest.raises(MissingError, match="does not hold a YOLOv8n-seg"):
        surest(Segmenter(str(folder), TINY_YOLO, CPU, 64), IMAGES[:1], [15], 0.25)


def test_a_class_unknown_to_the_joined_detector_is_refused(tmp_path: Path) -> None:
    shutil.copytree(TINY / "yolo", tmp_path / "yolo")
    (tmp_path / "yolo" / "names.json").write_text(json.dumps({"0": "person"}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"study\.classes: 'cat'"):
        Segmenter(TINY_SEG, str(tmp_path / "yolo"), CPU, 64).numbers(["cat"], "study.classes")
