"""What a person may decide, what it costs by name, and how it is carried out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import (
    ZEROS,
    A,
    B,
    C,
    cluster,
    decided,
    member,
    non_primary,
    pending,
    position,
    recipient,
    remembered,
    task,
    unseen,
    waiting,
)

from galera_operator.core.agent_api import Stage
from galera_operator.core.consent import (
    SILENCE,
    bootstrap_command,
    carry_on,
    choices,
    history_of,
    is_superseded,
    losses,
    may_replace,
    objection,
    present_copy,
    recipients,
    replace_command,
    replace_objection,
    stop_given_up,
)
from galera_operator.core.decide import decide
from galera_operator.core.plan import Act, Bootstrap, Hold, Invite, Page, StopMember
from galera_operator.core.position import Directory
from galera_operator.core.remembered import Copy, Fork, Memory
from galera_operator.core.veto import broken_invariants

GONE = task(3, id="old", desired="shutdown", node="n9", node_is_down=True)
FORK = Fork(position(100, B), (2,))


def incomplete(slot):
    return waiting(slot, directory=Directory.INCOMPLETE)


# The commands


def test_the_commands_name_the_service_the_slot_and_each_loss_in_order():
    assert bootstrap_command("shop_db", 2, ()) == "galera-operator bootstrap shop_db --from-slot 2"
    assert bootstrap_command("shop_db", 2, {3, 1}) == (
        "galera-operator bootstrap shop_db --from-slot 2 --accept-loss-of 1 --accept-loss-of 3"
    )
    assert replace_command("shop_db", 3) == "galera-operator replace shop_db --slot 3"


def test_no_choice_is_offered_where_no_copy_can_be_gone_on_from():
    assert choices(cluster(waiting(1), incomplete(2), unseen(3)), remembered()) == ""


def test_of_one_history_its_newest_copy_is_offered_and_of_equals_the_lowest_slot():
    assert choices(cluster(waiting(1, position(7)), waiting(2, position(9))), remembered()) == bootstrap_command("shop_db", 2, ())
    assert choices(cluster(waiting(1, position(7)), waiting(2, position(7))), remembered()) == bootstrap_command("shop_db", 1, ())


def test_the_recorded_history_is_offered_first_also_where_another_is_longer():
    seen = cluster(waiting(1, position(900, B)), waiting(2, position(7)))
    offered = [bootstrap_command("shop_db", 2, [1]), bootstrap_command("shop_db", 1, [2])]
    assert choices(seen, remembered(A)) == " ; or: ".join(offered)
    assert choices(seen, remembered(B)) == " ; or: ".join(reversed(offered))
    assert choices(seen, Memory()) == " ; or: ".join(reversed(offered))


# What would be lost


def lost(*seats, memory=None, slot=1, **changes):
    return losses(cluster(*seats, **changes), memory or remembered(), slot)


def test_going_on_from_the_newest_of_complete_copies_loses_nothing():
    seats = waiting(1, position(9)), waiting(2, position(9)), waiting(3, position(8))
    assert lost(*seats, memory=remembered(ledger={1: 9, 2: 9, 3: 9})) == ()


def test_whoever_cannot_be_gone_on_from_loses_nothing_because_it_cannot_be_chosen():
    assert lost(incomplete(1), waiting(2, position(9))) == ()
    assert lost(waiting(2, position(9)), slot=5) == ()


@pytest.mark.parametrize(
    ("other", "is_lost"),
    [
        (waiting(2, position(8)), False),
        (waiting(2, position(9)), False),
        (waiting(2, position(10)), True),
        (waiting(2, position(1, B)), True),
        (non_primary(2, last_committed=9), False),
        (non_primary(2, last_committed=10), True),
        (unseen(2), True),
        (pending(2), False),
        (waiting(2), False),
        (incomplete(2), False),
    ],
    ids=["behind", "as new", "newer", "another history", "alive", "alive, newer", "unseen", "no node", "empty", "incomplete"],
)
def test_what_is_newer_unknown_or_of_another_history_is_lost(other, is_lost):
    assert lost(waiting(1, position(9)), other) == ((2,) if is_lost else ())


@pytest.mark.parametrize(
    ("there", "is_lost"),
    [
        (waiting(3, position(9), node="n2"), False),
        (non_primary(3, last_committed=9, node="n2"), False),
        (waiting(3, position(8), node="n2"), True),
        (waiting(3, position(9, B), node="n2"), True),
        (waiting(3, node="n2"), True),
        (unseen(3, node_id="id-of-n2"), True),
        (waiting(3, position(9)), True),
    ],
    ids=["its copy", "its copy, alive", "an older one", "another history", "no data", "not heard", "another node"],
)
def test_a_slot_without_a_node_loses_nothing_when_another_slots_task_tells_of_its_volume(there, is_lost):
    found = lost(waiting(1, position(9)), pending(2), there, memory=remembered(ledger={2: 9}))
    assert (2 in found) is is_lost


def test_with_nothing_recorded_a_slot_without_a_node_may_have_held_data():
    assert lost(waiting(1, position(9)), pending(2), memory=Memory()) == (2,)


def test_a_decision_is_carried_out_without_a_task_whose_data_is_on_a_node_that_tells():
    seen = cluster(waiting(1, position(9)), waiting(2, position(9), node="n3"), pending(3))
    memory = remembered(ledger={1: 9, 2: 9, 3: 9}, consent=decided(1, position(9), 2))
    plan = carry_on(seen, memory)
    assert broken_invariants(plan, seen, memory) == ()
    assert granted(plan).slot == 1


def swapped(*seats, at=100, **changes):
    """Slot 1 was decided on; it stopped, and the task of slot 3, whose node is lost, was given slot 1's node and volume."""
    memory = remembered(ledger={1: at, 2: 90, 3: 100}, consent=decided(1, position(100), 3), **changes)
    return carried(*seats, waiting(2, position(90)), waiting(3, position(100), node="n1"), memory=memory)


def test_a_decision_follows_its_volume_to_the_slot_whose_task_was_started_on_it():
    plan = swapped(pending(1))
    assert granted(plan).slot == 3
    assert "to go on from slot 3 (n1)" in plan.why


@pytest.mark.parametrize("first", [waiting(1), waiting(1, node="n3")], ids=["emptied", "elsewhere"])
def test_a_decision_does_not_leave_a_slot_that_has_a_node(first):
    plan = swapped(first)
    assert isinstance(plan, Page)
    assert "slot 1 holds no usable copy" in plan.why


def test_a_decision_follows_no_volume_that_went_back():
    memory = remembered(ledger={1: 100, 3: 100}, consent=decided(1, position(100), 1, 3))
    plan = carried(pending(1), waiting(3, position(99), node="n1"), memory=memory)
    assert isinstance(plan, Page)
    assert f"slot 3 holds {A}:99" in plan.why


def test_a_decision_follows_nothing_where_it_is_not_recorded_on_which_node_it_was():
    memory = remembered(ledger={3: 100}, consent=decided(1, position(100), 3))
    plan = carried(pending(1), waiting(3, position(100), node="n1"), memory=memory)
    assert isinstance(plan, Page)
    assert "slot 1 holds no usable copy" in plan.why


def test_a_decision_follows_no_volume_of_a_slot_that_is_gone():
    memory = remembered(ledger={1: 100, 3: 100}, consent=decided(1, position(100), 1, 3))
    plan = carried(waiting(2, position(100)), waiting(3, position(100), node="n1"), memory=memory)
    assert isinstance(plan, Page)
    assert "slot 1 holds no usable copy" in plan.why


def test_a_decision_follows_its_volume_only_to_a_task_that_shows_the_copy():
    memory = remembered(ledger={1: 100, 3: 100}, consent=decided(1, position(100), 1, 3))
    plan = carried(pending(1), waiting(2, position(100)), unseen(3, node_id="id-of-n1"), memory=memory)
    assert isinstance(plan, Page)
    assert "slot 1 holds no usable copy" in plan.why


@pytest.mark.parametrize("other", [waiting(2), incomplete(2)], ids=["empty", "incomplete"])
def test_a_slot_that_held_data_and_has_none_that_can_be_used_is_lost(other):
    assert lost(waiting(1, position(9)), other, memory=remembered(ledger={2: 1})) == (2,)


@pytest.mark.parametrize(("seqno", "is_lost"), [(8, False), (9, False), (10, True)])
def test_what_a_slot_was_seen_to_hold_counts_also_of_the_one_to_go_on_from(seqno, is_lost):
    both = waiting(1, position(9)), waiting(2, position(5))
    assert lost(*both, memory=remembered(ledger={2: seqno})) == ((2,) if is_lost else ())
    assert lost(*both, memory=remembered(ledger={1: seqno})) == ((1,) if is_lost else ())


def test_a_slot_that_held_data_and_is_not_among_the_tasks_is_lost_however_old():
    assert lost(waiting(1, position(9)), memory=remembered(ledger={4: 0})) == (4,)


def test_what_is_on_a_lost_node_is_lost_also_of_the_slot_to_go_on_from():
    assert lost(waiting(1, position(9)), lost=(GONE,)) == (3,)
    assert lost(waiting(1, position(9)), lost=(replace(GONE, slot=1),)) == (1,)


def test_the_losses_are_sorted_and_each_is_named_once():
    seen = cluster(waiting(1, position(9)), unseen(5), unseen(3), lost=(GONE,))
    assert losses(seen, remembered(ledger={3: 50, 5: 1}), 1) == (3, 5)


def test_a_copy_that_was_given_up_or_is_contained_in_the_present_history_is_no_loss():
    assert lost(waiting(1, position(9)), waiting(2, position(10)), memory=remembered(given_up={2: A})) == ()
    assert lost(waiting(1, position(9)), waiting(2, position(100, B)), memory=remembered(fork=FORK)) == ()
    assert lost(waiting(1, position(9)), waiting(3, position(101, B)), memory=remembered(fork=FORK)) == (3,)


def test_a_copy_that_bears_the_name_of_the_decision_already_makes_no_loss_of_what_the_decision_covered():
    half_done = remembered(ledger={1: 100, 2: 99, 3: 120}, consent=decided(1, position(100), 3))
    assert lost(waiting(1, position(100, C)), waiting(2, position(99)), waiting(3, position(120)), memory=half_done) == ()
    assert lost(waiting(1, position(100, C)), waiting(2, position(101)), memory=half_done) == (2,)
    assert lost(waiting(1, position(100, C)), waiting(2, position(5, B)), memory=half_done) == (2,)


# Whether it may be decided


def test_a_decision_from_the_newest_copy_with_every_loss_named_may_be_taken():
    seen = cluster(waiting(1, position(9)), unseen(2))
    assert objection(seen, remembered(), 1, [2]) is None
    assert objection(seen, remembered(), 1, [2, 3]) is None


def test_every_loss_has_to_be_named_and_the_command_that_names_them_is_told():
    seen = cluster(waiting(1, position(9)), unseen(2), unseen(3), unseen(4))
    assert objection(seen, remembered(), 1, [3]) == (
        "data of slot 2, 4 may be lost by that; if that is accepted: "
        "galera-operator bootstrap shop_db --from-slot 1 --accept-loss-of 2 --accept-loss-of 3 --accept-loss-of 4"
    )


def test_nothing_is_decided_for_a_slot_that_is_not_there():
    assert objection(cluster(waiting(1, position(9)), unseen(3)), remembered(), 2, []) == "there is no slot 2; there are 1, 3"
    assert objection(cluster(), remembered(), 2, []) == "there is no slot 2; there are none"


def test_nothing_is_decided_while_a_primary_component_is_alive():
    seen = cluster(member(1), waiting(2, position(9)))
    assert objection(seen, remembered(), 2, [1]) == (
        "slot 1 (n1) is in a Primary component: it serves, there is nothing to bootstrap"
    )


@pytest.mark.parametrize(
    ("seat", "told"),
    [
        (waiting(2), "slot 2 (n2) has no usable copy: is waiting: nobody to join was found"),
        (waiting(2, directory=Directory.INCOMPLETE, note=""), "slot 2 (n2) has no usable copy: is waiting"),
        (unseen(2), "slot 2 (n2) has no usable copy: was not seen: no answer"),
        (non_primary(2, state_uuid=ZEROS), "slot 2 (n2) has no usable copy: is running"),
    ],
    ids=["empty", "incomplete", "unseen", "zeros"],
)
def test_nothing_is_decided_from_a_copy_that_cannot_be_used(seat, told):
    assert objection(cluster(waiting(1, position(9)), seat), remembered(), 2, [1]) == told


def test_a_living_copy_without_a_primary_component_may_be_gone_on_from():
    assert objection(cluster(non_primary(1), unseen(2)), remembered(), 1, [2]) is None


# Giving up one copy


def test_a_waiting_copy_of_another_history_may_be_given_up_beside_one_that_serves():
    assert replace_objection(cluster(member(1), waiting(2, position(5, B))), remembered(), 2) is None


def test_a_member_that_serves_another_history_may_be_given_up():
    assert replace_objection(cluster(member(1), member(2, state_uuid=B)), remembered(), 2) is None


def test_a_copy_ahead_of_the_primary_component_may_be_given_up():
    assert replace_objection(cluster(member(1), waiting(2, position(500))), remembered(), 2) is None


def test_a_member_without_a_primary_component_may_be_given_up_beside_one_that_serves():
    assert replace_objection(cluster(member(1), non_primary(2)), remembered(), 2) is None


def test_no_copy_is_given_up_that_is_not_there():
    assert replace_objection(cluster(member(1)), remembered(), 2) == "there is no slot 2; there are 1"
    assert replace_objection(cluster(), remembered(), 2) == "there is no slot 2; there are none"


@pytest.mark.parametrize(
    ("seats", "memory"),
    [
        ([waiting(1, position(9)), waiting(2, position(5, B))], remembered()),
        ([non_primary(1), waiting(2, position(5, B))], remembered()),
        ([member(1, state_uuid=B), waiting(2, position(5))], remembered()),
        ([member(1), waiting(2, position(5, B))], Memory()),
        ([waiting(1), member(2)], remembered()),
    ],
    ids=["nobody serves", "no Primary component", "another history serves", "nothing recorded", "it serves alone"],
)
def test_no_copy_is_given_up_unless_another_member_serves_the_recorded_history(seats, memory):
    assert "this may be the only copy there is" in replace_objection(cluster(*seats), memory, 2)


def test_a_member_of_the_primary_component_of_the_recorded_history_is_not_given_up():
    assert replace_objection(cluster(member(1), member(2)), remembered(), 2) == (
        "slot 2 (n2) is in the Primary component itself; nothing has to be replaced"
    )


@pytest.mark.parametrize("seat", [waiting(2), unseen(2)], ids=["empty", "unseen"])
def test_where_no_copy_is_shown_none_is_given_up(seat):
    assert replace_objection(cluster(member(1), seat), remembered(), 2).startswith("slot 2 (n2) shows no copy: ")


# Carrying out


def carried(*seats, consent=None, memory=None, **changes):
    """The plan for these seats; whatever acts has nothing against it from the veto."""
    seen = cluster(*seats, **changes)
    memory = memory or remembered(consent=consent or decided(1, position(100), 2))
    plan = decide(seen, memory)
    assert broken_invariants(plan, seen, memory) == ()
    assert plan == carry_on(seen, memory)
    return plan


def granted(plan):
    assert isinstance(plan, Act), plan
    (step,) = plan.steps
    assert isinstance(step, Bootstrap)
    return step


def test_without_a_decision_there_is_nothing_to_carry_out():
    assert carry_on(cluster(waiting(1, position(100))), remembered()) is None


def test_the_copy_that_was_decided_on_goes_on_under_the_new_state_uuid_beside_older_ones():
    plan = carried(waiting(1, position(100)), waiting(2, position(90)), consent=decided(1, position(100)))
    assert granted(plan) == Bootstrap(*recipient(1), position(100), (recipient(2),), C)
    assert plan.why == f"ann@desk decided on 2026-01-02T03:04:05+00:00 to go on from slot 1 (n1) at {A}:100"


def test_who_was_given_up_and_is_not_seen_is_not_waited_for_and_gives_no_promise():
    plan = carried(waiting(1, position(100)), unseen(2), waiting(3, position(7)))
    assert granted(plan).fence == (recipient(3),)
    assert plan.why.endswith(", giving up what only slot 2 may hold")


def test_every_slot_that_was_given_up_is_told():
    plan = carried(waiting(1, position(100)), unseen(2), unseen(3), consent=decided(1, position(100), 2, 3))
    assert plan.why.endswith(", giving up what only slot 2, 3 may hold")


def test_who_was_given_up_and_came_back_after_all_promises_too():
    assert granted(carried(waiting(1, position(100)), waiting(2, position(500)))).fence == (recipient(2),)


def test_a_diverged_history_that_was_given_up_does_not_stand_in_the_way():
    assert granted(carried(waiting(1, position(100)), waiting(2, position(900, B)))).position == position(100)


def test_what_was_recorded_of_a_slot_that_was_given_up_does_not_stand_in_the_way():
    memory = remembered(ledger={1: 100, 2: 180}, consent=decided(1, position(100), 2))
    assert granted(carried(waiting(1, position(100)), unseen(2), memory=memory)).slot == 1


def test_a_copy_that_went_further_since_the_decision_is_still_the_one():
    assert granted(carried(waiting(1, position(104)), unseen(2))).position == position(104)


def test_a_seed_that_took_the_new_name_and_died_goes_on_under_it():
    plan = carried(waiting(1, position(100, C)), waiting(2, position(90)), consent=decided(1, position(100)))
    assert granted(plan) == Bootstrap(*recipient(1), position(100, C), (recipient(2),), C)


@pytest.mark.parametrize("stage", [Stage.STARTING, Stage.JOINING, Stage.BOOTSTRAPPING])
@pytest.mark.parametrize("seat", [waiting, non_primary], ids=["down", "alive"])
def test_nobody_is_stopped_or_granted_while_somebody_starts(stage, seat):
    busy = seat(1, stage=stage, note="reading the disk")
    plan = carried(busy, non_primary(3), unseen(2))
    assert isinstance(plan, Hold)
    assert plan.why == f"ann@desk decided to go on from slot 1; slot 1 (n1) is {stage}: reading the disk"


def test_members_that_live_without_a_primary_component_stop_first():
    plan = carried(non_primary(1), unseen(2), non_primary(3), waiting(4, position(1)))
    assert plan.steps == (StopMember(*recipient(1)), StopMember(*recipient(3)))
    assert plan.why == ("ann@desk decided to go on from slot 1: first slot 1 (n1), slot 3 (n3), not Primary, has to stop")


def test_who_is_stopping_already_is_not_asked_again():
    plan = carried(non_primary(1, leaving=True), unseen(2), non_primary(3))
    assert plan.steps == (StopMember(*recipient(3)),)
    plan = carried(non_primary(1, leaving=True), unseen(2))
    assert isinstance(plan, Hold)
    assert plan.why == "ann@desk decided to go on from slot 1; slot 1 (n1) is stopping"


@pytest.mark.parametrize(
    ("seats", "changes", "told"),
    [
        ([unseen(2), unseen(3)], {}, "slot 3 (n3) was not seen: no answer"),
        ([unseen(2), waiting(3, position(1), stage=Stage.STOPPING, note="")], {}, "slot 3 (n3) is stopping"),
        ([unseen(2)], {"leaving": (task(1, id="old", desired="shutdown"),)}, "the old task of slot 1 is ending"),
        ([unseen(2)], {"replicas": 3}, "Swarm has made 2 of 3 tasks"),
    ],
    ids=["somebody unseen", "somebody stops", "an old task", "a task not made"],
)
def test_nothing_is_granted_before_everybody_else_waits(seats, changes, told):
    plan = carried(waiting(1, position(100), since=1.0), *seats, **changes)
    assert isinstance(plan, Hold), plan
    assert told in plan.why


@pytest.mark.parametrize(
    ("seats", "told"),
    [
        ([waiting(1, position(99)), unseen(2)], f"slot 1 holds {A}:99"),
        ([waiting(1, position(100, B)), unseen(2)], f"slot 1 holds {B}:100"),
        ([waiting(1), unseen(2)], "slot 1 holds no usable copy"),
        ([waiting(3, position(5)), unseen(2)], "slot 1 holds no usable copy"),
        ([waiting(1, position(99, C)), unseen(2)], f"slot 1 holds {C}:99"),
        (
            [waiting(1, position(100)), unseen(2), waiting(3, position(101))],
            f"slot 1 holds {A}:100, and data of slot 3 may be lost too",
        ),
    ],
    ids=["went back", "another history", "empty", "gone", "renamed and went back", "somebody turned out to be newer"],
)
def test_a_decision_whose_premise_is_gone_pages_and_is_not_carried_out(seats, told):
    plan = carried(*seats)
    assert isinstance(plan, Page)
    assert plan.name == "consent-outdated"
    assert plan.why == (
        f"ann@desk decided on 2026-01-02T03:04:05+00:00 to go on from slot 1 at {A}:100, but things have changed: {told}"
    )
    assert plan.remedy.startswith("Decide again: ")


def test_the_page_names_what_may_be_decided_now():
    assert "--from-slot 3 --accept-loss-of 2" in carried(waiting(1, position(99)), unseen(2), waiting(3, position(101))).remedy
    assert "no copy can be gone on from now" in carried(waiting(1), unseen(2)).remedy


def test_nothing_is_decided_behind_the_back_of_a_primary_component_that_came_back():
    plan = decide(cluster(member(1), waiting(2, position(90))), remembered(consent=decided(2, position(90), 1)))
    assert not isinstance(plan, Act) or not any(isinstance(step, Bootstrap) for step in plan.steps)


# Afterwards


@pytest.mark.parametrize(
    ("slot", "at", "superseded"),
    [
        (3, position(99, B), True),
        (3, position(100, B), True),
        (3, position(101, B), False),
        (2, position(101, B), True),
        (2, position(50, A), False),
        (2, position(50, C), False),
    ],
    ids=["before", "at the fork", "past it", "past it, given up", "present history", "a third history"],
)
def test_a_copy_is_superseded_when_its_rows_are_in_the_present_history_or_were_given_up(slot, at, superseded):
    assert is_superseded(slot, at, remembered(fork=FORK)) is superseded
    assert may_replace(waiting(slot, at), remembered(fork=FORK)) is superseded


def test_without_a_decision_no_copy_is_superseded():
    assert not is_superseded(1, position(1), remembered())
    assert not may_replace(waiting(1, position(1, B)), remembered())


def test_a_copy_that_was_given_up_is_superseded_in_its_slot_and_its_history_only():
    memory = remembered(given_up={2: B})
    assert is_superseded(2, position(5, B), memory)
    assert not is_superseded(2, position(5, A), memory)
    assert not is_superseded(3, position(5, B), memory)


def test_where_no_position_is_known_nothing_is_replaced():
    assert not may_replace(unseen(2), remembered(given_up={2: B}))
    assert not may_replace(waiting(2), remembered(given_up={2: B}))


def test_a_superseded_copy_joins_anew():
    plan = decide(cluster(member(1), waiting(2, position(90, B))), remembered(fork=FORK))
    assert plan.steps == (Invite(*recipient(2), position(90, B), ("10.0.0.1",), replaces=True),)
    assert f"slot 2 (n2) holds {B}:90" in plan.why


def test_a_copy_of_the_present_history_joins_as_ever():
    plan = decide(cluster(member(1), waiting(2, position(90))), remembered(fork=FORK))
    assert plan.steps == (Invite(*recipient(2), position(90), ("10.0.0.1",), replaces=False),)


def test_a_member_that_serves_a_history_which_was_given_up_is_stopped_before_anything_is_in_doubt():
    plan = decide(cluster(member(1), member(2, state_uuid=B)), remembered(given_up={2: B}))
    assert plan.steps == (StopMember(*recipient(2)),)
    assert plan.why == f"slot 2 (n2) serves {B}, which a person gave up; it stops, and joins anew"


@pytest.mark.parametrize(
    ("seat", "memory"),
    [
        (member(2, state_uuid=B), remembered()),
        (member(2, state_uuid=B), remembered(given_up={3: B})),
        (member(2, state_uuid=B), remembered(given_up={2: C})),
        (member(2, state_uuid=B, leaving=True), remembered(given_up={2: B})),
        (member(2), remembered(given_up={2: A})),
        (member(2, state_uuid=B), remembered("", given_up={2: B})),
        (waiting(2, position(5, B)), remembered(given_up={2: B})),
        (unseen(2), remembered(given_up={2: B})),
    ],
    ids=["not given up", "another slot", "another history", "it stops", "recorded", "nothing recorded", "it waits", "unseen"],
)
def test_nobody_else_is_stopped(seat, memory):
    assert stop_given_up(cluster(member(1), seat), memory) is None


# Small parts


@pytest.mark.parametrize(
    ("seat", "copy"),
    [
        (waiting(1, position(5)), position(5)),
        (waiting(1, position(-1)), None),
        (waiting(1, position(5, ZEROS)), None),
        (waiting(1, position(5), directory=Directory.INCOMPLETE), None),
        (waiting(1, position(5), directory=Directory.MID_DDL), position(5)),
        (waiting(1), None),
        (non_primary(1, last_committed=7), position(7)),
        (non_primary(1, last_committed=-1), None),
        (non_primary(1, state_uuid=ZEROS), None),
        (member(1), None),
        (unseen(1), None),
    ],
    ids=[
        *("waiting", "no seqno", "zeros", "incomplete", "mid-ddl", "empty"),
        *("alive", "alive, no seqno", "alive, zeros", "serving", "unseen"),
    ],
)
def test_which_copy_could_be_gone_on_from(seat, copy):
    assert present_copy(cluster(seat).seats[0]) == copy


@pytest.mark.parametrize(
    ("seat", "uuid"),
    [
        (member(1), A),
        (non_primary(1, state_uuid=B, position=position(5)), B),
        (waiting(1, position(5, B)), B),
        (waiting(1), None),
        (unseen(1), None),
    ],
    ids=["alive", "its database says", "its directory says", "empty", "unseen"],
)
def test_of_which_history_a_seats_data_is(seat, uuid):
    assert history_of(seat) == uuid


def test_everybody_else_who_answers_has_to_promise():
    seen = cluster(waiting(1), non_primary(2), unseen(3), waiting(4))
    assert recipients(seen, apart_from=seen.seats[0]) == (recipient(2), recipient(4))


def test_a_directory_called_usable_without_a_position_is_no_copy():
    assert present_copy(waiting(1, None, directory=Directory.USABLE)) is None


def test_what_was_recorded_elsewhere_than_where_anybody_answers_is_lost():
    both = waiting(1, position(9)), waiting(2, position(5))
    assert lost(*both, memory=Memory(A, {4: Copy("id-of-n1", 0)})) == (4,)
    assert lost(*both, memory=Memory(A, {2: Copy("id-of-n7", 1)})) == (2,)
    assert lost(*both, memory=Memory(A, {2: Copy("id-of-n1", 1), 1: Copy("id-of-n2", 1)})) == ()
    assert lost(waiting(1, position(9)), unseen(2), memory=Memory(A, {1: Copy("id-of-n2", 1)})) == (1, 2)


def test_as_long_as_the_seed_does_not_bear_the_new_name_everything_that_was_recorded_counts():
    memory = remembered(ledger={2: 50}, consent=decided(1, position(100)))
    assert lost(waiting(1, position(100)), memory=memory) == (2,)


@pytest.mark.parametrize(("seqno", "is_lost"), [(50, False), (100, False), (101, True)])
def test_once_it_does_only_what_it_cannot_contain_counts(seqno, is_lost):
    memory = remembered(ledger={5: seqno, 3: 120}, consent=decided(1, position(100), 3))
    assert lost(waiting(1, position(100, C)), memory=memory) == ((5,) if is_lost else ())


@pytest.mark.parametrize("stage", [Stage.STOPPING, Stage.DRAINED])
def test_who_was_given_up_and_answers_has_to_wait_too(stage):
    plan = carried(waiting(1, position(100)), waiting(2, position(9), stage=stage))
    assert isinstance(plan, Hold)
    assert f"slot 2 (n2) is {stage}" in plan.why


@pytest.mark.parametrize(("since", "kind"), [(0.0, Hold), (SILENCE, Hold), (SILENCE + 0.1, Page)])
def test_when_somebody_who_was_not_given_up_stays_silent_a_person_is_called(since, kind):
    plan = carried(waiting(1, position(100), since=since), waiting(4, since=500.0), unseen(2), unseen(3))
    assert isinstance(plan, kind)
    if kind is Page:
        assert plan.name == "consent-outdated"
        assert plan.why.endswith("things have changed: slot 3 (n3) was not seen: no answer, and it was not given up")
        assert "--from-slot 1 --accept-loss-of 2 --accept-loss-of 3" in plan.remedy


def test_where_nobody_answers_at_all_the_wait_has_not_begun():
    assert isinstance(carried(unseen(1), unseen(2)), Hold)
