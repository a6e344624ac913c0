"""The item cache: whole or absent, verified when read, linked and never opened in place."""

from pathlib import Path

from t2ibench.harness.items import ItemCache, link

PRINT = "ab" + "0" * 62


def test_what_was_put_is_got_with_what_was_said(tmp_path: Path) -> None:
    cache = ItemCache(tmp_path)
    stored = cache.put(PRINT, b"pixels", {"model": "x"})
    assert cache.get(PRINT) == stored
    assert stored.path.read_bytes() == b"pixels"
    assert stored.extra == {"model": "x"}


def test_an_absent_item_is_none(tmp_path: Path) -> None:
    assert ItemCache(tmp_path).get(PRINT) is None


def test_a_payload_without_its_note_is_not_whole(tmp_path: Path) -> None:
    cache = ItemCache(tmp_path)
    item = cache.put(PRINT, b"pixels", {})
    item.path.with_suffix(".json").unlink()
    assert cache.get(PRINT) is None


def test_a_damaged_payload_is_not_used_and_can_be_made_again(tmp_path: Path) -> None:
    cache = ItemCache(tmp_path)
    item = cache.put(PRINT, b"pixels", {})
    item.path.write_bytes(b"pix")
    assert cache.get(PRINT) is None
    cache.put(PRINT, b"pixels", {})
    assert cache.get(PRINT) is not None


def test_a_damaged_note_is_an_absent_item(tmp_path: Path) -> None:
    cache = ItemCache(tmp_path)
    note = cache.put(PRINT, b"pixels", {}).path.with_suffix(".json")
    for text in ("", "{", "[]", '{"sha256": 1}'):
        note.write_text(text)
        assert cache.get(PRINT) is None


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
