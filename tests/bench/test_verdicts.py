"""What the report computes from the rounds: medians, ratios, verdicts, and which sections of the page are kept."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
from harness import cpp, plot, report
from harness.records import Case, Entry, Record
from harness.verdicts import Limit, Times, TimesBest, number_text

RATE = Case("rate", "items/s", "higher")
TIME = Case("time", "ms", "lower")


def record(case: Case, **values: list[float | None]) -> Record:
    entries = {key: Entry(f"the {key}", "1.0", {case.name: rounds}) for key, rounds in values.items()}
    return Record("some", max(map(len, values.values())), "2026-01-01", "a machine", [case], entries)


def test_the_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    # The medians alone would say 20 / 10 = 2.
    told = record(RATE, centimane=[10.0, 20.0, 90.0], peer=[10.0, 5.0, 30.0])
    assert told.ratio(RATE, "peer") == 3.0
    assert record(TIME, centimane=[1.0, 2.0, 4.0], peer=[4.0, 4.0, 4.0]).ratio(TIME, "peer") == 2.0


def test_rounds_without_a_value_are_no_part_of_it() -> None:
    assert record(RATE, centimane=[10.0, None, 30.0], peer=[None, 5.0, 10.0]).ratio(RATE, "peer") == 3.0
    assert record(RATE, centimane=[10.0], peer=[None]).ratio(RATE, "peer") is None


@pytest.mark.parametrize(("factor", "met"), [(2.99, True), (3.0, True), (3.01, False)])
def test_times(factor: float, met: bool) -> None:
    told = record(RATE, centimane=[30.0], slow=[10.0], slower=[1.0])
    assert Times(factor, "slow").judge(told).met is met
    assert TimesBest(factor).judge(told).met is met


def test_the_best_of_the_others_leaves_out_who_is_no_rival() -> None:
    told = record(TIME, centimane=[4.0], centimane_again=[1.0], bare=[1.0], peer=[8.0])
    assert TimesBest(2, but=("bare",)).judge(told).met is True
    assert TimesBest(2).judge(told).met is False


def test_a_limit_takes_each_round_alone() -> None:
    told = record(TIME, centimane=[5.0, 9.0, 7.0], base=[1.0, 1.0, 6.0])
    verdict = Limit(
        "over the base", 4, lambda values: values["centimane", "time"] - values["base", "time"], "ms"
    ).judge(told)
    assert (verdict.met, verdict.found) == (True, "4 ms")
    assert Limit("", 3.9, lambda values: values["centimane", "time"] - values["base", "time"]).judge(told).met is False
    assert Limit("", 8, lambda values: values["centimane", "time"], least=True).judge(told).met is False


def test_what_is_not_there_is_not_judged() -> None:
    told = record(RATE, centimane=[1.0])
    assert Times(1, "peer").judge(told).met is None
    assert TimesBest(1).judge(told).met is None
    assert Limit("", 1, lambda values: values["peer", "rate"]).judge(told).met is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234.6, "1,235"), (12.345, "12.3"), (0.01234, "0.0123"), (0.00001, "0.00001"), (999.9, "1,000")],
)
def test_numbers(value: float, text: str) -> None:
    assert number_text(value) == text


def test_a_page_keeps_the_workloads_that_were_not_measured(tmp_path: Path) -> None:
    page, plots = tmp_path / "RESULTS.md", tmp_path / "plots"
    cpu = record(Case("job", "s", "lower"), centimane=[1.0], sequential=[2.0])
    noop = record(Case("ints", "items/s", "higher"), centimane=[1000.0], pool=[1.0], executor=[3.0])
    report.write({"cpu": cpu, "map_noop": noop}, page, plots)
    both = page.read_text(encoding="utf-8")
    assert "2 × | met |" in both
    assert "333 × | **not met** |" in both
    report.write({"cpu": cpu}, page, plots)
    assert page.read_text(encoding="utf-8") == both
    faster = record(Case("ints", "items/s", "higher"), centimane=[3000.0], pool=[1.0], executor=[3.0])
    report.write({"map_noop": faster}, page, plots)
    changed = page.read_text(encoding="utf-8")
    assert "333 ×" not in changed
    assert "2 × | met |" in changed


def test_records_survive_their_file(tmp_path: Path) -> None:
    told = record(RATE, centimane=[10.0, None], peer=[1.0, 2.0])
    told.entries["peer"].trouble["rate"] = "hangs"
    told.write(tmp_path)
    assert Record.read(tmp_path / "some.json") == told


def test_lines_of_a_program() -> None:
    line = {"workload": "tasks", "unit": "ns/task", "better": "lower", "version": "1"}
    said = [
        {"workload": "tasks", "competitor": "absent", "missing": "not found"},
        {**line, "competitor": "peer", "round": 0, "value": 30},
        {**line, "competitor": "centimane", "round": 0, "value": 10},
        {**line, "competitor": "centimane", "round": 2, "value": 20},
    ]
    told = cpp.take_down("program", said, 3, "ended with status 1: why")
    assert next(iter(told.entries)) == "centimane"
    assert told.entries["centimane"].values["tasks"] == [10.0, None, 20.0]
    assert told.ratio(told.cases[0], "peer") == 3.0
    assert told.entries["absent"].why("tasks") == "not found"
    assert "status 1" in told.entries["the program"].why("tasks")


@pytest.mark.parametrize("values", [[0.0], [0.003, 7e9], [1.0, 1.0], [2.04], [999.0, 1.0]])
@pytest.mark.parametrize("log", [True, False])
def test_every_record_can_be_drawn(values: list[float], log: bool) -> None:
    told = record(TIME, centimane=list(values), peer=[None])
    picture = plot.draw(told, log=log, lines=False)
    assert picture.startswith("<svg")
    assert "nan" not in picture
    assert "the centimane" in picture
