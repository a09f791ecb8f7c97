from __future__ import annotations

from dataclasses import replace

import pytest
from builders import (
    DONOR,
    JOINER,
    ZEROS,
    A,
    B,
    C,
    cluster,
    decided,
    joined_but_not_admitted,
    member,
    non_primary,
    pending,
    position,
    remembered,
    task,
    three_calm,
    unseen,
    waiting,
)

from galera_operator.core.agent_api import WAITING_FOR_DONOR, Stage
from galera_operator.core.memory import differs_in_kind, intend, remember, shrink_is_done
from galera_operator.core.plan import Act, AdmitMember, Exclude, Hold, Page, Resize
from galera_operator.core.remembered import Copy, Fork, Memory, Shrink

THIRD_LEAVES = Shrink(to=2, slot=3, task_id="task3")


def test_the_identity_is_learned_from_a_synced_member():
    assert remember(Memory(), cluster(joined_but_not_admitted(1))).uuid == A


def test_the_identity_once_learned_stays():
    assert remember(remembered(A), cluster(member(1, state_uuid=B))).uuid == A


@pytest.mark.parametrize(
    "seat",
    [
        member(1, state_uuid=ZEROS),
        member(1, local_state=3),
        member(1, cluster_status="non-Primary"),
        waiting(1, position(5)),
        unseen(1),
    ],
    ids=["zeros", "not Synced", "non-Primary", "stopped", "unseen"],
)
def test_no_identity_is_learned_from_a_member_that_is_not_synced_in_a_history(seat):
    assert remember(Memory(), cluster(seat)) == Memory()


def test_no_identity_is_learned_while_two_histories_are_alive():
    assert remember(Memory(), cluster(member(1), member(2, state_uuid=B))).uuid == ""


def test_the_ledger_notes_each_synced_member_and_its_node():
    ledger = remember(Memory(), cluster(member(1, last_committed=5), member(2, last_committed=7))).ledger
    assert ledger == {1: Copy("id-of-n1", 5), 2: Copy("id-of-n2", 7)}


@pytest.mark.parametrize(
    ("seat", "noted"),
    [
        (waiting(2, position(214)), Copy("id-of-n2", 214)),
        (non_primary(2, last_committed=214), Copy("id-of-n2", 214)),
        (waiting(2, position(3)), Copy("id-of-n2", 50)),
        (waiting(2, position(214), node="n9"), Copy("id-of-n2", 50)),
        (waiting(2, position(214, B)), Copy("id-of-n2", 50)),
        (waiting(3, position(7)), Copy("id-of-n3", 7)),
        (waiting(3, position(7, B)), None),
        (waiting(3), None),
    ],
    ids=["further on", "alive, further on", "behind", "elsewhere", "another history", "unknown", "unknown history", "empty"],
)
def test_while_nobody_serves_the_ledger_notes_the_copies_of_the_recorded_history_that_are_shown(seat, noted):
    assert remember(remembered(ledger={2: 50}), cluster(seat)).ledger.get(seat.slot) == noted


def test_while_somebody_serves_a_waiting_copy_is_no_news():
    assert 2 not in remember(remembered(ledger={1: 50}), cluster(member(1), waiting(2, position(214)))).ledger


def test_a_copy_that_was_given_up_is_not_noted():
    memory = remembered(given_up={2: A})
    assert 2 not in remember(memory, cluster(waiting(2, position(214)))).ledger


def test_the_ledger_only_grows():
    assert remember(remembered(ledger={1: 100}), cluster(member(1, last_committed=7))).ledger[1].seqno == 100


def test_the_ledger_notes_the_node_a_copy_moved_to_and_keeps_the_highest_seqno():
    moved = remember(remembered(ledger={1: 100}), cluster(member(1, last_committed=7, node="n9"))).ledger[1]
    assert moved == Copy("id-of-n9", 100)


@pytest.mark.parametrize(
    "seat",
    [
        member(2, state_uuid=B, last_committed=900),
        member(2, local_state=2, last_committed=900),
        waiting(2, position(900)),
        unseen(2),
    ],
    ids=["another history", "donor", "stopped", "unseen"],
)
def test_the_ledger_notes_nothing_of_a_member_that_is_not_synced_in_the_recorded_history(seat):
    assert remember(remembered(ledger={2: 50}), cluster(member(1), seat)).ledger[2].seqno == 50


def test_a_slot_that_left_is_forgotten_when_a_full_primary_component_lives_without_it():
    assert set(remember(remembered(ledger={1: 1, 2: 2, 3: 3}), cluster(member(1), member(2))).ledger) == {1, 2}


@pytest.mark.parametrize(
    "seen",
    [
        cluster(member(1), member(2), replicas=3),
        cluster(member(1), member(2), leaving=(task(3, desired="shutdown"),)),
        cluster(member(1), unseen(2)),
        cluster(member(1), member(2, local_state=3)),
        cluster(member(1, cluster_size=3), member(2, cluster_size=3)),
        cluster(member(1, cluster_size=1), member(2)),
        cluster(waiting(1, position(1)), waiting(2, position(1))),
        cluster(member(1, state_uuid=B), member(2, state_uuid=B)),
        cluster(),
    ],
    ids=[
        "Swarm will make it again",
        "it still ends",
        "somebody is unseen",
        "somebody is not Synced",
        "the view still has it",
        "the views disagree",
        "all are down",
        "what lives is another history",
        "nobody is there",
    ],
)
def test_a_slot_that_is_not_here_is_not_forgotten_otherwise(seen):
    assert remember(remembered(ledger={1: 1, 2: 2, 3: 3}), seen).ledger[3] == Copy("id-of-n3", 3)


def test_the_highest_seqno_is_that_of_any_slot_and_minus_one_when_nothing_is_recorded():
    assert remembered(ledger={1: 4, 2: 9}).highest_seqno == 9
    assert Memory().highest_seqno == -1


def test_a_scale_down_is_written_down_before_it_is_done():
    plan = Act((Resize("svc", 40, 3, 2, (3, "task3")),), "down")
    assert intend(remembered(), plan).shrink == THIRD_LEAVES


@pytest.mark.parametrize("plan", [Act((Resize("svc", 40, 2, 3),), "up"), Hold("calm"), Page("x", "y", "z")])
def test_nothing_else_needs_to_be_written_down(plan):
    assert intend(remembered(), plan) == remembered()


def test_a_scale_down_is_over_when_the_survivors_agree_on_the_smaller_size():
    seen = cluster(member(1), member(2))
    assert shrink_is_done(THIRD_LEAVES, seen)
    assert remember(remembered(shrink=THIRD_LEAVES), seen).shrink is None


def test_a_scale_down_on_the_way_to_an_even_smaller_size_is_over_just_the_same():
    assert shrink_is_done(THIRD_LEAVES, cluster(member(1), member(2), wish=1))


@pytest.mark.parametrize(
    "seen",
    [
        cluster(member(1), member(2), member(3), replicas=2),
        cluster(member(1), member(2), leaving=(task(3, desired="remove"),)),
        cluster(member(1, cluster_size=3), member(2, cluster_size=3)),
        cluster(member(1), unseen(2)),
        cluster(member(1), member(2, cluster_status="non-Primary")),
        cluster(member(1), replicas=2),
    ],
    ids=["not taken yet", "still ending", "not agreed", "unseen survivor", "non-Primary survivor", "a survivor lost"],
)
def test_a_scale_down_is_not_over_before_that(seen):
    assert not shrink_is_done(THIRD_LEAVES, seen)
    assert remember(remembered(shrink=THIRD_LEAVES), seen).shrink == THIRD_LEAVES


def test_a_scale_down_that_was_never_written_is_dropped():
    assert remember(remembered(shrink=THIRD_LEAVES), three_calm()).shrink is None


def test_a_scale_down_that_somebody_overtook_is_dropped():
    assert remember(remembered(shrink=THIRD_LEAVES), cluster(member(1), leaving=(task(2, desired="remove"),))).shrink is None


def test_a_wrong_victim_is_remembered_until_the_label_accepts_the_size():
    kept_the_wrong_one = cluster(member(1), member(3), wish=1)
    assert remember(remembered(shrink=THIRD_LEAVES), kept_the_wrong_one).shrink == THIRD_LEAVES
    accepted = cluster(member(1), member(3), wish=2)
    assert remember(remembered(shrink=THIRD_LEAVES), accepted).shrink is None


def test_remembering_twice_the_same_look_changes_nothing_more():
    seen = cluster(member(1), member(2), unseen(3))
    once = remember(Memory(), seen)
    assert remember(once, seen) == once


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        (remembered(ledger={1: 5}), remembered(ledger={1: 6}), False),
        (remembered(ledger={1: 5}), remembered(ledger={1: 5}), False),
        (Memory(), remembered(), True),
        (remembered(), remembered(shrink=THIRD_LEAVES), True),
        (remembered(ledger={1: 5}), remembered(ledger={1: 5, 2: 5}), True),
        (remembered(ledger={1: 5, 2: 5}), remembered(ledger={1: 5}), True),
        (remembered(ledger={1: 5}), Memory(A, {1: Copy("elsewhere", 5)}), True),
    ],
    ids=["grown", "same", "identity", "scale-down", "a slot more", "a slot less", "moved"],
)
def test_only_seqnos_that_grew_may_wait_for_the_next_beat(old, new, differs):
    assert differs_in_kind(old, new) is differs


def test_a_slot_that_left_in_order_is_listed_with_its_node_until_a_member_lives_there_again():
    before = remembered(ledger={1: 90, 2: 80})
    alone = remember(before, cluster(member(1, last_committed=100)))
    assert alone.ledger == {1: Copy("id-of-n1", 100)}
    assert alone.kept == {"id-of-n2": 80}
    assert differs_in_kind(before, alone)
    again = remember(alone, cluster(member(1, last_committed=120), member(2, last_committed=120)))
    assert again.kept == {}
    assert set(again.ledger) == {1, 2}


# A person's decision


DECIDED = decided(1, position(100), 2, 3)


def goes_on(**changes):
    """The seed of the new history, alone."""
    return member(1, state_uuid=C, last_committed=101, **changes)


@pytest.mark.parametrize("changes", [{}, {"local_state": 2}, {"local_state": 3}], ids=["Synced", "donor", "Joined"])
def test_a_decision_has_become_true_when_its_history_serves(changes):
    before = remembered(ledger={1: 100, 2: 120}, kept={"id-of-n9": 7}, consent=DECIDED)
    after = remember(before, cluster(goes_on(**changes), unseen(2), unseen(3)))
    assert (after.uuid, after.consent, after.fork) == (C, None, Fork(position(100), (2, 3)))
    assert after.ledger == ({} if changes else {1: Copy("id-of-n1", 101)})
    assert after.kept == {}
    assert differs_in_kind(before, after)


@pytest.mark.parametrize(
    "seed",
    [goes_on(ready=False), goes_on(local_state=1), goes_on(cluster_status="non-Primary"), waiting(1, position(100, C))],
    ids=["not ready", "joining", "non-Primary", "down"],
)
def test_a_decision_stays_until_its_history_serves(seed):
    before = remembered(ledger={1: 100}, consent=DECIDED)
    assert remember(before, cluster(seed, unseen(2))) == before


def test_a_decision_is_void_when_the_cluster_came_back_without_it():
    before = remembered(ledger={1: 100}, consent=DECIDED)
    after = remember(before, cluster(member(1), unseen(2)))
    assert (after.uuid, after.consent, after.fork) == (A, None, None)
    assert after.ledger == {1: Copy("id-of-n1", 100)}


def test_what_the_accepted_slots_hold_of_other_histories_is_given_up_from_then_on():
    third = "dddddddd-0000-4000-8000-000000000004"
    seen = cluster(goes_on(), waiting(2, position(900, B)), waiting(3, position(120)), waiting(4, position(5, third)))
    after = remember(remembered(consent=DECIDED, given_up={5: B}), seen)
    assert after.given_up == {2: B, 3: A, 5: B}


def test_what_was_accepted_and_turns_out_to_serve_is_not_given_up():
    after = remember(remembered(consent=DECIDED), cluster(goes_on(), member(2), unseen(3)))
    assert after.given_up == {}
    assert after.uuid == C


def test_who_took_the_new_history_already_is_not_given_up():
    after = remember(remembered(consent=DECIDED), cluster(goes_on(), waiting(2, position(100, C)), waiting(3)))
    assert after.given_up == {}


def test_a_copy_is_not_given_up_any_more_once_its_slot_serves_the_recorded_history():
    before = remembered(given_up={1: B, 2: B, 3: B, 4: A})
    seen = cluster(member(1), member(2, state_uuid=B), waiting(3, position(5, B)), member(4, local_state=2))
    assert remember(before, seen).given_up == {2: B, 3: B, 4: A}


@pytest.mark.parametrize(
    "new",
    [remembered(consent=DECIDED), remembered(fork=Fork(position(1), ())), remembered(given_up={1: A}), remembered(kept={"n": 1})],
    ids=["consent", "fork", "given up", "kept"],
)
def test_what_a_person_decided_is_written_at_once(new):
    assert differs_in_kind(remembered(), new)
    assert differs_in_kind(new, remembered())


# A copy that a full transfer replaces


FLOWING = replace(JOINER, stage="receiving")


def test_a_slot_into_which_a_full_transfer_flows_holds_nothing_of_before():
    seen = cluster(member(1), waiting(2, stage=Stage.JOINING, transfer=FLOWING))
    assert set(remember(remembered(ledger={1: 100, 2: 100}), seen).ledger) == {1}


@pytest.mark.parametrize(
    "seat",
    [
        waiting(2, stage=Stage.JOINING),
        waiting(2, stage=Stage.JOINING, transfer=replace(FLOWING, method="IST")),
        waiting(2, stage=Stage.JOINING, transfer=replace(FLOWING, stage=WAITING_FOR_DONOR)),
        waiting(2, stage=Stage.WAITING, transfer=FLOWING),
        member(2, local_state=2, transfer=DONOR),
        unseen(2),
    ],
    ids=["no transfer yet", "IST", "waiting for a donor", "not joining", "donor", "unseen"],
)
def test_otherwise_what_a_slot_was_seen_to_hold_stays(seat):
    assert remember(remembered(ledger={1: 100, 2: 50}), cluster(member(1), seat)).ledger[2].seqno == 50


def test_a_volume_that_was_kept_is_listed_until_a_member_lives_there():
    before = remembered(kept={"id-of-n8": 7, "id-of-n9": 5})
    assert remember(before, three_calm()).kept == {"id-of-n8": 7, "id-of-n9": 5}
    assert remember(before, cluster(member(1), member(2, node="n8"))).kept == {"id-of-n9": 5}


def test_a_plan_of_other_steps_intends_nothing():
    admit = AdmitMember(1, "10.0.0.1", "life1", 50.0, allow_donor=False)
    assert intend(remembered(), Act((admit,), "why")) == remembered()
    both = intend(remembered(), Act((admit, Resize("svc", 40, 3, 2, (3, "task3"))), "why"))
    assert both.shrink == THIRD_LEAVES


def test_a_constraint_is_known_for_the_operator_s_own_before_it_is_written_and_stays_so_until_it_is_gone():
    kept_out = intend(remembered(), Act((Exclude("svc", 40, "n3"),), "why"))
    assert kept_out.planned.excluded == ("n3",)
    assert differs_in_kind(remembered(), kept_out)
    assert intend(remembered(), Act((Exclude("svc", 40, "n3", back=True),), "why")) == remembered()


def test_a_scale_down_is_not_over_while_the_service_asks_for_another_size():
    assert not shrink_is_done(THIRD_LEAVES, cluster(member(1), member(2), replicas=3))


def test_a_task_that_never_got_a_node_has_no_say_in_whether_a_scale_down_is_over():
    seen = cluster(member(1), member(2), pending(3))
    assert shrink_is_done(Shrink(to=3, slot=4, task_id="task4"), seen)


def test_a_scale_down_is_not_over_while_a_survivor_is_not_seen_also_where_the_other_agrees():
    assert not shrink_is_done(THIRD_LEAVES, cluster(unseen(1), member(2, cluster_size=2)))
    assert not shrink_is_done(THIRD_LEAVES, cluster(waiting(1), member(2, cluster_size=2)))
