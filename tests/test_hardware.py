"""hardware: the values are checked, auto is settled by what torch sees, and clocks say what computed."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from pydantic import TypeAdapter, ValidationError

from t2ibench.hardware import Hardware, repeatable, scaled
from t2ibench.harness import config, timing
from t2ibench.records import read_json

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf" / "hardware"
PROFILES = sorted(path.stem for path in CONF.glob("*.yaml"))
SIZES = {"images": 4, "deblur": 2, "filter": 1}


def profile(name: str) -> Hardware:
    return TypeAdapter(Hardware).validate_python(yaml.safe_load((CONF / f"{name}.yaml").read_text()))


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_has_every_field_and_a_batch_size_for_every_stage_that_computes(name: str) -> None:
    written = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    assert set(written) == set(Hardware.__dataclass_fields__), "so that -S hardware.<field>=... needs no plus sign"
    assert profile(name).name == name
    assert set(written["batch_size"]) == {"images", "filter", "deblur", "evaluate"}


@pytest.mark.parametrize("name", PROFILES)
def test_every_value_says_its_unit_or_source(name: str) -> None:
    lines = [line.strip() for line in (CONF / f"{name}.yaml").read_text().splitlines()]
    bare = [line for line in lines if line and not line.startswith(("#", "name:")) and "#" not in line]
    if name in ("cpu", "auto"):  # their sizes are explained together, above them
        bare = [line for line in bare if line.split(":")[0] not in profile(name).batch_size]
    assert not bare


def test_the_paper_s_two_devices_plan_the_same_images() -> None:
    assert profile("t4").dtype == profile("rtx3090").dtype == "float16"


@pytest.mark.parametrize(("key", "value"), [("threads", -1), ("batch_size", {"images": 0}), ("dtype", "float8"),
                                            ("device", "tpu"), ("memory_gb", -1), ("compile", "perhaps")])
def test_a_value_that_cannot_be_used_is_refused(key: str, value: object) -> None:
    written = yaml.safe_load((CONF / "cpu.yaml").read_text())
    with pytest.raises(ValidationError, match=key):
        TypeAdapter(Hardware).validate_python(written | {key: value})


@pytest.mark.parametrize(("card_gb", "images"), [(8.3, 2), (12.6, 2), (15.6, 4), (25.3, 4), (48, 8), (85, 16),
                                                 (150, 32)])
def test_auto_scales_batches_by_powers_of_two_of_the_card_s_memory(card_gb: float, images: int) -> None:
    assert scaled(SIZES, card_gb / 16)["images"] == images


def test_no_batch_becomes_smaller_than_one_image() -> None:
    assert scaled(SIZES, 2 / 16) == {"images": 1, "deblur": 1, "filter": 1}


def test_auto_becomes_what_torch_sees_and_keeps_the_dtype() -> None:
    auto = profile("auto")
    found = auto.settled()
    assert found.device == ("cuda" if torch.cuda.is_available() else "cpu")
    assert (found.name, found.dtype) == (auto.name, auto.dtype)
    if found.device == "cpu":
        assert found == replace(auto, device="cpu")
        assert not replace(auto, compile=True, channels_last=True).settled().compile


def test_a_named_device_is_settled_without_torch() -> None:
    code = ("import sys; from t2ibench.hardware import Hardware, repeatable\n"
            "one = Hardware(name='x', device='cpu', dtype='float32'); assert one.settled() is one; repeatable('cpu')\n"
            "sys.exit('torch' in sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_float32_on_cuda_means_float32_and_one_algorithm_per_shape() -> None:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic
    try:
        cudnn.allow_tf32 = True
        repeatable("cpu")
        assert cudnn.allow_tf32, "a CPU's run leaves CUDA's settings alone"
        repeatable("cuda")
        assert not cudnn.allow_tf32
        assert not matmul.allow_tf32
        assert cudnn.deterministic
        assert not cudnn.benchmark
    finally:
        cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic = before


def test_a_reading_names_the_device_and_the_batch_size_that_was_used(tmp_path: Path) -> None:
    clock, path = timing.Clock(), tmp_path / "reading.json"
    clock.lap(8)
    clock.smaller(4)
    clock.lap(4)
    timing.save(path, clock, "images", "sd-llm", config.load(folder=ROOT))
    reading = read_json(path)
    assert (reading["batch_size_planned"], reading["batch_size"], reading["dtype"]) == (16, 4, "float32")
    assert (reading["hardware"], reading["images"], reading["models"]) == ("cpu", 12, "tiny")
    assert {"engine": "sd", "steps": 12, "size": 64}.items() <= reading["settings"].items()
    assert reading["device"] not in ("", "x86_64"), "the processor's own name"
    if not torch.cuda.is_initialized():
        assert reading["driver"] is None
        assert reading["peak_device_memory_mb"] is None


def test_a_stage_without_batches_has_no_batch_size(tmp_path: Path) -> None:
    timing.save(tmp_path / "reading.json", timing.Clock(), "compare", "", config.load(folder=ROOT))
    assert read_json(tmp_path / "reading.json")["batch_size"] is None


def test_the_first_batch_of_a_smaller_size_is_a_warm_up_again() -> None:
    clock = timing.Clock()
    clock.laps += [(10.0, 8), (11.0, 8)]
    clock.smaller(4)
    clock.laps += [(50.0, 4)]
    assert clock.reading()["images_per_second"] is None
    clock.laps += [(52.0, 4), (54.0, 4)]
    assert clock.reading()["images_per_second"] == 2.0  # 8 images in 4 seconds; neither 10 nor 39 seconds of warm-up
    assert clock.reading()["images"] == 28
