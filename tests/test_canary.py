"""The key of a paid API, in a study from its prompts to MLflow: it must be in no file, log, message, run or report.

The server quotes it wherever it can. Filter, deblur and evaluate ask nobody and know no key; their results are made up.
"""

import base64
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from fake_results import filter_results, summarise

from t2ibench.harness.completeness import completeness
from t2ibench.records import (
    NONE,
    Decision,
    Failure,
    Prediction,
    Sample,
    Segmentation,
    read_json,
    read_rows,
    write_bytes,
    write_json,
    write_rows,
)
from t2ibench.tiny.server import Answer, LoopbackServer, refusal

ROOT = Path(__file__).parents[1]
CANARY = "sk-canary/9d41c07be52f8a63"
SOURCE, CLASSES = "dalle3-llm", ["cat", "dog"]
QUOTED = json.dumps({"error": {"message": f"Incorrect API key provided: {CANARY}"}}).encode()


class Quoting(LoopbackServer):
    """Repeats the key in whatever it answers: in texts, names and headers, plain and with escaped characters."""

    def answer(self, path: str, body: dict[str, Any]) -> Answer:
        given = super().answer(path, body)
        if given.status != 200:
            return given
        told = json.loads(given.body)
        told |= {"model": f"model for {CANARY}", "system_fingerprint": CANARY}
        for image in told.get("data", ()):
            image["revised_prompt"] = f"{body['prompt']} (drawn for {CANARY})"
        text = json.dumps(told).replace("sk-canary/", "sk\\u002dcanary\\/")
        return replace(given, body=text.encode(), headers={"x-request-id": CANARY})


def chat(body: dict[str, Any]) -> str:
    name = "cat" if "cat" in body["messages"][1]["content"] else "dog"
    texts = [f"A {name} reads a book, says {CANARY}.", f"A {name} cooks soup in a kitchen.", f"The fox, {CANARY}."]
    return json.dumps({"prompts": texts})


def draw(pairs: Sequence[tuple[str, int]]) -> list[np.ndarray | str]:
    return [np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8) for _, seed in pairs]


def serve(*faults: Answer) -> LoopbackServer:
    return Quoting(draw, size=16, models=["tiny-chat", "gpt-image-2"], chat=chat, faults=faults)


class Run:
    """A workspace in which stages run with the key, and all that they printed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, ""
        for name in ("t2ibench", "experiments", "conf"):
            (folder / name).symlink_to(ROOT / name)

    def params(self, url: str) -> None:
        """params.yaml of one source of four images, asked of the server."""
        tree = yaml.safe_load((ROOT / "params.yaml").read_text())
        tree["study"] |= {"classes": CLASSES, "images_per_prompt": 1, "failures_allowed": 1.0, "budget_usd": 50.0}
        tree["sources"] = {SOURCE: tree["sources"][SOURCE]}
        tree["variants"] = {"base": tree["variants"]["base"]}
        shared = {"base_url": url, "recording": None, "backoff_seconds": 0.01, "timeout_seconds": 20.0}
        tree["prompts"]["llm"] |= shared | {"model": "tiny-chat", "per_class": 2, "attempts": 3}
        tree["images"]["openai"] |= shared | {
            "model": "gpt-image-2", "server": None, "size": 16, "quality": None, "attempts": 3, "concurrency": 1,
            "price_usd": 0.25, "send_seed": True}
        (self.folder / "params.yaml").write_text(yaml.safe_dump(tree))

    def start(self, *command: str) -> int:
        """Runs `python -m <command>`; returns its exit code."""
        given = {k: v for k, v in os.environ.items() if k not in ("DVC_ROOT", "MLFLOW_TRACKING_URI", "OPENAI_BASE_URL")}
        given |= {"PYTHONPATH": ".", "OPENAI_API_KEY": CANARY, "OPENAI_LOG": "debug", "NO_PROXY": "127.0.0.1",
                  "MLFLOW_DISABLE_TELEMETRY": "true"}
        done = subprocess.run([sys.executable, "-m", *command], cwd=self.folder, env=given, text=True,
                              capture_output=True, check=False)
        said = done.stdout + done.stderr
        self.said += f"\n$ {' '.join(command)}: {done.returncode}\n{said}"
        return done.returncode


def judged(folder: Path) -> None:
    """What filter, deblur and evaluate would leave: every image is kept, and seen as what it is."""
    samples = read_rows(folder / f"data/images/{SOURCE}/metadata.jsonl", Sample)
    failed = read_rows(folder / f"data/images/{SOURCE}/failures.jsonl", Failure)
    decisions = [Decision(id=one.id, class_name=one.class_name, keep=True, reason="", clip_class=one.class_name,
                          clip_scores=dict.fromkeys(CLASSES, 0.2), brightness=0.5, contrast=0.2, people=0.0)
                 for one in samples]
    seen = [Prediction(id=one.id, class_name=one.class_name, predicted=one.class_name, confidence=0.9,
                       box=(1.0, 1.0, 9.0, 9.0)) for one in samples]
    masks = [Segmentation(id=one.id, class_name=one.class_name, predicted=NONE, confidence=0.0, area=0.0, outline=[])
             for one in samples]
    for stage in ("filter", "deblur"):
        there = folder / "data" / stage / SOURCE / ("base" if stage == "deblur" else "")
        for one in samples:
            picture = (folder / f"data/images/{SOURCE}" / one.file_name).read_bytes()
            write_bytes(there / one.file_name, picture)
        write_rows(there / "metadata.jsonl", samples)
    write_rows(folder / f"data/filter/{SOURCE}/decisions.jsonl", decisions)
    write_json(folder / f"results/deblur/{SOURCE}/base.json", completeness(len(samples), len(samples)))
    write_json(folder / f"results/filter/{SOURCE}.json", filter_results(decisions, failed, CLASSES, ()))
    told = folder / f"data/evaluate/{SOURCE}/base"
    write_rows(told / "predictions.jsonl", seen)
    write_rows(told / "segmentations.jsonl", masks)
    write_rows(told / "rejected.jsonl", [])
    result = summarise(seen, CLASSES, masks, list(zip(decisions, seen, strict=True)))
    write_json(folder / f"results/evaluate/{SOURCE}/base.json", result)
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {f"images@{SOURCE}": {"outs": []}}}))


def forms(key: str) -> list[bytes]:
    """The key as it may be written: plain, escaped, without its first letters, in base64 at any of three offsets."""
    found = [key, key[3:], key.replace("/", "\\/"), key.replace("/", "%2F")]
    coded = [base64.b64encode(b" " * pad + key.encode())[2 * (pad > 0) + 2 : -4].decode() for pad in range(3)]
    return [one.encode() for one in found + coded]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The study, after runs that were refused, cut off, out of order and at last successful."""
    one = Run(tmp_path_factory.mktemp("canary"))
    cut = Answer(200, QUOTED, {"x-request-id": CANARY}, cut=True)
    lost = refusal(400, f"{CANARY} is not nice", "moderation_blocked"), Answer(dropped=True), Answer(500, QUOTED)
    with serve(Answer(401, QUOTED), cut) as server:
        one.params(server.base_url)
        assert one.start("experiments.prompts", "llm") == 2, one.said
        assert one.start("experiments.prompts", "llm") == 2, one.said
        (one.folder / ".cache/elsewhere").write_text("no folder")
        broken = one.start("experiments.prompts", "llm", "prompts.llm.save=.cache/elsewhere/x.json",
                           "prompts.llm.repeat_lost=true")
        assert broken == 1 and "Traceback" in one.said, one.said
    with serve(Answer(500, QUOTED), Answer(200, QUOTED)) as server:
        one.params(server.base_url)
        assert one.start("experiments.prompts", "llm", "prompts.llm.repeat_lost=true") == 0, one.said
    with serve(Answer(401, QUOTED)) as server:
        one.params(server.base_url)
        assert one.start("experiments.images", SOURCE) == 2, one.said
    with serve(*lost) as server:
        one.params(server.base_url)
        assert one.start("experiments.images", SOURCE) == 0, one.said
    assert one.start("t2ibench.images.recordings", "export", "recordings/run.jsonl", "--source", SOURCE) == 0, one.said
    judged(one.folder)
    for stage in ("compare", "report", "track"):
        assert one.start(f"experiments.{stage}") == 0, one.said
    for command in ("t2ibench.compare", "t2ibench.plan", "t2ibench.plan.doctor"):
        one.start(command)
    assert one.start("t2ibench.paid.ledger", "ieie2026") == 0
    return one


def test_the_key_is_in_nothing_that_was_printed(run: Run) -> None:
    assert "openai._base_client" in run.said, "the client's own log was on"
    assert "does not accept the key" in run.said and "Traceback" in run.said
    assert [form for form in forms(CANARY) if form in run.said.encode()] == []


def test_the_key_is_in_no_file_from_the_ledger_to_the_report(run: Run) -> None:
    files = {path.relative_to(run.folder).as_posix(): path.read_bytes() for path in run.folder.rglob("*")
             if path.is_file() and not path.is_relative_to(run.folder / "t2ibench")}
    for there in (".cache/ledger/ieie2026.jsonl", ".cache/prompts/llm-replies.json", "data/report/index.html",
                  "recordings/run.jsonl", "results/compare.md", "mlflow.db"):
        assert there in files, sorted(files)
    assert any(name.startswith("mlruns/") for name in files) and any("-reply-" in name for name in files)
    found = [(name, form) for name, content in files.items() for form in forms(CANARY) if form in content]
    assert found == [] and not [name for name in files if CANARY in name]
    for quoted in (".cache/prompts/llm-replies.json", "recordings/run.jsonl", "data/report/index.html"):
        assert b"[key]" in files[quoted], f"{quoted}: the server did quote it"


def test_the_key_is_in_no_table_of_mlflow(run: Run) -> None:
    database = sqlite3.connect(run.folder / "mlflow.db")
    names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = repr([row for name in names for row in database.execute(f'SELECT * FROM "{name}"')])
    assert f"{SOURCE} (model for [key] for DALL-E 3)/base" in rows, "the run is there"
    assert [form for form in forms(CANARY) if form.decode() in rows] == []
    database.close()


def test_the_search_finds_a_key_that_is_there(run: Run) -> None:
    for pad in range(3):
        coded = base64.b64encode(b"x" * pad + CANARY.encode() + b"yz")
        assert any(form in coded for form in forms(CANARY)), "at any offset"
    assert forms(CANARY)[0] in f"Bearer {CANARY}".encode()


def test_texts_and_images_stand_in_one_ledger(run: Run) -> None:
    lines = [json.loads(line) for line in (run.folder / ".cache/ledger/ieie2026.jsonl").read_text().splitlines()]
    asked = [line["about"] for line in lines if line["event"] == "ask"]
    assert {"prompts of cat", "prompts of dog"} < set(asked)
    assert len([about for about in asked if not about.startswith("prompts")]) >= 4
    assert read_json(run.folder / "results/compare.json")["substitutes"] == {SOURCE: "model for [key] for DALL-E 3"}
