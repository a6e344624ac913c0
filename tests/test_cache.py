"""The item cache from outside: what is counted, what may go, and what never does."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from t2ibench.cache import inventory, needed, prune, table
from t2ibench.cache.__main__ import main
from t2ibench.errors import ConfigError, MissingError, UserError
from t2ibench.filter.measure import Measure
from t2ibench.harness import config, paths
from t2ibench.harness.items import ItemCache
from t2ibench.images import plan
from t2ibench.images.replies import Arrived
from t2ibench.images.shelf import Entry, Shelf
from t2ibench.records import Failure, Prompt, Sample, digest, write_json, write_rows

ROOT = Path(__file__).parents[1]
SOURCE = "sd-caption"
ITEMS = Path(".cache/items")
DAY = 86_400
PIPELINE = {"stages": {
    "images": {"foreach": {SOURCE: {}}, "do": {
        "cmd": "python make.py data/images/${key}", "outs": ["data/images/${key}"]}},
    "filter": {"foreach": {SOURCE: {}}, "do": {
        "cmd": "python make.py data/filter/${key}", "params": ["filter", "study.classes"],
        "outs": ["data/filter/${key}"]}},
    "deblur": {"matrix": {"source": [SOURCE], "variant": ["deblur"]},
               "cmd": "python make.py data/deblur/${item.source}/${item.variant}",
               "outs": ["data/deblur/${item.source}/${item.variant}"]},
}}
"""A pipeline with the outs of the real one; make.py puts there what the fixture has prepared."""
MAKE = "import shutil, sys; shutil.copytree('made/' + sys.argv[1], sys.argv[1], dirs_exist_ok=True)"


def samples(count: int) -> list[Sample]:
    prompts = [Prompt.make("cat", f"a cat, {number}", "coco", {}) for number in range(count)]
    return [Sample(file_name=f"cat/{one.request.id}.png", id=one.request.id, class_name="cat", prompt=one.prompt.text,
                   prompt_id=one.prompt.id, index=0, seed=one.request.seed, engine="sd",
                   fingerprint=digest(["image", one.request.id]), sha256=digest(["bytes", one.request.id]))
            for one in plan(prompts, 1, 0)]


def restored(sample: Sample) -> Sample:
    return Sample(**{**sample.to_row(), "fingerprint": digest(["restored", sample.id]),
                     "extra": {"restored_from": sample.sha256}})


def measure() -> Measure:
    params = config.load()
    return Measure(*(config.build(params.filter[part], "", params) for part in needed.PARTS))


def command(*words: str) -> None:
    environment = os.environ | {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(Path.cwd() / ".cache/dvc"),
                                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(words, check=True, capture_output=True, env=environment)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which DVC has run a study of four pictures."""
    folder = tmp_path_factory.mktemp("repository")
    tree = yaml.safe_load((ROOT / "params.yaml").read_text())
    tree["sources"] = {SOURCE: tree["sources"][SOURCE]}
    tree["variants"] = {"deblur": tree["variants"]["deblur"]}
    (folder / "params.yaml").write_text(yaml.safe_dump(tree))
    (folder / "dvc.yaml").write_text(yaml.safe_dump(PIPELINE))
    (folder / "make.py").write_text(MAKE)
    (folder / ".gitignore").write_text("made\n.cache\n")
    rows = samples(4)
    write_rows(folder / f"made/data/images/{SOURCE}/metadata.jsonl", rows)
    write_rows(folder / f"made/data/images/{SOURCE}/failures.jsonl",
               [Failure(id="refused-0", class_name="cat", reason="policy", attempts=1)])
    write_rows(folder / f"made/data/filter/{SOURCE}/metadata.jsonl", rows[:3])
    write_rows(folder / f"made/data/deblur/{SOURCE}/deblur/metadata.jsonl", [restored(one) for one in rows[:3]])
    here = Path.cwd()
    os.chdir(folder)
    command("git", "init", "-q")
    command(sys.executable, "-m", "dvc", "init", "-q")
    command(sys.executable, "-m", "dvc", "repro", "-q")
    os.chdir(here)
    return folder


@pytest.fixture
def workspace(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the repository, with items that the lock needs and others that it does not."""
    shutil.copytree(ready, tmp_path / "w", symlinks=True)
    monkeypatch.chdir(tmp_path / "w")
    monkeypatch.delenv("DVC_ROOT", raising=False)
    rows, measured = samples(4), measure()
    pictures, rest = ItemCache(ITEMS, kind="images"), ItemCache(ITEMS, kind="deblur")
    for one in rows:
        pictures.put(one.fingerprint, b"a picture", {})
        ItemCache(ITEMS, ".npy", "filter").put(measured.key(one.sha256), b"numbers", {})
    for one in rows[:3]:
        rest.put(restored(one).fingerprint, b"sharper", {})
    ItemCache(ITEMS, ".npy", "filter").put(measured.clip.key("a photo of a cat"), b"numbers", {})
    for age, name in ((40, "old"), (20, "young")):
        pictures.put(print_of(name), b"another picture", {})
        use(print_of(name), age)


def print_of(name: str) -> str:
    return digest(["not needed", name])


def use(fingerprint: str, days_ago: float) -> None:
    note = ITEMS / fingerprint[:2] / f"{fingerprint}.json"
    os.utime(note, (time.time() - days_ago * DAY,) * 2)


def reply(fingerprint: str, image: str) -> None:
    Shelf().put(Entry(fingerprint, 1, image, {}, {}, Arrived(200, {}, b"{}"), {}, 0.04, "2026-01-01T00:00:00Z"))


def there() -> Counter[str]:
    """Stored things by kind."""
    return Counter(one.kind for one in inventory.items(ITEMS, {}))


NEEDED = {"images": 4, "filter": 5, "deblur": 3}


def test_every_item_behind_the_locks_outs_is_needed_and_no_other(workspace: None) -> None:
    found = needed.needed(config.load())
    stored = list(inventory.items(ITEMS, {}))
    assert Counter(one.kind for one in stored if one.fingerprint in found.kinds) == NEEDED
    assert {one.fingerprint for one in stored} - {*found.kinds} == {print_of("old"), print_of("young")}
    assert all(found.kinds.get(one.fingerprint, "images") == one.kind for one in stored)


def test_the_table_counts_kinds_bytes_the_lock_and_what_was_reused(
        workspace: None, capsys: pytest.CaptureFixture[str]) -> None:
    run = {"stage": "images", "cell": SOURCE, "images": 1, "reused": 3, "models": "tiny"}
    write_json(paths.cache() / f"timings/images/{SOURCE}.json", run | {"images": 9})
    os.utime(paths.cache() / f"timings/images/{SOURCE}.json", (1, 1))
    write_json(paths.cache() / f"timings/cpu/tiny/images/{SOURCE}.json", run)
    write_json(paths.cache() / f"timings/cpu/hub/images/{SOURCE}.json", run | {"models": "hub", "images": 8})
    write_json(paths.cache() / "timings/images/gone.json", run | {"cell": "gone"})
    main([])
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert rows["images"][2] == "6"
    assert rows["images"][-4:] == ["4", "1", "3", "75%"]
    assert rows["filter"][5] == rows["filter"][-1] == "5"
    assert rows["sum"][1] == "14"
    assert sum(there().values()) == 14


def test_pruning_tells_first_and_deletes_only_where_it_is_told_to(
        workspace: None, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--prune", "30d"])
    said = capsys.readouterr().out
    assert "To go: 1 images" in said
    assert "40 d ago" in said
    assert "Nothing was deleted" in said
    assert sum(there().values()) == 14
    main(["--prune", "30d", "--yes"])
    assert "Deleting: 1 images" in capsys.readouterr().out
    assert there() == {**NEEDED, "images": 5}
    assert ItemCache(ITEMS).get(print_of("young"))


def test_to_a_size_what_was_used_longest_ago_goes_first(workspace: None) -> None:
    total = sum(one.bytes for one in inventory.items(ITEMS, {}))
    main(["--prune", f"{total - 1}B", "--yes"])
    assert not ItemCache(ITEMS).get(print_of("old"))
    assert ItemCache(ITEMS).get(print_of("young"))


def test_to_nothing_leaves_all_that_the_lock_needs_and_says_so(
        workspace: None, capsys: pytest.CaptureFixture[str]) -> None:
    lock = Path("dvc.lock").read_bytes()
    main(["--prune", "0B", "--yes"])
    assert "more than 0B: the rest is needed by dvc.lock" in capsys.readouterr().out
    assert there() == NEEDED
    assert Path("dvc.lock").read_bytes() == lock


def test_a_use_makes_an_item_young(workspace: None) -> None:
    assert ItemCache(ITEMS).get(print_of("old"))
    main(["--prune", "30d", "--yes"])
    assert ItemCache(ITEMS).get(print_of("old"))


def test_measurements_of_the_locks_settings_stay_after_an_edit_of_params(workspace: None) -> None:
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("template: a photo of a", "template: a drawing of a"))
    main(["--prune", "0B", "--yes"])
    assert there() == NEEDED
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("tiny://yolo\n", "tiny://yolo-seg\n"))
    assert measure().key("x") not in needed.needed(config.load()).kinds
    main(["--prune", "0B", "--yes"])
    assert there() == NEEDED


def test_paid_answers_go_only_where_they_are_named_and_never_those_of_the_lock(workspace: None) -> None:
    reply(samples(4)[0].fingerprint, samples(4)[0].id)
    reply(digest("refused"), "refused-0")
    reply(digest("of another study"), "another-0")
    main(["--prune", "0B", "--yes"])
    assert there()["replies"] == 3
    main(["--prune", "0B", "--kind", "replies", "--yes"])
    assert there()["replies"] == 2
    assert not Shelf().history(digest("of another study"))


def test_what_a_kill_left_goes_when_it_is_a_day_old(workspace: None) -> None:
    payload, temporary = ITEMS / "00" / f"{'0' * 64}.png", ITEMS / "00" / f".{'0' * 64}.json.12.tmp"
    payload.parent.mkdir(exist_ok=True)
    for path in (payload, temporary):
        path.write_bytes(b"half")
    main(["--prune", "90d", "--yes"])
    assert there()["left by kills"] == 2
    for path in (payload, temporary):
        os.utime(path, (time.time() - 91 * DAY,) * 2)
    main(["--prune", "90d", "--yes"])
    assert there()["left by kills"] == 0


def test_outs_that_are_not_checked_out_stop_it_before_anything_goes(workspace: None) -> None:
    shutil.rmtree("data/images")
    with pytest.raises(MissingError, match=r"data/images/sd-caption is in dvc\.lock but not checked out.*dvc checkout"):
        main(["--prune", "0B", "--yes"])
    assert sum(there().values()) == 14


def test_outs_that_are_other_than_the_locks_stop_it_too(workspace: None) -> None:
    path = Path(f"data/images/{SOURCE}/metadata.jsonl")
    rows = path.read_bytes().splitlines(keepends=True)
    path.unlink()
    path.write_bytes(b"".join(rows[1:]))
    with pytest.raises(MissingError, match=r"data/images/sd-caption is not as dvc\.lock has it"):
        main(["--prune", "0B", "--yes"])
    assert sum(there().values()) == 14


def test_a_stage_at_work_stops_it(workspace: None) -> None:
    path = paths.lock_file("deblur", f"{SOURCE}/deblur")
    path.parent.mkdir(parents=True)
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UserError, match=r"deblur-sd-caption-deblur\.lock is at work; nothing was deleted"):
            main(["--prune", "0B", "--yes"])
    assert sum(there().values()) == 14
    main(["--prune", "0B", "--yes"])
    assert there() == NEEDED


@pytest.mark.parametrize("rule", ["30", "d", "-1d", "30x", "2 gb", "nan d", ""])
def test_a_rule_that_is_neither_age_nor_size_is_refused(rule: str) -> None:
    with pytest.raises(ConfigError, match="an age"):
        prune.Rule.read(rule)


@pytest.mark.parametrize(("text", "rule"), [("30d", prune.Rule(seconds=30 * DAY)), ("2GB", prune.Rule(bytes=2e9)),
                                            ("2 w", prune.Rule(seconds=14 * DAY)), ("0B", prune.Rule(bytes=0))])
def test_a_rule_is_an_age_or_a_size(text: str, rule: prune.Rule) -> None:
    assert prune.Rule.read(text) == rule


def test_the_module_names_a_wrong_kind_and_ends_with_2(workspace: None) -> None:
    done = subprocess.run([sys.executable, "-m", "t2ibench.cache", "--kind", "picture"], capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "accepted: deblur, evaluate, filter, images" in done.stderr


def test_every_stage_that_stores_items_has_its_words_in_the_table() -> None:
    assert {*table.WHAT} == {*table.ORDER}
