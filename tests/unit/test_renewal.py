"""A record made anew: what it has in it, and what it takes where something may be lost by that."""

from __future__ import annotations

import pytest
from builders import A, B, C, cluster, member, non_primary, pending, position, task, unseen, waiting

from galera_operator.core.agent_api import Stage
from galera_operator.core.remembered import Copy, Memory
from galera_operator.core.renewal import renew_command, renewal_objection, renewed, unknown

LOST = task(3, id="old", desired="shutdown", node="n9", node_is_down=True)


def objection(seen, *accepted: int, elsewhere: bool = False) -> str:
    return renewal_objection(seen, accepted, elsewhere=elsewhere) or ""


# What is in it


def test_it_has_the_history_that_serves_and_every_synced_copy():
    memory = renewed(cluster(member(1), member(2, last_committed=99), waiting(3, position(50))))
    assert memory == Memory(uuid=A, ledger={1: Copy("id-of-n1", 100), 2: Copy("id-of-n2", 99)})


def test_where_nobody_serves_it_has_every_copy_there_is():
    memory = renewed(cluster(waiting(1, position(90)), non_primary(2), waiting(3)))
    assert memory == Memory(uuid=A, ledger={1: Copy("id-of-n1", 90), 2: Copy("id-of-n2", 100)})


@pytest.mark.parametrize(
    "seats",
    [
        (waiting(1, position(90)), waiting(2, position(5, B))),
        (waiting(1), waiting(2)),
        (member(1, local_state=2), waiting(2, position(5, B))),
        (member(1), member(2, state_uuid=B)),
    ],
    ids=["two histories wait", "nothing but empty directories", "somebody gives a transfer", "two histories serve"],
)
def test_no_history_is_made_up_where_it_cannot_be_told(seats):
    assert renewed(cluster(*seats)) == Memory()


# When


def test_it_may_be_made_anew_from_a_cluster_that_is_seen_as_a_whole():
    assert not objection(cluster(member(1), member(2), waiting(3, position(50), stage=Stage.JOINING)))


def test_every_task_has_to_be_there():
    seen = cluster(member(1), member(2), replicas=3)
    assert "Swarm has made 2 of 3 tasks" in objection(seen)
    assert objection(seen, 1, 2, 3, elsewhere=True)


@pytest.mark.parametrize(
    ("seen", "slots"),
    [
        (cluster(member(1), unseen(2), unseen(3)), {2, 3}),
        (cluster(member(1), member(2), lost=(LOST,)), {3}),
        (cluster(member(1), unseen(3), lost=(LOST,)), {3}),
        (cluster(member(1), pending(2)), set()),
    ],
    ids=["unseen", "on a lost node", "both", "without a node"],
)
def test_what_is_not_known_is_told_by_slot(seen, slots):
    assert unknown(seen).keys() == slots
    told = objection(seen)
    assert bool(told) is bool(slots)
    assert not slots or renew_command("shop_db", slots) in told
    assert not objection(seen, *slots)


def test_each_slot_has_to_be_given_up_by_name():
    seen = cluster(member(1), unseen(2), unseen(3))
    assert "slot 3 (n3) was not seen" in objection(seen, 2)
    assert not objection(seen, 2, 3)


@pytest.mark.parametrize("seat", [waiting(1, position(90)), non_primary(1)], ids=["all stopped", "no Primary component"])
def test_where_nobody_serves_a_person_has_to_know_that_no_copy_is_elsewhere(seat):
    seen = cluster(seat, waiting(2, position(80)))
    assert renew_command("shop_db", nobody_serves=True) in objection(seen)
    assert not objection(seen, elsewhere=True)


def test_where_nobody_serves_both_have_to_be_said():
    seen = cluster(waiting(1, position(90)), unseen(2))
    command = "galera-operator record shop_db --renew --accept-loss-of 2 --accept-loss-elsewhere"
    assert command in objection(seen)
    assert command in objection(seen, elsewhere=True)
    assert command in objection(seen, 2)
    assert not objection(seen, 2, elsewhere=True)


def test_a_history_that_serves_beside_another_ones_copy_is_the_clusters():
    assert renewed(cluster(member(1), waiting(2, position(5, C)))).uuid == A
