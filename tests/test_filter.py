"""filter: the first step that rejects is the reason, the funnel adds up, and the measures measure."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_models import CPU, coco_names, noise, write_clip, write_yolo

from t2ibench.errors import ConfigError, MissingError
from t2ibench.filter import Measurement, Thresholds, decide, funnel
from t2ibench.filter.clip import ClipRanking
from t2ibench.filter.measure import Measure
from t2ibench.filter.people import People
from t2ibench.filter.quality import Quality
from t2ibench.records import CLASSES, Decision, Sample

TEMPLATE = "a photo of a {class_name}"
THRESHOLDS = Thresholds(black_below=0.02, flat_below=0.02, people_from=0.5)
GOOD = Measurement(clip_scores={"cat": 0.3, "dog": 0.2}, brightness=0.5, contrast=0.2, people=0.1)


def sample(number: int = 0, class_name: str = "cat") -> Sample:
    return Sample(file_name="x.png", id=f"{number}", class_name=class_name, prompt="", prompt_id="", index=0, seed=0,
                  engine="", fingerprint="", sha256="")  # fmt: skip


def decision(class_name: str, reason: str = "") -> Decision:
    return Decision(id="0", class_name=class_name, keep=not reason, reason=reason, clip_class=class_name,
                    clip_scores={}, brightness=0.5, contrast=0.2, people=0.0)  # fmt: skip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ClipRanking:
    return ClipRanking(write_clip(tmp_path_factory.mktemp("filter") / "clip"), TEMPLATE, CLASSES, CPU)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    """A person detector: the untrained one's surest class is called person."""
    from t2ibench.detector import Detector

    uri = write_yolo(tmp_path_factory.mktemp("people") / "yolo")
    best = Detector(uri, CPU, 64)([noise(seed) for seed in range(4)], range(80), 0.01, 1)[0][0].class_id
    names = coco_names()
    names[0], names[best] = names[best], names[0]
    (Path(uri) / "names.json").write_text(json.dumps(names), encoding="utf-8")
    return People(uri, 0.5, 64, CPU)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"clip_scores": {"cat": 0.2, "dog": 0.3}}, "clip"),
        ({"brightness": 0.01}, "black"),
        ({"contrast": 0.01}, "flat"),
        ({"people": 0.9}, "people"),
        ({"brightness": 0.01, "contrast": 0.01, "people": 0.9}, "black"),
        ({"contrast": 0.01, "people": 0.9}, "flat"),
        ({"clip_scores": {"cat": 0.2, "dog": 0.3}, "brightness": 0.0, "contrast": 0.0, "people": 1.0}, "clip"),
    ],
)
def test_the_first_step_that_rejects_an_image_is_the_reason(change: dict, reason: str) -> None:
    (decided,) = decide([sample()], [replace(GOOD, **change)], THRESHOLDS)
    assert (decided.keep, decided.reason) == (not reason, reason)


def test_a_value_at_its_threshold_is_bright_and_textured_enough_and_shows_a_person() -> None:
    at = replace(GOOD, brightness=0.02, contrast=0.02)
    assert decide([sample()], [at], THRESHOLDS)[0].keep
    assert decide([sample()], [replace(GOOD, people=0.5)], THRESHOLDS)[0].reason == "people"


def test_the_row_on_disk_is_enough_to_decide_again() -> None:
    near = replace(GOOD, brightness=0.0199999999, contrast=0.12345678, people=0.49999999)
    (decided,) = decide([sample()], [near], THRESHOLDS)
    again = Measurement(clip_scores=decided.clip_scores, brightness=decided.brightness, contrast=decided.contrast,
                        people=decided.people)  # fmt: skip
    assert decide([sample()], [again], THRESHOLDS) == [decided]


def test_decisions_keep_the_order_of_the_samples_and_every_measurement_is_needed() -> None:
    decided = decide([sample(3), sample(1, "dog")], [GOOD, GOOD], THRESHOLDS)
    assert [(one.id, one.reason, one.clip_class) for one in decided] == [("3", "", "cat"), ("1", "clip", "cat")]
    with pytest.raises(ValueError):
        decide([sample(), sample()], [GOOD], THRESHOLDS)
    with pytest.raises(ValueError, match="no CLIP score for its class zebra"):
        decide([sample(0, "zebra")], [GOOD], THRESHOLDS)


def test_the_funnel_counts_what_each_step_left() -> None:
    cats = [decision("cat", reason) for reason in ("", "", "clip", "black", "flat")]
    dogs = [decision("dog", reason) for reason in ("", "people", "people")]
    counted = funnel({"cat": 6, "dog": 3, "bear": 2}, cats + dogs)
    steps = {step["step"]: (step["count"], step["per_class"]) for step in counted.pop("funnel")}
    assert list(steps) == ["generated", "made", "clip", "quality", "people", "kept"]
    assert steps == {
        "generated": (11, {"cat": 6, "dog": 3, "bear": 2}),
        "made": (8, {"cat": 5, "dog": 3, "bear": 0}),
        "clip": (7, {"cat": 4, "dog": 3, "bear": 0}),
        "quality": (5, {"cat": 2, "dog": 3, "bear": 0}),
        "people": (3, {"cat": 2, "dog": 1, "bear": 0}),
        "kept": (3, {"cat": 2, "dog": 1, "bear": 0}),
    }
    assert counted == {
        "planned": 11,
        "made": 8,
        "clip_pass_rate": 7 / 8,
        "clip_pass_rate_per_class": {"cat": 0.8, "dog": 1.0, "bear": None},
        "rejected": {"clip": 1, "black": 1, "flat": 1, "people": 2},
    }


def test_a_funnel_without_images_has_no_rates() -> None:
    counted = funnel({"cat": 4}, [])
    assert (counted["made"], counted["clip_pass_rate"]) == (0, None)


def test_more_images_than_were_planned_are_a_bug() -> None:
    with pytest.raises(ValueError, match="2 images of cat were decided, 1 were planned"):
        funnel({"cat": 1}, [decision("cat"), decision("cat")])
    with pytest.raises(ValueError, match="1 images of dog were decided, 0 were planned"):
        funnel({"cat": 1}, [decision("dog")])


def test_brightness_and_contrast_are_mean_and_deviation_of_the_luminance() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    image[0] = 255
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 255
    white, reddish, black = Quality(0.02, 0.02)([image, red, image * 0])
    assert white == pytest.approx({"brightness": 0.5, "contrast": 0.5})
    assert reddish == pytest.approx({"brightness": 0.2126, "contrast": 0}, abs=1e-12)
    assert black == {"brightness": 0, "contrast": 0}


def test_a_blanked_image_is_black_and_every_drawn_scene_is_neither_black_nor_flat() -> None:
    from t2ibench.tiny.scenes import STYLES, draw_scene

    images = [draw_scene(70_000_000 + n, CLASSES[n % 10], style).image for style in STYLES for n in range(20)]
    for found in Quality(0.02, 0.02)(images):
        assert found["brightness"] > 0.02 and found["contrast"] > 0.02


def test_cosines_are_those_of_open_clip(clip: ClipRanking) -> None:
    import open_clip
    import torch
    from PIL import Image

    model, prepare = open_clip.create_model_from_pretrained(f"local-dir:{clip.weights}")
    tokens = open_clip.get_tokenizer(f"local-dir:{clip.weights}")([f"a photo of a {name}" for name in CLASSES])
    with torch.no_grad():
        image = model.encode_image(prepare(Image.fromarray(noise(1)))[None])
        text = model.encode_text(tokens)
        expected = torch.nn.functional.cosine_similarity(image, text)
    found = clip([noise(1)])[0]
    assert list(found) == list(CLASSES)
    assert list(found.values()) == pytest.approx(expected.tolist(), abs=1e-5)
    assert len(set(found.values())) == 10, "the untrained model would not tell texts apart"


def test_red_and_blue_are_not_exchanged_for_clip(clip: ClipRanking) -> None:
    assert clip([noise(1)]) != clip([np.ascontiguousarray(noise(1)[..., ::-1])])


def test_neighbours_and_order_do_not_change_an_image_s_measures(clip: ClipRanking, people: People) -> None:
    images = [noise(seed) for seed in range(4)]
    others = [noise(60), images[1], noise(61), noise(62)]
    for engine in (clip, people, Quality(0.02, 0.02)):
        together = engine(images)
        assert len({str(one) for one in together}) > 1
        assert engine(images[::-1]) == together[::-1]
        assert engine(others)[1] == together[1]


def test_one_pass_gives_the_measures_and_thresholds_of_the_three_engines(clip: ClipRanking, people: People) -> None:
    measure = Measure(clip, Quality(0.03, 0.04), people)
    images = [noise(seed) for seed in range(4)]
    expected = [
        Measurement(clip_scores=scores, brightness=light["brightness"], contrast=light["contrast"], people=person)
        for scores, light, person in zip(clip(images), Quality(0, 0)(images), people(images), strict=True)
    ]
    assert measure(images) == expected
    assert measure.thresholds == Thresholds(black_below=0.03, flat_below=0.04, people_from=0.5)


def test_the_tokenizer_may_lie_in_a_folder_of_its_own(clip: ClipRanking, tmp_path: Path) -> None:
    uri = Path(write_clip(tmp_path / "clip"))
    (uri / "tokenizer").mkdir()
    for file in [file for file in uri.glob("*token*") if file.is_file()]:
        file.rename(uri / "tokenizer" / file.name)
    assert ClipRanking(str(uri), TEMPLATE, CLASSES, CPU)([noise(1)]) == clip([noise(1)])


def test_the_template_decides_the_texts(clip: ClipRanking) -> None:
    other = ClipRanking(clip.weights, "{class_name}", CLASSES, CPU)
    assert other([noise(1)]) != clip([noise(1)])
    assert other.identity != clip.identity


@pytest.mark.parametrize("template", ["a photo", "{class_name} {class_name}", "a {class_name} {x}", "{}"])
def test_a_template_without_one_class_name_is_refused(template: str) -> None:
    with pytest.raises(ConfigError, match=r"filter\.clip\.template"):
        ClipRanking("nowhere", template, CLASSES, CPU)


def test_identities_know_what_decides_and_not_the_machine(clip: ClipRanking, people: People) -> None:
    machine = replace(CPU, name="other", device="cuda", threads=7, batch_size={"filter": 1})
    assert ClipRanking(clip.weights, TEMPLATE, CLASSES, machine).identity == clip.identity
    assert ClipRanking(clip.weights, TEMPLATE, CLASSES[:3], CPU).identity != clip.identity
    assert People(people._detector.weights, 0.9, 64, machine).identity == people.identity
    assert Quality(0.1, 0.1).identity == Quality(0.2, 0.2).identity


@pytest.mark.parametrize("name", ["open_clip_config.json", "model.safetensors"])
def test_an_incomplete_clip_is_missing(tmp_path: Path, name: str) -> None:
    uri = write_clip(tmp_path / "clip")
    (tmp_path / "clip" / name).unlink()
    with pytest.raises(MissingError, match="has no"):
        ClipRanking(uri, TEMPLATE, CLASSES, CPU)([noise(1)])


def test_a_clip_without_its_tokenizer_is_missing(tmp_path: Path) -> None:
    uri = write_clip(tmp_path / "clip")
    for file in (tmp_path / "clip").glob("*token*"):
        file.unlink()
    with pytest.raises(MissingError, match="tokenizer"):
        ClipRanking(uri, TEMPLATE, CLASSES, CPU)([noise(1)])


def test_a_damaged_clip_is_missing(tmp_path: Path) -> None:
    file = Path(write_clip(tmp_path / "clip")) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(MissingError, match="is not a CLIP"):
        ClipRanking(str(tmp_path / "clip"), TEMPLATE, CLASSES, CPU)([noise(1)])


def test_absent_weights_are_missing() -> None:
    for engine in (ClipRanking("nowhere", TEMPLATE, CLASSES, CPU), People("nowhere", 0.5, 64, CPU)):
        with pytest.raises(MissingError, match="no weights at"):
            engine([noise(1)])


def test_a_detector_that_knows_no_person_is_refused(tmp_path: Path) -> None:
    uri = write_yolo(tmp_path / "yolo", names=[f"thing {n}" for n in range(80)])
    with pytest.raises(ConfigError, match="person"):
        People(uri, 0.5, 64, CPU)([noise(1)])


def test_the_bundled_clip_ranks_the_class_of_a_fresh_scene_first() -> None:
    from t2ibench.tiny.scenes import draw_scene

    names = [CLASSES[n % 10] for n in range(60)]
    images = [draw_scene(70_000_000 + n, name).image for n, name in enumerate(names)]
    scores = ClipRanking("tiny://clip", TEMPLATE, CLASSES, CPU)(images)
    ranked_first = [max(one, key=one.__getitem__) for one in scores]
    assert np.mean([first == name for first, name in zip(ranked_first, names, strict=True)]) >= 0.8


def test_the_bundled_detector_tells_scenes_with_a_person_from_those_without() -> None:
    from t2ibench.tiny.scenes import draw_scene

    people = People("tiny://yolo", 0.5, 64, CPU)
    with_person = people([draw_scene(70_000_000 + n, "person").image for n in range(20)])
    drawn = [draw_scene(70_000_000 + n, CLASSES[n % 10]) for n in range(60)]
    alone = [scene.image for scene in drawn if all(thing.name != "person" for thing in scene.things)]
    without = people(alone)
    assert np.mean([one >= people.confidence for one in with_person]) >= 0.7
    assert np.mean([one >= people.confidence for one in without]) <= 0.1
