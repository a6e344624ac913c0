"""A source with pictures to judge, and the review page's server as a process of its own."""

import http.client
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import numpy as np
import yaml

from t2ibench.pictures import encode_png
from t2ibench.records import Decision, Sample, image_id, write_rows

ROOT = Path(__file__).parent.parent
SOURCE = "sd-llm"
CLASSES = ("dog", "cat", "horse", "bird")
REASONS = ("", "clip", "black", "flat", "duplicate", "people", "", "review", "", "")
"""Of every ten images; `review` is what another reviewer's decision left behind."""


def make_source(root: Path, images: int, size: int = 16) -> list[Sample]:
    """Writes params.yaml, the pictures, the table and the filter's decisions of a source under `root`."""
    params = {"study": {"classes": list(CLASSES)}, "sources": {SOURCE: {}, "empty": {}}}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    rng = np.random.default_rng(0)
    squares = np.ones((size // 4, size // 4, 1), np.uint8)
    payloads = [encode_png(np.kron(rng.integers(0, 255, (4, 4, 3), np.uint8), squares)) for _ in range(8)]
    samples = [_sample(number) for number in range(images)]
    folder = root / "data/images" / SOURCE
    for name in CLASSES:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, sample in enumerate(samples):
        (folder / sample.file_name).write_bytes(payloads[number % len(payloads)])
    write_rows(folder / "metadata.jsonl", samples)
    decisions = [_decision(number, sample, samples) for number, sample in enumerate(samples)]
    write_rows(root / "data/filter" / SOURCE / "decisions.jsonl", decisions)
    return samples


def _sample(number: int) -> Sample:
    name, id_ = CLASSES[number % len(CLASSES)], image_id(f"{number // 2:012x}", number % 2)
    return Sample(file_name=f"{name}/{id_}.png", id=id_, class_name=name, prompt=f"A {name} <b>plays</b> the piano.",
                  prompt_id=id_[:12], index=number % 2, seed=number, engine="sd", fingerprint="f",
                  sha256=f"{number:064x}")


def _decision(number: int, sample: Sample, samples: list[Sample]) -> Decision:
    reason = REASONS[number % len(REASONS)]
    scores = {name: 0.5 if name == sample.class_name else 0.2 for name in CLASSES}
    return Decision(id=sample.id, class_name=sample.class_name, keep=not reason, reason=reason, clip_class="cat",
                    clip_scores=scores, brightness=0.4, contrast=0.2, people=0.1,
                    review="reject" if reason == "review" else "",
                    duplicate_of=samples[number - 1].id if reason == "duplicate" else "")


class Server:
    """The page for one reviewer; it runs while its `with` block does."""

    def __init__(self, root: Path, reviewer: str, port: int = 0) -> None:
        self.root, self.reviewer, self.port = root, reviewer, port

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "t2ibench.filter.review", SOURCE, "--reviewer", self.reviewer,
                   "--port", str(self.port)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, cwd=self.root, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        said = [self.process.stdout.readline(), self.process.stdout.readline()]
        assert "127.0.0.1" in said[1], said
        self.url = said[1].split()[1]
        self.port = int(self.url.rstrip("/").rsplit(":", 1)[1])
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGINT)

    def stop(self, how: signal.Signals) -> int:
        """Sends a signal and waits for the end; the exit code."""
        self.process.send_signal(how)
        code = self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def ask(self, path: str, change: Any = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        """GET, or POST where there is a change: the status, the body and the headers of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            body = None if change is None else change if isinstance(change, bytes) else json.dumps(change).encode()
            named = {"Content-Type": "application/json"}
            named |= {key.replace("_", "-"): value for key, value in headers.items()}
            connection.request("GET" if body is None else "POST", path, body, named)
            answer = connection.getresponse()
            return answer.status, answer.read(), {key.lower(): value for key, value in answer.getheaders()}
        finally:
            connection.close()

    def decide(self, id_: str, decision: str | None, note: str = "", **headers: str) -> int:
        """The status of one decision's answer."""
        change = {"source": SOURCE, "reviewer": self.reviewer, "id": id_, "decision": decision, "note": note}
        return self.ask("/api/reviews", change, **headers)[0]
