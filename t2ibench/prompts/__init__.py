"""prompts: classes in, texts to draw out. The contract that every prompts engine keeps.

Source: IEIE 2026, section 3.1.2: texts written by an LLM, or captions written by people, one animal class each.
Engines: `llm.LLMPrompts`, `coco.CocoPrompts`. What names a class is decided in `naming`, for all engines alike.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from t2ibench.errors import ConfigError
from t2ibench.prompts.naming import fault
from t2ibench.records import CLASSES, Prompt


@dataclass(frozen=True)
class PromptSet:
    """What an engine gives. prompts: by class in the order asked; read: the texts that were looked at; rejected:
    texts by rule; files: texts {read, kept} by the name of the file that held them, for engines that read files. Every
    text is counted once: read = len(prompts) + sum(rejected.values()).

    Raises ConfigError where a prompt is empty, does not name its class alone, or is there twice.
    """

    prompts: tuple[Prompt, ...]
    read: int
    rejected: dict[str, int]
    files: dict[str, dict[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for prompt in self.prompts:
            wrong = "it is there twice" if prompt.id in seen else fault(prompt.text, prompt.class_name)
            if wrong:
                key = f"prompts.{prompt.kind}, a prompt of {prompt.class_name}"
                raise ConfigError(key, prompt.text, f"a text that names {prompt.class_name} alone, once ({wrong})")
            seen.add(prompt.id)

    def __iter__(self) -> Iterator[Prompt]:
        return iter(self.prompts)


class PromptEngine(Protocol):
    """Makes prompts for classes. seed: the study's seed, for engines that sample."""

    def __call__(self, classes: Sequence[str], seed: int) -> PromptSet: ...


def check_classes(classes: Sequence[str]) -> None:
    """Raises ConfigError unless `classes` are some of the ten, each once."""
    for name in classes:
        if name not in CLASSES:
            raise ConfigError("study.classes", name, ", ".join(CLASSES))
    if not classes or len(set(classes)) < len(classes):
        raise ConfigError("study.classes", list(classes), "at least one class, each once")
