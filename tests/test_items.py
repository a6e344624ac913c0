"""The item cache: whole or absent, verified when read, linked and never opened in place."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from t2ibench.harness.items import Item, ItemCache, link

Captured = pytest.CaptureFixture[str]
PRINT = "ab" + "0" * 62


def test_what_was_put_is_got_with_what_was_said(tmp_path: Path) -> None:
    cache = ItemCache(tmp_path)
    stored = cache.put(PRINT, b"pixels", {"model": "x"})
    assert cache.get(PRINT) == stored
    assert stored.path.read_bytes() == b"pixels"
    assert stored.extra == {"model": "x"}


def test_an_absent_item_is_none(tmp_path: Path) -> None:
    assert ItemCache(tmp_path).get(PRINT) is None


def test_a_payload_without_its_note_is_absent_and_left_alone(tmp_path: Path, capsys: Captured) -> None:
    """It is being written, or its writer was killed: the next writer puts another in its place."""
    cache = ItemCache(tmp_path)
    item = cache.put(PRINT, b"pixels", {})
    item.path.with_suffix(".json").unlink()
    assert cache.get(PRINT) is None
    assert item.path.read_bytes() == b"pixels"
    assert capsys.readouterr().err == ""


def cut_payload(item: Item) -> None:
    item.path.write_bytes(b"pix")


def flip_payload(item: Item) -> None:
    item.path.write_bytes(b"pixelt")


def remove_payload(item: Item) -> None:
    item.path.unlink()


def cut_note(item: Item) -> None:
    note = item.path.with_suffix(".json")
    note.write_bytes(note.read_bytes()[:20])


@pytest.mark.parametrize("damage", [cut_payload, flip_payload, remove_payload, cut_note])
def test_a_damaged_item_is_discarded_with_one_warning_and_can_be_made_again(
        tmp_path: Path, capsys: Captured, damage: Callable[[Item], None]) -> None:
    cache = ItemCache(tmp_path)
    damage(item := cache.put(PRINT, b"pixels", {}))
    assert cache.get(PRINT) is None
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{item.path} is damaged" in said
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert cache.get(PRINT) is None  # now it is absent
    assert cache.put(PRINT, b"pixels", {}) == cache.get(PRINT)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("text", ["", "{", "[]", "\ud800", '{"sha256": 1}', '{"extra": {}}', "null"])
def test_a_note_that_says_nothing_is_a_damaged_item(tmp_path: Path, text: str) -> None:
    cache = ItemCache(tmp_path)
    item = cache.put(PRINT, b"pixels", {})
    item.path.with_suffix(".json").write_bytes(text.encode(errors="surrogatepass"))
    assert cache.get(PRINT) is None
    assert not item.path.exists()


def test_many_damaged_items_are_three_names_and_a_count(tmp_path: Path, capsys: Captured) -> None:
    cache = ItemCache(tmp_path)
    prints = [f"{number:064x}" for number in range(20)]
    for one in prints:
        cache.put(one, one.encode(), {})
        (tmp_path / "00" / f"{one}.png").write_bytes(b"")
    whole = cache.put(PRINT, b"pixels", {})
    assert cache.find([*prints, PRINT]) == {PRINT: whole}
    lines = capsys.readouterr().err.splitlines()
    assert [prints[place] in line for place, line in enumerate(lines[:3])] == [True] * 3
    assert lines[3:] == ["t2ibench: 17 more stored items are damaged; they are discarded and made again"]


def test_a_note_tells_when_its_item_was_used_last(tmp_path: Path) -> None:
    cache = ItemCache(tmp_path)
    item = cache.put(PRINT, b"pixels", {})
    note = item.path.with_suffix(".json")
    for path in (item.path, note):
        os.utime(path, (1, 1))
    cache.get(PRINT)
    assert note.stat().st_mtime > time.time() - 60
    assert item.path.stat().st_mtime == 1  # the outs' too: a file has one time, whatever its names


def test_no_temporary_file_is_left(tmp_path: Path) -> None:
    cache = ItemCache(tmp_path)
    item = cache.put(PRINT, b"pixels", {})
    link(item.path, tmp_path / "out" / "a.png")
    link(item.path, tmp_path / "out" / "a.png")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == sorted(
        ["a.png", f"{PRINT}.png", f"{PRINT}.json"])


def test_a_link_replaces_an_old_file_without_writing_through_it(tmp_path: Path) -> None:
    cache = ItemCache(tmp_path / "items")
    first, second = cache.put(PRINT, b"one", {}), cache.put("cd" + PRINT[2:], b"two", {})
    target = tmp_path / "out.png"
    link(first.path, target)
    link(second.path, target)
    assert target.read_bytes() == b"two"
    assert first.path.read_bytes() == b"one"
    assert target.stat().st_ino == second.path.stat().st_ino
