from __future__ import annotations

import pytest
from builders import (
    ZEROS,
    A,
    B,
    cluster,
    joined_but_not_admitted,
    member,
    position,
    remembered,
    task,
    three_calm,
    unseen,
    waiting,
)

from galera_operator.core.memory import differs_in_kind, intend, remember, shrink_is_done
from galera_operator.core.model import Copy, Memory, Shrink
from galera_operator.core.plan import Act, Hold, Page, Resize

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
