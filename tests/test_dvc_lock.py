"""dvc.lock is read in one way: absent, nothing has run yet; damaged, the user is told how to get it back."""

from pathlib import Path

import pytest

from t2ibench.dvc_lock import read_lock
from t2ibench.errors import MissingError


def test_the_stages_are_read_with_what_dvc_wrote_of_them(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\nstages:\n  report:\n    cmd: python\n    outs: []\n")
    assert read_lock(tmp_path / "dvc.lock") == {"report": {"cmd": "python", "outs": []}}


@pytest.mark.parametrize("content", [None, "", "schema: '2.0'\n", "schema: '2.0'\nstages:\n"])
def test_where_nothing_has_run_there_is_no_stage(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "dvc.lock").write_text(content)
    assert read_lock(tmp_path / "dvc.lock") == {}


@pytest.mark.parametrize("content", [b"stages: {report: [", b"- a list", b"stages: [report]", b"stages: \xff"])
def test_a_damaged_lock_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "dvc.lock").write_bytes(content)
    with pytest.raises(MissingError, match=r"dvc\.lock is damaged.*git checkout dvc\.lock"):
        read_lock(tmp_path / "dvc.lock")
