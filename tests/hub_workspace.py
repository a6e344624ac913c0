"""A workspace of the hub's tests: a catalogue, a params.yaml, the loopback hub, and the hub's commands."""

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from hub_server import HubServer, Repository, read_folder, sha256

from t2ibench import weights
from t2ibench.hub import catalogue

ROOT = Path(__file__).parent.parent


def entry(**changes: Any) -> dict[str, Any]:
    """A model of a test's catalogue."""
    given = {"what": "a model", "loader": "open_clip", "licence": "MIT", "gigabytes": 0.01,
             "memory_gb": {"float32": 0.1}, "files": {}, "verified": False}
    return {**given, **changes}


def pinned(files: dict[str, bytes]) -> dict[str, Any]:
    """The catalogue's record of files."""
    return {path: [len(content), sha256(content)] for path, content in files.items()}


def zipped(members: dict[str, bytes]) -> bytes:
    """A zip archive, stored: its bytes do not depend on a compressor."""
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return found.getvalue()


class Workspace:
    """A folder with a catalogue and a params.yaml, and the hub's commands in it."""

    def __init__(self, folder: Path, hub: HubServer) -> None:
        self.folder, self.hub, self.url = folder, hub, hub.url
        self.extra: dict[str, str] = {}

    def write(self, models: dict[str, Any], named: list[str] | None = None) -> None:
        (self.folder / "catalogue.yaml").write_text(yaml.safe_dump(models))
        uris = {name: f"hub://{name}" for name in (named if named is not None else models)}
        (self.folder / "params.yaml").write_text(yaml.safe_dump({"models": uris, "images": {"size": 64}}))
        catalogue._read.cache_clear()

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "DVC_"))}
        own = {"HF_ENDPOINT": self.url, "HF_HOME": str(self.folder / "home"), "PYTHONPATH": str(ROOT),
               "T2IBENCH_CATALOGUE": str(self.folder / "catalogue.yaml")}
        return {**kept, **own, **self.extra}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "t2ibench.hub", *arguments]
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code, and all that was said."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=120)
        return process.returncode, out + err

    def fetched(self, name: str) -> dict[str, bytes]:
        return read_folder(self.folder / ".cache/models" / name)

    def parts(self) -> list[Path]:
        return sorted((self.folder / ".cache/models/.parts").rglob("*.part"))


def publish(work: Workspace, held: dict[str, bytes], name: str = "owner/model", **changes: Any) -> dict[str, Any]:
    """Puts files on the hub; returns a catalogue entry that pins them."""
    work.hub.repositories[name] = Repository(dict(held))
    source = {"repository": name, "revision": "a" * 40}
    return entry(sources=[source], **{"files": pinned(held), "verified": True, **changes})


@contextmanager
def workspace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace whose hub answers on loopback, as this process and those that it starts see it."""
    monkeypatch.setenv("T2IBENCH_CATALOGUE", str(folder / "catalogue.yaml"))
    monkeypatch.setenv("DVC_ROOT", str(folder))
    weights.locate.cache_clear()
    with HubServer() as hub:
        yield Workspace(folder, hub)
    weights.locate.cache_clear()
