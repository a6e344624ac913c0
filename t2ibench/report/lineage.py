"""The life of every image that the page shows: prompt and its origin, seed, decision, and what the judge saw in each
variant. The page's script shows it when an image is clicked."""

import json
from dataclasses import dataclass
from typing import Any

from t2ibench.records import NONE, Decision, Prediction, Sample, Segmentation
from t2ibench.report.embed import Album, Picture
from t2ibench.report.inputs import Cell, ReportInputs

GENERATED = "as generated"


@dataclass(frozen=True)
class Tile:
    """One image in a gallery. link: the id of its lineage, `<source>/<id>`; alt: for those who do not see it; points:
    of a polygon to draw over it, empty for none."""

    picture: Picture
    link: str
    alt: str
    sample: Sample
    points: str = ""


class Lineage:
    """Collects the images that are shown; `records` then tells what is known of each."""

    def __init__(self, inputs: ReportInputs, album: Album) -> None:
        self.inputs = inputs
        self.album = album
        self._shown: dict[tuple[str, str], None] = {}
        self._rows = {cell.name: {sample.id: sample for sample in cell.samples} for cell in inputs.cells.values()}

    def kept(self, cell: Cell, sample: Sample, alt: str, outlined: bool = False) -> Tile:
        """The tile of an image as a cell has it. Raises MissingError where the picture is absent or damaged."""
        self._shown[cell.source, sample.id] = None
        points = _points(cell.segmentations[sample.id]) if outlined else ""
        picture = self.album.add(cell.folder / sample.file_name)
        return Tile(picture, f"{cell.source}/{sample.id}", f"{alt} Prompt: {sample.prompt}", sample, points)

    def generated(self, source: str, sample: Sample, alt: str) -> Tile:
        """The tile of an image as it was generated. Raises MissingError where the picture is absent or damaged."""
        self._shown[source, sample.id] = None
        picture = self.album.add(self.inputs.sources[source].folder / sample.file_name)
        return Tile(picture, f"{source}/{sample.id}", f"{alt} Prompt: {sample.prompt}", sample)

    def records(self) -> str:
        """JSON {`<source>/<id>`: what is known}, without a character that could end a script element."""
        rows = {f"{source}/{key}": self._record(source, key) for source, key in self._shown}
        text = json.dumps(rows, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")

    def _record(self, source: str, key: str) -> dict[str, Any]:
        origin = self.inputs.sources[source]
        sample = origin.made[key]
        prompt = self.inputs.prompts[str(self.inputs.choices[source]["prompts"])].get(sample.prompt_id)
        rejected = {row.id: row for cell in self.inputs.of_source(source) for row in cell.rejected.values()}
        views = []
        for cell in self.inputs.of_source(source):
            if key in self._rows[cell.name]:
                picture = self.album.add(cell.folder / self._rows[cell.name][key].file_name)
                views.append(_view(cell.variant, picture, cell.predictions[key], cell.segmentations[key]))
        if not views:
            views.append(_view(GENERATED, self.album.add(origin.folder / sample.file_name), rejected.get(key), None))
        return {
            "class": sample.class_name,
            "source": origin.shown,
            "id": key,
            "prompt": sample.prompt,
            "prompt_id": sample.prompt_id,
            "kind": prompt.kind if prompt else "",
            "origin": prompt.origin if prompt else {},
            "index": sample.index,
            "seed": sample.seed,
            "engine": sample.engine,
            "made": {"fingerprint": sample.fingerprint[:16], **sample.extra},
            "decision": _decision(origin.decisions[key]),
            "views": views,
        }


def _decision(decision: Decision) -> dict[str, Any]:
    row = decision.to_row()
    row["clip_scores"] = sorted(([name, round(score, 3)] for name, score in decision.clip_scores.items()),
                                key=lambda pair: (-float(pair[1]), pair[0]))
    return {key: value for key, value in row.items() if key not in ("id", "class_name")}


def _view(name: str, picture: Picture, seen: Prediction | None, mask: Segmentation | None) -> dict[str, Any]:
    view: dict[str, Any] = {"name": name, "picture": picture.key, "width": picture.width, "height": picture.height,
                            "crisp": picture.crisp}
    if seen is not None:
        view["seen"] = {"predicted": seen.predicted, "confidence": round(seen.confidence, 3), "box": seen.box,
                        "runner_up": seen.runner_up, "runner_up_confidence": round(seen.runner_up_confidence, 3)}
    if mask is not None:
        view["mask"] = {"predicted": mask.predicted, "confidence": round(mask.confidence, 3),
                        "area": round(mask.area, 3), "points": _points(mask)}
    return view


def _points(mask: Segmentation) -> str:
    """The outline as an SVG polygon's points."""
    return " ".join(f"{x:.4g},{y:.4g}" for x, y in mask.outline) if mask.predicted != NONE else ""
