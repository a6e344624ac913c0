"""One reviewer's decisions in reviews/<source>.csv: read under a lock, changed, written whole, flushed to the disk.

The lock lies outside `reviews`, which is a dependency of the filter stage. Every change reads the file anew, so two
pages, two servers and a merge from git in between lose no row.
"""

import fcntl
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from t2ibench.filter import reviews
from t2ibench.filter.reviews import Review


class Notebook:
    """known: the ids that a row may have; reviewer: whose rows this notebook reads and writes."""

    def __init__(self, source: str, known: Collection[str], reviewer: str) -> None:
        self.path = Path("reviews") / f"{source}.csv"
        self.reviewer = reviews.check_reviewer(reviewer)
        self._known = frozenset(known)
        self._lock = Path(".cache/locks") / f"reviews-{source}.lock"

    def own(self) -> dict[str, Review]:
        """{id: review} of this reviewer alone. Raises ConfigError where the file has a bad line."""
        return {row.id: row for row in reviews.read(self.path, self._known) if row.reviewer == self.reviewer}

    def put(self, id_: str, decision: str | None, note: str) -> None:
        """Sets or, with decision None, removes this reviewer's row of an image; it is on the disk on return.

        Raises ConfigError where the file has a bad line, ValueError where the id is unknown.
        """
        if id_ not in self._known:
            raise ValueError(f"there is no image {id_!r}")
        line = "".join(letter if letter.isprintable() else " " for letter in note)
        with self._alone():
            rows = {(row.reviewer, row.id): row for row in reviews.read(self.path, self._known)}
            before = dict(rows)
            if decision is None:
                rows.pop((self.reviewer, id_), None)
            else:
                rows[self.reviewer, id_] = Review(id_, decision, self.reviewer, " ".join(line.split()))
            if rows != before:
                reviews.write(self.path, rows.values())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Holds the file's lock: each entry opens it anew, so that threads and processes exclude each other alike."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
