"""The rules by which files are left out or refused on their way in, each with its reason.

Left out: nothing says that the file is a picture of the study; it is counted. Refused: it should be one and cannot be
used; it is a row of failures.jsonl. What was decided about a picture that was brought in is no rule but a note in its
row: docs/2-images.md says what they mean.
"""

LARGEST_FILE = 256 * 2**20
"""Bytes of a file that is still read: a picture within the pixel limit needs fewer, and a file is read whole."""

FORMATS = {
    "AVIF": (".avif", ".avifs"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "JPEG2000": (".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"),
    "MPO": (".mpo", ".jpg", ".jpeg"),
    "PNG": (".png", ".apng"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".pam"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
"""What is decoded, and the extensions that it goes by. Only formats that begin with a signature: a decoder without
one takes noise for a picture. None that runs a program (EPS)."""

LEFT_OUT = {
    "blank-row": "a row of the table without any value",
    "class-not-asked": "its class is none of the study's",
    "hidden": "a name that begins with a dot; a hidden folder counts once",
    "linked-folder": "a link to a folder that is listed already",
    "no-class": "nothing says which class it shows",
    "not-in-table": "the table does not name it",
    "repeated-row": "a row that says again what an earlier one says",
    "system": "a file that a desktop leaves behind (Thumbs.db, desktop.ini, __MACOSX)",
    "table": "the table itself",
}

REFUSED = {
    "absolute": "an absolute path; the table's paths begin at the folder",
    "bad-name": "a path that no file can have",
    "broken-link": "a link to nothing",
    "changed": "the file changed while it was brought in",
    "damaged": "the picture does not decode",
    "duplicate": "the same picture as another file of its class, which is kept",
    "empty": "the file is empty",
    "link-loop": "a link that leads to itself",
    "link-out": "a link that leads out of the folder",
    "long-row": "a row with more values than the header has columns: a comma that should stand in quotation marks",
    "missing": "there is no such file",
    "no-path": "a row without a path",
    "no-scale": "numbers whose white is not known: integers of 32 bits, or fractions outside 0 to 1",
    "not-a-file": "no regular file",
    "not-a-picture": f"no picture in a known format ({', '.join(FORMATS)})",
    "parent": "a path with ..",
    "too-large": f"the file has more than {LARGEST_FILE >> 20} MiB",
    "too-many-pixels": "more pixels than images.folder.max_pixels",
    "truncated": "the file ends before the picture does",
    "two-classes": "the same picture as a file of another class: one of the two is wrong",
    "two-rows": "rows of the table that disagree about the file",
    "unreadable": "the file may not be read",
}


class Refusal(Exception):
    """A file that cannot be used. rule: a key of REFUSED."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(reason(rule))


def reason(rule: str) -> str:
    """The words of a failure's row; equal for equal rules, so that reasons can be counted."""
    return f"{rule}: {REFUSED[rule]}"
