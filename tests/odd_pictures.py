"""A folder of odd files: what lies about in real downloads, each with the rule that should meet it.

`write_corpus` builds it from nothing. A made picture says which pixels it must give, so that a file that decodes to
something else is found; lossy formats have a tolerance in grey levels.
"""

import io
import os
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from t2ibench.images.folder.rules import LARGEST_FILE, LEFT_OUT, REFUSED

HEIGHT, WIDTH, BLOCK = 24, 32, 8
CLASSES = ("cat", "dog")
Picture = np.ndarray
Writer = Callable[[Path], None]


@dataclass(frozen=True)
class Odd:
    """path: below the corpus; rule: what refuses or leaves it out, "" for a picture; notes and pixels: of a picture;
    tolerance: mean difference in grey levels."""

    path: str
    write: Writer
    rule: str = ""
    notes: tuple[str, ...] = ()
    pixels: Picture | None = None
    tolerance: float = 0.0

    @property
    def fate(self) -> str:
        """made, refused or left_out."""
        return "made" if not self.rule else "refused" if self.rule in REFUSED else "left_out"


def picture(name: str) -> Picture:
    """uint8 [24, 32, 3]: blocks of 8 x 8 pixels in colours that depend on the name."""
    rng = np.random.default_rng(zlib.crc32(name.encode("utf-8", "surrogateescape")))
    blocks = rng.integers(0, 256, (HEIGHT // BLOCK, WIDTH // BLOCK, 3), dtype=np.uint8)
    return np.repeat(np.repeat(blocks, BLOCK, 0), BLOCK, 1)


def grey(name: str) -> Picture:
    """uint8 [24, 32]."""
    return picture(name)[..., 0]


def rgb(values: Picture) -> Picture:
    """Grey [H, W] as [H, W, 3]."""
    return np.repeat(values[..., None], 3, 2)


def left_half() -> Picture:
    """uint8 [24, 32]: alpha that hides the left half."""
    return np.where(np.arange(WIDTH) < WIDTH // 2, 0, 255).astype(np.uint8) * np.ones((HEIGHT, 1), np.uint8)


def on_white(values: Picture) -> Picture:
    """The picture with its left half white."""
    return np.where(left_half()[..., None] == 0, np.uint8(255), values)


def encoded(image: Image.Image, kind: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def bytes_of(data: bytes) -> Writer:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


def link(target: str) -> Writer:
    return lambda path: path.symlink_to(target)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *before: bytes) -> bytes:
    """A PNG written by hand: what Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(before) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))


def wide(values: Picture) -> bytes:
    """The rows of a PNG with 16 bits a channel, [H, W, C] of 8-bit levels."""
    return b"".join(b"\0" + (row.astype(np.uint16) * 257).astype(">u2").tobytes() for row in values)


def tiff(values: bytes, width: int, height: int, order: str, **tags: int) -> bytes:
    """A TIFF written by hand: one strip, one channel. tags: bits, photometric, sample_format."""
    entries = {256: width, 257: height, 258: tags["bits"], 259: 1, 262: tags.get("photometric", 1), 273: 8, 277: 1,
               278: height, 279: len(values), 339: tags.get("sample_format", 1)}
    body = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in sorted(entries.items()))
    mark = b"II*\0" if order == "<" else b"MM\0*"
    values += b"\0" * (len(values) % 2)
    return (mark + struct.pack(f"{order}I", 8 + len(values)) + values + struct.pack(f"{order}H", len(entries)) + body
            + b"\0\0\0\0")


def oriented(name: str, orientation: int) -> tuple[bytes, Picture]:
    """A PNG that is stored turned, and how it is seen. PNG is without loss, so that every pixel counts."""
    stored = picture(name)
    seen = {1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1], 5: stored.transpose(1, 0, 2),
            6: np.rot90(stored, -1), 7: stored[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(stored, 1)}
    exif = Image.Exif()
    exif[274] = orientation
    return encoded(Image.fromarray(stored), "PNG", exif=exif), seen[orientation]


def pngs() -> Iterator[Odd]:
    def made(name: str, data: bytes, pixels: Picture, *notes: str) -> Odd:
        return Odd(f"cat/{name}", bytes_of(data), "", notes, pixels)

    def saved(name: str, image: Image.Image, pixels: Picture, *notes: str, **settings: Any) -> Odd:
        return made(name, encoded(image, "PNG", **settings), pixels, *notes)

    clear = left_half()
    yield saved("rgb.png", Image.fromarray(p := picture("rgb")), p)
    yield saved("opaque.png", Image.fromarray(np.dstack([p := picture("opaque"), np.full_like(clear, 255)])), p)
    yield saved("alpha.png", Image.fromarray(np.dstack([p := picture("alpha"), clear])), on_white(p), "alpha")
    half = np.dstack([np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.full_like(clear, 51)])
    yield saved("faint.png", Image.fromarray(half), np.full((HEIGHT, WIDTH, 3), 204, np.uint8), "alpha")
    g = grey("la")
    yield saved("grey-alpha.png", Image.fromarray(np.dstack([g, clear])), on_white(rgb(g)), "alpha")
    yield saved("grey.png", Image.fromarray(g := grey("grey")), rgb(g))
    bits = grey("bits") > 127
    yield saved("bits.png", Image.fromarray(bits), rgb(bits.astype(np.uint8) * 255))
    few = Image.fromarray(p := picture("palette")).quantize(12)
    yield saved("palette.png", few, np.asarray(few.convert("RGB")))
    index = int(np.asarray(few := Image.fromarray(picture("palette-key")).quantize(12))[0, 0])
    shows = np.where((np.asarray(few) == index)[..., None], np.uint8(255), np.asarray(few.convert("RGB")))
    yield saved("palette-key.png", few, shows, "alpha", transparency=index)
    four = Image.fromarray(picture("two-bits")).quantize(4)
    yield saved("two-bits.png", four, np.asarray(four.convert("RGB")), bits=2)
    p = picture("colour-key")
    hidden = np.where((p == p[0, 0]).all(2)[..., None], np.uint8(255), p)
    yield saved("colour-key.png", Image.fromarray(p), hidden, "alpha", transparency=tuple(int(v) for v in p[0, 0]))
    g = grey("grey-key")
    yield saved("grey-key.png", Image.fromarray(g), rgb(np.where(g == g[0, 0], np.uint8(255), g)), "alpha",
                transparency=int(g[0, 0]))
    g = grey("grey-16")
    yield saved("grey-16.png", Image.fromarray(g.astype(np.uint16) * 257), rgb(g), "16-bit")
    g = grey("grey-16-key")
    rows, key = wide(g[..., None]), chunk(b"tRNS", struct.pack(">H", int(g[0, 0]) * 257))
    yield made("grey-16-key.png", png(WIDTH, HEIGHT, 16, 0, rows, key),
               rgb(np.where(g == g[0, 0], np.uint8(255), g)), "16-bit", "alpha")
    dark = np.where(left_half() == 0, 128, 255).astype(np.uint16)  # 0.5 and 1 level of 8 bits
    yield saved("grey-16-dark.png", Image.fromarray(dark), rgb((dark == 255).astype(np.uint8)), "16-bit")
    p = picture("rgb-16")
    yield made("rgb-16.png", png(WIDTH, HEIGHT, 16, 2, wide(p)), p)
    p = picture("rgba-16")
    rows = wide(np.dstack([p, clear]))
    yield made("rgba-16.png", png(WIDTH, HEIGHT, 16, 6, rows), on_white(p), "alpha")
    g = grey("la-16")
    yield made("grey-alpha-16.png", png(WIDTH, HEIGHT, 16, 4, wide(np.dstack([g, clear]))), on_white(rgb(g)), "alpha")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    yield saved("profile.png", Image.fromarray(p := picture("profile")), p, "profile-ignored", icc_profile=profile)
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "a cat, steps: 20\nseed: 3" * 50)
    yield saved("parameters.png", Image.fromarray(p := picture("parameters")), p, pnginfo=text)
    frames = [Image.fromarray(picture(f"frame {number}")) for number in range(3)]
    yield saved("animated.png", frames[0], picture("frame 0"), "first-frame", save_all=True, append_images=frames[1:])
    p = picture("late-exif")
    exif = Image.Exif()
    exif[274] = 3
    whole = encoded(Image.fromarray(p), "PNG")
    late = whole[:-12] + chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")) + whole[-12:]
    yield made("late-exif.png", late, p[::-1, ::-1], "oriented")
    for number in range(1, 9):
        data, seen = oriented(f"orientation-{number}", number)
        yield made(f"orientation-{number}.png", data, seen, *["oriented"] * (number > 1))
    exif[274] = 9
    yield saved("orientation-9.png", Image.fromarray(p := picture("orientation-9")), p, exif=exif)
    yield saved("one-pixel.png", Image.fromarray(p := picture("one-pixel")[:1, :1]), p)
    yield saved("thin.png", Image.fromarray(p := np.repeat(picture("thin")[:1, :], 200, 1)), p)


def others() -> Iterator[Odd]:
    """Pictures in the other formats."""
    def saved(name: str, kind: str, tolerance: float = 0.0, notes: tuple[str, ...] = (),
              image: Image.Image | None = None, pixels: Picture | None = None, **settings: Any) -> Odd:
        p = picture(name)
        data = encoded(image or Image.fromarray(p), kind, **settings)
        return Odd(f"dog/{name}", bytes_of(data), "", notes, p if pixels is None else pixels, tolerance)

    def greys(name: str, kind: str, values: Picture, notes: tuple[str, ...] = (), **settings: Any) -> Odd:
        return saved(name, kind, 0, notes, Image.fromarray(values), rgb(grey(name)), **settings)

    full = {"quality": 95, "subsampling": 0}

    def several() -> dict[str, Any]:  # an encoder leaves its settings in the pictures that it wrote
        return {"save_all": True, "append_images": [Image.fromarray(picture(f"other frame {n}")) for n in (1, 2)]}

    first, alpha = ("first-frame",), ("alpha",)
    yield saved("photo.jpg", "JPEG", 4, **full)
    yield saved("UPPER.JPEG", "JPEG", 4, **full)
    yield saved("progressive.jpg", "JPEG", 4, progressive=True, **full)
    yield saved("grey.jpg", "JPEG", 4, image=Image.fromarray(grey("grey.jpg")), pixels=rgb(grey("grey.jpg")), **full)
    yield saved("cmyk.jpg", "JPEG", 6, image=Image.fromarray(picture("cmyk.jpg")).convert("CMYK"), **full)
    yield saved("broken-exif.jpg", "JPEG", 4, exif=b"Exif\0\0II*\0\xff\xff\xff\xff", **full)
    exif = Image.Exif()
    exif[274] = 6
    yield saved("phone.jpg", "JPEG", 4, ("oriented",), pixels=np.rot90(picture("phone.jpg"), -1), exif=exif, **full)
    yield saved("two.mpo", "MPO", 4, first, **several(), **full)
    yield saved("jpeg-named.png", "JPEG", 4, ("other-extension",), **full)
    yield saved("no-extension", "PNG", 0, ("other-extension",))
    yield saved("png.jpg.txt", "PNG", 0, ("other-extension",))
    few = Image.fromarray(picture("still.gif")).quantize(12)
    yield saved("still.gif", "GIF", 0, image=few, pixels=np.asarray(few.convert("RGB")))
    yield saved("moving.gif", "GIF", 8, first, **several())
    few = Image.fromarray(picture("clear.gif")).quantize(12)
    index = int(np.asarray(few)[0, 0])
    shows = np.where((np.asarray(few) == index)[..., None], np.uint8(255), np.asarray(few.convert("RGB")))
    yield saved("clear.gif", "GIF", 0, alpha, few, shows, transparency=index)
    yield saved("lossy.webp", "WEBP", 12, quality=95)
    clear = np.dstack([picture("clear.webp"), left_half()])
    yield saved("clear.webp", "WEBP", 0, alpha, Image.fromarray(clear), on_white(clear[..., :3]), lossless=True)
    yield saved("moving.webp", "WEBP", 0, first, lossless=True, **several())
    yield saved("picture.avif", "AVIF", 8, quality=95, subsampling="4:4:4")
    yield saved("moving.avif", "AVIF", 8, first, quality=95, subsampling="4:4:4", **several())
    yield saved("picture.bmp", "BMP")
    bits = grey("bits.bmp") > 127
    yield saved("bits.bmp", "BMP", 0, (), Image.fromarray(bits), rgb(bits.astype(np.uint8) * 255))
    yield saved("lossless.jp2", "JPEG2000")
    yield greys("grey-16.jp2", "JPEG2000", grey("grey-16.jp2").astype(np.uint16) * 257, ("16-bit",))
    yield saved("picture.ppm", "PPM")
    wider = b"P5 %d %d 65535\n" % (WIDTH, HEIGHT) + (grey("grey-16.pgm").astype(">u2") * 257).astype(">u2").tobytes()
    yield Odd("dog/grey-16.pgm", bytes_of(wider), "", ("16-bit",), rgb(grey("grey-16.pgm")))
    thousand = np.rint(grey("thousand.pgm") / 255 * 1000).astype(">u2").tobytes()
    yield Odd("dog/thousand.pgm", bytes_of(b"P5 %d %d 1000\n" % (WIDTH, HEIGHT) + thousand), "", ("16-bit",),
              rgb(grey("thousand.pgm")), 0.5)
    yield greys("fraction.pfm", "PPM", (grey("fraction.pfm") / 255).astype(np.float32), ("fraction",))
    yield saved("picture.tif", "TIFF")
    yield saved("packed.tif", "TIFF", compression="tiff_lzw")
    yield saved("pages.tif", "TIFF", 0, first, **several())
    yield saved("turned.tif", "TIFF", 0, ("oriented",), pixels=np.rot90(picture("turned.tif"), -1),
                tiffinfo={274: 6})
    cmyk = Image.fromarray(picture("cmyk.tif")).convert("CMYK")
    yield saved("cmyk.tif", "TIFF", 1, image=cmyk)
    lab = ImageCms.profileToProfile(Image.fromarray(picture("lab.tif")), ImageCms.createProfile("sRGB"),
                                    ImageCms.createProfile("LAB"), outputMode="LAB")
    assert lab is not None
    lab.info.pop("icc_profile", None)
    yield saved("lab.tif", "TIFF", 8, image=lab)
    yield from tiffs()


def tiffs() -> Iterator[Odd]:
    """Grey TIFFs, written by hand."""
    def made(name: str, values: Picture, order: str, notes: tuple[str, ...], tolerance: float = 0, **tags: int) -> Odd:
        data = tiff(values.tobytes(), WIDTH, HEIGHT, order, **tags)
        return Odd(f"dog/{name}", bytes_of(data), "", notes, rgb(grey(name)), tolerance)

    def refused(name: str, values: Picture, **tags: int) -> Odd:
        return Odd(f"dog/{name}", bytes_of(tiff(values.tobytes(), WIDTH, HEIGHT, "<", **tags)), "no-scale")

    scaled = {name: (grey(name).astype(np.uint32) * 257) for name in ("little.tif", "big.tif", "inverted-16.tif")}
    yield made("little.tif", scaled["little.tif"].astype("<u2"), "<", ("16-bit",), bits=16)
    yield made("big.tif", scaled["big.tif"].astype(">u2"), ">", ("16-bit",), bits=16)
    yield made("inverted.tif", 255 - grey("inverted.tif"), "<", (), bits=8, photometric=0)
    inverted = (65535 - scaled["inverted-16.tif"]).astype("<u2")
    yield made("inverted-16.tif", inverted, "<", ("16-bit",), bits=16, photometric=0)
    levels = np.rint(grey("twelve.tif") / 255 * 4095).astype(np.uint16).reshape(-1, 2)
    packed = np.stack([levels[:, 0] >> 4, (levels[:, 0] & 15) << 4 | levels[:, 1] >> 8, levels[:, 1] & 255], 1)
    yield made("twelve.tif", packed.astype(np.uint8), "<", ("16-bit",), 0.5, bits=12)
    fraction = (grey("fraction.tif") / 255).astype("<f4")
    yield made("fraction.tif", fraction, "<", ("fraction",), bits=32, sample_format=3)
    bad = fraction.copy()
    bad[3, 3] = np.nan
    yield refused("nan.tif", bad, bits=32, sample_format=3)
    yield refused("to-255.tif", fraction * 255, bits=32, sample_format=3)
    yield refused("integers.tif", grey("integers.tif").astype("<u4") * 1000, bits=32)
    yield refused("signed.tif", grey("signed.tif").astype("<i2"), bits=16, sample_format=2)


def broken() -> Iterator[Odd]:
    """Files that should be pictures and are none."""
    def refused(name: str, data: bytes, rule: str) -> Odd:
        return Odd(f"cat/{name}", bytes_of(data), rule)

    noise = np.random.default_rng(5).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = {kind: encoded(Image.fromarray(noise), kind)
             for kind in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM")}
    yield refused("empty.png", b"", "empty")
    yield refused("one-byte.png", b"\x89", "not-a-picture")
    yield refused("text.png", b"this is no picture\n", "not-a-picture")
    yield refused("error.jpg", b"<!DOCTYPE html><title>404</title>", "not-a-picture")
    yield refused("caption.txt", b"a cat that reads a newspaper", "not-a-picture")
    yield refused("noise.png", np.random.default_rng(1).bytes(4096), "not-a-picture")
    yield refused("zeros.jpg", bytes(4096), "not-a-picture")
    yield refused("archive.png", b"PK\x03\x04" + bytes(60), "not-a-picture")
    yield refused("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not-a-picture")
    yield refused("program.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n", "not-a-picture")
    yield refused("targa.tga", encoded(Image.fromarray(picture("targa")), "TGA"), "not-a-picture")
    yield refused("icon.ico", encoded(Image.fromarray(picture("icon")), "ICO"), "not-a-picture")
    yield refused("photo.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64), "not-a-picture")
    yield refused("signature-only.png", whole["PNG"][:8], "not-a-picture")
    yield refused("cut.png", whole["PNG"][: len(whole["PNG"]) // 2], "truncated")
    yield refused("no-end.png", whole["PNG"][:-12], "truncated")
    yield refused("cut.jpg", whole["JPEG"][: len(whole["JPEG"]) // 2], "truncated")
    yield refused("cut.webp", whole["WEBP"][: len(whole["WEBP"]) // 2], "damaged")
    yield refused("cut.tif", whole["TIFF"][: len(whole["TIFF"]) // 2], "truncated")
    yield refused("cut.bmp", whole["BMP"][: len(whole["BMP"]) // 2], "truncated")
    yield refused("cut.gif", whole["GIF"][: len(whole["GIF"]) // 2], "truncated")
    yield refused("cut.avif", whole["AVIF"][: len(whole["AVIF"]) // 2], "not-a-picture")
    yield refused("cut.jp2", whole["JPEG2000"][: len(whole["JPEG2000"]) // 2], "damaged")
    yield refused("cut.ppm", whole["PPM"][: len(whole["PPM"]) // 2], "truncated")
    yield refused("no-width.png", png(0, 8, 8, 2, b"\0" * 8), "not-a-picture")
    flipped = bytearray(png(8, 8, 8, 0, b"".join(b"\0" + bytes(range(8)) for _ in range(8))))
    flipped[-20] ^= 1  # in the check sum's reach
    yield refused("flipped.png", bytes(flipped), "damaged")
    yield refused("bomb.png", png(30_000, 30_000, 1, 0, b"\0" * 3751), "too-many-pixels")
    yield refused("large.png", png(8_000, 8_000, 1, 0, b"\0" * 1001), "too-many-pixels")
    jpeg = bytearray(whole["JPEG"])
    frame = jpeg.index(b"\xff\xc0") + 5
    jpeg[frame : frame + 4] = struct.pack(">HH", 65_500, 65_500)
    yield refused("bomb.jpg", bytes(jpeg), "too-many-pixels")
    gif = whole["GIF"]
    yield refused("bomb.gif", gif[:6] + struct.pack("<HH", 60_000, 60_000) + gif[10:], "too-many-pixels")
    text = chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(2**24)))
    yield refused("text-bomb.png", png(8, 8, 8, 0, b"\0" * 72, text), "damaged")

    def huge(path: Path) -> None:
        path.touch()
        os.truncate(path, LARGEST_FILE + 1)  # takes no room on the disk

    yield Odd("cat/huge.png", huge, "too-large")


NAMES = (
    "spaces in name.png", "-rf.png", "new\nline.png", "Katze äöü.png", "猫.png", "🐈.png", "quote'\".png", "a..b.png",
    "$(touch x);`y`.png", "%2e%2e%2f.png", "back\\slash.png", "line\u2028end.png", "right\u202eleft.png", "CON.png",
    "tab\t\x07bell.png", "x" * 251 + ".png", "bytes\udcff\udcfe.png", "trailing .png ", "#?&=.png",
)


def names() -> Iterator[Odd]:
    """Names that break scripts."""
    for name in NAMES:
        notes = ("other-extension",) if name.endswith(" ") else ()
        yield Odd(f"cat/{name}", bytes_of(encoded(Image.fromarray(p := picture(name)), "PNG")), "", notes, p)
    for path in ("cat/2024/may/nested.png", "DOG/upper.png", " dog /blanks.png"):
        yield Odd(path, bytes_of(encoded(Image.fromarray(p := picture(path)), "PNG")), "", (), p)


def places() -> Iterator[Odd]:
    """Links, special files, what desktops leave behind, and files without a class."""
    def listen(path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            here = Path.cwd()
            os.chdir(path.parent)  # a socket's address is short
            try:
                server.bind(path.name)
            finally:
                os.chdir(here)

    some = encoded(Image.fromarray(picture("some")), "PNG")
    stored = picture("stored")
    yield Odd(".store", lambda path: path.mkdir(), "hidden")
    yield Odd("cat/link.png", link("../.store/stored.png"), "", (), stored)
    yield Odd("dog/folder", link("../.store/more"), "", (), picture("more"))
    yield Odd("cat/link-out.png", link("../../outside/secret.png"), "link-out")
    yield Odd("cat/link-absolute.png", link("/etc/hostname"), "link-out")
    yield Odd("cat/link-chain.png", link("link-out.png"), "link-out")
    yield Odd("cat/link-nowhere.png", link("nothing.png"), "broken-link")
    yield Odd("cat/link-self.png", link("link-self.png"), "link-loop")
    yield Odd("cat/folder-out", link("../../outside"), "link-out")
    yield Odd("cat/again", link("../dog"), "linked-folder")
    yield Odd("cat/loop", link(".."), "linked-folder")
    yield Odd("cat/pipe.png", lambda path: os.mkfifo(path), "not-a-file")
    yield Odd("cat/socket.png", listen, "not-a-file")
    yield Odd("cat/.hidden.png", bytes_of(some), "hidden")
    yield Odd("cat/..png", bytes_of(some), "hidden")
    yield Odd("cat/.DS_Store", bytes_of(b"\0\0\0\1Bud1"), "hidden")
    yield Odd("cat/._fork.png", bytes_of(b"\0\5\x16\7"), "hidden")
    yield Odd("cat/Thumbs.db", bytes_of(b"\xd0\xcf\x11\xe0"), "system")
    yield Odd("cat/desktop.ini", bytes_of(b"[.ShellClassInfo]"), "system")
    yield Odd("__MACOSX", lambda path: path.mkdir(), "system")
    yield Odd("README.txt", bytes_of(b"my pictures"), "no-class")
    yield Odd("loose.png", bytes_of(some), "no-class")
    yield Odd("lion/lion.png", bytes_of(some), "class-not-asked")


def repeats() -> Iterator[Odd]:
    """The same pixels under several names. The first by path is kept."""
    image = Image.fromarray(p := picture("repeated"))
    exif = Image.Exif()
    exif[270] = "another description"
    yield Odd("dog/repeat-1.png", bytes_of(encoded(image, "PNG")), "", (), p)
    yield Odd("dog/repeat-2.png", bytes_of(encoded(image, "PNG")), "duplicate")
    yield Odd("dog/repeat-3.bmp", bytes_of(encoded(image, "BMP")), "duplicate")
    yield Odd("dog/repeat-4.png", bytes_of(encoded(image, "PNG", exif=exif, compress_level=1)), "duplicate")
    yield Odd("dog/repeat-5.png", link("repeat-1.png"), "duplicate")
    both = Image.fromarray(picture("both"))
    yield Odd("cat/both.png", bytes_of(encoded(both, "PNG")), "two-classes")
    yield Odd("dog/both.tif", bytes_of(encoded(both, "TIFF")), "two-classes")


def corpus() -> list[Odd]:
    """Every kind."""
    return [*pngs(), *others(), *broken(), *names(), *places(), *repeats()]


def write_corpus(folder: Path) -> list[Odd]:
    """Writes the corpus to `folder`, and beside it a folder `outside` that no link may reach. Returns its kinds."""
    (folder.parent / "outside").mkdir(parents=True)
    (folder.parent / "outside/secret.png").write_bytes(encoded(Image.fromarray(picture("secret")), "PNG"))
    (folder / ".store/more").mkdir(parents=True)
    (folder / ".store/stored.png").write_bytes(encoded(Image.fromarray(picture("stored")), "PNG"))
    (folder / ".store/more/more.png").write_bytes(encoded(Image.fromarray(picture("more")), "PNG"))
    kinds = corpus()
    for odd in kinds:
        assert not odd.rule or odd.rule in REFUSED or odd.rule in LEFT_OUT, odd.rule
        path = folder / odd.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if odd.path != ".store":
            odd.write(path)
    return kinds
