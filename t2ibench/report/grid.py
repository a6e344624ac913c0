"""A sample grid as one picture: a row per class, its first images by id. Fixed, so that two runs compare."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from t2ibench.pictures import read_picture
from t2ibench.report.inputs import Cell, ReportInputs

TILE = 128
"""The smallest side of a tile in pixels: 64 x 64 pictures are shown at twice their size."""
GAP, LABEL, MARGIN, HEAD = 4, 92, 16, 40
PAPER, INK, MUTED, EMPTY = (255, 255, 255), (29, 39, 51), (107, 119, 133), (240, 242, 245)


def grids(inputs: ReportInputs) -> dict[str, Image.Image]:
    """A grid per cell, by the name `grid-<source>-<variant>`."""
    return {
        f"grid-{cell.source}-{cell.variant}": sample_grid(cell, inputs.classes, inputs.settings.grid_columns)
        for cell in inputs.cells.values()
    }


def sample_grid(cell: Cell, classes: Sequence[str], columns: int) -> Image.Image:
    """One RGB picture: a labelled row per class with its first `columns` images by id; an absent one is grey.

    Raises MissingError where an image is absent or damaged.
    """
    width = MARGIN * 2 + LABEL + columns * (TILE + GAP)
    sheet = Image.new("RGB", (width, MARGIN + HEAD + len(classes) * (TILE + GAP)), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, MARGIN), cell.name, INK, font=ImageFont.load_default(20))
    font = ImageFont.load_default(16)
    for row, class_name in enumerate(classes):
        top = MARGIN + HEAD + row * (TILE + GAP)
        samples = cell.of_class(class_name)
        count = f"{len(samples)} image{'' if len(samples) == 1 else 's'}"
        pen.text((MARGIN, top + TILE // 2), class_name, INK, font=font, anchor="ls")
        pen.text((MARGIN, top + TILE // 2 + 4), count, MUTED, font=ImageFont.load_default(12), anchor="la")
        for column in range(columns):
            place = (MARGIN + LABEL + column * (TILE + GAP), top)
            if column < len(samples):
                sheet.paste(_tile(cell, samples[column].file_name), place)
            else:
                pen.rectangle((*place, place[0] + TILE - 1, place[1] + TILE - 1), EMPTY)
    return sheet


def _tile(cell: Cell, file_name: str) -> Image.Image:
    """The picture fitted into a square of TILE pixels: small ones grow by whole pixels, large ones shrink."""
    picture = Image.fromarray(read_picture(cell.folder / file_name))
    longest = max(picture.size)
    if longest <= TILE:
        factor = TILE // longest
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    else:
        picture.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
    tile = Image.new("RGB", (TILE, TILE), EMPTY)
    tile.paste(picture, ((TILE - picture.width) // 2, (TILE - picture.height) // 2))
    return tile
