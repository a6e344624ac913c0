"""Prompts written by a large language model.

Source: IEIE 2026, section 3.1.2: ChatGPT-4, one instruction, ten prompts a class, "performing human actions
realistically". The paper prints the instruction, not the replies, and pins no model. So the default replays a
recording that was written for this project; `recording: null` asks any server that speaks OpenAI's chat completions.
Our additions: one request per class, the reply as a JSON object, and a request for a repair where a reply has faults.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2ibench.errors import ConfigError, UserError
from t2ibench.paid.prices import Prices
from t2ibench.prompts import PromptSet, check_classes
from t2ibench.prompts.live import Live, Terms
from t2ibench.prompts.naming import fault, judge, normal
from t2ibench.prompts.replies import LIVE, NoReply, Recording, Replies
from t2ibench.records import Prompt

RECORDING = Path(__file__).parent / "recordings" / "ieie2026-llm.json"
INSTRUCTION = (
    "Create ten text prompts for a text-to-image model. "
    "The object must be {class}, depicting {class} performing human actions realistically."
)
FORMAT = 'Answer with one JSON object and nothing else: {"prompts": [one string for each prompt]}.'
SCHEMA = {
    "type": "object",
    "properties": {"prompts": {"type": "array", "items": {"type": "string"}}},
    "required": ["prompts"],
    "additionalProperties": False,
}


@dataclass
class Sheet:
    """What the replies for one class gave so far. faults: of the last reply, in words."""

    class_name: str
    good: list[Prompt] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    read: int = 0
    rejected: Counter[str] = field(default_factory=Counter)


class LLMPrompts:
    """Asks a chat model for prompts, or replays what it answered.

    per_class: prompts per class; instruction: the request, with `{class}` for the class; base_url: the server, null
    for OpenAI's; recording: replies to replay, null to ask; max_tries: requests per class and run, the first one and
    repairs; save: where live replies are kept, below the repository's root: a later run goes on from them, and asks
    for what is missing only; the two prices: of a million tokens, null where unknown: requests and tokens are then
    counted without dollars; max_output_tokens: of one reply, which bounds what a request with a price can cost;
    budget_usd: of all that shares the ledger; repeat_lost: asks again where a request may have been billed and no
    usable reply came. The study's seed has no part in it.
    """

    def __init__(
        self,
        per_class: int = 10,
        model: str = "gpt-4.1-2025-04-14",
        base_url: str | None = None,
        temperature: float = 1.0,
        instruction: str = INSTRUCTION,
        recording: Path | None = RECORDING,
        max_tries: int = 3,
        timeout_seconds: float = 120.0,
        save: Path = Path(".cache/prompts/llm-replies.json"),
        attempts: int = 4,
        backoff_seconds: float = 1.0,
        max_output_tokens: int | None = None,
        input_usd_per_million: float | None = None,
        output_usd_per_million: float | None = None,
        budget_usd: float = 10.0,
        ledger: str = "study",
        repeat_lost: bool = False,
    ) -> None:
        _check("per_class", per_class, per_class >= 1, "a whole number from 1")
        _check("max_tries", max_tries, 1 <= max_tries <= 10, "a whole number from 1 to 10")
        _check("temperature", temperature, 0 <= temperature <= 2, "a number from 0 to 2")
        _check("timeout_seconds", timeout_seconds, timeout_seconds > 0, "seconds above 0")
        _check("model", model, bool(model.strip()), "the name of a chat model")
        _check("instruction", instruction, "{class}" in instruction, "a text that holds {class}")
        url = base_url is None or base_url.startswith(("http://", "https://"))
        _check("base_url", base_url, url, "null, or an address that starts with http:// or https://")
        _check("attempts", attempts, 1 <= attempts <= 20, "a whole number from 1 to 20")
        _check("backoff_seconds", backoff_seconds, 0 <= backoff_seconds <= 60, "seconds from 0 to 60")
        _check("budget_usd", budget_usd, budget_usd >= 0, "dollars from 0")
        _check("ledger", ledger, bool(re.fullmatch("[a-z0-9][a-z0-9-]*", ledger)), "a name of a-z, 0-9 and -")
        prices = Prices.given("prompts.llm", input_usd_per_million, output_usd_per_million)
        bound = (max_output_tokens or 0) >= 1 or (max_output_tokens is None and not prices.known)
        _check("max_output_tokens", max_output_tokens, bound, "a whole number from 1: with prices, it bounds the cost")
        self.terms = Terms(attempts, backoff_seconds, timeout_seconds, prices, budget_usd, ledger, repeat_lost)
        self.max_output_tokens = max_output_tokens
        self.per_class, self.model, self.instruction, self.temperature = per_class, model, instruction, temperature
        self.base_url, self.max_tries = base_url, max_tries
        self.recording, self.save = recording, save

    def __call__(self, classes: Sequence[str], seed: int) -> PromptSet:
        """`per_class` prompts of each class, in the order of the replies.

        Raises ConfigError for an unknown class, MissingError for a missing key or recording, UserError where the
        replies for a class do not give enough prompts or the request is not the recorded one.
        """
        check_classes(classes)
        recording = Recording.load(Path(self.recording)) if self.recording is not None else None
        replies = recording or Live(self.base_url, self.save, self.terms)
        sheets = [self._ask(name, replies, bool(recording and recording.authored)) for name in classes]
        rejected: Counter[str] = sum((sheet.rejected for sheet in sheets), Counter())
        prompts = tuple(prompt for sheet in sheets for prompt in sheet.good)
        return PromptSet(prompts, sum(sheet.read for sheet in sheets), dict(rejected))

    def request(self, class_name: str, turns: Sequence[dict[str, str]] = ()) -> dict[str, Any]:
        """The body of the request for a class. turns: earlier replies, and what was wrong with them."""
        shape = {"name": "prompts", "strict": True, "schema": SCHEMA}
        return {
            "model": self.model,
            "temperature": float(self.temperature),
            "messages": [
                {"role": "system", "content": FORMAT},
                {"role": "user", "content": self.instruction.replace("{class}", class_name)},
                *turns,
            ],
            "response_format": {"type": "json_schema", "json_schema": shape},
            **({} if self.max_output_tokens is None else {"max_completion_tokens": self.max_output_tokens}),
        }

    def unanswered(self, classes: Sequence[str]) -> list[dict[str, Any]]:
        """The first requests that a server has not answered yet; the replies that were saved are not asked again."""
        saved = Recording(self.save, False, Live(self.base_url, self.save, self.terms).exchanges)
        return [request for name in classes if saved.find(request := self.request(name)) is None]

    def _ask(self, class_name: str, replies: Replies, authored: bool) -> Sheet:
        """Asks for one class until there are enough good prompts; keeps what was good."""
        sheet, turns, before = Sheet(class_name), list[dict[str, str]](), replies.asked
        while replies.asked - before < self.max_tries:
            try:
                reply = replies(class_name, self.request(class_name, turns))
            except NoReply:
                if not turns:
                    raise
                break
            content = self._read(reply, sheet, authored)
            if len(sheet.good) == self.per_class:
                return sheet
            turns += [
                {"role": "assistant", "content": content or "(no text)"},
                {"role": "user", "content": self._repair(sheet)},
            ]
        missing = self.per_class - len(sheet.good)
        helps = (
            f"run again to ask for the {missing} missing ({self.max_tries} requests a run, prompts.llm.max_tries), or "
            f"rm {self.save} to start afresh"
        )
        if self.recording is not None:
            helps = f"mend {self.recording}, or {LIVE}"
        raise UserError(
            f"prompts.llm: the replies for {class_name} give {len(sheet.good)} usable prompts of {self.per_class} "
            f"wanted: {'; '.join(sheet.faults)}; this helps: {helps}"
        )

    def _read(self, reply: dict[str, Any], sheet: Sheet, authored: bool) -> str:
        """Sorts a reply's texts into the sheet; returns the reply's text."""
        content, texts, wrong = _texts(reply)
        origin = {"model": reply.get("model"), "reply_id": reply.get("id")} | ({"authored": True} if authored else {})
        known = {normal(prompt.text) for prompt in sheet.good}
        sheet.faults = [wrong] if wrong else []
        sheet.read += len(texts)
        for number, raw in enumerate(texts, start=1):
            text = " ".join(raw.split()) if isinstance(raw, str) else ""
            problem, rule = fault(text, sheet.class_name), judge(text).rule or "wrong-class"
            if not problem and normal(text) in known:
                problem, rule = "duplicate: it is there already", "duplicate"
            if not problem and len(sheet.good) == self.per_class:
                problem, rule = "surplus", "surplus"
            elif problem:
                sheet.faults.append(f"prompt {number} ({text!r}): {problem}")
            if problem:
                sheet.rejected[rule] += 1
                continue
            known.add(normal(text))
            place = {"position": number}
            sheet.good.append(Prompt.make(sheet.class_name, text, "llm", origin | place))
        if not sheet.faults and len(sheet.good) < self.per_class:
            sheet.faults = [f"too few prompts: the reply has {len(texts)}"]
        return content

    def _repair(self, sheet: Sheet) -> str:
        """What is asked after a faulty reply."""
        missing = self.per_class - len(sheet.good)
        kept = "".join(f"\n- {prompt.text}" for prompt in sheet.good)
        return (
            f"That cannot all be used. {'; '.join(sheet.faults)}. Every prompt must name the {sheet.class_name} and no "
            f"other animal. Create {missing} more in the same form{', unlike these:' + kept if kept else '.'}"
        )


def _texts(reply: dict[str, Any]) -> tuple[str, list[Any], str]:
    """A chat.completion's text, the prompts in it, and what is wrong with it as a whole (or nothing)."""
    try:
        choice = reply["choices"][0]
        message = choice["message"]
        refusal, content, finish = message.get("refusal"), message.get("content"), choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError):
        return "", [], "the reply is no chat completion"
    if refusal or finish == "content_filter":
        return str(refusal or content or ""), [], f"the model refused ({refusal or 'content filter'})"
    content = content if isinstance(content, str) else ""
    try:
        texts = json.loads(content)["prompts"]
    except (ValueError, KeyError, TypeError, RecursionError):
        texts = None
    if not isinstance(texts, list):
        cut = ", and was cut off" if finish == "length" else ""
        return content, [], f'the reply is not a JSON object with a list "prompts"{cut}'
    return content, texts, ""


def _check(key: str, value: object, usable: bool, accepted: str) -> None:
    if not usable:
        raise ConfigError(f"prompts.llm.{key}", value, accepted)
