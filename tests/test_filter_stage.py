"""filter as a stage: a picture is measured once, another threshold costs nothing, a review is obeyed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_models import noise

from experiments.filter import run
from t2ibench.errors import ConfigError, MissingError
from t2ibench.filter.measure import Measure, layout, pack
from t2ibench.filter.reviews import Review, write
from t2ibench.harness import config
from t2ibench.harness.items import ItemCache
from t2ibench.harness.stage import Stage
from t2ibench.pictures import decode, encode_png
from t2ibench.records import Decision, Sample, digest, file_digest, read_json, read_rows, write_bytes, write_rows
from t2ibench.tiny.scenes import draw_scene

ROOT = Path(__file__).parents[1]
SOURCE = "sd-llm"
ITEMS = Path(".cache/items")
OTHER_WORDS = 'filter.clip.template="a drawing of a {class_name}"'


def build(name: str, overrides: Sequence[str] = ()) -> Any:
    params = config.load(overrides, folder=ROOT)
    return config.build(params.filter[name], f"filter.{name}", params)


def engine() -> Measure:
    return Measure(build("clip"), build("quality"), build("duplicate"), build("people"))


def filtered(*overrides: str) -> Stage:
    """Runs the stage in this process and this folder."""
    stage = Stage("filter", SOURCE, config.load(overrides, folder=ROOT))
    run(stage)
    return stage


def measured(stage: Stage) -> int:
    return int(stage.clock.reading()["images"])


def rows() -> dict[str, Decision]:
    return {row.id: row for row in read_rows(Path("data/filter", SOURCE, "decisions.jsonl"), Decision)}


def result() -> Any:
    return read_json(Path("results/filter", f"{SOURCE}.json"))


def outs() -> dict[str, str]:
    made = [path for top in ("data/filter", "results") for path in Path(top).rglob("*") if path.is_file()]
    return {str(path): file_digest(path) for path in made}


def images(payloads: dict[str, tuple[str, bytes]]) -> None:
    """data/images/<SOURCE>/ as the stage before leaves it. payloads: {id: (class, bytes of the file)}."""
    folder = Path("data/images", SOURCE)
    shutil.rmtree(folder, ignore_errors=True)
    samples = []
    for id_, (class_name, payload) in payloads.items():
        name = f"{class_name}/{id_}.png"
        write_bytes(folder / name, payload)
        samples.append(Sample(file_name=name, id=id_, class_name=class_name, prompt="", prompt_id="", index=0, seed=0,
                              engine="sd", fingerprint=digest(id_), sha256=file_digest(folder / name)))
    write_rows(folder / "metadata.jsonl", samples)
    write_rows(folder / "failures.jsonl", [])


def scene(number: int, class_name: str = "cat") -> tuple[str, bytes]:
    return class_name, encode_png(draw_scene(72_000_000 + number, class_name).image)


def scenes(count: int) -> dict[str, tuple[str, bytes]]:
    return {f"{n:03}": scene(n, ("cat", "dog", "zebra")[n % 3]) for n in range(count)}


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    shutil.copy2(ROOT / "params.yaml", tmp_path)
    return tmp_path


def process(*arguments: str) -> subprocess.Popen[str]:
    """The stage as a process of its own, which says the processor's seconds in it and its heavy imports at its end."""
    code = """
import json, sys, time
from experiments.filter import run
from t2ibench.harness.stage import main, sources
def timed(stage):
    start = time.process_time()
    run(stage)
    seconds = time.process_time() - start
    heavy = {"torch", "open_clip", "ultralytics", "transformers", "scipy"} & set(sys.modules)
    print(json.dumps({"seconds": seconds, "heavy": sorted(heavy)}))
main("filter", timed, sources)
"""
    return subprocess.Popen([sys.executable, "-c", code, SOURCE, *arguments], text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)})


def finished(*arguments: str) -> Any:
    started = process(*arguments)
    said, complaint = started.communicate()
    assert started.returncode == 0, complaint
    return json.loads(said)


def store_synthetic(count: int) -> None:
    """`count` images that are no pictures, each with a stored measurement: its class's text and some noise."""
    payloads = {f"{n:04}": (config.CLASSES[n % 10], f"picture {n}".encode()) for n in range(count)}
    images(payloads)
    cache, measure, draw = ItemCache(ITEMS, ".npy"), engine(), np.random.default_rng(0)
    texts = {name: unit(draw.normal(size=128)) for name in config.CLASSES}
    for name, text in measure.clip.texts.items():
        cache.put(measure.clip.key(text), pack(texts[name]), {})
    for sample in read_rows(Path("data/images", SOURCE, "metadata.jsonl"), Sample):
        row = np.zeros((), layout(128))
        row["feature"] = unit(texts[sample.class_name] + draw.normal(size=128) / 40)
        row["brightness"], row["contrast"], row["people"] = 0.5, 0.2, draw.random() / 2
        row["grid"] = draw.integers(0, 256, 256)
        cache.put(measure.key(sample.sha256), pack(row), {})


def unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def test_deciding_a_thousand_stored_images_again_imports_no_model_and_takes_under_two_seconds() -> None:
    store_synthetic(1000)
    assert finished()["heavy"] == []
    assert result()["funnel"][-1]["count"] == 1000
    timing = Path(f".cache/timings/cpu/tiny/filter/{SOURCE}.json")
    timing.unlink()
    said = finished("filter.people.confidence=0.25", "filter.quality.flat_below=0.01")
    assert said["heavy"] == []
    clock = json.loads(timing.read_text())
    assert (clock["images"], clock["reused"]) == (0, 1000)
    assert said["seconds"] < 2, "of the processor's time, so that a busy machine is no failure; half a second is usual"
    kept = result()["funnel"][-1]["count"]
    assert 400 < kept < 600
    assert kept == sum(row.people < 0.25 for row in rows().values())


def test_another_wording_asks_for_its_texts_once_and_measures_no_image() -> None:
    store_synthetic(40)
    stored = {*ITEMS.rglob("*.npy")}
    filtered()
    scores = {id_: row.clip_scores for id_, row in rows().items()}
    assert measured(filtered(OTHER_WORDS)) == 0
    assert len({*ITEMS.rglob("*.npy")} - stored) == 10
    assert all(row.clip_scores != scores[id_] for id_, row in rows().items())
    assert finished(OTHER_WORDS)["heavy"] == []


def test_a_stored_measurement_gives_the_same_bytes_as_a_new_one() -> None:
    images(scenes(45))
    assert measured(filtered()) == 45
    before = outs()
    assert measured(filtered()) == 0
    assert outs() == before
    shutil.rmtree(ITEMS)
    assert measured(filtered()) == 45
    assert outs() == before


def test_an_edited_prompt_has_its_own_images_measured_and_no_others() -> None:
    made = scenes(12)
    images(made)
    filtered()
    before = rows()
    images({id_: one for id_, one in made.items() if id_ != "003"} | {"0035": scene(900), "0036": scene(901)})
    assert measured(filtered()) == 2
    after = rows()
    assert {id_: row for id_, row in after.items() if id_ in before} == {
        id_: row for id_, row in before.items() if id_ != "003"}


def test_a_damaged_measurement_is_noticed_and_made_again() -> None:
    images(scenes(6))
    filtered()
    before, measure = outs(), engine()
    samples = read_rows(Path("data/images", SOURCE, "metadata.jsonl"), Sample)
    item = ItemCache(ITEMS, ".npy").get(measure.key(samples[2].sha256))
    assert item is not None
    payload = bytearray(item.path.read_bytes())
    payload[-300] ^= 1
    item.path.write_bytes(payload)
    text = ItemCache(ITEMS, ".npy").get(measure.clip.key("a photo of a dog"))
    assert text is not None
    text.path.write_bytes(text.path.read_bytes()[:50])
    assert measured(filtered()) == 1
    assert outs() == before
    assert measured(filtered()) == 0


def test_a_kill_loses_the_batch_in_hand_and_no_more() -> None:
    images(scenes(60))
    small = "hardware.batch_size.filter=2"
    started = process(small)
    try:
        while started.poll() is None and len(list(ITEMS.rglob("*.json"))) < 8:
            time.sleep(0.005)
    finally:
        started.send_signal(signal.SIGKILL)
        started.communicate()
    stored = len(list(ITEMS.rglob("*.json")))
    assert 8 <= stored < 60
    assert not Path("results").exists()
    assert measured(filtered(small)) == 60 - stored
    assert len(rows()) == 60


@pytest.mark.parametrize("harm", ["cut off", "gone"])
def test_a_picture_that_is_not_the_recorded_one_is_told_though_its_measurement_is_stored(harm: str) -> None:
    images(scenes(3))
    filtered()
    victim = Path("data/images", SOURCE, "dog/001.png")
    payload = victim.read_bytes()
    victim.unlink()
    if harm == "cut off":
        victim.write_bytes(payload[:100])
    said = r"001\.png is " + {"cut off": "damaged", "gone": "missing"}[harm]
    with pytest.raises(MissingError, match=said + rf".*dvc repro -f images@{SOURCE}"):
        filtered()


def test_a_repeated_picture_is_measured_once_and_rejected_as_a_copy_of_its_first() -> None:
    made = scenes(3)
    brighter = np.clip(decode(made["000"][1]).astype(int) + 1, 0, 255).astype(np.uint8)
    images(made | {"100": made["000"], "101": ("cat", encode_png(brighter))})
    stage = filtered("filter.people.confidence=1")
    assert measured(stage) == 4
    found = rows()
    assert not found["000"].reason, "else the copies are not copies of anything that is left"
    assert [(found[id_].reason, found[id_].duplicate_of) for id_ in ("100", "101")] == [("duplicate", "000")] * 2
    assert result()["rejected"]["duplicate"] == 2
    assert not Path("data/filter", SOURCE, "cat/100.png").exists()
    filtered("filter.people.confidence=1", "filter.duplicate.distance=0")
    assert [rows()[id_].reason for id_ in ("100", "101")] == ["duplicate", ""]


def test_pictures_of_two_sizes_keep_their_own_measurements() -> None:
    wide = {f"2{n}": ("dog", encode_png(noise(n, 64, 96))) for n in range(3)}
    images(scenes(5) | wide)
    assert measured(filtered()) == 8
    alone = {id_: rows()[id_] for id_ in wide}
    images(wide)
    shutil.rmtree(ITEMS)
    filtered()
    assert rows() == alone


def reviewed(*decisions: tuple[str, str, str]) -> None:
    write(Path("reviews", f"{SOURCE}.csv"), [Review(id_, word, by, "") for id_, word, by in decisions])


def test_a_review_is_obeyed_and_its_agreement_stands_in_the_results() -> None:
    images(scenes(9))
    filtered()
    kept = [id_ for id_, row in rows().items() if row.keep]
    assert len(kept) >= 4 and result()["review"] == {"reviewed": 0, "by": {}, "agreement": None}
    one, two, three, four = kept[:4]
    reviewed((one, "reject", "al"), (two, "reject", "al"), (three, "keep", "al"),
             (one, "reject", "bo"), (two, "keep", "bo"), (three, "keep", "bo"), (four, "keep", "bo"))
    assert measured(filtered()) == 0
    assert [rows()[id_].review for id_ in kept[:5]] == ["reject", "reject", "keep", "keep", ""][: len(kept)]
    assert [rows()[id_].reason for id_ in kept[:4]] == ["review", "review", "", ""]
    assert not list(Path("data/filter", SOURCE).rglob(f"{one}.png"))
    steps = {step["step"]: step["count"] for step in result()["funnel"]}
    assert steps["people"] - 2 == steps["review"] == steps["kept"] == len(kept) - 2
    assert result()["rejected"]["review"] == 2
    assert result()["review"] == {
        "reviewed": 4,
        "by": {"al": 3, "bo": 4},
        "agreement": {"reviewers": ["al", "bo"], "both": 3, "agree": 2, "kappa": pytest.approx(0.4)},
    }
    filtered("filter.review.rule=all")
    assert [rows()[id_].reason for id_ in kept[:4]] == ["review", "", "", ""]


def test_unknown_ids_in_a_review_are_all_named() -> None:
    images(scenes(2))
    reviewed(("000", "keep", "al"), ("nobody", "keep", "al"), ("nothing", "reject", "al"))
    with pytest.raises(ConfigError, match=r"nobody.*nothing"):
        filtered()


def test_an_id_that_a_reviewer_judged_twice_is_named() -> None:
    images(scenes(2))
    write_bytes(Path("reviews", f"{SOURCE}.csv"), b"id,decision,reviewer,note\n001,keep,al,\n001,reject,al,\n")
    with pytest.raises(ConfigError, match="001"):
        filtered()


def test_a_source_without_images_has_a_funnel_without_rates() -> None:
    images({})
    filtered()
    assert (result()["made"], result()["clip_pass_rate"]) == (0, None)
    assert set(result()["clip_pass_rate_per_class"].values()) == {None}
