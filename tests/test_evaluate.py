"""evaluate: the surest box of the ten classes is the verdict, masks are drawn, and the counts are counted by hand."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from random_models import CPU, noise, write_yolo

from t2ibench.detector import Detector
from t2ibench.errors import ConfigError, MissingError
from t2ibench.evaluate import Masked, Seen, predictions, score, summary
from t2ibench.evaluate.funnel import funnel, rejected
from t2ibench.evaluate.look import Look
from t2ibench.evaluate.overlay import overlay
from t2ibench.evaluate.segment import Segment, outline
from t2ibench.evaluate.yolov8 import FLOOR, Yolov8
from t2ibench.harness.config import load
from t2ibench.harness.stage import Stage
from t2ibench.pictures import encode_png, read_picture
from t2ibench.records import CLASSES, NONE, Decision, Prediction, Sample, Segmentation, read_rows, write_rows
from t2ibench.tiny.scenes import draw_scene

ROOT = Path(__file__).parents[1]
SCENES = [draw_scene(73_000_000 + n, CLASSES[n % 10]).image for n in range(30)]


def row(class_name: str, predicted: str, number: int = 0) -> Prediction:
    box = None if predicted == NONE else (0.0, 0.0, 1.0, 1.0)
    return Prediction(id=f"{number}", class_name=class_name, predicted=predicted, confidence=0.5, box=box)


def sample(name: str, class_name: str = "cat") -> Sample:
    return Sample(file_name=f"{class_name}/{name}.png", id=name, class_name=class_name, prompt="", prompt_id="",
                  index=0, seed=0, engine="", fingerprint="", sha256="")


def decision(name: str, reason: str = "", class_name: str = "cat") -> Decision:
    return Decision(id=name, class_name=class_name, keep=not reason, reason=reason, clip_class=class_name,
                    clip_scores={}, brightness=0.5, contrast=0.2, people=0.0)


@pytest.fixture(scope="module")
def segment() -> Segment:
    return Segment("tiny://yolo-seg", "tiny://yolo", 0.25, 64, CLASSES, CPU)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_yolo(tmp_path_factory.mktemp("evaluate") / "yolo")


@pytest.fixture(scope="module")
def engine(weights: str) -> Yolov8:
    return Yolov8(weights, 0.01, 64, CLASSES, CPU)


def test_accuracy_is_the_mean_of_the_classes_and_pooled_accuracy_that_of_the_images() -> None:
    rows = [row("cat", "cat"), row("cat", "cat"), row("cat", "dog"), row("cat", NONE), row("dog", "dog")]
    assert score(rows, ["cat", "dog"]) == {
        "n": 5,
        "correct": 3,
        "accuracy": 0.75,
        "accuracy_pooled": 0.6,
        "per_class": {
            "cat": {"n": 4, "correct": 2, "accuracy": 0.5},
            "dog": {"n": 1, "correct": 1, "accuracy": 1.0},
        },
        "confusion": {"cat": {"cat": 2, "dog": 1, "none": 1}, "dog": {"dog": 1}},
    }


def test_a_class_without_images_has_no_accuracy_and_does_not_enter_the_mean() -> None:
    scored = score([row("cat", "cat"), row("cat", NONE)], ["cat", "dog"])
    assert scored["per_class"]["dog"] == {"n": 0, "correct": 0, "accuracy": None}
    assert scored["confusion"]["dog"] == {}
    assert scored["accuracy"] == scored["accuracy_pooled"] == 0.5


def test_no_images_at_all_give_no_accuracy() -> None:
    scored = score([], ["cat", "dog"])
    assert (scored["n"], scored["accuracy"], scored["accuracy_pooled"]) == (0, None, None)


def test_the_paper_s_average_is_the_mean_of_its_ten_classes() -> None:
    # IEIE 2026, Table 1, DALLE-3 Base, as counts of 40 images a class; the paper prints 87.25
    percent = dict(zip(CLASSES, (97.5, 85, 80, 95, 95, 80, 70, 100, 75, 95), strict=True))
    rows = [row(name, name if i < value * 0.4 else NONE) for name, value in percent.items() for i in range(40)]
    assert score(rows, CLASSES)["accuracy"] == pytest.approx(0.8725)


@pytest.mark.parametrize("stranger", [row("unicorn", "cat"), row("cat", "person")])
def test_a_class_outside_the_study_is_a_bug(stranger: Prediction) -> None:
    with pytest.raises(ValueError, match="is not among cat, dog"):
        score([stranger], ["cat", "dog"])


def test_predictions_keep_the_order_of_the_samples() -> None:
    samples = [sample("3"), sample("1")]
    dog = Seen(predicted="dog", confidence=0.5, box=(0, 0, 1, 1), runner_up="cat", runner_up_confidence=0.2)
    seen = [dog, Seen(predicted=NONE, confidence=0.0, box=None)]
    rows = predictions(samples, seen)
    assert [(one.id, one.predicted) for one in rows] == [("3", "dog"), ("1", NONE)]
    assert [(one.runner_up, one.runner_up_confidence) for one in rows] == [("cat", 0.2), (NONE, 0.0)]
    with pytest.raises(ValueError):
        predictions(samples, seen[:1])


def test_what_is_seen_is_one_of_the_classes_with_its_box_or_none(engine: Yolov8) -> None:
    seen = engine([noise(seed) for seed in range(4)])
    assert any(one.predicted != NONE for one in seen)
    for one in seen:
        assert one.predicted in (*CLASSES, NONE)
        assert (one.box is None) == (one.predicted == NONE) == (one.confidence == 0)


def test_only_the_study_s_classes_are_seen(weights: str, engine: Yolov8) -> None:
    images = [noise(seed) for seed in range(4)]
    best = next(one.predicted for one in engine(images) if one.predicted != NONE)
    others = tuple(name for name in CLASSES if name != best)
    assert best not in {one.predicted for one in Yolov8(weights, 0.01, 64, others, CPU)(images)}


def test_no_box_that_is_sure_enough_is_none(weights: str) -> None:
    sure = Yolov8(weights, 1.0, 64, CLASSES, CPU)
    [seen] = sure([noise(1)])
    assert (seen.predicted, seen.confidence, seen.box) == (NONE, 0.0, None)
    assert seen.runner_up in CLASSES and seen.runner_up_confidence >= FLOOR, "what it nearly was"


def test_neighbours_and_order_do_not_change_what_is_seen(engine: Yolov8) -> None:
    images = [noise(seed) for seed in range(4)]
    together = engine(images)
    assert engine(images[::-1]) == together[::-1]
    assert engine([images[0], noise(7), noise(8), noise(9)])[0] == together[0]


def test_a_class_unknown_to_the_detector_is_refused(weights: str) -> None:
    with pytest.raises(ConfigError, match=r"study\.classes: 'unicorn'"):
        Yolov8(weights, 0.25, 64, ["cat", "unicorn"], CPU)([noise(1)])


def test_absent_weights_are_missing() -> None:
    with pytest.raises(MissingError):
        Yolov8("nowhere", 0.25, 64, CLASSES, CPU)([noise(1)])


def test_the_identity_changes_with_what_decides_and_not_with_the_machine(weights: str, engine: Yolov8) -> None:
    other_machine = replace(CPU, name="other", device="cuda", threads=7, batch_size={"evaluate": 32})
    assert Yolov8(weights, 0.01, 64, CLASSES, other_machine).identity == engine.identity
    assert Yolov8(weights, 0.02, 64, CLASSES, CPU).identity != engine.identity
    assert Yolov8(weights, 0.01, 96, CLASSES, CPU).identity != engine.identity
    assert Yolov8(weights, 0.01, 64, CLASSES[:9], CPU).identity != engine.identity


def test_the_bundled_detector_names_the_class_of_a_fresh_scene() -> None:
    names = [CLASSES[n % 10] for n in range(60)]
    images = [draw_scene(70_000_000 + n, name).image for n, name in enumerate(names)]
    seen = Yolov8("tiny://yolo", 0.25, 64, CLASSES, CPU)(images)
    assert np.mean([one.predicted == name for one, name in zip(seen, names, strict=True)]) >= 0.85


@pytest.mark.parametrize("confidence", [0.02, 0.25, 0.6])
def test_the_prediction_is_that_of_one_box_an_image(weights: str, confidence: float) -> None:
    for key, images in ((weights, [noise(seed) for seed in range(8)]), ("tiny://yolo", SCENES)):
        detector = Detector(key, CPU, 64)
        numbers = detector.numbers(CLASSES, "study.classes")
        names = {number: name for name, number in numbers.items()}
        for one, boxes in zip(
            Yolov8(key, confidence, 64, CLASSES, CPU)(images), detector(images, names, confidence, 1), strict=True
        ):
            if not boxes:
                assert (one.predicted, one.confidence, one.box) == (NONE, 0.0, None)
            else:
                assert one.predicted == names[boxes[0].class_id]
                assert one.confidence == round(boxes[0].confidence, 6)
                assert one.box == tuple(round(value, 2) for value in boxes[0].xyxy)


def test_the_prediction_is_that_of_ultralytics_predict_with_one_box_an_image() -> None:
    from safetensors.torch import load_file
    from ultralytics import YOLO

    from t2ibench.weights import TINY

    model = YOLO("yolov8n.yaml", task="detect")
    model.model.load_state_dict(load_file(TINY / "yolo" / "yolov8n.safetensors"), strict=True)
    engine = Yolov8("tiny://yolo", 0.25, 64, CLASSES, CPU)
    bgr = [np.ascontiguousarray(image[..., ::-1]) for image in SCENES]
    numbers = Detector("tiny://yolo", CPU, 64).numbers(CLASSES, "study.classes")
    theirs = model.predict(bgr, imgsz=64, device="cpu", verbose=False, save=False, conf=0.25, max_det=1,
                           classes=sorted(numbers.values()))
    for one, found in zip(engine(SCENES), theirs, strict=True):
        assert (one.predicted == NONE) == (len(found.boxes) == 0)
        if one.predicted != NONE:
            assert numbers[one.predicted] == int(found.boxes.cls[0])
            assert one.confidence == pytest.approx(float(found.boxes.conf[0]), abs=1e-4)


def test_the_runner_up_is_the_surest_of_the_other_classes() -> None:
    cat, zebra = draw_scene(74_000_001, "cat").image, draw_scene(74_000_004, "zebra").image
    [seen] = Yolov8("tiny://yolo", 0.25, 128, CLASSES, CPU)([np.concatenate([cat, zebra], axis=1)])
    assert {seen.predicted, seen.runner_up} == {"cat", "zebra"}
    assert seen.confidence >= seen.runner_up_confidence > 0.25


def test_a_runner_up_is_another_class_and_not_surer_than_the_prediction(engine: Yolov8) -> None:
    seen = engine([noise(seed) for seed in range(8)])
    assert any(one.runner_up != NONE for one in seen)
    for one in seen:
        assert one.runner_up in (*CLASSES, NONE)
        assert (one.runner_up == NONE) == (one.runner_up_confidence == 0)
        if one.predicted != NONE:
            assert one.runner_up != one.predicted and one.runner_up_confidence <= one.confidence


def test_the_funnel_counts_what_each_step_left() -> None:
    reasons = ["", "", "clip", "black", "flat", "duplicate", "people", "review"]
    decisions = [decision(f"cat{n}", reason) for n, reason in enumerate(reasons)]
    decisions += [decision("dog0", "", "dog"), decision("dog1", "clip", "dog")]
    right = {"cat0", "cat2", "cat4", "cat7", "dog0"}
    rows = [Prediction(id=one.id, class_name=one.class_name, predicted=one.class_name if one.id in right else NONE,
                       confidence=0.5, box=None) for one in decisions]
    steps = funnel(rows, decisions, ["cat", "dog", "cow"])
    assert [step["step"] for step in steps] == ["made", "clip", "quality", "people", "review", "kept"]
    counts = [(8, 4, 2, 1), (7, 3, 1, 1), (4, 2, 1, 1), (3, 2, 1, 1), (2, 1, 1, 1), (2, 1, 1, 1)]  # by hand
    for step, (cats, cats_right, dogs, dogs_right) in zip(steps, counts, strict=True):
        assert step == {
            "step": step["step"],
            "n": cats + dogs,
            "correct": cats_right + dogs_right,
            "accuracy": pytest.approx((cats_right / cats + dogs_right / dogs) / 2),
            "accuracy_pooled": pytest.approx((cats_right + dogs_right) / (cats + dogs)),
            "per_class": {
                "cat": {"n": cats, "correct": cats_right, "accuracy": cats_right / cats},
                "dog": {"n": dogs, "correct": dogs_right, "accuracy": dogs_right / dogs},
                "cow": {"n": 0, "correct": 0, "accuracy": None},
            },
        }


def test_a_funnel_without_images_has_no_accuracy() -> None:
    assert [(step["n"], step["accuracy"]) for step in funnel([], [], ["cat", "dog"])] == [(0, None)] * 6


def test_predictions_that_do_not_fit_the_decisions_are_a_bug() -> None:
    one = row("cat", "cat")
    for decisions in ([], [decision("1")], [decision("0"), decision("1")], [decision("0"), decision("0")]):
        with pytest.raises(ValueError, match="for every image"):
            funnel([one], decisions, ["cat"])
    with pytest.raises(ValueError, match="no step of the filter rejects for ugly"):
        funnel([one], [decision("0", "ugly")], ["cat"])


def test_what_the_filter_rejected_is_found_in_the_order_of_the_images() -> None:
    made = [sample("3"), sample("1"), sample("2")]
    decisions = [decision("1", "clip"), decision("2"), decision("3", "people")]
    assert rejected(made, made[2:], decisions, "sd") == made[:2]


@pytest.mark.parametrize(
    ("made", "kept", "decided", "said"),
    [
        (["1", "2"], ["1"], ["1"], "no decision about 2"),
        (["1"], ["1"], ["1", "2", "3"], "a decision about an image that was not made: 2 and 1 more"),
        (["1", "2"], ["1"], ["1", "2"], "another decision than the kept images say about 2"),
        (["1"], ["1", "2"], ["1"], "another decision than the kept images say about 2"),
    ],
)
def test_images_and_decisions_of_different_runs_are_missing(
    made: list[str], kept: list[str], decided: list[str], said: str
) -> None:
    with pytest.raises(MissingError, match=f"data/filter/sd/decisions.jsonl has {said}; .*filter@sd"):
        rejected([sample(n) for n in made], [sample(n) for n in kept], [decision(n) for n in decided], "sd")


def thing(class_name: str, predicted: str, confidence: float) -> Segmentation:
    return Segmentation(id="", class_name=class_name, predicted=predicted, confidence=confidence, area=0.1, outline=[])


def test_masks_are_counted_by_hand() -> None:
    rows = [thing("cat", "cat", 0.9), thing("cat", "dog", 0.5), thing("cat", NONE, 0.0), thing("dog", NONE, 0.0)]
    found = summary(rows, ["cat", "dog", "cow"])
    cat = {"n": 3, "with_mask": 2, "right_class": 1, "fraction_right": 1 / 3, "mean_confidence": 0.7}
    dog = {"n": 1, "with_mask": 0, "right_class": 0, "fraction_right": 0.0, "mean_confidence": None}
    cow = {"n": 0, "with_mask": 0, "right_class": 0, "fraction_right": None, "mean_confidence": None}
    assert found.pop("per_class") == {"cat": cat, "dog": dog, "cow": cow}
    assert found == {"n": 4, "with_mask": 2, "right_class": 1, "fraction_right": 0.25, "mean_confidence": 0.7}
    assert summary([], ["cat", "dog"])["fraction_right"] is None
    with pytest.raises(ValueError, match="is not among cat, dog"):
        summary([thing("cat", "person", 0.5)], ["cat", "dog"])


def test_the_outline_is_that_of_the_largest_part() -> None:
    mask = np.zeros((10, 12), np.bool_)
    assert outline(mask) == []
    mask[2:5, 3:9] = True
    mask[3, 5] = False  # a hole is left out
    mask[9, :9] = True  # longer, but of fewer pixels
    assert sorted(outline(mask)) == [[3, 2], [3, 4], [8, 2], [8, 4]]
    mask[:] = False
    mask[4, 7] = True
    assert outline(mask) == [[7, 4]]


def test_the_bundled_segmenter_masks_the_class_of_a_fresh_scene(segment: Segment) -> None:
    found = segment(SCENES)
    assert np.mean([one.predicted == CLASSES[n % 10] for n, one in enumerate(found)]) >= 0.85
    for one in found:
        assert one.area == pytest.approx(one.mask.mean(), abs=1e-6)
        assert (one.predicted == NONE) == (not one.mask.any()) == (not one.outline) == (one.confidence == 0)
        for x, y in one.outline:
            assert one.mask[int(y), int(x)]


def test_only_the_study_s_classes_are_masked() -> None:
    found = Segment("tiny://yolo-seg", "tiny://yolo", 0.25, 64, ["dog", "cow"], CPU)(SCENES)
    assert {one.predicted for one in found} == {"dog", "cow", NONE}
    with pytest.raises(ConfigError, match=r"study\.classes: 'unicorn'"):
        Segment("tiny://yolo-seg", "tiny://yolo", 0.25, 64, ["cat", "unicorn"], CPU)(SCENES[:1])


def test_the_identity_of_a_mask_changes_with_what_decides(segment: Segment) -> None:
    assert Segment("tiny://yolo-seg", "tiny://yolo", 0.3, 64, CLASSES, CPU).identity != segment.identity
    assert Segment("tiny://yolo-seg", "tiny://yolo", 0.25, 64, CLASSES[:9], CPU).identity != segment.identity
    other_machine = replace(CPU, name="other", device="cuda", threads=7, batch_size={"evaluate": 32})
    assert Segment("tiny://yolo-seg", "tiny://yolo", 0.25, 64, CLASSES, other_machine).identity == segment.identity


def seen_twice(look: Look) -> bool:
    """Whether looking at a batch takes two forwards; what is seen and masked is the engines' own either way."""
    networks = {look.judge.detector._model, look.segment.segmenter._model}
    expected = list(zip(look.judge(SCENES[:4]), look.segment(SCENES[:4]), strict=True))
    ran: list[object] = []
    hooks = [network.register_forward_hook(lambda module, *_: ran.append(module)) for network in networks]
    found = look(SCENES[:4])
    for hook in hooks:
        hook.remove()
    assert [seen for seen, _, _ in found] == [seen for seen, _ in expected]
    assert any(mask.mask.any() for _, mask, _ in found)
    for (_, mask, _), (_, own) in zip(found, expected, strict=True):
        assert mask.outline == own.outline and np.array_equal(mask.mask, own.mask)
    return len(ran) == 2


@pytest.mark.parametrize(("detector", "image_size", "twice"), [
    ("tiny://yolo", 64, False), ("tiny://yolo", 96, True), ("another", 64, True)])
def test_one_forward_serves_judge_and_segmenter_where_the_masks_join_the_judge_s_own_weights(
    segment: Segment, weights: str, detector: str, image_size: int, twice: bool
) -> None:
    judge = Yolov8(weights if detector == "another" else detector, 0.25, image_size, CLASSES, CPU)
    assert seen_twice(Look(judge, segment)) is twice


def masked(size: tuple[int, int], predicted: str = "cat") -> Masked:
    mask = np.zeros(size, np.bool_)
    if predicted != NONE:
        mask[size[0] // 2 : size[0] * 3 // 4, size[1] // 4 : size[1] // 2] = True
    return Masked(predicted=predicted, confidence=0.9, area=float(mask.mean()), outline=[], mask=mask)


@pytest.mark.parametrize(
    ("size", "drawn"), [((64, 64), (256, 256)), ((48, 100), (144, 300)), ((300, 400), (300, 400)),
                        ((1024, 512), (512, 256))]
)
def test_an_overlay_is_large_enough_to_see_and_small_enough_to_keep(
    size: tuple[int, int], drawn: tuple[int, int]
) -> None:
    image = noise(1, *size)
    before = image.copy()
    for predicted in ("cat", NONE):
        made = overlay(image, masked(size, predicted), CLASSES)
        assert made.shape == (*drawn, 3) and made.dtype == np.uint8
    assert (image == before).all()


def test_an_overlay_tints_the_mask_and_leaves_the_rest() -> None:
    image = np.full((64, 64, 3), 100, np.uint8)
    made = overlay(image, masked((64, 64)), CLASSES)
    assert tuple(made[160, 100]) == (162, 75, 75), "the middle of the mask: 0.6 of grey, 0.4 of the first hue, red"
    assert (made[200:] == 100).all() and (made[:, 200:] == 100).all()
    assert (overlay(image, masked((64, 64), NONE), CLASSES) == 100).all()
    other = overlay(image, masked((64, 64), "dog"), CLASSES)
    assert tuple(other[160, 100]) != tuple(made[160, 100])


def test_a_mask_at_the_border_keeps_its_label_in_the_picture() -> None:
    image = np.full((64, 64, 3), 100, np.uint8)
    mask = np.zeros((64, 64), np.bool_)
    mask[:3, 60:] = True
    one = Masked(predicted="elephant", confidence=0.5, area=0.01, outline=[], mask=mask)
    made = overlay(image, one, CLASSES)
    plate = (made != 100).any(2)
    begin = int(np.flatnonzero(plate.any(0))[0])
    assert 100 < begin < 200 and plate[2, begin:].all(), "moved to the left until it fits"


def workspace(folder: Path, kept: int, lost: int) -> Stage:
    """A source of `kept` + `lost` drawn pictures as images, filter and deblur leave them, and its base cell."""
    made = [sample(f"{n:012x}-0", CLASSES[n % 3]) for n in range(kept + lost)]
    drawn = [encode_png(draw_scene(75_000_000 + n, one.class_name).image) for n, one in enumerate(made)]
    made = [replace(one, sha256=sha256(payload).hexdigest()) for one, payload in zip(made, drawn, strict=True)]
    for n, one in enumerate(made):
        for place in ("images/sd-llm", *(("deblur/sd-llm/base", "deblur/sd-llm/deblur") if n < kept else ())):
            file = folder / "data" / place / one.file_name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(drawn[n])
    write_rows(folder / "data/images/sd-llm/metadata.jsonl", made)
    write_rows(folder / "data/deblur/sd-llm/base/metadata.jsonl", made[:kept])
    write_rows(folder / "data/deblur/sd-llm/deblur/metadata.jsonl", made[:kept])
    decisions = [decision(one.id, "" if n < kept else "clip", one.class_name) for n, one in enumerate(made)]
    write_rows(folder / "data/filter/sd-llm/decisions.jsonl", decisions)
    return Stage("evaluate", "sd-llm/base", load(["hardware.batch_size.evaluate=4"], folder=ROOT))


def run(stage: Stage) -> dict:
    from experiments.evaluate import run

    run(stage)
    return json.loads(Path("results/evaluate", f"{stage.cell}.json").read_text(encoding="utf-8"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_a_cell_is_judged_segmented_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stage = workspace(tmp_path, kept=10, lost=3)
    result = run(stage)
    out = tmp_path / "data/evaluate/sd-llm/base"
    kept, lost = (read_rows(out / f"{name}.jsonl", Prediction) for name in ("predictions", "rejected"))
    assert (len(kept), len(lost), result["n"]) == (10, 3, 10)
    assert [(step["step"], step["n"]) for step in result["funnel"]] == [
        ("made", 13), ("clip", 10), ("quality", 10), ("people", 10), ("review", 10), ("kept", 10)]
    assert result["funnel"][0]["correct"] == sum(one.predicted == one.class_name for one in kept + lost)
    assert result["funnel"][-1]["accuracy"] == result["accuracy"]
    rows = read_rows(out / "segmentations.jsonl", Segmentation)
    assert result["segmentation"] == summary(rows, stage.params.study.classes)
    for one in rows:
        from PIL import Image

        with Image.open(out / "masks" / one.class_name / f"{one.id}.png") as mask:
            assert mask.mode == "1" and mask.size == (64, 64)
            assert np.asarray(mask).mean() == pytest.approx(one.area, abs=1e-6)
        assert read_picture(out / "overlays" / one.class_name / f"{one.id}.png").shape == (256, 256, 3)
    first = contents(out)
    assert run(stage) == result and contents(out) == first, "the same inputs give the same bytes"


def test_a_deblurred_cell_has_no_funnel_and_asks_for_no_decisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stage = workspace(tmp_path, kept=3, lost=1)
    shutil.rmtree(tmp_path / "data/filter")
    result = run(replace(stage, cell="sd-llm/deblur"))
    assert result["funnel"] is None and result["segmentation"]["n"] == 3
    assert not (tmp_path / "data/evaluate/sd-llm/deblur/rejected.jsonl").exists()


@pytest.mark.parametrize("lost", [0, 2])
def test_a_cell_without_images_has_empty_tables_and_no_accuracy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(workspace(tmp_path, kept=0, lost=lost))
    assert (result["n"], result["accuracy"], result["segmentation"]["fraction_right"]) == (0, None, None)
    assert [step["n"] for step in result["funnel"]] == [lost, 0, 0, 0, 0, 0]
    out = tmp_path / "data/evaluate/sd-llm/base"
    assert (out / "predictions.jsonl").read_bytes() == (out / "segmentations.jsonl").read_bytes() == b""
    assert len(read_rows(out / "rejected.jsonl", Prediction)) == lost


@pytest.mark.parametrize(("place", "again"), [("images/sd-llm", "images@sd-llm"),
                                              ("deblur/sd-llm/base", "deblur@sd-llm-base")])
def test_a_truncated_picture_is_named_with_the_command_that_makes_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, again: str
) -> None:
    monkeypatch.chdir(tmp_path)
    stage = workspace(tmp_path, kept=2, lost=1)
    file = sorted((tmp_path / "data" / place).rglob("*2-0.png" if "images" in place else "*1-0.png"))[0]
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(MissingError, match=rf"{file.name} is damaged.*{again}"):
        run(stage)


def test_decisions_of_another_run_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stage = workspace(tmp_path, kept=2, lost=1)
    write_rows(tmp_path / "data/filter/sd-llm/decisions.jsonl", [decision(f"{n:012x}-0") for n in range(3)])
    with pytest.raises(MissingError, match="another decision than the kept images say about 000000000002-0"):
        run(stage)
    assert not (tmp_path / "data/evaluate").exists(), "found before any model is loaded"
