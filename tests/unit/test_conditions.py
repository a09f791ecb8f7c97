"""The named conditions: each holds of a calm cluster, and says in words what keeps it from holding."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import (
    DONOR,
    JOINER,
    A,
    B,
    cluster,
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

from galera_operator.core.agent_api import Stage
from galera_operator.core.conditions import CONDITIONS
from galera_operator.core.model import Snapshot
from galera_operator.core.remembered import Memory

OLD = task(3, id="old3", desired="shutdown")
LOST = task(3, id="old3", desired="shutdown", node_is_down=True)


def why_not(name: str, seen: Snapshot, memory: Memory | None = None, **told: str) -> str | None:
    return CONDITIONS[name].why_not(seen, memory or remembered(), told)


TOLD = {"size": {"replicas": "3"}, "node-empty": {"node": "n9"}, "member-serves": {"slot": "3"}, "writer-is": {"slot": "1"}}


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_holds_of_a_calm_cluster(name):
    assert why_not(name, three_calm(wish=3), **TOLD.get(name, {})) is None


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_names_what_it_has_to_be_told(name):
    assert set(CONDITIONS[name].takes) == set(TOLD.get(name, {}))


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (three_calm(wish=4), "4 members are wished, 3 are asked of Swarm"),
        (cluster(member(1), member(2), wish=3, replicas=3), "3 members are wished, Swarm has 2 tasks"),
        (cluster(*(member(slot) for slot in (1, 2, 3, 4)), wish=3, replicas=3), "3 members are wished, Swarm has 4 tasks"),
        (three_calm(wish=3, leaving=(OLD,)), "the task of slot 3 is still on its way out"),
        (three_calm(wish=3, update_state="updating"), "a service update is updating; a write now would disturb it"),
        (cluster(member(1), member(2), unseen(3), wish=3), "slot 3 (n3) was not seen: no answer"),
        (cluster(member(1), member(2), joined_but_not_admitted(3), wish=3), "slot 3 (n3) is Synced but not admitted yet"),
        (cluster(member(1), member(2), member(3, stage=Stage.DRAINED), wish=3), "slot 3 (n3) is drained"),
        (cluster(member(1), member(2), member(3, cluster_size=2), wish=3), "slot 3 (n3) sees 2 members"),
    ],
)
def test_a_cluster_that_is_not_settled_says_what_is_missing(seen, words):
    assert why_not("settled", seen) == words
    assert why_not("size", seen, replicas=str(seen.wanted)) == words


def test_a_size_is_the_one_that_was_asked_for():
    assert why_not("size", three_calm(wish=3), replicas="4") == "3 members are wished by now, this run was to see to 4"


@pytest.mark.parametrize(
    "seen",
    [
        cluster(),
        cluster(waiting(1, position(9)), unseen(2)),
        cluster(non_primary(1), non_primary(2)),
        cluster(joined_but_not_admitted(1)),
        cluster(member(1, ready=False)),
        cluster(member(1, state_uuid=B)),
    ],
    ids=["no task", "nobody up", "nobody primary", "nobody let in", "no answer to queries", "another history"],
)
def test_nobody_serves(seen):
    assert why_not("serving", seen) == "no member of the recorded history serves in a Primary component"


def test_one_member_that_serves_is_enough_and_needs_a_recorded_history():
    one = cluster(unseen(1), joined_but_not_admitted(2), member(3))
    assert why_not("serving", one) is None
    assert why_not("serving", one, remembered("")) is not None


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (cluster(member(1), replicas=2), "Swarm has made 1 of 2 tasks"),
        (cluster(member(1), member(2), lost=(LOST,)), "the last task of slot 3 is on n3, which Swarm has lost"),
        (cluster(member(1), unseen(2)), "slot 2 (n2) was not seen"),
    ],
)
def test_not_everybody_was_seen(seen, words):
    assert why_not("all-seen", seen) == words


def test_a_stopped_member_was_seen_all_the_same():
    assert why_not("all-seen", cluster(member(1), waiting(2, position(9)))) is None


def test_a_doubt_about_the_data_is_told_in_its_own_words():
    assert B in (why_not("one-history", cluster(member(1), member(2, state_uuid=B))) or "")
    assert why_not("one-history", cluster(member(1), member(2))) is None


def test_a_state_transfer_is_told_with_who_takes_part():
    assert why_not("no-transfer", cluster(member(1, transfer=DONOR))) == "slot 1 (n1) has a state transfer in flight as donor"
    joining = waiting(2, stage=Stage.JOINING, transfer=JOINER)
    assert why_not("no-transfer", cluster(member(1), joining)) == "slot 2 (n2) has a state transfer in flight as joiner"
    assert why_not("no-transfer", cluster(member(1), waiting(2, stage=Stage.JOINING))) == "slot 2 (n2) is joining"
    assert why_not("no-transfer", cluster(member(1), waiting(2), unseen(3))) is None


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (three_calm(), "slot 3 (n3) is still there"),
        (cluster(member(1), member(2), leaving=(OLD,)), "the task of slot 3 is still ending on n3"),
        (cluster(member(1), member(2), lost=(LOST,)), "the task of slot 3 is still ending on n3"),
        (cluster(joined_but_not_admitted(1), unseen(2)), "no member serves"),
        (cluster(non_primary(1), unseen(2)), "no member serves"),
    ],
)
def test_a_node_is_empty_when_nothing_of_it_runs_there_and_another_member_serves(seen, words):
    assert why_not("node-empty", seen, node="n3") == words


def test_a_task_that_ends_elsewhere_does_not_keep_a_node_from_being_empty():
    elsewhere = replace(OLD, node="n8")
    assert why_not("node-empty", cluster(member(1), pending(3), leaving=(elsewhere,)), node="n3") is None


def test_a_member_serves_or_says_why_not():
    seen = cluster(member(1), joined_but_not_admitted(2))
    assert why_not("member-serves", seen, slot="2") == "slot 2 (n2) is Synced but not admitted yet"
    assert why_not("member-serves", seen, slot="3") == "there is no slot 3"


def test_the_writer_is_who_everybody_takes_for_it():
    seen = cluster(member(1, writer="db.2"), member(2, writer="db.2"), unseen(3))
    assert why_not("writer-is", seen, slot="2") is None
    assert why_not("writer-is", seen, slot="1") == "slot 1 (n1) does not take slot 1 (n1) for the writer"
    assert why_not("writer-is", seen, slot="3") == "slot 3 is not there"
    assert why_not("writer-is", seen, slot="9") == "slot 9 is not there"


def test_an_update_is_over_when_every_task_runs_what_the_service_names():
    assert why_not("updated", cluster(member(1, is_outdated=True), member(2))) == "slot 1 (n1) runs what it ran before"
    assert why_not("updated", three_calm()) is None
    assert why_not("updated", three_calm(update_state="paused")) == "a service update is paused; a write now would disturb it"


def test_the_recorded_history_is_the_one_that_is_told():
    assert why_not("serving", three_calm(), remembered(A)) is None
