"""doctor: one table of what a study needs, and exit code 1 where it cannot run here."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from t2ibench.harness.params import write
from t2ibench.hub import catalogue, store
from t2ibench.plan import machine
from t2ibench.plan.checks import Finding
from t2ibench.plan.doctor import findings, show

ROOT = Path(__file__).parents[1]
CANARY = "sk-canary-0123456789"
LIVE = ("images.openai.server=null", "images.openai.model=a-model", "images.openai.budget_usd=100")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml; the hub and OpenAI are a port of loopback on which nobody listens."""
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (tmp_path / "t2ibench").symlink_to(ROOT / "t2ibench")
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", "OPENAI_API_KEY", "MLFLOW_TRACKING_URI", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HF_ENDPOINT", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    return tmp_path


@pytest.fixture
def server() -> Iterator[str]:
    """A server on loopback that refuses everything, and so answers."""

    class Refuse(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def of(found: list[Finding], what: str) -> list[Finding]:
    return [one for one in found if one.what == what]


def missing(found: list[Finding]) -> list[str]:
    return [one.what for one in found if one.state == "missing"]


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "t2ibench.plan.doctor", *arguments], text=True, capture_output=True,
                          env={**os.environ, "PYTHONPATH": "."}, timeout=120, check=False)


def test_the_bundled_study_can_run_and_needs_no_key_and_no_address(workspace: Path) -> None:
    done = start()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The study can run" in done.stdout
    found = findings([])
    assert of(found, "keys")[0].found == of(found, "addresses")[0].found == "none needed"
    assert of(found, "weights") == [Finding("weights", "ok", "6 models have their recorded digests")]


def test_doctor_loads_no_model_library(workspace: Path) -> None:
    code = ("import sys; from t2ibench.plan.doctor import findings; findings([])\n"
            "sys.exit(' '.join({'torch', 'diffusers', 'openai', 'mlflow', 'ultralytics'} & set(sys.modules)) or 0)")
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": "."}, text=True,
                          capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_study_that_cannot_run_ends_with_1_and_names_reason_and_command(workspace: Path) -> None:
    tree = yaml.safe_load(Path("params.yaml").read_text())
    tree["evaluate"]["yolov8"]["weights"] = "hub://yolov8x"
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    assert catalogue.entry("hub://yolov8x").sources[0].release, "its address is a release's"
    found = of(findings(["evaluate.yolov8.weights=tiny://yolo"]), "weights")
    assert [one.state for one in found] == ["ok"]
    done = subprocess.run(
        [sys.executable, "-m", "t2ibench.plan.doctor"], text=True, capture_output=True, timeout=120, check=False,
        env={**environment, "PYTHONPATH": ".", "https_proxy": "http://127.0.0.1:9"})  # stays on this machine
    assert done.returncode == 1, done.stderr
    assert "has not been fetched" in done.stdout
    assert "-> make fetch" in done.stdout
    assert "AGPL-3.0: yolov8x" in done.stdout
    assert "The study cannot run" in done.stdout


def test_mistakes_in_params_are_findings_each_with_its_key(workspace: Path) -> None:
    found = findings(["study.seed=-1", "images.sd.steps=many"])
    assert [one.what for one in found] == ["params.yaml", "params.yaml"]
    assert "study.seed" in found[0].found
    assert start("study.seed=-1").returncode == 1


def test_a_live_api_needs_its_key_and_its_address(workspace: Path, server: str,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    found = findings(LIVE)
    assert {"keys", "addresses"} <= set(missing(found))
    assert "export OPENAI_API_KEY" in of(found, "keys")[0].help
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    found = findings([*LIVE, f"images.openai.base_url={server}/v1"])
    assert of(found, "keys")[0].state == "ok"
    assert of(found, "addresses")[0].state == "ok", "a refusal is an answer"
    assert missing(found) == []


def test_no_key_is_shown(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    done = start(*LIVE, f"images.openai.base_url=http://user:{CANARY}@127.0.0.1:9/v1")
    assert CANARY not in done.stdout + done.stderr


def test_a_retired_model_and_a_cap_that_is_too_low_are_told(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    assert "engines" in missing(findings(["images.openai.server=null"]))
    assert "budget" in missing(findings([*LIVE[:2], "images.openai.budget_usd=1"]))


def test_a_tracking_server_that_is_down_stops_nothing(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:{CANARY}@127.0.0.1:9")
    found = findings([])
    assert [(one.state, CANARY in one.found) for one in of(found, "addresses")] == [("look", False)]
    assert missing(found) == []


def test_a_gpu_that_is_not_there_is_missing(workspace: Path) -> None:
    found = of(findings(["hardware.name=t4", "hardware.device=cuda", "hardware.dtype=float16"]), "device")
    there = machine.gpu()
    if there is None:
        assert (found[0].state, "hardware=cpu" in found[0].help) == ("missing", True)
    else:
        assert there.name in found[0].found


def test_a_file_that_prompts_are_read_from_has_to_be_there(workspace: Path) -> None:
    assert "files" in missing(findings(["prompts.coco.captions=nowhere.json"]))
    found = findings(["prompts.coco.captions=[params.yaml,elsewhere.json]"])
    assert [one.found for one in of(found, "files")] == ["prompts.coco.captions: there is no elsewhere.json"]


def test_coco_that_was_not_fetched_is_missing_with_the_command_that_brings_it(workspace: Path) -> None:
    write(Path("params.yaml"), ["models=hub"], ROOT / "conf")
    found = findings([])
    assert of(found, "files") == []
    weights = [(one.state, one.help) for one in of(found, "weights") if "COCO 2017" in one.found]
    assert weights == [("missing", "make fetch")]


def test_a_model_that_is_here_and_not_pinned_gives_the_line_to_commit(workspace: Path) -> None:
    entry = catalogue.entry("hub://clip-b32")
    assert not entry.settled
    digests = {}
    for path, file in entry.files.items():
        (store.folder(entry) / path).parent.mkdir(parents=True, exist_ok=True)
        (store.folder(entry) / path).write_bytes(b"x")
        digests[path] = file.sha256 or "0" * 64
    store.write(entry, entry.sources[0].name, entry.sources[0].revision, digests)
    found = of(findings(["filter.clip.weights=hub://clip-b32"]), "revision")
    assert [one.state for one in found] == ["look"]
    assert "clip-b32: {source:" in found[0].help


def test_a_repeated_subject_is_named_once_and_help_stands_below() -> None:
    shown = show([Finding("weights", "missing", "one", "make fetch"), Finding("weights", "ok", "two")])
    assert shown.row_count == 2
    assert list(shown.columns[0].cells) == ["weights", ""]


def test_host_names_hide_users_and_passwords() -> None:
    assert machine.host(f"https://user:{CANARY}@example.org:81/v1?key={CANARY}") == "example.org:81"
    assert machine.origin(f"https://user:{CANARY}@example.org/v1") == "https://example.org"
