"""Sheets of images as one picture each, for data/report/figures/ and MLflow; fixed choices, so that runs compare."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from t2ibench.pictures import read_picture
from t2ibench.records import NONE, Sample
from t2ibench.report.inputs import Cell, ReportInputs

TILE = 128
"""The smallest side of a tile in pixels: 64 x 64 pictures are shown at twice their size."""
GAP, LABEL, MARGIN, HEAD = 4, 92, 16, 40
FAILURES_A_ROW = 6
"""Images beside each other on the sheet of failures."""
PAPER, INK, MUTED, EMPTY = (255, 255, 255), (29, 39, 51), (107, 119, 133), (240, 242, 245)
WRONG = (179, 38, 30)


def grids(inputs: ReportInputs) -> dict[str, Image.Image]:
    """Per cell a grid of its first images, `grid-<source>-<variant>`, a sheet of its failures, `failures-…`, and one
    of its masks, `segmentation-…`."""
    found = {}
    for cell in inputs.cells.values():
        end = f"{cell.source}-{cell.variant}"
        found[f"grid-{end}"] = sample_grid(cell, inputs.classes, inputs.settings.grid_columns)
        found[f"failures-{end}"] = failure_sheet(cell, inputs.classes, inputs.settings.failures)
        found[f"segmentation-{end}"] = sample_grid(cell, inputs.classes, inputs.settings.grid_columns, masks=True)
    return found


def sample_grid(cell: Cell, classes: Sequence[str], columns: int, masks: bool = False) -> Image.Image:
    """One RGB picture: a labelled row per class with its first `columns` images by id; an absent one is grey.

    masks: the images with their masks laid over, and the number of right masks.

    Raises MissingError where an image is absent or damaged.
    """
    width = MARGIN * 2 + LABEL + columns * (TILE + GAP)
    sheet = Image.new("RGB", (width, MARGIN + HEAD + len(classes) * (TILE + GAP)), PAPER)
    pen = ImageDraw.Draw(sheet)
    title = f"{cell.shown}: masks" if masks else cell.shown
    pen.text((MARGIN, MARGIN), title, INK, font=ImageFont.load_default(20))
    font = ImageFont.load_default(16)
    for row, class_name in enumerate(classes):
        top = MARGIN + HEAD + row * (TILE + GAP)
        samples = cell.of_class(class_name)
        count = f"{len(samples)} image{'' if len(samples) == 1 else 's'}"
        if masks:
            right = sum(cell.segmentations[sample.id].predicted == class_name for sample in samples)
            count = f"{right} of {len(samples)} right"
        pen.text((MARGIN, top + TILE // 2), class_name, INK, font=font, anchor="ls")
        pen.text((MARGIN, top + TILE // 2 + 4), count, MUTED, font=ImageFont.load_default(12), anchor="la")
        for column in range(columns):
            place = (MARGIN + LABEL + column * (TILE + GAP), top)
            if column < len(samples):
                sheet.paste(_tile(_place(cell, samples[column], masks)), place)
            else:
                pen.rectangle((*place, place[0] + TILE - 1, place[1] + TILE - 1), EMPTY)
    return sheet


def failure_sheet(cell: Cell, classes: Sequence[str], limit: int) -> Image.Image:
    """One RGB picture: the first `limit` misclassified images with intended class, predicted class and confidence.

    Raises MissingError where an image is absent or damaged.
    """
    wrong = cell.misclassified(classes)
    shown = wrong[:limit]
    step, line = TILE + 3 * GAP, 40
    rows = -(-len(shown) // FAILURES_A_ROW)
    sheet = Image.new("RGB", (MARGIN * 2 + FAILURES_A_ROW * step, MARGIN * 2 + HEAD + rows * (step + line)), PAPER)
    pen = ImageDraw.Draw(sheet)
    title = f"{cell.shown}: {len(wrong)} of {len(cell.samples)} misclassified"
    pen.text((MARGIN, MARGIN), title, INK, font=ImageFont.load_default(20))
    for number, sample in enumerate(shown):
        left, top = MARGIN + number % FAILURES_A_ROW * step, MARGIN + HEAD + number // FAILURES_A_ROW * (step + line)
        sheet.paste(_tile(_place(cell, sample, False)), (left, top))
        prediction = cell.predictions[sample.id]
        sure = f" {prediction.confidence:.2f}" if prediction.predicted != NONE else ""
        pen.text((left, top + TILE + 3), f"meant {sample.class_name}", INK, font=ImageFont.load_default(13))
        pen.text((left, top + TILE + 19), f"seen {prediction.predicted}{sure}", WRONG, font=ImageFont.load_default(13))
    return sheet


def _place(cell: Cell, sample: Sample, masked: bool) -> Path:
    """Where an image lies; masked: with its mask laid over, where it has one."""
    if masked and cell.segmentations[sample.id].predicted != NONE:
        return cell.told / "overlays" / sample.file_name
    return cell.folder / sample.file_name


def _tile(path: Path) -> Image.Image:
    """The picture fitted into a square of TILE pixels: small ones grow by whole pixels, large ones shrink."""
    picture = Image.fromarray(read_picture(path))
    longest = max(picture.size)
    if longest <= TILE:
        factor = TILE // longest  # whole, so that every pixel stays a square
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    else:
        picture.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
    tile = Image.new("RGB", (TILE, TILE), EMPTY)
    tile.paste(picture, ((TILE - picture.width) // 2, (TILE - picture.height) // 2))
    return tile
