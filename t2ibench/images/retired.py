"""Models that an images API no longer serves: asking for one fails before any request.

Source: `retired.yaml`, each entry with its own. A model that is not listed is asked for; the list is what was known
when it was written, and the server has the last word (404).
"""

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from t2ibench.errors import ConfigError

LIST = Path(__file__).parent / "retired.yaml"
OTHER_WAYS = (
    "archived images of it through images/folder, or recordings of its replies (images.openai.recording); "
    "docs/2-images.md says how"
)


@dataclass(frozen=True)
class Retired:
    """A model's end. standing: OpenAI's own words, or others'; source: where that was read."""

    shut_down: date
    standing: Literal["announced", "reported"]
    source: str
    successors: tuple[str, ...]


@cache
def retirements() -> dict[str, Retired]:
    """Every listed model."""
    import yaml

    return TypeAdapter(dict[str, Retired]).validate_python(yaml.safe_load(LIST.read_text(encoding="utf-8")))


def check_served(model: str, today: date | None = None) -> None:
    """Raises ConfigError, with the model's successors and the other ways, where a live API no longer serves it.

    today: the day of the request; the clock's, where none is given.
    """
    found = retirements().get(model.strip().lower())
    if found is None or found.shut_down > (today or date.today()):
        return
    raise ConfigError(
        "images.openai.model",
        model,
        f"a model that is still served (this one was shut down on {found.shut_down}, {found.standing}: "
        f"{found.source}): its successors {', '.join(found.successors)}, whose results are not comparable with it; "
        f"or {OTHER_WAYS}",
    )
