"""What a study has spent on an images API: a file that outlives runs, with a cap.

    .cache/ledger/<study>.jsonl    append-only, a line for each request that was sent and for what became of it:
    {"event": "ask", "id", "at", "image", "fingerprint", "model", "usd"}
    {"event": "settle", "id", "at", "billed": "yes" | "no" | "perhaps", "outcome"}

A request is written, flushed and counted before it is sent, under a lock that all processes share, so that no two of
them spend the same dollar. What is not settled, or perhaps billed, counts in full: a killed run leaves its last
requests so. The prices are the user's (`price_usd`); the bill is the server's.

    python -m t2ibench.images.ledger STUDY

prints {"asked", "spent_usd", "perhaps_usd" (part of spent_usd), "outcomes": {outcome: requests}}.
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

from t2ibench.errors import EXIT_CODE, MissingError, UserError
from t2ibench.images.replies import Billed
from t2ibench.records import canonical


def path_of(study: str) -> Path:
    """Where a study's ledger lies, below the repository's real root."""
    return Path(os.environ.get("DVC_ROOT") or ".") / ".cache/ledger" / f"{study}.jsonl"


def moment() -> str:
    """Now, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass
class _Asked:
    fingerprint: str
    usd: float
    billed: Billed | None = None
    outcome: str = "open"


class Ledger:
    """One study's ledger. cap_usd: what the study may spend in all, over runs and processes.

    Raises MissingError where the file is damaged.
    """

    def __init__(self, path: Path, cap_usd: float) -> None:
        self.path, self.cap_usd = path, cap_usd
        self._asked: dict[str, _Asked] = {}
        self._read = 0  # bytes of the file that `_asked` holds
        self._threads = threading.Lock()

    def ask(self, fingerprint: str, image: str, model: str, usd: float) -> str:
        """Writes down a request that is about to be sent. Returns its id.

        Raises UserError where its price would pass the cap; nothing is written then.
        """
        with self._locked() as file:
            spent = self._spent()
            if spent + usd > self.cap_usd + 1e-9:  # sums of prices are rounded
                raise UserError(
                    f"the next image costs {usd:g} USD, and of images.openai.budget_usd = {self.cap_usd:g} the study "
                    f"has spent {spent:.2f} ({self.path}): raise it to go on"
                )
            number = uuid.uuid4().hex
            line = {"event": "ask", "id": number, "at": moment(), "image": image, "fingerprint": fingerprint}
            self._append(file, line | {"model": model, "usd": usd})
            return number

    def settle(self, number: str, billed: Billed, outcome: str) -> None:
        """Writes down what became of a request; the first word counts."""
        with self._locked() as file:
            if self._asked[number].billed is None:
                line = {"event": "settle", "id": number, "at": moment(), "billed": billed, "outcome": outcome}
                self._append(file, line)

    def unsettled(self, fingerprint: str) -> list[str]:
        """The ids of an image's requests of which nobody knows what became."""
        with self._locked():
            return [n for n, row in self._asked.items() if row.fingerprint == fingerprint and row.billed is None]

    def summary(self) -> dict[str, Any]:
        """Requests, dollars and outcomes so far."""
        with self._locked():
            rows = self._asked.values()
            perhaps = sum(row.usd for row in rows if row.billed in (None, "perhaps"))
            outcomes = dict(Counter(row.outcome for row in rows))
            spent = round(self._spent(), 6)
            return {"asked": len(rows), "spent_usd": spent, "perhaps_usd": round(perhaps, 6), "outcomes": outcomes}

    def _spent(self) -> float:
        return sum(row.usd for row in self._asked.values() if row.billed != "no")

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
                self._asked[row["id"]] = _Asked(row["fingerprint"], float(row["usd"]))
            else:
                asked = self._asked[row["id"]]
                asked.billed, asked.outcome = row["billed"], row["outcome"]
        except (ValueError, KeyError, TypeError) as error:
            raise MissingError(
                f"{self.path} is damaged ({type(error).__name__}: {line[:80]!r})", f"restore it, or rm {self.path} and "
                "lower images.openai.budget_usd by what was spent"
            ) from None

    def _append(self, file: IO[bytes], row: dict[str, Any]) -> None:
        line = (canonical(row) + "\n").encode()
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
        self._read += len(line)
        self._count(line)


def main() -> None:
    """Prints a ledger's summary."""
    parser = argparse.ArgumentParser(prog="python -m t2ibench.images.ledger", description="What a study has spent.")
    parser.add_argument("study", help="the name that images.openai.ledger holds, usually the study's")
    path = path_of(parser.parse_args().study)
    try:
        if not path.exists():
            raise MissingError(f"there is no ledger at {path}: nothing was asked of a live API", "ls .cache/ledger")
        print(json.dumps(Ledger(path, 0).summary(), sort_keys=True, indent=2))
    except UserError as error:
        print(f"t2ibench: {error}", file=sys.stderr)
        sys.exit(EXIT_CODE)


if __name__ == "__main__":
    main()
