"""conf/ and params.yaml: every yaml composes and instantiates, and every mistake is told with its key."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from t2ibench.errors import ConfigError, ConfigErrors, MissingError
from t2ibench.harness import config
from t2ibench.harness.params import write

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"
STAGES_WITH_ENGINES = ("prompts", "images", "filter", "deblur", "evaluate")


@pytest.fixture
def tree() -> Any:
    return yaml.safe_load((ROOT / "params.yaml").read_text())


def said(found: pytest.ExceptionInfo[ConfigErrors]) -> str:
    return str(found.value)


def test_params_yaml_is_what_conf_says(tmp_path: Path) -> None:
    write(tmp_path / "params.yaml", conf=CONF)
    assert (tmp_path / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()


def test_every_choice_of_every_group_composes(tmp_path: Path) -> None:
    for group in ("study", "models", "hardware", "executor", "compare", "report", "track"):
        for choice in sorted((CONF / group).glob("*.yaml")):
            write(tmp_path / "params.yaml", [f"{group}={choice.stem}"], conf=CONF)
            config.load(folder=tmp_path)


@pytest.mark.parametrize("stage", STAGES_WITH_ENGINES)
def test_every_engine_yaml_instantiates_without_loading_a_model(stage: str) -> None:
    params = config.load(folder=ROOT)
    engines = getattr(params, stage)
    assert sorted(engines) == sorted(path.stem for path in (CONF / stage).glob("*.yaml"))
    for name, node in engines.items():
        assert callable(config.build(node, f"{stage}.{name}", params))


def test_every_value_in_conf_says_its_unit_or_source() -> None:
    for stage in (*STAGES_WITH_ENGINES, "executor", "compare", "report", "track"):
        for path in sorted((CONF / stage).glob("*.yaml")):
            for line in path.read_text().splitlines():
                plain = line.strip()
                if plain and not plain.startswith("#") and not plain.endswith(":") and "_target_" not in plain:
                    assert "#" in plain, f"{path.relative_to(ROOT)}: {plain}"


def test_all_mistakes_are_shown_at_once_each_with_its_key(tree: Any) -> None:
    tree["study"]["classes"][0] = "unicorn"
    tree["images"]["sd"]["stepps"] = 20
    tree["filter"]["people"]["confidence"] = "high"
    with pytest.raises(ConfigErrors) as found:
        config.check(tree)
    text = said(found)
    assert "study.classes.0: 'unicorn'" in text
    assert "images.sd.stepps" in text
    assert "did you mean steps?" in text
    assert "filter.people.confidence: 'high'" in text


def test_an_unknown_class_names_the_accepted_ones(tree: Any) -> None:
    tree["study"]["classes"] = ["cat", "dragon"]
    with pytest.raises(ConfigErrors, match=r"study\.classes\.1: 'dragon'.*'giraffe'"):
        config.check(tree)


@pytest.mark.parametrize(("key", "name", "near"), [("images", "sdd", "sd"), ("prompts", "coc", "coco")])
def test_a_source_with_an_unknown_engine_names_the_known_ones(tree: Any, key: str, name: str, near: str) -> None:
    tree["sources"]["sd-llm"][key] = name
    with pytest.raises(ConfigErrors, match=rf"sources\.sd-llm\.{key}: '{name}'.*did you mean {near}\?"):
        config.check(tree)


def test_a_misspelt_section_is_found(tree: Any) -> None:
    tree["souces"] = tree.pop("sources")
    with pytest.raises(ConfigErrors) as found:
        config.check(tree)
    assert "did you mean sources?" in said(found)
    assert "sources: None cannot be used; accepted: a value: the key is missing" in said(found)


def test_a_misspelt_key_inside_a_section_is_found(tree: Any) -> None:
    tree["study"]["sed"] = tree["study"].pop("seed")
    with pytest.raises(ConfigErrors, match=r"did you mean seed\?"):
        config.check(tree)


@pytest.mark.parametrize("target", ["os.system", "t2ibench.nowhere.Nothing", None, "t2ibench.images.sd.Nothing"])
def test_a_target_that_is_not_ours_or_not_there_is_refused(tree: Any, target: str | None) -> None:
    tree["images"]["sd"]["_target_"] = target
    with pytest.raises(ConfigErrors, match=r"images\.sd\._target_"):
        config.check(tree)


def test_a_misspelt_key_on_the_command_line_is_refused(tree: Any) -> None:
    with pytest.raises(ConfigError, match=r"images\.sd\.stepps"):
        config.load(["images.sd.stepps=4"], folder=ROOT)


def test_a_value_from_the_command_line_is_used(tree: Any) -> None:
    assert config.load(["images.sd.steps=4"], folder=ROOT).images["sd"]["steps"] == 4


def test_a_folder_without_params_names_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="make params"):
        config.load(folder=tmp_path)


def test_checking_changes_nothing(tree: Any) -> None:
    before = copy.deepcopy(tree)
    config.check(tree)
    assert tree == before
