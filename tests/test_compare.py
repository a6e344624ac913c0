"""Our results beside the published tables: every printed cell, every verdict with its reason, no crash."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from compared import CELLS, PUBLISHED, as_published, result, results, row, run, seen, substituted
from fake_workspace import NOTE, make_params

from t2ibench.compare import AVERAGE, VERDICTS, CellResult, accuracy_csv, as_markdown, load_published
from t2ibench.compare.assumed import assumed_ns
from t2ibench.compare.pairs import pairs
from t2ibench.compare.verdicts import Evidence, decide
from t2ibench.records import CLASSES, Prediction, Sample
from t2ibench.shown import shown, substitute
from t2ibench.stats import Count, Share, cluster_bootstrap, holm, mean_of_proportions, newcombe, p_of_zero, wilson

# --- rows -----------------------------------------------------------------------------------------------------------


def test_a_row_holds_the_counts_the_intervals_and_the_difference() -> None:
    found = row(run(results(36, 40)), "dalle3-llm/base", "cow")
    assert (found["table"], found["n"], found["correct"], found["published_n"]) == (1, 40, 36, None)
    assert (found["prompts"], found["published_n_assumed"]) == (10, 40)
    assert found["accuracy"] == 0.9
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(wilson(36, 40), abs=1e-6)
    assert found["published"] == 0.7
    assert found["difference"] == pytest.approx(0.2)


def test_the_average_is_the_mean_of_the_classes_not_of_the_images() -> None:
    average = row(run(results(40, 40, bear=Count(0, 4))), "sd-llm/base", AVERAGE)
    assert average["accuracy"] == pytest.approx(0.9)
    assert (average["n"], average["correct"]) == (364, 360)
    expected = mean_of_proportions([Count(40, 40)] * 9 + [Count(0, 4)])
    assert (average["ci_low"], average["ci_high"]) == pytest.approx(expected, abs=1e-6)


def test_the_interval_over_prompts_is_the_bootstraps_where_images_of_a_prompt_are_alike() -> None:
    found = row(run(results(20, 40)), "sd-llm/base", "cat")  # five prompts all right, five all wrong
    drawn = cluster_bootstrap([1.0] * 20 + [0.0] * 20, [i // 4 for i in range(40)], draws=200)
    assert found["ci_prompt_low"] == pytest.approx(drawn.low) and found["ci_prompt_high"] == pytest.approx(drawn.high)
    assert found["ci_prompt_low"] < found["ci_low"] < found["ci_high"] < found["ci_prompt_high"]


@pytest.mark.parametrize("count", [Count(40, 40), Count(39, 40), Count(0, 40), Count(1, 1), Count(1, 2)])
def test_the_interval_over_prompts_is_never_narrower_than_that_over_images(count: Count) -> None:
    comparison = run(results(count.correct, count.n))
    for one in comparison["cells"]:
        assert one["ci_prompt_low"] <= one["ci_low"] <= one["ci_high"] <= one["ci_prompt_high"]


def test_one_prompt_is_worth_one_image() -> None:
    found = row(run(results(4, 4)), "sd-llm/base", "cat")
    assert found["prompts"] == 1
    assert (found["ci_prompt_low"], found["ci_prompt_high"]) == pytest.approx(wilson(1, 1), abs=1e-6)


def test_a_cell_that_the_study_does_not_run_is_a_row_with_its_reason() -> None:
    comparison = run(results(cells=["sd-llm/base"]), comparable=True)
    missing = row(comparison, "sd-caption/deblur", "cat")
    assert (missing["verdict"], missing["accuracy"], missing["n"]) == ("not comparable", None, None)
    assert missing["reason"] == "this study does not run sd-caption/deblur"
    assert len(comparison["cells"]) == 66


def test_a_published_class_that_the_study_lacks_is_a_row_with_its_reason() -> None:
    comparison = run(results(), classes=CLASSES[:-1], comparable=True)
    missing, average = row(comparison, "sd-llm/base", "giraffe"), row(comparison, "sd-llm/base", AVERAGE)
    assert (missing["verdict"], missing["reason"]) == ("not comparable", "this study has no class giraffe")
    assert (average["verdict"], average["reason"]) == ("not comparable", "the mean lacks giraffe")
    assert average["n"] == 360


def test_a_paper_whose_classes_the_study_lacks_altogether_has_no_average() -> None:
    animals = replace(PUBLISHED, cells=tuple(c for c in PUBLISHED.cells if c.class_name in ("giraffe", AVERAGE)))
    average = row(run(results(), classes=CLASSES[:3], published=animals), "sd-llm/base", AVERAGE)
    assert (average["verdict"], average["n"]) == ("not comparable", None)
    assert average["reason"] == "this study has none of the published classes"


@pytest.mark.parametrize(("comparable", "verdict"), [(True, "underpowered"), (False, "not comparable")])
def test_a_class_without_images_divides_nothing(comparable: bool, verdict: str) -> None:
    comparison = run(results(cat=Count(0, 0)), comparable=comparable)
    empty, average = row(comparison, "sd-llm/base", "cat"), row(comparison, "sd-llm/base", AVERAGE)
    assert (empty["verdict"], empty["accuracy"], empty["difference"]) == (verdict, None, None)
    assert "there is no image of class cat" in empty["reason"]
    assert (empty["ci_low"], empty["ci_high"], empty["ci_prompt_low"], empty["ci_prompt_high"]) == (0.0, 1.0, 0.0, 1.0)
    assert average["verdict"] == verdict
    assert "the mean lacks cat: there is no image of it" in average["reason"]
    assert (empty["needed"] is None) != comparable


def test_a_cell_without_any_image_has_no_average() -> None:
    comparison = run(results(0, 0), comparable=True)
    average = row(comparison, "sd-llm/base", AVERAGE)
    assert (average["n"], average["accuracy"], average["verdict"]) == (0, None, "underpowered")
    assert {r["verdict"] for r in comparison["cells"]} == {"underpowered"}
    assert all(pair["n"] == 0 and pair["difference"] is None for pair in comparison["pairs"])


@pytest.mark.parametrize("correct", [0, 1])
def test_one_image_a_class_is_enough_for_a_row_and_too_little_for_a_verdict(correct: int) -> None:
    comparison = run(results(correct, 1), comparable=True)
    one = row(comparison, "dalle3-llm/base", "cow")
    assert (one["n"], one["accuracy"], one["verdict"]) == (1, float(correct), "underpowered")
    assert all(r["verdict"] in VERDICTS and r["reason"] for r in comparison["cells"])


def test_columns_that_no_cell_reproduces_have_no_row() -> None:
    other = load_published("contamination2023")
    comparison = run(results(), published=other)
    assert comparison["cells"] == []
    assert comparison["audit"]
    assert "no published table with a cell" in as_markdown(comparison, make_params()["models"], other)


# --- the paper's n --------------------------------------------------------------------------------------------------


def test_the_unprinted_n_is_the_smallest_that_the_digits_allow() -> None:
    found = assumed_ns(PUBLISHED)
    assert all(found[cell, name].n == 40 for cell in ("dalle3-llm/base", "dalle3-llm/deblur") for name in CLASSES)
    assert found["sd-llm/base", "dog"].n == 140  # 139/140 is 99.28 cut off and 99.29 rounded
    assert found["sd-llm/base", "cow"].n == 115
    assert found["sd-llm/deblur", "bear"].n == 36
    assert found["sd-llm/base", "cat"].n == 36  # 100 % says nothing; bear has the fewest of the others
    assert found["sd-caption/base", "elephant"].n == 500  # 99.9 takes more than the audit searches


def test_a_printed_n_is_taken_as_it_is() -> None:
    told = replace(PUBLISHED, cells=tuple(replace(cell, n=300) for cell in PUBLISHED.cells))
    assert {(one.n, one.how) for one in assumed_ns(told).values()} == {(300, "")}
    found = row(run(as_published(2000), comparable=True, published=told), "dalle3-llm/base", "cow")
    assert (found["published_n"], found["published_n_assumed"]) == (300, 300)
    assert "prints no n" not in found["reason"]


def test_a_paper_of_nothing_but_100_percent_is_taken_to_have_as_many_as_ours() -> None:
    perfect = replace(PUBLISHED, cells=tuple(replace(cell, printed="100") for cell in PUBLISHED.cells))
    found = row(run(results(40, 40), comparable=True, published=perfect), "sd-llm/base", "cat")
    assert found["published_n_assumed"] is None
    assert "the paper prints no n, taken as ours" in found["reason"]


# --- verdicts -------------------------------------------------------------------------------------------------------


def evidence(ours: Count, published: Count, margin: float = 0.05) -> Evidence:
    p = published.correct / published.n
    return Evidence((Share(ours.correct / ours.n, ours.n),), (Share(p, published.n),), p, margin, "")


def verdict(held: Evidence, tests: int = 1) -> tuple[str, str, int | None]:
    return decide(held, min(1.0, held.p_value * tests), tests, alpha=0.05, power=0.8)


@pytest.mark.parametrize(
    ("ours", "published", "word"),
    [((1900, 2000), (1900, 2000), "reproduced"), ((1860, 2000), (1900, 2000), "reproduced"),
     ((1700, 2000), (1900, 2000), "differs"), ((2000, 2000), (28, 40), "differs"),
     ((36, 40), (38, 40), "underpowered"), ((1, 1), (40, 40), "underpowered"), ((0, 1), (1, 1), "underpowered"),
     ((1780, 2000), (1900, 2000), "differs"), ((1810, 2000), (1900, 2000), "underpowered")],
)
def test_a_verdict_follows_from_the_interval_and_the_margin(ours: tuple[int, int], published: tuple[int, int],
                                                            word: str) -> None:
    one, two = Count(*ours), Count(*published)
    found = verdict(evidence(one, two))
    narrow, wide = newcombe(one, two, 0.9), newcombe(one, two, 0.95)
    inside = narrow.low > -0.05 and narrow.high < 0.05
    apart = not wide.low <= 0 <= wide.high and abs(one.correct / one.n - two.correct / two.n) > 0.05
    assert found[0] == word == ("reproduced" if inside else "differs" if apart else "underpowered")


def test_a_difference_that_is_sure_but_small_is_reproduced_not_different() -> None:
    found = verdict(evidence(Count(98000, 100000), Count(99000, 100000)))
    assert found[0] == "reproduced"


def test_so_many_images_as_needed_decide_and_one_fewer_does_not() -> None:
    for ours, published in ((Count(36, 40), Count(900, 1000)), (Count(33, 40), Count(38, 40))):
        held = evidence(ours, published)
        word, reason, needed = verdict(held)
        assert word == "underpowered" and needed is not None and f"about {needed} images would decide" in reason
        for n, decided in ((needed, True), (needed - 1, False)):
            more = replace(held, ours=(Share(ours.correct / ours.n, n),))
            assert (more.inside(0.05) or more.apart(0.05)) == decided


def test_where_the_paper_has_too_few_images_none_of_ours_decide() -> None:
    word, reason, needed = verdict(evidence(Count(39, 40), Count(38, 40)))
    assert (word, needed) == ("underpowered", None)
    assert "the paper has too few" in reason and "on either side would" in reason


def test_a_difference_of_exactly_the_margin_is_never_decided_and_says_so() -> None:
    word, reason, needed = verdict(evidence(Count(90, 100), Count(95, 100), margin=0.95 - 0.9))
    assert (word, needed) == ("underpowered", None)
    assert "the difference is the margin itself" in reason


def test_a_faithful_replication_with_enough_images_is_reproduced() -> None:
    comparison = run(as_published(4000), comparable=True)
    words = [r["verdict"] for r in comparison["cells"]]
    assert "differs" not in words and words.count("reproduced") >= 25
    assert row(comparison, "sd-caption/base", AVERAGE)["verdict"] == "reproduced"
    assert row(comparison, "sd-llm/base", "dog")["verdict"] == "reproduced"


def test_the_classes_of_a_column_are_one_family_and_the_average_stands_alone() -> None:
    comparison = run(results(33, 40), comparable=True)
    column = [r for r in comparison["cells"] if r["cell"] == "dalle3-llm/base"]
    classes, average = column[:-1], column[-1]
    for one in classes:
        ours, theirs = Count(one["correct"], one["n"]), Count(round(40 * one["published"]), 40)
        assert one["p_value"] == pytest.approx(
            p_of_zero(lambda confidence, a=ours, b=theirs: newcombe(a, b, confidence)), abs=1e-5)  # type: ignore[misc]
    assert [one["p_holm"] for one in classes] == pytest.approx(holm([one["p_value"] for one in classes]), abs=1e-5)
    assert (average["class"], average["p_holm"]) == (AVERAGE, None)
    assert "after Holm over 10 classes" in classes[0]["reason"] and "Holm" not in average["reason"]


def test_one_class_far_off_differs_and_takes_its_average_along() -> None:
    found = as_published(400)
    found["sd-llm/base"] = result({**found["sd-llm/base"].counts, "cat": Count(0, 400)})
    comparison = run(found, comparable=True)
    apart = [(r["cell"], r["class"]) for r in comparison["cells"] if r["verdict"] == "differs"]
    assert apart == [("sd-llm/base", "cat"), ("sd-llm/base", AVERAGE)]
    assert "more than chance explains" in row(comparison, "sd-llm/base", "cat")["reason"]


def test_an_average_is_held_against_the_printed_one_not_against_the_mean_of_its_rows() -> None:
    found = row(run(as_published(4000), comparable=True), "sd-caption/deblur", AVERAGE)
    middle = (found["difference_low"] + found["difference_high"]) / 2
    assert found["difference"] == pytest.approx(found["accuracy"] - 0.993)
    assert found["difference_low"] < found["difference"] < found["difference_high"]
    assert abs(middle - found["difference"]) < 0.005


def test_bundled_models_are_never_comparable() -> None:
    comparison = run(results())
    assert {r["verdict"] for r in comparison["cells"]} == {"not comparable"}
    assert {r["reason"] for r in comparison["cells"]} == {NOTE}
    assert {r["p_value"] for r in comparison["cells"]} == {r["needed"] for r in comparison["cells"]} == {None}


def test_a_successor_of_a_retired_model_is_named_and_spares_the_other_sources() -> None:
    comparison = run(substituted(results(), "gpt-image-2.5-sunburst for DALL-E 3"), comparable=True)
    assert comparison["substitutes"] == {"dalle3-llm": "gpt-image-2.5-sunburst for DALL-E 3"}
    assert row(comparison, "dalle3-llm/base", "cat")["verdict"] == "not comparable"
    reason = row(comparison, "dalle3-llm/base", "cat")["reason"]
    assert reason == "another model drew than the paper's: gpt-image-2.5-sunburst for DALL-E 3"
    assert row(comparison, "sd-llm/base", "cat")["verdict"] == "underpowered"


def test_the_name_that_people_read_says_who_drew_in_place_of_whom_and_keys_stay() -> None:
    sample = Sample(file_name="", id="a-0", class_name="cat", prompt="", prompt_id="a", index=0, seed=0,
                    engine="openai", fingerprint="", sha256="",
                    extra={"model": "t2ibench-standin", "stand_in_for": "DALL-E 3"})
    assert substitute([sample, replace(sample, extra={})]) == "standin for DALL-E 3"
    other = replace(sample, extra={"model": "gpt-image-2", "stand_in_for": "DALL-E 3"})
    assert substitute([sample, other]) == "gpt-image-2 for DALL-E 3, standin for DALL-E 3"
    assert substitute([replace(sample, extra={"model": "dall-e-3"})]) == ""
    drew = {"dalle3-llm": "standin for DALL-E 3"}
    assert shown("dalle3-llm/base", drew) == "dalle3-llm (standin for DALL-E 3)/base"
    assert shown("dalle3-llm", drew) == "dalle3-llm (standin for DALL-E 3)"
    assert shown("sd-llm/base", drew) == "sd-llm/base"
    comparison = run(substituted(results()))
    text = as_markdown(comparison, make_params()["models"], PUBLISHED)
    assert "(`dalle3-llm (standin for DALL-E 3)/base`)" in text and "| dalle3-llm (standin for DALL-E 3) | base" in text
    assert "`dalle3-llm/" not in text and "`sd-llm/base`" in text
    assert {r["cell"] for r in comparison["cells"]} == set(CELLS)
    assert "dalle3-llm/base,cat" in accuracy_csv(comparison)


def test_what_a_class_could_show_is_said_beside_it() -> None:
    found = row(run(results(), comparable=True), "dalle3-llm/base", "cow")
    assert 0.2 < found["detectable"] < 0.35
    assert row(run(results(), comparable=True), "dalle3-llm/base", AVERAGE)["detectable"] is None


# --- pairs ----------------------------------------------------------------------------------------------------------


def flipped(rows: list[Prediction], ids: list[str]) -> list[Prediction]:
    return [replace(one, predicted="none" if one.predicted == one.class_name else one.class_name)
            if one.id in ids else one for one in rows]


def paired(gained: int, lost: int, classes: tuple[str, ...] = ("cat", "dog")) -> list[dict[str, Any]]:
    """Cats: 30 of 40 right before; so many of them change afterwards."""
    before = [*seen("cat", Count(30, 40)), *seen("dog", Count(40, 40))]
    ids = [one.id for one in before[30 : 30 + gained]] + [one.id for one in before[:lost]]
    counts = {name: Count(0, 0) for name in classes}
    return pairs({"s/base": CellResult(counts=counts, predictions=before),
                  "s/deblur": CellResult(counts=counts, predictions=flipped(before, ids))}, classes)


def test_a_pair_counts_the_images_that_changed_their_side() -> None:
    whole, cat, dog = paired(gained=9, lost=1)
    assert [one["class"] for one in (whole, cat, dog)] == ["all", "cat", "dog"]
    assert (whole["source"], whole["from"], whole["to"]) == ("s", "base", "deblur")
    assert (whole["n"], whole["from_correct"], whole["to_correct"]) == (80, 70, 78)
    assert (cat["gained"], cat["lost"], dog["gained"], dog["lost"]) == (9, 1, 0, 0)
    assert cat["difference"] == pytest.approx(0.2) and cat["ci_low"] < 0.2 < cat["ci_high"]
    assert cat["p_value"] == pytest.approx(2 * 11 / 2**10, abs=1e-6)
    assert (whole["p_holm"], cat["p_holm"], dog["p_holm"]) == (None, pytest.approx(4 * 11 / 2**10, abs=1e-6), 1.0)
    assert "9 of 80 images gained, 1 lost, more than chance explains" in whole["text"]
    assert "None of 40 images" in dog["text"]


def test_a_pair_that_chance_explains_says_so() -> None:
    assert "which chance explains (p = 0.5)" in paired(gained=2, lost=0)[0]["text"]


def test_every_pair_of_variants_of_a_source_is_compared_and_no_two_sources() -> None:
    one = result({"cat": Count(3, 4)})
    found = pairs({"a/base": one, "a/blur": one, "a/deblur": one, "b/base": one, "c/base": one, "c/blur": one}, ["cat"])
    assert [(r["source"], r["from"], r["to"]) for r in found if r["class"] == "all"] == [
        ("a", "base", "blur"), ("a", "base", "deblur"), ("a", "blur", "deblur"), ("c", "base", "blur"),
    ]


def test_images_that_only_one_variant_has_are_left_out_and_counted() -> None:
    counts = {"cat": Count(0, 0)}
    found = pairs({"s/base": CellResult(counts=counts, predictions=seen("cat", Count(4, 8))),
                   "s/deblur": CellResult(counts=counts, predictions=seen("cat", Count(4, 5)))}, ["cat"])
    assert found[0]["n"] == 5
    assert "3 images that only one of the two has are left out" in found[0]["text"]


def test_variants_without_a_common_image_have_no_difference() -> None:
    counts = {"cat": Count(0, 0)}
    whole, cat = pairs({"s/base": CellResult(counts=counts), "s/deblur": CellResult(counts=counts)}, ["cat"])
    for one in (whole, cat):
        assert [one[key] for key in ("n", "difference", "ci_low", "ci_high", "p_value")] == [0, None, None, None, 1.0]


def test_comparing_changes_nothing_that_it_was_given() -> None:
    found = results()
    before = deepcopy(found)
    run(found)
    assert found == before
