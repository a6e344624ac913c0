"""A small workspace as the stages leave it: drawn scenes, records and results, and the params that name its cells."""

from pathlib import Path
from typing import Any

import numpy as np

from t2ibench.compare import Settings, compare, load, load_published
from t2ibench.pictures import encode_png
from t2ibench.records import (
    CLASSES,
    NONE,
    Prediction,
    Prompt,
    Sample,
    digest,
    image_id,
    image_seed,
    write_bytes,
    write_json,
    write_rows,
)
from t2ibench.tiny.scenes import draw_scene

SOURCES = {
    "sd-llm": {"prompts": "llm", "images": "sd"},
    "dalle3-llm": {"prompts": "llm", "images": "openai"},
    "sd-caption": {"prompts": "coco", "images": "sd"},
}
NOTE = "the bundled models are trained on drawn scenes; they prove the harness, not a paper"
PLACES = ("on a beach at sunset", "in a kitchen, cooking soup", "riding a bicycle down a street", "reading a newspaper")


def make_params(classes: tuple[str, ...] = CLASSES, sources: tuple[str, ...] = tuple(SOURCES)) -> dict[str, Any]:
    """params.yaml of the fake study, as the loader resolves it."""
    return {
        "study": {"name": "repro", "seed": 0, "classes": list(classes), "images_per_prompt": 2,
                  "published": "ieie2026"},
        "models": {"name": "tiny", "sd": "tiny://sd", "standin": "tiny://standin", "clip": "tiny://clip",
                   "detector": "tiny://yolo", "restormer": "tiny://restormer", "comparable": False, "note": NOTE},
        "hardware": {"name": "cpu", "device": "cpu", "dtype": "float32", "threads": 0, "batch_size": {}},
        "sources": {name: SOURCES[name] for name in sources},
        "variants": {"base": {"deblur": "none"}, "deblur": {"deblur": "restormer"}},
        "prompts": {"llm": {"_target_": "t2ibench.prompts.llm.LLMPrompts", "count": 10}, "coco": {"captions": 10}},
        "images": {"sd": {"_target_": "t2ibench.images.sd.StableDiffusion", "steps": 20, "guidance": 4.0},
                   "openai": {"size": "1024x1024"}},
        "filter": {"clip": {"batch": 8}, "quality": {"darkest": 0.05}, "people": {"threshold": 0.5}},
        "deblur": {"none": {}, "restormer": {"tile": 512}},
        "evaluate": {"yolov8": {"confidence": 0.25}},
        "compare": {"tables": "ieie2026", "margin_average": 0.02, "margin_class": 0.05, "confidence": 0.95},
        "report": {"grid_columns": 6, "failures": 24},
    }  # fmt: skip


def make_workspace(root: Path, params: dict[str, Any], per_class: int = 3, size: int = 64) -> None:
    """Writes data/ and results/ of the study: `per_class` kept images a class, some of them misclassified."""
    for source in params["sources"]:
        drawn = {
            name: [_draw(params["study"]["seed"], source, name, i, size) for i in range(per_class)]
            for name in params["study"]["classes"]
        }
        write_json(root / f"results/filter/{source}.json", _funnel(drawn))
        for variant in params["variants"]:
            _write_cell(root, source, variant, drawn, params["study"]["classes"])
    write_compare(root, params)


def write_compare(root: Path, params: dict[str, Any]) -> None:
    """Writes results/compare.json with the stage's own function."""
    settings = Settings(**params["compare"])
    published = load_published(settings.tables)
    comparison = compare(params["study"], params["models"], load(root, params), published, settings)
    write_json(root / "results/compare.json", comparison)


def _draw(seed: int, source: str, class_name: str, number: int, size: int) -> tuple[Sample, np.ndarray]:
    style = "surreal" if source.startswith("dalle3") else "plain"
    text = f"a {class_name} {PLACES[number % len(PLACES)]}, {source} {number // 2}"
    prompt = Prompt.make(class_name, text, "llm", {})
    key = image_id(prompt.id, number % 2)
    image_number = image_seed(seed, prompt.id, number % 2)
    pixels = draw_scene(image_number, class_name, style=style, size=size).image
    sample = Sample(
        file_name=f"{class_name}/{key}.png",
        id=key,
        class_name=class_name,
        prompt=text,
        prompt_id=prompt.id,
        index=number % 2,
        seed=image_number,
        engine="sd",
        fingerprint=digest([source, text, number]),
        sha256=digest(pixels.tobytes().hex()),
    )
    return sample, pixels


def _write_cell(root: Path, source: str, variant: str, drawn: dict[str, Any], classes: list[str]) -> None:
    folder = root / "data/deblur" / source / variant
    samples, predictions = [], []
    for class_name, pairs in drawn.items():
        for sample, pixels in pairs:
            shown = pixels if variant == "base" else np.clip(pixels.astype(int) * 1.12 - 14, 0, 255).astype(np.uint8)
            write_bytes(folder / sample.file_name, encode_png(shown))
            samples.append(sample)
            predictions.append(_predict(sample, class_name, classes))
    write_rows(folder / "metadata.jsonl", samples)
    write_rows(root / "data/evaluate" / source / variant / "predictions.jsonl", predictions)
    write_json(root / "results/evaluate" / source / f"{variant}.json", summarise(predictions, classes))


def _predict(sample: Sample, class_name: str, classes: list[str]) -> Prediction:
    draw = sample.seed % 21
    neighbour = classes[(classes.index(class_name) + 1) % len(classes)]
    predicted = NONE if draw == 0 else neighbour if draw < 3 else class_name
    confidence = 0.0 if predicted == NONE else 0.4 + (sample.seed % 50) / 100
    box = None if predicted == NONE else (4.0, 4.0, 60.0, 60.0)
    return Prediction(id=sample.id, class_name=class_name, predicted=predicted, confidence=confidence, box=box)


def summarise(predictions: list[Prediction], classes: list[str]) -> dict[str, Any]:
    """The content of results/evaluate/<source>/<variant>.json for these predictions."""
    per_class, confusion = {}, {}
    for name in classes:
        seen = [row.predicted for row in predictions if row.class_name == name]
        hits = seen.count(name)
        per_class[name] = {"n": len(seen), "correct": hits, "accuracy": hits / len(seen) if seen else None}
        confusion[name] = {other: seen.count(other) for other in (*classes, NONE)}
    present = [row["accuracy"] for row in per_class.values() if row["accuracy"] is not None]
    correct = sum(row["correct"] for row in per_class.values())
    return {
        "n": len(predictions),
        "correct": correct,
        "accuracy": sum(present) / len(present) if present else None,
        "accuracy_pooled": correct / len(predictions) if predictions else None,
        "per_class": per_class,
        "confusion": confusion,
    }


def _funnel(drawn: dict[str, Any]) -> dict[str, Any]:
    kept = {name: len(pairs) for name, pairs in drawn.items()}
    lost = {"generated": 7, "made": 6, "clip": 2, "quality": 1, "people": 0, "kept": 0}
    steps = []
    for step, more in lost.items():
        counts = {name: count + (more + len(name) % 2 if more else 0) for name, count in kept.items()}
        steps.append({"step": step, "count": sum(counts.values()), "per_class": counts})
    return {
        "planned": steps[0]["count"],
        "made": steps[1]["count"],
        "funnel": steps,
        "clip_pass_rate": steps[2]["count"] / steps[1]["count"],
        "clip_pass_rate_per_class": {name: steps[2]["per_class"][name] / steps[1]["per_class"][name] for name in kept},
        "rejected": {"clip": steps[1]["count"] - steps[2]["count"]},
    }
