"""Dollars from tokens. The prices are the user's, from the server's own list; an unknown one is never guessed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from t2ibench.errors import ConfigError

MILLION = 1_000_000
OVERHEAD = 64
"""Tokens that a server may add to a request beside its text: the marks around messages, and a schema."""


@dataclass(frozen=True)
class Usage:
    """The tokens of an answer, as the server counts them: of the request, and of what it brought."""

    input: int
    output: int


def usage(body: bytes) -> Usage | None:
    """What an answer's body reports, in the words of chat completions or of images; None where it does not."""
    try:
        told = json.loads(body)["usage"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
    return reported(told)


def reported(told: Any) -> Usage | None:
    """The two counts of a parsed `usage`; None where it lacks one."""
    if not isinstance(told, dict):
        return None
    counts = [told.get(f"{old}_tokens", told.get(f"{new}_tokens")) for old, new in
              (("prompt", "input"), ("completion", "output"))]
    read, written = (count if type(count) is int and count >= 0 else None for count in counts)
    return None if read is None or written is None else Usage(read, written)


@dataclass(frozen=True)
class Prices:
    """US dollars per million tokens; None: unknown, both or neither."""

    input: float | None = None
    output: float | None = None

    @classmethod
    def given(cls, key: str, read: float | None, written: float | None) -> "Prices":
        """The prices of an engine's section. Raises ConfigError where one is given without the other, or is below 0."""
        for name, own, other in (("input", read, written), ("output", written, read)):
            if own is not None and own < 0:
                raise ConfigError(f"{key}.{name}_usd_per_million", own, "dollars from 0, or null where unknown")
            if own is None and other is not None:
                raise ConfigError(f"{key}.{name}_usd_per_million", own, "dollars: the other price is given")
        return cls(read, written)

    @property
    def known(self) -> bool:
        """Whether tokens can be turned into dollars."""
        return self.input is not None and self.output is not None

    @property
    def free(self) -> bool:
        """Whether tokens are known to cost nothing, as on a server of one's own."""
        return self.input == self.output == 0

    def most(self, request: Mapping[str, Any], written: int) -> float | None:
        """What a request costs at most, None where its price is unknown. written: tokens of its answer at most. Those
        of the request are bounded by its bytes, for a token has a byte at least."""
        read = len(json.dumps(request, ensure_ascii=False).encode()) + OVERHEAD
        return self.of(Usage(read, written))

    def of(self, tokens: Usage | None) -> float | None:
        """What these tokens cost; None where the price or the tokens are unknown."""
        if tokens is None or self.input is None or self.output is None:
            return None
        return round((tokens.input * self.input + tokens.output * self.output) / MILLION, 9)
