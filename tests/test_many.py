"""Twenty thousand pictures, small ones: brought in, sharded, read by webdataset, rebuilt by DVC, edited."""

import json
import re
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml
from sharded import ROOT, SOURCE, Study, settings, squares, write_corpus, write_table
from study import environment, git

from t2ibench.harness.outs import link_all
from t2ibench.pictures import read_picture, reading_order, verify
from t2ibench.records import Sample, read_rows

IMAGES = 20_000
ABOVE, PER_SHARD = IMAGES // 2, IMAGES // 20
TEXTS = [f"picture number {number}" for number in range(IMAGES)]
OUT = f"data/images/{SOURCE}"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The stage `images` of 20,000 pictures of 8 x 8 px, at the thresholds that the study has, under DVC."""
    root = tmp_path_factory.mktemp("many")
    write_corpus(root / "corpus", squares(IMAGES), TEXTS)
    found = written(root / "corpus", root / "study", TEXTS)
    stage = {"cmd": f"python -m experiments.images {SOURCE}", "params": ["images.folder", "study"], "outs": [OUT]}
    (found.folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"images": stage}}))
    git(found.folder, "init", "-q")
    dvc(found, "init", "-q")
    dvc(found, "config", "cache.type", "hardlink,copy")
    dvc(found, "repro")
    return found


def written(corpus: Path, folder: Path, texts: Sequence[str]) -> Study:
    """The study of the corpus with these texts."""
    write_table(corpus, texts)
    return Study(folder, folder, settings(corpus, above=ABOVE, per_shard=PER_SHARD))


def dvc(study: Study, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=study.folder, text=True, capture_output=True,
                          env=environment(study.folder) | {"PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def tree_of(study: Study) -> dict[str, str]:
    """{file: md5} of the folder as DVC has it."""
    out = yaml.safe_load((study.folder / "dvc.lock").read_text())["stages"]["images"]["outs"][0]["md5"]
    stored = study.folder / ".dvc/cache/files/md5" / out[:2] / out[2:]
    return {row["relpath"]: row["md5"] for row in json.loads(stored.read_bytes())}


def test_webdataset_reads_all_of_them_with_equal_pixels_and_classes(study: Study) -> None:
    import webdataset

    folder = study.folder / OUT
    rows = {one.id: one for one in read_rows(folder / "metadata.jsonl", Sample)}
    assert len(rows) == IMAGES and len(list(folder.glob("*.tar"))) == 16
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        urls = f"{folder}/{{000000..000015}}.tar"
        for found in webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"):
            one = rows.pop(found["__key__"])
            assert found["json"]["class_name"] == one.class_name
            assert np.array_equal(found["png"], read_picture(folder / one.file_name))
    assert not rows


def test_every_stored_byte_is_the_one_that_its_row_names(study: Study, tmp_path: Path) -> None:
    folder = study.folder / OUT
    samples = read_rows(folder / "metadata.jsonl", Sample)
    verify(folder, samples, "make it")
    link_all(folder, tmp_path, (one.file_name for one in samples))
    verify(tmp_path, samples, "make it")
    assert [one.file_name for one in reading_order(samples)] == sorted(one.file_name for one in samples)


def test_dvc_has_sixteen_shards_and_nothing_to_do_until_an_edited_prompt_brings_it_two(study: Study) -> None:
    before, corpus = tree_of(study), Path(study.params.images["folder"]["path"])
    items = {path: path.stat().st_mtime_ns for path in (study.folder / ".cache/items").rglob("*.png")}
    assert len(before) == 16 + 3, "the shards, metadata, failures, what was imported"
    assert len(items) == IMAGES
    assert "up to date" in dvc(study, "repro")
    written(corpus, study.folder, [text + ", edited" * (place == 777) for place, text in enumerate(TEXTS)])
    dvc(study, "repro")
    after = tree_of(study)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert {re.sub(r"\d{6}", "n", name) for name in changed} == {"n.tar", "metadata.jsonl"}
    assert len(changed) - 1 <= 2
    written(corpus, study.folder, TEXTS)
    dvc(study, "repro")
    assert tree_of(study) == before
    assert items == {path: path.stat().st_mtime_ns for path in (study.folder / ".cache/items").rglob("*.png")}
