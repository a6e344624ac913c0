"""Images per stage and cell: planned, stored, still to make; and requests that are still to be sent to paid APIs.

Fingerprints are computed as the runners compute them. What is stored is asked of the item cache by name: a payload is
not hashed again here, as a stage does when it reads it. A count is exact where everything before it is there. It is an
upper estimate where prompts are not written yet, or where images are not made yet, so that nobody knows what the filter
will reject.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2ibench import deblur
from t2ibench.dvc_lock import read_lock
from t2ibench.errors import UserError
from t2ibench.evaluate.look import Look
from t2ibench.filter.measure import PARTS, Measure
from t2ibench.harness import config
from t2ibench.harness.outs import shard_count
from t2ibench.images import Planned, Request, fingerprint, plan
from t2ibench.images.asking import settled
from t2ibench.images.folder import ImportedImages
from t2ibench.images.openai import OpenAIImages
from t2ibench.images.shelf import Shelf
from t2ibench.plan import texts
from t2ibench.plan.stored import Store
from t2ibench.prompts.llm import LLMPrompts
from t2ibench.records import Sample, read_rows

LOOKS = ("yolov8", "segment")
"""The engines of experiments/evaluate.py, as it asks for them."""

UNWRITTEN = 1_000
"""Bytes that a prompt is taken to have before it is written; those of both engines have a fifth of it."""


@dataclass(frozen=True)
class Cell:
    """A stage's work on one source, or source and variant; of `prompts`: the questions of one kind.

    images: planned; stored: of them; requests: HTTP requests to a live API that are still to be sent; usd: what they
    cost at most, None where their price is unknown; exact: False where `images` is an upper estimate; sizes: bytes of
    stored pictures, a sample; copied: pictures that tar shards hold a copy of, 0 where outs are links; why: what stands
    in the way.
    """

    stage: str
    name: str
    images: int
    stored: int
    exact: bool = True
    requests: int = 0
    usd: float | None = 0.0
    sizes: tuple[int, ...] = ()
    copied: int = 0
    why: str = ""

    @property
    def to_make(self) -> int:
        """Images that the stage has to make."""
        return self.images - self.stored


@dataclass
class _Source:
    """What is known of a source's images. prints: fingerprints, None where they cannot be known yet; known: sha256
    of the stored pictures by fingerprint; api: the engine, where it asks a live API; most: US dollars that it asks for
    an image at most, by fingerprint."""

    images: int
    exact: bool
    prints: list[str] | None = None
    known: dict[str, str] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    api: OpenAIImages | None = None
    most: dict[str, float] = field(default_factory=dict)
    why: str = ""

    @property
    def made(self) -> bool:
        """Whether every image is stored."""
        return self.prints is not None and len(self.known) == len(set(self.prints))


def count(params: config.Params) -> list[Cell]:
    """Every cell whose work is per image, in flow order: images, filter, deblur, evaluate; before them the kinds of
    prompts that still ask a chat model."""
    store, locked = Store(), read_lock(Path("dvc.lock"))
    known = {name: _source(params, name, store, locked) for name in params.sources}
    kinds = dict.fromkeys(source.prompts for source in params.sources.values())
    cells = [cell for kind in kinds if (cell := _questions(params, kind, locked))]
    kept = {name: _kept(name, source) for name, source in known.items()}
    cells += [_images(params, name, source) for name, source in known.items()]
    cells += [_filter(params, name, source, kept[name], store) for name, source in known.items()]
    shown = [_deblur(params, name, source, variant, kept[name], store)
             for name, source in known.items() for variant in params.variants]
    cells += [cell for cell, _ in shown]
    return cells + [_evaluate(params, cell, known[cell.name.split("/")[0]], made, store) for cell, made in shown]


def _questions(params: config.Params, kind: str, locked: Mapping[str, Any]) -> Cell | None:
    """What is still asked of a chat model: the first request for each class whose reply is not saved."""
    if not texts.asks(params.prompts[kind]):
        return None
    try:
        if texts.written(params, kind, locked) is not None:
            return None
        engine: LLMPrompts = config.build(params.prompts[kind], f"prompts.{kind}", params)
        costs = [engine.terms.most(request) for request in engine.unanswered(params.study.classes)]
    except UserError as error:
        return Cell("prompts", kind, 0, 0, why=str(error))
    usd = None if None in costs else sum(cost or 0 for cost in costs)
    return Cell("prompts", kind, 0, 0, requests=len(costs), usd=usd) if costs else None


def _source(params: config.Params, name: str, store: Store, locked: Mapping[str, Any]) -> _Source:
    source = params.sources[name]
    found = _Source(texts.wanted(params, source.prompts) * params.study.images_per_prompt, exact=False)
    try:
        engine = config.build(params.images[source.images], f"images.{source.images}", params)
        found.api = engine if live(params.images[source.images]) else None
        if isinstance(engine, ImportedImages):
            found.images = 0  # prompts say nothing of a folder
            planned: list[Planned] | None = engine.plan()
        else:
            written = texts.written(params, source.prompts, locked)
            planned = None if written is None else plan(written, params.study.images_per_prompt, params.study.seed)
        if planned is not None:
            found.images, found.exact = len(planned), True
        identity = engine.identity
    except UserError as error:
        found.why = str(error)
        return found
    if planned is not None:
        found.prints = [fingerprint(identity, one.request) for one in planned]
        if found.api is not None:
            found.most = {key: found.api.most(one.request) for key, one in zip(found.prints, planned, strict=True)}
        found.known = {key: sha256 for key in found.prints if (sha256 := store.sha256(key))}
        found.sizes = store.sizes(list(found.known))
    return found


def _images(params: config.Params, name: str, source: _Source) -> Cell:
    made = sum(key in source.known for key in source.prints or ())
    node = params.images[params.sources[name].images]
    requests, usd, why = 0, 0.0, source.why
    if live(node) and (source.api is None or source.prints is None):
        requests = source.images
        each = source.api.most(Request("", "?" * UNWRITTEN, 0)) if source.api else float(node.get("price_usd") or 0)
        usd = requests * each
    elif source.api is not None:
        asked = [key for key in source.prints or () if key not in source.known]
        try:
            asked = [key for key in asked if not _answered(source.api, key)]
        except UserError as error:
            why = why or str(error)
        requests, usd = len(asked), sum(source.most[key] for key in asked)
    copied = _copied(params, source, source.images)
    return Cell("images", name, source.images, made, source.exact, requests, usd, tuple(source.sizes), copied, why)


def _copied(params: config.Params, source: _Source, pictures: int) -> int:
    """How many of a cell's pictures tar shards copy: all, in a source of more images than files are written for."""
    study = params.study
    return pictures if shard_count(source.images, study.shard_above, study.images_per_shard) else 0


def live(node: config.Node) -> bool:
    """Whether an images engine asks an API that may cost money."""
    return node.get("_target_") == f"{OpenAIImages.__module__}.{OpenAIImages.__name__}" and not (
        node.get("server") or node.get("recording"))


def _answered(engine: OpenAIImages, key: str) -> bool:
    """Whether the API's earlier answers settle an image that is not stored, so that it is not asked again."""
    past, rules = Shelf().history(key), engine.rules
    return bool(past) and settled(past, engine.size, rules.repeat_lost or rules.free) is not None


def _filter(params: config.Params, name: str, source: _Source, kept: Sequence[str] | None, store: Store) -> Cell:
    try:
        measure = Measure(*(config.build(params.filter[part], f"filter.{part}", params) for part in PARTS))
        measure.identity  # noqa: B018  raises where weights are missing, pictures or none
        measured = {key for key, sha256 in source.known.items() if store.has(measure.key(sha256), ".npy")}
    except UserError as error:
        return Cell("filter", name, source.images, 0, source.exact, why=str(error))
    done = sum(key in measured for key in source.prints or ())
    copied = _copied(params, source, source.images if kept is None else len(kept))
    return Cell("filter", name, source.images, done, source.exact, sizes=tuple(source.sizes), copied=copied)


def _deblur(params: config.Params, name: str, source: _Source, variant: str, kept: Sequence[str] | None,
            store: Store) -> tuple[Cell, list[str]]:
    """Counts kept images where the filter has decided on exactly the planned images, else all of them. Beside it the
    sha256 of the restored pictures that are stored."""
    cell, engine_name = f"{name}/{variant}", params.variants[variant].deblur
    images = source.images if kept is None else len(kept)
    try:
        engine = config.build(params.deblur[engine_name], f"deblur.{engine_name}", params)
        if not engine.changes_pixels:
            return Cell("deblur", cell, images, images, kept is not None), []  # links, which cost nothing
        identity = engine.identity
    except UserError as error:
        return Cell("deblur", cell, images, 0, kept is not None, why=str(error)), []
    keys = [deblur.fingerprint(identity, sha256) for sha256 in kept or ()]
    restored = {key: sha256 for key in keys if (sha256 := store.sha256(key))}
    stored = [restored[key] for key in keys if key in restored]
    sizes = tuple(store.sizes(list(restored)) or source.sizes)
    copied = _copied(params, source, images)
    return Cell("deblur", cell, images, len(stored), kept is not None, sizes=sizes, copied=copied), stored


def _kept(name: str, source: _Source) -> list[str] | None:
    """sha256 of the images that the filter kept; None where it has not decided on the planned images."""
    decided = Path("data/filter", name, "decisions.jsonl")
    path = Path("data/filter", name, "metadata.jsonl")
    if not (source.made and path.is_file() and decided.is_file()):
        return None
    samples = read_rows(path, Sample, f"dvc repro -f filter@{name}")
    if any(source.known.get(sample.fingerprint) != sample.sha256 for sample in samples):
        return None
    return [sample.sha256 for sample in samples]


def _evaluate(params: config.Params, before: Cell, source: _Source, restored: Sequence[str], store: Store) -> Cell:
    """Counts judgements: of restored images, or, where the variant leaves images as they are, of all generated ones,
    whatever the filter decides. restored: sha256 of those that are stored."""
    plain = params.variants[before.name.split("/")[1]].deblur == "none"
    images, exact = (source.images, source.exact) if plain else (before.images, before.exact and source.exact)
    pictures = [source.known[key] for key in source.prints or () if key in source.known] if plain else restored
    try:
        look = Look(*(config.build(params.evaluate[part], f"evaluate.{part}", params) for part in LOOKS))
        look.key("")  # raises where weights are missing, pictures or none
        judged = {sha256 for sha256 in pictures if store.has(look.key(sha256), ".judged")}
    except UserError as error:
        return Cell("evaluate", before.name, images, 0, exact, why=str(error))
    copied = _copied(params, source, before.images)
    return Cell("evaluate", before.name, images, sum(sha256 in judged for sha256 in pictures), exact,
                sizes=tuple(source.sizes), copied=copied)
