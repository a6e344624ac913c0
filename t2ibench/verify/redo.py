"""Makes a sample of a cell again, in batches of the engine's own shape, and compares it with the recorded files."""

import hashlib
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2ibench.errors import MissingError
from t2ibench.harness import executor
from t2ibench.harness.progress import progress
from t2ibench.images import Made
from t2ibench.pictures import decode, encode_png, read_bytes, read_picture
from t2ibench.records import Sample
from t2ibench.verify.cells import Cell
from t2ibench.verify.difference import largest, psnr


@dataclass(frozen=True)
class Differing:
    """A picture that is not the recorded one. psnr_db: None where the pixels are equal and only the file is another,
    or where there is nothing to compare; largest: of the differences, 0 to 255; wrong: what no rounding
    explains, or ""."""

    id: str
    psnr_db: float | None
    largest: int | None
    wrong: str


@dataclass
class Found:
    """What was found of a cell. sampled: pictures made again; identical: of them, to the byte; skipped: recorded
    images that nothing can make again."""

    stage: str
    cell: str
    recorded: int
    sampled: int = 0
    identical: int = 0
    skipped: int = 0
    why: str = ""
    differing: list[Differing] = field(default_factory=list)

    def worse(self, bound_db: float) -> list[Differing]:
        """Those that no rounding explains, and those below the bound."""
        return [one for one in self.differing if one.wrong or (one.psnr_db is not None and one.psnr_db < bound_db)]


def redo(cell: Cell, count: int, seed: int) -> Found:
    """Makes at most `count` of a cell's pictures again. seed: of the choice, which other cells do not change.

    Rows that are wrong are reported whether they are in the sample or not.
    """
    found = Found(cell.stage, cell.name, len(cell.rows), why=cell.why)
    if cell.engine is None:
        found.skipped = len(cell.rows)
        found.differing = [Differing(id, None, None, wrong) for id, wrong in sorted(cell.wrong.items())]
        return found
    chosen = sample(cell, count, seed)
    unread = cell.wrong | _inputs(cell, chosen)
    chosen = [row for row in chosen if cell.input is None or row.id not in unread]
    with progress(f"verify {cell.stage} {cell.name}", len(chosen)) as bar:
        for row, made in executor.run(cell.engine, chosen, cell.load, bar):
            found.sampled += 1
            differing = _compare(cell, row, made, unread.pop(row.id, ""))
            found.identical += differing is None
            found.differing += [differing] if differing else []
    found.differing += [Differing(id, None, None, wrong) for id, wrong in sorted(unread.items())]
    return found


def sample(cell: Cell, count: int, seed: int) -> list[Sample]:
    """At most `count` rows of a cell, in an order that only the seed and the cell's name decide."""
    rows = sorted(cell.rows, key=lambda row: row.id)
    return random.Random(f"{seed}/{cell.stage}/{cell.name}").sample(rows, min(count, len(rows)))


def _inputs(cell: Cell, rows: Sequence[Sample]) -> dict[str, str]:
    """{id: the reason} for rows whose picture was made from a file that is not there as it was."""
    if cell.input is None:
        return {}
    files = [(row, cell.input(row)) for row in rows]
    return {row.id: f"{file} is not the image that it was made from" for row, file in files
            if _digest(file) != row.extra.get("restored_from")}


def _digest(path: Path) -> str:
    """sha256 of a picture's bytes, empty where it is not there or its shard is damaged."""
    try:
        return hashlib.sha256(read_bytes(path)).hexdigest()
    except OSError:
        return ""


def _compare(cell: Cell, row: Sample, made: Any, wrong: str) -> Differing | None:
    """made: an answer of an images engine, or a restored picture."""
    path = cell.folder / row.file_name
    if isinstance(made, Made):
        payload = made.png()
    elif hasattr(made, "reason"):
        return Differing(row.id, None, None, f"the engine refuses it now: {made.reason}")
    else:
        payload = encode_png(made)
    try:
        recorded = read_picture(path)
    except MissingError as error:
        return Differing(row.id, None, None, error.what)
    if _digest(path) != row.sha256:
        wrong = wrong or "its file is not the one that its row records"
    now = decode(payload)
    if now.shape != recorded.shape:
        return Differing(row.id, None, None, wrong or f"its size is {recorded.shape[1]} x {recorded.shape[0]} pixels, "
                         f"made again {now.shape[1]} x {now.shape[0]}")
    if hashlib.sha256(payload).hexdigest() == row.sha256 and not wrong:
        return None
    ratio = psnr(now, recorded)
    return Differing(row.id, None if math.isinf(ratio) else ratio, largest(now, recorded), wrong)
