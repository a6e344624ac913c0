"""What ran: models with their digests and licences, data with its licences, engines with their settings."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

from t2ibench.report.inputs import ReportInputs

BUNDLED = "tiny"
ROLES = {
    "sd": "draws, in place of Stable Diffusion",
    "standin": "draws behind the images API, in place of DALL-E 3",
    "clip": "ranks the classes, in place of OpenAI's CLIP",
    "detector": "the judge of classes, and the finder of people",
    "segmenter": "the judge of masks",
    "restormer": "deblurs",
}
OURS = "Apache-2.0: trained by this project on scenes that it draws"
YOLO = f"{OURS}; the architecture is ultralytics' (AGPL-3.0)"
UNKNOWN = "see the model's own card"
NO_MODELS = {"note", "name", "comparable", "licences", "captions"}
"""Keys of the models axis that name no model; captions are `data`."""


def bundled(inputs: ReportInputs) -> bool:
    """Whether the models are the small ones that come with the repository."""
    return bool(inputs.models["name"] == BUNDLED)


def models(inputs: ReportInputs) -> list[dict[str, str]]:
    """The models of params.yaml: [{role, about, uri, digest, licence}]; digest: 12 hex digits, or empty."""
    given = inputs.models.get("licences") or {}
    rows = []
    for role, uri in inputs.models.items():
        if role in NO_MODELS or not isinstance(uri, str):
            continue
        known = inputs.digests.get(uri, "")
        ours = YOLO if role in ("detector", "segmenter") else OURS
        rows.append({
            "role": role,
            "about": ROLES.get(role, "") if known else "",
            "uri": uri,
            "digest": known[:12],
            "licence": str(given.get(role, ours if known else UNKNOWN)),
        })
    return rows


def data(inputs: ReportInputs) -> list[dict[str, str]]:
    """The data that went in, and came out: [{what, licence}]."""
    rows = []
    for kind, prompts in inputs.prompts.items():
        authored = any(prompt.origin.get("authored") for prompt in prompts.values())
        captions = str((inputs.engines["prompts"].get(kind) or {}).get("captions", ""))
        if authored or captions.startswith("t2ibench/"):
            licence = "Apache-2.0: authored for this project"
        elif kind == "coco":
            licence = "CC BY 4.0: COCO's captions"
        else:
            licence = "the terms of the model that wrote them"
        rows.append({"what": f"{len(prompts)} prompts, {kind}", "licence": licence})
    made = sum(len(source.made) for source in inputs.sources.values())
    licence = "Apache-2.0: drawn by the models above" if bundled(inputs) else "the terms of the models that drew them"
    rows.append({"what": f"{made} generated images", "licence": licence})
    title = inputs.comparison["published"]["title"]
    if title:
        rows.append({"what": "published numbers", "licence": f"facts, quoted from {title}"})
    return rows


def libraries(inputs: ReportInputs) -> list[dict[str, str]]:
    """The libraries that decide pixels and scores: [{name, version, licence}]."""
    return [{"name": name, "version": version, "licence": _licence(name)} for name, version in inputs.versions.items()]


def _licence(name: str) -> str:
    """The licence that a library's own metadata names in a few words, or nothing."""
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return "Apache-2.0" if name == "t2ibench" else ""
    for key in ("License-Expression", "License"):
        text = found[key].strip() if key in found else ""
        if text and len(text) <= 60 and "\n" not in text:
            return text
    listed = [line.rpartition(" :: ")[2] for line in found.get_all("Classifier") or () if line.startswith("License")]
    return ", ".join(listed)


def engines(inputs: ReportInputs) -> list[dict[str, Any]]:
    """The engines that this study runs, with their settings: [{stage, engine, target, settings}]."""
    used = {
        "prompts": {str(source["prompts"]) for source in inputs.choices.values()},
        "images": {str(source["images"]) for source in inputs.choices.values()},
        "deblur": {str(variant["deblur"]) for variant in inputs.variants.values()},
    }
    return [
        {
            "stage": stage,
            "engine": name,
            "target": settings.get("_target_", ""),
            "settings": {key: value for key, value in settings.items() if key != "_target_"},
        }
        for stage, found in inputs.engines.items()
        for name, settings in found.items()
        if isinstance(settings, Mapping) and name in used.get(stage, {name})
    ]
