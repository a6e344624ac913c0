"""The images API as an engine: retired models, recordings, the ledger, the pace of requests, and the key."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from api_key import KEY
from test_server import REQUEST, SETTINGS, draw, picture, reply, serve

from t2ibench.errors import ConfigError, MissingError, UserError
from t2ibench.images import Made, Refused, Request, Stopped
from t2ibench.images.openai import OpenAIImages
from t2ibench.images.pace import Clock, Pace
from t2ibench.images.recordings import Cassette
from t2ibench.images.retired import LIST, check_served, retirements
from t2ibench.images.shelf import Shelf
from t2ibench.paid.ledger import Ledger, path_of
from t2ibench.pictures import encode_png
from t2ibench.records import Prompt, Sample, file_digest, write_rows
from t2ibench.tiny.server import Answer, LoopbackServer, refusal

ROOT = Path(__file__).parents[1]
FILE = "recordings/run.jsonl"
CANARY = "sk-canary-5f1e0c9b7a3d2e4f"
UNTOLD = {"price_unknown": 0, "input_tokens": 0, "output_tokens": 0}
REQUESTS = [Request(f"a-{n}", "a cat", n) for n in range(6)]


pytestmark = pytest.mark.usefixtures("api_root")


def engine(url: str | None, **changes: Any) -> OpenAIImages:
    return OpenAIImages(**{**SETTINGS, "base_url": url, **changes})


# retired models


@pytest.mark.parametrize("model", ["dall-e-3", "dall-e-2", "gpt-image-1", " DALL-E-3 "])
def test_a_retired_model_is_refused_before_any_request_with_its_successors_and_the_other_ways(model: str) -> None:
    with serve(models=[model]) as server:
        with pytest.raises(ConfigError) as caught:
            engine(server.base_url, model=model)
        assert server.requests == []
    said = str(caught.value)
    assert "images.openai.model" in said and "announced" in said and "\n" not in said
    for word in ("gpt-image-2.5-sunburst", "gpt-image-2.5-flare", "images/folder", "images.openai.recording"):
        assert word in said


def test_a_model_with_a_date_is_served_until_the_day_before() -> None:
    check_served("gpt-image-1.5", date(2026, 11, 30))
    with pytest.raises(ConfigError, match=r"shut down on 2026-12-01, reported"):
        check_served("gpt-image-1.5", date(2026, 12, 1))
    check_served("dall-e-3", date(2026, 5, 11))
    check_served("a-model-that-nobody-listed")


def test_the_bundled_stand_in_may_answer_to_a_retired_name() -> None:
    assert engine(None, model="dall-e-3", server="tiny://standin").identity["model"] == "dall-e-3"


def test_the_list_says_of_each_model_where_it_was_read_and_names_successors_that_it_does_not_list() -> None:
    assert {"dall-e-2", "dall-e-3", "gpt-image-1"} <= retirements().keys()
    for model, retired in retirements().items():
        assert retired.source and retired.successors, model
        assert not set(retired.successors) & retirements().keys(), "a successor that has ended is none"
    assert yaml.safe_load(LIST.read_text()).keys() == retirements().keys()


def test_the_installed_client_knows_the_models_that_the_list_calls_announced() -> None:
    from openai.types import image_model

    said = Path(image_model.__file__).read_text()
    for model, retired in retirements().items():
        if retired.standing == "announced":
            assert f'"{model}"' in said.partition("Deprecated values")[2]
            assert f"{retired.shut_down:%B %-d, %Y}" in said.replace("\n  ", " ")
        assert set(retired.successors) <= set(re.findall(r'"([^"]+)"', said.partition("]")[0] + said))


def test_a_successors_images_say_what_they_stand_for_and_what_answered() -> None:
    with (
        serve(models=["gpt-image-2"], answers_as="gpt-image-2-2026-04-21") as server,
        engine(server.base_url, model="gpt-image-2", response_format=None, send_seed=False) as images,
    ):
        (answer,) = images([REQUEST])
    assert isinstance(answer, Made)
    assert (answer.extra["stand_in_for"], answer.extra["model"]) == ("DALL-E 3", "gpt-image-2-2026-04-21")


# recordings


def workspace(folder: Path, *, base_url: str | None = None, prompts: Sequence[str] = ("a cat", "a cat in snow"),
              **changes: Any) -> None:
    """A folder from which the stage `images` runs, with one source, dalle3-llm, asked of an API."""
    tree = yaml.safe_load((ROOT / "params.yaml").read_text())
    tree["study"] |= {"images_per_prompt": 2, "failures_allowed": 1.0}
    tree["sources"] = {"dalle3-llm": tree["sources"]["dalle3-llm"]}
    api = {"model": "gpt-image-2", "base_url": base_url, "server": None, "size": 16, "quality": None, "attempts": 3,
           "backoff_seconds": 0.01, "price_usd": 0.25, "concurrency": 2, "response_format": None,
           "send_seed": False, "ledger": "ieie2026"}
    tree["images"]["openai"] |= {**api, **changes}
    folder.mkdir(exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(tree))
    for name in ("t2ibench", "experiments"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    made = [Prompt.make("cat", text, "llm", {}) for text in prompts]
    (folder / "data/prompts/llm").mkdir(parents=True, exist_ok=True)
    write_rows(folder / "data/prompts/llm/prompts.jsonl", made)


def start(folder: Path, *command: str, key: str | None = CANARY, **more: str) -> tuple[int, str]:
    """Runs `python -m <command>` there; returns its exit code and all that it printed."""
    given = {k: v for k, v in os.environ.items() if k not in ("DVC_ROOT", "OPENAI_API_KEY")} | {"PYTHONPATH": "."}
    given |= ({"OPENAI_API_KEY": key} if key else {}) | more
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, env=given, text=True, capture_output=True)
    return done.returncode, done.stdout + done.stderr


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


FAULTS = (
    Answer(200, b'{"data": []}'),
    refusal(429, f"slow down, {CANARY}", headers={"Retry-After": "0"}),
    refusal(400, f"not this with {CANARY}", "moderation_blocked"),
    Answer(dropped=True),
)


def random(pairs: Sequence[tuple[str, int]]) -> list[np.ndarray | str]:
    return draw([(f"{prompt} for {CANARY}", seed) for prompt, seed in pairs])


def rows_of(table: bytes) -> list[dict[str, Any]]:
    """The rows without what says where their pictures are from: this file, or the server."""
    rows = [json.loads(line) for line in table.splitlines()]
    return [{key: value for key, value in row.items() if key != "fingerprint"} for row in rows]


def test_a_run_is_exported_and_replayed_without_key_or_network_to_the_same_bytes(tmp_path: Path) -> None:
    live, other = tmp_path / "live", tmp_path / "other"
    with serve(*FAULTS, models=["gpt-image-2"]) as server:
        workspace(live, base_url=server.base_url, prompts=("a cat", "a cat in snow", "a cat at night"))
        code, said = start(live, "experiments.images", "dalle3-llm")
        assert code == 0, said
        asked = len(server.requests)
    found = tree(live / "data/images/dalle3-llm")
    assert found["failures.jsonl"].count(b"\n") == 2 and found["metadata.jsonl"].count(b"\n") == 4
    code, said = start(live, "t2ibench.images.recordings", "export", FILE, "--source", "dalle3-llm", key=None)
    assert code == 0 and f"{asked} answers" in said, said
    first = (live / FILE).read_bytes()
    start(live, "t2ibench.images.recordings", "export", FILE, "--source", "dalle3-llm", key=None)
    assert (live / FILE).read_bytes() == first
    (other / "recordings").mkdir(parents=True)
    (other / FILE).write_bytes(first)

    workspace(other, recording=FILE, prompts=("a cat", "a cat in snow", "a cat at night"))
    code, said = start(other, "experiments.images", "dalle3-llm", key=None)
    assert code == 0, said
    replayed = tree(other / "data/images/dalle3-llm")
    assert {name: content for name, content in replayed.items() if name.endswith(".png")} == {
        name: content for name, content in found.items() if name.endswith(".png")
    }
    assert replayed["failures.jsonl"] == found["failures.jsonl"]
    assert rows_of(replayed["metadata.jsonl"]) == rows_of(found["metadata.jsonl"])
    assert not (other / ".cache/ledger").exists()
    code, said = start(other, "t2ibench.images.recordings", "show", FILE)
    assert json.loads(said)["answers"] == asked and json.loads(said)["images"] == 6


def test_another_cassette_under_the_same_name_gives_other_pictures_and_never_the_stored_ones(tmp_path: Path) -> None:
    replayed, seen, shades = tmp_path / "replayed", [], [40, 200]

    def shaded(pairs: Sequence[tuple[str, int]]) -> list[np.ndarray | str]:
        return [np.full((16, 16, 3), shades[len(seen)], np.uint8) for _ in pairs]

    with serve(models=["gpt-image-2"], draw=shaded) as server:
        for name in ("first", "second"):
            live = tmp_path / name
            workspace(live, base_url=server.base_url, prompts=("a cat",))
            assert start(live, "experiments.images", "dalle3-llm")[0] == 0
            assert start(live, "t2ibench.images.recordings", "export", FILE, "--source", "dalle3-llm", key=None)[0] == 0
            workspace(replayed, recording=FILE, prompts=("a cat",))
            (replayed / "recordings").mkdir(exist_ok=True)
            (replayed / FILE).write_bytes((live / FILE).read_bytes())
            code, said = start(replayed, "experiments.images", "dalle3-llm", key=None)
            assert code == 0, said
            seen.append({path.read_bytes() for path in (replayed / "data/images/dalle3-llm/cat").glob("*.png")})
    assert seen == [{encode_png(np.full((16, 16, 3), shade, np.uint8))} for shade in shades]


def test_a_killed_run_loses_no_reply_and_the_next_one_repeats_no_request(tmp_path: Path) -> None:
    held, folder = threading.Event(), tmp_path / "w"

    class Slow(LoopbackServer):
        def answer(self, path: str, body: dict[str, Any]) -> Answer:
            with self._lock:
                self.requests.append(body)
                late = len(self.requests) in (2, 3)
            if late:
                held.wait(60)
            return reply(encode_png(picture(body["prompt"], 7)))

    with Slow(draw) as server:
        workspace(folder, base_url=server.base_url, concurrency=3, prompts=("a cat", "a cat in snow", "a cat at night"))
        given = {k: v for k, v in os.environ.items() if k != "DVC_ROOT"} | {"PYTHONPATH": "."}
        process = subprocess.Popen([sys.executable, "-m", "experiments.images", "dalle3-llm"], cwd=folder, env=given)
        for _ in range(6000):  # three were sent, one was answered, two are on their way
            if len(server.requests) == 3 and list(folder.glob(".cache/items/??/*-reply-1.json")):
                break
            threading.Event().wait(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(server.requests) == 3 and not (folder / "data/images").exists()
        held.set()
        code, said = start(folder, "experiments.images", "dalle3-llm")
        assert code == 0, said
        assert len(server.requests) == 6, "each of the six images was asked for once"
    rows = (folder / "data/images/dalle3-llm/failures.jsonl").read_text()
    assert rows.count("the run ended before the answer came; it may have been billed") == rows.count("\n") == 2
    told = Ledger(folder / ".cache/ledger/ieie2026.jsonl", 0).summary()
    assert told == UNTOLD | {"asked": 6, "spent_usd": 1.5, "perhaps_usd": 0.5, "outcomes": {"made": 4, "lost": 2}}


def recorded(url: str, path: Path) -> list[Made | Refused]:
    """Asks for three images and exports what came."""
    with engine(url) as images:
        answers = images(REQUESTS[:3])
        rows = [Sample(file_name="", id=r.id, class_name="cat", prompt="a cat", prompt_id="a", index=0, seed=r.seed,
                       engine="openai", fingerprint=entry.fingerprint, sha256="")
                for r in REQUESTS[:3] for entry in Shelf().all() if entry.image == r.id]
    write_rows(path.parent / "data/images/s/metadata.jsonl", rows)
    write_rows(path.parent / "data/images/s/failures.jsonl", [])
    from t2ibench.images.recordings import export

    assert export(path, path.parent / "data/images/s") == 3
    return answers


def test_a_replay_refuses_what_was_not_recorded_and_settings_that_are_others(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with serve() as server:
        live = recorded(server.base_url, path)
        address = server.base_url
    with engine(None, recording=str(path)) as images:
        answers = images([*REQUESTS[:4]])
        assert images.identity["served_by"] == address
        assert images.identity["recording"] == file_digest(path)
    assert [one.png() for one in answers[:3] if isinstance(one, Made)] == [
        one.png() for one in live if isinstance(one, Made)
    ]
    assert answers[3] == Refused("the recording has no answer to this request", 0)
    for change in ({"model": "other"}, {"size": 32}, {"quality": "hd"}, {"send_seed": False}):
        with pytest.raises(ConfigError, match=rf"images\.openai\.{next(iter(change))}: .*as in the recording"):
            engine(None, recording=str(path), **change)


def test_a_replay_of_a_retired_model_is_one_of_the_other_ways(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with serve() as server:
        recorded(server.base_url, path)
    lines = path.read_text().splitlines()
    header = json.loads(lines[0])
    header["identity"]["model"] = "dall-e-3"
    path.write_text("\n".join([json.dumps(header), *lines[1:]]) + "\n")
    assert engine(None, model="dall-e-3", recording=str(path)).identity["model"] == "dall-e-3"


def test_a_damaged_or_absent_cassette_is_named_with_the_line_and_the_command(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with pytest.raises(MissingError, match=r"no recording at .*recordings export"):
        engine(None, recording=str(path))
    with serve() as server:
        recorded(server.base_url, path)
    whole = path.read_bytes()
    for damage, said in (
        (b"{}\n" + whole.partition(b"\n")[2], "is no recording of images"),
        (whole.replace(b'"a cat"', b'"a dog"', 1), r"line 2, is no recorded answer \(its digest is another\)"),
        (whole[:-40], r"line 4, is damaged"),
        (whole.replace(b'"version":1', b'"version":9'), "another format or version"),
    ):
        path.write_bytes(damage)
        with pytest.raises(MissingError, match=said):
            Cassette(path)


def test_a_source_that_no_api_made_cannot_be_exported(tmp_path: Path) -> None:
    workspace(tmp_path / "w")
    sample = Sample(file_name="cat/x.png", id="x-0", class_name="cat", prompt="a cat", prompt_id="x", index=0, seed=1,
                    engine="sd", fingerprint="ab" * 32, sha256="")
    write_rows(tmp_path / "w/data/images/sd-llm/metadata.jsonl", [sample])
    write_rows(tmp_path / "w/data/images/sd-llm/failures.jsonl", [])
    code, said = start(tmp_path / "w", "t2ibench.images.recordings", "export", "x.jsonl", "--source", "sd-llm")
    assert code == 2 and "1 of 1 images" in said and "no recorded answer" in said and "Traceback" not in said
    code, said = start(tmp_path / "w", "t2ibench.images.recordings", "export", "x.jsonl", "--source", "none")
    assert code == 2 and "metadata.jsonl is missing" in said


# the ledger


def test_many_processes_together_never_pass_the_cap(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from t2ibench.paid.ledger import Ledger; "
        "from t2ibench.errors import UserError\n"
        "ledger = Ledger(Path(sys.argv[1]), 1.0)\n"
        "for n in range(20):\n"
        "    try: ledger.ask('f', 'i', 'm', 0.1)\n"
        "    except UserError: break\n"
    )
    path = tmp_path / "ledger.jsonl"
    started = [subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT) for _ in range(3)]
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0]
    assert len(path.read_bytes().splitlines()) == 10
    told = {"asked": 10, "spent_usd": 1.0, "perhaps_usd": 1.0, "outcomes": {"open": 10}}
    assert Ledger(path, 0).summary() == UNTOLD | told


def test_many_threads_together_never_pass_the_cap(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.jsonl", 2.0)

    def spend(_: int) -> bool:
        try:
            return bool(ledger.ask("f", "i", "m", 0.1))
        except UserError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spend, range(60))) == 20


def test_a_request_that_was_not_billed_gives_its_price_back_and_the_first_word_counts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.jsonl", 0.3)
    first, second = (ledger.ask("f", "i", "m", 0.1) for _ in range(2))
    ledger.settle(first, "no", "rate-limited")
    ledger.settle(first, "yes", "made")
    ledger.settle(second, "perhaps", "timed-out")
    assert Ledger(ledger.path, 9).summary() == UNTOLD | {
        "asked": 2, "spent_usd": 0.1, "perhaps_usd": 0.1, "outcomes": {"rate-limited": 1, "timed-out": 1}
    }
    ledger.ask("f", "i", "m", 0.2)
    with pytest.raises(UserError, match=r"costs up to 0\.01 USD.*budget_usd = 0\.3 the study has spent 0\.30"):
        ledger.ask("f", "i", "m", 0.01)


def test_half_a_line_of_a_killed_run_is_cut_off_and_a_damaged_one_stops(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    Ledger(path, 1).ask("f", "i", "m", 0.1)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event": "ask", "id"')
    ledger = Ledger(path, 1)
    ledger.ask("f", "i", "m", 0.2)
    assert ledger.summary()["spent_usd"] == pytest.approx(0.3) and path.read_bytes().startswith(whole)
    for damage in (b"nonsense\n", b'{"event": "settle", "id": "x"}\n', b"[]\n"):
        path.write_bytes(damage + whole)
        with pytest.raises(MissingError, match=r"l\.jsonl is damaged"):
            Ledger(path, 1).summary()


def test_the_command_prints_what_a_study_spent(tmp_path: Path) -> None:
    workspace(tmp_path / "w")
    code, said = start(tmp_path / "w", "t2ibench.paid.ledger", "ieie2026")
    assert code == 2 and "there is no ledger" in said
    Ledger(tmp_path / "w/.cache/ledger/ieie2026.jsonl", 1).ask("f", "i", "m", 0.1)
    code, said = start(tmp_path / "w", "t2ibench.paid.ledger", "ieie2026")
    assert code == 0 and json.loads(said)["spent_usd"] == 0.1


# the pace


class Told(Clock):
    """A clock that stands still unless somebody waits."""

    time = 0.0

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float, stop: Any) -> None:
        self.time += seconds


def test_a_counting_server_sees_no_more_requests_in_any_minute_than_allowed() -> None:
    clock, moments = Told(), list[float]()

    def counted(pairs: Sequence[tuple[str, int]]) -> list[np.ndarray | str]:
        moments.append(clock.time)
        return draw(pairs)

    with serve(draw=counted, batch_size=1) as server:
        images = engine(server.base_url, requests_per_minute=20, concurrency=1)
        images.clock = clock
        with images:
            assert len(images([Request(f"a-{n}", "a cat", n) for n in range(50)])) == 50
    assert len(moments) == 50 and moments[-1] == pytest.approx(49 * 3.0)
    assert max(sum(start <= m < start + 60 for m in moments) for start in moments) == 20


def test_tokens_are_taken_one_by_one_whoever_takes_them() -> None:
    pace = Pace(120, Told())
    with ThreadPoolExecutor(8) as pool:
        waits = sorted(pool.map(lambda _: pace.take(), range(40)))
    assert waits == pytest.approx([n * 0.5 for n in range(40)])
    free = Pace(None, Told())
    assert [free.take() for _ in range(3)] == [0, 0, 0]


def test_a_wait_that_the_server_asks_for_holds_for_all_threads() -> None:
    clock, moments = Told(), list[float]()

    class Counting(LoopbackServer):
        def answer(self, path: str, body: dict[str, Any]) -> Answer:
            moments.append(clock.time)
            return super().answer(path, body)

    slow = refusal(429, "slow", headers={"Retry-After": "90"})
    with Counting(draw, size=16, batch_size=1, faults=[slow]) as server:
        images = engine(server.base_url, concurrency=1)
        images.clock = clock
        with images:
            images(REQUESTS[:2])
    assert moments == [0, 90, 90]


def test_no_more_requests_are_in_flight_than_the_concurrency() -> None:
    flying, most, lock, gate = 0, 0, threading.Lock(), threading.Barrier(3)

    class Counting(LoopbackServer):
        def answer(self, path: str, body: dict[str, Any]) -> Answer:
            nonlocal flying, most
            with lock:
                flying += 1
                most = max(most, flying)
            gate.wait(30)  # three are here at once, or the test fails
            with lock:
                flying -= 1
            return super().answer(path, body)

    with Counting(draw, size=16) as server, engine(server.base_url, concurrency=3) as images:
        images(REQUESTS)
    assert most == 3


# the key


def test_the_key_is_found_in_no_file_log_error_or_output_after_good_and_bad_answers(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    quoting = (Answer(500, CANARY.encode()), Answer(200, f'{{"data": "{CANARY}"}}'.encode()))
    stop = refusal(401, f"Incorrect API key provided: {CANARY}")
    said = ""
    with serve(*FAULTS, *quoting, models=["gpt-image-2"], draw=random) as server:
        workspace(folder, base_url=server.base_url, prompts=(f"a cat like {CANARY[:6]}", "a cat in snow"))
        code, said = start(folder, "experiments.images", "dalle3-llm", OPENAI_LOG="debug")
        assert code == 0 and len(server.requests) >= 6, said
    with serve(stop, models=["gpt-image-2"]) as server:
        workspace(folder, base_url=server.base_url)
        code, more = start(folder, "experiments.images", "dalle3-llm", OPENAI_LOG="debug")
        assert code == 2 and "does not accept the key" in more and "Traceback" not in more, more
    said += more + start(folder, "t2ibench.paid.ledger", "ieie2026")[1]
    assert "openai._base_client" in said, "the client's own log was on"
    assert CANARY not in said and CANARY[3:] not in said
    written = tree(folder / "data") | tree(folder / ".cache")
    assert len(written) > 10 and b"[key]" in b"".join(written.values())
    assert not [name for name, content in written.items() if CANARY.encode() in content or CANARY in name]


@pytest.mark.parametrize("stop", [
    refusal(401, f"Incorrect API key provided: {KEY}"), refusal(403, f"{KEY} may not"),
    refusal(429, KEY, "insufficient_quota"), refusal(400, KEY, KEY, "size"), refusal(400, KEY, KEY),
    refusal(418, KEY), refusal(429, KEY, headers={"x-request-id": KEY, "Retry-After": "0"}), Answer(302, KEY.encode()),
])
def test_an_answer_that_quotes_the_key_puts_it_in_no_error_and_no_file(stop: Answer, api_root: Path) -> None:
    with serve(stop) as server, engine(server.base_url) as images:
        try:
            said = str(images([REQUEST]))
        except Stopped as error:
            said = str(error)
    assert said and KEY not in said
    assert not [name for name, content in tree(api_root).items() if KEY.encode() in content]


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel"])
def test_a_key_that_cannot_be_one_is_refused_and_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with serve() as server:
        with pytest.raises(MissingError, match="holds characters that no key has") as caught, engine(server.base_url):
            pass
        assert server.requests == []
    assert key not in str(caught.value)


def test_a_short_key_of_a_local_server_never_damages_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "A")
    with serve() as server, engine(server.base_url) as images:
        (answer,) = images([replace(REQUEST, prompt_text="A cat")])
    assert isinstance(answer, Made)
    assert (np.asarray(answer.image) == draw([("A cat", 7)])[0]).all()


def test_an_engine_error_hands_over_what_is_finished_and_nothing_of_the_key() -> None:
    with (
        serve(Answer(), refusal(401, KEY)) as server,
        engine(server.base_url, concurrency=1) as images,
        pytest.raises(Stopped) as caught,
    ):
        images(REQUESTS)
    shown = repr(caught.value) + str(caught.value) + repr(caught.value.__dict__) + repr(caught.value.__cause__)
    assert KEY not in shown and caught.value.__suppress_context__
    assert path_of("study").read_text().count(KEY) == 0
