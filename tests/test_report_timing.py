"""The page of the timings: what each stage took, on which hardware, from one machine or several."""

from pathlib import Path
from typing import Any

import pytest
from html_page import Page

from t2ibench.errors import MissingError
from t2ibench.harness import config, paths
from t2ibench.harness.timing import Clock, save
from t2ibench.records import read_json, write_json
from t2ibench.report import timing

ROOT = Path(__file__).parents[1]


def reading(root: Path, stage: str, cell: str, **other: Any) -> None:
    row = {"stage": stage, "cell": cell, "device": "x86_64", "hardware": "cpu", "images": 8, "seconds": 2.0,
           "images_per_second": 5.0, "peak_memory_mb": 100.0, "reused": 0}
    write_json(root / stage / f"{cell.replace('/', '-') or 'all'}-{other.get('hardware', 'cpu')}.json", row | other)


def test_timings_stand_in_flow_order_with_their_share(tmp_path: Path) -> None:
    reading(tmp_path, "images", "sd-llm", seconds=6.0)
    reading(tmp_path, "prompts", "llm", seconds=2.0, images=0, images_per_second=None)
    rows = timing.read([tmp_path])
    assert [(row["stage"], row["share"]) for row in rows] == [("prompts", 0.25), ("images", 0.75)]
    assert "8 seconds on cpu" not in timing.build(rows) and "8.0 seconds on cpu" in timing.build(rows)


def test_hardware_of_several_names_stands_side_by_side(tmp_path: Path) -> None:
    for hardware, device in (("t4", "Tesla T4"), ("rtx3090", "NVIDIA GeForce RTX 3090")):
        reading(tmp_path, "images", "sd-llm", hardware=hardware, device=device)
    rows = timing.read([tmp_path])
    assert [row["share"] for row in rows] == [1.0, 1.0]
    page = Page(timing.build(rows))
    assert "Tesla T4" in page.text and "NVIDIA GeForce RTX 3090" in page.text
    assert timing.build(rows) == timing.build(timing.read([tmp_path]))


def test_two_hardware_values_of_one_study_stand_side_by_side_without_a_folder_being_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    for hardware, device, speed in (("t4", "Tesla T4", 4.0), ("rtx3090", "NVIDIA GeForce RTX 3090", 16.0)):
        params = config.load([f"hardware.name={hardware}"], folder=ROOT)
        path = paths.timing_file(hardware, "tiny", "images", "sd-llm")
        clock = Clock()
        clock.laps = [(0.0, 8), (8 / speed, 8)]
        save(path, clock, "images", "sd-llm", params)
        write_json(path, read_json(path) | {"device": device})
    timing.main([])
    page = Page(timing.OUT.read_text())
    assert "Tesla T4" in page.text and "NVIDIA GeForce RTX 3090" in page.text
    rows = timing.by_stage(timing.read([tmp_path / ".cache/timings"]))
    assert {row["hardware"]: row["images_per_second"] for row in rows} == {"t4": 4.0, "rtx3090": 16.0}


def test_hours_are_told_in_seconds_without_powers_of_ten(tmp_path: Path) -> None:
    reading(tmp_path, "images", "sd-llm", seconds=12345.6)
    page = timing.build(timing.read([tmp_path]))
    assert "12,346 s" in page
    assert "e+0" not in Page(page).text + page[page.index("<svg") : page.index("</svg>")]


def test_a_folder_of_another_machine_replaces_what_was_timed_on_the_same_hardware(tmp_path: Path) -> None:
    reading(tmp_path / "here/cpu", "images", "sd-llm", seconds=6.0)
    reading(tmp_path / "here/cpu", "prompts", "llm", seconds=1.0)
    reading(tmp_path / "copied", "images", "sd-llm", seconds=2.0)
    rows = timing.read([tmp_path / "here", tmp_path / "copied"])
    assert [(row["stage"], row["seconds"]) for row in rows] == [("prompts", 1.0), ("images", 2.0)]


def test_a_stages_rate_weighs_its_cells_by_their_images(tmp_path: Path) -> None:
    reading(tmp_path, "images", "sd-llm", images=10, images_per_second=5.0)
    reading(tmp_path, "images", "sd-caption", images=30, images_per_second=10.0)
    (stage,) = timing.by_stage(timing.read([tmp_path]))
    assert stage["images_per_second"] == 40 / (10 / 5 + 30 / 10)


def test_a_run_that_reused_items_is_marked(tmp_path: Path) -> None:
    reading(tmp_path, "images", "sd-llm")
    assert "took images from the cache" not in timing.build(timing.read([tmp_path]))
    reading(tmp_path, "filter", "sd-llm", reused=4)
    assert "took images from the cache" in timing.build(timing.read([tmp_path]))


@pytest.mark.parametrize("content", [[], {}, {"stage": "images"}, "text"])
def test_a_file_that_is_no_reading_is_named(tmp_path: Path, content: Any) -> None:
    with pytest.raises(MissingError, match="no stage has been timed"):
        timing.read([tmp_path])
    write_json(tmp_path / "images/sd-llm.json", content)
    with pytest.raises(MissingError, match=r"images/sd-llm\.json is not a reading"):
        timing.read([tmp_path])
