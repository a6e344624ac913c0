"""The review page over HTTP: whom it answers, what it serves, what it writes, and how it refuses to start."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from review_server import ROOT, SOURCE, Server, make_source

from t2ibench.errors import ConfigError, MissingError, UserError
from t2ibench.filter.review import __main__ as command
from t2ibench.filter.review.gallery import load
from t2ibench.filter.reviews import Review, read, write
from t2ibench.records import Sample

FILE = Path("reviews") / f"{SOURCE}.csv"


@pytest.fixture(scope="module")
def samples(root: Path) -> list[Sample]:
    return make_source(root, 60)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def anna(root: Path, samples: list[Sample]) -> Iterator[Server]:
    with Server(root, "anna") as server:
        yield server


def rows(root: Path, samples: list[Sample]) -> list[Review]:
    return read(root / FILE, {sample.id for sample in samples})


def test_a_decision_is_on_the_disk_when_it_is_answered(anna: Server, root: Path, samples: list[Sample]) -> None:
    (root / FILE).unlink(missing_ok=True)
    assert anna.decide(samples[0].id, "keep") == 200
    assert anna.decide(samples[1].id, "reject", "two\nheads, “odd” \0") == 200
    assert rows(root, samples) == [Review(samples[0].id, "keep", "anna", ""),
                                   Review(samples[1].id, "reject", "anna", "two heads, “odd”")]
    assert anna.decide(samples[0].id, None) == 200
    assert [row.id for row in rows(root, samples)] == [samples[1].id]
    assert json.loads(anna.ask("/api/reviews")[1]) == {
        samples[1].id: {"decision": "reject", "note": "two heads, “odd”"}
    }


def test_a_foreign_page_gets_nothing_and_writes_nothing(anna: Server, root: Path, samples: list[Sample]) -> None:
    before = (root / FILE).read_bytes() if (root / FILE).exists() else None
    own = f"127.0.0.1:{anna.port}"
    for headers in ({"Host": "evil.example"}, {"Host": f"evil.example:{anna.port}"}, {"Host": "127.0.0.1"},
                    {"Host": ""}, {"Origin": "http://evil.example"}, {"Origin": "null"},
                    {"Origin": f"https://{own}"}, {"Origin": f"http://{own}.evil.example"},
                    {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}):
        assert anna.decide(samples[5].id, "reject", **headers) == 403, headers
        for path in ("/", "/api/gallery", "/api/reviews", f"/pictures/{samples[0].id}", "/static/main.js"):
            assert anna.ask(path, **headers)[0] == 403, (path, headers)
    assert ((root / FILE).read_bytes() if (root / FILE).exists() else None) == before
    assert anna.ask("/", Host=f"localhost:{anna.port}")[0] == 200
    assert anna.ask("/api/reviews", Origin=f"http://{own}", Sec_Fetch_Site="same-origin")[0] == 200


def test_only_listed_pictures_are_served(anna: Server, root: Path, samples: list[Sample]) -> None:
    (root / "data/images" / SOURCE / "dog/unlisted.png").write_bytes(b"secret")
    for path in ("/pictures/unlisted", "/pictures/dog/unlisted.png", "/pictures/../params.yaml",
                 "/pictures/..%2f..%2f..%2fparams.yaml", "/pictures/%2e%2e/%2e%2e/params.yaml", "/pictures//etc/passwd",
                 "/thumbnails/unlisted", "/thumbnails/..%2fmetadata.jsonl", "/static/../server.py",
                 "/static/..%2fserver.py", "/static/%2e%2e/server.py", "/static//etc/passwd", "/docs",
                 "/openapi.json", "/metadata.jsonl"):
        status, body, _ = anna.ask(path)
        assert status == 404 and b"secret" not in body and b"classes" not in body, path
    status, body, headers = anna.ask(f"/pictures/{samples[0].id}?v=1")
    assert status == 200
    assert body == (root / "data/images" / SOURCE / samples[0].file_name).read_bytes()
    assert headers["content-type"] == "image/png" and "immutable" in headers["cache-control"]
    assert "default-src 'none'" in headers["content-security-policy"]


def test_a_change_that_makes_no_sense_is_refused(anna: Server, root: Path, samples: list[Sample]) -> None:
    (root / FILE).unlink(missing_ok=True)
    good = {"source": SOURCE, "reviewer": "anna", "id": samples[0].id, "decision": "keep", "note": ""}
    for change, status in (({"id": "nowhere-0"}, 404), ({"id": "../x"}, 404), ({"id": "\ud800"}, 404),
                           ({"decision": "maybe"}, 422), ({"note": "x" * 3000}, 422),
                           ({"note": "\ud800"}, 422), ({"note": 3}, 422), ({"more": 1}, 422),
                           ({"reviewer": "ben"}, 409), ({"source": "another"}, 409)):
        answer = anna.ask("/api/reviews", {**good, **change})
        assert answer[0] == status and json.loads(answer[1])["error"], change
    assert anna.ask("/api/reviews", b"{")[0] == 422
    assert anna.ask("/api/reviews", good, Content_Type="text/plain")[0] == 422
    assert not (root / FILE).exists()


def test_a_file_that_became_bad_is_left_alone_and_named(anna: Server, root: Path, samples: list[Sample]) -> None:
    (root / FILE).parent.mkdir(exist_ok=True)
    (root / FILE).write_text("id,decision,reviewer,note\n<<<<<<< ours\n")
    status, body, _ = anna.ask(
        "/api/reviews", {"source": SOURCE, "reviewer": "anna", "id": samples[0].id, "decision": "keep"}
    )
    assert status == 409 and "line 2" in json.loads(body)["error"]
    assert "<<<<<<<" in (root / FILE).read_text()
    (root / FILE).unlink()


def test_two_reviewers_at_once_lose_no_row_and_are_blind(anna: Server, root: Path, samples: list[Sample]) -> None:
    (root / FILE).unlink(missing_ok=True)
    with Server(root, "ben") as ben, ThreadPoolExecutor(6) as pool:
        jobs = [(server, sample.id) for sample in samples[:20] for server in (anna, ben)]
        done = list(pool.map(lambda job: job[0].decide(job[1], "keep" if job[0] is anna else "reject"), jobs))
        assert set(done) == {200}
        assert len(rows(root, samples)) == 40
        assert {row["decision"] for row in json.loads(ben.ask("/api/reviews")[1]).values()} == {"reject"}
        assert {row["decision"] for row in json.loads(anna.ask("/api/reviews")[1]).values()} == {"keep"}
        shown = json.loads(ben.ask("/api/gallery")[1])
        assert all("review" not in image and image["reason"] != "review" for image in shown["images"])
        assert b"anna" not in ben.ask("/api/gallery")[1] + ben.ask("/api/reviews")[1]
        assert ben.stop(signal.SIGINT) == 0


def test_a_large_picture_gets_a_small_thumbnail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from t2ibench.filter.review.server import _thumbnail

    samples = make_source(tmp_path, 4, size=1024)
    monkeypatch.chdir(tmp_path)
    picture = load(SOURCE, ("cat",))[samples[0].id]
    small = _thumbnail(picture)
    assert picture.size == (1024, 1024) and small != picture.path
    assert small.stat().st_size < picture.path.stat().st_size or small.parent.name == "thumbnails"
    assert _thumbnail(picture) == small


def start(monkeypatch: pytest.MonkeyPatch, root: Path, *arguments: str) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["review", *arguments])
    command.main()


@pytest.mark.parametrize("source, reviewer, error, words", [
    ("sd", "anna", ConfigError, "accepted: empty, sd-llm"),
    ("", "anna", ConfigError, "accepted: empty, sd-llm"),
    ("../sd-llm", "anna", ConfigError, "accepted: empty, sd-llm"),
    ("empty", "anna", MissingError, "dvc repro images@empty"),
    (SOURCE, "", ConfigError, "reviewer"),
    (SOURCE, "a,b", ConfigError, "commas"),
    (SOURCE, "a\nb", ConfigError, "line breaks"),
])
def test_it_says_what_is_wrong_before_it_listens(
    samples: list[Sample], root: Path, monkeypatch: pytest.MonkeyPatch, source: str, reviewer: str,
    error: type[UserError], words: str,
) -> None:
    with pytest.raises(error, match=words):
        start(monkeypatch, root, source, "--reviewer", reviewer, "--port", "0")


def test_a_port_that_is_taken_is_an_error(
    samples: list[Sample], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="--port"):
            start(monkeypatch, root, SOURCE, "--reviewer", "anna", "--port", str(taken.getsockname()[1]))
    with pytest.raises(ConfigError, match="65535"):
        start(monkeypatch, root, SOURCE, "--reviewer", "anna", "--port", "70000")


def test_it_listens_on_loopback() -> None:
    with command._listen(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_source_that_is_incomplete_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = make_source(tmp_path, 8)
    folder, decisions = tmp_path / "data/images" / SOURCE, tmp_path / "data/filter" / SOURCE / "decisions.jsonl"
    monkeypatch.chdir(tmp_path)
    assert len(load(SOURCE, ("cat",))) == 8
    lines = decisions.read_text().splitlines()
    decisions.write_text("\n".join(lines[1:]))
    with pytest.raises(MissingError, match=f"1 images yet, such as {samples[0].id}; this helps: dvc repro filter"):
        load(SOURCE, ("cat",))
    decisions.unlink()
    with pytest.raises(MissingError, match=r"decisions\.jsonl is missing; this helps: dvc repro filter@sd-llm"):
        load(SOURCE, ("cat",))
    decisions.write_text("\n".join(lines))
    (folder / samples[3].file_name).write_bytes(b"no picture")
    with pytest.raises(MissingError, match="is damaged"):
        load(SOURCE, ("cat",))
    (folder / samples[3].file_name).unlink()
    with pytest.raises(MissingError, match=f"{samples[3].id}.png is missing"):
        load(SOURCE, ("cat",))
    (folder / samples[3].file_name).symlink_to(tmp_path / "params.yaml")
    with pytest.raises(MissingError, match="leads out of its folder"):
        load(SOURCE, ("cat",))


def test_bad_lines_of_the_review_are_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    samples = make_source(tmp_path, 8)
    write(tmp_path / FILE, [Review("gone-0", "keep", "anna", ""), Review(samples[0].id, "keep", "anna", "")])
    line = f"{samples[0].id},reject,anna,\n"
    (tmp_path / FILE).write_text((tmp_path / FILE).read_text() + line)
    run = subprocess.run([sys.executable, "-m", "t2ibench.filter.review", SOURCE, "--reviewer", "anna", "--port", "0"],
                         cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert run.returncode == 2 and run.stdout == ""
    assert len(run.stderr.splitlines()) == 1 and "gone-0" in run.stderr and "already" in run.stderr
