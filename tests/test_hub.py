"""hub: models come from the hub once, resumed and verified, and everything runs without it afterwards."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hub_server import Repository, sha256
from hub_workspace import ROOT, Workspace, entry, pinned, publish, workspace, zipped

from t2ibench import weights
from t2ibench.errors import EXIT_CODE, MissingError
from t2ibench.hub import catalogue, store
from t2ibench.records import digest

BIG = np.random.default_rng(0).bytes(5 << 20)
SMALL = {"config.json": b'{"a": 1}', "weights/model.safetensors": b"tensors" * 1000}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    with workspace(tmp_path, monkeypatch) as found:
        yield found


def test_a_model_is_fetched_verified_and_located_without_the_network(work: Workspace) -> None:
    work.write({"small": publish(work, SMALL)})
    assert work.run("fetch")[0] == 0
    assert work.fetched("small") == SMALL
    work.url = "http://127.0.0.1:1"
    code, said = work.run("fetch")
    assert code == 0 and "was here" in said
    found = weights.locate("hub://small")
    assert found.path == work.folder / ".cache/models/small"
    assert found.digest == digest({path: sha256(content) for path, content in SMALL.items()})


def test_only_what_params_names_is_fetched(work: Workspace) -> None:
    work.write({"small": publish(work, SMALL), "other": publish(work, {"a.pt": BIG}, "owner/other")}, ["small"])
    assert work.run("fetch")[0] == 0
    assert not (work.folder / ".cache/models/other").exists()


def test_a_study_of_bundled_models_fetches_nothing(work: Workspace) -> None:
    work.write({"small": publish(work, SMALL)}, named=[])
    code, said = work.run("fetch")
    assert code == 0 and "bundled" in said and not work.hub.asked


def test_nothing_but_listings_and_files_is_asked_for(work: Workspace) -> None:
    work.write({"small": publish(work, SMALL)})
    work.run("fetch")
    assert {asked.path.split("/")[1] for asked in work.hub.asked} == {"api", "owner", "cdn"}
    assert [asked.path for asked in work.hub.asked if "/api/" in asked.path] == [
        f"/api/models/owner/model/revision/{'a' * 40}"
    ]


def test_a_model_of_one_file_is_located_as_that_file(work: Workspace) -> None:
    work.hub.releases = {"net.pt": BIG}
    work.write({"net": entry(sources=[{"release": f"{work.url}/releases"}], files=pinned({"net.pt": BIG}))})
    assert work.run("fetch")[0] == 0
    assert weights.locate("hub://net").path.name == "net.pt"


def test_a_fetch_that_was_killed_goes_on_where_it_stopped(work: Workspace) -> None:
    work.write({"net": publish(work, {"a.json": b"{}", "net.safetensors": BIG})})
    work.hub.stalls = {"net.safetensors": (7 << 20) // 2}
    with work.start("fetch") as process:
        assert work.hub.stalled.wait(60)
        while not [part for part in work.parts() if part.stat().st_size >= 2 << 20]:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    work.hub.resume.set()
    with pytest.raises(MissingError, match="has not been fetched; this helps: make fetch"):
        weights.locate("hub://net")
    code, said = work.run("fetch")
    assert code == 0, said
    first, second = work.hub.ranges_of("net.safetensors")
    assert first == "" and int(second.removeprefix("bytes=").rstrip("-")) >= 2 << 20
    assert work.fetched("net")["net.safetensors"] == BIG
    assert "MB are here already" in said and not work.parts()


def test_a_connection_that_is_cut_is_taken_up_again_in_the_same_run(work: Workspace) -> None:
    work.write({"net": publish(work, {"net.safetensors": BIG})})
    work.hub.cuts, work.hub.failing = {"net.safetensors": 3 << 20}, {"net.safetensors": 1}
    assert work.run("fetch")[0] == 0
    assert work.fetched("net")["net.safetensors"] == BIG
    assert work.hub.ranges_of("net.safetensors")[-1].startswith("bytes=")


def test_a_server_without_ranges_sends_all_again(work: Workspace) -> None:
    work.write({"net": publish(work, {"net.safetensors": BIG})})
    work.hub.cuts, work.hub.ranges = {"net.safetensors": 3 << 20}, False
    assert work.run("fetch")[0] == 0
    assert work.fetched("net")["net.safetensors"] == BIG


def test_a_part_that_is_spoilt_is_given_up_and_the_file_fetched_anew(work: Workspace) -> None:
    work.write({"net": publish(work, {"net.safetensors": BIG})})
    work.hub.stalls = {"net.safetensors": 3 << 20}
    with work.start("fetch") as process:
        assert work.hub.stalled.wait(60)
        while not work.parts() or not work.parts()[0].stat().st_size:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    work.hub.resume.set()
    part = work.parts()[0]
    part.write_bytes(b"\0" * part.stat().st_size)
    assert work.run("fetch")[0] == 0
    assert work.fetched("net")["net.safetensors"] == BIG


def test_other_bytes_than_recorded_are_refused_and_not_kept(work: Workspace) -> None:
    work.hub.releases = {"net.pt": b"evil" * 99}
    recorded = {"net.pt": [396, sha256(b"good" * 99)]}
    work.write({"net": entry(sources=[{"release": f"{work.url}/releases"}], files=recorded)})
    code, said = work.run("fetch")
    assert code == EXIT_CODE and "Traceback" not in said
    assert re.search(r"net\.pt has the digest \w+…, not the recorded \w+…; nothing of it was kept", said)
    assert "this helps: make fetch" in said and not work.parts() and not work.fetched("net")


def test_a_repository_that_offers_other_bytes_is_refused_before_they_are_downloaded(work: Workspace) -> None:
    model = publish(work, SMALL)
    work.hub.repositories["owner/model"].files["weights/model.safetensors"] = b"evil"
    work.write({"net": model})
    code, said = work.run("fetch")
    assert code == EXIT_CODE and "offers another weights/model.safetensors than the recorded one" in said
    assert not work.hub.downloads()


CAPTIONS = {f"annotations/captions_{part}2017.json": part.encode() * 90_000 for part in ("train", "val")}


def captions(work: Workspace, content: bytes, **changes: Any) -> dict[str, Any]:
    """The caption files as the catalogue has them, with `content` as their archive."""
    work.hub.releases = {"annotations.zip": content}
    archive = {"name": "annotations.zip", "size": len(content), "sha256": sha256(content)}
    given = {"loader": "t2ibench.prompts.coco", "memory_gb": {}, "archive": archive,
             "sources": [{"release": f"{work.url}/releases"}], "files": dict.fromkeys(CAPTIONS)}
    return entry(**{**given, **changes})


def test_caption_files_are_taken_out_of_their_archive_and_nothing_else_is(work: Workspace) -> None:
    others = {"annotations/instances_val2017.json": b"boxes", "../escaped.json": b"out", "/absolute.json": b"out"}
    work.write({"captions": captions(work, zipped({**others, **CAPTIONS}))})
    code, said = work.run("fetch")
    assert code == 0, said
    assert work.fetched("captions") == CAPTIONS, "neither the archive nor what nobody asked for"
    assert not [path for path in work.folder.rglob("*") if path.name in ("escaped.json", "absolute.json")]
    assert 'captions: {"source": ' not in said and 'captions: {source: ' in said, "the line to commit"
    work.url = "http://127.0.0.1:1"
    assert work.run("fetch")[0] == 0 and work.run("verify")[0] == 0
    assert {path.name for path in weights.locate("hub://captions").path.rglob("*.json")} == {
        path.split("/")[-1] for path in CAPTIONS}


def test_an_archive_whose_fetch_was_killed_goes_on_where_it_stopped(work: Workspace) -> None:
    big = {**CAPTIONS, "annotations/instances_train2017.json": BIG}
    work.write({"captions": captions(work, zipped(big))})
    work.hub.stalls = {"annotations.zip": (7 << 20) // 2}
    with work.start("fetch") as process:
        assert work.hub.stalled.wait(60)
        while not [part for part in work.parts() if part.stat().st_size >= 2 << 20]:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    work.hub.resume.set()
    code, said = work.run("fetch")
    assert code == 0, said
    assert work.fetched("captions") == CAPTIONS
    first, second = work.hub.ranges_of("annotations.zip")
    assert first == "" and int(second.removeprefix("bytes=").rstrip("-")) >= 2 << 20
    assert not work.parts()


def test_an_archive_that_is_here_is_not_downloaded_again_after_a_kill_before_it_was_unpacked(work: Workspace) -> None:
    content = zipped(CAPTIONS)
    work.write({"captions": captions(work, content)})
    folder = work.folder / ".cache/models/captions"
    folder.mkdir(parents=True)
    (folder / "annotations.zip").write_bytes(content)
    assert work.run("fetch")[0] == 0
    assert work.fetched("captions") == CAPTIONS and not work.hub.downloads()


def swapped(content: bytes) -> bytes:
    """A byte of the first member is another: the archive's own check finds it."""
    place = content.index(b"train" * 99)
    return content[:place] + b"X" + content[place + 1 :]


@pytest.mark.parametrize(("change", "said"), [
    ({"content": b"another archive"}, r"annotations\.zip has the digest \w+…, not the recorded \w+…; nothing of it"),
    ({"members": {"annotations/captions_val2017.json": b"val"}}, "annotations.zip has no file annotations/captions_t"),
    ({"files": {**dict.fromkeys(CAPTIONS), "annotations/captions_val2017.json": [270_000, "0" * 64]}},
     r"captions_val2017\.json has the digest \w+…, not the recorded 000000000000"),
    ({"files": {**dict.fromkeys(CAPTIONS), "annotations/captions_val2017.json": [9, None]}},
     "captions_val2017.json says to have 270,000 bytes, more than it may"),
    ({"damage": True}, "is not an archive that can be read"),
    ({"raw": b"no zip at all"}, "is not an archive that can be read"),
])
def test_an_archive_that_is_not_as_meant_is_one_sentence_and_leaves_nothing(
    work: Workspace, change: dict[str, Any], said: str
) -> None:
    good = zipped(CAPTIONS)
    content = change.get("raw") or (zipped(change["members"]) if "members" in change else good)
    content = swapped(content) if "damage" in change else content
    model = captions(work, content, **({"files": change["files"]} if "files" in change else {}))
    if "content" in change:
        work.hub.releases["annotations.zip"] = change["content"] * 99
    work.write({"captions": model})
    code, told = work.run("fetch")
    assert code == EXIT_CODE and "Traceback" not in told
    assert re.search(said, told), told
    assert "this helps: make fetch" in told
    assert not list((work.folder / ".cache/models/captions").rglob("*.zip")) and not work.parts()
    with pytest.raises(MissingError, match="has not been fetched"):
        weights.locate("hub://captions")


def test_where_the_data_sets_own_address_is_gone_its_mirror_is_taken(work: Workspace) -> None:
    model = captions(work, zipped(CAPTIONS))
    model["sources"].insert(0, {"release": f"{work.url}/gone"})
    work.write({"captions": model})
    assert work.run("fetch")[0] == 0
    assert store.fetched(catalogue.entry("captions")).source == f"{work.url}/releases"  # type: ignore[union-attr]


def test_coco_is_fetched_where_params_name_it_and_pinned_by_its_archive() -> None:
    one = catalogue.entry("hub://coco-captions")
    assert one.archive is not None and one.archive.name == "annotations_trainval2017.zip"
    assert (one.archive.size, one.settled) == (252907541, False)
    assert one.archive.sha256 and sorted(one.files) == sorted(CAPTIONS)
    assert [found.name for found in catalogue.named({"prompts": {"coco": {"captions": ["hub://coco-captions"]}}})] == [
        "coco-captions"]


@pytest.mark.parametrize("gone", ["repository", "revision", "file", "content"])
def test_where_a_source_is_gone_the_next_one_is_taken(work: Workspace, gone: str) -> None:
    model = publish(work, SMALL, "owner/first")
    first = work.hub.repositories["owner/first"]
    work.hub.repositories["mirror/model"] = Repository(dict(SMALL), "b" * 40)
    model["sources"].append({"repository": "mirror/model", "revision": None})
    if gone == "repository":
        del work.hub.repositories["owner/first"]
    elif gone == "revision":
        first.revision = "c" * 40
    elif gone == "file":
        del first.files["config.json"]
    else:
        first.files["config.json"] = b"not what the listing of the pinned revision named"
    work.write({"net": model})
    code, said = work.run("fetch")
    assert code == 0 and work.fetched("net") == SMALL, said
    note = store.fetched(catalogue.entry("hub://net"))
    assert note is not None and (note.source, note.revision) == ("mirror/model", "b" * 40)


def test_where_every_source_is_gone_each_is_named_with_its_reason(work: Workspace) -> None:
    model = publish(work, SMALL)
    model["sources"].append({"release": f"{work.url}/releases"})
    del work.hub.repositories["owner/model"]
    work.write({"net": model})
    code, said = work.run("fetch")
    assert code == EXIT_CODE and "Traceback" not in said
    assert "owner/model is gone, or not public" in said
    assert "answers with HTTP status 404" in said and "T2IBENCH_CATALOGUE" in said


def test_a_licence_that_is_not_accepted_is_told_with_what_helps(work: Workspace) -> None:
    model = publish(work, SMALL, licence="Some Licence", terms=True)
    work.hub.repositories["owner/model"].gated, work.hub.token = True, "canary-key"
    work.write({"net": model})
    code, said = work.run("fetch")
    assert code == EXIT_CODE and "Some Licence" in said and "hf auth login" in said and "HF_TOKEN" in said
    work.extra = {"HF_TOKEN": "wrong"}
    assert work.run("fetch")[0] == EXIT_CODE
    work.extra = {"HF_TOKEN": "canary-key"}
    code, said = work.run("fetch")
    assert code == 0 and work.fetched("net") == SMALL and "canary-key" not in said
    assert not [file for file in work.folder.rglob("*") if file.is_file() and b"canary-key" in file.read_bytes()]


def test_the_key_goes_to_the_hub_only(work: Workspace) -> None:
    work.hub.releases = {"net.pt": BIG}
    released = entry(sources=[{"release": f"{work.url}/releases"}], files=pinned({"net.pt": BIG}))
    work.write({"net": released, "small": publish(work, SMALL)})
    work.extra = {"HF_TOKEN": "canary-key"}
    assert work.run("fetch")[0] == 0
    assert {asked.path.split("/")[1] for asked in work.hub.asked if asked.key} == {"api", "owner"}
    assert {asked.path.split("/")[1] for asked in work.hub.asked if not asked.key} == {"releases", "cdn"}


@pytest.mark.parametrize("how", ["refused", "offline"])
def test_without_a_network_one_sentence_says_so(work: Workspace, how: str) -> None:
    work.write({"net": publish(work, SMALL)})
    if how == "refused":
        work.url = "http://127.0.0.1:1"
    else:
        work.extra = {"HF_HUB_OFFLINE": "1"}
    code, said = work.run("fetch")
    assert code == EXIT_CODE and "Traceback" not in said
    assert "the network cannot be reached" in said and "make fetch" in said


def test_two_fetches_at_once_do_not_write_into_each_other(work: Workspace) -> None:
    work.write({"net": publish(work, {"net.safetensors": BIG})})
    work.hub.stalls = {"net.safetensors": 1 << 20}
    with work.start("fetch") as first:
        assert work.hub.stalled.wait(60)
        code, said = work.run("fetch")
        assert code == EXIT_CODE and "another fetch is running" in said
        work.hub.resume.set()
        first.communicate(timeout=60)
    assert first.returncode == 0 and work.fetched("net")["net.safetensors"] == BIG


def test_a_file_that_changed_after_it_was_fetched_is_noticed_and_fetched_again(work: Workspace) -> None:
    work.write({"small": publish(work, SMALL)})
    work.run("fetch")
    (work.folder / ".cache/models/small/config.json").write_bytes(b"{}")
    with pytest.raises(MissingError, match=r"config\.json has changed since it was fetched; this helps: make fetch"):
        weights.locate("hub://small")
    assert work.run("fetch")[0] == 0
    assert work.fetched("small") == SMALL
    assert work.hub.downloads()["model.safetensors"] == 1, "what was right was not fetched again"


def test_a_new_revision_in_the_catalogue_makes_the_old_files_absent(work: Workspace) -> None:
    old = publish(work, {**SMALL, "old.json": b"1"})
    work.write({"small": old})
    work.run("fetch")
    new = publish(work, SMALL)
    work.hub.repositories["owner/model"].revision = new["sources"][0]["revision"] = "d" * 40
    work.write({"small": new})
    with pytest.raises(MissingError, match="the catalogue records dddd"):
        weights.locate("hub://small")
    assert work.run("fetch")[0] == 0 and work.fetched("small") == SMALL


def test_what_is_not_recorded_is_taken_from_the_listing_and_the_line_to_commit_printed(work: Workspace) -> None:
    files = {**SMALL, "extra.bin": BIG, "tokenizer/vocab.json": b"[]"}
    model = publish(work, files, files={"config.json": None}, include=["weights/*", "tokenizer*/*"], verified=False)
    model["sources"] = [{"repository": "owner/model", "revision": None}]
    work.write({"net": model})
    code, said = work.run("fetch")
    wanted = {path: content for path, content in files.items() if path != "extra.bin"}
    assert code == 0 and work.fetched("net") == wanted
    over_all = digest({path: sha256(content) for path, content in wanted.items()})
    line = f'net: {{source: "owner/model", revision: "{"a" * 40}", digest: "{over_all}"}}'
    assert line in said and line in work.run("verify")[1]
    (work.folder / "confirmed.yaml").write_text(line + "\n")
    code, said = work.run("verify")
    assert code == 0 and "as recorded" in said and "Commit" not in said


def test_what_was_confirmed_is_pinned_for_everybody_else(work: Workspace) -> None:
    model = publish(work, SMALL, files={path: None for path in SMALL}, verified=False)
    work.write({"net": model})
    right = digest({path: sha256(content) for path, content in SMALL.items()})
    line = 'net: {{source: "owner/model", revision: "{}", digest: "{}"}}\n'
    (work.folder / "confirmed.yaml").write_text(line.format("a" * 40, "0" * 64))
    code, said = work.run("fetch")
    assert code == EXIT_CODE and "other files than were confirmed" in said
    (work.folder / "confirmed.yaml").write_text(line.format("a" * 40, right))
    assert work.run("fetch")[0] == 0


def test_verify_hashes_again_whatever_the_time_of_change_says(work: Workspace) -> None:
    work.write({"small": publish(work, SMALL)})
    work.run("fetch")
    file = work.folder / ".cache/models/small/config.json"
    before = file.stat()
    file.write_bytes(b'{"a": 2}')
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    code, said = work.run("verify")
    assert code == EXIT_CODE and "config.json is gone or has changed" in said


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"files": {"net.pt": None}}, "runs code when it is read, and has no digest"),
        ({"files": {"../net.bin": None}}, "leaves the model's folder"),
        ({"files": {"net.bin": None}, "verified": True}, "not every digest is recorded"),
        ({"files": {"net.bin": None}, "sources": [{}]}, "either repository or release"),
        ({"files": {"net.bin": None}, "archive": {"name": "net.zip"}, "sources": [{"repository": "owner/model"}]},
         "archive needs releases"),
        ({"files": {"net.bin": None}, "archive": {"name": "../net.zip"}}, "archive.name"),
        ({"files": {"net.bin": None}, "surprise": 1}, "surprise"),
    ],
)
def test_a_catalogue_that_is_wrong_says_where(work: Workspace, change: dict[str, Any], complaint: str) -> None:
    work.write({"net": {**entry(sources=[{"release": "http://127.0.0.1:1/r"}]), **change}})
    code, said = work.run("fetch")
    assert code == EXIT_CODE and complaint in said


def test_an_unknown_name_names_the_known_ones(work: Workspace) -> None:
    work.write({"small": publish(work, SMALL)}, ["smal"])
    code, said = work.run("fetch")
    assert code == EXIT_CODE and "hub://small" in said


def test_a_listing_that_leaves_the_folder_is_refused(work: Workspace) -> None:
    model = publish(work, {"a.json": b"1", "../../evil.json": b"2"}, files={}, include=["*.json"], verified=False)
    work.write({"net": model})
    code, said = work.run("fetch")
    assert code == EXIT_CODE and "leaves the model's folder" in said
    assert not list(work.folder.rglob("evil.json"))


def test_the_loopback_hub_satisfies_the_hubs_own_client(work: Workspace) -> None:
    work.write({"small": publish(work, SMALL)})
    code = "from huggingface_hub import hf_hub_download as get\n"
    code += "print(*(get('owner/model', f) for f in ('config.json', 'weights/model.safetensors')), sep='\\n')"
    environment = {**work.environment, "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert [Path(line).read_bytes() for line in done.stdout.split()] == list(SMALL.values())


# the committed catalogue


def test_every_recorded_model_says_all_that_it_has_to() -> None:
    known = catalogue._read(catalogue.BUNDLED)
    for name, model in known.items():
        sizes = [file.size for file in model.files.values()]
        if not model.include and None not in sizes:
            assert abs(sum(size or 0 for size in sizes) / 1e9 - model.gigabytes) < 0.01, name
        assert model.verified == (not model.include and all(file.sha256 for file in model.files.values())), name
        assert model.terms == (name == "sd35-medium")
    wanted = {"sd15", "sd15-inpainting", "sdxl", "sd-turbo", "sd35-medium", "clip-b32", "clip-l14", "clip-h14",
              "restormer-motion", "restormer-defocus", "blip", "blip2", "coco-captions"}
    yolos = {f"yolov8{size}{task}" for size in "nsmlx" for task in ("", "-seg")}
    assert set(known) == wanted | yolos


def test_the_documentation_names_every_model_with_its_licence() -> None:
    page = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    for name, model in catalogue._read(catalogue.BUNDLED).items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert model.licence in row and f"{model.gigabytes:g}" in row, name
