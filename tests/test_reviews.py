"""reviews/<source>.csv: what is written is read again, every bad line is named, and the rule decides."""

from pathlib import Path

import pytest

from t2ibench.errors import ConfigError
from t2ibench.filter.reviews import Review, check_reviewer, read, verdicts, write

KNOWN = ("a-0", "a-1", "b-0")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    rows = [Review("a-0", "keep", "anna", ""), Review("b-0", "reject", "anna", 'two heads, "odd"'),
            Review("a-0", "reject", "Zoë Müller", "blaß; =1+1")]
    path = tmp_path / "reviews/s.csv"
    write(path, rows)
    assert sorted(read(path, KNOWN), key=str) == sorted(rows, key=str)


def test_the_file_is_sorted_by_reviewer_and_id_and_the_same_for_any_order(tmp_path: Path) -> None:
    rows = [Review("b-0", "keep", "ben", ""), Review("b-0", "reject", "anna", "odd"), Review("a-0", "keep", "anna", "")]
    for name, order in (("one", rows), ("two", rows[::-1])):
        write(tmp_path / name, order)
    text = (tmp_path / "one").read_bytes()
    assert text == (tmp_path / "two").read_bytes()
    assert text == b"id,decision,reviewer,note\na-0,keep,anna,\nb-0,reject,anna,odd\nb-0,keep,ben,\n"


def test_a_note_stays_one_line(tmp_path: Path) -> None:
    write(tmp_path / "s.csv", [Review("a-0", "keep", "anna", " two\r\nlines,\rthree \u2028 ")])
    assert (tmp_path / "s.csv").read_text().splitlines()[1:] == ['a-0,keep,anna,"two lines, three"']


def test_no_file_is_no_review_and_blank_lines_say_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "none.csv", KNOWN) == []
    (tmp_path / "s.csv").write_text("id,decision,reviewer,note\n\n")
    assert read(tmp_path / "s.csv", KNOWN) == []


def test_a_file_that_a_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_bytes(b'\xef\xbb\xbfid,decision,reviewer,note\r\na-0,keep,anna,"x, y"\r\n')
    assert read(tmp_path / "s.csv", KNOWN) == [Review("a-0", "keep", "anna", "x, y")]


def test_every_bad_line_is_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    lines = ["id,decision,reviewer,note", "a-0,keep,anna,", "c-9,keep,anna,", "a-1,maybe,anna,",
             "a-0,reject,anna,again", "a-0,reject,ben,", "b-0,keep", "b-0,keep,,", "d-7,perhaps,ben,"]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ConfigError) as caught:
        read(path, KNOWN)
    text = str(caught.value)
    assert str(path) in text and "keep or reject" in text
    for fault in ("line 3: no image 'c-9'", "line 4: decision 'maybe'", "line 5: a-0 by anna is in line 2 already",
                  "line 7: 2 fields instead of 4", "line 8: reviewer ''",
                  "line 9: no image 'd-7', decision 'perhaps'"):
        assert fault in text
    assert "line 2:" not in text and "line 6:" not in text
    assert "\n" not in text


@pytest.mark.parametrize("text", ["", "id,decision\na-0,keep\n", "decision,id,reviewer,note\n",
                                  'id,decision,reviewer,note\na-0,keep,anna,"open\n'])
def test_a_file_that_is_not_such_a_table_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(ConfigError, match="line"):
        read(tmp_path / "s.csv", KNOWN)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_bytes(b"id,decision,reviewer,note\na-0,keep,ann\xe9,\n")
    with pytest.raises(ConfigError, match="UTF-8"):
        read(tmp_path / "s.csv", KNOWN)


@pytest.mark.parametrize("name", ["", " ", "a,b", "a\nb", "a\rb", "a\tb", " anna", 'an"na', "a\0", "a\ud800"])
def test_a_name_that_cannot_stand_in_the_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="reviewer"):
        check_reviewer(name)
    with pytest.raises(ConfigError, match="reviewer"):
        write(tmp_path / "s.csv", [Review("a-0", "keep", name, "")])
    assert not (tmp_path / "s.csv").exists()


def test_two_rows_of_one_image_and_reviewer_are_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one row"):
        write(tmp_path / "s.csv", [Review("a-0", "keep", "anna", ""), Review("a-0", "reject", "anna", "")])


def test_any_rejects_with_one_voice_and_all_with_every_voice() -> None:
    rows = [Review("a-0", "keep", "anna", ""), Review("a-0", "reject", "ben", ""), Review("a-1", "reject", "anna", ""),
            Review("b-0", "keep", "ben", "")]
    assert verdicts(rows, "any") == {"a-0": "reject", "a-1": "reject", "b-0": "keep"}
    assert verdicts(rows, "all") == {"a-0": "keep", "a-1": "reject", "b-0": "keep"}
    assert verdicts([], "any") == {}


def test_another_rule_is_refused() -> None:
    with pytest.raises(ConfigError, match="any, all"):
        verdicts([], "most")  # type: ignore[arg-type]
