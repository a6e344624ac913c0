"""`dvc repro` with nothing to do, beside an equally large pipeline of `true` commands: what our stages add to DVC.

The other pipeline has as many stages, with as many deps, params and outs, of as many and as large files; both are up
to date. `extra_info["ratio"]` is the median of runs in turn.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SMALL = bool(os.environ.get("T2IBENCH_BENCH_SMALL"))
ROUNDS = 1 if SMALL else 5


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the repository around us."""
    known = {key: value for key, value in os.environ.items() if not key.startswith("DVC_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return known | {"PATH": path, "PYTHONPATH": ".", "DVC_NO_ANALYTICS": "1",
                    "DVC_SITE_CACHE_DIR": str(folder / ".cache/dvc")}


def dvc(folder: Path, *arguments: str) -> str:
    """Runs DVC in a repository and returns what it printed."""
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=folder, env=environment(folder), text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def study(folder: Path) -> None:
    """Our pipeline with a file in each out, as after a run: code and parameters are the repository's own.

    An out's files are as many as the lock of the repository says, and `commit` tells DVC that they are up to date.
    """
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names.splitlines():
        if (ROOT / name).is_file() and not name.startswith(("results/", "tests/", "docs/", "dvc.lock")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    locked = yaml.safe_load((ROOT / "dvc.lock").read_bytes())["stages"]
    files = {out["path"]: out.get("nfiles", 0) for stage in locked.values() for out in stage.get("outs", ())}
    repository(folder)
    for stage in stages(folder):
        for out in stage.outs:
            fill(folder, out.def_path, 20 if SMALL else files.get(out.def_path, 0))
    commit(folder)


def commit(folder: Path) -> None:
    """Tells DVC that all outs are up to date; twice, for it writes .gitignore files into folders that are deps."""
    dvc(folder, "commit", "--force")
    dvc(folder, "commit", "--force")


def fill(folder: Path, out: str, files: int) -> None:
    place = folder / out
    if place.suffix:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(out)
        return
    place.mkdir(parents=True, exist_ok=True)
    for number in range(max(files, 1)):
        (place / f"{number}.png").write_bytes(f"{out} {number}".encode() * 100)


def stages(folder: Path) -> list[Any]:
    from dvc.repo import Repo

    with Repo(str(folder)) as repo:
        return sorted(repo.index.stages, key=lambda stage: str(stage.name))


def repository(folder: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)


def true(folder: Path, ours: Path) -> None:
    """As many stages that run `true`: a stage of ours with 4 deps, 3 params and 2 outs is one with as many there,
    on copies of the same files."""
    made: dict[str, Any] = {}
    params: dict[str, str] = {}
    for stage in stages(ours):
        name = stage.name.replace("@", "-")
        deps = [dep.def_path for dep in stage.deps if not hasattr(dep, "params")]
        keys = [key for dep in stage.deps if hasattr(dep, "params") for key in dep.params]
        params |= {f"{name}-{number}": "value" for number in range(len(keys))}
        made[name] = {"cmd": "true", "deps": deps, "params": [f"{name}-{number}" for number in range(len(keys))],
                      "outs": [{out.def_path: {"cache": out.use_cache}} for out in stage.outs]}
        for path in [*deps, *(out.def_path for out in stage.outs)]:
            source, target = ours / path, folder / path
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": made}))
    (folder / ".dvcignore").write_bytes((ours / ".dvcignore").read_bytes())
    repository(folder)
    shutil.copytree(ours / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    (folder / ".dvc/config").write_text("[core]\n    analytics = false\n[cache]\n    type = \"hardlink,copy\"\n")
    commit(folder)


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Ours and the one of `true`, both up to date."""
    ours, other = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("true")
    study(ours)
    true(other, ours)
    return ours, other


def test_nothing_to_do_over_a_pipeline_of_true(benchmark: Any, pipelines: tuple[Path, Path]) -> None:
    ours, other = pipelines
    for folder in pipelines:
        assert "up to date" in (told := dvc(folder, "status")), told
        said = dvc(folder, "repro")
        assert "Running stage" not in said and "up to date" in said
    assert len(stages(ours)) == len(stages(other))
    ratios = []

    def turn() -> None:
        start = time.perf_counter()
        dvc(ours, "repro")
        middle = time.perf_counter()
        dvc(other, "repro")
        ratios.append((middle - start) / (time.perf_counter() - middle))

    benchmark.pedantic(turn, rounds=ROUNDS, iterations=1)
    benchmark.extra_info |= {"figure": "dvc repro with nothing to do", "note": "as many `true` commands",
                             "ratio": median(ratios), "spread": [min(ratios), max(ratios)], "goal": "<= 1.5"}
    print(f"\n{benchmark.name}: {median(ratios):.2f} x a pipeline of as many `true` commands")
