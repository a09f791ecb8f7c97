"""What the demo tells: Swarm's changes in words, the operator's log, the steps' times, the verdict."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from galera_operator.demo.operator_log import Follower, Said, parse
from galera_operator.demo.pages import PageFailure, PagesResult
from galera_operator.demo.report import Outcome, faults, report
from galera_operator.demo.swarm import ServiceSeen, TaskSeen, news
from galera_operator.demo.tally import Failure, Kind, Result, Stall, Step
from galera_operator.demo.timeline import Timeline
from galera_operator.demo.verify import Verdict

ONE = TaskSeen("t1", 1, "node1", "running", "running", "c1")
TWO = TaskSeen("t2", 2, "node3", "starting", "running", "c2")

GOOD = Outcome(
    Result(1000.0, 80.0, 2560, 2560, 0, 0, 3, Stall(12.0, 0.84, 3), (0.005, 0.01, 0.3, 0.84)),
    PagesResult(80, 0, 0.9),
    Verdict(2560, 2560, (), ()),
)


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def printed(outcome: Outcome, timeline: Timeline) -> str:
    console = Console(width=130, record=True, file=None, quiet=True)
    console.quiet = False
    with console.capture() as capture:
        console.print(report(outcome, timeline))
    return capture.get()


@pytest.fixture
def timeline() -> Timeline:
    clock = Clock(995.0)
    timeline = Timeline(clock)
    with timeline.step("1 -> 3"):
        clock.now = 1020.0
        timeline.mark("slot 2 on node3 is in service")
        timeline.mark("replicas 1 -> 2", at=996.5)
        clock.now = 1040.0
    return timeline


def test_the_first_look_at_a_service_is_no_news() -> None:
    assert news(None, ServiceSeen(1, (ONE,))) == []


def test_news_says_when_a_member_is_in_service_and_when_it_is_gone() -> None:
    starting = ServiceSeen(2, (ONE, TWO))
    assert news(ServiceSeen(1, (ONE,)), starting) == ["replicas 1 -> 2"]
    serving = ServiceSeen(2, (ONE, replace(TWO, state="running")))
    assert news(starting, serving) == ["slot 2 on node3 is in service"]
    leaving = ServiceSeen(1, (ONE, replace(TWO, state="running", wanted="remove")))
    assert news(serving, leaving) == ["replicas 2 -> 1", "slot 2 on node3 is being stopped"]
    assert news(leaving, ServiceSeen(1, (ONE,))) == ["slot 2 on node3 is gone"]


def test_a_task_that_is_to_go_does_not_serve_any_more() -> None:
    assert ONE.serves
    assert not replace(ONE, wanted="remove").serves
    assert not TWO.serves
    assert not replace(ONE, state="shutdown").is_alive


def test_the_operators_decisions_are_read_from_its_log() -> None:
    said = parse("2026-01-02T03:04:05.678+00:00 INFO    wordpress_dbcluster: done: admit slot 2\n")
    assert said is not None
    assert (said.service, str(said), said.is_milestone) == ("wordpress_dbcluster", "done: admit slot 2", True)
    assert said.at == pytest.approx(1767323045.678)


def test_a_page_is_read_with_its_name_and_a_hold_is_no_milestone() -> None:
    page = parse("2026-01-02T03:04:05.678+00:00 ERROR   a_db: PAGE split-brain: two Primary components -- Stop the applications.")
    hold = parse("2026-01-02T03:04:05.678+00:00 INFO    a_db: hold: slot 2 is joining")
    assert page is not None
    assert hold is not None
    assert page.kind == "PAGE split-brain"
    assert not hold.is_milestone


@pytest.mark.parametrize(
    "line", ["", "Traceback (most recent call last):", "2026-01-02T03:04:05.678+00:00 INFO    scheduler started"]
)
def test_other_lines_are_passed_over(line: str) -> None:
    assert parse(line) is None


def test_marks_belong_to_the_step_in_which_they_happened_in_their_order(timeline: Timeline) -> None:
    (span,) = timeline.spans
    assert [mark.what for mark in timeline.marks_in(span)] == ["replicas 1 -> 2", "slot 2 on node3 is in service"]
    assert timeline.where(1012.0) == "1 -> 3, 17.0 s in"
    assert timeline.where(1050.0) == "55.0 s after the start"


def test_a_step_that_fails_has_a_time_too() -> None:
    clock = Clock(1.0)
    timeline = Timeline(clock)

    def fails() -> None:
        with timeline.step("stack deployed"):
            clock.now = 4.0
            raise ValueError

    with pytest.raises(ValueError):
        fails()
    assert [(span.name, span.ended) for span in timeline.spans] == [("stack deployed", 4.0)]


def test_a_demo_that_lost_nothing_has_no_fault_and_says_so(timeline: Timeline) -> None:
    assert faults(GOOD) == []
    text = printed(GOOD, timeline)
    assert "Nothing failed, nothing is missing." in text
    assert "0.84 s" in text
    assert "1 -> 3, 17.0 s in" in text
    assert "45.0 s" in text


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (replace(GOOD, load=replace(GOOD.load, failed=2)), "2 of 2560 transactions failed"),
        (replace(GOOD, load=replace(GOOD.load, unconnected=1)), "1 transactions got no connection"),
        (replace(GOOD, load=replace(GOOD.load, acknowledged=0)), "not one write was acknowledged"),
        (replace(GOOD, verdict=Verdict(2560, 2559, ((3, 7),), ())), "1 of 2560 acknowledged writes are missing"),
        (replace(GOOD, pages=PagesResult(80, 1, 10.0)), "1 of 80 pages failed"),
        (replace(GOOD, pages=PagesResult(0, 0, 0.0)), "not one page was fetched"),
    ],
)
def test_each_loss_is_a_fault_of_its_own(outcome: Outcome, sentence: str) -> None:
    assert faults(outcome) == [sentence]


def test_what_failed_is_told_with_the_step_it_happened_in(timeline: Timeline) -> None:
    failure = Failure(14.0, 5, 9, Step.COMMIT, Kind.UNKNOWN, 2013, "OperationalError: Lost connection")
    outcome = replace(
        GOOD,
        load=replace(GOOD.load, failed=1, failures=(failure,)),
        pages=PagesResult(80, 1, 1.0, (PageFailure(1030.0, "http://10.78.0.11:8080/", "HTTP 500"),)),
        verdict=Verdict(2560, 2559, ((3, 7),), ()),
    )
    text = printed(outcome, timeline)
    assert "1 -> 3, 19.0 s in: 14.0 s, connection 5: outcome unknown (commit): 2013 OperationalError: Lost connection" in text
    assert "1 -> 3, 35.0 s in: http://10.78.0.11:8080/: HTTP 500" in text
    assert "missing: connection 3, write 7" in text
    assert "FAILED: 1 of 2560 transactions failed" in text


def test_a_log_that_is_printed_again_tells_nothing_twice() -> None:
    lines = "\n".join(f"2026-01-02T03:04:0{second}.000+00:00 INFO    a_db: hold: slot {second} is joining" for second in (1, 2))
    heard: list[Said] = []
    ended, again = threading.Event(), threading.Event()

    def hear(said: Said) -> None:
        heard.append(said)
        ended.set()

    script = f"echo '{lines}'; test -e $0 && touch $0.again; touch $0"
    with tempfile.TemporaryDirectory() as folder:
        mark = Path(folder, "mark")
        follower = Follower(["sh", "-c", script, str(mark)], {}, hear)
        assert ended.wait(10)
        for _ in range(200):
            if Path(f"{mark}.again").exists() or again.wait(0.05):
                break
        follower.stop()
    assert [said.text for said in heard] == ["slot 1 is joining", "slot 2 is joining"]
