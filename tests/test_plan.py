"""plan: what params.yaml costs, counted from the item cache, the clocks and the ledger, without a model."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from t2ibench.dvc_lock import read_lock
from t2ibench.evaluate.look import Look
from t2ibench.harness import config, timing
from t2ibench.harness.items import ItemCache
from t2ibench.harness.params import write
from t2ibench.hub.__main__ import wanted
from t2ibench.images import fingerprint, plan
from t2ibench.paid.ledger import Ledger, path_of
from t2ibench.pictures import encode_png
from t2ibench.plan import costs, counting, speeds, table, texts
from t2ibench.records import Prompt, Sample, digest, read_rows, write_json

ROOT = Path(__file__).parents[1]
FIRST = "sd-llm"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml and the code, in which nothing was made."""
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    for name in ("t2ibench", "experiments"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *arguments], env={**os.environ, "PYTHONPATH": "."}, text=True,
                          capture_output=True, timeout=120, check=False)


def cell(cells: Sequence[counting.Cell], stage: str, name: str) -> counting.Cell:
    return next(one for one in cells if (one.stage, one.name) == (stage, name))


def small(*more: str) -> config.Params:
    """Two images of one source."""
    return config.load(["study.classes=[cat,dog]", "prompts.llm.per_class=1", "study.images_per_prompt=1", *more])


def one_source(folder: Path) -> None:
    """Writes params.yaml of two images of one source."""
    tree = yaml.safe_load((folder / "params.yaml").read_text())
    tree["sources"] = {FIRST: tree["sources"][FIRST]}
    tree["study"] |= {"classes": ["cat", "dog"], "images_per_prompt": 1}
    tree["prompts"]["llm"]["per_class"] = 1
    tree["images"]["sd"]["steps"] = 1
    (folder / "params.yaml").write_text(yaml.safe_dump(tree))


def write_prompts() -> list[Prompt]:
    prompts = [Prompt.make(name, f"a {name} reading a book", "llm", {}) for name in ("cat", "dog")]
    path = Path("data/prompts/llm/prompts.jsonl")
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(one.to_row(), sort_keys=True) + "\n" for one in prompts))
    return prompts


def prints(params: config.Params, prompts: list[Prompt], engine: str = "sd") -> list[str]:
    identity = config.build(params.images[engine], f"images.{engine}", params).identity
    planned = plan(prompts, params.study.images_per_prompt, params.study.seed)
    return [fingerprint(identity, one.request) for one in planned]


def test_before_anything_was_made_counts_are_an_upper_estimate_and_say_so(workspace: Path) -> None:
    done = start("t2ibench.plan")
    assert done.returncode == 0, done.stderr
    assert "≤ 400" in done.stdout
    assert "No prompts of these params in data/prompts/llm yet" in done.stdout
    assert "an upper estimate from params.yaml" in done.stdout
    assert "Downloads: none" in done.stdout
    assert not Path(".cache").exists(), "planning writes nothing"


def test_planning_loads_no_model_library(workspace: Path) -> None:
    code = ("import sys; from t2ibench.plan.__main__ import main; main([])\n"
            "heavy = {'torch', 'diffusers', 'transformers', 'ultralytics', 'open_clip', 'openai', 'mlflow'}\n"
            "sys.exit(' '.join(heavy & set(sys.modules)) or 0)")
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": "."}, text=True,
                          capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("override", "word"), [
    ("study.images_per_prompt=0", "study.images_per_prompt"),
    ("images.sd.steps=many", "images.sd.steps"),
    ("images.sd.sheduler=1", "images.sd.sheduler"),
])
def test_bad_params_are_one_sentence_and_exit_code_2(workspace: Path, override: str, word: str) -> None:
    done = start("t2ibench.plan", override)
    assert done.returncode == 2
    assert done.stdout == ""
    assert word in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_stored_image_is_counted_by_its_fingerprint_and_another_setting_has_none(workspace: Path) -> None:
    prompts, params = write_prompts(), small()
    picture = encode_png(np.zeros((64, 64, 3), np.uint8))
    ItemCache(Path(".cache/items")).put(prints(params, prompts)[0], picture, {})
    found = cell(counting.count(params), "images", FIRST)
    assert (found.images, found.stored, found.to_make, found.exact) == (2, 1, 1, True)
    assert found.sizes == (len(picture),)
    assert cell(counting.count(small("images.sd.steps=3")), "images", FIRST).stored == 0
    Path(f".cache/items/{prints(params, prompts)[0][:2]}/{prints(params, prompts)[0]}.png").unlink()
    assert cell(counting.count(params), "images", FIRST).stored == 0, "a note without its picture is no item"


def test_prompts_of_other_params_are_not_taken_for_these(workspace: Path) -> None:
    write_prompts()
    assert cell(counting.count(small()), "images", FIRST).exact
    ran = {"params": {"params.yaml": {"prompts.llm": small().prompts["llm"], "study.seed": 2026}}}
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": {"prompts@llm": ran}}))
    assert cell(counting.count(small("prompts.llm.budget_usd=99")), "images", FIRST).exact
    assert not cell(counting.count(small("prompts.llm.temperature=0.5")), "images", FIRST).exact
    other = cell(counting.count(small("prompts.llm.per_class=3")), "images", FIRST)
    assert (other.images, other.exact) == (6, False)


def test_after_the_stages_ran_nothing_is_left_to_make(workspace: Path) -> None:
    one_source(workspace)
    write_prompts()
    for stage, name in (("images", FIRST), ("filter", FIRST), ("deblur", f"{FIRST}/deblur")):
        done = start(f"experiments.{stage}", name)
        assert done.returncode == 0, done.stderr
    cells = counting.count(config.load())
    assert all(cell(cells, stage, FIRST).to_make == 0 for stage in ("images", "filter"))
    restored = cell(cells, "deblur", f"{FIRST}/deblur")
    kept = len(Path(f"data/filter/{FIRST}/metadata.jsonl").read_text().splitlines())
    assert (restored.images, restored.stored, restored.exact) == (kept, kept, True)
    judged = cell(cells, "evaluate", f"{FIRST}/base")
    assert (judged.images, judged.stored) == (2, 0), "the judge sees what the filter rejected, too"
    assert cell(cells, "evaluate", f"{FIRST}/deblur").images == kept
    for stage in ("deblur", "evaluate"):
        done = start(f"experiments.{stage}", f"{FIRST}/base")
        assert done.returncode == 0, done.stderr
    params = config.load()
    look = Look(*(config.build(params.evaluate[part], part, params) for part in ("yolov8", "segment")))
    for row in read_rows(Path(f"data/deblur/{FIRST}/deblur/metadata.jsonl"), Sample):
        ItemCache(Path(".cache/items"), ".judged", "evaluate").put(look.key(row.sha256), b"an overlay", {})
    judged = {one.name: one for one in counting.count(config.load()) if one.stage == "evaluate"}
    assert [(one.images, one.stored, one.exact) for one in judged.values()] == [(2, 2, True), (kept, kept, True)]
    other = counting.count(config.load(["evaluate.yolov8.confidence=0.6"]))
    assert cell(other, "evaluate", f"{FIRST}/base").to_make == 2, "another confidence judges all of them"
    other = counting.count(config.load(["filter.people.confidence=0.9"]))
    assert cell(other, "evaluate", f"{FIRST}/base").to_make == 0, "another threshold of the filter none"


def test_an_api_costs_its_price_for_every_image_that_is_not_stored_and_the_cap_is_named(workspace: Path) -> None:
    params = small("images.openai.server=null", "images.openai.model=a-model", "images.openai.price_usd=6")
    prompts = write_prompts()
    rows: list[dict[str, Any]] = []
    found = costs.cost(params, cell(counting.count(params), "images", "dalle3-llm"), rows)
    assert (found.usd, found.seconds, found.cell.requests) == (12.0, 0.0, 2)
    assert costs.budgets(params, [found])[0].endswith(costs.STOPS), "12 dollars pass a cap of 10"
    ItemCache(Path(".cache/items")).put(prints(params, prompts, "openai")[0], b"a picture", {})
    found = costs.cost(params, cell(counting.count(params), "images", "dalle3-llm"), rows)
    assert found.usd == 6.0
    assert not costs.budgets(params, [found])[0].endswith(costs.STOPS)


def test_images_that_are_paid_by_the_token_cost_what_is_held_back_for_them(workspace: Path) -> None:
    params = small("images.openai.server=null", "images.openai.model=a-model", "images.openai.max_output_tokens=5000",
                   "images.openai.input_usd_per_million=5", "images.openai.output_usd_per_million=40")
    assert cell(counting.count(params), "images", "dalle3-llm").usd == pytest.approx(2 * 0.206, abs=0.002)
    prompts = write_prompts()
    engine = config.build(params.images["openai"], "images.openai", params)
    held = [engine.most(one.request) for one in plan(prompts, 1, params.study.seed)]
    assert cell(counting.count(params), "images", "dalle3-llm").usd == sum(held) == pytest.approx(0.4, abs=0.005)


def test_a_chat_model_is_in_the_dollars_with_what_the_ledger_has_spent_already(workspace: Path) -> None:
    chat = ["prompts.llm.recording=null", "prompts.llm.input_usd_per_million=2", "prompts.llm.max_output_tokens=100000",
            "prompts.llm.output_usd_per_million=20"]
    params = small(*chat)
    found = costs.cost(params, cell(counting.count(params), "prompts", "llm"), [])
    assert (found.cell.requests, found.basis) == (2, "2 requests, 6 with all repairs")
    assert found.usd == pytest.approx(4.0, abs=0.02), "2 dollars of reply at most for each of two classes"
    images = ["images.openai.server=null", "images.openai.model=a-model", "images.openai.price_usd=1"]
    params = small(*chat, *images)
    priced = [costs.cost(params, one, []) for one in counting.count(params)]
    (said,) = costs.budgets(params, priced)
    assert said.startswith("Ledger ieie2026: 0.00 USD spent so far, 6.0") and not said.endswith(costs.STOPS)
    ledger = Ledger(path_of("ieie2026"), 100)
    ledger.settle(ledger.ask("f", "prompts of cat", "m", 3.0), "yes", "made")
    ledger.ask("f", "a-0", "m", 1.5)
    ledger.settle(ledger.ask("f", "prompts of cat", "m", None), "yes", "made")
    (said,) = costs.budgets(params, priced)
    past = "Ledger ieie2026: 4.50 USD spent so far (1.50 of it perhaps) and 1 requests of unknown price"
    assert said.startswith(past)
    assert "10.5" in said and said.endswith(costs.STOPS), "texts, images and the past pass a cap of 10"
    done = start("t2ibench.plan", *chat, "prompts.llm.input_usd_per_million=null",
                 "prompts.llm.output_usd_per_million=null")
    assert "10 requests, 30 with all repairs; price unknown" in done.stdout and "≥ –" in done.stdout, done.stdout
    assert "10 requests of unknown price" in done.stdout.replace("\n", " ")


def test_written_prompts_and_saved_replies_are_not_asked_again(workspace: Path) -> None:
    params = small("prompts.llm.recording=null")
    engine = config.build(params.prompts["llm"], "prompts.llm", params)
    request = engine.request("cat")
    row = {"class_name": "cat", "request": request, "request_digest": digest(request), "reply": {}}
    write_json(Path(params.prompts["llm"]["save"]), {"authored": False, "exchanges": [row]})
    assert cell(counting.count(params), "prompts", "llm").requests == 1
    write_prompts()
    assert not [one for one in counting.count(params) if one.stage == "prompts"]


def test_the_stand_in_costs_nothing(workspace: Path) -> None:
    found = cell(counting.count(small()), "images", "dalle3-llm")
    assert found.requests == 0
    assert costs.cost(small(), found, []).usd == 0


def test_a_retired_model_stands_in_the_way_and_the_rest_is_still_planned(workspace: Path) -> None:
    done = start("t2ibench.plan", "images.openai.server=null")
    assert done.returncode == 2
    assert "dall-e-3" in done.stderr
    assert "shut down" in done.stderr
    assert "sd-caption" in done.stdout


def record(name: str, rate: float | None, hardware: str = "cpu", **more: Any) -> dict[str, Any]:
    """Writes the reading of a cell as the params of now make it, but for what `more` says."""
    row = {"stage": "images", "cell": FIRST, "hardware": hardware, "device": "a processor", "driver": None,
           "images_per_second": rate, "models": "tiny", "dtype": "float32", "threads": 0,
           "settings": timing.settings(small(), "images", FIRST)} | more
    write_json(Path(f".cache/timings/{hardware}/{row['models']}/images/{name}.json"), row)
    return row


def test_time_is_from_the_clock_of_the_same_hardware_and_models_or_an_estimate_with_its_basis(workspace: Path) -> None:
    params = small()
    record("a", 4.0)
    record("a", 9.0, "t4")
    record("a", 9.0, models="hub")
    record("d", None)
    record("e", 9.0, dtype="bfloat16")
    rows = speeds.readings(params, "")
    assert speeds.speed(params, "images", FIRST, rows) == speeds.Speed(4.0, "recorded, on a processor")
    assert "another cell" in speeds.speed(params, "images", "sd-caption", rows).basis
    assert "estimate" in speeds.speed(params, "images", "dalle3-llm", rows).basis, "another engine"
    assert "estimate" in speeds.speed(params, "filter", FIRST, rows).basis


def test_each_hardware_has_its_own_clock(workspace: Path) -> None:
    record("a", 4.0, "t4")
    record("a", 16.0, "rtx3090")
    found = {name: speeds.readings(small(f"hardware.name={name}"), "")[0]["images_per_second"]
             for name in ("t4", "rtx3090")}
    assert found == {"t4": 4.0, "rtx3090": 16.0}


@pytest.mark.parametrize(("overrides", "speed", "words"), [
    (["images.sd.steps=48"], 1.0, "recorded at 24 network passes an image, scaled to 96, on a processor"),
    (["images.sd.guidance=1"], 8.0, "recorded at 24 network passes an image, scaled to 12, on a processor"),
    (["images.sd.scheduler=heun"], 2.0, "recorded at 24 network passes an image, scaled to 48, on a processor"),
    (["images.sd.guidance=5"], 4.0, "recorded, on a processor"),
    (["filter.quality.black_below=0.03"], 4.0, "recorded, on a processor"),
])
def test_a_reading_of_other_steps_is_scaled_by_the_networks_passes_and_says_so(
    workspace: Path, overrides: list[str], speed: float, words: str
) -> None:
    record("a", 4.0)
    params = small(*overrides)
    found = speeds.speed(params, "images", FIRST, speeds.readings(params, ""))
    assert (found.images_per_second, found.basis) == (speed, words)


def test_a_reading_of_a_published_network_is_scaled_with_its_decoder(workspace: Path) -> None:
    twelve, fifty = (small("images.sd.weights=hub://sd15", f"images.sd.steps={steps}") for steps in (12, 50))
    record("a", 4.0, settings=timing.settings(twelve, "images", FIRST))
    found = speeds.speed(fifty, "images", FIRST, speeds.readings(fifty, ""))
    assert found.images_per_second == pytest.approx(4.0 * (0.8 * 24 + 2.5) / (0.8 * 100 + 2.5))


@pytest.mark.parametrize("override", ["images.sd.size=128", "images.sd.weights=tiny://standin", "hardware.threads=1"])
def test_a_reading_of_other_pictures_or_another_network_is_refused(workspace: Path, override: str) -> None:
    record("a", 4.0)
    params = small(override)
    assert "estimate" in speeds.speed(params, "images", FIRST, speeds.readings(params, "")).basis


def test_a_cell_of_the_same_settings_counts_before_its_own_of_others(workspace: Path) -> None:
    record("a", 4.0, settings=timing.settings(small("images.sd.steps=6"), "images", FIRST))
    record("b", 3.0, cell="sd-caption")
    params = small()
    assert speeds.speed(params, "images", FIRST, speeds.readings(params, "")).basis == (
        "recorded in another cell, on a processor")


def test_another_card_of_the_same_profile_is_another_device(workspace: Path) -> None:
    row = record("a", 4.0, device="NVIDIA L4", driver="570")
    assert speeds.readings(small(), "NVIDIA L4") == [row]
    assert speeds.readings(small(), "Tesla T4") == []


def test_a_damaged_reading_is_no_reading(workspace: Path) -> None:
    path = Path(".cache/timings/cpu/tiny/images/a.json")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    assert speeds.readings(small(), "") == []
    record("a", 4.0, settings=None)
    assert speeds.readings(small(), "") == []
    assert timing.Clock().reading()["images_per_second"] is None


def test_published_models_are_estimated_from_their_operations(workspace: Path) -> None:
    params = small("models.name=hub", "images.sd.weights=hub://sd15", "images.sd.size=512", "images.sd.steps=20",
                   "hardware.name=t4", "hardware.dtype=float16", "hardware.device=cuda")
    found = speeds.speed(params, "images", FIRST, [])
    assert found.images_per_second == pytest.approx(65 * 0.15 / (0.8 * 2 * 20 + 2.5))
    assert "TFLOP" in found.basis
    unknown = small("models.name=hub", "images.sd.weights=hub://sd15", "hardware.name=mine")
    assert speeds.speed(unknown, "images", FIRST, []).images_per_second is None


def test_models_that_were_not_fetched_are_downloads_and_no_error(workspace: Path) -> None:
    tree = yaml.safe_load(Path("params.yaml").read_text())
    tree["evaluate"]["yolov8"]["weights"] = "hub://yolov8x"
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    found = costs.downloads(config.load())
    assert [one.name for one in found] == ["yolov8x"]
    assert "0.14 GB (make fetch)" in table.to_fetch(found)


def test_the_published_models_alone_bring_cocos_captions_and_the_docs_name_what_is_fetched(workspace: Path) -> None:
    write(Path("params.yaml"), ["models=hub"], ROOT / "conf")
    composed = config.load()
    assert composed.prompts["coco"]["captions"] == "hub://coco-captions"
    found = {one.name: one.bytes for one in costs.downloads(composed)}
    assert sorted(found) == [one.name for one in wanted(Path("params.yaml"))], "make plan names what make fetch brings"
    assert "coco-captions" in found
    size = f"{sum(found.values()) / 1e9:.1f} GB"
    for path in ("docs/models.md", "docs/studies/ieie2026.md", "conf/models/hub.yaml"):
        assert size in (ROOT / path).read_text(), path


def test_disk_is_measured_where_pictures_are_stored_and_marked_where_not() -> None:
    made = counting.Cell("images", FIRST, 10, 0, sizes=(100, 300))
    params = config.load(folder=ROOT)
    assert (costs.cost(params, made, []).bytes, costs.cost(params, made, []).measured) == (2000, True)
    guessed = costs.cost(params, counting.Cell("images", FIRST, 10, 0), [])
    assert guessed.bytes == round(10 * 1.6 * 64 * 64)
    assert table.size(guessed.bytes, guessed.measured) == "~66 kB"


def test_the_copies_that_tar_shards_make_are_in_the_disks_bytes(workspace: Path) -> None:
    def taken(*more: str) -> dict[tuple[str, str], int]:
        params = small("sources={sd-llm: {prompts: llm, images: sd}}", *more)
        return {(one.stage, one.name): costs.cost(params, one, []).bytes for one in counting.count(params)}

    files, shards = taken(), taken("study.shard_above=1", "study.images_per_shard=1")
    picture = 1.6 * 64 * 64 + costs.TAR
    grown = {key: bytes - files[key] for key, bytes in shards.items()}
    assert [grown[key, FIRST] for key in ("images", "filter")] == pytest.approx([2 * picture] * 2, abs=1)
    assert [grown["deblur", f"{FIRST}/{name}"] for name in ("base", "deblur")] == pytest.approx([0, 2 * picture], abs=1)
    assert grown["evaluate", f"{FIRST}/base"] > 2 * picture, "overlays and masks"
    there = Path(f"data/images/{FIRST}/000000.tar")
    there.parent.mkdir(parents=True)
    there.write_bytes(bytes(round(picture)))
    left = taken("study.shard_above=1", "study.images_per_shard=1")["images", FIRST] - files["images", FIRST]
    assert left == pytest.approx(picture, abs=1), "a shard that is there takes no more"


@pytest.mark.parametrize(("seconds", "text"), [(None, "?"), (0, "–"), (0.2, "< 1 s"), (40, "40 s"), (600, "10 min"),
                                               (3.4 * 3600, "3.4 h")])
def test_durations_are_short(seconds: float | None, text: str) -> None:
    assert table.duration(seconds) == text


def test_the_written_prompts_are_read_as_the_stage_reads_them(workspace: Path) -> None:
    params = small()
    assert texts.written(params, "llm", read_lock(Path("dvc.lock"))) is None
    assert write_prompts() == read_rows(Path("data/prompts/llm/prompts.jsonl"), Prompt)
