"""The pictures of an image set on their way into an out: a file each, or in large sets shards in WebDataset's layout.

    cat/<id>.png             a hard link to what the item cache has: no disk of its own
    000003.tar               <id>.png and <id>.json (the row) of a thousand or so images, by id: a copy of their bytes

Which of the two, the rows' `file_name` says, from the stage `images` on to the last. An image's shard is decided by
the hash of its prompt's id: an edited prompt changes the shard that it leaves and the one that it comes to, no other.
The number of shards is a power of two: it rarely changes, and then each shard is split in two.
"""

import hashlib
import io
import math
import shutil
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

from t2ibench.harness.items import link
from t2ibench.pictures import SHARD, read_bytes, shard_of
from t2ibench.records import Record, as_line, writing

TOGETHER = 16
"""Images of one prompt that share a shard: a prompt is rarely drawn more often, and an imported class without texts,
which is one prompt, is still spread."""


def shard_count(images: int, above: int, per_shard: int) -> int:
    """Shards for a set of so many images: 0 (a file each) up to `above`, else about `per_shard` images in each."""
    return 2 ** max(0, round(math.log2(images / per_shard))) if images > above else 0


def place(class_name: str, id_: str, prompt_id: str, index: int, shards: int) -> str:
    """The `file_name` of an image. index: among its prompt's images; shards: as `shard_count` says."""
    if not shards:
        return f"{class_name}/{id_}.png"
    found = hashlib.sha256(f"{prompt_id}-{index // TOGETHER}".encode()).digest()
    return f"{int.from_bytes(found[:8], 'big') * shards >> 64:06}{SHARD}/{id_}.png"  # the leading bits: splits nest


class PictureFolder:
    """Puts an image set into a folder. file_names: of all pictures that will be added, in any order.

    A shard is written when its last picture is there, under a temporary name, and renamed.
    """

    def __init__(self, folder: Path, file_names: Iterable[str]) -> None:
        self.folder = folder
        self._planned = Counter(filter(None, map(shard_of, file_names)))
        self._waiting: defaultdict[str, list[tuple[str, Record, Path]]] = defaultdict(list)

    def add(self, file_name: str, row: Record, picture: Path | bytes) -> None:
        """Adds a picture: a stored file (or a shard's member), which is linked if it can be, or a PNG's bytes."""
        shard = shard_of(file_name)
        target = self._spool(shard) / PurePosixPath(file_name).name if shard else self.folder / file_name
        if isinstance(picture, bytes):  # a stage that is killed starts anew, so nothing waits for the disk
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(picture)
            picture = target
        elif not shard:
            link(picture, target)
        if shard:
            waiting = self._waiting[shard]
            waiting.append((PurePosixPath(file_name).stem, row, picture))
            if len(waiting) == self._planned[shard]:
                write_shard(self.folder / shard, self._waiting.pop(shard))
                shutil.rmtree(self._spool(shard), ignore_errors=True)

    def _spool(self, shard: str = "") -> Path:
        """Where pictures that are nowhere else wait for their shard."""
        return self.folder / ".spool" / PurePosixPath(shard).stem

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises RuntimeError where a shard lacks pictures that were announced."""
        shutil.rmtree(self._spool(), ignore_errors=True)
        if kind is None and self._waiting:
            raise RuntimeError(f"{self.folder}: {min(self._waiting)} has not got all of its pictures")


def write_shard(path: Path, samples: Iterable[tuple[str, Record, Path]]) -> None:
    """Writes `<id>.png` and `<id>.json` of every (id, row, picture) to a tar file, by id: equal input, equal bytes."""
    with writing(path) as file, tarfile.open(fileobj=file, mode="w") as archive:
        for id_, row, picture in sorted(samples, key=lambda sample: sample[0]):
            for name, payload in ((f"{id_}.png", read_bytes(picture)), (f"{id_}.json", as_line(row).encode())):
                member = tarfile.TarInfo(name)
                member.size = len(payload)
                archive.addfile(member, io.BytesIO(payload))


def link_all(source: Path, folder: Path, file_names: Iterable[str]) -> None:
    """Puts the pictures of one image set into another folder as they are, shards as a whole: no disk of their own."""
    for name in dict.fromkeys(shard_of(name) or name for name in file_names):
        link(source / name, folder / name)
