"""What a folder holds, and the digest that pins it: prints one JSON object; decodes and writes nothing.

    python -m t2ibench.images.folder FOLDER --table prompts.csv --name n02121808=cat --classes cat dog

takes what images.folder and study.classes of params.yaml hold, and prints {"digest", "found", "left_out", "planned":
{class: files}, "refused": {rule: files}}.
"""

import argparse
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

from t2ibench.errors import one_sentence
from t2ibench.images.folder import digest_of, hashed
from t2ibench.images.folder.listing import list_folder
from t2ibench.records import CLASSES


def main() -> None:
    """Prints the listing; ends with exit code 2 for a user's mistake."""
    parser = argparse.ArgumentParser(prog="python -m t2ibench.images.folder", description="Lists a folder of images.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--table", type=Path, help="a CSV file with path, class and prompt, relative to the folder")
    parser.add_argument("--name", action="append", default=[], metavar="THEIRS=OURS", help="a class's name there")
    parser.add_argument("--classes", nargs="+", default=CLASSES, metavar="CLASS", help="default: the ten")
    options = parser.parse_args()
    names = dict(name.split("=", 1) if "=" in name else (name, "") for name in options.name)
    with one_sentence():
        listing = list_folder(options.folder, options.table, options.classes, names)
        listing = replace(listing, entries=list(hashed(listing)))
    print(json.dumps({
        "digest": digest_of(listing),
        "found": listing.found,
        "left_out": listing.left_out,
        "planned": Counter(entry.class_name for entry in listing.entries),
        "refused": Counter(entry.rule for entry in listing.entries if entry.rule),
    }, sort_keys=True, indent=2))


if __name__ == "__main__":
    main()
