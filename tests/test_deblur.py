"""deblur: restored images keep size and order, depend on themselves only, and the null choice costs nothing."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from random_models import CPU, noise, write_restormer, write_yolo

from t2ibench.deblur import tiles
from t2ibench.deblur.none import Nothing
from t2ibench.deblur.restormer import Restormer, pad
from t2ibench.errors import ConfigError, MissingError
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


@pytest.mark.parametrize(("length", "expected"), [(40, [0]), (64, [0]), (72, [0, 8]), (112, [0, 48]),
                                                  (200, [0, 48, 96, 136])])
def test_tiles_cover_the_length_and_share_the_overlap(length: int, expected: list[int]) -> None:
    found = tiles.starts(length, 64, 16)
    assert found == expected
    assert found[-1] + min(64, length) == length
    assert all(after <= before + 64 - 16 for before, after in pairwise(found))


def test_tiling_a_network_that_changes_nothing_changes_nothing() -> None:
    images = np.stack([noise(seed, 200, 136) for seed in range(2)])
    shapes = set()

    def forward(tile: np.ndarray) -> np.ndarray:
        shapes.add(tile.shape)
        return tile.astype(np.float32)

    np.testing.assert_allclose(tiles.restore(images, forward, 64, 16), images, atol=1e-3)
    assert shapes == {(2, 64, 64, 3)}, "every forward has one shape, however the tiles fall"


def test_a_seam_between_tiles_that_disagree_is_a_raised_cosine_and_no_step() -> None:
    levels = iter([0.0, 100.0])
    images = np.zeros((1, 64, 112, 3), np.uint8)
    row = tiles.restore(images, lambda tile: np.full(tile.shape, next(levels), np.float32), 64, 16)[0, 30, :, 0]
    np.testing.assert_allclose(row[48:64], 50 - 50 * np.cos(np.pi * (np.arange(16) + 0.5) / 16), atol=1e-3)
    assert set(row[:48]) == {0.0}
    np.testing.assert_allclose(row[64:], 100, atol=1e-3)
    assert np.abs(np.diff(row)).max() <= 100 * np.pi / 2 / 16, "the steepest a raised cosine over 16 pixels can be"


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 64), (72, 1), (1, 72), (131, 77)])
def test_images_larger_than_a_tile_keep_size_and_bytes_whoever_their_neighbours_are(
    weights: str, engine: Restormer, height: int, width: int
) -> None:
    small = Restormer(weights, CPU, tile=64, overlap=16)
    images = [noise(seed, height, width) for seed in range(2)]
    restored = small(images)
    assert [(image.shape, image.dtype) for image in restored] == [((height, width, 3), np.uint8)] * 2
    np.testing.assert_array_equal(small([noise(9, height, width), images[1]])[1], restored[1])
    whole = np.array_equal(restored[0], engine([images[0], images[1]])[0])
    assert whole == (max(height, width) <= 64), "an image that is exactly a tile is one forward"


def test_tiles_agree_with_the_whole_image_on_a_larger_scene() -> None:
    """Restormer's attention compares channels over all pixels of a forward, so tiles and whole cannot agree exactly: a
    tile of 128 sees 4 of these 12 scenes, the whole all of them. Measured: 0.6 levels of 255 on average (restoring
    moves 12), 99 % within 5, and a better picture than the whole's: the network was trained on crops of 32 x 32. The
    bounds leave a factor of two for another network or machine."""
    from PIL import Image, ImageFilter

    from t2ibench.tiny.scenes import draw_scene

    scenes = [draw_scene(70_000_000 + n, CLASSES[n % 10]).image for n in range(12)]
    truth = np.concatenate([np.concatenate(scenes[row : row + 4], 1) for row in (0, 4, 8)])
    blurred = np.asarray(Image.fromarray(truth).filter(ImageFilter.GaussianBlur(1.2)))
    whole = Restormer("tiny://restormer", CPU)([blurred])[0]
    tiled = Restormer("tiny://restormer", CPU, tile=128, overlap=32)([blurred])[0]
    difference = np.abs(tiled.astype(float) - whole)
    assert difference.mean() < 1.5
    assert np.percentile(difference, 99) < 12
    assert psnr(tiled, truth) > psnr(whole, truth) - 0.2


@pytest.mark.parametrize("sizes", [{"tile": 60}, {"tile": 8}, {"overlap": 0}, {"overlap": 12},
                                   {"tile": 64, "overlap": 40}])
def test_a_tile_or_overlap_that_cannot_be_used_is_told(weights: str, sizes: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"deblur\.restormer\.(tile|overlap)"):
        Restormer(weights, CPU, **sizes)


def test_other_tiles_are_another_identity_and_the_default_ones_are_version_1(weights: str, engine: Restormer) -> None:
    assert set(engine.identity) == {"engine", "version", "weights", "dtype"}
    assert Restormer(weights, CPU, tile=512, overlap=64).identity == engine.identity
    assert Restormer(weights, CPU, tile=256).identity != engine.identity
    assert Restormer(weights, CPU, overlap=32).identity != engine.identity
