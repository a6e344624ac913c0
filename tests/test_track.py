"""track: every cell has its run, once; a server that is down or a killed publication loses nothing."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_workspace import make_params, make_workspace
from mlflow import MlflowClient

from t2ibench.errors import MissingError
from t2ibench.records import read_json, write_json
from t2ibench.track.collect import collect
from t2ibench.track.mlflow import ENTRY, publish

EXPERIMENT = "study"


@pytest.fixture(scope="module")
def params() -> dict[str, Any]:
    return make_params(("cat", "dog"), ("sd-llm", "sd-caption"))


@pytest.fixture
def workspace(tmp_path: Path, params: dict[str, Any]) -> Path:
    """Results of two sources and two variants, a dvc.lock that names their data, one reading of a clock."""
    make_workspace(tmp_path, params)
    stages = {f"images@{source}": {"outs": [{"path": f"data/images/{source}", "md5": "a" * 32 + ".dir"}]}
              for source in params["sources"]}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    write_json(tmp_path / "timings/images/sd-llm.json",
               {"images": 8, "seconds": 2.0, "images_per_second": 4.0, "peak_memory_mb": 100.0})
    return tmp_path


def runs_of(root: Path, params: dict[str, Any]) -> Any:
    return collect(root, params, root / "timings", {"study": "repro"})


def published(root: Path) -> list[Any]:
    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def test_a_run_holds_what_a_reader_compares(workspace: Path, params: dict[str, Any]) -> None:
    assert publish(runs_of(workspace, params), EXPERIMENT, None, workspace) == 4
    by_name = {run.info.run_name: run for run in published(workspace)}
    assert sorted(by_name) == ["sd-caption/base", "sd-caption/deblur", "sd-llm/base", "sd-llm/deblur"]
    run = by_name["sd-llm/base"]
    result = read_json(workspace / "results/evaluate/sd-llm/base.json")
    funnel = read_json(workspace / "results/filter/sd-llm.json")
    metrics = run.data.metrics
    assert metrics["accuracy"] == result["accuracy"]
    assert metrics["accuracy/cat"] == result["per_class"]["cat"]["accuracy"]
    assert metrics["clip_pass_rate/dog"] == funnel["clip_pass_rate_per_class"]["dog"]
    assert metrics["published/dog"] == 0.9928
    assert metrics["difference/cat"] == pytest.approx(metrics["accuracy/cat"] - 1.0, abs=1e-6)
    assert metrics["images_per_second/images"] == 4.0
    assert "images_per_second/images" not in by_name["sd-caption/base"].data.metrics
    assert run.data.tags["variant"] == "base"
    assert run.data.params["images.steps"] == "20"
    data = [entry.dataset for entry in run.inputs.dataset_inputs]
    assert [(one.name, one.digest) for one in data] == [("data/images/sd-llm", "a" * 32 + ".dir")]


def test_publishing_again_changes_nothing(workspace: Path, params: dict[str, Any]) -> None:
    publish(runs_of(workspace, params), EXPERIMENT, None, workspace)
    before = sorted(run.info.run_id for run in published(workspace))
    assert publish(runs_of(workspace, params), EXPERIMENT, None, workspace) == 0
    assert sorted(run.info.run_id for run in published(workspace)) == before


def test_another_result_is_another_run(workspace: Path, params: dict[str, Any]) -> None:
    publish(runs_of(workspace, params), EXPERIMENT, None, workspace)
    path = workspace / "results/evaluate/sd-llm/base.json"
    result = read_json(path)
    write_json(path, result | {"accuracy_pooled": 0.125})
    assert publish(runs_of(workspace, params), EXPERIMENT, None, workspace) == 1
    assert len(published(workspace)) == 5


def test_a_publication_that_was_cut_off_is_made_whole_once(workspace: Path, params: dict[str, Any]) -> None:
    runs = runs_of(workspace, params)
    publish(runs[:1], EXPERIMENT, None, workspace)
    client = MlflowClient(f"sqlite:///{workspace}/mlflow.db")
    number = published(workspace)[0].info.experiment_id
    client.create_run(number, run_name="cut off", tags={ENTRY: runs[1].entry})
    assert publish(runs, EXPERIMENT, None, workspace) == 3
    assert sorted(run.data.tags[ENTRY] for run in published(workspace)) == sorted(run.entry for run in runs)
    assert {run.info.status for run in published(workspace)} == {"FINISHED"}


def test_a_server_that_does_not_answer_costs_seconds_and_says_what_helps(
    workspace: Path, params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    with pytest.raises(MissingError, match=r"results are safe in results/.*dvc repro track"):
        publish(runs_of(workspace, params), EXPERIMENT, "http://127.0.0.1:9", workspace)


def test_a_missing_result_names_the_stage_that_makes_it(workspace: Path, params: dict[str, Any]) -> None:
    (workspace / "results/filter/sd-llm.json").unlink()
    with pytest.raises(MissingError, match=r"dvc repro filter@sd-llm"):
        runs_of(workspace, params)
