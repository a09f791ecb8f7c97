"""The bench's rows say what was measured, and what could not be."""

from __future__ import annotations

from typing import Any

from galera_bench.outcome import Point
from galera_bench.svg import plot
from galera_bench.tables import HEAD, lost, row, table


def found(**changes: Any) -> dict[str, Any]:
    felt = {"failed": 2, "unserved": 3, "due": 100, "stall": 1.234, "outage": 0.5, "latency": [0.01, 0.02, 0.25, 1.0]}
    return {"felt": felt, "whole_after": 12.34, "missing": {"slot 1": 0, "slot 2": 4}, "misrouted": {}, "accepted": 50} | changes


def test_a_row_counts_what_was_due_and_never_tried_among_the_failed() -> None:
    assert row("1 -> 3", "ours", found(), 75.0) == (
        "1 -> 3", "ours", "5", "100", "1.23 s", "0.50 s", "250 ms", "12.3 s", "4", "0 of 50",
    )  # fmt: skip


def test_a_system_that_did_not_come_back_is_said_to_and_who_was_met_in_which_state() -> None:
    cells = row("1 -> 3", "theirs", found(whole_after=None, misrouted={"donor": 7, "joined": 1}), 75.0)
    assert cells[7] == "not within 75 s"
    assert cells[9] == "7 donor, 1 joined of 50"


def test_members_that_do_not_answer_are_not_members_that_lack_nothing() -> None:
    assert lost({"slot 1": 0, "slot 2": None}) == "0, 1 of 2 members do not answer"
    assert lost({"slot 1": None}) == "no member answers"
    assert lost({}) == "no member answers"


def test_a_table_has_a_cell_for_each_column() -> None:
    lines = table(HEAD, [row("1 -> 3", "ours", found(), 75.0)]).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 3


def test_a_plot_is_one_picture_with_a_panel_for_each_system_and_its_failures_in_red() -> None:
    points = [Point(0.0, 40.0, 0.0, 0.1), Point(0.5, 0.0, 8.0, 20.0)]
    picture = plot("kill <-9>", [("ours", points[:1], None), ("theirs", points, 0.25)], 40.0)
    assert picture.count("<polyline") == 2
    assert picture.count("#d62728") == 1
    assert "kill &lt;-9&gt;" in picture
