from __future__ import annotations

from dataclasses import replace

import pytest
from builders import DONOR, JOINER, cluster, member, pending, remembered, unseen, waiting

from galera_operator.core.agent_api import Stage, Transfer
from galera_operator.core.decide import decide
from galera_operator.core.plan import Act, Page
from galera_operator.core.transfer import STUCK_AFTER, in_words, is_stuck, seconds_left, stuck_transfer

MOVING = Transfer("joiner", "mariabackup", "receiving", 120_000_000, total=500_000_000, rate=12_000_000.0)
STANDING = replace(MOVING, rate=0.0, idle=STUCK_AFTER + 1)


def joining(slot: int, transfer: Transfer = MOVING):
    return waiting(slot, stage=Stage.JOINING, transfer=transfer)


@pytest.mark.parametrize(("idle", "stuck"), [(0.0, False), (STUCK_AFTER, False), (STUCK_AFTER + 0.1, True)])
def test_only_a_transfer_in_which_nothing_has_moved_for_long_is_stuck(idle, stuck):
    assert is_stuck(joining(2, replace(MOVING, idle=idle))) is stuck


def test_a_transfer_that_moves_is_never_stuck_however_little_and_slowly():
    assert not is_stuck(joining(2, replace(MOVING, moved=1, rate=0.001)))


@pytest.mark.parametrize("seat", [member(1), waiting(1), unseen(1), pending(1)], ids=["calm", "waiting", "unseen", "pending"])
def test_who_is_in_no_transfer_is_not_stuck(seat):
    assert not is_stuck(seat)


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({}, 380 / 12),
        ({"rate": 0.0}, None),
        ({"rate": -1.0}, None),
        ({"total": 0}, None),
        ({"total": 120_000_000}, None),
        ({"total": 120_000_001}, 1 / 12_000_000),
        ({"total": 100_000_000}, None),
    ],
    ids=["moving", "standing", "nonsense", "size unknown", "all there", "one byte left", "more than foreseen"],
)
def test_the_time_left_is_told_only_where_it_can_be(changes, left):
    assert seconds_left(replace(MOVING, **changes)) == (None if left is None else pytest.approx(left))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "receiving by mariabackup, 120 of 500 MB, 12.0 MB/s, about 32 s left"),
        ({"total": 0}, "receiving by mariabackup, 120 MB, 12.0 MB/s"),
        ({"rate": 0.0}, "receiving by mariabackup, 120 of 500 MB"),
        ({"moved": 0, "total": 0, "rate": 0.0, "stage": "waiting for donor"}, "waiting for donor by mariabackup"),
        ({"moved": 0, "rate": 0.0}, "receiving by mariabackup"),
        ({"rate": 0.0, "idle": STUCK_AFTER / 2}, "receiving by mariabackup, 120 of 500 MB"),
        ({"rate": 0.0, "idle": 61.0}, "receiving by mariabackup, 120 of 500 MB, nothing has moved for 61 s"),
    ],
    ids=["all known", "size unknown", "rate unknown", "not begun", "nothing yet", "paused for a while", "paused for long"],
)
def test_a_transfer_in_words(changes, words):
    assert in_words(replace(MOVING, **changes)) == words


def test_a_stuck_transfer_pages_with_both_sides_and_without_ending_it():
    plan = decide(cluster(member(1, local_state=2, transfer=DONOR), joining(2, STANDING)), remembered())
    assert isinstance(plan, Page)
    assert plan.name == "transfer-stuck"
    assert "slot 2 (n2) is in a state transfer as joiner that does not move" in plan.why
    assert "nothing has moved for 121 s" in plan.why
    assert "disk and network of n2" in plan.remedy
    assert "docker service logs shop_db" in plan.remedy
    assert "never the donor's" in plan.remedy


def test_a_stuck_donor_is_found_as_well():
    page = stuck_transfer(cluster(member(1, local_state=2, transfer=replace(DONOR, idle=500.0)), joining(2)))
    assert page is not None
    assert "slot 1 (n1) is in a state transfer as donor" in page.why


def test_a_task_without_a_node_is_not_named_by_an_empty_one():
    page = stuck_transfer(cluster(member(1), waiting(2, stage=Stage.JOINING, transfer=STANDING, node="", node_id="")))
    assert page is not None
    assert "disk and network of its node" in page.remedy


@pytest.mark.parametrize("transfer", [MOVING, JOINER, replace(STANDING, idle=STUCK_AFTER)], ids=["moving", "new", "paused"])
def test_no_page_while_it_moves(transfer):
    assert stuck_transfer(cluster(member(1, local_state=2, transfer=DONOR), joining(2, transfer))) is None


def test_a_stuck_transfer_does_not_keep_the_others_from_a_writer():
    plan = decide(cluster(member(1, writer=""), member(2, writer=""), joining(3, STANDING)), remembered())
    assert isinstance(plan, Act)
