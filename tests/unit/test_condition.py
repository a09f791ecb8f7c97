"""The one word for the whole cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import (
    DONOR,
    JOINER,
    ZEROS,
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
from galera_operator.core.condition import Condition, condition_of
from galera_operator.core.position import Directory
from galera_operator.core.remembered import Fork, Memory

OLD = task(1, id="old", desired="shutdown")
DOWN = waiting(1, position(9)), waiting(2, position(9))


def incomplete(slot):
    return waiting(slot, directory=Directory.INCOMPLETE)


CASES = {
    "nobody at all": (cluster(), remembered(), Condition.NO_TASKS),
    "never started": (cluster(waiting(1), waiting(2)), Memory(), Condition.FIRST_START),
    "a calm cluster": (three_calm(), remembered(), Condition.SERVING),
    "a calm cluster, nothing recorded yet": (three_calm(), Memory(), Condition.SERVING),
    "somebody is missing": (cluster(member(1), member(2), replicas=3), remembered(), Condition.DEGRADED),
    "somebody is too many": (three_calm(replicas=2), remembered(), Condition.DEGRADED),
    "somebody is unseen": (cluster(member(1), unseen(2)), remembered(), Condition.DEGRADED),
    "somebody waits": (cluster(member(1), waiting(2)), remembered(), Condition.DEGRADED),
    "somebody is not admitted": (cluster(member(1), joined_but_not_admitted(2)), remembered(), Condition.DEGRADED),
    "somebody donates": (cluster(member(1), member(2, local_state=2)), remembered(), Condition.DEGRADED),
    "somebody joins by a full transfer": (
        cluster(
            member(1, local_state=2, transfer=DONOR),
            member(2, stage=Stage.JOINING, local_state=1, ready=False, state_uuid=ZEROS, transfer=JOINER),
        ),
        remembered(),
        Condition.DEGRADED,
    ),
    "beside a copy of another history": (cluster(member(1), waiting(2, position(9, B))), remembered(), Condition.DEGRADED),
    "two histories serve": (cluster(member(1), member(2, state_uuid=B)), remembered(), Condition.SPLIT),
    "two components of one history serve": (
        cluster(member(1, members=("db.1",), view_age=60.0), member(2, members=("db.2",), view_age=60.0)),
        remembered(),
        Condition.SPLIT,
    ),
    "another history than recorded serves": (cluster(member(1, state_uuid=B)), remembered(A), Condition.DIVERGED),
    "two histories are down": (cluster(waiting(1, position(9)), waiting(2, position(9, B))), Memory(), Condition.DIVERGED),
    "another history than recorded is down": (cluster(waiting(1, position(9, B))), remembered(A), Condition.DIVERGED),
    "two histories live": (cluster(non_primary(1), non_primary(2, state_uuid=B)), Memory(), Condition.DIVERGED),
    "somebody lives without a majority": (cluster(non_primary(1), waiting(2, position(9))), remembered(), Condition.NO_PRIMARY),
    "somebody lives, somebody is unseen": (cluster(non_primary(1), unseen(2)), remembered(), Condition.UNCERTAIN),
    "all down, one unseen": (cluster(waiting(1, position(9)), unseen(2)), remembered(), Condition.UNCERTAIN),
    "all down, one without a node": (cluster(waiting(1, position(9)), pending(2)), remembered(), Condition.UNCERTAIN),
    "all down, one not made": (cluster(*DOWN, replicas=3), remembered(), Condition.UNCERTAIN),
    "all down, an old task ends": (cluster(*DOWN, leaving=(OLD,)), remembered(), Condition.UNCERTAIN),
    "all down, a node is lost": (cluster(*DOWN, lost=(OLD,)), remembered(), Condition.UNCERTAIN),
    "all down, one is still stopping": (cluster(waiting(1, stage=Stage.STOPPING)), remembered(), Condition.UNCERTAIN),
    "all down, one stops and shows its copy": (
        cluster(waiting(1, position(9), stage=Stage.STOPPING)),
        remembered(),
        Condition.ALL_STOPPED,
    ),
    "all down": (cluster(*DOWN), remembered(), Condition.ALL_STOPPED),
    "all down, one never had data": (cluster(waiting(1, position(9)), waiting(2)), remembered(), Condition.ALL_STOPPED),
    "all down, nothing recorded": (cluster(*DOWN), Memory(), Condition.ALL_STOPPED),
    "a directory that nobody can use, nothing recorded": (cluster(waiting(1), incomplete(2)), Memory(), Condition.ALL_STOPPED),
    "recorded, and every directory is empty": (cluster(waiting(1), waiting(2)), remembered(), Condition.DATA_GONE),
    "recorded, and none can be used": (cluster(incomplete(1), waiting(2)), remembered(), Condition.DATA_GONE),
    "recorded, and all that is there was given up": (
        cluster(waiting(1, position(9))),
        remembered(given_up={1: A}),
        Condition.DATA_GONE,
    ),
    "recorded, and all that is there is from before": (
        cluster(waiting(1, position(9, B))),
        remembered(fork=Fork(position(10, B), ())),
        Condition.DATA_GONE,
    ),
    "down beside a copy from before": (
        cluster(waiting(1, position(9)), waiting(2, position(9, B))),
        remembered(fork=Fork(position(10, B), ())),
        Condition.ALL_STOPPED,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_word_for(case):
    seen, memory, condition = CASES[case]
    assert condition_of(seen, memory) is condition


def test_every_word_is_used_and_each_is_written_as_it_is_read():
    assert {condition for *_, condition in CASES.values()} == set(Condition)
    assert str(Condition.DATA_GONE) == "data gone"


def test_a_member_that_answers_no_queries_serves_nothing():
    quiet = member(2, state_uuid=B, ready=False)
    assert condition_of(cluster(member(1), quiet), remembered()) is Condition.DEGRADED


def test_the_word_does_not_depend_on_a_wish():
    assert condition_of(three_calm(wish=5), remembered()) is Condition.SERVING
    assert condition_of(replace(three_calm(), lost=(OLD,)), remembered()) is Condition.SERVING
