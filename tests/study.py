"""A small study in a repository of its own, for the tests that run the pipeline as a user does: with git and DVC."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psutil
import yaml

from t2ibench.records import file_digest

ROOT = Path(__file__).parents[1]
SOURCE = "sd-caption"
COMMON = ["study.images_per_prompt=2", "images.sd.steps=4", "hardware.batch_size.images=4"]
SMALL = [*COMMON, "study.classes=[cat,zebra,elephant]", "prompts.coco.per_class=3", "~sources.sd-llm",
         "~sources.dalle3-llm"]
"""One source of 18 images."""
TWO_SOURCES = [*COMMON, "study.classes=[cat,zebra]", "prompts.coco.per_class=2", "prompts.llm.per_class=2",
               "images.openai.server_steps=4", "~sources.sd-llm"]
"""A source drawn here and one drawn by the API's stand-in, 8 images each."""


def environment(folder: Path) -> dict[str, str]:
    """What a stage or DVC is started with: nothing of the repository around us, and bars in CI too."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    mine = {"PATH": path, "PYTHONPATH": ".", "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder / ".cache/dvc"),
            "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}
    return {key: value for key, value in os.environ.items() if key not in ("CI", "DVC_ROOT", "DVC_EXP_NAME")} | mine


def run(folder: Path, *command: str, check: bool = True) -> str:
    """Runs `python -m <command>` in the repository and returns what it printed."""
    code, said = finish(folder, *command)
    assert not check or code == 0, said
    return said


def finish(folder: Path, *command: str, under: Sequence[str] = ()) -> tuple[int, str]:
    """Runs `python -m <command>` in the repository to its end: its exit code and what it printed.

    under: a command that runs another one, `prlimit --nofile=9` for example.
    """
    done = subprocess.run([*under, sys.executable, "-m", *command], cwd=folder, env=environment(folder), text=True,
                          capture_output=True, check=False)
    return done.returncode, done.stdout + done.stderr


def start(folder: Path, *command: str, **options: Any) -> subprocess.Popen[str]:
    """Starts `python -m <command>` in the repository as the leader of a process group."""
    told = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | options
    return subprocess.Popen([sys.executable, "-m", *command], cwd=folder, env=environment(folder), text=True,
                            start_new_session=True, **told)


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, env=environment(folder), text=True, capture_output=True,
                          check=True).stdout


def create(folder: Path, overrides: Sequence[str]) -> Path:
    """The working tree as a repository of its own, with a small study composed and committed, and nothing run."""
    for name in git(ROOT, "ls-files", "-co", "--exclude-standard").splitlines():
        if (ROOT / name).is_file() and not name.startswith(("results/", "dvc.lock")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    run(folder, "t2ibench.harness.params", *overrides)
    git(folder, "init", "-q")
    commit(folder, "the small study")
    return folder


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", message)


def copy(repository: Path, folder: Path) -> Path:
    """The same repository elsewhere: files that were one inode are one inode there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", str(repository), str(folder)], check=True)
    return folder


def tree(folder: Path, tops: Iterable[str] = ("data", "results")) -> dict[str, str]:
    """{path: sha256} of everything that the pipeline made."""
    made = [path for top in tops for path in (folder / top).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): file_digest(path) for path in made}


def lock(folder: Path) -> Any:
    """dvc.lock as DVC reads it: the order of its stages follows their first run and says nothing."""
    return yaml.safe_load((folder / "dvc.lock").read_bytes())


def made_since(folder: Path, then: float) -> list[Path]:
    """The stored pictures that were written after `then`."""
    return [path for path in (folder / ".cache/items").rglob("*.png") if path.stat().st_mtime > then]


def stored(folder: Path) -> dict[str, int]:
    """{stored item: when its payload was written, in nanoseconds}: what is paid for, and not to be paid for again."""
    notes = (folder / ".cache/items").rglob("*.json")
    payloads = {note: [one for end in (".png", ".npy") if (one := note.with_suffix(end)).exists()] for note in notes}
    return {str(note): (found or [note])[0].stat().st_mtime_ns for note, found in payloads.items()}


def until_stored(process: subprocess.Popen[str], folder: Path, count: int) -> None:
    """Returns when that many items are stored, or the process has ended."""
    while process.poll() is None and len(list((folder / ".cache/items").rglob("*.json"))) < count:
        time.sleep(0.02)


def runner(process: subprocess.Popen[str]) -> psutil.Process | None:
    """The stage that a `dvc repro` is running, or None between two stages."""
    for child in psutil.Process(process.pid).children(recursive=True):
        if any(word.startswith("experiments.") for word in child.cmdline()):
            return child
    return None
