"""What is there already: items of the cache by name, and the models that the study names."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from t2ibench.harness import config, paths

SAMPLE = 200
"""Pictures whose size is measured, per cell."""


class Store:
    """The item cache, asked by name only."""

    def __init__(self) -> None:
        self.folder = paths.cache() / "items"

    def stem(self, key: str) -> Path:
        """The path of an item, without its suffix."""
        return self.folder / key[:2] / key

    def has(self, key: str, suffix: str) -> bool:
        """Whether payload and note are there."""
        stem = self.stem(key)
        return stem.with_suffix(".json").exists() and stem.with_suffix(suffix).exists()

    def sha256(self, key: str) -> str | None:
        """What an item's note says of its picture; None where the item is not there."""
        try:
            found = json.loads(self.stem(key).with_suffix(".json").read_bytes())["sha256"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return str(found) if self.stem(key).with_suffix(".png").exists() else None

    def sizes(self, keys: Sequence[str]) -> list[int]:
        """Bytes of the first SAMPLE of these pictures."""
        return [self.stem(key).with_suffix(".png").stat().st_size for key in list(keys)[:SAMPLE]]


def named(params: config.Params) -> list[str]:
    """The models that the study's own stages name (`tiny://…`, `hub://…`), each once, sorted."""
    sections: list[Any] = [params.filter, params.evaluate]
    sections += [params.images[source.images] for source in params.sources.values()]
    sections += [params.prompts[source.prompts] for source in params.sources.values()]
    sections += [params.deblur[variant.deblur] for variant in params.variants.values()]
    return sorted(set(_uris(sections)))


def _uris(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node] if node.startswith(("tiny://", "hub://")) else []
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [uri for child in children for uri in _uris(child)]
