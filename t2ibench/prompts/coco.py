"""Prompts from captions that people wrote: files in COCO's caption format.

Source: IEIE 2026, section 3.1.2: of COCO 2017's captions, those that name one of the ten classes and no other. The
paper names no rules, no limit of length and no way of choosing; ours are in `naming` and below. The default file is
bundled and was written for this project; COCO's own, train and val together, are one parameter and `make fetch` away:
hub://coco-captions. Their caption ids and image ids are unique over both, so two files are sorted as one.

    python -m t2ibench.prompts.coco hub://coco-captions        or files: captions_val2017.json …

prints what the rules keep and reject: {"read", "kept": {class: captions}, "rejected": {rule: captions}, "files": {file:
{"read", "kept"}}, "steps": [{"rule", "before": {class: captions}, "after": {class: captions}}]}. A class starts with
the captions that hold its letters ("cow" in "coward"), and ends with those that are kept for it.
"""

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2ibench.errors import ConfigError, MissingError, one_sentence
from t2ibench.hub import SCHEME
from t2ibench.prompts import PromptSet, check_classes
from t2ibench.prompts.naming import RULES, judge, normal
from t2ibench.records import CLASSES, Prompt

BUNDLED = Path(__file__).parent / "captions" / "hard-cases.json"
COCO_RULES = RULES | {
    "too-long": "more words than the limit",
    "duplicate": "the words of a kept caption with a lower id, or its id",
}
"""The rules of a caption file. Their order of use: too-long, the naming rules, duplicate."""
ANOTHER = "kept-for-another-class"
"""The last step of a class: captions with its letters that name another class ("a cowboy on a horse")."""
HELP = "set prompts.coco.captions to a caption file of COCO, or git checkout -- t2ibench/prompts/captions"

Named = Path | str
"""A caption file, or the caption files of a `hub://` name."""


@dataclass(frozen=True)
class Caption:
    """One caption: COCO's ids, the text with single spaces, and the name of the file that holds it."""

    id: int
    image_id: int
    text: str
    file: str


@dataclass(frozen=True)
class Sorted:
    """Caption files, sorted. read = kept + rejected; every rejected caption falls under exactly one rule.
    letters: captions by class whose letters they hold, and by the rule that rejects them; files: captions {read, kept}
    by file name."""

    read: int
    kept: dict[str, list[Caption]]
    rejected: dict[str, int]
    letters: dict[str, Counter[str]]
    files: dict[str, dict[str, int]]

    def steps(self) -> list[dict[str, Any]]:
        """Captions per class before and after each rule, in the rules' order."""
        left = {name: counts.total() for name, counts in self.letters.items()}
        found = []
        for rule in ("too-long", *(rule for rule in COCO_RULES if rule != "too-long"), ANOTHER):
            after = {name: count - self.letters[name][rule] for name, count in left.items()}
            found.append({"rule": rule, "before": left, "after": after})
            left = after
        return found


class CocoPrompts:
    """Samples captions. captions: a COCO caption file, a list of them, or hub://coco-captions, which is COCO's train
    and val; per_class: prompts per class; max_words: words per caption."""

    def __init__(self, captions: Named | list[Named] = BUNDLED, per_class: int = 10, max_words: int = 20) -> None:
        for key, value in (("per_class", per_class), ("max_words", max_words)):
            if value < 1:
                raise ConfigError(f"prompts.coco.{key}", value, "a whole number from 1")
        self.captions: list[Named] = captions if isinstance(captions, list) else [captions]
        if not self.captions:
            raise ConfigError("prompts.coco.captions", captions, "a caption file, a list of them, or hub://coco-captions")
        self.per_class, self.max_words = per_class, max_words

    def __call__(self, classes: Sequence[str], seed: int) -> PromptSet:
        """`per_class` captions of each class, chosen by the seed and the captions' ids, not by the file's order.

        Raises ConfigError for an unknown class or one with too few captions, MissingError for a missing file.
        """
        check_classes(classes)
        pool = sort_captions(files(self.captions), self.max_words)
        prompts = []
        for name in classes:
            found = pool.kept[name]
            if len(found) < self.per_class:
                wanted = f"files with at least {self.per_class} usable captions of {name} (there are {len(found)})"
                raise ConfigError("prompts.coco.captions", ", ".join(map(str, self.captions)), wanted)
            chosen = sorted(found, key=lambda caption: _lot(seed, caption.id))[: self.per_class]
            prompts += [Prompt.make(name, c.text, "coco", {"caption_id": c.id, "image_id": c.image_id}) for c in chosen]
        asked = sum(len(pool.kept[name]) for name in classes)
        kept = sum(map(len, pool.kept.values()))
        left = {"class-not-asked": kept - asked, "not-sampled": asked - len(prompts)}
        return PromptSet(tuple(prompts), pool.read, pool.rejected | left, pool.files)


def _lot(seed: int, caption: int) -> bytes:
    return hashlib.sha256(f"{seed}/{caption}".encode()).digest()


def files(captions: Sequence[Named]) -> list[Path]:
    """The caption files of what was named. Raises MissingError where `make fetch` has not brought a `hub://` name."""
    found: list[Path] = []
    for one in captions:
        if str(one).startswith(SCHEME):
            from t2ibench.weights import locate  # reads the catalogue, which plain files do not need

            place = locate(str(one)).path
            found += sorted(place.rglob("*.json")) if place.is_dir() else [place]
        else:
            found.append(Path(one))
    return found


def sort_captions(paths: Sequence[Path], max_words: int = 20) -> Sorted:
    """Sorts every caption of COCO files under its class or under the rule that rejects it.

    Raises MissingError where a file is missing, ConfigError where it is not in COCO's caption format, or two of them
    have one name, for captions are counted by it.
    """
    names = Counter(path.name for path in paths)
    if twice := [name for name, count in names.items() if count > 1]:
        given = ", ".join(map(str, paths))
        raise ConfigError("prompts.coco.captions", given, f"files with names of their own, not {twice[0]} twice")
    rows = [row for path in paths for row in _annotations(path)]
    kept: dict[str, list[Caption]] = {name: [] for name in CLASSES}
    rejected: Counter[str] = Counter(dict.fromkeys(COCO_RULES, 0))
    letters: dict[str, Counter[str]] = {name: Counter() for name in CLASSES}
    seen: set[int | str] = set()
    for caption in sorted(rows, key=lambda row: (row.id, row.text)):
        words = normal(caption.text)
        name, rule = ("", "too-long") if len(caption.text.split()) > max_words else judge(caption.text)
        if not rule and (caption.id in seen or words in seen):
            rule = "duplicate"
        if rule:
            rejected[rule] += 1
        else:
            seen |= {caption.id, words}
            kept[name].append(caption)
        for held in CLASSES:
            if held in words:
                letters[held][rule or ("kept" if held == name else ANOTHER)] += 1
    read, used = Counter(row.file for row in rows), Counter(row.file for found in kept.values() for row in found)
    counts = {name: {"read": read[name], "kept": used[name]} for name in names}
    return Sorted(len(rows), kept, dict(rejected), letters, counts)


def _annotations(path: Path) -> list[Caption]:
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, IsADirectoryError):
        raise MissingError(f"there is no caption file at {path}", HELP) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError("prompts.coco.captions", str(path), f"a JSON file ({error})") from None
    for key in ("images", "annotations"):
        if not isinstance(document, dict) or not isinstance(document.get(key), list):
            raise ConfigError("prompts.coco.captions", str(path), f"COCO's format, with the list {key!r}")
    return [_caption(row, number, path) for number, row in enumerate(document["annotations"])]


def _caption(row: Any, number: int, path: Path) -> Caption:
    where = f"{path}, annotations[{number}]"
    for key in ("id", "image_id", "caption"):
        if not isinstance(row, dict) or key not in row:
            raise ConfigError("prompts.coco.captions", where, f"an object with the key {key!r}")
    for key in ("id", "image_id"):
        if type(row[key]) is not int:
            raise ConfigError("prompts.coco.captions", where, f"a whole number under {key!r}")
    text = row["caption"] if isinstance(row["caption"], str) else ""
    return Caption(row["id"], row["image_id"], " ".join(text.split()), path.name)


def main() -> None:
    """Prints how the rules sort caption files."""
    parser = argparse.ArgumentParser(prog="python -m t2ibench.prompts.coco", description="Sorts COCO caption files.")
    parser.add_argument("captions", nargs="+", help="a file in COCO's caption format, or hub://coco-captions")
    parser.add_argument("--max-words", type=int, default=20, help="longer captions are rejected (default: 20)")
    options = parser.parse_args()
    with one_sentence():
        found = sort_captions(files(options.captions), options.max_words)
    kept = {name: len(captions) for name, captions in found.kept.items()}
    told = {"read": found.read, "kept": kept, "rejected": found.rejected, "files": found.files, "steps": found.steps()}
    print(json.dumps(told, sort_keys=True, indent=2))


if __name__ == "__main__":
    main()
