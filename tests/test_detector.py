"""detector: YOLOv8 from safetensors gives ultralytics' own boxes, and an image's boxes are its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from random_models import CPU, coco_names, noise, write_yolo

from t2ibench.detector import Detector, quiet_ultralytics
from t2ibench.errors import ConfigError, MissingError
from t2ibench.records import CLASSES

ALL = range(80)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_yolo(tmp_path_factory.mktemp("detector") / "yolo")


@pytest.fixture(scope="module")
def detector(weights: str) -> Detector:
    return Detector(weights, CPU, 64)


def reference(weights: str, images: list[np.ndarray], image_size: int, **settings: object) -> list[np.ndarray]:
    """What YOLO.predict itself says, given BGR arrays: [K, 6] an image."""
    from safetensors.torch import load_file
    from ultralytics import YOLO

    model = YOLO("yolov8n.yaml", task="detect")
    model.model.load_state_dict(load_file(Path(weights) / "model.safetensors"), strict=True)
    bgr = [np.ascontiguousarray(image[..., ::-1]) for image in images]
    found = model.predict(bgr, imgsz=image_size, device="cpu", verbose=False, save=False, **settings)
    return [one.boxes.data.numpy() for one in found]


def as_rows(boxes: list) -> np.ndarray:
    return np.array([[*box.xyxy, box.confidence, box.class_id] for box in boxes], np.float32).reshape(-1, 6)


@pytest.mark.parametrize(("height", "width", "image_size"), [(64, 64, 64), (48, 80, 64), (100, 60, 96)])
def test_the_boxes_are_those_of_ultralytics_predict(weights: str, height: int, width: int, image_size: int) -> None:
    images = [noise(seed, height, width) for seed in range(3)]
    ours = Detector(weights, CPU, image_size)(images, ALL, 0.25, 300)
    theirs = reference(weights, images, image_size, conf=0.25)
    assert any(len(rows) for rows in theirs)
    for boxes, rows in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(as_rows(boxes), rows, atol=0.02)  # of a pixel: rounding


def test_the_top_box_of_some_classes_is_that_of_ultralytics_predict(weights: str, detector: Detector) -> None:
    images = [noise(seed) for seed in range(8)]
    classes = sorted({box.class_id for boxes in detector(images, ALL, 0.25, 300) for box in boxes})[::2]
    ours = detector(images, classes, 0.25, 1)
    theirs = reference(weights, images, 64, conf=0.25, classes=classes, max_det=1)
    assert any(len(rows) for rows in theirs)
    for boxes, rows in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(as_rows(boxes), rows, atol=0.02)  # of a pixel: rounding
        assert all(box.class_id in classes for box in boxes)


def test_red_and_blue_are_not_exchanged(detector: Detector) -> None:
    image = noise(1)
    right = detector([image], ALL, 0.01, 300)
    swapped = detector([np.ascontiguousarray(image[..., ::-1])], ALL, 0.01, 300)
    assert right != swapped, "the test above would not notice exchanged channels"


def test_neighbours_and_order_do_not_change_an_image_s_boxes(detector: Detector) -> None:
    images = [noise(seed) for seed in range(4)]
    together = detector(images, ALL, 0.25, 300)
    assert any(together)
    assert detector(images[::-1], ALL, 0.25, 300) == together[::-1]
    for place, image in enumerate(images):
        others = [noise(100 + place)] * 4
        others[place] = image
        assert detector(others, ALL, 0.25, 300)[place] == together[place]


def test_boxes_are_ordered_by_confidence_and_lie_in_the_image(detector: Detector) -> None:
    for boxes in detector([noise(seed, 40, 64) for seed in range(4)], ALL, 0.25, 5):
        assert len(boxes) <= 5
        assert [box.confidence for box in boxes] == sorted((box.confidence for box in boxes), reverse=True)
        for box in boxes:
            assert 0 <= box.xyxy[0] <= box.xyxy[2] <= 64
            assert 0 <= box.xyxy[1] <= box.xyxy[3] <= 40


def test_coco_numbers_are_found_by_name(detector: Detector) -> None:
    numbers = detector.numbers(CLASSES, "study.classes")
    assert numbers["bird"] == 14 and numbers["cat"] == 15 and numbers["giraffe"] == 23
    assert detector.numbers(["person"], "x") == {"person": 0}


def test_a_class_unknown_to_the_detector_is_refused_with_the_known_ones(detector: Detector) -> None:
    with pytest.raises(ConfigError, match=r"study\.classes: 'unicorn'.*person.*zebra"):
        detector.numbers(["cat", "unicorn"], "study.classes")


def test_names_may_be_a_list(tmp_path: Path) -> None:
    uri = write_yolo(tmp_path / "yolo")
    (tmp_path / "yolo" / "names.json").write_text(json.dumps(coco_names()), encoding="utf-8")
    assert Detector(uri, CPU, 64).names[0] == "person"


def test_a_pt_file_of_ultralytics_is_read_too(weights: str, detector: Detector, tmp_path: Path) -> None:
    from safetensors.torch import load_file
    from ultralytics import YOLO

    model = YOLO("yolov8n.yaml", task="detect")
    model.model.load_state_dict(load_file(Path(weights) / "model.safetensors"), strict=True)
    model.model.names = dict(enumerate(coco_names()))
    model.save(tmp_path / "yolov8n.pt")
    from_pt = Detector(str(tmp_path / "yolov8n.pt"), CPU, 64)
    assert from_pt.names == detector.names
    # ultralytics saves half precision, so the boxes are near, not equal
    ours, theirs = from_pt([noise(1)], ALL, 0.25, 1), detector([noise(1)], ALL, 0.25, 1)
    assert [len(boxes) for boxes in ours] == [len(boxes) for boxes in theirs]


@pytest.mark.parametrize("image_size", [0, 16, 50])
def test_an_image_size_off_the_grid_is_refused(weights: str, image_size: int) -> None:
    with pytest.raises(ConfigError, match="multiple of 32"):
        Detector(weights, CPU, image_size)


def test_absent_weights_are_missing() -> None:
    with pytest.raises(MissingError, match="no weights at"):
        Detector("nowhere/yolo", CPU, 64)([noise(1)], ALL, 0.25, 1)


@pytest.mark.parametrize("name", ["model.safetensors", "names.json"])
def test_an_incomplete_folder_is_missing(tmp_path: Path, name: str) -> None:
    uri = write_yolo(tmp_path / "yolo")
    (tmp_path / "yolo" / name).unlink()
    detector = Detector(uri, CPU, 64)
    with pytest.raises(MissingError, match="has 0 files"):
        detector.numbers(["cat"], "x")
        detector([noise(1)], ALL, 0.25, 1)


def test_damaged_names_are_missing(tmp_path: Path) -> None:
    uri = write_yolo(tmp_path / "yolo")
    (tmp_path / "yolo" / "names.json").write_text('{"0": "per', encoding="utf-8")
    with pytest.raises(MissingError, match="does not hold class names"):
        Detector(uri, CPU, 64).numbers(["cat"], "x")


def test_truncated_or_other_weights_are_missing(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    file = Path(write_yolo(tmp_path / "yolo")) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100_000])
    with pytest.raises(MissingError, match="does not hold a YOLOv8n"):
        Detector(str(tmp_path / "yolo"), CPU, 64)([noise(1)], ALL, 0.25, 1)
    save_file({"x": torch.zeros(1)}, file)
    with pytest.raises(MissingError, match="does not hold a YOLOv8n"):
        Detector(str(tmp_path / "yolo"), CPU, 64)([noise(1)], ALL, 0.25, 1)


def test_a_pt_file_of_another_task_or_a_truncated_one_is_missing(weights: str, tmp_path: Path) -> None:
    from ultralytics import YOLO

    file = tmp_path / "yolov8n.pt"
    YOLO("yolov8n-seg.yaml", task="segment").save(file)
    with pytest.raises(MissingError, match="made to segment, and has to detect"):
        Detector(str(file), CPU, 64)([noise(1)], ALL, 0.25, 1)
    for payload in (file.read_bytes()[:100_000], b"no weights", b""):
        other = tmp_path / f"{len(payload)}.pt"
        other.write_bytes(payload)
        with pytest.raises(MissingError, match="does not hold a YOLOv8n"):
            Detector(str(other), CPU, 64)([noise(1)], ALL, 0.25, 1)


def test_the_home_folder_stays_empty(weights: str, tmp_path: Path) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    code = f"import sys; sys.path[:0] = {sys.path!r}\n"
    code += "from random_models import CPU, noise\nfrom t2ibench.detector import Detector\n"
    code += f"Detector({weights!r}, CPU, 64)([noise(1)], [0], 0.25, 1)"
    keep = {key: os.environ[key] for key in ("PATH", "OMP_NUM_THREADS") if key in os.environ}
    subprocess.run([sys.executable, "-c", code], cwd=work, env=keep | {"HOME": str(home)}, check=True)
    assert not list(home.iterdir())


def test_importing_the_stages_imports_nothing_heavy() -> None:
    modules = "detector filter filter.clip filter.quality filter.people deblur.none deblur.restormer "
    modules += "segmenter evaluate evaluate.funnel evaluate.look evaluate.overlay evaluate.segment evaluate.yolov8"
    code = "import sys\n" + "".join(f"import t2ibench.{name}\n" for name in modules.split())
    code += "heavy = {'torch', 'ultralytics', 'open_clip', 'spandrel', 'spandrel_extra_arches', 'cv2'}\n"
    code += "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pillow_stays_as_it_was_so_that_a_damaged_picture_is_an_error_of_its_own(tmp_path: Path) -> None:
    from PIL import Image, UnidentifiedImageError

    quiet_ultralytics()
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"no picture")
    with pytest.raises(UnidentifiedImageError):
        Image.open(damaged)
