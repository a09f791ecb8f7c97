from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from builders import JOINER, A, cluster, decided, member, pending, position, remembered, status, three_calm, unseen, waiting

from galera_operator.core.agent_api import AgentStatus
from galera_operator.core.model import Silence, Snapshot
from galera_operator.core.plan import Act, Bootstrap, Hold, Page, Plan, Resize
from galera_operator.core.remembered import Copy, Fork, Memory, Shrink
from galera_operator.core.spec import BadWish, Wish
from galera_operator.core.strict_json import BadMessage
from galera_operator.core.value_json import from_plain, to_plain


def again(kind, value):
    return from_plain(kind, json.loads(json.dumps(to_plain(value))))


@dataclass(frozen=True)
class Later:
    """A value of a version that has one more field."""

    old: int
    new: str = "unknown to the older version"


SEEN = [
    three_calm(wish=3),
    cluster(member(1, transfer=JOINER, members=("db.1", "db.2")), waiting(2, position(7)), unseen(3, kind=Silence.NO_AGENT)),
    cluster(pending(1), wish=BadWish("bad-label", "galera.replicas is 'x'", "correct it", fatal=True)),
    cluster(wish=Wish(replicas=2, pause=True), replicas=2, leaving=(member(4).task,), lost=(member(5).task,)),
]


@pytest.mark.parametrize("seen", SEEN)
def test_a_look_comes_back_as_the_same_value(seen):
    assert again(Snapshot, seen) == seen


def test_a_memory_comes_back_as_the_same_value():
    memory = Memory(
        A, {1: Copy("n1", 5)}, Shrink(2, 3, "t"), {"n3": 4}, decided(1, position(5), 2), Fork(position(3), (2,)), {2: A}
    )
    assert again(Memory, memory) == memory
    assert again(Memory, remembered()) == remembered()


@pytest.mark.parametrize(
    "plan",
    [
        Hold("calm"),
        Page("split-brain", "two", "stop one", 0.5),
        Act((Bootstrap(1, "10.0.0.1", "life", None, ((2, "10.0.0.2", "life2"),)), Resize("svc", 1, 2, 3, (3, "t"))), "go"),
    ],
)
def test_a_plan_comes_back_as_the_same_value(plan):
    assert again(Plan, plan) == plan


def test_a_moment_in_time_keeps_its_zone():
    now = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
    assert again(datetime, now) == now
    assert again(datetime, now).tzinfo is not None


def test_what_an_older_version_did_not_know_gets_its_default():
    assert from_plain(Later, {"is": "Later", "old": 1}) == Later(1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"stage": "asleep"}, "stage: found 'asleep'; expected Stage"),
        ({"since": "1"}, "since: found '1'; expected float"),
        ({"since": True}, "since: found True; expected float"),
        ({"epoch": 1.0}, "epoch: found 1.0; expected int"),
        ({"leaving": 1}, "leaving: found 1; expected bool"),
        ({"note": None}, "note: found None; expected str"),
        ({"position": {"is": "Wsrep"}}, "position: found Wsrep; expected Position"),
        ({"position": {"is": "Position", "uuid": "x", "seqno": 1}}, "position: state UUID is 'x'"),
        ({"wsrep": "up"}, "wsrep: found 'up'; expected Wsrep"),
        ({"colour": 1}, "AgentStatus has no field 'colour'"),
        ({"is": "Task"}, "found Task; expected AgentStatus"),
    ],
)
def test_what_is_not_of_the_shape_is_refused_by_its_place(change, told):
    raw = to_plain(status(1)) | change
    with pytest.raises(BadMessage, match=told.replace("(", r"\(")):
        from_plain(AgentStatus, raw)


def test_a_missing_field_is_refused_by_its_name():
    raw = to_plain(status(1))
    del raw["incarnation"]
    with pytest.raises(BadMessage, match="AgentStatus lacks the field 'incarnation'"):
        from_plain(AgentStatus, raw)


def test_the_place_of_a_fault_deep_inside_is_told():
    raw = to_plain(three_calm())
    raw["seats"][1]["member"]["wsrep"]["queue"] = "many"
    with pytest.raises(BadMessage, match=r"^seats\[1\]\.member\.wsrep\.queue: found 'many'; expected int"):
        from_plain(Snapshot, raw)


def test_keys_of_a_mapping_are_read_as_their_type():
    raw = to_plain(remembered(ledger={1: 5}))
    raw["ledger"]["one"] = raw["ledger"]["1"]
    with pytest.raises(BadMessage, match="ledger: found 'one'; expected a whole number as the key"):
        from_plain(Memory, raw)


@pytest.mark.parametrize("raw", ["db.1", {"0": 1}, None, [1]])
def test_a_list_is_a_list_of_the_right_things(raw):
    whole = to_plain(member(1).wsrep) | {"members": raw}
    with pytest.raises(BadMessage, match="members"):
        from_plain(type(member(1).wsrep), whole)


def test_a_fixed_row_has_its_length():
    with pytest.raises(BadMessage, match="a list of 3"):
        from_plain(tuple[int, str, str], [1, "a"])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object(), b"x"])
def test_what_json_cannot_hold_without_loss_is_not_written(value):
    with pytest.raises(BadMessage, match="without loss"):
        to_plain(value)


def test_a_number_that_is_not_finite_is_not_read_either():
    with pytest.raises(BadMessage, match="expected float"):
        from_plain(float, json.loads("NaN"))
