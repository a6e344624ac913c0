"""The prompts stage: what names a class, the two engines, and every way in which their input can be wrong."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from api_key import KEY
from omegaconf import OmegaConf

from t2ibench.errors import ConfigError, MissingError, UserError
from t2ibench.hub import catalogue, store
from t2ibench.prompts import PromptSet
from t2ibench.prompts.coco import ANOTHER, BUNDLED, COCO_RULES, CocoPrompts, sort_captions
from t2ibench.prompts.llm import RECORDING, LLMPrompts
from t2ibench.prompts.naming import OTHERS, fault, judge
from t2ibench.records import CLASSES, Prompt, digest, file_digest
from t2ibench.weights import locate

ROOT = Path(__file__).parents[1]
COCO = ROOT / "../shared/coco/captions_val2017.json"
DOGS = [f"A dog throws ball number {n} in the park." for n in ("one", "two", "three", "four")]

# naming


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A DOG'S tail", "dog"),
        ("the dogs’ leashes", "dog"),
        ("Two sheep", "sheep"),
        ("a cat with kittens", "cat"),
        ("an elephant and its calf", "elephant"),
        ("a horse-drawn wagon", "horse"),
        ("a dog eats a hot dog", "dog"),
        ("a cat eyes a hot dog", "hot-dog"),
        ("a bird on a wooden bird feeder", "bird"),
        ("a cat eyes a bird feeder", "bird-house"),
        ("a bear hugs a tree next to bear cubs", "bear"),
        ("two bears cross the road", "bear"),
        ("trees that bear ripe fruit", "bear-verb"),
        ("a herd of zebra crossing a river", "zebra"),
        ("a cat walks past", "cat"),
        ("a cat beside the mouse of a computer", "cat"),
        ("a cat beside a mouse", "another-animal"),
        ("a coward", "inside-a-word"),
        ("A Cowboy rides a horse", "horse"),
        ("two Teddy-Bears", "teddy-bear"),
        ("Hot-Dogs on a grill", "hot-dog"),
        ("people ride on horsebacks", "horseback"),
        ("a man on horse-back", "horseback"),
        ("birdhouses hang", "bird-house"),
        ("a bird's house", "bird-house"),
        ("birdcage with a bird", "bird"),
        ("statues of two elephants", "depiction"),
        ("a horse statue", "depiction"),
        ("toy animals: a zebra", "depiction"),
        ("a polar bear stuffed toy", "depiction"),
        ("the cows' field", "cow"),
        ("COWS", "cow"),
        ("the sheep's wool", "sheep"),
        ("calves in a field", "synonym"),
        ("a cow with two calves", "cow"),
        ("geese", "synonym"),
        ("oxen and a cow", "cow"),
        ("mice and a cat", "another-animal"),
        ("a dog beside wolves", "another-animal"),
        ("a category", "inside-a-word"),
        ("puppies", "synonym"),
        ("a dog and puppies and a kitten", "several-classes"),
        ("a bulldog near a dog", "dog"),
        ("a stone and a dog", "dog"),
        ("a stone dog", "depiction"),
        ("", "empty"),
        ("…", "empty"),
    ],
)
def test_a_sentence_names_one_class_or_falls_under_one_rule(text: str, expected: str) -> None:
    name, rule = judge(text)
    assert (name or rule) == expected and not (name and rule)


# captions


def coco_file(path: Path, captions: list[Any]) -> Path:
    rows = [{"id": n, "image_id": n, "caption": c} for n, c in enumerate(captions)]
    path.write_text(json.dumps({"images": [], "annotations": rows}))
    return path


def test_every_bundled_caption_falls_where_it_says() -> None:
    rows = json.loads(BUNDLED.read_text())["annotations"]
    found = sort_captions([BUNDLED])
    expected = [row["expected"] for row in rows]
    assert {name: len(kept) for name, kept in found.kept.items()} == {name: expected.count(name) for name in CLASSES}
    assert found.rejected == {rule: expected.count(rule) for rule in COCO_RULES}
    assert min(found.rejected.values()) >= 3, "each rule has its hard cases"
    assert sum(found.rejected.values()) >= 60 and min(map(len, found.kept.values())) >= 14
    where = {caption.id: name for name, kept in found.kept.items() for caption in kept}
    for row in rows:
        assert where.get(row["id"], row["expected"]) == row["expected"]
        if row["expected"] not in ("too-long", "duplicate"):
            name, rule = judge(row["caption"] or "")
            assert (name or rule) == row["expected"], row["caption"]


def test_sampling_depends_on_the_seed_and_the_ids_and_not_on_the_files_order(tmp_path: Path) -> None:
    document = json.loads(BUNDLED.read_text())
    document["annotations"].reverse()
    turned = tmp_path / BUNDLED.name  # captions are counted by the name of their file
    turned.write_text(json.dumps(document))
    first = CocoPrompts()(CLASSES, seed=1)
    assert first == CocoPrompts(turned)(CLASSES, seed=1)
    assert first != CocoPrompts()(CLASSES, seed=2)
    assert [p.class_name for p in first] == [name for name in CLASSES for _ in range(10)]
    assert first.prompts[0].origin.keys() == {"caption_id", "image_id"} and first.prompts[0].kind == "coco"
    assert first.read == len(document["annotations"]) == len(first.prompts) + sum(first.rejected.values())
    fewer = CocoPrompts(per_class=3)(["dog"], seed=1)
    assert list(fewer) == [p for p in first if p.class_name == "dog"][:3], "neither other classes nor the count matter"


def test_a_caption_that_is_there_twice_is_used_once(tmp_path: Path) -> None:
    found = sort_captions([coco_file(tmp_path / "c.json", ["A dog runs.", "a  DOG runs", "A dog sits."])])
    assert [caption.id for caption in found.kept["dog"]] == [0, 2] and found.rejected["duplicate"] == 1


def test_a_caption_beyond_the_limit_is_rejected(tmp_path: Path) -> None:
    path = coco_file(tmp_path / "c.json", ["A dog runs fast.", "A dog runs very fast."])
    assert sort_captions([path], max_words=4).rejected["too-long"] == 1


def two_files(folder: Path) -> tuple[Path, Path]:
    """Train and val of one data set: the ids of the second go on where those of the first end."""
    folder.mkdir(parents=True, exist_ok=True)
    train, val = folder / "captions_train2017.json", folder / "captions_val2017.json"
    for path, start, texts in ((train, 0, ["A dog runs.", "A cat naps.", "A house.", "A dog sits."]),
                               (val, 10, ["A dog eats.", "a DOG runs", "A cat hides."])):
        rows = [{"id": start + n, "image_id": start + n, "caption": text} for n, text in enumerate(texts)]
        path.write_text(json.dumps({"images": [], "annotations": rows}))
    return train, val


def test_train_and_val_are_one_run_counted_by_file(tmp_path: Path) -> None:
    train, val = two_files(tmp_path)
    found = CocoPrompts([str(train), str(val)], per_class=2)(["dog", "cat"], seed=0)
    assert found == CocoPrompts([val, train], per_class=2)(["dog", "cat"], seed=0), "the files' order is no matter"
    assert found.read == 7 == len(found.prompts) + sum(found.rejected.values())
    assert found.files == {"captions_train2017.json": {"read": 4, "kept": 3},
                           "captions_val2017.json": {"read": 3, "kept": 2}}
    assert found.rejected["duplicate"] == 1, "the same words in both files"
    assert len({prompt.origin["caption_id"] for prompt in found}) == 4
    assert {prompt.origin["caption_id"] for prompt in found if prompt.class_name == "cat"} == {1, 12}


def test_the_hubs_name_stands_for_both_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    locate.cache_clear()
    entry = catalogue.entry("hub://coco-captions")
    with pytest.raises(MissingError, match=r"hub://coco-captions .* has not been fetched; this helps: make fetch"):
        CocoPrompts("hub://coco-captions", per_class=1)(["dog"], seed=0)
    both = two_files(store.folder(entry) / "annotations")
    store.write(entry, "a source", None, {f"annotations/{path.name}": file_digest(path) for path in both})
    found = CocoPrompts("hub://coco-captions", per_class=2)(["dog"], seed=0)
    assert found == CocoPrompts(list(both), per_class=2)(["dog"], seed=0)
    locate.cache_clear()


def test_files_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    train, _ = two_files(tmp_path)
    _, other = two_files(tmp_path / "other")
    for given, said in (([], "a caption file"), ([train, train], "names of their own"),
                        ([train, other.rename(other.with_name(train.name))], "names of their own")):
        with pytest.raises(ConfigError, match=rf"prompts\.coco\.captions.*{said}"):
            CocoPrompts(given)(["dog"], seed=0)


def test_the_stage_writes_what_each_file_gave(tmp_path: Path) -> None:
    train, val = two_files(tmp_path)
    for name in ("t2ibench", "experiments", "params.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    run = subprocess.run(
        [sys.executable, "-m", "experiments.prompts", "coco", f"prompts.coco.captions=[{train.name},{val.name}]",
         "study.classes=[dog,cat]", "prompts.coco.per_class=2"],
        cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": "."})
    assert run.returncode == 0, run.stderr
    told = json.loads((tmp_path / "data/prompts/coco/rejected.json").read_text())
    assert told["files"]["captions_val2017.json"] == {"kept": 2, "read": 3}
    assert sum(one["read"] for one in told["files"].values()) == told["read"]


def test_cocos_own_captions_are_sorted_as_they_were_when_read_by_eye() -> None:
    if not COCO.exists():
        pytest.skip(f"COCO's captions are not at {COCO}")
    run = subprocess.run(
        [sys.executable, "-m", "t2ibench.prompts.coco", str(COCO)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = json.loads(run.stdout)
    assert found["kept"] == COCO_KEPT
    assert {rule: count for rule, count in found["rejected"].items() if count} == COCO_REJECTED
    assert found["rejected"].keys() == COCO_RULES.keys()
    assert found["steps"] == steps(COCO_LETTERS, COCO_LOST)
    assert found["files"] == {"captions_val2017.json": {"read": 25014, "kept": sum(COCO_KEPT.values())}}
    assert sum(found["kept"].values()) + sum(found["rejected"].values()) == found["read"] == 25014
    drawn = CocoPrompts(COCO, per_class=50)(CLASSES, seed=0)
    assert len(drawn.prompts) == 500 and drawn.read == 25014 == 500 + sum(drawn.rejected.values())


def test_the_command_imports_nothing_heavy() -> None:
    code = (
        "import sys, t2ibench.prompts.coco; "
        "print([m for m in ('torch', 'numpy', 'openai', 'pydantic', 'omegaconf') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no caption file at"),
        ("not json", "a JSON file"),
        ("[]", "'images'"),
        ('{"annotations": []}', "'images'"),
        ('{"images": []}', "'annotations'"),
        ('{"images": [], "annotations": [{"id": 1, "image_id": 2}]}', r"annotations\[0\].*'caption'"),
        ('{"images": [], "annotations": [{"id": 1, "caption": "a dog"}]}', "'image_id'"),
        ('{"images": [], "annotations": [{"image_id": 1, "caption": "a dog"}]}', "'id'"),
        ('{"images": [], "annotations": [{"id": "x", "image_id": 1, "caption": "a dog"}]}', "a whole number"),
        ('{"images": [], "annotations": [7]}', "'id'"),
    ],
)
def test_a_damaged_caption_file_is_named_with_what_it_lacks(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "captions.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises((ConfigError, MissingError), match=said) as caught:
        CocoPrompts(path)(["dog"], seed=0)
    assert "captions.json" in str(caught.value) and "\n" not in str(caught.value)
    run = subprocess.run(
        [sys.executable, "-m", "t2ibench.prompts.coco", str(path)], cwd=ROOT, capture_output=True, text=True
    )
    assert (run.returncode, run.stdout, run.stderr.strip()) == (2, "", f"t2ibench: {caught.value}")


def test_a_caption_without_text_is_a_row_with_a_reason(tmp_path: Path) -> None:
    found = sort_captions([coco_file(tmp_path / "c.json", [None, "", " \n", 5, "A dog runs."])])
    assert found.rejected["empty"] == 4 and len(found.kept["dog"]) == 1


def test_a_class_with_too_few_captions_is_named_with_both_numbers(tmp_path: Path) -> None:
    path = coco_file(tmp_path / "c.json", ["A dog runs.", "A dog sits."])
    with pytest.raises(ConfigError, match=r"at least 3 usable captions of dog \(there are 2\)"):
        CocoPrompts(path, per_class=3)(["dog"], seed=0)
    with pytest.raises(ConfigError, match=r"captions of cat \(there are 0\)"):
        CocoPrompts(path, per_class=1)(["cat"], seed=0)


@pytest.mark.parametrize("engine", [CocoPrompts(), LLMPrompts()])
def test_an_unknown_class_is_refused_with_the_known_ones(engine: CocoPrompts | LLMPrompts) -> None:
    faulty: tuple[tuple[list[str], str], ...]
    faulty = ((["dog", "wolf"], "'wolf' cannot be used; accepted: cat, dog"), ([], "once"), (["cat", "cat"], "once"))
    for classes, said in faulty:
        with pytest.raises(ConfigError, match=said):
            engine(classes, seed=0)


@pytest.mark.parametrize("text", ["", " ", "A cat runs.", "A dog and a cat run.", "A house."])
def test_a_prompt_set_refuses_a_prompt_that_does_not_name_its_class_alone(text: str) -> None:
    with pytest.raises(ConfigError, match="a text that names dog alone"):
        PromptSet((Prompt.make("dog", text, "llm", {}),), 1, {})
    twice = Prompt.make("dog", "A dog runs.", "llm", {})
    with pytest.raises(ConfigError, match="twice"):
        PromptSet((twice, twice), 2, {})


# the LLM's prompts: replay


def test_the_recording_gives_ten_prompts_for_each_class_and_says_that_it_was_authored() -> None:
    found = LLMPrompts()(CLASSES, seed=0)
    assert [p.class_name for p in found] == [name for name in CLASSES for _ in range(10)]
    assert found.read == 100 and not sum(found.rejected.values())
    assert found == LLMPrompts()(CLASSES, seed=5), "the seed has no part in it"
    assert len({p.text for p in found}) == 100
    for prompt in found:
        words = prompt.text.lower().rstrip(".").split()
        assert 8 <= len(words) <= 22 and prompt.class_name in words[:5], prompt.text
        assert not OTHERS.intersection(words) and fault(prompt.text, prompt.class_name) == ""
        assert prompt.origin["authored"] is True and prompt.origin["model"] == "authored"
    document = json.loads(RECORDING.read_text())
    assert document["authored"] is True and "not replies of the requested model" in document["note"]


def test_fewer_prompts_than_recorded_are_the_first_ones() -> None:
    found = LLMPrompts(per_class=2)(["cat"], seed=0)
    assert list(found) == list(LLMPrompts()(["cat"], seed=0))[:2] and found.rejected == {"surplus": 8}


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"instruction": "Draw {class}."}, "its instruction differs"),
        ({"model": "other"}, "its model differs"),
        ({"temperature": 0.5}, "its temperature differs"),
    ],
)
def test_a_changed_request_never_gets_a_recorded_reply(change: dict[str, Any], differs: str) -> None:
    with pytest.raises(UserError, match=differs) as caught:
        LLMPrompts(**change)(["cat"], seed=0)
    assert "set prompts.llm.recording to null and OPENAI_API_KEY" in str(caught.value)


def completion(content: str | None, refusal: str | None = None, finish: str = "stop") -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "refusal": refusal}
    choice = {"index": 0, "finish_reason": finish, "message": message, "logprobs": None}
    return {"id": "r1", "object": "chat.completion", "created": 1, "model": "tiny-chat", "choices": [choice]}


def reply(prompts: list[Any]) -> dict[str, Any]:
    return completion(json.dumps({"prompts": prompts}))


def record(path: Path, body: dict[str, Any], per_class: int = 4) -> LLMPrompts:
    engine = LLMPrompts(per_class=per_class, recording=path)
    request = engine.request("dog")
    row = {"class_name": "dog", "request": request, "request_digest": digest(request), "reply": body}
    path.write_text(json.dumps({"exchanges": [row]}))
    return engine


FAULTY = [
    (reply(DOGS[:3]), "too few prompts: the reply has 3"),
    (reply([*DOGS[:3], "A cat reads a book."]), r"prompt 4 \('A cat reads a book.'\): it names cat, not dog"),
    (reply([*DOGS[:3], "A dog and a cat read."]), "prompt 4 .*several-classes"),
    (reply([*DOGS[:3], "A puppy reads."]), "prompt 4 .*synonym"),
    (reply([*DOGS[:3], "A chair."]), "prompt 4 .*no-class"),
    (reply([*DOGS[:3], " "]), "prompt 4 .*empty"),
    (reply([*DOGS[:3], 5]), "prompt 4 .*empty"),
    (reply([*DOGS[:3], DOGS[0].upper()]), "prompt 4 .*duplicate"),
    (completion("Here are ten prompts"), "not a JSON object"),
    (completion('{"prompts": ["A dog', finish="length"), "cut off"),
    (completion('{"texts": []}'), "not a JSON object with a list"),
    (completion("[1]"), "not a JSON object with a list"),
    (completion(None), "not a JSON object"),
    (completion(None, refusal="I cannot help"), r"the model refused \(I cannot help\)"),
    (completion(None, finish="content_filter"), "the model refused"),
    ({"choices": []}, "no chat completion"),
]


@pytest.mark.parametrize(("body", "said"), FAULTY)
def test_a_faulty_reply_is_one_sentence_with_the_class_and_the_fault(
    tmp_path: Path, body: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said) as caught:
        record(tmp_path / "r.json", body)(["dog"], seed=0)
    assert "the replies for dog give" in str(caught.value) and "of 4 wanted" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_fault_beside_enough_good_prompts_is_counted_and_no_error(tmp_path: Path) -> None:
    body = reply(["A cat reads.", DOGS[0], DOGS[0], "", *DOGS[1:], "A dog naps in bed."])
    found = record(tmp_path / "r.json", body)(["dog"], seed=0)
    assert [p.text for p in found] == DOGS
    assert found.read == 8 and found.rejected == {"wrong-class": 1, "duplicate": 1, "empty": 1, "surplus": 1}


def test_a_damaged_recording_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    engine = LLMPrompts(recording=path)
    record(path, reply(DOGS))
    document = json.loads(path.read_text())
    document["exchanges"][0]["request"]["model"] = "edited"
    contents = [("no json", "not JSON"), ("{}", "'exchanges'"), ('{"exchanges": [{}]}', "lacks 'class_name'")]
    for content, said in [*contents, (json.dumps(document), "not the one that was sent")]:
        path.write_text(content)
        with pytest.raises(MissingError, match=said):
            engine(["dog"], seed=0)
    path.unlink()
    with pytest.raises(MissingError, match=r"r\.json is missing"):
        engine(["dog"], seed=0)
    path.write_text('{"exchanges": []}')
    with pytest.raises(UserError, match="has no reply for dog"):
        engine(["dog"], seed=0)


@pytest.mark.parametrize(
    "change",
    [
        {"per_class": 0},
        {"max_tries": 0},
        {"temperature": 3.0},
        {"timeout_seconds": 0.0},
        {"attempts": 0},
        {"backoff_seconds": -1.0},
        {"budget_usd": -1.0},
        {"ledger": "../x"},
        {"max_output_tokens": 0},
        {"input_usd_per_million": -1.0, "output_usd_per_million": 0.0},
        {"model": " "},
        {"instruction": "Draw a cat."},
        {"base_url": "localhost:80"},
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_at_once(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"prompts.llm.{next(iter(change))}"):
        LLMPrompts(**change)
    if "per_class" in change:
        with pytest.raises(ConfigError, match=r"prompts\.coco\.per_class"):
            CocoPrompts(per_class=0)


def test_the_yaml_files_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name, engine in (("llm", LLMPrompts), ("coco", CocoPrompts)):
        text = (ROOT / f"conf/prompts/{name}.yaml").read_text()
        assert all("#" in line for line in text.splitlines()[2:]), "every value has its unit and source"
        models = OmegaConf.load(ROOT / "conf/models/tiny.yaml")
        study = OmegaConf.create({"study": {"name": "study", "budget_usd": 10.0}, "models": models})
        settings: Any = OmegaConf.to_container(OmegaConf.merge(study, OmegaConf.create(text)), resolve=True)
        target = settings[name].pop("_target_")
        assert target == f"{engine.__module__}.{engine.__name__}"
        assert engine(**settings[name])(CLASSES, seed=3) == engine()(CLASSES, seed=3)


# the LLM's prompts: live, over HTTP on the loopback


class Server(HTTPServer):
    """Answers each request with the next of `answers`: (status, body, seconds to wait)."""

    answers: list[tuple[int, Any, float]]
    asked: list[dict[str, Any]]
    headers: dict[str, str]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({"path": self.path, "key": self.headers["Authorization"], **body})
        status, answer, wait = self.server.answers.pop(0)
        time.sleep(wait)
        payload = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        kind = "text/html" if isinstance(answer, str) else "application/json"
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(payload)))
            for name, value in self.server.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client had stopped waiting

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(api_root: Path) -> Iterator[Server]:
    running = Server(("127.0.0.1", 0), Handler)
    running.answers, running.asked, running.headers = [], [], {}
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def live(server: Server, **settings: Any) -> LLMPrompts:
    defaults: dict[str, Any] = {"per_class": 4, "model": "tiny-chat", "recording": None, "save": Path("saved.json")}
    return LLMPrompts(base_url=f"http://127.0.0.1:{server.server_port}/v1", **defaults | settings)


def test_a_server_is_asked_once_per_class_and_its_replies_are_kept(server: Server, tmp_path: Path) -> None:
    cats = [text.replace("dog", "cat") for text in DOGS]
    server.answers = [(200, reply(DOGS), 0), (200, reply(cats), 0)]
    found = live(server)(["dog", "cat"], seed=0)
    assert [p.text for p in found] == DOGS + cats
    assert found.prompts[1].origin == {"model": "tiny-chat", "reply_id": "r1", "position": 2}
    first = server.asked[0]
    assert first["path"] == "/v1/chat/completions" and first["key"] == f"Bearer {KEY}"
    assert first["messages"][1]["content"].startswith("Create ten text prompts") and "{class}" not in str(first)
    assert first["response_format"]["type"] == "json_schema" and first["temperature"] == 1.0
    assert live(server)(["dog", "cat"], seed=0) == found and len(server.asked) == 2, "kept replies are not asked again"
    saved = tmp_path / "saved.json"
    assert KEY not in saved.read_text()
    replayed = LLMPrompts(per_class=4, model="tiny-chat", recording=saved)(["dog", "cat"], seed=0)
    assert replayed == found, "and are a recording"


@pytest.mark.parametrize("body", [body for body, _ in FAULTY[:-1]])
def test_a_faulty_reply_is_repaired_and_what_was_good_is_kept(server: Server, body: dict[str, Any]) -> None:
    good = 3 if "ball number one" in json.dumps(body) else 0
    rest = [*DOGS[good:], "A dog naps in a chair."]
    server.answers = [(200, body, 0), (200, reply(rest), 0)]
    found = live(server)(["dog"], seed=0)
    assert [p.text for p in found] == DOGS
    said = server.asked[1]["messages"][-1]["content"]
    assert f"Create {4 - good} more" in said and (not good or DOGS[0] in said)
    assert found.read == len(found.prompts) + sum(found.rejected.values())


def test_repairs_end_with_a_sentence_after_max_tries(server: Server) -> None:
    server.answers = [(200, reply(DOGS[:1]), 0), (200, reply(["A cat."]), 0)]
    said = r"dog give 1 usable prompts of 4 wanted: prompt 1 .*names cat.*run again to ask for the 3 missing"
    with pytest.raises(UserError, match=said):
        live(server, max_tries=2)(["dog"], seed=0)
    assert len(server.asked) == 2


def test_a_run_after_the_last_try_keeps_what_was_good_and_asks_only_for_the_missing(server: Server) -> None:
    server.answers = [(200, reply(DOGS[:3]), 0), (200, reply(["A cat."]), 0)]
    with pytest.raises(UserError, match="give 3 usable prompts of 4"):
        live(server, max_tries=2)(["dog"], seed=0)
    server.answers = [(200, reply(DOGS[3:]), 0)]
    found = live(server, max_tries=2)(["dog"], seed=0)
    assert [p.text for p in found] == DOGS and len(server.asked) == 3
    last = server.asked[2]["messages"][-1]["content"]
    assert "Create 1 more" in last and "names cat, not dog" in last and all(f"- {dog}" in last for dog in DOGS[:3])
    assert live(server, max_tries=1)(["dog"], seed=0) == found and len(server.asked) == 3


def test_a_reply_is_asked_for_as_structured_output_over_http(server: Server) -> None:
    server.answers = [(200, reply(DOGS), 0)]
    live(server)(["dog"], seed=0)
    shape = server.asked[0]["response_format"]["json_schema"]
    assert shape["strict"] is True and shape["schema"]["required"] == ["prompts"]
    assert shape["schema"]["additionalProperties"] is False
    said = server.asked[0]["messages"][1]["content"]
    assert said.startswith("Create ten text prompts") and "dog performing human actions realistically" in said


def test_a_stopped_run_goes_on_where_it_was(server: Server) -> None:
    cats = [text.replace("dog", "cat") for text in DOGS]
    broken = {"error": {"message": f"broken for {KEY}"}}
    server.answers = [(200, reply(DOGS), 0), (400, broken, 0), (200, reply(cats), 0)]
    with pytest.raises(UserError, match=r"cat: refused by .* \(400.*replies kept in .*saved\.json: 1") as caught:
        live(server)(["dog", "cat"], seed=0)
    assert KEY not in str(caught.value) and len(server.asked) == 2
    assert len(live(server)(["dog", "cat"], seed=0).prompts) == 8 and len(server.asked) == 3


@pytest.mark.parametrize(("key", "said"), [(None, "OPENAI_API_KEY is not set"), ("", "not set"), ("a\nb", "no key")])
def test_a_missing_key_is_named_before_anything_is_sent(
    server: Server, monkeypatch: pytest.MonkeyPatch, key: str | None, said: str
) -> None:
    if key is None:
        monkeypatch.delenv("OPENAI_API_KEY")
    else:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(MissingError, match=said):
        live(server)(["dog"], seed=0)
    assert not server.asked


COCO_KEPT = {
    "bear": 215, "bird": 280, "cat": 765, "cow": 241, "dog": 641,
    "elephant": 397, "giraffe": 432, "horse": 511, "sheep": 204, "zebra": 352,
}
COCO_REJECTED = {
    "animal-gear": 1, "another-animal": 38, "bird-house": 8, "depiction": 126, "dressed-as": 3, "duplicate": 9,
    "horseback": 9, "hot-dog": 139, "inside-a-word": 178, "no-class": 19645, "other-sense": 6, "print": 4,
    "several-classes": 155, "synonym": 297, "teddy-bear": 231, "too-long": 127,
}
COCO_LETTERS = {
    "bear": 536, "bird": 338, "cat": 1053, "cow": 282, "dog": 863,
    "elephant": 431, "giraffe": 501, "horse": 569, "sheep": 228, "zebra": 406,
}
"""Captions that hold a class's letters: before the first rule."""
COCO_LOST = {
    #                        cat  dog horse bird zebra sheep cow elephant bear giraffe
    "too-long": (8, 6, 1, 0, 0, 3, 2, 3, 7, 2),
    "teddy-bear": (5, 0, 0, 0, 0, 0, 0, 0, 231, 0),
    "depiction": (6, 6, 17, 6, 2, 0, 9, 19, 54, 10),
    "dressed-as": (2, 0, 0, 0, 0, 0, 0, 1, 0, 1),
    "several-classes": (43, 67, 19, 30, 38, 19, 20, 10, 9, 37),
    "another-animal": (0, 0, 4, 9, 8, 0, 0, 0, 1, 16),
    "hot-dog": (1, 139, 1, 0, 0, 0, 0, 0, 2, 0),
    "horseback": (1, 0, 9, 0, 0, 0, 0, 0, 0, 0),
    "bird-house": (0, 0, 0, 8, 0, 0, 0, 0, 0, 0),
    "print": (0, 0, 0, 0, 4, 0, 0, 0, 0, 0),
    "animal-gear": (0, 0, 0, 0, 1, 0, 0, 0, 0, 1),
    "other-sense": (0, 0, 6, 3, 0, 0, 0, 0, 0, 0),
    "synonym": (40, 3, 0, 1, 0, 0, 1, 0, 0, 0),
    "inside-a-word": (156, 0, 0, 1, 0, 1, 4, 0, 16, 0),
    "duplicate": (2, 1, 1, 0, 1, 1, 0, 1, 0, 2),
    ANOTHER: (24, 0, 0, 0, 0, 0, 5, 0, 1, 0),
}
"""What each rule takes from each class; the other rules take nothing."""


def steps(letters: dict[str, int], lost: dict[str, tuple[int, ...]]) -> list[dict[str, Any]]:
    """The counts per class before and after each rule, in the rules' order."""
    left, found = letters, []
    for rule in ("too-long", *(rule for rule in COCO_RULES if rule != "too-long"), ANOTHER):
        gone = dict(zip(CLASSES, lost.get(rule, (0,) * len(CLASSES)), strict=True))
        after = {name: left[name] - gone[name] for name in CLASSES}
        found.append({"rule": rule, "before": left, "after": after})
        left = after
    assert left == COCO_KEPT
    return found
