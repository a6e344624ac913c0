"""The bundled models' accuracies stay what they were when they were committed, within chance.

`bundled.json` holds the counts that were committed with the weights. Another processor rounds differently and draws
other pictures; a count differs only where chance does not explain it (Fisher's exact test, Bonferroni over classes).
A study on other models is another comparison: it is skipped here, with its reason.
"""

from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest, fisher_exact

from t2ibench.evaluate import score
from t2ibench.harness import config, executor
from t2ibench.images import Made, plan
from t2ibench.records import NONE, Prediction, Prompt, read_json

ROOT = Path(__file__).parents[2]
BASELINE = read_json(Path(__file__).parent / "bundled.json")
ALPHA = 0.001
"""How often an unchanged program may fail, over all classes of all cells."""


def changed(baseline: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """`<cell> <class>` wherever chance does not explain the difference of two counts."""
    pairs = [(cell, name) for cell in baseline for name in baseline[cell]]
    wrong = []
    for cell, name in pairs:
        old, new = baseline[cell][name], found[cell][name]
        table = [[one["correct"], one["n"] - one["correct"]] for one in (old, new)]
        if fisher_exact(table).pvalue < ALPHA / len(pairs):
            wrong.append(f"{cell} {name}: {old['correct']} of {old['n']} before, {new['correct']} of {new['n']} now")
    return wrong


def results(cells: Any) -> dict[str, Any]:
    return {cell: read_json(ROOT / f"results/evaluate/{cell}.json")["per_class"] for cell in cells}


@pytest.fixture(scope="module")
def params() -> config.Params:
    found = config.load(folder=ROOT)
    if found.models.name != BASELINE["models"]:
        pytest.skip(f"params.yaml runs the models {found.models.name}; these counts are of {BASELINE['models']}")
    return found


def test_the_last_runs_accuracies_are_the_committed_ones(params: config.Params) -> None:
    assert changed(BASELINE["cells"], results(BASELINE["cells"])) == []


@pytest.mark.parametrize("victim", ["cat", "giraffe"])
def test_predictions_flipped_for_one_class_are_found(victim: str) -> None:
    cell, planted = "sd-llm/base", dict(BASELINE["cells"])
    rows = [Prediction(id=f"{name}-{i}", class_name=name, confidence=0.9, box=None,
                       predicted=name if (i < count["correct"]) != (name == victim) else NONE)
            for name, count in planted[cell].items() for i in range(count["n"])]
    planted[cell] = score(rows, list(planted[cell]))["per_class"]
    assert [text.split(":")[0] for text in changed(BASELINE["cells"], planted)] == [f"{cell} {victim}"]


def test_images_drawn_now_are_judged_as_the_committed_ones_were(params: config.Params) -> None:
    """Forty fresh images, another seed: their share of right ones fits the committed share of unfiltered ones."""
    found = config.build(params.prompts["coco"], "prompts.coco", params)(params.study.classes, params.study.seed)
    chosen = [next(one for one in found.prompts if one.class_name == name) for name in params.study.classes]
    assert all(isinstance(one, Prompt) for one in chosen)
    planned = plan(chosen, images_per_prompt=4, study_seed=params.study.seed + 1)
    engine = config.build(params.images["sd"], "images.sd", params)
    judge = config.build(params.evaluate["yolov8"], "evaluate.yolov8", params)
    drawn = [(one, answer.image) for one, answer in
             executor.run(engine, planned, lambda one: one.request, lambda n: None) if isinstance(answer, Made)]
    seen = executor.run(judge, drawn, lambda pair: pair[1], lambda n: None)
    right = sum(found.predicted == pair[0].prompt.class_name for pair, found in seen)
    assert len(drawn) == len(planned)
    share = BASELINE["unfiltered"]["sd-caption"]
    assert binomtest(right, len(drawn), share).pvalue > ALPHA, f"{right} of {len(drawn)} right, {share:.3f} committed"
