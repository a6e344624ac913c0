"""make verify: recorded images made again, by the real engines on the bundled models, in a small workspace."""

import io
import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rich.console import Console

from t2ibench import deblur
from t2ibench.errors import ConfigError, MissingError
from t2ibench.harness import config, executor
from t2ibench.images import Made, Request, fingerprint, plan
from t2ibench.pictures import encode_png, read_picture
from t2ibench.records import Prompt, Sample, file_digest, image_seed, read_rows, write_rows
from t2ibench.verify.__main__ import BOUND_DB, main
from t2ibench.verify.cells import cells
from t2ibench.verify.difference import largest, psnr
from t2ibench.verify.redo import Differing, Found, redo, sample
from t2ibench.verify.table import lines, table

ROOT = Path(__file__).parents[1]
DRAWN, ASKED = "sd-caption", "dalle3-llm"
IMAGES, RESTORED = Path("data/images", DRAWN), Path("data/deblur", DRAWN, "deblur")
QUICK = ["images.sd.steps=2", "images.openai.server_steps=2", "hardware.threads=1", "hardware.batch_size.images=2",
         "hardware.batch_size.deblur=2"]


def rows_of(folder: Path) -> list[Sample]:
    return read_rows(folder / "metadata.jsonl", Sample)


def draw(params: config.Params, source: str, engine: Any, identity: dict[str, Any]) -> list[Sample]:
    """Five images as experiments/images.py records them, in batches of two."""
    prompts = [Prompt.make("cat", f"a cat beside {number} chairs", "coco", {}) for number in range(5)]
    folder, found = Path("data/images", source), []
    for one, made in executor.run(engine, plan(prompts, 1, 0), lambda one: one.request, lambda n: None):
        assert isinstance(made, Made)
        path = folder / "cat" / f"{one.request.id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.png())
        found.append(Sample(file_name=f"cat/{path.name}", id=one.request.id, class_name="cat", prompt=one.prompt.text,
                            prompt_id=one.prompt.id, index=0, seed=one.request.seed, engine="sd",
                            fingerprint=fingerprint(identity, one.request), sha256=file_digest(path)))
    write_rows(folder / "metadata.jsonl", found)
    return found


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sources of five images, one drawn and one by way of the images API, and the first one's restored ones."""
    folder = tmp_path_factory.mktemp("study")
    tree = yaml.safe_load((ROOT / "params.yaml").read_text())
    tree["sources"] = {name: tree["sources"][name] for name in (DRAWN, ASKED)}
    for override in QUICK:
        keys, value = override.split("=")
        node = tree
        for key in (path := keys.split("."))[:-1]:
            node = node[key]
        node[path[-1]] = int(value)
    (folder / "params.yaml").write_text(yaml.safe_dump(tree))
    here = Path.cwd()
    os.chdir(folder)
    try:
        params = config.load()
        sd = config.build(params.images["sd"], "images.sd", params)
        asked = config.build(params.images["openai"], "images.openai", params)
        with asked:
            draw(params, ASKED, asked, asked.identity)
        write_rows(Path("data/deblur", ASKED, "deblur/metadata.jsonl"), [])
        drawn = draw(params, DRAWN, sd, sd.identity)
        restore(params, drawn)
        shutil.rmtree(".cache")  # the API's answers: nothing may be read from there
    finally:
        os.chdir(here)
    return folder


def restore(params: config.Params, drawn: list[Sample]) -> None:
    """The restored images as experiments/deblur.py records them."""
    engine, kept = config.build(params.deblur["restormer"], "deblur.restormer", params), Path("data/filter", DRAWN)
    shutil.copytree(IMAGES, kept)
    rows = []
    for row, made in executor.run(engine, drawn, lambda row: read_picture(kept / row.file_name), lambda n: None):
        path = RESTORED / row.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(made))
        rows.append(replace(row, fingerprint=deblur.fingerprint(engine.identity, row.sha256), sha256=file_digest(path),
                            extra={"restored_from": row.sha256}))
    write_rows(RESTORED / "metadata.jsonl", rows)


@pytest.fixture
def workspace(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ready, tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w")


def verified(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and {`<stage> <cell>`: what was found} with the sums."""
    code = main([*arguments, "--json"])
    told = json.loads(capsys.readouterr().out)
    return code, told | {f"{one['stage']} {one['cell']}": one for one in told["cells"]}


def test_images_and_restored_images_are_the_same_to_the_byte_without_the_item_cache(
        workspace: None, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = verified(capsys)
    counts = {name: (told[name]["sampled"], told[name]["identical"])
              for name in (f"images {DRAWN}", f"images {ASKED}", f"deblur {DRAWN}/deblur")}
    assert counts == dict.fromkeys(counts, (5, 5))
    assert (code, told["failed"]) == (0, 0)
    assert not Path(".cache/items").exists()


def test_every_damage_is_found_at_its_place(workspace: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Changed pixels; a row's seed; a restored picture whose row was changed with it; a lost original; one bit."""
    drawn, restored, asked = (rows_of(folder) for folder in (IMAGES, RESTORED, Path("data/images", ASKED)))
    path = IMAGES / drawn[2].file_name
    before = read_picture(path)
    after = before.copy()
    after[10:20, 10:20] = 255 - after[10:20, 10:20]
    path.write_bytes(encode_png(after))
    write_rows(IMAGES / "metadata.jsonl", [*drawn[:3], replace(drawn[3], seed=image_seed(1, drawn[3].prompt_id, 0)),
                                           drawn[4]])
    for place, change in ((0, 1), (1, 128)):
        path = RESTORED / restored[place].file_name
        pixels = read_picture(path).copy()
        pixels[:8, :, 0] ^= np.uint8(change)
        path.write_bytes(encode_png(pixels))
        restored[place] = replace(restored[place], sha256=file_digest(path))
    write_rows(RESTORED / "metadata.jsonl", restored)
    Path("data/filter", DRAWN, restored[2].file_name).unlink()
    (Path("data/images", ASKED) / asked[4].file_name).unlink()
    code, told = verified(capsys)
    found = {name: {one["id"]: one for one in told[name]["differing"]} for name in (
        f"images {DRAWN}", f"images {ASKED}", f"deblur {DRAWN}/deblur")}
    assert (code, told["failed"]) == (1, 5)  # all but the picture of one changed bit
    first, second, third = found.values()
    assert {*first} == {drawn[2].id, drawn[3].id}
    assert first[drawn[2].id] == {
        "id": drawn[2].id, "psnr_db": pytest.approx(psnr(before, after)), "largest": largest(before, after),
        "wrong": "its file is not the one that its row records"}
    assert "another prompt, seed or source image than its fingerprint" in first[drawn[3].id]["wrong"]
    assert first[drawn[3].id]["psnr_db"] < BOUND_DB  # the seed's own picture is another one
    assert [one["wrong"] for one in second.values()] == [f"data/images/{ASKED}/{asked[4].file_name} is missing"]
    assert {*third} == {one.id for one in restored[:3]}
    bit, spoilt, lost = (third[one.id] for one in restored[:3])
    assert (bit["psnr_db"], bit["largest"]) == (pytest.approx(10 * math.log10(255**2 * 24)), 1)
    assert (spoilt["psnr_db"], spoilt["largest"], spoilt["wrong"]) == (
        pytest.approx(10 * math.log10(255**2 * 24 / 128**2)), 128, "")
    assert "is not the image that it was made from" in lost["wrong"]


def test_a_wrong_row_is_found_though_it_is_not_in_the_sample(workspace: None) -> None:
    rows = rows_of(IMAGES)
    cell = next(cell for cell in cells(config.load()) if cell.name == DRAWN)
    wrong = next(row.id for row in rows if row.id not in {one.id for one in sample(cell, 2, 0)})
    write_rows(IMAGES / "metadata.jsonl", [replace(row, seed=1) if row.id == wrong else row for row in rows])
    cell = next(cell for cell in cells(config.load()) if cell.name == DRAWN)
    assert {*cell.wrong} == {wrong}
    assert wrong in {one.id for one in redo(replace(cell, engine=None), 2, 0).worse(0)}


def test_the_sample_is_decided_by_its_seed(workspace: None) -> None:
    cell = next(cell for cell in cells(config.load()) if cell.name == DRAWN)
    shuffled = replace(cell, rows=cell.rows[::-1])
    assert sample(cell, 2, 1) == sample(shuffled, 2, 1)
    assert len({tuple(row.id for row in sample(cell, 2, seed)) for seed in range(8)}) > 1
    assert len({row.id for row in sample(cell, 99, 0)}) == 5


def test_other_parameters_are_said_plainly_before_anything_is_loaded(workspace: None) -> None:
    with pytest.raises(MissingError, match=r"data/images/sd-caption was made with other parameters.*dvc repro images@"):
        main(["images.sd.steps=3"])


def test_another_batch_size_is_no_other_parameter(workspace: None) -> None:
    found = cells(config.load(["hardware.batch_size.images=1", "hardware.threads=2"]))
    assert [cell.wrong for cell in found] == [{}] * 4


def test_images_of_a_live_api_are_skipped_and_counted(workspace: None) -> None:
    live = ["images.openai.server=null", "images.openai.model=gpt-image-2.5-sunburst", "images.openai.send_seed=false"]
    params = config.load(live)
    engine = config.build(params.images["openai"], "images.openai", params)
    folder = Path("data/images", ASKED)
    write_rows(folder / "metadata.jsonl", [
        replace(row, fingerprint=fingerprint(engine.identity, Request(row.id, row.prompt, row.seed)))
        for row in rows_of(folder)])
    found = redo(next(cell for cell in cells(params) if cell.name == ASKED), 5, 0)
    assert (found.sampled, found.skipped, found.worse(100)) == (0, 5, [])
    assert found.why == "made by an API, which draws another image for the same request"


def test_the_table_has_a_row_per_cell_and_a_line_per_failure() -> None:
    seen = [Found("images", "a", 400, 50, 50), Found("images", "b", 9, skipped=9, why="made by an API"),
            Found("deblur", "a/deblur", 300, 50, 37, differing=[
                Differing(f"{number:02}", 30.0 + number, 200 - number, "") for number in range(13)])]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table("t", seen, 45))
    rows = [line.split() for line in console.export_text().splitlines()]
    assert ["images", "a", "400", "50", "50", "of", "50", "–", "–", "the", "same"] in rows
    assert ["images", "b", "9", "–", "–", "–", "–", "9", "skipped:", "made", "by", "an", "API"] in rows
    assert ["deblur", "a/deblur", "300", "50", "37", "of", "50", "30.0", "dB", "200", "13", "failed"] in rows
    assert lines(seen[2], 45)[0] == "deblur a/deblur: 00: 30.0 dB, largest difference 200: below 45 dB"
    assert lines(seen[2], 45)[-1] == "deblur a/deblur: and 3 more"
    assert lines(seen[2], 30) == []


def test_a_user_error_ends_the_module_with_2_and_one_line(workspace: None) -> None:
    shutil.rmtree(IMAGES)
    done = subprocess.run([sys.executable, "-m", "t2ibench.verify"], capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"dvc checkout {IMAGES}" in done.stderr


@pytest.mark.parametrize("option", [["--sample", "0"], ["--bound", "-1"]])
def test_an_option_that_says_nothing_is_refused(option: list[str]) -> None:
    with pytest.raises(ConfigError, match=option[0]):
        main(option)


def test_psnr_is_the_closed_form() -> None:
    black, grey = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 51, np.uint8)
    assert psnr(black, grey) == pytest.approx(20 * math.log10(5))
    assert psnr(grey, grey) == math.inf
    assert (largest(black, grey), largest(grey, black)) == (51, 51)
