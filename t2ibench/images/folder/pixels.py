"""Every kind of picture that Pillow decodes, as 8-bit RGB.

White is 255 whatever the file's depth: Pillow's own conversion clips 16-bit grey at 255, which shows a white picture.
Colours of 16 bits a channel arrive here as their upper 8 bits, which is how Pillow decodes them (at most 1 level off).
"""

import numpy as np
from PIL import Image

from t2ibench.images.folder.rules import Refusal

WHITE = (255, 255, 255, 255)
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0  # of TIFF


def to_rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """A loaded picture in mode RGB, and the notes of what was decided about its values.

    Raises Refusal where the file does not say which number is white.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _scaled(image)
    if not image.has_transparency_data:
        return image.convert("RGB"), []
    return _on_white(image.convert("RGBA"))


def _on_white(image: Image.Image) -> tuple[Image.Image, list[str]]:
    lowest, _ = image.getchannel("A").getextrema()
    if lowest == 255:
        return image.convert("RGB"), []
    page = Image.new("RGBA", image.size, WHITE)
    page.alpha_composite(image)
    return page.convert("RGB"), ["alpha"]


def _scaled(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Grey of more than 8 bits. The tags of TIFF say how many, and whether 0 is white."""
    tags = getattr(image, "tag_v2", {})
    values, note = np.asarray(image), "fraction" if image.mode == "F" else "16-bit"
    if image.mode == "F":
        white = 1.0
    elif image.mode == "I" and image.format != "PPM":  # PPM's are scaled to 16 bits by Pillow
        raise Refusal("no-scale")
    else:
        bits = np.ravel(tags.get(BITS_PER_SAMPLE, 16))
        white = float(2 ** int(bits[0]) - 1)
    if not np.all((values >= 0) & (values <= white)):  # false for NaN too
        raise Refusal("no-scale")
    grey = np.rint(values.astype(np.float32) * (255 / white)).astype(np.uint8)
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        grey = 255 - grey
    notes = [note]
    key = image.info.get("transparency")
    if isinstance(key, int) and np.any(values == key):  # PNG: one grey that is not painted
        grey = np.where(values == key, np.uint8(255), grey)
        notes.append("alpha")
    return Image.fromarray(grey).convert("RGB"), notes
