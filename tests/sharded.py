"""A study of imported pictures, whose source lies in shards above a threshold, and its stages in turn."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from experiments import compare, deblur, evaluate, filter, images, prompts, report
from t2ibench.harness import config
from t2ibench.harness.stage import Stage
from t2ibench.images.folder import ImportedImages, digest_of
from t2ibench.pictures import encode_png
from t2ibench.records import file_digest
from t2ibench.tiny.scenes import draw_scene

ROOT = Path(__file__).parents[1]
SOURCE = "sd-llm"
CLASSES = ("cat", "zebra", "elephant")
TABLE = "table.csv"


def write_corpus(folder: Path, pictures: Sequence[np.ndarray], texts: Sequence[str]) -> None:
    """A folder to import: pictures, and a table that gives each its class, in turn, and a text of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, pixels in enumerate(pictures):
        (folder / f"{number:05}.png").write_bytes(encode_png(pixels))
    write_table(folder, texts)


def write_table(folder: Path, texts: Sequence[str]) -> None:
    with (folder / TABLE).open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "class", "prompt"))
        rows.writerows((f"{number:05}.png", CLASSES[number % 3], text) for number, text in enumerate(texts))


def scenes(count: int) -> list[np.ndarray]:
    return [draw_scene(91_000_000 + number, CLASSES[number % 3]).image for number in range(count)]


def squares(count: int) -> list[np.ndarray]:
    """Pictures of 8 x 8 px, no two alike."""
    noise = np.random.default_rng(7).integers(0, 256, (count, 8, 8, 3), np.uint8)
    noise[:, 0, 0, 0], noise[:, 0, 0, 1] = np.arange(count) % 256, np.arange(count) // 256
    return list(noise)


def settings(corpus: Path, above: int, per_shard: int, size: int | None = None) -> dict[str, Any]:
    """params.yaml of a study that imports `corpus`."""
    tree: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    tree["study"] |= {"classes": list(CLASSES), "shard_above": above, "images_per_shard": per_shard}
    tree["sources"] = {SOURCE: {"prompts": "coco", "images": "folder"}}
    tree["prompts"]["coco"]["captions"] = str(ROOT / tree["prompts"]["coco"]["captions"])
    node = {"path": str(corpus), "table": TABLE, "names": {}, "size": size, "max_pixels": 10_000}
    engine = ImportedImages(**node, digest=None, hardware=config.Hardware(**tree["hardware"]), classes=CLASSES)
    tree["images"]["folder"] |= node | {"digest": digest_of(engine.listing())}
    return tree


class Study:
    """A workspace in which stages run in this process; root: the folder of the item cache."""

    def __init__(self, folder: Path, root: Path, tree: dict[str, Any]) -> None:
        self.folder, self.root, self.params = folder, root, config.check(tree)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))

    def run(self, *stages: str) -> dict[str, int]:
        """Runs stages, each in all of its cells; {stage: images that were made and not reused}."""
        runners = {"prompts": (prompts, ["coco"]), "images": (images, [SOURCE]), "filter": (filter, [SOURCE]),
                   "deblur": (deblur, self.cells), "evaluate": (evaluate, self.cells),
                   "compare": (compare, [""]), "report": (report, [""])}
        made = dict.fromkeys(stages, 0)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setenv("DVC_ROOT", str(self.root))
            for name in stages:
                runner, cells = runners[name]
                for cell in cells:
                    stage = Stage(name, cell, self.params)
                    runner.run(stage)
                    made[name] += int(stage.clock.reading()["images"])
        return made

    @property
    def cells(self) -> list[str]:
        return [f"{SOURCE}/{variant}" for variant in self.params.variants]

    def shards(self, out: str) -> dict[str, str]:
        """{name: sha256} of the shards in an out."""
        return {path.name: file_digest(path) for path in sorted((self.folder / out).glob("*.tar"))}


ALL = ("prompts", "images", "filter", "deblur", "evaluate", "compare", "report")
