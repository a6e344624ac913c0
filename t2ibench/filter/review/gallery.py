"""A source's pictures with what the filter measured: what the review page shows.

What a review decided in an earlier run of the filter is left out, so that a second reviewer stays blind to the first:
an image whose only fault was a review passed every automatic step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from t2ibench.errors import MissingError
from t2ibench.pictures import open_picture
from t2ibench.records import Decision, Sample, read_rows

REVIEW = "review"


@dataclass(frozen=True)
class Picture:
    """An image of the source, its file, its size in pixels, and the filter's decision."""

    sample: Sample
    decision: Decision
    path: Path
    size: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """What the page needs, without a trace of any review."""
        found = self.decision
        return {
            "id": self.sample.id,
            "class": self.sample.class_name,
            "prompt": self.sample.prompt,
            "seed": str(self.sample.seed),
            "version": self.sample.sha256[:16],
            "width": self.size[0],
            "height": self.size[1],
            "reason": "" if found.reason == REVIEW else found.reason,
            "clip_class": found.clip_class,
            "clip_scores": found.clip_scores,
            "brightness": found.brightness,
            "contrast": found.contrast,
            "people": found.people,
            "duplicate_of": found.duplicate_of,
        }


def load(source: str, classes: Sequence[str]) -> dict[str, Picture]:
    """{id: picture} of all images that were made of a source, by class in the order of `classes`, then by id.

    Raises MissingError where a table or a file is absent or damaged, where a file name leads out of its folder, and
    where an image has no decision yet.
    """
    make, decide = f"dvc repro images@{source}", f"dvc repro filter@{source}"
    folder = Path("data/images") / source
    samples = read_rows(folder / "metadata.jsonl", Sample, make)
    decisions = {row.id: row for row in read_rows(Path("data/filter") / source / "decisions.jsonl", Decision, decide)}
    without = [sample.id for sample in samples if sample.id not in decisions]
    if without:
        raise MissingError(f"the filter has not decided of {len(without)} images yet, such as {without[0]}", decide)
    place = {name: number for number, name in enumerate(classes)}
    ordered = sorted(samples, key=lambda sample: (place.get(sample.class_name, len(place)), sample.id))
    root = folder.resolve()
    pictures = {}
    for sample in ordered:
        path = _inside(root, folder, sample.file_name, make)
        pictures[sample.id] = Picture(sample, decisions[sample.id], path, _size(path, make))
    return pictures


def _inside(root: Path, folder: Path, name: str, command: str) -> Path:
    """The picture of that name, links followed; it has to lie in the source's folder."""
    relative = PurePosixPath(name)
    path = (folder / relative).resolve()
    if relative.is_absolute() or ".." in relative.parts or not path.is_relative_to(root):
        raise MissingError(f"{folder / 'metadata.jsonl'}: {name} leads out of its folder", command)
    return path


def _size(path: Path, command: str) -> tuple[int, int]:
    """Width and height in pixels, from the file's head alone."""
    try:
        with open_picture(path) as file, Image.open(file) as image:
            return image.size
    except FileNotFoundError:
        raise MissingError(f"{path} is missing", command) from None
    except OSError as error:
        raise MissingError(f"{path} is damaged ({error})", command) from None
