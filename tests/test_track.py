"""track: every cell has its run, once; a server that is down or a killed publication loses nothing."""

import base64
import http.client
import json
import shutil
import sqlite3
import threading
import zlib
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_workspace import make_params
from mlflow import MlflowClient
from tracked import free_port, make_published, runs_of, start_ui, write_reading

from t2ibench.errors import MissingError
from t2ibench.records import Sample, read_json, write_json
from t2ibench.track import CellRun, store
from t2ibench.track.collect import collect
from t2ibench.track.measures import clocks, drawn_by, timings
from t2ibench.track.mlflow import ENTRY, newest, publish
from t2ibench.track.view import TAG, TAG_LENGTH, views

EXPERIMENT = "study"
CELLS = ["sd-caption/base", "sd-caption/deblur", "sd-llm/base", "sd-llm/deblur"]


@pytest.fixture(scope="module")
def params() -> dict[str, Any]:
    return make_params(("cat", "dog"), ("sd-llm", "sd-caption"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, params: dict[str, Any]) -> Path:
    """Results of two sources and two variants, and an empty database: making it takes MLflow seconds."""
    root = tmp_path_factory.mktemp("made")
    make_published(root, params)
    MlflowClient(f"sqlite:///{root}/mlflow.db").search_experiments()
    return root


@pytest.fixture
def workspace(tmp_path: Path, made: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "workspace"))


@pytest.fixture
def runs(workspace: Path, params: dict[str, Any]) -> list[CellRun]:
    return runs_of(workspace, params)


def published(uri: str) -> list[Any]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def local(root: Path) -> str:
    return f"sqlite:///{root}/mlflow.db"


def test_a_cell_says_which_model_drew_in_place_of_which() -> None:
    row = {"file_name": "cat/a-0.png", "id": "a-0", "class_name": "cat", "prompt": "a cat", "prompt_id": "a",
           "index": 0, "seed": 1, "engine": "openai", "fingerprint": "f", "sha256": "s"}
    own = Sample.from_row(row)
    other = Sample.from_row(row | {"stand_in_for": "DALL-E 3", "model": "another"})
    assert drawn_by([own, other]) == {"stand_in_for": "DALL-E 3", "model_answered": "another"}
    assert drawn_by([own]) == {}


def test_a_run_is_named_for_people_where_another_model_drew_and_a_later_one_takes_its_place(tmp_path: Path) -> None:
    params = make_params(("cat", "dog"), ("dalle3-llm",)) | {"variants": {"base": {"deblur": "none"}}}
    make_published(tmp_path, params)
    (run,) = runs_of(tmp_path, params)
    assert (run.name, run.shown) == ("dalle3-llm/base", "dalle3-llm (standin for DALL-E 3)/base")
    publish([replace(run, shown=run.name, entry="before names said so")], EXPERIMENT, None, tmp_path)
    publish([run], EXPERIMENT, None, tmp_path)
    names = {found.info.run_id: found.info.run_name for found in published(local(tmp_path))}
    _, latest = newest(local(tmp_path), EXPERIMENT)
    assert [names[number] for number in latest] == [run.shown]
    by_name = {name: number for number, name in names.items()}
    tags = MlflowClient(local(tmp_path)).get_run(by_name[run.shown]).data.tags
    assert (tags["source"], tags["variant"], tags["stand_in_for"]) == ("dalle3-llm", "base", "DALL-E 3")


def test_a_variant_that_restores_nothing_has_a_speed_all_the_same(tmp_path: Path) -> None:
    for stage, speed in (("images", 4.0), ("filter", 4.0), ("deblur", None), ("evaluate", 2.0)):
        write_reading(tmp_path, "cpu", stage, "a", speed)
    cells = dict.fromkeys(("images", "filter", "deblur", "evaluate"), "a")
    assert timings(clocks(tmp_path / "timings/cpu/tiny", cells))["images_per_second"] == 1.0
    write_reading(tmp_path, "cpu", "images", "a", None, images=0, reused=8)
    found = timings(clocks(tmp_path / "timings/cpu/tiny", cells))
    assert "images_per_second" not in found
    assert "seconds/images" not in found, "taken from the cache: not this hardware's work"


def test_a_run_holds_what_a_reader_compares(workspace: Path, runs: list[CellRun]) -> None:
    assert publish(runs, EXPERIMENT, None, workspace) == 4
    by_name = {run.info.run_name: run for run in published(local(workspace))}
    assert sorted(by_name) == CELLS
    run = by_name["sd-llm/base"]
    result = read_json(workspace / "results/evaluate/sd-llm/base.json")
    funnel = read_json(workspace / "results/filter/sd-llm.json")
    metrics = run.data.metrics
    assert metrics["accuracy"] == pytest.approx(result["accuracy"], abs=1e-6)
    assert metrics["accuracy/cat"] == pytest.approx(result["per_class"]["cat"]["accuracy"], abs=1e-6)
    assert metrics["clip_pass_rate/dog"] == pytest.approx(funnel["clip_pass_rate_per_class"]["dog"], abs=1e-6)
    assert metrics["published/dog"] == 0.9928
    assert metrics["difference/cat"] == pytest.approx(metrics["accuracy/cat"] - 1.0, abs=1e-5)
    assert [metrics[f"funnel/{step['step']}"] for step in funnel["funnel"]] == [
        step["count"] for step in funnel["funnel"]]
    assert metrics["funnel_accuracy/made"] == pytest.approx(result["funnel"][0]["accuracy"], abs=1e-6)
    assert metrics["segmentation/fraction_right"] == pytest.approx(result["segmentation"]["fraction_right"], abs=1e-6)
    assert metrics["images_per_second/images"] == 4.0
    assert metrics["images_per_second"] == 1.0  # four stages, four images a second each
    assert run.data.tags["variant"] == "base"
    assert run.data.tags["paper.table"] == "1"
    assert run.data.tags["verdict"] == "not comparable"
    assert "stand_in_for" not in run.data.tags
    assert run.data.params["images.steps"] == "20"
    data = {entry.dataset.name: entry.dataset.digest for entry in run.inputs.dataset_inputs}
    assert data["data/images/sd-llm"] == f"{0:032x}.dir"
    assert "data/deblur/sd-llm/base" in data


def test_the_deblurred_cell_says_what_deblurring_changed(runs: list[CellRun], workspace: Path) -> None:
    metrics = {run.name: run.metrics for run in runs}
    pair = next(one for one in read_json(workspace / "results/compare.json")["pairs"]
                if (one["source"], one["class"]) == ("sd-llm", "all"))
    assert metrics["sd-llm/deblur"]["deblurring/gained"] == pair["gained"]
    assert "deblurring/gained" not in metrics["sd-llm/base"]


def test_pictures_have_the_same_keys_in_every_run_and_samples_the_same_prompts(
    workspace: Path, runs: list[CellRun]
) -> None:
    publish(runs, EXPERIMENT, None, workspace)
    client = MlflowClient(local(workspace))
    for run in published(local(workspace)):
        names = {entry.path.split("/")[-1].split("%")[0].split("+")[0]
                 for entry in client.list_artifacts(run.info.run_id, "images")}
        assert {"grid", "failures", "confusion", "segmentation", "funnel"} <= names
        assert "samples.json" in {entry.path for entry in client.list_artifacts(run.info.run_id)}
    base, deblur = (run for run in runs if run.name.startswith("sd-llm/"))
    assert [prompt for prompt, _ in base.samples] == [prompt for prompt, _ in deblur.samples]


def test_publishing_again_changes_nothing(workspace: Path, runs: list[CellRun]) -> None:
    publish(runs, EXPERIMENT, None, workspace)
    before = sorted(run.info.run_id for run in published(local(workspace)))
    assert publish(runs, EXPERIMENT, None, workspace) == 0
    assert sorted(run.info.run_id for run in published(local(workspace))) == before


def test_another_result_is_another_run_and_the_view_shows_it_in_place_of_the_old_one(
    workspace: Path, params: dict[str, Any], runs: list[CellRun]
) -> None:
    publish(runs, EXPERIMENT, None, workspace)
    before = MlflowClient(local(workspace)).get_experiment_by_name(EXPERIMENT).tags[f"{TAG}cells"]
    path = workspace / "results/evaluate/sd-llm/base.json"
    write_json(path, read_json(path) | {"accuracy_pooled": 0.125})
    assert publish(runs_of(workspace, params), EXPERIMENT, None, workspace) == 1
    assert len(published(local(workspace))) == 5
    assert MlflowClient(local(workspace)).get_experiment_by_name(EXPERIMENT).tags[f"{TAG}cells"] != before


def test_an_edit_of_code_that_changes_no_result_is_no_other_run_and_one_that_changes_a_set_is(
    workspace: Path, params: dict[str, Any], runs: list[CellRun]
) -> None:
    lock = workspace / "dvc.lock"
    stages = yaml.safe_load(lock.read_text())
    stages["stages"]["evaluate@sd-llm-base"]["deps"] = [{"path": "t2ibench/evaluate", "md5": "1" * 32}]
    lock.write_text(yaml.safe_dump(stages))
    assert [run.entry for run in runs_of(workspace, params)] == [run.entry for run in runs]
    stages["stages"]["evaluate@sd-llm-base"]["outs"][0]["md5"] = "2" * 32
    lock.write_text(yaml.safe_dump(stages))
    changed = [run.name for run, before in zip(runs_of(workspace, params), runs, strict=True)
               if run.entry != before.entry]
    assert changed == ["sd-llm/base"]


CARDS = {"t4": ("Tesla T4", "535"), "rtx3090": ("NVIDIA GeForce RTX 3090", "550")}


def on_card(root: Path, params: dict[str, Any], name: str, speed: float) -> dict[str, Any]:
    """The params of the same study on that card, after the card has timed every stage."""
    device, driver = CARDS[name]
    for source in params["sources"]:
        for stage, cells in (("images", [source]), ("filter", [source]), ("deblur", CELLS), ("evaluate", CELLS)):
            for cell in cells:
                write_reading(root, name, stage, cell.replace("/", "-"), speed, device=device, driver=driver)
    return params | {"hardware": params["hardware"] | {"name": name}}


def test_the_same_results_timed_on_two_cards_are_two_runs_of_a_cell_that_the_ui_compares(
    workspace: Path, params: dict[str, Any]
) -> None:
    for name, speed in (("t4", 4.0), ("rtx3090", 16.0)):
        found = runs_of(workspace, on_card(workspace, params, name, speed))
        assert publish(found, EXPERIMENT, None, workspace) == 4
        assert publish(found, EXPERIMENT, None, workspace) == 0
    runs = {(run.data.tags["source"], run.data.tags["variant"], run.data.tags["hardware"]): run
            for run in published(local(workspace))}
    assert len(runs) == 8
    old, new = (runs["sd-llm", "base", name] for name in ("t4", "rtx3090"))
    assert old.data.metrics["accuracy"] == new.data.metrics["accuracy"]
    assert (old.data.metrics["images_per_second"], new.data.metrics["images_per_second"]) == (1.0, 4.0)
    assert (old.data.tags["device"], old.data.tags["driver"]) == ("Tesla T4", "535")
    assert (old.info.run_name, new.info.run_name) == ("sd-llm/base", "sd-llm/base on rtx3090")
    _, shown = newest(local(workspace), EXPERIMENT)
    assert len(shown) == 8
    assert {old.info.run_id, new.info.run_id} < set(shown)
    cells_view = MlflowClient(local(workspace)).get_experiment_by_name(EXPERIMENT).tags[f"{TAG}cells"]
    assert all(number in unpacked(cells_view)["searchFilter"] for number in shown)


def unpacked(tag: str) -> dict[str, Any]:
    """The view that a tag holds."""
    found = json.loads(zlib.decompress(base64.b64decode(tag.removeprefix("deflate;"))))
    return dict(found)


def test_another_card_with_other_settings_is_not_set_beside_this_one(workspace: Path, params: dict[str, Any]) -> None:
    publish(runs_of(workspace, on_card(workspace, params, "t4", 4.0)), EXPERIMENT, None, workspace)
    other = on_card(workspace, params, "rtx3090", 16.0)
    other["images"] = other["images"] | {"sd": other["images"]["sd"] | {"steps": 50}}
    publish(runs_of(workspace, other), EXPERIMENT, None, workspace)
    _, shown = newest(local(workspace), EXPERIMENT)
    steps = {run.data.params["images.steps"] for run in published(local(workspace)) if run.info.run_id in shown}
    assert (len(shown), steps) == (4, {"50"})


def test_a_run_that_was_published_before_its_clocks_were_read_is_published_with_them(
    workspace: Path, params: dict[str, Any]
) -> None:
    elsewhere = params | {"hardware": params["hardware"] | {"name": "t4"}}
    assert publish(runs_of(workspace, elsewhere), EXPERIMENT, None, workspace) == 4
    assert all("images_per_second" not in run.data.metrics for run in published(local(workspace)))
    assert publish(runs_of(workspace, on_card(workspace, params, "t4", 4.0)), EXPERIMENT, None, workspace) == 4
    client = MlflowClient(local(workspace))
    _, shown = newest(local(workspace), EXPERIMENT)
    assert [client.get_run(number).data.metrics["images_per_second"] for number in shown] == [1.0] * 4


def test_a_publication_that_was_cut_off_is_made_whole_once(workspace: Path, runs: list[CellRun]) -> None:
    publish(runs[:1], EXPERIMENT, None, workspace)
    client = MlflowClient(local(workspace))
    number = published(local(workspace))[0].info.experiment_id
    for entry in (runs[0].entry, runs[1].entry):  # a copy of a finished one, and one that never was
        client.create_run(number, run_name="cut off", tags={ENTRY: entry})
    assert publish(runs, EXPERIMENT, None, workspace) == 3
    assert sorted(run.data.tags[ENTRY] for run in published(local(workspace))) == sorted(run.entry for run in runs)
    assert {run.info.status for run in published(local(workspace))} == {"FINISHED"}


class Line(ThreadingHTTPServer):
    """The line to a tracking server: forwards requests until `left` are used up, then does what `cut` does."""

    def __init__(self, server: int) -> None:
        super().__init__(("127.0.0.1", 0), Forward)
        self.upstream, self.left, self.mended = server, 10**9, threading.Event()
        self.cut: Callable[[], object] = self.mended.wait


class Forward(BaseHTTPRequestHandler):
    """One request and its answer, as they are."""

    server: Line

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.left -= 1
        if self.server.left < 0:
            self.server.cut()
            self.close_connection = True
            return
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=120)
        headers = {key: value for key, value in self.headers.items() if key.lower() != "host"}
        upstream.request(self.command, self.path, body, headers)
        answer = upstream.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        upstream.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Silence: pytest shows what matters."""


def test_a_server_that_hangs_then_dies_in_the_middle_gets_what_is_missing_once(
    workspace: Path, runs: list[CellRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    port = free_port()
    server, _ = start_ui(workspace, port)
    with Line(port) as line:
        threading.Thread(target=line.serve_forever).start()
        uri = f"http://127.0.0.1:{line.server_port}"
        try:
            monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
            line.left = 20
            with pytest.raises(MissingError, match=r"results are safe in results/.*dvc repro track"):  # it hangs
                publish(runs, EXPERIMENT, uri, workspace)
            monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
            line.left, line.cut = 80, server.kill  # and is killed
            with pytest.raises(MissingError, match=r"the tracking server http.* does not take the runs"):
                publish(runs, EXPERIMENT, uri, workspace)
            assert server.wait() != 0
            finished = [run for run in published(local(workspace)) if run.info.status == "FINISHED"]
            assert len(finished) < 4
            server, _ = start_ui(workspace, port)
            line.left = 10**9
            assert publish(runs, EXPERIMENT, uri, workspace) == 4 - len(finished)
            assert publish(runs, EXPERIMENT, uri, workspace) == 0
        finally:
            server.kill()
            server.wait()
            line.mended.set()
            line.shutdown()
    assert sorted(run.info.run_name for run in published(local(workspace))) == CELLS
    assert {run.info.status for run in published(local(workspace))} == {"FINISHED"}


def test_a_server_that_is_not_there_is_one_sentence(workspace: Path, runs: list[CellRun]) -> None:
    with pytest.raises(MissingError, match=r"results are safe in results/.*dvc repro track"):
        publish(runs, EXPERIMENT, f"http://127.0.0.1:{free_port()}", workspace)


def test_a_server_gets_less_patience_than_mlflow_has_unless_the_environment_says_so(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    store.prepare("http://127.0.0.1:9")
    from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_HTTP_REQUEST_TIMEOUT

    assert (MLFLOW_HTTP_REQUEST_TIMEOUT.get(), MLFLOW_HTTP_REQUEST_MAX_RETRIES.get()) == (77, 1)


def test_a_locked_database_is_one_sentence_and_the_next_publication_works(
    workspace: Path, runs: list[CellRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "WAIT_SECONDS", 0.1)
    holder = sqlite3.connect(workspace / "mlflow.db")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(MissingError, match=r"mlflow\.db is in use .*locked.*end the program that holds it"):
        publish(runs, EXPERIMENT, None, workspace)
    holder.close()
    assert publish(runs[:1], EXPERIMENT, None, workspace) == 1


@pytest.mark.parametrize("keep", [0.5, 0.0], ids=["truncated", "overwritten"])
def test_a_damaged_database_is_one_sentence(workspace: Path, runs: list[CellRun], keep: float) -> None:
    path = workspace / "mlflow.db"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)] or b"not a database, but long enough to be read as one" * 99)
    with pytest.raises(MissingError, match=r"mlflow\.db is damaged .*move it away"):
        publish(runs, EXPERIMENT, None, workspace)


def test_a_database_that_is_gone_is_made_again(workspace: Path, runs: list[CellRun]) -> None:
    (workspace / "mlflow.db").unlink()
    assert publish(runs[:1], EXPERIMENT, None, workspace) == 1


def test_a_missing_result_names_the_stage_that_makes_it(workspace: Path, params: dict[str, Any]) -> None:
    (workspace / "results/filter/sd-llm.json").unlink()
    with pytest.raises(MissingError, match=r"dvc repro filter@sd-llm"):
        runs_of(workspace, params)


def test_results_without_a_lock_are_not_published(workspace: Path, params: dict[str, Any]) -> None:
    (workspace / "dvc.lock").unlink()
    with pytest.raises(MissingError, match=r"dvc\.lock is missing or lists no stage.*dvc repro"):
        runs_of(workspace, params)


def test_a_truncated_result_is_one_sentence(workspace: Path, params: dict[str, Any]) -> None:
    path = workspace / "results/evaluate/sd-llm/base.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(MissingError, match=r"base\.json is not JSON.*dvc repro evaluate@sd-llm-base"):
        runs_of(workspace, params)


def test_the_results_of_another_study_are_refused(workspace: Path, params: dict[str, Any]) -> None:
    other = params | {"study": params["study"] | {"name": "other"}}
    with pytest.raises(MissingError, match=r"is of the study 'repro', not of 'other'"):
        collect(workspace, other, workspace / "timings", {})


def test_a_class_that_the_results_lack_is_refused(workspace: Path, params: dict[str, Any]) -> None:
    other = params | {"study": params["study"] | {"classes": ["cat", "dog", "zebra"]}}
    with pytest.raises(MissingError, match=r"the results of sd-llm/base .*zebra"):
        collect(workspace, other, workspace / "timings", {})


def test_a_cell_without_images_has_no_accuracy_and_still_a_run(workspace: Path, params: dict[str, Any]) -> None:
    path = workspace / "results/evaluate/sd-llm/base.json"
    result = read_json(path)
    empty = {name: one | {"n": 0, "correct": 0, "accuracy": None} for name, one in result["per_class"].items()}
    write_json(path, result | {"n": 0, "correct": 0, "accuracy": None, "accuracy_pooled": None, "per_class": empty})
    run = runs_of(workspace, params)[0]
    assert "accuracy" not in run.metrics
    assert publish([run], EXPERIMENT, None, workspace) == 1


def test_the_views_of_many_classes_still_fit_their_tags(runs: list[CellRun]) -> None:
    many = {f"{group}/class{i * 7919 % 997}": 1.0 for group in ("accuracy", "difference") for i in range(300)}
    packed = views([replace(runs[0], metrics=runs[0].metrics | many)], ["0" * 32])
    assert all(len(text) <= TAG_LENGTH for text in packed.values())
