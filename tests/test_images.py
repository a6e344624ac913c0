"""images: an image depends on its own prompt, seed and settings only, and what cannot be drawn says why."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from t2ibench import weights
from t2ibench.errors import ConfigError, MissingError
from t2ibench.hardware import Hardware
from t2ibench.images import Made, Refused, Request, fingerprint, plan
from t2ibench.images.openai import OpenAIImages
from t2ibench.images.sd import StableDiffusion
from t2ibench.pictures import encode_png
from t2ibench.records import Prompt

CPU = Hardware(name="test", device="cpu", dtype="float32", threads=1, batch_size={"images": 4})
TEXTS = ("a cat in snow", "a dog on sand", "a zebra at night", "a cow in rain")
REQUESTS = [Request(f"p{number}-0", text, 100 + number) for number, text in enumerate(TEXTS)]


def write_sd(folder: Path, text_width: int = 32) -> str:
    """An untrained pipeline in the bundled one's layout, a thousandth of its work. Returns its weights key."""
    import torch
    from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz"
    vocab = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    ids = {"bos_token_id": len(vocab) - 2, "eos_token_id": len(vocab) - 1, "pad_token_id": len(vocab) - 1}
    text = CLIPTextConfig(vocab_size=len(vocab), hidden_size=text_width, intermediate_size=64, num_hidden_layers=1,
                          num_attention_heads=2, max_position_embeddings=48, **ids)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipeline = StableDiffusionPipeline(
            vae=AutoencoderKL(block_out_channels=(8, 16, 16), down_block_types=("DownEncoderBlock2D",) * 3,
                              up_block_types=("UpDecoderBlock2D",) * 3, norm_num_groups=4, scaling_factor=1.0),
            text_encoder=CLIPTextModel(text),
            tokenizer=CLIPTokenizer(vocab={t: i for i, t in enumerate(vocab)}, merges=[], model_max_length=48),
            unet=UNet2DConditionModel(sample_size=16, block_out_channels=(32, 64), cross_attention_dim=32,
                                      down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), layers_per_block=1,
                                      up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), norm_num_groups=8),
            scheduler=DPMSolverMultistepScheduler(prediction_type="v_prediction", steps_offset=1),
            safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )
    pipeline.save_pretrained(folder)
    return str(folder)


def engine(uri: str, **changes: Any) -> StableDiffusion:
    settings = {"steps": 3, "guidance": 4.0, "scheduler": "dpmsolver++", "size": 64, "negative_prompt": ""}
    return StableDiffusion(weights=uri, **{**settings, "hardware": CPU, **changes})


def pictures(answers: list[Made | Refused]) -> list[bytes]:
    made = [answer for answer in answers if isinstance(answer, Made)]
    assert len(made) == len(answers), answers
    return [answer.png() for answer in made]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(write_sd(tmp_path_factory.mktemp("images") / "sd"))


@pytest.fixture(scope="module")
def sd(folder: Path) -> StableDiffusion:
    return engine(str(folder))


@pytest.fixture
def bundled(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a bundled model named sd, with its digests recorded. It may be damaged."""
    shutil.copytree(folder, tmp_path / "sd")
    files = (file for file in (tmp_path / "sd").rglob("*") if file.is_file())
    found = {f.relative_to(tmp_path / "sd").as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}
    (tmp_path / "digests.json").write_text(json.dumps({"sd": found}), encoding="utf-8")
    monkeypatch.setattr(weights, "TINY", tmp_path)
    weights.locate.cache_clear()
    yield tmp_path / "sd"
    weights.locate.cache_clear()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of the stand-in are kept below the test's own folder."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


def test_neighbours_order_and_a_short_batch_do_not_change_an_image(sd: StableDiffusion) -> None:
    whole = pictures(sd(REQUESTS))
    assert len(set(whole)) == 4
    assert pictures(sd(REQUESTS[::-1])) == whole[::-1]
    assert pictures(sd(REQUESTS[2:3])) == whole[2:3]
    assert pictures(sd([REQUESTS[1]] * 4)) == [whole[1]] * 4


def test_an_edited_prompt_changes_only_its_images(sd: StableDiffusion) -> None:
    before = pictures(sd(REQUESTS))
    after = pictures(sd([REQUESTS[0], replace(REQUESTS[1], prompt_text="a dog on grass"), *REQUESTS[2:]]))
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True, True]


def test_two_engines_give_the_same_bytes_and_another_seed_gives_others(folder: Path, sd: StableDiffusion) -> None:
    with engine(str(folder)) as other:
        assert pictures(other(REQUESTS)) == pictures(sd(REQUESTS))
        assert pictures(other([replace(REQUESTS[0], seed=7)])) != pictures(sd(REQUESTS[:1]))


@pytest.mark.parametrize("changes", [{"guidance": 1.0}, {"negative_prompt": "a blur"}, {"steps": 4}])
def test_a_setting_that_changes_pixels_changes_the_identity(
    folder: Path, sd: StableDiffusion, changes: dict[str, Any]
) -> None:
    other = engine(str(folder), **changes)
    assert pictures(other(REQUESTS)) != pictures(sd(REQUESTS))
    assert fingerprint(other.identity, REQUESTS[0]) != fingerprint(sd.identity, REQUESTS[0])


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "heun", "pndm", "unipc"])
def test_every_scheduler_draws_and_is_part_of_the_identity(folder: Path, sd: StableDiffusion, scheduler: str) -> None:
    other = engine(str(folder), scheduler=scheduler)
    assert pictures(other(REQUESTS[:1])) != pictures(sd(REQUESTS[:1]))
    assert other.identity != sd.identity


def test_batch_size_and_threads_are_not_part_of_the_identity(folder: Path, sd: StableDiffusion) -> None:
    hardware = replace(CPU, name="other", threads=2, batch_size={"images": 9})
    assert engine(str(folder), hardware=hardware).identity == sd.identity


def test_a_bad_prompt_is_refused_with_its_reason_and_its_neighbours_stay(sd: StableDiffusion) -> None:
    long = replace(REQUESTS[1], prompt_text="zebra " * 10)
    answers = sd([REQUESTS[0], long, replace(REQUESTS[2], prompt_text=" \n"), REQUESTS[3]])
    assert answers[1] == Refused(
        "the prompt has 52 tokens (start and end included); the text encoder takes 48", attempts=0
    )
    assert answers[2] == Refused("the prompt is empty", attempts=0)
    whole = pictures(sd(REQUESTS))
    assert pictures([answers[0], answers[3]]) == [whole[0], whole[3]]
    assert sd([long] * 4) == [answers[1]] * 4


def test_a_prompt_of_exactly_the_limit_is_drawn(sd: StableDiffusion) -> None:
    assert pictures(sd([replace(REQUESTS[0], prompt_text="a" * 46)]))
    assert isinstance(sd([replace(REQUESTS[0], prompt_text="a" * 47)])[0], Refused)


def test_a_picture_that_is_not_finite_is_refused(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, tmp_path / "nan")
    file = tmp_path / "nan" / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors["decoder.conv_out.bias"].fill_(float("nan"))
    save_file(tensors, file, metadata={"format": "pt"})
    (answer,) = engine(str(tmp_path / "nan"))(REQUESTS[:1])
    assert isinstance(answer, Refused) and "not finite" in answer.reason


def test_more_requests_than_the_batch_are_a_bug(sd: StableDiffusion) -> None:
    with pytest.raises(ValueError, match="5 requests"):
        sd([*REQUESTS, REQUESTS[0]])


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"scheduler": "magic"}, "scheduler"),
        ({"steps": 0}, "steps"),
        ({"guidance": -1.0}, "guidance"),
        ({"size": 60}, "size"),
        ({"hardware": replace(CPU, batch_size={})}, "hardware.batch_size.images"),
        ({"hardware": replace(CPU, dtype="float16")}, "hardware.dtype"),
        ({"negative_prompt": "a blur", "guidance": 1.0}, "negative_prompt"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_before_anything_is_loaded(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        engine("nowhere", **changes)
    assert caught.value.key.endswith(key)


def test_a_negative_prompt_that_is_too_long_is_a_configuration_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match="at most 48 tokens"):
        engine(str(folder), negative_prompt="blur " * 20)(REQUESTS)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no weights at"):
        _ = engine(str(tmp_path / "nowhere")).identity
    with pytest.raises(MissingError, match=r"model_index\.json"):
        engine(str(tmp_path))(REQUESTS)


@pytest.mark.parametrize("file", ["unet/diffusion_pytorch_model.safetensors", "tokenizer/tokenizer.json"])
def test_a_bundled_model_that_lacks_a_file_or_has_another_is_named(bundled: Path, file: str) -> None:
    assert pictures(engine("tiny://sd")(REQUESTS[:1]))
    weights.locate.cache_clear()
    payload = bytearray((bundled / file).read_bytes())
    payload[-1] ^= 1
    (bundled / file).write_bytes(payload)
    with pytest.raises(MissingError, match=f"{file} is not the recorded file"):
        _ = engine("tiny://sd").identity
    (bundled / file).unlink()
    with pytest.raises(MissingError, match=f"lacks its file {file}"):
        engine("tiny://sd")(REQUESTS)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_a_folder_that_lacks_a_part_is_named(folder: Path, tmp_path: Path, part: str) -> None:
    shutil.copytree(folder, tmp_path / "sd")
    shutil.rmtree(tmp_path / "sd" / part)
    with pytest.raises(MissingError, match=f"lack the folder {part}"):
        engine(str(tmp_path / "sd"))(REQUESTS)


@pytest.mark.parametrize(
    "file", ["unet/diffusion_pytorch_model.safetensors", "vae/config.json", "text_encoder/model.safetensors"]
)
def test_a_truncated_or_absent_file_of_ones_own_folder_is_named(folder: Path, tmp_path: Path, file: str) -> None:
    shutil.copytree(folder, tmp_path / "sd")
    damaged = tmp_path / "sd" / file
    damaged.write_bytes(damaged.read_bytes()[:100])
    with pytest.raises(MissingError, match="cannot be read"):
        engine(str(tmp_path / "sd"))(REQUESTS)
    damaged.unlink()
    with pytest.raises(MissingError, match="cannot be read"):
        engine(str(tmp_path / "sd"))(REQUESTS)


def test_the_plan_is_sorted_and_a_seed_depends_on_its_own_prompt_only() -> None:
    cat, dog, cow = (Prompt.make(name, f"a {name}", "test", {}) for name in ("cat", "dog", "cow"))
    planned = plan([dog, cat], 12, 5)
    ids = [item.request.id for item in planned]
    assert ids == sorted(ids) and len(set(ids)) == 24
    assert len({item.request.seed for item in planned}) == 24
    assert {item.request for item in plan([cow, cat], 12, 5) if item.prompt == cat} == {
        item.request for item in planned if item.prompt == cat
    }
    assert {item.request.seed for item in plan([dog, cat], 12, 6)}.isdisjoint(item.request.seed for item in planned)


def test_the_plan_refuses_equal_prompts_and_no_images() -> None:
    cat = Prompt.make("cat", "a cat", "test", {})
    with pytest.raises(MissingError, match="more than once"):
        plan([cat, cat], 1, 0)
    with pytest.raises(ConfigError, match="images_per_prompt"):
        plan([cat], 0, 0)


def test_the_fingerprint_holds_identity_prompt_and_seed_and_not_the_id() -> None:
    request = Request("a-0", "a cat", 1)
    same = fingerprint({"engine": "sd", "steps": 1}, request)
    assert same == fingerprint({"steps": 1, "engine": "sd"}, replace(request, id="b-3"))
    others = [replace(request, prompt_text="a dog"), replace(request, seed=2)]
    assert same not in [fingerprint({"engine": "sd", "steps": 1}, other) for other in others]
    assert same != fingerprint({"engine": "sd", "steps": 2}, request)


def test_a_png_is_the_same_bytes_for_the_same_pixels_and_loses_nothing() -> None:
    import io

    from PIL import Image

    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert encode_png(image) == encode_png(image.copy()) == Made(image).png() == Made(encode_png(image)).png()
    assert (np.asarray(Image.open(io.BytesIO(encode_png(image)))) == image).all()


@pytest.mark.parametrize("uri", ["tiny://sd", "tiny://standin"])
def test_the_bundled_models_draw_what_the_prompt_says_to_the_same_bytes(uri: str) -> None:
    from t2ibench.evaluate.yolov8 import Yolov8

    settings = {"steps": 16, "hardware": replace(CPU, batch_size={"images": 12})}
    names = [name for name in ("zebra", "elephant", "dog") for _ in range(4)]
    requests = [Request(f"{n}", f"a photo of a {name} in a green field", n) for n, name in enumerate(names)]
    made = engine(uri, **settings)(requests)
    assert pictures(made) == pictures(engine(uri, **settings)(requests))
    judge = Yolov8("tiny://yolo", 0.25, 64, ("zebra", "elephant", "dog"), replace(CPU, batch_size={"evaluate": 12}))
    seen = judge([np.asarray(one.image) for one in made if isinstance(one, Made)])
    assert sum(found.predicted == name for found, name in zip(seen, names, strict=True)) >= 9


def test_a_stand_in_draws_what_its_checkpoint_draws_and_has_no_ledger(folder: Path, tmp_path: Path) -> None:
    api = standin(str(folder))
    with api:
        answers = api([*REQUESTS, REQUESTS[0], replace(REQUESTS[1], prompt_text="zebra " * 10)])
        assert sum(api._server.batches) == 5 and len(api._server.batches) == 2
    assert pictures(answers[:5]) == pictures(engine(str(folder))(REQUESTS) + engine(str(folder))(REQUESTS[:1]))
    assert isinstance(answers[0], Made)
    assert answers[0].extra == {
        "model": "t2ibench-standin", "revised_prompt": TEXTS[0], "stand_in_for": "DALL-E 3"
    }
    assert isinstance(answers[5], Refused) and "52 tokens" in answers[5].reason and answers[5].attempts == 1
    assert not (tmp_path / ".cache/ledger").exists()


def test_a_stand_in_has_its_weights_and_settings_in_its_identity(folder: Path) -> None:
    identities = [
        api.identity
        for api in (
            standin(str(folder)),
            standin(str(folder), server_steps=4),
            standin(str(folder), server_guidance=2.0),
            standin(str(folder), model="other"),
            standin(str(folder), quality="hd"),
            standin(str(folder), send_seed=False),
        )
    ]
    prints = {fingerprint(identity, REQUESTS[0]) for identity in identities}
    assert len(prints) == len(identities)
    assert standin(str(folder), concurrency=2).identity == identities[0]


def test_a_stand_in_without_weights_stops_the_run_before_a_request(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no weights at"), standin(str(tmp_path / "nowhere")):
        pass


def test_a_stand_in_that_fails_while_it_draws_is_a_bug_and_no_refusal(tmp_path: Path) -> None:
    uri = write_sd(tmp_path / "sd", text_width=64)  # loads, and does not fit its own UNet
    with standin(uri) as api, pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        api(REQUESTS)


def standin(uri: str, **changes: Any) -> OpenAIImages:
    settings = {
        "model": "dall-e-3", "base_url": None, "size": 64, "quality": "standard", "response_format": "b64_json",
        "send_seed": True, "server": uri, "server_steps": 3, "server_guidance": 4.0, "concurrency": 6, "attempts": 3,
        "backoff_seconds": 0.01, "timeout_seconds": 60.0, "price_usd": 1.0, "budget_usd": 0.0,
        "stands_for": "DALL-E 3", "hardware": CPU,
    }
    return OpenAIImages(**{**settings, **changes})
