"""A whole workspace as the stages leave it: prompts, drawn scenes, decisions, predictions, masks, results, and the
params that name its cells. Every step of the filter rejects something, and the judge errs."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from fake_results import filter_results, summarise, write_compare
from PIL import Image

from t2ibench.harness.completeness import completeness
from t2ibench.pictures import encode_png
from t2ibench.records import (
    CLASSES,
    NONE,
    Decision,
    Failure,
    Prediction,
    Prompt,
    Sample,
    Segmentation,
    digest,
    image_id,
    image_seed,
    write_bytes,
    write_json,
    write_rows,
)
from t2ibench.tiny.scenes import draw_scene

__all__ = ["NOTE", "SOURCES", "make_params", "make_workspace", "summarise", "write_compare"]

SOURCES = {
    "sd-llm": {"prompts": "llm", "images": "sd"},
    "dalle3-llm": {"prompts": "llm", "images": "openai"},
    "sd-caption": {"prompts": "coco", "images": "sd"},
}
NOTE = "the bundled models are trained on drawn scenes; they prove the harness, not a paper"
PLACES = ("on a beach at sunset", "in a kitchen, cooking soup", "riding a bicycle down a street", "reading a newspaper")
REASONS = ("black", "flat", "duplicate", "people", "review")
"""What rejects one image of the class at the same place (modulo the number of classes); CLIP rejects one of each."""
REVIEWERS = ("ada", "ben")


class Drawn(NamedTuple):
    """An image of a source as it was generated: its row, its pixels, the mask of its animal, the filter's decision."""

    sample: Sample
    pixels: np.ndarray
    mask: np.ndarray
    decision: Decision


def make_params(classes: tuple[str, ...] = CLASSES, sources: tuple[str, ...] = tuple(SOURCES)) -> dict[str, Any]:
    """params.yaml of the fake study, as the loader resolves it."""
    return {
        "study": {"name": "repro", "seed": 0, "classes": list(classes), "images_per_prompt": 2,
                  "published": "ieie2026"},
        "models": {"name": "tiny", "sd": "tiny://sd", "standin": "tiny://standin", "clip": "tiny://clip",
                   "detector": "tiny://yolo", "segmenter": "tiny://yolo-seg", "restormer": "tiny://restormer",
                   "captions": "t2ibench/prompts/captions/hard-cases.json", "size": 64, "detector_size": 64,
                   "comparable": False, "note": NOTE},
        "hardware": {"name": "cpu", "device": "cpu", "dtype": "float32", "threads": 0, "batch_size": {}},
        "sources": {name: SOURCES[name] for name in sources},
        "variants": {"base": {"deblur": "none"}, "deblur": {"deblur": "restormer"}},
        "prompts": {"llm": {"_target_": "t2ibench.prompts.llm.LLMPrompts", "count": 10}, "coco": {"captions": 10}},
        "images": {"sd": {"_target_": "t2ibench.images.sd.StableDiffusion", "steps": 20, "guidance": 4.0},
                   "openai": {"size": "1024x1024"}},
        "filter": {"clip": {"batch": 8}, "quality": {"darkest": 0.05}, "people": {"threshold": 0.5},
                   "review": {"rule": "any"}},
        "deblur": {"none": {}, "restormer": {"tile": 512}},
        "evaluate": {"yolov8": {"confidence": 0.25}},
        "compare": {"tables": "ieie2026", "margin_average": 0.02, "margin_class": 0.05, "confidence": 0.95},
        "report": {"grid_columns": 6, "failures": 24},
    }


def make_workspace(root: Path, params: dict[str, Any], per_class: int = 3, size: int = 64) -> None:
    """Writes data/ and results/ of the study: `per_class` kept images a class, some misclassified, and rejected ones.

    A class loses one image to CLIP; the first class loses one to each of REASONS, or, with more classes, each of the
    first five loses one to one of them; the first class has a failure.
    """
    for kind in sorted({source["prompts"] for source in params["sources"].values()}):
        prompts = [_prompt(kind, name, i) for name in params["study"]["classes"] for i in range((per_class + 8) // 2)]
        write_rows(root / "data/prompts" / kind / "prompts.jsonl", prompts)
        write_json(root / "data/prompts" / kind / "rejected.json", {"read": len(prompts) + 3, "rejected": {"empty": 3}})
    for source in params["sources"]:
        _write_source(root, params, source, per_class, size)
    write_compare(root, params)


def _write_source(root: Path, params: dict[str, Any], source: str, per_class: int, size: int) -> None:
    classes = params["study"]["classes"]
    drawn = [one for name in classes for one in _draw_class(params, source, name, per_class, size)]
    failed = [Failure(id=image_id(_prompt("llm", classes[0], 999).id, 0), class_name=classes[0],
                      reason="the API refused the prompt (content_policy_violation)", attempts=1)]
    for one in drawn:
        write_bytes(root / "data/images" / source / one.sample.file_name, encode_png(one.pixels))
    write_rows(root / "data/images" / source / "metadata.jsonl", [one.sample for one in drawn])
    write_rows(root / "data/images" / source / "failures.jsonl", failed)
    decisions, folder = [one.decision for one in drawn], root / "data/filter" / source
    kept = [one for one in drawn if one.decision.keep]
    for one in kept:
        write_bytes(folder / one.sample.file_name, encode_png(one.pixels))
    write_rows(folder / "metadata.jsonl", [one.sample for one in kept])
    write_rows(folder / "decisions.jsonl", decisions)
    write_json(root / f"results/filter/{source}.json", filter_results(decisions, failed, classes, REVIEWERS))
    write_json(root / f"results/images/{source}.json", completeness(len(drawn) + len(failed), len(drawn), failed))
    _write_reviews(root, source, decisions)
    for variant, settings in params["variants"].items():
        _write_cell(root, f"{source}/{variant}", settings["deblur"], drawn, classes)


def _prompt(kind: str, class_name: str, number: int) -> Prompt:
    text = f"a {class_name} {PLACES[number % len(PLACES)]}, {kind} {number}"
    origin = {"caption_id": 1000 + number, "image_id": 500 + number} if kind == "coco" else {
        "model": "gpt-4.1-2025-04-14", "reply_id": f"reply-{class_name}", "position": number, "authored": True}
    return Prompt.make(class_name, text, kind, origin)


def _draw_class(params: dict[str, Any], source: str, name: str, per_class: int, size: int) -> list[Drawn]:
    classes = params["study"]["classes"]
    place = classes.index(name)
    reasons = ["clip", *(reason for i, reason in enumerate(REASONS) if i % len(classes) == place)]
    drawn: list[Drawn] = []
    for number, reason in enumerate([""] * per_class + reasons):
        prompt = _prompt(params["sources"][source]["prompts"], name, number // 2)
        seed = image_seed(params["study"]["seed"], prompt.id, number % 2)
        scene = draw_scene(seed, name, style="surreal" if source.startswith("dalle3") else "plain", size=size)
        pixels = _spoil(scene.image, reason, drawn)
        mask = np.any([thing.mask for thing in scene.things if thing.name == name] or [np.zeros((size, size))], axis=0)
        sample = _sample(params, source, prompt, number % 2, seed, pixels)
        twin = drawn[0].sample.id if reason == "duplicate" and drawn else ""
        drawn.append(Drawn(sample, pixels, mask, _decide(sample, reason, twin, classes, pixels)))
    return drawn


def _spoil(pixels: np.ndarray, reason: str, earlier: list[Drawn]) -> np.ndarray:
    if reason == "black":
        return np.zeros_like(pixels)
    if reason == "flat":
        return np.full_like(pixels, 120)
    return earlier[0].pixels if reason == "duplicate" and earlier else pixels


def _sample(params: dict[str, Any], source: str, prompt: Prompt, index: int, seed: int, pixels: np.ndarray) -> Sample:
    engine = params["sources"][source]["images"]
    key = image_id(prompt.id, index)
    return Sample(
        file_name=f"{prompt.class_name}/{key}.png",
        id=key,
        class_name=prompt.class_name,
        prompt=prompt.text,
        prompt_id=prompt.id,
        index=index,
        seed=seed,
        engine=engine,
        fingerprint=digest([source, prompt.text, index]),
        sha256=digest(pixels.tobytes().hex()),
        extra={"model": "t2ibench-standin", "stand_in_for": "DALL-E 3",
               "revised_prompt": f"{prompt.text}, seen from far"}
        if engine == "openai" else {},
    )


def _decide(sample: Sample, reason: str, twin: str, classes: list[str], pixels: np.ndarray) -> Decision:
    neighbour = classes[(classes.index(sample.class_name) + 1) % len(classes)]
    best = neighbour if reason == "clip" else sample.class_name
    scores = {name: round(0.1 + (sample.seed >> place) % 90 / 1000, 6) for place, name in enumerate(classes)}
    looked = "reject" if reason == "review" else "keep" if not reason and sample.seed % 3 == 0 else ""
    return Decision(
        id=sample.id,
        class_name=sample.class_name,
        keep=not reason,
        reason=reason,
        clip_class=best,
        clip_scores=scores | {best: 0.31},
        brightness=round(float(pixels.mean() / 255), 6),
        contrast=round(float(pixels.std() / 255), 6),
        people=0.83 if reason == "people" else 0.0,
        duplicate_of=twin,
        review=looked,
    )


def _write_reviews(root: Path, source: str, decisions: list[Decision]) -> None:
    looked = [one for one in sorted(decisions, key=lambda one: one.id) if one.review]
    lines = [f"{one.id},{one.review},{reviewer}," for reviewer in REVIEWERS for one in looked]
    write_bytes(root / f"reviews/{source}.csv", ("\n".join(["id,decision,reviewer,note", *lines]) + "\n").encode())


def _write_cell(root: Path, cell: str, deblur: str, drawn: list[Drawn], classes: list[str]) -> None:
    folder, told = root / "data/deblur" / cell, root / "data/evaluate" / cell
    kept = [one for one in drawn if one.decision.keep]
    samples, segmentations = [], []
    for one in kept:
        shown, sample = one.pixels, one.sample
        if deblur != "none":
            shown = np.clip(one.pixels.astype(int) * 1.12 - 14, 0, 255).astype(np.uint8)
            sample = replace(sample, sha256=digest(shown.tobytes().hex()),
                             extra=sample.extra | {"deblur": deblur, "restored_from": sample.sha256})
        write_bytes(folder / sample.file_name, encode_png(shown))
        samples.append(sample)
        segmentations.append(_segment(told, one, shown, classes))
    predictions = [_predict(one.sample, deblur, classes) for one in kept]
    rejected = [_predict(one.sample, deblur, classes) for one in drawn if not one.decision.keep]
    write_rows(folder / "metadata.jsonl", samples)
    write_rows(told / "predictions.jsonl", predictions)
    write_rows(told / "segmentations.jsonl", segmentations)
    if deblur == "none":
        write_rows(told / "rejected.jsonl", rejected)
    write_json(root / f"results/deblur/{cell}.json", completeness(len(kept), len(kept)))
    funnel = [(one.decision, seen) for one, seen in zip(
        [*kept, *(one for one in drawn if not one.decision.keep)], [*predictions, *rejected], strict=True)]
    write_json(root / f"results/evaluate/{cell}.json",
               summarise(predictions, classes, segmentations, funnel if deblur == "none" else None))


def _predict(sample: Sample, deblur: str, classes: list[str]) -> Prediction:
    draw = (sample.seed + (7 if deblur != "none" and sample.seed % 5 == 0 else 0)) % 21
    neighbour = classes[(classes.index(sample.class_name) + 1) % len(classes)]
    predicted = NONE if draw == 0 else neighbour if draw < 3 else sample.class_name
    confidence = 0.0 if predicted == NONE else 0.4 + (sample.seed % 50) / 100
    box = None if predicted == NONE else (4.0, 4.0, 60.0, 60.0)
    other = sample.class_name if predicted == neighbour else NONE if predicted == NONE or draw > 9 else neighbour
    return Prediction(id=sample.id, class_name=sample.class_name, predicted=predicted, confidence=confidence, box=box,
                      runner_up=other, runner_up_confidence=0.0 if other == NONE else round(confidence / 3, 6))


def _segment(folder: Path, one: Drawn, shown: np.ndarray, classes: list[str]) -> Segmentation:
    name, draw = one.sample.class_name, one.sample.seed % 17
    neighbour = classes[(classes.index(name) + 1) % len(classes)]
    predicted = NONE if draw == 0 or not one.mask.any() else neighbour if draw == 1 else name
    mask = one.mask if predicted != NONE else np.zeros_like(one.mask)
    bits, overlay = Image.fromarray(mask.astype(np.uint8) * 255).convert("1"), shown.copy()
    overlay[mask] = (0.5 * overlay[mask] + np.array([20, 90, 127])).astype(np.uint8)
    path = folder / "masks" / one.sample.file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    bits.save(path)
    write_bytes(folder / "overlays" / one.sample.file_name, encode_png(overlay))
    spans = [(y, np.flatnonzero(row)) for y, row in enumerate(mask) if row.any()]  # down the left side, up the right
    corners = [(xs[0], y) for y, xs in spans] + [(xs[-1] + 1, y) for y, xs in reversed(spans)]
    return Segmentation(id=one.sample.id, class_name=name, predicted=predicted,
                        confidence=0.0 if predicted == NONE else 0.5 + (one.sample.seed % 40) / 100,
                        area=round(float(mask.mean()), 6), outline=[[float(x), float(y)] for x, y in corners])

