from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from builders import JOINER, cluster, joined_but_not_admitted, member, remembered, three_calm, unseen, waiting

from galera_operator.core.agent_api import Stage
from galera_operator.core.moment import Moment, Outcome
from galera_operator.core.plan import Act, Hold, Page
from galera_operator.core.story import Event, Kind, collapsed, events_of, is_calm, last_episode, told
from galera_operator.core.strict_json import BadMessage

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CALM = Hold("as wished: all 3 members are Synced and admitted")


def moment(second, plan=CALM, seen=None, outcomes=(), operator="first"):
    look = three_calm() if seen is None else seen
    return Moment(BEGIN + timedelta(seconds=second), "shop_db", operator, second, 1, look, remembered(), plan, outcomes)


def blind(second, why="operator second holds the lease", operator="first"):
    return Moment(BEGIN + timedelta(seconds=second), "shop_db", operator, second, 0, None, None, Hold(why))


def texts(events):
    return [f"{event.kind}: {event.text}" for event in events]


def test_the_first_moment_tells_who_looks_and_what_every_member_is():
    assert texts(told(None, moment(0))) == [
        "operator: operator first looks after shop_db",
        "seen: slot 1 (n1) is admitted",
        "seen: slot 2 (n2) is admitted",
        "seen: slot 3 (n3) is admitted",
        "seen: the cluster is: serving",
        "hold: as wished: all 3 members are Synced and admitted",
    ]


def test_a_moment_like_the_one_before_tells_nothing():
    assert told(moment(0), moment(2)) == []


def test_counters_that_merely_grow_are_nothing_new():
    grown = cluster(member(1, last_committed=9), member(2, last_committed=9), member(3, queue=0, sessions=7))
    assert told(moment(0), moment(2, seen=grown)) == []


def test_a_member_that_vanishes_from_sight_is_told_with_its_cause_and_what_it_was():
    seen = cluster(member(1), member(2), unseen(3, "no answer within 4 s"))
    assert "seen: slot 3 (n3) is unseen (was admitted): no answer within 4 s" in texts(told(moment(0), moment(1, seen=seen)))


def test_a_member_that_came_and_one_that_went_are_told():
    two, other = cluster(member(1), member(2)), cluster(member(1), waiting(3))
    assert texts(told(moment(0, seen=two), moment(1, seen=other)))[:2] == [
        "seen: slot 3 (n3) is waiting: nobody to join was found",
        "seen: slot 2 is gone (was admitted)",
    ]


def test_the_clusters_condition_is_told_when_it_is_another_one():
    seen = cluster(member(1), member(2), joined_but_not_admitted(3))
    assert "seen: the cluster is: degraded (was serving)" in texts(told(moment(0), moment(1, seen=seen)))


def test_what_was_decided_and_what_became_of_each_step_is_told():
    act = Act((), "slot 3 (n3) is confirmed")
    found = told(moment(0), moment(1, act, outcomes=(Outcome("admit slot 3"), Outcome("admit slot 2", "another life"))))
    assert texts(found) == [
        "act: slot 3 (n3) is confirmed",
        "done: admit slot 3",
        "refused: admit slot 2: another life",
    ]


def test_a_step_that_is_tried_again_is_told_again_although_its_reason_is_the_same():
    act = Act((), "again")
    assert texts(told(moment(0, act), moment(1, act, outcomes=(Outcome("stop slot 1", "no"),)))) == ["refused: stop slot 1: no"]


def test_a_page_is_told_by_its_name():
    assert texts(told(moment(0), moment(1, Page("split-brain", "two Primary components", "decide")))) == [
        "page: split-brain: two Primary components"
    ]


def test_another_operator_is_told():
    assert "operator: operator second looks after shop_db" in texts(told(moment(0), moment(1, operator="second")))


def test_a_turn_without_a_look_tells_its_reason_and_nothing_of_the_members():
    assert texts(told(moment(0), blind(1))) == ["hold: operator second holds the lease"]


def test_an_event_knows_the_slots_that_it_is_about():
    assert Event(BEGIN, Kind.HOLD, "slot 3 (n3) waits its turn: slot 12 (n1) has a state transfer", BEGIN).slots == {3, 12}


def test_the_same_sentence_with_other_counts_is_told_once_with_its_last_wording():
    holds = [
        Event(BEGIN + timedelta(seconds=n), Kind.HOLD, f"slot 3 (n3) is draining: {9 - n} sessions", BEGIN + timedelta(seconds=n))
        for n in range(3)
    ]
    (one,) = collapsed(holds)
    assert (one.text, one.times, one.at, one.until) == (
        "slot 3 (n3) is draining: 7 sessions",
        3,
        BEGIN,
        BEGIN + timedelta(seconds=2),
    )


def test_the_same_sentence_about_another_slot_is_another_one():
    events = [Event(BEGIN, Kind.SEEN, f"slot {slot} is gone", BEGIN) for slot in (1, 2)]
    assert len(collapsed(events)) == 2


def test_all_events_of_a_row_of_moments_are_told_in_order():
    moments = [moment(0), moment(1, Hold("a")), moment(2, Hold("b")), moment(3, Hold("a"))]
    assert texts(events_of(moments))[-3:] == ["hold: a", "hold: b", "hold: a"]


@pytest.mark.parametrize("calm_after", [0, 1, 3])
def test_the_last_episode_begins_at_the_last_calm_moment_before_something_happened(calm_after):
    down = cluster(member(1), member(2), unseen(3))
    moments = [
        moment(0, Hold("an older trouble"), seen=down),
        moment(1),
        moment(2),
        moment(3, Hold("slot 3 was not seen"), seen=down),
        moment(
            4, Hold("slot 3 is joining"), seen=cluster(member(1), member(2), waiting(3, stage=Stage.JOINING, transfer=JOINER))
        ),
        *(moment(5 + n) for n in range(calm_after)),
    ]
    assert [m.tick for m in last_episode(moments)] == list(range(2, 5 + calm_after))


def test_a_cluster_in_which_nothing_ever_happened_has_all_of_it_as_its_episode():
    assert [m.tick for m in last_episode([moment(0), moment(1)])] == [0, 1]
    assert [m.tick for m in last_episode([moment(0)])] == [0]


def test_calm_is_a_hold_while_every_member_serves():
    assert is_calm(moment(0))
    assert not is_calm(moment(0, Act((), "grow")))
    assert not is_calm(moment(0, seen=cluster(member(1), unseen(2))))
    assert not is_calm(blind(0))


def test_a_moment_comes_back_from_its_line_as_the_same_value():
    for one in (moment(3, Act((), "x"), outcomes=(Outcome("admit slot 3", "no"),)), blind(4)):
        assert Moment.from_json(one.to_json()) == one


@pytest.mark.parametrize(
    ("line", "told_"),
    [
        ("", "not JSON"),
        ("[]", "expected a JSON object"),
        ("{}", "format is None; this version reads 1"),
        ('{"format": 2}', "format is 2; this version reads 1"),
        ('{"format": 1}', "expected Moment"),
    ],
)
def test_a_line_that_is_no_moment_of_this_format_is_refused(line, told_):
    with pytest.raises(BadMessage, match=told_):
        Moment.from_json(line)
