"""What a study has asked of paid APIs, texts and images alike, and spent: a file that outlives runs, with one cap.

    .cache/ledger/<study>.jsonl    append-only, a line for each request that was sent and for what became of it:
    {"event": "ask", "id", "at", "about", "fingerprint", "model", "usd"}
    {"event": "settle", "id", "at", "billed": "yes" | "no" | "perhaps", "outcome", "usd", "tokens"}

A request is written, flushed and counted before it is sent, under a lock that all processes share, so that no two of
them spend the same dollar. What is not settled, or perhaps billed, counts in full: a killed run leaves its last
requests so. `usd` of an ask is what the request costs at most, `usd` of its settlement what it did cost by the tokens
that its answer reports; one that cost more than its bound counts in full, and is said aloud once a run. null is an
unknown price: such requests are counted, with their tokens, and not in dollars; the cap refuses them once it is
reached. The prices are the user's; the bill is the server's.

    python -m t2ibench.paid.ledger STUDY

prints {"asked", "spent_usd", "perhaps_usd" (part of spent_usd), "price_unknown" (requests), "input_tokens",
"output_tokens", "outcomes": {outcome: requests}}.
"""

import argparse
import fcntl
import json
import os
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from t2ibench.errors import MissingError, UserError, one_sentence
from t2ibench.paid.answers import Billed
from t2ibench.paid.prices import Usage
from t2ibench.records import canonical


def path_of(study: str) -> Path:
    """Where a study's ledger lies, below the repository's real root."""
    return Path(os.environ.get("DVC_ROOT") or ".") / ".cache/ledger" / f"{study}.jsonl"


def moment() -> str:
    """Now, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


NONE = Usage(0, 0)


@dataclass
class _Asked:
    fingerprint: str
    usd: float | None
    billed: Billed | None = None
    outcome: str = "open"
    tokens: Usage = NONE


class Ledger:
    """One study's ledger. cap_usd: what the study may spend in all, over runs and processes.

    Raises MissingError where the file is damaged.
    """

    def __init__(self, path: Path, cap_usd: float) -> None:
        self.path, self.cap_usd = path, cap_usd
        self._asked: dict[str, _Asked] = {}
        self._read = 0  # bytes of the file that `_asked` holds
        self._threads = threading.Lock()
        self._said = False

    def ask(self, fingerprint: str, about: str, model: str, usd: float | None) -> str:
        """Writes down a request that is about to be sent. about: what it asks for; usd: what it costs at most, None
        where nobody knows. Returns its id.

        Raises UserError where its price would pass the cap; nothing is written then.
        """
        with self._locked() as file:
            spent = self._spent()
            passes = spent >= self.cap_usd if usd is None else spent + usd > self.cap_usd + 1e-9  # sums are rounded
            if passes:
                costs = "has an unknown price" if usd is None else f"costs up to {usd:g} USD"
                raise UserError(
                    f"the next request {costs}, and of budget_usd = {self.cap_usd:g} the study has spent {spent:.2f} "
                    f"({self.path}): raise study.budget_usd to go on"
                )
            number = uuid.uuid4().hex
            line = {"event": "ask", "id": number, "at": moment(), "about": about, "fingerprint": fingerprint}
            self._append(file, line | {"model": model, "usd": usd})
            return number

    def settle(self, number: str, billed: Billed, outcome: str, usd: float | None = None,
               tokens: Usage | None = None) -> None:
        """Writes down what became of a request; the first word counts. usd: by its tokens, None: what was asked for."""
        with self._locked() as file:
            asked = self._asked[number]
            if asked.billed is None:
                self._check_bound(asked.usd, usd)
                line = {"event": "settle", "id": number, "at": moment(), "billed": billed, "outcome": outcome}
                told = {"usd": usd, "tokens": None if tokens is None else [tokens.input, tokens.output]}
                self._append(file, line | {key: value for key, value in told.items() if value is not None})

    def _check_bound(self, most: float | None, usd: float | None) -> None:
        """Says, once, that an answer cost more than it should at most: until then the cap did not count the rest."""
        if most is None or usd is None or usd <= most + 1e-9 or self._said:
            return
        self._said = True
        print(f"t2ibench: an answer cost {usd:g} USD, where {most:g} was held back as the most that it could cost; it "
              f"counts in full ({self.path}). Raise max_output_tokens, so that the cap holds for requests in flight",
              file=sys.stderr, flush=True)

    def unsettled(self, fingerprint: str) -> list[str]:
        """The ids of the requests for one thing of which nobody knows what became."""
        with self._locked():
            return [n for n, row in self._asked.items() if row.fingerprint == fingerprint and row.billed is None]

    def past(self, fingerprint: str) -> list[tuple[Billed | None, str]]:
        """Who was billed, and the outcome, of each request for one thing, in order."""
        with self._locked():
            return [(row.billed, row.outcome) for row in self._asked.values() if row.fingerprint == fingerprint]

    def summary(self) -> dict[str, Any]:
        """Requests, dollars and outcomes so far."""
        with self._locked():
            rows = self._asked.values()
            perhaps = sum(row.usd or 0 for row in rows if row.billed in (None, "perhaps"))
            return {
                "asked": len(rows), "spent_usd": round(self._spent(), 6), "perhaps_usd": round(perhaps, 6),
                "price_unknown": sum(row.usd is None and row.billed != "no" for row in rows),
                "input_tokens": sum(row.tokens.input for row in rows),
                "output_tokens": sum(row.tokens.output for row in rows),
                "outcomes": dict(Counter(row.outcome for row in rows)),
            }

    def _spent(self) -> float:
        return sum(row.usd or 0 for row in self._asked.values() if row.billed != "no")

    @contextmanager
    def _locked(self) -> Iterator[IO[bytes]]:
        """The file, open to append, with all that other processes have written already counted."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._threads, self.path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._catch_up(file)
            yield file

    def _catch_up(self, file: IO[bytes]) -> None:
        file.seek(self._read)
        fresh = file.read()
        whole, newline, torn = fresh.rpartition(b"\n")
        if torn:  # a kill left half a line: its request was not sent yet, or its outcome counts as billed
            file.truncate(self._read + len(whole) + len(newline))
        for line in whole.split(b"\n") if newline else ():
            self._count(line)
        self._read += len(whole) + len(newline)

    def _count(self, line: bytes) -> None:
        try:
            row = json.loads(line)
            if row["event"] == "ask":
                self._asked[row["id"]] = _Asked(row["fingerprint"], _dollars(row["usd"]))
            else:
                asked = self._asked[row["id"]]
                asked.billed, asked.outcome = row["billed"], row["outcome"]
                asked.usd = _dollars(row.get("usd", asked.usd))
                asked.tokens = Usage(*row.get("tokens", (0, 0)))
        except (ValueError, KeyError, TypeError) as error:
            raise MissingError(
                f"{self.path} is damaged ({type(error).__name__}: {line[:80]!r})", f"restore it, or rm {self.path} and "
                "lower study.budget_usd by what was spent"
            ) from None

    def _append(self, file: IO[bytes], row: dict[str, Any]) -> None:
        line = (canonical(row) + "\n").encode()
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
        self._read += len(line)
        self._count(line)


def _dollars(usd: Any) -> float | None:
    return None if usd is None else float(usd)


def main() -> None:
    """Prints a ledger's summary."""
    parser = argparse.ArgumentParser(prog="python -m t2ibench.paid.ledger", description="What a study has spent.")
    parser.add_argument("study", help="the name that images.openai.ledger and prompts.llm.ledger hold: the study's")
    path = path_of(parser.parse_args().study)
    with one_sentence():
        if not path.exists():
            raise MissingError(f"there is no ledger at {path}: nothing was asked of a live API", "ls .cache/ledger")
        print(json.dumps(Ledger(path, 0).summary(), sort_keys=True, indent=2))


if __name__ == "__main__":
    main()
