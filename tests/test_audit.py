"""The audit of a paper: against hand-worked cases, brute force over every k/n, and what the two papers print."""

import json
import random
from collections.abc import Iterator, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest

from t2ibench.compare import AVERAGE, load_published
from t2ibench.compare.audit import audit, audit_averages, audit_claims, audit_samples, smallest_n
from t2ibench.compare.audit.claims import found, parse_claims, verdicts
from t2ibench.compare.audit.rounding import ROUNDED, TRUNCATED, Range, mean_range, overlap, shown, unprinted, write
from t2ibench.compare.audit.samples import as_ranges, common, counts, fitting
from t2ibench.compare.printed import NOTHING, Published, PublishedCell
from t2ibench.errors import ConfigError

IEIE = load_published("ieie2026")
CONTAMINATION = load_published("contamination2023")
AUDIT = audit(IEIE)
WAYS = {"half up": ROUND_HALF_UP, "half even": ROUND_HALF_EVEN, TRUNCATED: ROUND_DOWN}


def cell(
    printed: str, row: str = "cat", *, column: str = "ours", unit: str = "percent", **settings: Any
) -> PublishedCell:
    values: dict[str, Any] = {"table": 1, "about": "", "metric": "accuracy", "better": "higher"} | settings
    return PublishedCell(column=column, row=row, printed=printed, unit=unit, counted=unit != "score", **values)


def column(*printed: str, average: str | None = None, **settings: Any) -> list[PublishedCell]:
    """Rows 0, 1, 2 ... and perhaps their average."""
    rows = [cell(text, str(position), **settings) for position, text in enumerate(printed)]
    return rows + ([cell(average, AVERAGE, **settings)] if average else [])


def paper(cells: Sequence[PublishedCell], claims: Sequence[dict[str, Any]] = ()) -> Published:
    return Published(paper="p", title="", authors="", venue="", unknown=(), cells=tuple(cells),
                     claims=parse_claims(claims, cells))


def one(entries: Sequence[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    (entry,) = [entry for entry in entries if all(entry.get(key) == value for key, value in wanted.items())]
    return entry


def column_of(table: int, start: str) -> list[PublishedCell]:
    return [c for c in IEIE.cells if c.table == table and c.column.startswith(start)]


def as_printed(k: int, n: int, decimals: int, unit: str, rule: str) -> str:
    """k/n by the decimal module, 60 digits long before it is cut: what the code must agree with."""
    with localcontext() as context:
        context.prec = 60
        number = Decimal(k) * (100 if unit == "percent" else 1) / n
        return str(number.quantize(Decimal(1).scaleb(-decimals), rounding=WAYS[rule]))


# Sample sizes


@pytest.mark.parametrize(("unit", "decimals"), [("percent", 0), ("percent", 1), ("percent", 2), ("fraction", 2)])
def test_of_all_counts_up_to_60_exactly_those_fit_that_print_so(unit: str, decimals: int) -> None:
    expected: dict[str, dict[int, set[str]]] = {}
    for n in range(1, 61):
        for k in range(n + 1):
            for rule in WAYS:
                expected.setdefault(as_printed(k, n, decimals, unit, rule), {}).setdefault(n, set()).add(rule)
    scale = (100 if unit == "percent" else 1) * 10**decimals
    for digits in range(0, scale + 1, 1 if scale <= 1000 else 7):
        printed = str(Decimal(digits).scaleb(-decimals))
        found_ns = {n: set(rules) for n, rules in fitting(printed, unit, 60).items()}
        assert found_ns == expected.get(printed, {}), printed


def test_a_random_share_lists_its_own_n_however_it_is_written() -> None:
    generator = random.Random(7)
    for _ in range(300):
        n = generator.randint(1, 500)
        k, decimals = generator.randint(0, n), generator.randint(0, 4)
        unit, rule = generator.choice(["percent", "fraction"]), generator.choice(list(WAYS))
        printed = as_printed(k, n, decimals, unit, rule)
        assert rule in counts(printed, unit, n), (k, n, printed, rule)
        assert n in fitting(printed, unit)


def test_the_k_that_is_given_prints_so() -> None:
    for printed in ("99.28", "97.5", "85", "0", "100", "33.3"):
        for n in range(1, 501):
            for rule, k in counts(printed, "percent", n).items():
                assert as_printed(k, n, len(printed.partition(".")[2]), "percent", rule) == printed


def test_a_tie_goes_up_or_to_the_even_digit() -> None:
    assert counts("13", "percent", 8) == {"half up": 1}  # 12.5
    assert counts("12", "percent", 8) == {"half even": 1, "truncated": 1}
    assert counts("38", "percent", 8) == {"half up": 3, "half even": 3}  # 37.5
    assert counts("37", "percent", 8) == {"truncated": 3}


def test_everything_and_nothing_fit_every_n() -> None:
    assert list(fitting("100", "percent", 7)) == list(fitting("0", "percent", 7)) == [1, 2, 3, 4, 5, 6, 7]
    assert fitting("100", "percent", 0) == {}


def test_99_28_and_99_29_are_139_of_140_truncated_and_rounded() -> None:
    assert counts("99.28", "percent", 140) == {"truncated": 139}
    assert counts("99.29", "percent", 140) == {"half up": 139, "half even": 139}
    assert list(fitting("99.28", "percent", 150)) == [138, 139, 140]


def test_a_dalle3_cell_of_97_5_takes_a_fortieth() -> None:
    assert min(fitting("97.5", "percent", 80)) == 40
    assert "half up" in counts("97.5", "percent", 40)


@pytest.mark.parametrize(("table", "name"), [(1, "DALL-E 3, base"), (3, "DALL-E 3, deblurred")])
def test_the_columns_of_dalle3_come_out_as_40_images(table: int, name: str) -> None:
    assert smallest_n(column_of(table, name)) == 40
    entry = one(AUDIT, kind="sample size", table=table, column=name)
    assert (entry["smallest_n"], entry["ns"][0][0]) == (40, 40)


def test_the_smallest_n_of_a_column_is_that_of_brute_force() -> None:
    for rows in (column("50", "33"), column("66.7", "33.3", "100"), column("14.28", "57.14"), column("12", "13")):
        expected = next(
            (n for n in range(1, 201) for rule in WAYS
             if all(c.printed in {as_printed(k, n, c.decimals, "percent", rule) for k in range(n + 1)} for c in rows)),
            None,
        )
        assert smallest_n(rows, 200) == expected


def test_a_column_is_written_by_one_rule_throughout() -> None:
    assert smallest_n(column("12", "13"), 8) is None  # 1/8 cut off and 1/8 rounded are two ways of writing
    assert 8 in fitting("12", "percent", 8)
    assert 8 in fitting("13", "percent", 8)


def test_averages_scores_and_nan_have_no_n() -> None:
    assert smallest_n(column("50", average="33.33")) == 2
    assert smallest_n(column("1.335", unit="score")) is None
    assert smallest_n([cell("NaN"), cell("75")]) == 4
    assert smallest_n([]) is None
    assert smallest_n(column("99.9")) is None  # takes 667 by rounding
    assert smallest_n(column("99.9"), 1000) == 667


@pytest.mark.parametrize(("printed", "unit"), [("1.3", "score"), ("75", "points"), ("x", "percent"), ("-1", "percent")])
def test_what_is_no_share_has_no_sample_size(printed: str, unit: str) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        fitting(printed, unit)


def test_common_needs_one_rule_for_all() -> None:
    first, second = fitting("99.28", "percent"), fitting("99.29", "percent")
    assert common([first, second]) == {}
    assert list(common([first, first])) == list(first)
    assert common([]) == {}


def test_runs_of_numbers_are_ranges() -> None:
    assert as_ranges([138, 139, 140, 276]) == [[138, 140], [276, 276]]
    assert as_ranges([]) == []


def test_two_columns_of_the_same_images_need_one_n_per_class() -> None:
    pair = one(AUDIT, where="Table 1, Stable Diffusion, base, and Table 3, Stable Diffusion, deblurred")
    (dog,) = [row for row in pair["rows"] if row["row"] == "dog"]
    assert (dog["smallest_n"], dog["written_apart"]["n"]) == (5104, 140)
    assert [row["row"] for row in pair["rows"] if row["written_apart"]] == ["dog"]
    assert "139/140 cut off is 99.28 and 139/140 rounded is 99.29" in pair["text"]
    assert pair["holds"] is None


def test_5104_is_the_first_n_that_writes_99_28_and_99_29_alike() -> None:
    def alike(n: int) -> bool:
        near = range(9925 * n // 10_000, 9932 * n // 10_000 + 2)
        return any({"99.28", "99.29"} <= {as_printed(k, n, 2, "percent", rule) for k in near} for rule in WAYS)

    assert next(n for n in range(1, 10_001) if alike(n)) == 5104


def test_a_row_that_takes_more_than_the_search_is_named() -> None:
    entry = one(AUDIT, kind="sample size", table=2, column="Stable Diffusion, base")
    assert (entry["smallest_n"], entry["n_max"]) == (None, 500)
    assert "elephant prints 99.9, which takes 667 at least" in entry["text"]
    (elephant,) = [row for row in entry["rows"] if row["row"] == "elephant"]
    assert (elephant["smallest_n"], elephant["ns"]) == (667, [])


@pytest.mark.parametrize(
    ("n", "holds", "words"), [(40, True, "does."), (39, False, "does not."), (None, None, "is 40.")]
)
def test_a_printed_n_is_held_against_the_digits(n: int | None, holds: bool | None, words: str) -> None:
    (entry,) = audit_samples(paper(column("97.5", "85", n=n)))
    assert (entry["holds"], entry["published_n"]) == (holds, n)
    assert entry["text"].endswith(words)


# Averages


def test_table_4_prints_99_3_and_its_rows_give_99_243() -> None:
    entry = one(AUDIT, kind="average", table=4)
    assert (entry["holds"], entry["printed"], entry["mean_of_rows"]) == (False, "99.3", "99.243")
    assert (entry["at_printed_precision"], entry["ways"]) == ("99.2", [])
    assert entry["range"] == {ROUNDED: ["99.1525", "99.2835"], TRUNCATED: ["99.243", "99.324"]}
    assert entry["possible"] == {ROUNDED: True, TRUNCATED: True}
    assert entry["text"] == (
        "The printed average is 99.3 and the 10 printed rows give 99.243, which is 99.2 at that precision; digits of "
        "the rows that are not printed could make up the difference."
    )


def test_the_other_five_averages_are_the_means_of_their_rows() -> None:
    entries = [entry for entry in AUDIT if entry["kind"] == "average"]
    assert [entry["mean_of_rows"] for entry in entries] == ["99.181", "87.25", "99.223", "99.649", "87.75", "99.243"]
    assert [entry["holds"] for entry in entries] == [True] * 5 + [False]
    assert entries[3]["ways"] == ["half up", "half even"]  # 99.649 is 99.65 by rounding only


@pytest.mark.parametrize(
    ("average", "ways"),
    [("3", ["half up"]), ("2", ["half even", TRUNCATED]), ("2.5", ["half up", "half even", TRUNCATED])],
)
def test_a_mean_on_a_tie_may_be_written_in_several_ways(average: str, ways: list[str]) -> None:
    (entry,) = audit_averages(paper(column("2", "3", average=average)))
    assert (entry["ways"], entry["holds"]) == (ways, True)


def test_an_average_beyond_what_unprinted_digits_allow_is_impossible() -> None:
    (entry,) = audit_averages(paper(column("99.4", "99.4", average="99.9")))
    assert entry["possible"] == {ROUNDED: False, TRUNCATED: False}
    assert "cannot make up the difference" in entry["text"]


def test_truncated_rows_never_reach_the_next_digit() -> None:
    (entry,) = audit_averages(paper(column("1", "1", average="2")))
    assert entry["possible"] == {ROUNDED: True, TRUNCATED: False}  # 1.5 is an end of both when rounded
    assert entry["range"] == {ROUNDED: ["0.5", "1.5"], TRUNCATED: ["1", "2"]}


def test_columns_without_rows_or_with_nan_have_no_average_to_audit() -> None:
    assert audit_averages(paper([cell("3", AVERAGE)])) == []
    assert audit_averages(paper(column("3", "NaN", average="3"))) == []


def test_the_whole_is_the_end_of_a_share_but_not_of_a_score() -> None:
    assert unprinted(cell("100"), ROUNDED) == Range(Fraction("99.5"), Fraction(100))
    assert unprinted(cell("100"), TRUNCATED) == Range(Fraction(100), Fraction(100))
    assert unprinted(cell("0"), ROUNDED) == Range(Fraction(0), Fraction("0.5"))
    assert unprinted(cell("1.00", unit="score"), TRUNCATED) == Range(Fraction(1), Fraction("1.01"), True)
    assert mean_range(column("100", "50"), TRUNCATED) == Range(Fraction(75), Fraction("75.5"), True)


def test_ranges_overlap_where_they_share_a_number() -> None:
    low, middle, high = Fraction(1), Fraction(2), Fraction(3)
    assert overlap(Range(low, middle), Range(middle, high)) == Range(middle, middle)
    assert overlap(Range(low, middle, True), Range(middle, high)) is None
    assert overlap(Range(low, high, True), Range(low, middle)) == Range(low, middle)
    assert overlap(Range(low, low), Range(middle, high)) is None


def test_numbers_are_written_exactly() -> None:
    assert shown(Fraction(99243, 1000)) == "99.243"
    assert shown(Fraction(2, 3), 2) == "0.67"
    assert shown(Fraction(1, 2), sign=True) == "+0.5"
    assert shown(Fraction(-1, 8), 2, sign=True) == "-0.13"
    assert shown(Fraction(100), 1, strip=False) == "100.0"
    assert (shown(Fraction(100)), shown(Fraction(0))) == ("100", "0")
    assert [write(5, 2, rule) for rule in ("half up", "half even", TRUNCATED)] == [3, 2, 2]


# Claims


def claims_of(start: str) -> list[dict[str, Any]]:
    return [entry for entry in AUDIT if entry["kind"] == "claim" and entry["where"].startswith(start)]


def test_deblurring_did_not_cost_dalle3_half_a_point() -> None:
    (entry,) = claims_of("Section 4, deblurring, DALL-E 3")
    assert (entry["holds"], entry["number"], entry["found"]) == (False, "-0.5", [["0.5"]])
    assert [shown_cell["printed"] for shown_cell in entry["cells"]] == ["87.25", "87.75"]
    assert entry["text"] == (
        "The paper says that deblurring cost half a point; Tables 1 and 3 print 87.25 -> 87.75, which is +0.5."
    )


def test_the_gain_of_0_08_rests_on_an_average_that_its_rows_do_not_give() -> None:
    printed, by_rows = claims_of("Section 4, deblurring, Stable Diffusion on captions")
    assert (printed["by"], printed["holds"], printed["found"]) == ("printed", True, [["0.08"]])
    assert (by_rows["by"], by_rows["holds"], by_rows["found"]) == ("rows", False, [["0.02"]])
    # rounded: Table 4 in [99.25, 99.2835], Table 2 in [99.215, 99.225]; truncated: [99.3, 99.324), [99.223, 99.23)
    assert by_rows["allowed"] == {ROUNDED: ["+0.025", "+0.0685"], TRUNCATED: ["+0.07", "+0.101"]}


def test_deblurring_is_not_generally_negative_in_the_tables() -> None:
    (entry,) = claims_of("Section 5, deblurring")
    assert (entry["holds"], entry["agree"], entry["of"]) == (False, 0, 3)
    assert "in 0 of 3 cases, not in Table 1, Stable Diffusion, base to Table 3 (99.18 -> 99.65)" in entry["text"]


def test_what_no_printed_number_decides_is_left_open() -> None:
    entries = [entry for entry in AUDIT if entry["kind"] == "claim" and entry["check"] == "open"]
    assert len(entries) == 3
    assert all(entry["holds"] is None and entry["agree"] is None for entry in entries)
    assert all(word in entries[1]["text"] for word in ("significant", "0.04"))


def test_every_other_claim_of_ieie2026_is_borne_out() -> None:
    false = [entry["where"] for entry in AUDIT if entry["kind"] == "claim" and entry["holds"] is False]
    assert false == [
        "Section 4, deblurring, Stable Diffusion on captions, by the rows",
        "Section 4, deblurring, DALL-E 3",
        "Section 4, deblurring, images that follow their prompts closely",
        "Section 5, deblurring",
    ]
    assert len([entry for entry in AUDIT if entry["kind"] == "claim" and entry["holds"]]) == 10


def test_contamination2023_says_nothing_against_its_tables_but_for_the_fid() -> None:
    entries = audit_claims(CONTAMINATION)
    (fid,) = [entry for entry in entries if entry["holds"] is not True]
    assert (fid["where"], fid["agree"], fid["of"]) == ("Abstract and section 7, image generation", 1, 8)
    assert "FID to ImageNet-64, ImageNet-64 -> IN/SD-20%-64 (14.9 -> 12.6)" in fid["text"]
    assert fid["text"].endswith("and 4 more.")
    assert len(entries) == 26


ROWS = [*column("3", "2", "2.5"), *column("3", "2", "1", column="theirs")]


def claim(check: str, **settings: Any) -> dict[str, Any]:
    return {"where": "here", "says": "so", "check": check} | settings


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (claim("falls", table=1, rows=["0", "1", "2"]), [False, True]),
        (claim("falls", table=1, rows=["0", "1", "2"], columns=["theirs"]), [True]),
        (claim("falls", table=1, against="0", rows=["1", "2"]), [True, True, True, True]),
        (claim("rises", cells=[[1, "ours", "1"], [1, "ours", "2"]]), [True]),
        (claim("rises", cells=[[1, "ours", "0"], [1, "theirs", "0"]]), [False]),
        (claim("not above", cells=[[1, "ours", "0"], [1, "theirs", "0"]]), [True]),
        (claim("not above", cells=[[1, "ours", "1"], [1, "ours", "0"]]), [False]),
        (claim("same", pairs=[[[1, "ours", "0"], [1, "theirs", "0"]]]), [True]),
        (claim("same", pairs=[[[1, "ours", name], [1, "theirs", name]] for name in "012"]), [True, True, False]),
        (claim("equals", number="2.5", cells=[[1, "ours", "2"]]), [True]),
        (claim("equals", number="2.50", cells=[[1, "ours", "2"]]), [True]),
        (claim("equals", number="2.4", cells=[[1, "ours", "2"]]), [False]),
        (claim("difference", number="-1", cells=[[1, "ours", "0"], [1, "ours", "1"]]), [True]),
        (claim("difference", number="+1", cells=[[1, "ours", "0"], [1, "ours", "1"]]), [False]),
        (claim("difference", number="1", cells=[[1, "ours", "1"], [1, "ours", "2"]]), [True]),  # 0.5, ties either way
        (claim("difference", number="0", cells=[[1, "ours", "1"], [1, "ours", "2"]]), [True]),
        (claim("some below", number="2", cells=[[1, "ours", "0"], [1, "ours", "1"]]), [False]),
        (claim("some below", number="2.1", cells=[[1, "ours", "0"], [1, "ours", "1"]]), [True]),
        (claim("open", because="no size is printed", cells=[[1, "ours", "0"], [1, "ours", "1"]]), None),
    ],
)
def test_a_claim_is_checked_against_its_cells(entry: dict[str, Any], expected: list[bool] | None) -> None:
    (parsed,) = parse_claims([entry], ROWS)
    assert verdicts(parsed) == expected
    (told,) = audit_claims(paper(ROWS, [entry]))
    assert told["holds"] == (None if expected is None else all(expected))
    assert told["of"] == len(parsed.sequences)


def test_a_claim_shows_its_steps() -> None:
    (parsed,) = parse_claims([claim("falls", table=1, rows=["0", "1", "2"], columns=["theirs"])], ROWS)
    assert found(parsed, parsed.sequences[0]) == [-1, -1]


def test_a_claim_may_not_rest_on_a_nan() -> None:
    with pytest.raises(ConfigError, match=r"claims\[0\], cell: \[1, 'ours', '1'\]"):
        parse_claims([claim("falls", table=1, rows=["0", "1"])], column("3", "NaN"))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (claim("falls", cells=[[1, "ours", "0"]]), "cells: 1 .*two or more"),
        (claim("difference", number="1", cells=[[1, "ours", "0"]]), "cells: 1 .*2 cells"),
        (claim("difference", cells=[[1, "ours", "0"], [1, "ours", "1"]]), "number: None"),
        (claim("falls", because="so", cells=[[1, "ours", "0"], [1, "ours", "1"]]), "because: 'so'"),
        (claim("falls", cells=[[1, "ours"], [1, "ours", "1"]]), r"cell: \[1, 'ours'\]"),
        (claim("falls", table=9, rows=["0", "1"]), "cells: '0 sequences'"),
    ],
)
def test_a_claim_that_cannot_be_checked_is_refused_by_name(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_claims([entry], ROWS)


# The whole


def strings(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)
    else:
        yield value


@pytest.mark.parametrize("published", [IEIE, CONTAMINATION], ids=lambda published: published.paper)
def test_the_audit_keeps_its_contract(published: Published) -> None:
    entries = audit(published)
    kinds = [entry["kind"] for entry in entries]
    assert kinds == sorted(kinds, key=["average", "claim", "sample size"].index)
    for entry in entries:
        assert entry["holds"] in (True, False, None)
        assert entry["where"]
        assert entry["text"].endswith(".")
        assert entry["text"].count("\n") == 0
        assert not any(isinstance(value, float) for value in strings(entry))
    assert json.loads(json.dumps(entries)) == entries
    assert audit(published) == entries


def test_a_study_without_a_paper_has_no_audit() -> None:
    assert audit(NOTHING) == []
