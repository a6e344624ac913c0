"""The prompts stage: what names a class, the two engines, and every way in which their input can be wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from t2ibench.errors import ConfigError, MissingError
from t2ibench.hub import catalogue, store
from t2ibench.prompts import PromptSet
from t2ibench.prompts.coco import ANOTHER, BUNDLED, COCO_RULES, CocoPrompts, sort_captions
from t2ibench.prompts.llm import LLMPrompts
from t2ibench.prompts.naming import judge
from t2ibench.records import CLASSES, Prompt, file_digest
from t2ibench.weights import locate

ROOT = Path(__file__).parents[1]
COCO = ROOT / "../shared/coco/captions_val2017.json"

# naming


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A DOG'S tail", "dog"),
        ("the dogs’ leashes", "dog"),
        ("Two sheep", "sheep"),
        ("a cat with kittens", "cat"),
        ("an elephant and its calf", "elephant"),
        ("a horse-drawn wagon", "horse"),
        ("a dog eats a hot dog", "dog"),
        ("a cat eyes a hot dog", "hot-dog"),
        ("a bird on a wooden bird feeder", "bird"),
        ("a cat eyes a bird feeder", "bird-house"),
        ("a bear hugs a tree next to bear cubs", "bear"),
        ("two bears cross the road", "bear"),
        ("trees that bear ripe fruit", "bear-verb"),
        ("a herd of zebra crossing a river", "zebra"),
        ("a cat walks past", "cat"),
        ("a cat beside the mouse of a computer", "cat"),
        ("a cat beside a mouse", "another-animal"),
        ("a coward", "inside-a-word"),
        ("A Cowboy rides a horse", "horse"),
        ("two Teddy-Bears", "teddy-bear"),
        ("Hot-Dogs on a grill", "hot-dog"),
        ("people ride on horsebacks", "horseback"),
        ("a man on horse-back", "horseback"),
        ("birdhouses hang", "bird-house"),
        ("a bird's house", "bird-house"),
        ("birdcage with a bird", "bird"),
        ("statues of two elephants", "depiction"),
        ("a horse statue", "depiction"),
        ("toy animals: a zebra", "depiction"),
        ("a polar bear stuffed toy", "depiction"),
        ("the cows' field", "cow"),
        ("COWS", "cow"),
        ("the sheep's wool", "sheep"),
        ("calves in a field", "synonym"),
        ("a cow with two calves", "cow"),
        ("geese", "synonym"),
        ("oxen and a cow", "cow"),
        ("mice and a cat", "another-animal"),
        ("a dog beside wolves", "another-animal"),
        ("a category", "inside-a-word"),
        ("puppies", "synonym"),
        ("a dog and puppies and a kitten", "several-classes"),
        ("a bulldog near a dog", "dog"),
        ("a stone and a dog", "dog"),
        ("a stone dog", "depiction"),
        ("", "empty"),
        ("…", "empty"),
    ],
)
def test_a_sentence_names_one_class_or_falls_under_one_rule(text: str, expected: str) -> None:
    name, rule = judge(text)
    assert (name or rule) == expected and not (name and rule)


# captions


def coco_file(path: Path, captions: list[Any]) -> Path:
    rows = [{"id": n, "image_id": n, "caption": c} for n, c in enumerate(captions)]
    path.write_text(json.dumps({"images": [], "annotations": rows}))
    return path


def test_every_bundled_caption_falls_where_it_says() -> None:
    rows = json.loads(BUNDLED.read_text())["annotations"]
    found = sort_captions([BUNDLED])
    expected = [row["expected"] for row in rows]
    assert {name: len(kept) for name, kept in found.kept.items()} == {name: expected.count(name) for name in CLASSES}
    assert found.rejected == {rule: expected.count(rule) for rule in COCO_RULES}
    assert min(found.rejected.values()) >= 3, "each rule has its hard cases"
    assert sum(found.rejected.values()) >= 60 and min(map(len, found.kept.values())) >= 14
    where = {caption.id: name for name, kept in found.kept.items() for caption in kept}
    for row in rows:
        assert where.get(row["id"], row["expected"]) == row["expected"]
        if row["expected"] not in ("too-long", "duplicate"):
            name, rule = judge(row["caption"] or "")
            assert (name or rule) == row["expected"], row["caption"]


def test_sampling_depends_on_the_seed_and_the_ids_and_not_on_the_files_order(tmp_path: Path) -> None:
    document = json.loads(BUNDLED.read_text())
    document["annotations"].reverse()
    turned = tmp_path / BUNDLED.name  # captions are counted by the name of their file
    turned.write_text(json.dumps(document))
    first = CocoPrompts()(CLASSES, seed=1)
    assert first == CocoPrompts(turned)(CLASSES, seed=1)
    assert first != CocoPrompts()(CLASSES, seed=2)
    assert [p.class_name for p in first] == [name for name in CLASSES for _ in range(10)]
    assert first.prompts[0].origin.keys() == {"caption_id", "image_id"} and first.prompts[0].kind == "coco"
    assert first.read == len(document["annotations"]) == len(first.prompts) + sum(first.rejected.values())
    fewer = CocoPrompts(per_class=3)(["dog"], seed=1)
    assert list(fewer) == [p for p in first if p.class_name == "dog"][:3], "neither other classes nor the count matter"


def test_a_caption_that_is_there_twice_is_used_once(tmp_path: Path) -> None:
    found = sort_captions([coco_file(tmp_path / "c.json", ["A dog runs.", "a  DOG runs", "A dog sits."])])
    assert [caption.id for caption in found.kept["dog"]] == [0, 2] and found.rejected["duplicate"] == 1


def test_a_caption_beyond_the_limit_is_rejected(tmp_path: Path) -> None:
    path = coco_file(tmp_path / "c.json", ["A dog runs fast.", "A dog runs very fast."])
    assert sort_captions([path], max_words=4).rejected["too-long"] == 1


def two_files(folder: Path) -> tuple[Path, Path]:
    """Train and val of one data set: the ids of the second go on where those of the first end."""
    folder.mkdir(parents=True, exist_ok=True)
    train, val = folder / "captions_train2017.json", folder / "captions_val2017.json"
    for path, start, texts in ((train, 0, ["A dog runs.", "A cat naps.", "A house.", "A dog sits."]),
                               (val, 10, ["A dog eats.", "a DOG runs", "A cat hides."])):
        rows = [{"id": start + n, "image_id": start + n, "caption": text} for n, text in enumerate(texts)]
        path.write_text(json.dumps({"images": [], "annotations": rows}))
    return train, val


def test_train_and_val_are_one_run_counted_by_file(tmp_path: Path) -> None:
    train, val = two_files(tmp_path)
    found = CocoPrompts([str(train), str(val)], per_class=2)(["dog", "cat"], seed=0)
    assert found == CocoPrompts([val, train], per_class=2)(["dog", "cat"], seed=0), "the files' order is no matter"
    assert found.read == 7 == len(found.prompts) + sum(found.rejected.values())
    assert found.files == {"captions_train2017.json": {"read": 4, "kept": 3},
                           "captions_val2017.json": {"read": 3, "kept": 2}}
    assert found.rejected["duplicate"] == 1, "the same words in both files"
    assert len({prompt.origin["caption_id"] for prompt in found}) == 4
    assert {prompt.origin["caption_id"] for prompt in found if prompt.class_name == "cat"} == {1, 12}


def test_the_hubs_name_stands_for_both_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    locate.cache_clear()
    entry = catalogue.entry("hub://coco-captions")
    with pytest.raises(MissingError, match=r"hub://coco-captions .* has not been fetched; this helps: make fetch"):
        CocoPrompts("hub://coco-captions", per_class=1)(["dog"], seed=0)
    both = two_files(store.folder(entry) / "annotations")
    store.write(entry, "a source", None, {f"annotations/{path.name}": file_digest(path) for path in both})
    found = CocoPrompts("hub://coco-captions", per_class=2)(["dog"], seed=0)
    assert found == CocoPrompts(list(both), per_class=2)(["dog"], seed=0)
    locate.cache_clear()


def test_files_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    train, _ = two_files(tmp_path)
    _, other = two_files(tmp_path / "other")
    for given, said in (([], "a caption file"), ([train, train], "names of their own"),
                        ([train, other.rename(other.with_name(train.name))], "names of their own")):
        with pytest.raises(ConfigError, match=rf"prompts\.coco\.captions.*{said}"):
            CocoPrompts(given)(["dog"], seed=0)


def test_the_stage_writes_what_each_file_gave(tmp_path: Path) -> None:
    train, val = two_files(tmp_path)
    for name in ("t2ibench", "experiments", "params.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    run = subprocess.run(
        [sys.executable, "-m", "experiments.prompts", "coco", f"prompts.coco.captions=[{train.name},{val.name}]",
         "study.classes=[dog,cat]", "prompts.coco.per_class=2"],
        cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": "."})
    assert run.returncode == 0, run.stderr
    told = json.loads((tmp_path / "data/prompts/coco/rejected.json").read_text())
    assert told["files"]["captions_val2017.json"] == {"kept": 2, "read": 3}
    assert sum(one["read"] for one in told["files"].values()) == told["read"]


def test_cocos_own_captions_are_sorted_as_they_were_when_read_by_eye() -> None:
    if not COCO.exists():
        pytest.skip(f"COCO's captions are not at {COCO}")
    run = subprocess.run(
        [sys.executable, "-m", "t2ibench.prompts.coco", str(COCO)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = json.loads(run.stdout)
    assert found["kept"] == COCO_KEPT
    assert {rule: count for rule, count in found["rejected"].items() if count} == COCO_REJECTED
    assert found["rejected"].keys() == COCO_RULES.keys()
    assert found["steps"] == steps(COCO_LETTERS, COCO_LOST)
    assert found["files"] == {"captions_val2017.json": {"read": 25014, "kept": sum(COCO_KEPT.values())}}
    assert sum(found["kept"].values()) + sum(found["rejected"].values()) == found["read"] == 25014
    drawn = CocoPrompts(COCO, per_class=50)(CLASSES, seed=0)
    assert len(drawn.prompts) == 500 and drawn.read == 25014 == 500 + sum(drawn.rejected.values())


def test_the_command_imports_nothing_heavy() -> None:
    code = (
        "import sys, t2ibench.prompts.coco; "
        "print([m for m in ('torch', 'numpy', 'openai', 'pydantic', 'omegaconf') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no caption file at"),
        ("not json", "a JSON file"),
        ("[]", "'images'"),
        ('{"annotations": []}', "'images'"),
        ('{"images": []}', "'annotations'"),
        ('{"images": [], "annotations": [{"id": 1, "image_id": 2}]}', r"annotations\[0\].*'caption'"),
        ('{"images": [], "annotations": [{"id": 1, "caption": "a dog"}]}', "'image_id'"),
        ('{"images": [], "annotations": [{"image_id": 1, "caption": "a dog"}]}', "'id'"),
        ('{"images": [], "annotations": [{"id": "x", "image_id": 1, "caption": "a dog"}]}', "a whole number"),
        ('{"images": [], "annotations": [7]}', "'id'"),
    ],
)
def test_a_damaged_caption_file_is_named_with_what_it_lacks(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "captions.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises((ConfigError, MissingError), match=said) as caught:
        CocoPrompts(path)(["dog"], seed=0)
    assert "captions.json" in str(caught.value) and "\n" not in str(caught.value)
    run = subprocess.run(
        [sys.executable, "-m", "t2ibench.prompts.coco", str(path)], cwd=ROOT, capture_output=True, text=True
    )
    assert (run.returncode, run.stdout, run.stderr.strip()) == (2, "", f"t2ibench: {caught.value}")


def test_a_caption_without_text_is_a_row_with_a_reason(tmp_path: Path) -> None:
    found = sort_captions([coco_file(tmp_path / "c.json", [None, "", " \n", 5, "A dog runs."])])
    assert found.rejected["empty"] == 4 and len(found.kept["dog"]) == 1


def test_a_class_with_too_few_captions_is_named_with_both_numbers(tmp_path: Path) -> None:
    path = coco_file(tmp_path / "c.json", ["A dog runs.", "A dog sits."])
    with pytest.raises(ConfigError, match=r"at least 3 usable captions of dog \(there are 2\)"):
        CocoPrompts(path, per_class=3)(["dog"], seed=0)
    with pytest.raises(ConfigError, match=r"captions of cat \(there are 0\)"):
        CocoPrompts(path, per_class=1)(["cat"], seed=0)


@pytest.mark.parametrize("engine", [CocoPrompts(), LLMPrompts()])
def test_an_unknown_class_is_refused_with_the_known_ones(engine: CocoPrompts | LLMPrompts) -> None:
    faulty: tuple[tuple[list[str], str], ...]
    faulty = ((["dog", "wolf"], "'wolf' cannot be used; accepted: cat, dog"), ([], "once"), (["cat", "cat"], "once"))
    for classes, said in faulty:
        with pytest.raises(ConfigError, match=said):
            engine(classes, seed=0)


@pytest.mark.parametrize("text", ["", " ", "A cat runs.", "A dog and a cat run.", "A house."])
def test_a_prompt_set_refuses_a_prompt_that_does_not_name_its_class_alone(text: str) -> None:
    with pytest.raises(ConfigError, match="a text that names dog alone"):
        PromptSet((Prompt.make("dog", text, "llm", {}),), 1, {})
    twice = Prompt.make("dog", "A dog runs.", "llm", {})
    with pytest.raises(ConfigError, match="twice"):
        PromptSet((twice, twice), 2, {})


@pytest.mark.parametrize(
    "change",
    [
        {"per_class": 0},
        {"max_tries": 0},
        {"temperature": 3.0},
        {"timeout_seconds": 0.0},
        {"attempts": 0},
        {"backoff_seconds": -1.0},
        {"budget_usd": -1.0},
        {"ledger": "../x"},
        {"max_output_tokens": 0},
        {"input_usd_per_million": -1.0, "output_usd_per_million": 0.0},
        {"model": " "},
        {"instruction": "Draw a cat."},
        {"base_url": "localhost:80"},
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_at_once(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"prompts.llm.{next(iter(change))}"):
        LLMPrompts(**change)
    if "per_class" in change:
        with pytest.raises(ConfigError, match=r"prompts\.coco\.per_class"):
            CocoPrompts(per_class=0)


def test_the_yaml_files_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name, engine in (("llm", LLMPrompts), ("coco", CocoPrompts)):
        text = (ROOT / f"conf/prompts/{name}.yaml").read_text()
        assert all("#" in line for line in text.splitlines()[2:]), "every value has its unit and source"
        models = OmegaConf.load(ROOT / "conf/models/tiny.yaml")
        study = OmegaConf.create({"study": {"name": "study", "budget_usd": 10.0}, "models": models})
        settings: Any = OmegaConf.to_container(OmegaConf.merge(study, OmegaConf.create(text)), resolve=True)
        target = settings[name].pop("_target_")
        assert target == f"{engine.__module__}.{engine.__name__}"
        assert engine(**settings[name])(CLASSES, seed=3) == engine()(CLASSES, seed=3)


COCO_KEPT = {
    "bear": 215, "bird": 280, "cat": 765, "cow": 241, "dog": 641,
    "elephant": 397, "giraffe": 432, "horse": 511, "sheep": 204, "zebra": 352,
}
COCO_REJECTED = {
    "animal-gear": 1, "another-animal": 38, "bird-house": 8, "depiction": 126, "dressed-as": 3, "duplicate": 9,
    "horseback": 9, "hot-dog": 139, "inside-a-word": 178, "no-class": 19645, "other-sense": 6, "print": 4,
    "several-classes": 155, "synonym": 297, "teddy-bear": 231, "too-long": 127,
}
COCO_LETTERS = {
    "bear": 536, "bird": 338, "cat": 1053, "cow": 282, "dog": 863,
    "elephant": 431, "giraffe": 501, "horse": 569, "sheep": 228, "zebra": 406,
}
"""Captions that hold a class's letters: before the first rule."""
COCO_LOST = {
    #                        cat  dog horse bird zebra sheep cow elephant bear giraffe
    "too-long": (8, 6, 1, 0, 0, 3, 2, 3, 7, 2),
    "teddy-bear": (5, 0, 0, 0, 0, 0, 0, 0, 231, 0),
    "depiction": (6, 6, 17, 6, 2, 0, 9, 19, 54, 10),
    "dressed-as": (2, 0, 0, 0, 0, 0, 0, 1, 0, 1),
    "several-classes": (43, 67, 19, 30, 38, 19, 20, 10, 9, 37),
    "another-animal": (0, 0, 4, 9, 8, 0, 0, 0, 1, 16),
    "hot-dog": (1, 139, 1, 0, 0, 0, 0, 0, 2, 0),
    "horseback": (1, 0, 9, 0, 0, 0, 0, 0, 0, 0),
    "bird-house": (0, 0, 0, 8, 0, 0, 0, 0, 0, 0),
    "print": (0, 0, 0, 0, 4, 0, 0, 0, 0, 0),
    "animal-gear": (0, 0, 0, 0, 1, 0, 0, 0, 0, 1),
    "other-sense": (0, 0, 6, 3, 0, 0, 0, 0, 0, 0),
    "synonym": (40, 3, 0, 1, 0, 0, 1, 0, 0, 0),
    "inside-a-word": (156, 0, 0, 1, 0, 1, 4, 0, 16, 0),
    "duplicate": (2, 1, 1, 0, 1, 1, 0, 1, 0, 2),
    ANOTHER: (24, 0, 0, 0, 0, 0, 5, 0, 1, 0),
}
"""What each rule takes from each class; the other rules take nothing."""


def steps(letters: dict[str, int], lost: dict[str, tuple[int, ...]]) -> list[dict[str, Any]]:
    """The counts per class before and after each rule, in the rules' order."""
    left, found = letters, []
    for rule in ("too-long", *(rule for rule in COCO_RULES if rule != "too-long"), ANOTHER):
        gone = dict(zip(CLASSES, lost.get(rule, (0,) * len(CLASSES)), strict=True))
        after = {name: left[name] - gone[name] for name in CLASSES}
        found.append({"rule": rule, "before": left, "after": after})
        left = after
    assert left == COCO_KEPT
    return found
