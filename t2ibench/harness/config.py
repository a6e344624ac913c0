"""The parameters of a run: params.yaml, composed from conf/ by DVC, read through Hydra, checked as a whole.

Everything is checked before any model is loaded or any request is sent, and every mistake is shown at once with its
key and what is accepted. An engine's constructor is its schema: an unknown, missing or mistyped key of its node is
found by the constructor's annotations.
"""

import difflib
import importlib
import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from t2ibench.errors import ConfigError, ConfigErrors, MissingError
from t2ibench.hardware import Hardware
from t2ibench.records import CLASSES

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Count = Annotated[int, Field(ge=1)]
Node = dict[str, Any]
V = TypeVar("V")
HARNESS_GIVES = ("hardware", "classes")
"""Constructor arguments that do not stand in an engine's yaml: the harness passes them."""


class Strict(BaseModel):
    """A section in which an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class Study(Strict):
    """The protocol: which classes, how many images of each prompt, which published tables; and from which size on a
    source's pictures lie in shards, which changes no picture."""

    name: Slug
    seed: Annotated[int, Field(ge=0)]
    classes: Annotated[list[Literal[CLASSES]], Field(min_length=2)]  # type: ignore[valid-type]
    images_per_prompt: Count
    published: str | None
    budget_usd: Annotated[float, Field(ge=0)] = 0.0
    failures_allowed: Annotated[float, Field(ge=0, le=1)]
    shard_above: Annotated[int, Field(ge=0)]
    images_per_shard: Count


class Models(Strict):
    """Which weights; comparable: whether they are the published study's own."""

    model_config = ConfigDict(extra="allow")
    name: Slug
    comparable: bool
    note: str


class Source(Strict):
    """A generated data set: a prompts engine and an images engine, by their names."""

    prompts: str
    images: str


class Variant(Strict):
    """What is done to the kept images: a deblur engine, by its name."""

    deblur: str


def _by_name(section: dict[str, V]) -> dict[str, V]:
    return dict(sorted(section.items()))


def _plain_first(variants: dict[str, Variant]) -> dict[str, Variant]:
    return dict(sorted(variants.items(), key=lambda item: (item[1].deblur != "none", item[0])))


Engines = Annotated[dict[str, Node], AfterValidator(_by_name)]


class Params(Strict):
    """params.yaml as a whole. Sources, variants and engines come in an order of their own: to DVC their order is no
    difference, so it may be none in what a stage writes."""

    study: Study
    models: Models
    hardware: Hardware
    executor: Node
    sources: Annotated[dict[Slug, Source], Field(min_length=1), AfterValidator(_by_name)]
    variants: Annotated[dict[Slug, Variant], Field(min_length=1), AfterValidator(_plain_first)]
    prompts: Engines
    images: Engines
    filter: Engines
    deblur: Engines
    evaluate: Engines
    compare: Node
    report: Node
    track: Node


def load(overrides: Sequence[str] = (), folder: Path | None = None) -> Params:
    """Reads params.yaml of `folder` (default: here), applies `key=value` overrides, checks everything.

    Raises MissingError without params.yaml, ConfigErrors with every mistake found.
    """
    folder = folder or Path.cwd()
    if not (folder / "params.yaml").is_file():
        raise MissingError(f"there is no params.yaml in {folder}", "make params")
    try:
        with initialize_config_dir(str(folder.resolve()), version_base="1.3"):
            tree = OmegaConf.to_container(compose("params", list(overrides)), resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        text = str(error).strip().splitlines()[0]
        raise ConfigError("params.yaml", " ".join(overrides), f"keys that it has ({text})") from None
    return check(tree)


def check(tree: Any) -> Params:
    """Checks a whole configuration. Raises ConfigErrors with every mistake, sections and engines alike."""
    errors: list[ConfigError] = []
    try:
        params = Params.model_validate(tree)
    except ValidationError as error:
        errors += _mistakes(error, Params, "")
        raise ConfigErrors(errors + _engine_mistakes(tree)) from None
    errors += _unknown_names(params) + _unwatched(params) + _engine_mistakes(tree)
    if errors:
        raise ConfigErrors(errors)
    return params


def build(node: Node, key: str, params: Params) -> Any:
    """Makes the engine that a yaml node names; passes the hardware and the classes where it asks for them."""
    target = _target(node, key)
    given = {name: value for name, value in node.items() if name != "_target_"}
    known: dict[str, Callable[[], Any]] = {
        "hardware": params.hardware.settled,  # asks torch where the device is `auto`: only for those that want it
        "classes": lambda: tuple(params.study.classes),
    }
    wanted = inspect.signature(target).parameters
    return target(**given, **{name: known[name]() for name in HARNESS_GIVES if name in wanted})


def _target(node: Node, key: str) -> Any:
    """The class that `_target_` names. Only t2ibench's own may be named."""
    name = node.get("_target_")
    if not isinstance(name, str) or not name.startswith("t2ibench."):
        raise ConfigError(f"{key}._target_", name, "the dotted name of a class that starts with t2ibench.")
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError):
        raise ConfigError(f"{key}._target_", name, "the dotted name of an existing class") from None


def _engine_mistakes(tree: Any) -> list[ConfigError]:
    """Checks every node with a `_target_` against its class's constructor."""
    errors: list[ConfigError] = []
    sections = tree if isinstance(tree, dict) else {}
    for stage in ("prompts", "images", "filter", "deblur", "evaluate"):
        section = sections.get(stage)
        for name, node in (section.items() if isinstance(section, dict) else ()):
            if isinstance(node, dict):
                errors += _node_mistakes(node, f"{stage}.{name}")
    for stage in ("executor", "compare", "report", "track"):
        if isinstance(sections.get(stage), dict):
            errors += _node_mistakes(sections[stage], stage)
    return errors


def _node_mistakes(node: Node, key: str) -> list[ConfigError]:
    try:
        target = _target(node, key)
    except ConfigError as error:
        return [error]
    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(target, eval_str=True).parameters.items():
        if name not in HARNESS_GIVES:
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            arguments[name] = (parameter.annotation, default)
    schema = create_model(target.__name__, __config__=ConfigDict(extra="forbid"), **arguments)
    try:
        schema.model_validate({name: value for name, value in node.items() if name != "_target_"})
    except ValidationError as error:
        return _mistakes(error, schema, key)
    return []


def _unknown_names(params: Params) -> list[ConfigError]:
    """Sources and variants may only name engines that are configured."""
    wanted = [(f"sources.{key}.{stage}", getattr(source, stage), getattr(params, stage))
              for key, source in params.sources.items() for stage in ("prompts", "images")]
    wanted += [(f"variants.{key}.deblur", variant.deblur, params.deblur) for key, variant in params.variants.items()]
    return [ConfigError(key, name, _names(engines, str(name))) for key, name, engines in wanted if name not in engines]


def _unwatched(params: Params) -> list[ConfigError]:
    """A recording lies where DVC watches it, so that an edit of it runs its stage again."""
    errors = []
    for stage, bundled in (("prompts", ("t2ibench/prompts",)), ("images", ())):
        for name, node in getattr(params, stage).items():
            path, watched = node.get("recording"), ("recordings", *bundled)
            if path is not None and not any(Path(os.path.normpath(str(path))).is_relative_to(one) for one in watched):
                places = " or ".join(f"{one}/" for one in watched)
                accepted = f"null, or a file below {places}, where DVC notices its edits"
                errors.append(ConfigError(f"{stage}.{name}.recording", path, accepted))
    return errors


def _mistakes(error: ValidationError, schema: type[BaseModel], key: str) -> list[ConfigError]:
    """pydantic's findings as ours: the dotted key, the value, what is accepted."""
    found = []
    for detail in error.errors():
        path = ".".join([key, *(str(part) for part in detail["loc"])]).lstrip(".")
        if detail["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            last = str(detail["loc"][-1])
            siblings = schema.model_fields if len(detail["loc"]) == 1 else _fields(schema, detail["loc"][:-1])
            found.append(ConfigError(path, detail["input"], "no such key; " + _names(siblings, last)))
        elif detail["type"] == "missing":
            found.append(ConfigError(path, None, "a value: the key is missing"))
        else:
            found.append(ConfigError(path, detail["input"], detail["msg"].removeprefix("Input should be ")))
    return found


def _fields(schema: type[BaseModel], path: tuple[int | str, ...]) -> Sequence[str]:
    """The keys that the section at `path` may have."""
    section = schema.model_fields.get(str(path[0]))
    names = getattr(section.annotation, "model_fields", None) if section else None
    if names is None and section is not None:
        names = {**getattr(Source if path[0] == "sources" else Variant, "model_fields", {})}
    return list(names or ())


def _names(known: Any, wrong: str) -> str:
    """The accepted names, the likeliest meant first."""
    near = difflib.get_close_matches(wrong, list(known), n=1)
    rest = ", ".join(str(name) for name in known) or "nothing here"
    return f"one of {rest}" + (f" (did you mean {near[0]}?)" if near else "")
