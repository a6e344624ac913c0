"""filter: the first step that rejects is the reason, the funnel adds up, and the measures measure.

What is stored, reused and obeyed by the stage as a whole: tests/test_filter_stage.py.
"""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_models import CPU, coco_names, noise, write_clip, write_yolo

from t2ibench.errors import ConfigError, MissingError
from t2ibench.filter import REASONS, Measurement, Thresholds, decide, funnel
from t2ibench.filter.agreement import ReviewRule, summary
from t2ibench.filter.clip import ClipRanking, rank
from t2ibench.filter.duplicate import BLOCK, DIGITS, SIDE, Duplicates
from t2ibench.filter.judge import judge
from t2ibench.filter.measure import Measure, layout, pack, unpack
from t2ibench.filter.people import People
from t2ibench.filter.quality import Quality
from t2ibench.filter.reviews import Review
from t2ibench.records import CLASSES, Decision, Sample

TEMPLATE = "a photo of a {class_name}"
THRESHOLDS = Thresholds(black_below=0.02, flat_below=0.02, people_from=0.5)
GOOD = Measurement(clip_scores={"cat": 0.3, "dog": 0.2}, brightness=0.5, contrast=0.2, people=0.1)


def sample(number: int = 0, class_name: str = "cat") -> Sample:
    return Sample(file_name="x.png", id=f"{number}", class_name=class_name, prompt="", prompt_id="", index=0, seed=0,
                  engine="", fingerprint="", sha256="")


def decision(class_name: str, reason: str = "") -> Decision:
    return Decision(id="0", class_name=class_name, keep=not reason, reason=reason, clip_class=class_name,
                    clip_scores={}, brightness=0.5, contrast=0.2, people=0.0)


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


def duplicates() -> Duplicates:
    return Duplicates(distance=0.008, similarity=0.9)


def measuring(clip: ClipRanking, people: People) -> Measure:
    return Measure(clip, Quality(0.03, 0.04), duplicates(), people)


@pytest.mark.parametrize(
    ("change", "repeated", "review", "reason"),
    [
        ({}, "", "", ""),
        ({}, "", "keep", ""),
        ({"clip_scores": {"cat": 0.2, "dog": 0.3}}, "", "", "clip"),
        ({"brightness": 0.01}, "", "", "black"),
        ({"contrast": 0.01}, "", "", "flat"),
        ({}, "7", "", "duplicate"),
        ({"people": 0.9}, "", "", "people"),
        ({}, "", "reject", "review"),
        ({"brightness": 0.01, "contrast": 0.01, "people": 0.9}, "", "", "black"),
        ({"contrast": 0.01, "people": 0.9}, "7", "reject", "flat"),
        ({"people": 0.9}, "7", "reject", "duplicate"),
        ({"people": 0.9}, "", "reject", "people"),
        ({"people": 0.9}, "", "keep", "people"),
        ({"clip_scores": {"cat": 0.2, "dog": 0.3}, "brightness": 0.0, "people": 1.0}, "7", "reject", "clip"),
    ],
)
def test_the_first_step_that_rejects_an_image_is_the_reason(
    change: dict, repeated: str, review: str, reason: str
) -> None:
    (decided,) = decide([sample()], [replace(GOOD, **change)], THRESHOLDS, {"0": repeated}, {"0": review})
    assert (decided.keep, decided.reason) == (not reason, reason)
    assert (decided.duplicate_of, decided.review) == (repeated, review)


def test_a_value_at_its_threshold_is_bright_and_textured_enough_and_shows_a_person() -> None:
    at = replace(GOOD, brightness=0.02, contrast=0.02)
    assert decide([sample()], [at], THRESHOLDS)[0].keep
    assert decide([sample()], [replace(GOOD, people=0.5)], THRESHOLDS)[0].reason == "people"


def test_the_row_on_disk_is_enough_to_decide_again() -> None:
    near = replace(GOOD, brightness=0.0199999999, contrast=0.12345678, people=0.49999999)
    (decided,) = decide([sample()], [near], THRESHOLDS, {"0": "7"}, {"0": "keep"})
    again = Measurement(clip_scores=decided.clip_scores, brightness=decided.brightness, contrast=decided.contrast,
                        people=decided.people)
    told = ({decided.id: decided.duplicate_of}, {decided.id: decided.review})
    assert decide([sample()], [again], THRESHOLDS, *told) == [decided]


def test_decisions_keep_the_order_of_the_samples_and_every_measurement_is_needed() -> None:
    decided = decide([sample(3), sample(1, "dog")], [GOOD, GOOD], THRESHOLDS)
    assert [(one.id, one.reason, one.clip_class) for one in decided] == [("3", "", "cat"), ("1", "clip", "cat")]
    with pytest.raises(ValueError):
        decide([sample(), sample()], [GOOD], THRESHOLDS)
    with pytest.raises(ValueError, match="no CLIP score for its class zebra"):
        decide([sample(0, "zebra")], [GOOD], THRESHOLDS)


def test_the_funnel_counts_what_each_step_left() -> None:
    cats = [decision("cat", reason) for reason in ("", "", "clip", "black", "flat", "duplicate", "review")]
    dogs = [decision("dog", reason) for reason in ("", "people", "people")]
    counted = funnel({"cat": 8, "dog": 3, "bear": 2}, cats + dogs)
    steps = {step["step"]: (step["count"], step["per_class"]) for step in counted.pop("funnel")}
    assert list(steps) == ["generated", "made", "clip", "quality", "people", "review", "kept"]
    assert steps == {
        "generated": (13, {"cat": 8, "dog": 3, "bear": 2}),
        "made": (10, {"cat": 7, "dog": 3, "bear": 0}),
        "clip": (9, {"cat": 6, "dog": 3, "bear": 0}),
        "quality": (6, {"cat": 3, "dog": 3, "bear": 0}),
        "people": (4, {"cat": 3, "dog": 1, "bear": 0}),
        "review": (3, {"cat": 2, "dog": 1, "bear": 0}),
        "kept": (3, {"cat": 2, "dog": 1, "bear": 0}),
    }
    assert counted == {
        "planned": 13,
        "made": 10,
        "clip_pass_rate": 9 / 10,
        "clip_pass_rate_per_class": {"cat": 6 / 7, "dog": 1.0, "bear": None},
        "rejected": {"clip": 1, "black": 1, "flat": 1, "duplicate": 1, "people": 2, "review": 1},
    }
    assert tuple(counted["rejected"]) == REASONS


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


@pytest.mark.parametrize("side", [32, 80])
def test_a_batch_is_prepared_to_the_bits_of_the_model_s_own_preprocessing(clip: ClipRanking, side: int) -> None:
    import open_clip
    import torch
    from PIL import Image

    _, prepare = open_clip.create_model_from_pretrained(f"local-dir:{clip.weights}")
    images = [noise(seed, side, side) for seed in range(4)]
    assert torch.equal(clip._pixels(images), torch.stack([prepare(Image.fromarray(image)) for image in images]))


def test_red_and_blue_are_not_exchanged_for_clip(clip: ClipRanking) -> None:
    assert clip([noise(1)]) != clip([np.ascontiguousarray(noise(1)[..., ::-1])])


def test_neighbours_and_order_do_not_change_an_image_s_measures(clip: ClipRanking, people: People) -> None:
    images = [noise(seed) for seed in range(4)]
    others = [noise(60), images[1], noise(61), noise(62)]
    for engine in (clip, people, Quality(0.02, 0.02), lambda batch: [grid.tolist() for grid in duplicates()(batch)]):
        together = engine(images)
        assert len({str(one) for one in together}) > 1
        assert engine(images[::-1]) == together[::-1]
        assert engine(others)[1] == together[1]


def test_neighbours_do_not_change_a_feature_of_the_bundled_clip_whose_tower_has_batch_norms() -> None:
    clip = ClipRanking("tiny://clip", TEMPLATE, CLASSES, CPU)
    features = clip.features([noise(seed) for seed in range(4)])
    assert clip.features([noise(9), noise(1), noise(8), noise(7)])[1] == pytest.approx(features[1], abs=1e-6)
    assert clip.features([noise(0), noise(0), noise(0), noise(0)])[3] == pytest.approx(features[0], abs=1e-6)


def test_one_pass_gives_the_measures_and_thresholds_of_the_four_engines(clip: ClipRanking, people: People) -> None:
    measure = measuring(clip, people)
    images = [noise(seed) for seed in range(4)]
    rows = np.stack(measure(images))
    assert rows.dtype == layout(32)
    assert np.array_equal(rows["feature"], clip.features(images))
    assert [{name: row[name] for name in ("brightness", "contrast")} for row in rows] == Quality(0, 0)(images)
    assert np.array_equal(rows["grid"], duplicates()(images))
    assert rows["people"].tolist() == people(images)
    assert measure.thresholds == Thresholds(black_below=0.03, flat_below=0.04, people_from=0.5)


def test_a_stored_measurement_comes_back_as_it_was(clip: ClipRanking, people: People) -> None:
    rows = measuring(clip, people)([noise(seed) for seed in range(4)])
    assert [unpack(pack(row)).tobytes() for row in rows] == [row.tobytes() for row in rows]
    assert unpack(pack(rows[0])).dtype == layout(32)
    assert len({pack(row) for row in rows}) == 4


def test_features_have_length_one_and_rank_as_the_engine_does(clip: ClipRanking) -> None:
    features = clip.features([noise(seed) for seed in range(3)])
    texts = {name: clip.encode(text) for name, text in clip.texts.items()}
    assert features.dtype == np.float32
    assert np.linalg.norm([*features, *texts.values()], axis=1) == pytest.approx(1, abs=1e-6)
    assert rank(features, texts) == clip([noise(seed) for seed in range(3)])
    assert rank(features[1:2], texts) == [pytest.approx(rank(features, texts)[1], abs=1e-12)]


def test_the_key_of_a_measurement_knows_picture_and_models_and_neither_thresholds_nor_wording(
    clip: ClipRanking, people: People
) -> None:
    measure = measuring(clip, people)
    other_words = ClipRanking(clip.weights, "{class_name}", CLASSES[:2], CPU)
    weights = people._detector.weights
    same = Measure(other_words, Quality(0.5, 0.5), Duplicates(0.5, 0.5), People(weights, 0.9, 64, CPU))
    larger = Measure(clip, measure.quality, measure.duplicate, People(weights, 0.5, 96, CPU))
    assert same.key("ab") == measure.key("ab")
    assert len({measure.key("ab"), measure.key("ac"), larger.key("ab")}) == 3
    assert clip.key("a cat") != clip.key("a dog")


def random_rows(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features and grids of pictures that have nothing in common."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(count, 32)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features, draw.integers(0, 256, (count, SIDE * SIDE), dtype=np.uint8)


def one_by_one(engine: Duplicates, features: np.ndarray, grids: np.ndarray) -> list[int | None]:
    """`Duplicates.firsts`, said plainly."""
    found: list[int | None] = []
    for later in range(len(grids)):
        near = (
            earlier
            for earlier in range(later)
            if found[earlier] is None
            and np.sqrt(np.mean((grids[later] - grids[earlier].astype(float)) ** 2)) / 255 <= engine.distance
            and round(float(features[later].astype(float) @ features[earlier].astype(float)), DIGITS)
            >= engine.similarity
        )
        found.append(next(near, None))
    return found


def test_repetitions_name_their_first_across_blocks_as_a_plain_loop_finds_them() -> None:
    count = 2 * BLOCK + 40
    features, grids = random_rows(count)
    draw = np.random.default_rng(1)
    for later in draw.choice(np.arange(20, count), 80, replace=False):
        earlier = int(draw.integers(0, later))
        features[later] = features[earlier]
        grids[later] = np.clip(grids[earlier].astype(int) + draw.integers(-2, 3, SIDE * SIDE), 0, 255)
    found = duplicates().firsts(features, grids)
    assert found == one_by_one(duplicates(), features, grids)
    assert 40 < sum(first is not None for first in found) < 80, "some, not all: chains drift apart"
    assert any(first is not None and later // BLOCK > first // BLOCK for later, first in enumerate(found))


def test_what_repeats_only_a_repetition_is_an_original() -> None:
    features, _ = random_rows(1)
    steps = np.stack([np.full(SIDE * SIDE, 100 + 2 * step, np.uint8) for step in range(4)])
    assert duplicates().firsts(features.repeat(4, axis=0), steps) == [None, 0, None, 2]


def test_a_picture_in_other_colours_is_not_a_copy() -> None:
    features, grids = random_rows(2)
    assert duplicates().firsts(features, grids[[0, 0]]) == [None, None]
    assert duplicates().firsts(features[[0, 0]], grids) == [None, None]
    assert duplicates().firsts(features[[0, 0]], grids[[0, 0]]) == [None, 0]


def test_the_same_picture_is_a_copy_at_the_strictest_thresholds() -> None:
    features, grids = random_rows(50)
    twice = Duplicates(distance=0.0, similarity=1.0).firsts(features.repeat(2, axis=0), grids.repeat(2, axis=0))
    assert twice == [first for place in range(50) for first in (None, 2 * place)]


def test_no_images_have_no_copies() -> None:
    assert duplicates().firsts(*random_rows(0)) == []


def jpeg(image: np.ndarray) -> np.ndarray:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=75)
    return np.asarray(Image.open(buffer).convert("RGB"))


def resampled(image: np.ndarray) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((48, 48), 3).resize((64, 64), 3))


def grainy(image: np.ndarray) -> np.ndarray:
    grain = np.random.default_rng(0).normal(0, 4, image.shape)
    return (image + grain).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("change", [np.copy, jpeg, resampled, grainy])
def test_copies_of_drawn_scenes_are_found_and_the_scenes_themselves_are_not_copies(
    change: Callable[[np.ndarray], np.ndarray],
) -> None:
    from t2ibench.tiny.scenes import STYLES, draw_scene

    clip = ClipRanking("tiny://clip", TEMPLATE, CLASSES, CPU)
    scenes = [draw_scene(71_000_000 + n, CLASSES[n % 10], STYLES[n % len(STYLES)]).image for n in range(40)]
    both = scenes + [change(scene) for scene in scenes]
    found = duplicates().firsts(clip.features(both), np.stack(duplicates()(both)))
    assert found[:40] == [None] * 40
    assert sum(first == place for place, first in enumerate(found[40:])) >= 38
    assert all(first in (None, place) for place, first in enumerate(found[40:]))


def test_images_of_one_prompt_with_other_seeds_are_not_copies() -> None:
    from t2ibench.images.sd import StableDiffusion

    hardware = replace(CPU, batch_size={"images": 8})
    sd = StableDiffusion(weights="tiny://sd", steps=6, guidance=2.5, scheduler="dpmsolver++", size=64,
                         negative_prompt="", hardware=hardware)
    images = [np.asarray(one) for one in sd.draw([("a cat on a sofa", seed) for seed in range(8)])]
    features = ClipRanking("tiny://clip", TEMPLATE, CLASSES, CPU).features(images)
    assert duplicates().firsts(features, np.stack(duplicates()(images))) == [None] * 8
    assert duplicates().firsts(features[[0, 0]], np.stack(duplicates()(images[:1] * 2))) == [None, 0]


def test_a_grid_is_the_mean_luminance_of_its_cells_whatever_the_size_of_the_picture() -> None:
    image = np.zeros((64, 96, 3), np.uint8)
    image[:, 48:] = 255
    (grid,) = duplicates()([image])
    assert grid.reshape(SIDE, SIDE).tolist() == [[0] * 8 + [255] * 8] * SIDE
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    assert set(duplicates()([red])[0].tolist()) == {54}, "0.2126 * 255"


def judged(clip: ClipRanking, people: People, samples: list[Sample], images: list[np.ndarray],
           verdicts: dict[str, str] | None = None) -> list[Decision]:
    """Decisions in which CLIP ranks the class of picture k first that stands k-th: its text is that picture."""
    measure = Measure(clip, Quality(0.02, 0.02), duplicates(), People(people._detector.weights, 1.0, 64, CPU))
    texts = dict(zip(("cat", "dog"), clip.features([noise(0), noise(1)]), strict=True))
    return judge(samples, measure(images), texts, measure, verdicts or {})


def test_the_smaller_id_is_the_first_in_whatever_order_the_images_come(clip: ClipRanking, people: People) -> None:
    cats = [sample(number) for number in (3, 1, 2)]
    decisions = judged(clip, people, cats, [noise(0)] * 3)
    assert [(one.id, one.reason, one.duplicate_of) for one in decisions] == [
        ("3", "duplicate", "1"), ("1", "", ""), ("2", "duplicate", "1")]


def test_the_copy_of_a_rejected_image_may_be_the_right_one(clip: ClipRanking, people: People) -> None:
    decisions = judged(clip, people, [sample(1, "dog"), sample(2, "cat"), sample(3, "cat")], [noise(0)] * 3)
    assert [(one.reason, one.duplicate_of) for one in decisions] == [("clip", ""), ("", ""), ("duplicate", "2")]


def test_black_images_are_black_and_not_copies_of_each_other(clip: ClipRanking, people: People) -> None:
    black = np.zeros((64, 64, 3), np.uint8)
    decisions = judged(clip, people, [sample(1), sample(2)], [black, black])
    assert all(one.reason in ("clip", "black") and not one.duplicate_of for one in decisions)


def test_a_verdict_rejects_what_is_left_and_nothing_else(clip: ClipRanking, people: People) -> None:
    cats = [sample(1), sample(2), sample(3, "dog")]
    decisions = judged(clip, people, cats, [noise(0), noise(0), noise(1)], {"1": "reject", "3": "keep"})
    assert [(one.reason, one.review) for one in decisions] == [("review", "reject"), ("duplicate", ""), ("", "keep")]


def test_no_images_have_no_decisions(clip: ClipRanking, people: People) -> None:
    assert judge([], [], {}, measuring(clip, people), {}) == []


def reviewed(reviewer: str, decisions: str) -> list[Review]:
    """One letter an image, from image 0 on: k keeps, r rejects, a dot says nothing."""
    words = {"k": "keep", "r": "reject"}
    return [Review(str(n), words[letter], reviewer, "") for n, letter in enumerate(decisions) if letter != "."]


def test_the_agreement_of_two_reviewers_is_cohen_s_kappa_over_what_both_judged() -> None:
    found = summary(reviewed("bo", "kkkkrr.k") + reviewed("al", "kkkrrkr."))
    assert found["reviewed"] == 8
    assert found["by"] == {"al": 7, "bo": 7}
    assert found["agreement"] == {"reviewers": ["al", "bo"], "both": 6, "agree": 4,
                                  "kappa": pytest.approx((4 / 6 - 20 / 36) / (1 - 20 / 36))}


def test_of_three_reviewers_the_two_who_share_the_most_images_are_compared() -> None:
    found = summary(reviewed("al", "kr....") + reviewed("bo", "..krkr") + reviewed("cy", "..krkk"))
    assert found["agreement"]["reviewers"] == ["bo", "cy"]
    assert (found["agreement"]["both"], found["agreement"]["agree"]) == (4, 3)


@pytest.mark.parametrize("reviews", [[], reviewed("al", "kkr"), reviewed("al", "kk..") + reviewed("bo", "..rr")])
def test_without_an_image_that_two_judged_there_is_no_agreement(reviews: list[Review]) -> None:
    assert summary(reviews)["agreement"] is None


def test_two_reviewers_who_say_one_word_throughout_have_no_kappa() -> None:
    assert summary(reviewed("al", "kk") + reviewed("bo", "kk"))["agreement"]["kappa"] is None


def test_the_rule_says_how_many_reviewers_it_takes() -> None:
    reviews = reviewed("al", "kr") + reviewed("bo", "rr")
    assert ReviewRule("any")(reviews) == {"0": "reject", "1": "reject"}
    assert ReviewRule("all")(reviews) == {"0": "keep", "1": "reject"}


def test_the_tokenizer_may_lie_in_a_folder_of_its_own(clip: ClipRanking, tmp_path: Path) -> None:
    uri = Path(write_clip(tmp_path / "clip"))
    (uri / "tokenizer").mkdir()
    for file in [file for file in uri.glob("*token*") if file.is_file()]:
        file.rename(uri / "tokenizer" / file.name)
    assert ClipRanking(str(uri), TEMPLATE, CLASSES, CPU)([noise(1)]) == clip([noise(1)])


def test_the_template_decides_the_texts(clip: ClipRanking) -> None:
    other = ClipRanking(clip.weights, "{class_name}", CLASSES, CPU)
    assert other([noise(1)]) != clip([noise(1)])
    assert other.texts["cat"] == "cat"
    assert clip.texts["cat"] == "a photo of a cat"


@pytest.mark.parametrize("template", ["a photo", "{class_name} {class_name}", "a {class_name} {x}", "{}"])
def test_a_template_without_one_class_name_is_refused(template: str) -> None:
    with pytest.raises(ConfigError, match=r"filter\.clip\.template"):
        ClipRanking("nowhere", template, CLASSES, CPU)


def test_identities_know_what_decides_and_not_the_machine(clip: ClipRanking, people: People) -> None:
    machine = replace(CPU, name="other", device="cuda", threads=7, batch_size={"filter": 1})
    assert ClipRanking(clip.weights, TEMPLATE, CLASSES, machine).identity == clip.identity
    assert People(people._detector.weights, 0.9, 64, machine).identity == people.identity
    assert Quality(0.1, 0.1).identity == Quality(0.2, 0.2).identity
    assert Duplicates(0.1, 0.1).identity == Duplicates(0.2, 0.2).identity


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
