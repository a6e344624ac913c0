"""deblur: restored images keep size and order, depend on themselves only, and the null choice costs nothing."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_models import CPU, noise, write_restormer, write_yolo

from t2ibench.deblur.none import Nothing
from t2ibench.deblur.restormer import Restormer, pad
from t2ibench.errors import MissingError
from t2ibench.records import CLASSES


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_restormer(tmp_path_factory.mktemp("deblur") / "restormer")


@pytest.fixture(scope="module")
def engine(weights: str) -> Restormer:
    return Restormer(weights, CPU)


def test_the_null_choice_returns_the_images_and_imports_nothing_heavy() -> None:
    image = noise(0)
    assert Nothing()([image])[0] is image
    assert not Nothing.changes_pixels
    code = "import sys, t2ibench.deblur.none; sys.exit(bool({'torch', 'spandrel', 'PIL', 'cv2'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_padding_reflects_at_the_right_and_at_the_bottom() -> None:
    image = np.arange(6, dtype=np.uint8).reshape(1, 6, 1).repeat(3, axis=0)
    padded = pad(image)
    assert padded.shape == (8, 8, 1)
    assert padded[0, :, 0].tolist() == [0, 1, 2, 3, 4, 5, 4, 3]


def test_an_image_whose_sides_fit_is_not_padded() -> None:
    np.testing.assert_array_equal(pad(noise(0)), noise(0))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (30, 50), (9, 8), (3, 1)])
def test_restored_images_keep_their_size(engine: Restormer, height: int, width: int) -> None:
    restored = engine([noise(seed, height, width) for seed in range(2)])
    assert [(image.shape, image.dtype) for image in restored] == [((height, width, 3), np.uint8)] * 2


def test_the_network_s_own_answer_is_what_comes_back(weights: str, engine: Restormer) -> None:
    import torch
    from spandrel import ModelLoader
    from spandrel_extra_arches import EXTRA_REGISTRY

    reference = ModelLoader(registry=EXTRA_REGISTRY).load_from_file(Path(weights) / "model.safetensors")
    pixels = torch.from_numpy(noise(3)).permute(2, 0, 1)[None] / 255
    expected = (reference(pixels)[0].permute(1, 2, 0).numpy() * 255).round()
    difference = np.abs(engine([noise(3)])[0].astype(float) - expected)
    assert difference.max() <= 1 and difference.mean() < 0.01


def test_neighbours_and_order_do_not_change_an_image_s_bytes(engine: Restormer) -> None:
    images = [noise(seed) for seed in range(4)]
    together = engine(images)
    for image, restored in zip(engine(images[::-1]), together[::-1], strict=True):
        np.testing.assert_array_equal(image, restored)
    alone = engine([noise(50), images[1], noise(51), noise(52)])[1]
    np.testing.assert_array_equal(alone, together[1])
    assert not np.array_equal(alone, images[1]), "an engine that does nothing would pass"


def test_the_identity_knows_weights_and_dtype_and_not_the_machine(
    tmp_path: Path, weights: str, engine: Restormer
) -> None:
    other_machine = replace(CPU, name="other", device="cuda", threads=7, batch_size={"deblur": 1})
    assert Restormer(weights, other_machine).identity == engine.identity
    assert Restormer(weights, replace(CPU, dtype="bfloat16")).identity["dtype"] == "bfloat16"
    assert Restormer(weights, replace(CPU, dtype="float16")).identity == engine.identity
    assert Restormer(write_yolo(tmp_path / "other"), CPU).identity != engine.identity
    assert Nothing().identity != engine.identity


def test_bfloat16_is_near_float32(weights: str, engine: Restormer) -> None:
    half = Restormer(weights, replace(CPU, dtype="bfloat16"))([noise(1)])[0]
    assert np.abs(half.astype(float) - engine([noise(1)])[0]).mean() < 2


def test_a_file_is_as_good_as_its_folder(weights: str, engine: Restormer) -> None:
    from_file = Restormer(str(Path(weights) / "model.safetensors"), CPU)
    np.testing.assert_array_equal(from_file([noise(1)])[0], engine([noise(1)])[0])
    assert from_file.identity == engine.identity


def test_absent_weights_are_missing() -> None:
    with pytest.raises(MissingError, match="no weights at"):
        Restormer("nowhere", CPU)([noise(1)])


def test_an_empty_folder_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="has 0 safetensors files"):
        Restormer(str(tmp_path), CPU)([noise(1)])


def test_weights_of_another_network_are_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="does not hold a Restormer"):
        Restormer(write_yolo(tmp_path / "yolo"), CPU)([noise(1)])


def test_truncated_or_partial_weights_are_missing(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    uri = write_restormer(tmp_path / "restormer")
    file = Path(uri) / "model.safetensors"
    state = load_file(file)
    state.pop("encoder_level1.0.attn.qkv_dwconv.weight")
    save_file(state, file)
    with pytest.raises(MissingError, match="does not hold a"):
        Restormer(uri, CPU)([noise(1)])
    state = load_file(Path(write_restormer(tmp_path / "other")) / "model.safetensors")
    state.pop("refinement.0.norm2.body.weight")
    save_file(state, file)
    with pytest.raises(MissingError, match="does not hold a whole Restormer"):
        Restormer(str(file), CPU)([noise(1)])
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(MissingError, match="does not hold a whole Restormer"):
        Restormer(str(file), CPU)([noise(1)])


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB."""
    return float(10 * np.log10(255**2 / np.mean((image.astype(float) - truth) ** 2)))


def test_the_bundled_restormer_takes_blur_off_fresh_scenes() -> None:
    from PIL import Image, ImageFilter

    from t2ibench.tiny.scenes import draw_scene

    truths = [draw_scene(70_000_000 + n, CLASSES[n % 10]).image for n in range(20)]
    blurred = [np.asarray(Image.fromarray(one).filter(ImageFilter.GaussianBlur(1.2))) for one in truths]
    restored = Restormer("tiny://restormer", CPU)(blurred)
    gains = [psnr(good, truth) - psnr(bad, truth) for good, bad, truth in zip(restored, blurred, truths, strict=True)]
    assert np.mean(gains) >= 2
