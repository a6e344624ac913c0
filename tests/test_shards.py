"""Large image sets lie in shards: other people's reader reads them, and nothing but the place of a picture changes."""

import io
import json
import os
import tarfile
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from review_server import Server
from sharded import ALL, SOURCE, Study, scenes, settings, write_corpus, write_table

from t2ibench.errors import MissingError
from t2ibench.harness.outs import PictureFolder, place, shard_count, write_shard
from t2ibench.pictures import decode, encode_png, open_picture, read_bytes, read_picture, shard_of, verify
from t2ibench.records import Sample, digest, file_digest, prompt_id, read_rows

IMAGES = 120
TEXTS = [f"picture {number} — of a scene" for number in range(IMAGES)]
OUTS = (f"images/{SOURCE}", f"filter/{SOURCE}", f"deblur/{SOURCE}/base", f"deblur/{SOURCE}/deblur")


class Both:
    """The same study below the threshold and above it, over one item cache."""

    def __init__(self, root: Path) -> None:
        self.corpus = root / "corpus"
        write_corpus(self.corpus, scenes(IMAGES), TEXTS)
        self.files = Study(root / "files", root, settings(self.corpus, above=IMAGES, per_shard=15, size=64))
        self.shards = Study(root / "shards", root, settings(self.corpus, above=50, per_shard=15, size=64))
        self.files.run(*ALL)
        self.made = self.shards.run(*ALL)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    return Both(tmp_path_factory.mktemp("sharded"))


def samples(folder: Path) -> list[Sample]:
    return read_rows(folder / "metadata.jsonl", Sample)


def by_webdataset(folder: Path) -> Iterator[dict[str, Any]]:
    """The samples of a folder as webdataset's own reader decodes them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import webdataset

        yield from webdataset.WebDataset([str(path) for path in sorted(folder.glob("*.tar"))], shardshuffle=False
                                         ).decode("rgb8")


def row(number: int, shards: int = 1) -> Sample:
    name = f"{number:012x}"
    return Sample(file_name=place("cat", f"{name}-0", name, 0, shards), id=f"{name}-0", class_name="cat",
                  prompt="ä\u2028", prompt_id=name, index=0, seed=0, engine="sd", fingerprint="f",
                  sha256=digest(number))


def shard(folder: Path, count: int = 5) -> tuple[Path, list[Sample]]:
    """A shard of small pictures, and their rows."""
    rows = [row(number) for number in range(count)]
    with PictureFolder(folder, (one.file_name for one in rows)) as pictures:
        for number, one in enumerate(rows):
            pictures.add(one.file_name, one, encode_png(np.full((8, 8, 3), number, np.uint8)))
    return folder / "000000.tar", rows


def test_moving_across_the_threshold_makes_no_image_again(both: Both) -> None:
    assert both.made == dict.fromkeys(ALL, 0)


def test_a_study_in_shards_has_the_results_and_the_report_of_the_same_study_in_files(both: Both) -> None:
    for top in ("results", "data/report"):
        files = {path.relative_to(both.files.folder): file_digest(path)
                 for path in (both.files.folder / top).rglob("*") if path.is_file()}
        assert files and files == {path.relative_to(both.shards.folder): file_digest(path)
                                   for path in (both.shards.folder / top).rglob("*") if path.is_file()}


@pytest.mark.parametrize("out", OUTS)
def test_a_shard_holds_the_bytes_that_a_file_holds(both: Both, out: str) -> None:
    alone, packed = both.files.folder / "data" / out, both.shards.folder / "data" / out
    assert not list(packed.rglob("*.png")) and not list(alone.rglob("*.tar"))
    in_files, in_shards = samples(alone), samples(packed)
    assert len(in_files) > 50
    for one, other in zip(in_files, in_shards, strict=True):
        assert replace(one, file_name="") == replace(other, file_name="")
        assert read_bytes(alone / one.file_name) == read_bytes(packed / other.file_name)


@pytest.mark.parametrize("out", OUTS)
def test_webdataset_reads_equal_pixels_classes_and_rows(both: Both, out: str) -> None:
    folder = both.shards.folder / "data" / out
    rows = {one.id: one for one in samples(folder)}
    seen = []
    for found in by_webdataset(folder):
        one = rows[found["__key__"]]
        assert np.array_equal(found["png"], read_picture(folder / one.file_name))
        assert found["json"] == one.to_row()
        seen.append(one.id)
    assert sorted(seen) == sorted(rows)


@pytest.mark.parametrize("kind", ["masks", "overlays"])
def test_masks_and_overlays_lie_in_shards_too(both: Both, kind: str) -> None:
    told = f"data/evaluate/{SOURCE}/base/{kind}"
    alone, packed = both.files.folder / told, both.shards.folder / told
    pictures = {found["__key__"]: found for found in by_webdataset(packed)}
    assert sorted(pictures) == sorted(path.stem for path in alone.rglob("*.png")) and len(pictures) > 50
    for path in alone.rglob("*.png"):
        assert np.array_equal(pictures[path.stem]["png"], decode(path.read_bytes()))
        assert pictures[path.stem]["json"]["class_name"] == path.parent.name
    assert not [path for path in packed.parent.rglob("*") if path.name.startswith(".")], "nothing is left behind"


def test_a_variant_that_restores_nothing_costs_no_disk(both: Both) -> None:
    kept = both.shards.folder / "data/filter" / SOURCE
    shown = both.shards.folder / "data/deblur" / SOURCE / "base"
    assert len(list(shown.glob("*.tar"))) > 1
    assert all(path.samefile(kept / path.name) for path in shown.glob("*.tar"))


def test_an_edited_prompt_changes_two_shards_at_most(both: Both) -> None:
    before = both.shards.shards(f"data/images/{SOURCE}")
    assert len(before) == 8
    changed = []
    for number in (3, 40, 77):
        write_table(both.corpus, [text + " now" * (place == number) for place, text in enumerate(TEXTS)])
        edited = Study(both.corpus.parent / "edited", both.corpus.parent, settings(both.corpus, 50, 15, 64))
        assert edited.run("images") == {"images": 0}, "the content is the same, so it is stored"
        after = edited.shards(f"data/images/{SOURCE}")
        assert after.keys() == before.keys()
        changed.append(sum(after[name] != before[name] for name in before))
    write_table(both.corpus, TEXTS)
    assert set(changed) <= {1, 2} and 2 in changed


def test_the_review_page_shows_the_pictures_of_a_shard(both: Both) -> None:
    folder = both.shards.folder / "data/images" / SOURCE
    with Server(both.shards.folder, "anna") as server:
        gallery = json.loads(server.ask("/api/gallery")[1])["images"]
        assert {(one["width"], one["height"]) for one in gallery} == {(64, 64)}
        for one in samples(folder)[:3]:
            for kind in ("pictures", "thumbnails"):
                status, body, headers = server.ask(f"/{kind}/{one.id}")
                assert (status, headers["content-type"]) == (200, "image/png")
                assert body == read_bytes(folder / one.file_name)


def test_the_number_of_shards_is_a_power_of_two_near_the_size_that_was_asked_for() -> None:
    sizes = (0, 10_000, 10_001, 20_000, 1_400_000)
    assert [shard_count(images, 10_000, 1000) for images in sizes] == [0, 0, 8, 16, 1024]
    for images in range(10_001, 200_000, 997):
        assert 700 < images / shard_count(images, 10_000, 1000) < 1430
    assert shard_count(1, 0, 1000) == 1


def test_shards_are_even_and_split_in_two_when_their_number_doubles() -> None:
    ids = [prompt_id("cat", str(number)) for number in range(20_000)]
    few, many = ([int(place("cat", f"{one}-0", one, 0, shards)[:6]) for one in ids] for shards in (16, 32))
    assert all(one == other // 2 for one, other in zip(few, many, strict=True))
    assert all(1000 < count < 1500 for count in Counter(few).values()) and len(set(few)) == 16


def test_images_of_one_prompt_share_a_shard_and_a_class_without_texts_is_spread() -> None:
    ids = [prompt_id("cat", str(number)) for number in range(100)]
    assert all(len({place("cat", f"{one}-{index}", one, index, 64)[:6] for index in range(4)}) == 1 for one in ids)
    whole = Counter(shard_of(place("cat", f"{ids[0]}-{index}", ids[0], index, 16)) for index in range(20_000))
    assert len(whole) == 16 and max(whole.values()) < 2000


def test_the_bytes_of_a_shard_depend_on_its_pictures_and_not_on_their_order_or_the_clock(tmp_path: Path) -> None:
    path, rows = shard(tmp_path / "a")
    given = [(one.id, one, tmp_path / "a" / one.file_name) for one in rows]
    write_shard(tmp_path / "b.tar", reversed(given))
    assert path.read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == [f"{one.id}.{kind}" for one in rows for kind in ("png", "json")]
    assert {(member.mtime, member.uid, member.uname, member.mode) for member in members} == {(0, 0, "", 0o644)}


def test_what_does_not_come_to_its_end_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    rows = [row(number) for number in range(3)]
    with pytest.raises(RuntimeError, match=r"000000\.tar has not got all"), PictureFolder(
            tmp_path / "a", (one.file_name for one in rows)) as pictures:
        pictures.add(rows[0].file_name, rows[0], b"a picture")
    with pytest.raises(FileNotFoundError):
        write_shard(tmp_path / "b/000000.tar", [("x", rows[0], tmp_path / "absent.png")])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("harm", ["cut off", "cut off in a head", "another byte", "gone", "without a member", "no tar"])
def test_a_shard_that_is_not_whole_is_told(tmp_path: Path, harm: str) -> None:
    path, rows = shard(tmp_path)
    verify(tmp_path, rows_with_digests(tmp_path, rows), "make it")
    checked, payload = rows_with_digests(tmp_path, rows), path.read_bytes()
    with tarfile.open(path) as archive:
        last = archive.getmember(f"{rows[-1].id}.png")
    path.unlink()
    if harm == "without a member":
        write_shard(path, [])
    elif harm != "gone":
        payload = {"cut off": payload[: last.offset_data + 20], "cut off in a head": payload[: last.offset + 100],
                   "another byte": payload[: last.offset_data + 50] + b"!" + payload[last.offset_data + 51:],
                   "no tar": b"what?" * 1000}[harm]
        path.write_bytes(payload)
    word = "missing" if harm in ("gone", "without a member", "cut off in a head") else "damaged"
    with pytest.raises(MissingError, match=rf"000000\.tar/.*\.png is {word}.*make it"):
        verify(tmp_path, checked, "make it")
    with pytest.raises(MissingError, match=rf"{rows[-1].id}\.png is {word}.*make it"):
        read_picture(tmp_path / rows[-1].file_name, "make it")


def rows_with_digests(folder: Path, rows: list[Sample]) -> list[Sample]:
    from hashlib import sha256

    return [replace(one, sha256=sha256(read_bytes(folder / one.file_name)).hexdigest()) for one in rows]


def test_a_shard_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path, rows = shard(tmp_path)
    assert read_picture(tmp_path / rows[4].file_name)[0, 0, 0] == 4
    other = tmp_path / "other"
    shard(other, 6)
    os.replace(other / "000000.tar", path)
    assert read_picture(tmp_path / row(5).file_name)[0, 0, 0] == 5


def test_threads_read_a_shard_at_once(tmp_path: Path) -> None:
    _, rows = shard(tmp_path, 40)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: int(read_picture(tmp_path / one.file_name)[0, 0, 0]), rows * 10))
    assert found == [*range(40)] * 10


def test_a_file_of_its_own_is_opened_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/a.png").write_bytes(b"bytes")
    with open_picture(tmp_path / "cat/a.png") as file:
        assert not isinstance(file, io.BytesIO) and file.read() == b"bytes"
