"""The prompts that a study has or still has to get: what was written, and whether a chat model is asked."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from t2ibench.harness import config
from t2ibench.prompts.llm import LLMPrompts
from t2ibench.records import Prompt, read_rows

TERMS = frozenset({"timeout_seconds", "attempts", "backoff_seconds", "max_tries", "budget_usd", "ledger", "repeat_lost",
                   "save", "input_usd_per_million", "output_usd_per_million"})
"""Settings of a prompts engine that say how a server is asked and paid, and change no prompt that was written."""


def wanted(params: config.Params, kind: str) -> int:
    """Prompts of a kind as params.yaml has them: an upper estimate."""
    return len(params.study.classes) * int(params.prompts[kind].get("per_class", 0))


def written(params: config.Params, kind: str, locked: Mapping[str, Any]) -> list[Prompt] | None:
    """The written prompts of a kind; None where there are none yet, or they are of other classes, counts or settings.
    locked: the stages of dvc.lock.

    Raises MissingError where the table is damaged.
    """
    path = Path("data/prompts", kind, "prompts.jsonl")
    if not path.is_file() or _otherwise(params, kind, locked):
        return None
    found = read_rows(path, Prompt, f"dvc repro -f prompts@{kind}")
    per_class = Counter(prompt.class_name for prompt in found)
    due = dict.fromkeys(params.study.classes, int(params.prompts[kind].get("per_class", 0)))
    return found if per_class == due else None


def _otherwise(params: config.Params, kind: str, locked: Mapping[str, Any]) -> bool:
    """Whether dvc.lock says that the prompts were written with other settings, such as another file of captions."""
    then = ((locked.get(f"prompts@{kind}") or {}).get("params") or {}).get("params.yaml") or {}
    before, now = then.get(f"prompts.{kind}"), params.prompts[kind]
    return before is not None and any(before.get(key) != value for key, value in now.items() if key not in TERMS)


def asks(node: config.Node) -> bool:
    """Whether a prompts engine asks a chat model that may cost money."""
    return node.get("_target_") == f"{LLMPrompts.__module__}.{LLMPrompts.__name__}" and not node.get("recording")
