"""What is scheduled happens once: across a clock that is set forward or back, a restart, and a time when nobody was there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from builders import remembered

from galera_operator.core.cron import read_cron
from galera_operator.core.planned import Fired, RunState
from galera_operator.core.schedule import Due, fire, keep_baselines
from galera_operator.core.timetable import closed, read_schedule, read_windows
from galera_operator.runtime.runbooks import load
from galera_operator.runtime.schedule import due, fire_times, next_time, why_closed

BERLIN = "Europe/Berlin"
BOOKS = load()
DAY = 86400.0


def moment(text: str) -> float:
    """``2026-03-29 01:30`` in UTC, as seconds since 1970."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def told(times: list[float], zone: str = BERLIN) -> list[str]:
    return [datetime.fromtimestamp(time, ZoneInfo(zone)).strftime("%a %m-%d %H:%M%z") for time in times]


def fires(cron: str, after: str, until: str, zone: str = BERLIN) -> list[str]:
    return told(fire_times(read_cron(cron), zone, moment(after), moment(until)), zone)


# On the wall clock


def test_weekdays_are_those_of_crontab():
    assert fires("0 8 * * 1-5", "2026-01-02 00:00", "2026-01-07 00:00", "UTC") == [
        "Fri 01-02 08:00+0000",
        "Mon 01-05 08:00+0000",
        "Tue 01-06 08:00+0000",
    ]


def test_a_time_follows_the_zone_s_summer_and_winter():
    assert fires("0 8 * * *", "2026-03-28 00:00", "2026-03-30 00:00") == ["Sat 03-28 08:00+0100", "Sun 03-29 08:00+0200"]


def test_a_time_in_the_hour_that_is_skipped_comes_once_as_much_later():
    assert fires("30 2 * * *", "2026-03-28 12:00", "2026-03-30 12:00") == ["Sun 03-29 03:30+0200", "Mon 03-30 02:30+0200"]


def test_a_time_in_the_hour_that_comes_twice_comes_once_at_the_first():
    assert fires("30 2 * * *", "2026-10-24 12:00", "2026-10-26 12:00") == ["Sun 10-25 02:30+0200", "Mon 10-26 02:30+0100"]


def test_a_skipped_time_and_the_one_it_falls_on_are_one():
    assert fires("30 2,3 * * *", "2026-03-28 12:00", "2026-03-29 12:00") == ["Sun 03-29 03:30+0200"]


def test_the_hours_around_a_change_are_not_disturbed():
    assert fires("0 * * * *", "2026-03-28 23:30", "2026-03-29 02:30") == [
        "Sun 03-29 01:00+0100",
        "Sun 03-29 03:00+0200",
        "Sun 03-29 04:00+0200",
    ]


def test_a_clock_that_is_set_by_half_an_hour():
    assert fires("15 2 * * *", "2026-10-03 00:00", "2026-10-04 12:00", "Australia/Lord_Howe") == ["Sun 10-04 02:45+1100"]


@pytest.mark.parametrize("cron", ["30 2 * * *", "0 3 * * *", "*/10 * * * *", "59 1 * * *"])
@pytest.mark.parametrize("around", ["2026-03-29 00:00", "2026-10-25 00:00"])
def test_whoever_looks_and_whenever_every_time_is_found_exactly_once(cron, around):
    """A look every 7 minutes, each from where the last one ended, finds what one look over the whole time finds."""
    start = moment(around) - 6 * 3600
    whole = fire_times(read_cron(cron), BERLIN, start, start + DAY)
    found, seen_to = [], start
    while seen_to < start + DAY:
        upto = min(seen_to + 420.0, start + DAY)
        found += fire_times(read_cron(cron), BERLIN, seen_to, upto)
        seen_to = upto
    assert found == whole
    assert len(set(whole)) == len(whole) > 0


def test_of_very_many_missed_times_the_last_one_is_still_the_last():
    times = fire_times(read_cron("* * * * *"), "UTC", moment("2026-01-01 00:00"), moment("2026-02-01 00:00"))
    assert times[-1] == moment("2026-02-01 00:00")


def test_the_next_time_and_none():
    assert next_time(read_cron("0 8 * * *"), "UTC", moment("2026-01-01 08:00")) == moment("2026-01-02 08:00")
    assert next_time(read_cron("0 8 30 2 *"), "UTC", moment("2026-01-01 08:00")) is None


# What a label says


def test_a_size_is_the_runbook_that_scales():
    schedule = read_schedule("day", "0 8 * * 1-5 -> 5")
    assert (schedule.runbook, schedule.arguments) == ("scale", {"replicas": "5"})


def test_a_runbook_with_what_it_is_told():
    schedule = read_schedule("night", "0 3 * * sun -> runbook change-server-option option=max_connections value=200")
    assert schedule.runbook == "change-server-option"
    assert schedule.arguments == {"option": "max_connections", "value": "200"}


@pytest.mark.parametrize(
    "text", ["0 8 * * *", "0 8 * * * -> ", "0 8 * * * -> five", "0 8 * * * -> runbook", "0 8 * * -> 5", "-> 5"]
)
def test_what_is_no_schedule_is_refused(text):
    with pytest.raises(ValueError, match=r"expected|has 4 fields|has 0 fields"):
        read_schedule("x", text)


def test_what_has_no_arrow_is_refused_with_an_example():
    with pytest.raises(ValueError, match=r"expected '0 8 \* \* 1-5 -> 5' or .* under a name of letters"):
        read_schedule("x", "0 8 * * *")


@pytest.mark.parametrize("name", ["", "a b", "a.b", "x" * 41])
def test_a_schedule_s_name_is_a_word(name):
    with pytest.raises(ValueError, match="under a name of letters"):
        read_schedule(name, "0 8 * * * -> 5")


def test_windows_on_days_and_past_midnight():
    sunday, nights = read_windows("Sun 02:00-04:00, Mon-Fri 23:30-00:30")
    assert (sunday.days, sunday.start, sunday.end) == ((6,), 120, 240)
    assert nights.days == (0, 1, 2, 3, 4)
    assert sunday.is_open(6, 120)
    assert not sunday.is_open(6, 240)
    assert not sunday.is_open(0, 130)
    assert nights.is_open(4, 23 * 60 + 30)
    assert nights.is_open(5, 29)
    assert not nights.is_open(5, 30)
    assert not nights.is_open(0, 10), "the night before is Sunday's"
    assert not nights.is_open(6, 23 * 60 + 30)


def test_a_whole_day_can_be_written_in_two_ways():
    for text in ("Sun 00:00-24:00", "Sun 00:00-00:00"):
        (window,) = read_windows(text)
        assert [window.is_open(6, minute) for minute in (0, 720, 1439)] == [True] * 3
        assert not window.is_open(0, 0)
        assert not window.is_open(5, 1439)


def test_a_window_without_days_is_every_day_and_one_over_the_week_s_end_goes_around():
    assert read_windows("02:00-04:00")[0].days == (0, 1, 2, 3, 4, 5, 6)
    assert read_windows("Sat-Mon 02:00-04:00")[0].days == (5, 6, 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sun",
        "Sunday 02:00-04:00",
        "Sun 2-4",
        "Sun 24:00-25:00",
        "Sun 02:60-04:00",
        "Foo 02:00-04:00",
        "Mon-Foo 02:00-04:00",
        "24:00-01:00",
    ],
)
def test_what_is_no_window_is_refused(text):
    with pytest.raises(ValueError, match="is no window"):
        read_windows(text)


def test_planned_work_waits_for_an_open_window_in_the_user_s_zone():
    windows = read_windows("Sun 02:00-04:00")
    assert closed((), 0, 0) == ""
    assert why_closed(windows, BERLIN, moment("2026-01-04 01:30")) == ""
    assert why_closed(windows, "UTC", moment("2026-01-04 01:30")) == "waits for the maintenance window: Sun 02:00-04:00"


# What comes of it

MORNING = read_schedule("morning", "0 8 * * * -> 5")
EVENING = read_schedule("evening", "0 20 * * * -> 3")
IDS = [f"dddddddd-0000-4000-8000-00000000000{number}" for number in range(9)]


def at(text: str, *schedules, memory=None, zone: str = "UTC"):
    """The memory after one turn at this moment, and what was said."""
    now = moment(text)
    memory = keep_baselines(memory or remembered(), schedules, now)
    coming = due(schedules, memory, zone, now)
    return fire(memory, coming, BOOKS, IDS[: len(coming)], now)


def sizes(memory) -> list[str]:
    return [run.arguments["replicas"] for run in memory.planned.requests]


def test_a_schedule_that_is_new_does_not_make_up_for_its_past():
    memory, said = at("2026-01-01 09:00", MORNING)
    assert sizes(memory) == []
    assert said == []


def test_a_schedule_that_was_changed_counts_from_its_change():
    memory, _ = at("2026-01-01 07:00", MORNING)
    changed = read_schedule("morning", "0 9 * * * -> 4")
    memory, _ = at("2026-01-01 12:00", changed, memory=memory)
    assert sizes(memory) == []
    memory, _ = at("2026-01-02 09:00", changed, memory=memory)
    assert sizes(memory) == ["4"]


def test_what_is_due_is_asked_for_once():
    memory, _ = at("2026-01-01 07:59", MORNING)
    memory, said = at("2026-01-01 08:00", MORNING, memory=memory)
    assert sizes(memory) == ["5"]
    assert said == ["schedule morning asks for runbook scale (Thu 2026-01-01 08:00 UTC)"]
    again, said = at("2026-01-01 08:01", MORNING, memory=replace(memory, planned=replace(memory.planned, requests=())))
    assert (sizes(again), said) == ([], [])


def test_who_asked_is_the_schedule():
    memory, _ = at("2026-01-01 07:59", MORNING)
    memory, _ = at("2026-01-01 08:00", MORNING, memory=memory)
    (run,) = memory.planned.requests
    assert (run.by, run.digest, run.answers_all) == ("schedule morning", BOOKS["scale"].digest, False)


def test_missed_runs_are_told_and_run_once():
    memory, _ = at("2026-01-01 07:00", MORNING)
    memory, said = at("2026-01-04 09:00", MORNING, memory=memory)
    assert sizes(memory) == ["5"]
    assert said[0] == "schedule morning missed 4 runs, the last one of Sun 2026-01-04 08:00 UTC; it runs once now"


def test_one_missed_run_is_told_too_and_one_in_time_is_not_called_missed():
    memory, _ = at("2026-01-01 07:00", MORNING)
    _, late = at("2026-01-01 08:01:31", MORNING, memory=memory)
    _, in_time = at("2026-01-01 08:01:30", MORNING, memory=memory)
    assert "missed its run of Thu 2026-01-01 08:00" in late[0]
    assert not any("missed" in sentence for sentence in in_time)


def test_two_times_at_once_are_told_although_the_last_one_is_fresh():
    often = read_schedule("often", "*/2 * * * * -> 4")
    memory, _ = at("2026-01-01 07:59", often)
    memory, said = at("2026-01-01 08:02", often, memory=memory)
    assert said[0] == "schedule often missed 2 runs, the last one of Thu 2026-01-01 08:02 UTC; it runs once now"
    assert sizes(memory) == ["4"]


def test_a_runbook_is_not_overtaken_by_a_size():
    work = read_schedule("work", "0 7 * * * -> runbook rolling-restart")
    memory, _ = at("2026-01-01 06:00", MORNING, work)
    memory, _ = at("2026-01-01 09:00", MORNING, work, memory=memory)
    assert [run.runbook for run in memory.planned.requests] == ["rolling-restart", "scale"]


def test_a_size_is_not_overtaken_by_a_runbook():
    work = read_schedule("work", "30 8 * * * -> runbook rolling-restart")
    memory, _ = at("2026-01-01 06:00", MORNING, work)
    memory, _ = at("2026-01-01 09:00", MORNING, work, memory=memory)
    assert [run.runbook for run in memory.planned.requests] == ["scale", "rolling-restart"]


def test_of_several_missed_sizes_only_the_latest_counts():
    memory, _ = at("2026-01-01 07:00", MORNING, EVENING)
    memory, said = at("2026-01-01 21:00", MORNING, EVENING, memory=memory)
    assert sizes(memory) == ["3"]
    assert said[0] == "schedule morning missed Thu 2026-01-01 08:00 UTC; schedule evening has overtaken it"
    assert {name: fired.at for name, fired in memory.planned.fired.items()} == {
        "morning": moment("2026-01-01 08:00"),
        "evening": moment("2026-01-01 20:00"),
    }


def test_a_schedule_that_is_gone_is_forgotten():
    memory, _ = at("2026-01-01 07:00", MORNING, EVENING)
    memory, _ = at("2026-01-01 07:01", EVENING, memory=memory)
    assert set(memory.planned.fired) == {"evening"}


def test_a_schedule_whose_runbook_cannot_be_run_calls_a_person():
    for what in ("runbook nothing", "runbook scale replicas=77", "runbook scale"):
        wrong = read_schedule("wrong", f"0 8 * * * -> {what}")
        memory, _ = at("2026-01-01 07:59", wrong)
        memory, said = at("2026-01-01 08:00", wrong, memory=memory)
        assert memory.planned.requests == ()
        assert (memory.planned.run.state, memory.planned.run.pages) == (RunState.FAILED, True)
        assert "cannot be run" in said[0]


def test_a_look_that_finds_nothing_due_changes_nothing():
    memory, _ = at("2026-01-01 07:00", MORNING)
    again, said = at("2026-01-01 07:30", MORNING, memory=memory)
    assert again == memory
    assert said == []


def test_a_schedule_never_seen_to_is_not_due():
    now = moment("2026-01-01 08:00")
    assert due((MORNING,), remembered(), "UTC", now) == []
    other = replace(remembered().planned, fired={"morning": Fired("0 9 * * * -> 4", now - DAY)})
    assert due((MORNING,), replace(remembered(), planned=other), "UTC", now) == []


def test_a_due_that_comes_while_the_same_run_is_on_its_way_is_told():
    memory, _ = at("2026-01-01 07:59", MORNING)
    run = replace(
        fire(memory, [Due(MORNING, 1.0, 1, "then")], BOOKS, IDS[:1], 1.0)[0].planned.requests[0], state=RunState.RUNNING
    )
    memory = replace(memory, planned=replace(memory.planned, run=run))
    _, said = at("2026-01-01 08:00", MORNING, memory=memory)
    assert "is on its way already" in said[-1]
