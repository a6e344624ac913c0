"""images/folder: whatever lies in a folder is brought in, refused with a reason, or left out and counted."""

import csv
import json
import os
import random
import re
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from odd_pictures import CLASSES, Odd, corpus, encoded, picture, write_corpus
from PIL import Image

from experiments.images import run
from t2ibench.errors import ConfigError, MissingError, UserError
from t2ibench.hardware import Hardware
from t2ibench.harness import config
from t2ibench.harness.stage import Stage
from t2ibench.images import Made, Refused, fingerprint
from t2ibench.images.folder import BATCH, ImportedImages, digest_of
from t2ibench.images.folder.decoding import Decoded, decode
from t2ibench.images.folder.places import relative, shown
from t2ibench.images.folder.rules import LEFT_OUT, REFUSED, Refusal
from t2ibench.pictures import read_picture
from t2ibench.records import Failure, Sample, image_id, prompt_id, read_json, read_rows

ROOT = Path(__file__).parents[1]
CPU = Hardware(name="test", device="cpu", dtype="float32", threads=2)
KINDS = corpus()
LIMIT = 50_000_000


def engine(folder: Path, **changes: Any) -> ImportedImages:
    settings: dict[str, Any] = {"path": str(folder), "table": None, "names": {}, "digest": None, "size": None,
                                "max_pixels": LIMIT, "hardware": CPU, "classes": CLASSES}
    return ImportedImages(**{**settings, **changes})


def pinned(folder: Path, **changes: Any) -> ImportedImages:
    """An engine whose digest is the one of what the folder holds now."""
    return engine(folder, **changes, digest=digest_of(engine(folder, **changes).listing()))


def answers(folder: Path, **changes: Any) -> dict[str, Made | Refused]:
    """{file: the engine's answer}."""
    with pinned(folder, **changes) as made:
        requests = [one.request for one in made.plan()]
        found = [answer for start in range(0, len(requests), BATCH) for answer in made(requests[start : start + BATCH])]
    return {request.file: answer for request, answer in zip(requests, found, strict=True)}  # type: ignore[attr-defined]


def bring_in(workspace: Path, folder: Path, **changes: Any) -> Stage:
    """Runs the stage itself in `workspace`."""
    settings = {"path": str(folder), "table": None, "names": {}, "size": None, "max_pixels": LIMIT, **changes}
    given = {"digest": digest_of(engine(folder, **{**settings, "path": str(folder)}).listing()), **settings}
    tree = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    tree["study"] |= {"classes": list(CLASSES), "failures_allowed": 1.0}
    tree["images"]["folder"] = {"_target_": "t2ibench.images.folder.ImportedImages", **given}
    tree["sources"] = {"archive": {"prompts": "llm", "images": "folder"}}
    stage = Stage("images", "archive", config.check(tree))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workspace)
        patch.delenv("DVC_ROOT", raising=False)
        run(stage)
    return stage


def everything(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def put(path: Path, name: str = "", kind: str = "PNG", **settings: Any) -> Path:
    """Writes a picture that depends on `name`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(Image.fromarray(picture(name or path.name)), kind, **settings))
    return path


class Imported:
    """What the stage left of the corpus."""

    def __init__(self, workspace: Path) -> None:
        self.workspace, self.out = workspace, workspace / "data/images/archive"
        self.stage = bring_in(workspace, workspace / "in/corpus")
        self.samples = {str(row.extra["file"]): row for row in read_rows(self.out / "metadata.jsonl", Sample)}
        self.failures = {str(row.extra["file"]): row for row in read_rows(self.out / "failures.jsonl", Failure)}
        self.summary = read_json(self.out / "imported.json")


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    workspace = tmp_path_factory.mktemp("folder")
    write_corpus(workspace / "in/corpus")
    return Imported(workspace)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Two classes of two pictures."""
    for name in CLASSES:
        for number in range(2):
            put(tmp_path / "set" / name / f"{number}.png", f"{name}{number}")
    return tmp_path / "set"


def test_the_corpus_is_large_and_meets_every_rule_that_a_folder_can() -> None:
    assert len(KINDS) == len({odd.path for odd in KINDS}) >= 150
    of_tables = {"absolute", "parent", "no-path", "long-row", "two-rows", "bad-name", "missing", "blank-row",
                 "not-in-table", "repeated-row", "table"}
    alone = {"changed", "unreadable"}
    met = {odd.rule for odd in KINDS if odd.rule}
    assert met | of_tables | alone == {*LEFT_OUT, *REFUSED}
    page = (ROOT / "docs/2-images.md").read_text(encoding="utf-8")
    table = page.partition("## What is noted of an imported picture")[2].partition("\n## ")[0]
    listed = set(re.findall(r"^\| `([\w-]+)` ", table, re.MULTILINE))
    assert {note for odd in KINDS for note in odd.notes} | {"upscaled"} == listed


@pytest.mark.parametrize("odd", KINDS, ids=[ascii(odd.path) for odd in KINDS])
def test_every_kind_meets_its_rule(imported: Imported, odd: Odd) -> None:
    file = shown(odd.path) + ("/more.png" if odd.path == "dog/folder" else "")
    if odd.fate == "left_out":
        assert file not in imported.samples
        assert file not in imported.failures
    elif odd.fate == "refused":
        assert imported.failures[file].reason.startswith(f"{odd.rule}: ")
        assert file not in imported.samples
    else:
        sample = imported.samples[file]
        assert sorted(sample.extra["notes"]) == sorted(odd.notes)
        seen = read_picture(imported.out / sample.file_name)
        assert odd.pixels is not None
        assert seen.shape == odd.pixels.shape
        assert np.abs(seen.astype(float) - odd.pixels).mean() <= odd.tolerance


def test_everything_is_counted(imported: Imported) -> None:
    summary, fates = imported.summary, Counter(odd.fate for odd in KINDS)
    assert summary["images"] == len(imported.samples) == fates["made"]
    assert sum(summary["refused"].values()) == len(imported.failures) == fates["refused"]
    assert summary["found"] == len(KINDS)
    for fate in ("left_out", "refused"):
        assert summary[fate] == Counter(odd.rule for odd in KINDS if odd.fate == fate)
    assert summary["notes"] == Counter(note for odd in KINDS if odd.fate == "made" for note in odd.notes)


def test_the_out_is_an_ordinary_image_set(imported: Imported) -> None:
    files = {path.relative_to(imported.out).as_posix() for path in imported.out.rglob("*.png")}
    assert files == {sample.file_name for sample in imported.samples.values()}
    for sample in imported.samples.values():
        assert sample.file_name == f"{sample.class_name}/{sample.id}.png"
        assert (sample.id, sample.seed) == (image_id(prompt_id(sample.class_name, ""), sample.index), 0)
        with Image.open(imported.out / sample.file_name) as image:
            assert (image.format, image.mode) == ("PNG", "RGB")
    text = (imported.out / "metadata.jsonl").read_text(encoding="utf-8")
    assert len(text.splitlines()) == text.count("\n") == len(imported.samples)  # no name breaks a line
    assert str(imported.workspace) not in text + json.dumps(imported.summary)


def test_nothing_outside_the_folder_is_read_or_written(imported: Imported) -> None:
    secret = picture("secret")
    for sample in imported.samples.values():
        assert not np.array_equal(read_picture(imported.out / sample.file_name), secret)
    assert sorted(path.name for path in imported.workspace.iterdir()) == [".cache", "data", "in", "results"]
    assert sorted(path.name for path in (imported.workspace / "in").iterdir()) == ["corpus", "outside"]


def test_a_second_run_decodes_nothing_and_gives_the_same_bytes(imported: Imported, tmp_path: Path) -> None:
    before = everything(imported.out)
    stage = bring_in(imported.workspace, imported.workspace / "in/corpus")
    made_or_repeated = len(KINDS) - sum(1 for odd in KINDS if odd.fate == "left_out") - sum(
        1 for odd in KINDS if odd.fate == "refused" and odd.rule not in ("duplicate", "two-classes"))
    assert stage.clock.reused == made_or_repeated
    assert everything(imported.out) == before
    bring_in(tmp_path, imported.workspace / "in/corpus")
    assert everything(tmp_path / "data/images/archive") == before


def test_the_content_decides_the_fingerprint_and_neither_name_nor_class_does(small: Path) -> None:
    def prints(**changes: Any) -> dict[str, str]:
        made = pinned(small, **changes)
        return {one.prompt.origin["file"]: fingerprint(made.identity, one.request) for one in made.plan()}

    before = prints()
    assert len(set(before.values())) == 4
    (small / "cat/0.png").rename(small / "dog/9.png")
    after = prints()
    assert after.pop("dog/9.png") == before.pop("cat/0.png")
    assert after == before
    assert not set(prints(size=32).values()) & set(after.values())
    assert not set(prints(max_pixels=LIMIT - 1).values()) & set(after.values())


def test_a_file_that_comes_last_by_name_changes_no_other_id(small: Path) -> None:
    before = {one.prompt.origin["file"]: one.request.id for one in pinned(small).plan()}
    put(small / "cat/2.png")
    after = {one.prompt.origin["file"]: one.request.id for one in pinned(small).plan()}
    assert before.items() < after.items()


def test_the_digest_pins_the_folder(small: Path) -> None:
    found = digest_of(engine(small).listing())
    with pytest.raises(ConfigError, match=rf"images\.folder\.digest: None .*{found}"):
        engine(small).plan()
    assert len(engine(small, digest=found).plan()) == 4
    put(small / "cat/0.png", "edited")
    with pytest.raises(ConfigError, match=f"images.folder.digest: '{found}'"):
        engine(small, digest=found).plan()


def test_a_file_that_changes_or_goes_after_planning_is_refused(small: Path) -> None:
    with pinned(small) as made:
        requests = [one.request for one in made.plan()]
        put(small / "cat/0.png", "edited")
        (small / "cat/1.png").unlink()
        reasons = sorted(answer.reason.partition(":")[0] for answer in made(requests) if isinstance(answer, Refused))
    assert reasons == ["changed", "missing"]


def test_a_file_that_may_not_be_read_is_refused(small: Path) -> None:
    (small / "cat/0.png").chmod(0)
    for folder in (small, *small.parents):  # the other user has to get there
        if folder.is_relative_to(small.parents[2]):
            folder.chmod(0o755)
    user = os.geteuid()
    try:
        if user == 0:  # root may read everything
            os.seteuid(65_534)
        entries = {entry.file: entry for entry in engine(small).listing().entries}
    finally:
        os.seteuid(user)
    assert entries["cat/0.png"].rule == "unreadable"


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (4000, 1), (24, 32), (64, 64), (65, 63), (300, 200)])
def test_with_a_size_every_picture_is_the_central_square_at_that_size(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    found = decode(encoded(Image.fromarray(values), "PNG"), LIMIT, 64)
    assert found.pixels.shape == (64, 64, 3)
    assert (found.height_px, found.width_px) == shape
    assert found.notes == (["upscaled"] if min(shape) < 64 else [])
    if shape == (64, 64):
        assert np.array_equal(found.pixels, values)


def test_the_square_is_cut_from_the_middle() -> None:
    values = np.zeros((32, 96, 3), np.uint8)
    values[:, 32:64] = picture("x")[:1, :1]
    found = decode(encoded(Image.fromarray(values), "PNG"), LIMIT, 16)
    assert np.array_equal(found.pixels, np.broadcast_to(picture("x")[0, 0], (16, 16, 3)))


def test_pictures_are_not_held_in_memory(tmp_path: Path) -> None:
    for name in CLASSES:
        (tmp_path / "set" / name).mkdir(parents=True)
    values = np.zeros((200, 200, 3), np.uint8)
    for number in range(400):
        values[0, 0] = (*divmod(number, 256), 0)
        (tmp_path / "set" / CLASSES[number % 2] / f"{number}.png").write_bytes(encoded(Image.fromarray(values), "PNG"))
    with pinned(tmp_path / "set") as made:
        requests = [one.request for one in made.plan()]
        made(requests[:BATCH])
        tracemalloc.start()
        for start in range(0, len(requests), BATCH):
            made(requests[start : start + BATCH])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert len(requests) == 400
    assert peak < 2 * BATCH * values.nbytes  # all together: 400 * values.nbytes


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_noise_is_refused_and_never_crashes() -> None:
    lot = random.Random(7)
    starts = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM", b"II*\0", b"MM\0*",
              b"RIFF\0\1\0\0WEBPVP8X", b"P6 9 9 255\n", b"Pf\n9 9\n-1\n", b"\xffO\xffQ",
              b"\0\0\0\x0cjP  \r\n\x87\n", b"\0\0\0\x20ftypavif"]
    for number in range(1300):
        data = starts[number % len(starts)] + lot.randbytes(lot.choice((0, 1, 7, 30, 200, 3000)))
        _decode_or_refuse(data)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", ["AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP"])
def test_a_damaged_file_of_any_format_is_decoded_or_refused_and_the_same_way_twice(kind: str) -> None:
    lot = random.Random(kind)
    image = Image.fromarray(picture(kind))
    exif = Image.Exif()
    exif[274] = 6
    settings: dict[str, Any] = {"save_all": True, "append_images": [image.copy()]} if kind in ("GIF", "MPO") else {}
    whole = encoded(image, kind, **settings) if kind in ("BMP", "GIF", "PPM", "JPEG2000") else encoded(
        image, kind, exif=exif, **settings)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(lot.choice((1, 2, 8))):
            data[lot.randrange(len(data))] = lot.randrange(256)
        data = data[: lot.choice((len(data), lot.randrange(1, len(data))))]
        first, second = _decode_or_refuse(bytes(data)), _decode_or_refuse(bytes(data))
        assert first if isinstance(first, str) else np.array_equal(first.pixels, second.pixels)  # type: ignore[union-attr]


def _decode_or_refuse(data: bytes) -> Decoded | str:
    try:
        found = decode(data, 1_000_000, None)
    except Refusal as refusal:
        assert refusal.rule in REFUSED
        return refusal.rule
    assert found.pixels.dtype == np.uint8
    assert found.pixels.shape[2:] == (3,)
    return found


def test_pillows_own_open_is_used_where_ultralytics_has_replaced_it(small: Path) -> None:
    (small / "cat/photo.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    code = """
import sys
from PIL import Image
from ultralytics.utils import checks, patches
assert Image.open is patches.image_open
checks.check_requirements = lambda *_, **__: sys.exit("ultralytics was asked")
from test_folder import answers
from pathlib import Path
print(sorted(getattr(answer, "reason", "made")[:13] for answer in answers(Path(sys.argv[1])).values()))
"""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "YOLO_OFFLINE": "1", "OMP_NUM_THREADS": "1",
                   "YOLO_CONFIG_DIR": str(small.parent), "YOLO_VERBOSE": "0"}
    done = subprocess.run([sys.executable, "-c", code, str(small)], env=environment, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(["made"] * 4 + ["not-a-picture"])


def test_a_cut_picture_is_refused_where_another_library_has_told_pillow_to_fill_it_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    whole = encoded(Image.fromarray(picture("cut")), "JPEG")
    with pytest.raises(Refusal, match="truncated"):
        decode(whole[: len(whole) // 2], LIMIT, None)


@pytest.mark.parametrize(("changes", "key"), [
    ({"path": None}, r"images\.folder\.path: None"),
    ({"classes": ("cat", "dog", "cow")}, "it has none of cow"),
    ({"names": {"cat": "lion"}}, "it has none of cat"),
])
def test_a_folder_that_cannot_serve_the_study_stops_the_run(small: Path, changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        engine(small, **changes).plan()


def test_a_folder_that_is_not_there_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="there is no folder at"):
        engine(tmp_path / "none").plan()


def test_classes_may_have_other_names_in_the_folder(small: Path) -> None:
    (small / "cat").rename(small / "n02121808")
    made = pinned(small, names={"N02121808": "cat"})
    assert Counter(one.prompt.class_name for one in made.plan()) == {"cat": 2, "dog": 2}


def test_too_many_failures_stop_the_stage_and_each_reason_is_counted_once(tmp_path: Path, small: Path) -> None:
    for number in range(3):
        (small / f"cat/text-{number}.png").write_text(f"no picture {number}")
    stage = bring_in(tmp_path, small)
    stage.params.study.failures_allowed = 0.1
    failed = read_rows(tmp_path / "data/images/archive/failures.jsonl", Failure)
    with pytest.raises(UserError, match=r"3 of 7 images failed.*3 x not-a-picture"), stage.complete(7, 4, failed):
        pass


# tables ---------------------------------------------------------------------------------------------------------------

ROWS: list[tuple[tuple[str, ...], str]] = [
    (("cat/0.png", "cat", "A cat in snow"), "made"),
    (("./cat//1.png", "CAT", " A  cat\nin snow "), "made"),
    (("dog\\0.png", " dog ", "A dog, \"quoted\""), "made"),
    (("dog/1.png", "dog"), "made"),
    (("odd/näme, with\ncomma.png", "dog", "猫 🐈"), "made"),
    (("odd/a..b.png", "dog", "=cmd()"), "made"),
    (("odd/-rf.png", "dog", "x" * 20_000), "made"),
    (("odd/.hidden.png", "dog", "the table names it"), "made"),
    (("odd/folder", "dog", ""), "not-a-file"),
    (("odd/../cat/0.png", "cat", ""), "parent"),
    (("..\\..\\secret.png", "cat", ""), "parent"),
    (("../secret.png", "cat", ""), "parent"),
    (("/etc/hostname", "cat", ""), "absolute"),
    (("C:\\Users\\me\\cat.png", "cat", ""), "absolute"),
    (("\\\\server\\share\\cat.png", "cat", ""), "absolute"),
    (("file:///etc/hostname", "cat", ""), "missing"),
    (("cat/none.png", "cat", ""), "missing"),
    (("cat/0.png/more.png", "cat", ""), "missing"),
    (("link/secret.png", "cat", ""), "link-out"),
    (("cat/\0.png", "cat", ""), "bad-name"),
    (("y" * 5000, "cat", ""), "bad-name"),
    (("", "cat", "a prompt without a file"), "no-path"),
    ((".", "cat", ""), "not-a-file"),
    (("odd/comma.png", "cat", "a cat", " in snow"), "long-row"),
    (("cat/0.png", "cat", "A cat in snow"), "repeated-row"),
    (("odd/twice.png", "cat", ""), "two-rows"),
    (("odd/twice.png", "dog", ""), "two-rows"),
    (("cat/2.png", "lion", ""), "class-not-asked"),
    (("cat/2.png", "", ""), "no-class"),
    ((), "blank-row"),
    (("", "", ""), "blank-row"),
]


@pytest.fixture
def tabled(tmp_path: Path) -> Path:
    """A folder whose table has the rows of ROWS."""
    folder = tmp_path / "set"
    for name in ("cat/0.png", "cat/1.png", "cat/2.png", "dog/0.png", "dog/1.png", "odd/näme, with\ncomma.png",
                 "odd/a..b.png", "odd/-rf.png", "odd/.hidden.png", "odd/comma.png", "odd/twice.png",
                 "odd/folder/inside.png"):
        put(folder / name, name)
    put(tmp_path / "outside/secret.png")
    (folder / "link").symlink_to("../outside")
    write_table(folder / "table.csv", [row for row, _ in ROWS])
    return folder


def write_table(path: Path, rows: list[tuple[str, ...]], mark: str = "\ufeff", line: str = "\r\n") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(mark)
        writer = csv.writer(file, lineterminator=line, quoting=csv.QUOTE_ALL)
        writer.writerows([("path", "Class ", "prompt"), *rows])


def test_every_row_of_a_table_meets_its_rule(tmp_path: Path, tabled: Path) -> None:
    bring_in(tmp_path, tabled, table="table.csv")
    out = tmp_path / "data/images/archive"
    samples, failures = read_rows(out / "metadata.jsonl", Sample), read_rows(out / "failures.jsonl", Failure)
    fates = Counter(fate for _, fate in ROWS)
    assert len(samples) == fates["made"]
    assert Counter(failure.reason.partition(":")[0] for failure in failures) == {
        rule: count for rule, count in fates.items() if rule in REFUSED
    }
    summary = read_json(out / "imported.json")
    by_rule = {rule: count for rule, count in fates.items() if rule in LEFT_OUT}
    assert summary["left_out"] == by_rule | {"not-in-table": 2, "table": 1}  # inside.png and the link
    assert summary["found"] == len(ROWS) + 3


def test_prompts_of_a_table_give_the_ids_that_the_same_prompts_give_elsewhere(tmp_path: Path, tabled: Path) -> None:
    bring_in(tmp_path, tabled, table="table.csv")
    rows = {row.extra["file"]: row for row in read_rows(tmp_path / "data/images/archive/metadata.jsonl", Sample)}
    snow = prompt_id("cat", "A cat in snow")
    assert [rows[file].id for file in ("cat/0.png", "cat/1.png")] == [f"{snow}-0", f"{snow}-1"]
    assert rows["cat/1.png"].prompt == "A cat in snow"
    assert rows["dog/1.png"].prompt == ""
    assert rows["odd/näme, with\\ncomma.png"].prompt == "猫 🐈"


def test_the_order_the_line_ends_and_the_mark_of_a_table_change_nothing(tabled: Path) -> None:
    listed = engine(tabled, table="table.csv").listing()
    rows = [row for row, fate in ROWS if fate != "long-row"]
    for mark, line in (("", "\n"), ("\ufeff", "\r\n"), ("", "\r")):
        write_table(tabled / "table.csv", [row for row, _ in ROWS], mark, line)
        assert engine(tabled, table="table.csv").listing() == listed
    write_table(tabled / "table.csv", rows)
    forwards = digest_of(engine(tabled, table="table.csv").listing())
    write_table(tabled / "table.csv", rows[::-1])
    assert digest_of(engine(tabled, table="table.csv").listing()) == forwards


@pytest.mark.parametrize(("content", "said"), [
    (b"", "the column path is not there"),
    (b"file,class\n", "the column path is not there"),
    (b"path,prompt\ncat/0.png,a cat\n", "the column class is not there"),
    (b"path;class\ncat/0.png;cat\n", "the column path is not there"),
    (b"path,class,class\n", "the column class is twice there"),
    (b"path,class\n", "it has none of cat, dog"),
    (b"path,class\ncat/0.png,c\xe4t\n", "byte 22 is not UTF-8"),
    ("path,class\n".encode("utf-16"), "byte 0 is not UTF-8"),
    (b'path,class\n"cat/0.png,cat\n', "line 2: unexpected end of data"),
    (b'path,class\n"cat"/0.png,cat\n', "line 2: "),
    (b"path,class\n" + b"x" * 200_000 + b",cat\n", "line 2: field larger than field limit"),
])
def test_a_table_that_is_none_stops_the_run(small: Path, content: bytes, said: str) -> None:
    (small / "table.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        engine(small, table="table.csv").plan()


def test_a_table_that_is_not_there_stops_the_run(small: Path) -> None:
    for name in ("none.csv", "cat"):
        with pytest.raises(MissingError, match="there is no table at"):
            engine(small, table=name).plan()


# names ----------------------------------------------------------------------------------------------------------------


def test_shown_names_are_printable_and_stay_different() -> None:
    lot = random.Random(3)
    letters = "ab\\n\n\t\u2028\u202e\udcff\x85é猫 u0"
    names = {"".join(lot.choices(letters, k=lot.randrange(1, 7))) for _ in range(5000)}
    assert len({shown(name) for name in names}) == len(names)
    assert all(shown(name).isprintable() and shown(name).encode() for name in names)


def test_no_path_of_a_table_leads_out(tmp_path: Path) -> None:
    lot = random.Random(4)
    parts = ("..", ".", "", "a", "..\\", "\\", "/", "C:", "~", "...", " ", "\0")
    for _ in range(3000):
        named = "/".join(lot.choices(parts, k=lot.randrange(1, 5)))
        try:
            found = relative(str(tmp_path), named)
        except Refusal:
            continue
        assert Path(os.path.normpath(tmp_path / found)).is_relative_to(tmp_path)


def test_the_command_prints_the_digest_that_the_engine_wants(small: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "t2ibench.images.folder", str(small), "--classes", *CLASSES],
                          cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said == {"digest": digest_of(engine(small).listing()), "found": 4, "left_out": {}, "refused": {},
                    "planned": {"cat": 2, "dog": 2}}


def test_the_command_tells_a_mistake_in_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "t2ibench.images.folder", str(tmp_path / "none")], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("t2ibench: there is no folder at")
    assert "Traceback" not in done.stderr


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Closes what a failed test may have left traced."""
    yield
    tracemalloc.stop()


