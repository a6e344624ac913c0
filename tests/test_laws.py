"""The laws of the architecture: one word per stage, one direction of imports, honest dependencies."""

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
STAGES = ("prompts", "images", "filter", "deblur", "evaluate", "compare", "report", "track")
BASE = ("records", "errors", "stats", "weights", "hardware", "pictures", "nms", "detector", "segmenter", "hub", "keys",
        "paid", "shown", "dvc_lock")
HEAVY = ("torch", "diffusers", "transformers", "ultralytics", "open_clip", "spandrel", "openai", "mlflow", "ray")
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    """The dotted names that a file imports; with top_level_only, those that importing it executes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(path: Path) -> set[str]:
    """The first word under t2ibench of each of our modules that a file imports."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("t2ibench.")}


def closure(path: Path) -> set[Path]:
    """Every file of ours that importing `path` may read."""
    seen: set[Path] = set()
    todo = [path]
    while todo:
        file = todo.pop()
        if file in seen:
            continue
        seen.add(file)
        for name in imports(file):
            if name.startswith("t2ibench"):
                place = ROOT / Path(*name.split("."))
                todo += [found for found in (place.with_suffix(".py"), place / "__init__.py") if found.is_file()]
    return seen


def test_the_pipeline_has_the_stages_in_flow_order() -> None:
    assert tuple(PIPELINE) == STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_one_word_everywhere(stage: str) -> None:
    assert (ROOT / "t2ibench" / stage / "__init__.py").is_file()
    assert (ROOT / "experiments" / f"{stage}.py").is_file()
    assert (ROOT / "tests" / f"test_{stage}.py").is_file()
    assert list((ROOT / "conf" / stage).glob("*.yaml"))
    assert list((ROOT / "docs").glob(f"[0-9]-{stage}.md"))
    body = PIPELINE[stage].get("do", PIPELINE[stage])
    assert body["cmd"].split()[:3] == ["python", "-m", f"experiments.{stage}"]
    assert stage in yaml.safe_load((ROOT / "params.yaml").read_text())


@pytest.mark.parametrize("stage", STAGES)
def test_stage_packages_know_only_the_base_and_themselves(stage: str) -> None:
    for path in modules(ROOT / "t2ibench" / stage):
        foreign = ours(path) - {*BASE, stage, "__version__"}
        allowed = {"tiny"} if path == ROOT / "t2ibench/images/openai.py" else set()  # its loopback server
        assert foreign <= allowed, f"{path.relative_to(ROOT)} imports {foreign}"


def test_the_base_knows_only_the_base() -> None:
    for name in BASE:
        place = ROOT / "t2ibench" / name
        for path in modules(place) if place.is_dir() else [place.with_suffix(".py")]:
            assert ours(path) <= set(BASE), path.name


def test_the_harness_knows_no_stage() -> None:
    for path in modules(ROOT / "t2ibench/harness"):
        assert ours(path) <= {*BASE, "harness"}, path.name


@pytest.mark.parametrize("name", ["plan", "cache", "verify"])
def test_nothing_imports_what_stands_beside_the_runners(name: str) -> None:
    for path in modules(ROOT / "t2ibench") + modules(ROOT / "experiments"):
        if not path.is_relative_to(ROOT / "t2ibench" / name):
            assert name not in ours(path), path


def test_runners_are_short_and_touch_only_their_stage_the_harness_and_the_base() -> None:
    for stage in STAGES:
        path = ROOT / "experiments" / f"{stage}.py"
        assert ours(path) <= {*BASE, "harness", stage}, stage
        assert len(path.read_text().splitlines()) <= 70, stage


@pytest.mark.parametrize("folder", ["t2ibench", "experiments"])
def test_heavy_libraries_are_imported_where_they_are_used_and_not_before(folder: str) -> None:
    for path in modules(ROOT / folder):
        if "recipe" in path.parts:  # training: heavy from the first line to the last
            continue
        early = {name.split(".")[0] for name in imports(path, top_level_only=True)} & set(HEAVY)
        assert not early, f"{path.relative_to(ROOT)} imports {early} before it is needed"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stages_dependencies_cover_what_its_runner_imports(stage: str) -> None:
    body = PIPELINE[stage].get("do", PIPELINE[stage])
    deps = [Path(dep) for dep in body["deps"] if "${" not in dep]
    light = {"t2ibench/__init__.py", "t2ibench/errors.py", "t2ibench/hardware.py", "t2ibench/weights.py",
             "t2ibench/keys.py", "t2ibench/hub/__init__.py", "t2ibench/hub/catalogue.py", "t2ibench/hub/store.py",
             "experiments/__init__.py"}  # say nothing about results: what they hold enters through params
    for path in closure(ROOT / "experiments" / f"{stage}.py"):
        relative = path.relative_to(ROOT)
        if str(relative) not in light:
            assert any(relative.is_relative_to(dep) for dep in deps), f"{stage} lacks the dependency {relative}"


@pytest.mark.parametrize("stage", ["prompts", "images"])
def test_an_edited_recording_runs_its_stage_again(stage: str) -> None:
    assert "recordings" in PIPELINE[stage]["do"]["deps"] and (ROOT / "recordings").is_dir()


def test_no_file_names_a_place_outside_the_project() -> None:
    pattern = re.compile(r"/(?:home|root|work|tmp)/[a-z]")
    for folder in ("t2ibench", "experiments", "conf"):
        for path in modules(ROOT / folder) + sorted((ROOT / folder).rglob("*.yaml")):
            assert not pattern.search(path.read_text(encoding="utf-8")), path


def test_modules_open_with_their_purpose() -> None:
    for path in modules(ROOT / "t2ibench") + modules(ROOT / "experiments"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path
