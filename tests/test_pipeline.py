"""The pipeline end to end, on a small study of its own in a temporary repository.

What it promises: the same inputs give the same bytes; an edit costs what it changes; a kill loses one batch at most;
a queued experiment pays for nothing twice.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from study import ROOT, SMALL, SOURCE, copy, environment, finish, git, made_since, run, tree

from t2ibench.harness import config, executor
from t2ibench.harness.items import ItemCache
from t2ibench.images import Made, plan
from t2ibench.records import Prompt, Sample, read_json, read_rows

COCO = ROOT.parent / "shared/coco/captions_val2017.json"
PLANNED = 3 * 3 * 2


@pytest.fixture(scope="module")
def repository(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(finished, tmp_path_factory.mktemp("another folder") / "t2ibench")


def test_the_study_ends_in_results_a_report_and_a_run_per_cell(repository: Path) -> None:
    samples = read_rows(repository / f"data/images/{SOURCE}/metadata.jsonl", Sample)
    assert len(samples) == PLANNED
    for variant in ("base", "deblur"):
        result = read_json(repository / f"results/evaluate/{SOURCE}/{variant}.json")
        kept = read_json(repository / f"results/filter/{SOURCE}.json")["funnel"][-1]["count"]
        assert result["n"] == kept > 0
    rows = [row for row in read_json(repository / "results/compare.json")["cells"] if row["cell"].startswith(SOURCE)]
    assert {row["verdict"] for row in rows} == {"not comparable"}
    assert "<html" in (repository / "data/report/index.html").read_text()
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{repository}/mlflow.db")
    experiment = client.get_experiment_by_name("ieie2026")
    assert {found.info.run_name for found in client.search_runs([experiment.experiment_id])} == {
        f"{SOURCE}/base", f"{SOURCE}/deblur"}
    assert "ours|paper" in run(repository, "t2ibench.compare")


def test_a_second_run_does_nothing(repository: Path) -> None:
    said = run(repository, "dvc", "repro")
    assert "Running stage" not in said
    assert "up to date" in said


def test_a_clone_publishes_the_runs_that_its_lock_has_and_makes_nothing_again(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(finished), str(clone))
    shutil.copytree(finished / ".dvc/cache", clone / ".dvc/cache", copy_function=os.link)
    run(clone, "dvc", "checkout")
    written = clone / "data/track/published.json"
    assert not written.exists() and (clone / "data/report/index.html").exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{clone}/nowhere/mlflow.db")
    code, said = finish(clone, "dvc", "repro")
    assert code != 0 and "nowhere/mlflow.db cannot be written" in said
    assert not written.exists(), "nothing was published"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    said = run(clone, "dvc", "repro")
    assert re.findall("Running stage '(.*)'", said) == ["track"]
    assert "track: 2 new runs of 2" in said
    assert "Running stage" not in run(clone, "dvc", "repro")
    assert tree(clone) == tree(finished)
    assert git(clone, "status", "--porcelain") == "", "the lock is what it was"


def test_a_forced_run_gives_the_same_bytes(repository: Path) -> None:
    before, lock = tree(repository), (repository / "dvc.lock").read_bytes()
    shutil.rmtree(repository / ".cache/items")
    run(repository, "dvc", "repro", "-f")
    assert tree(repository) == before
    assert (repository / "dvc.lock").read_bytes() == lock


def test_an_edit_of_the_detector_generates_nothing(repository: Path) -> None:
    before = (repository / "params.yaml").read_text()
    (repository / "params.yaml").write_text(before.replace("confidence: 0.25", "confidence: 0.3"))
    said = run(repository, "dvc", "status")
    (repository / "params.yaml").write_text(before)
    assert "evaluate@" in said
    assert "images@" not in said
    assert "deblur@" not in said


def test_an_edited_prompt_makes_its_own_images_only(repository: Path) -> None:
    prompts = repository / "data/prompts/coco/prompts.jsonl"
    before = {row.id for row in read_rows(prompts, Prompt)}
    pictures = {name: sha for name, sha in tree(repository).items() if name.startswith("data/images/")}
    captions = repository / "t2ibench/prompts/captions/hard-cases.json"
    kept = captions.read_bytes()
    chosen = read_rows(prompts, Prompt)[0]
    content = json.loads(kept)
    for row in content["annotations"]:
        if row["id"] == chosen.origin["caption_id"]:
            row["caption"] = f"One {chosen.class_name} near a red barn at noon."
    captions.write_text(json.dumps(content))
    then = time.time()
    run(repository, "dvc", "repro", f"images@{SOURCE}")
    after = {row.id for row in read_rows(prompts, Prompt)}
    assert len(after - before) == 1
    assert len(made_since(repository, then)) == 2
    now = {name: sha for name, sha in tree(repository).items() if name.startswith("data/images/")}
    assert {name for name in pictures if now.get(name) != pictures[name] and name.endswith(".png")} == {
        f"data/images/{SOURCE}/{chosen.class_name}/{chosen.id}-{index}.png" for index in (0, 1)}
    captions.write_bytes(kept)
    run(repository, "dvc", "repro", f"images@{SOURCE}")
    assert {name: sha for name, sha in tree(repository).items() if name.startswith("data/images/")} == pictures


def test_a_kill_in_the_middle_loses_nothing_that_was_finished(repository: Path) -> None:
    before = {name: sha for name, sha in tree(repository).items() if name.startswith("data/images/")}
    items = repository / ".cache/items"
    shutil.rmtree(items)
    process = subprocess.Popen([sys.executable, "-m", "experiments.images", SOURCE], cwd=repository,
                               env=environment(repository), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(list(items.rglob("*.json"))) < 4:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = len(list(items.rglob("*.json")))
    assert 4 <= finished < PLANNED
    then = time.time()
    run(repository, "experiments.images", SOURCE)
    assert len(made_since(repository, then)) <= PLANNED - finished
    assert {name: sha for name, sha in tree(repository).items() if name.startswith("data/images/")} == before


def test_a_picture_that_is_cut_off_between_two_stages_is_told_and_made_again(repository: Path) -> None:
    before = tree(repository)
    victim = next((repository / f"data/images/{SOURCE}").rglob("*.png"))
    victim.chmod(0o644)
    with victim.open("r+b") as file:  # the worst case: through the hard link, so that the stored item is cut off too
        file.truncate(100)
    done = subprocess.run([sys.executable, "-m", "experiments.filter", SOURCE], cwd=repository, text=True,
                          env=environment(repository), capture_output=True, check=False)
    assert done.returncode == 2
    assert f"{victim.name} is damaged" in done.stderr
    assert f"dvc repro -f images@{SOURCE}" in done.stderr
    run(repository, "dvc", "repro", "-f", "-s", f"images@{SOURCE}")
    run(repository, "dvc", "repro")
    assert tree(repository) == before


def test_a_queued_experiment_shares_what_is_paid_for(repository: Path) -> None:
    git(repository, "add", "-A")
    then = time.time()
    run(repository, "dvc", "exp", "run", "--queue", *(f"-S{one}" for one in SMALL), "-Sevaluate.yolov8.confidence=0.4")
    run(repository, "dvc", "exp", "run", "--run-all")
    assert made_since(repository, then) == []
    shown = json.loads(run(repository, "dvc", "exp", "show", "--json"))
    assert "0.4" in json.dumps(shown)


def test_pruning_to_nothing_costs_no_later_run(finished: Path, tmp_path: Path) -> None:
    repository = copy(finished, tmp_path / "t2ibench")
    before = set((repository / ".cache/items").rglob("*"))
    lock, params = (repository / "dvc.lock").read_bytes(), (repository / "params.yaml").read_text()
    stray = ItemCache(repository / ".cache/items").put("0" * 64, b"of another study", {})
    assert "Deleting" in run(repository, "t2ibench.cache", "--prune", "0B", "--yes")
    assert set((repository / ".cache/items").rglob("*")) - {stray.path.parent} == before
    assert "Running stage" not in run(repository, "dvc", "repro")
    assert (repository / "dvc.lock").read_bytes() == lock
    then = time.time()
    (repository / "params.yaml").write_text(params.replace("confidence: 0.25", "confidence: 0.35"))
    assert "Running stage 'evaluate@" in run(repository, "dvc", "repro", "evaluate")
    (repository / "params.yaml").write_text(params)
    run(repository, "dvc", "repro", "-f", "-s", f"images@{SOURCE}", f"filter@{SOURCE}", f"deblur@{SOURCE}-deblur")
    run(repository, "dvc", "repro")
    assert made_since(repository, then) == []
    assert (repository / "dvc.lock").read_bytes() == lock


@pytest.mark.skipif(not COCO.is_file(), reason="COCO's captions_val2017.json is not beside the project")
def test_real_captions_of_coco_make_images() -> None:
    params = config.load([f"prompts.coco.captions={COCO}", "prompts.coco.per_class=3"], folder=ROOT)
    found = config.build(params.prompts["coco"], "prompts.coco", params)(params.study.classes, 7)
    assert found.read == 25014
    planned = plan(found.prompts, images_per_prompt=1, study_seed=7)
    engine = config.build(params.images["sd"], "images.sd", params)
    answers = [answer for _, answer in executor.run(engine, planned, lambda one: one.request, lambda n: None)]
    assert len(answers) == 30
    assert all(isinstance(answer, Made) and np.asarray(answer.image).std() > 10 for answer in answers)
