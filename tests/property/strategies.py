"""Clusters as a look may find them: wide, but each value is one that an agent, a database or Swarm could really say.

A seat is a calm one with a few deviations, so that a counterexample shrinks to the deviations that matter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from builders import DONOR, JOINER, A, B, C, cluster, decided, member, position, task, unseen, waiting
from hypothesis import strategies as st

from galera_operator.core.agent_api import ANY_WRITER, Admission, Stage
from galera_operator.core.model import Seat, Silence, Snapshot
from galera_operator.core.position import ZERO_UUID, Directory
from galera_operator.core.remembered import Consent, Copy, Fork, Memory, Restart, Shrink, WriterMove
from galera_operator.core.spec import BadWish, Wish

SLOTS = range(1, 7)
SEQNOS = (0, 1, 50, 99, 100, 101)


def some(name: str, *values: object) -> list[dict[str, Any]]:
    return [{name: value} for value in values]


OF_A_TASK = [
    *({"node": node} for node in ("n1", "n2")),
    *some("state", "starting", "preparing", "complete"),
    *some("is_outdated", True),
]
OF_AN_AGENT = [
    *some("stage", *Stage),
    *some("stage", Stage.DRAINING, Stage.DRAINED, Stage.DRAINED),
    *some("since", 0.0, 1.0, 500.0),
    *some("transfer", JOINER, DONOR, replace(JOINER, idle=500.0)),
    *some("admission", Admission.NONE, Admission.NONE, Admission.SELF),
    *some("writer", "", "db.2", "db.3", "db.9", ANY_WRITER),
    *some("api_level", 1),
    *some("sessions", 4),
    *some("note", "", "waiting for a donor"),
    *some("view_age", 0.0, 2.0, 2.1, 9.9, 10.0, 60.0),
    *some("leaving", True),
]
OF_A_DATABASE = [
    *some("ready", False),
    *some("connected", False),
    *some("cluster_status", "non-Primary", "Disconnected"),
    *some("local_state", 0, 1, 2, 2, 3),
    *some("state_uuid", B, C, ZERO_UUID),
    *some("conf_id", 8),
    *some("cluster_size", 1, 2, 3),
    *some("last_committed", *SEQNOS),
    *some("queue", 3),
    *some("desync_count", 1),
    *some("members", ("db.1",), ("db.2", "db.3"), ("db.1", "db.2", "db.3")),
]
APART = {"cluster_status": "non-Primary", "ready": False, "view_age": 60.0}
OF_A_DISK = [
    {"directory": Directory.EMPTY, "position": None},
    {"directory": Directory.EMPTY, "position": None},
    {"directory": Directory.INCOMPLETE, "position": None},
    *({"directory": Directory.USABLE, "position": position(seqno, uuid)} for seqno in SEQNOS for uuid in (A, A, B, C)),
    *some("safe_to_bootstrap", True),
]
UNSEEN = [
    {},
    {"kind": Silence.NO_AGENT},
    {"kind": Silence.NO_LOGIN},
    {"cause": "no address yet", "node_id": "", "node": "", "state": "pending", "address": ""},
]


def merged(deviations: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: value for deviation in deviations for name, value in deviation.items()}


LIVE = st.lists(st.sampled_from(OF_A_TASK + OF_AN_AGENT * 2 + OF_A_DATABASE * 2), max_size=3).map(merged)
STOPPED = st.lists(st.sampled_from(OF_A_TASK + OF_AN_AGENT + OF_A_DISK * 2), max_size=3).map(merged)
GONE = st.sampled_from(UNSEEN)
UP = st.sampled_from(["calm"] * 6 + ["live"] * 6 + ["stopped", "unseen"])
DOWN = st.sampled_from(["stopped"] * 9 + ["live", "unseen"])
NO_MAJORITY = st.sampled_from(["apart"] * 5 + ["stopped"] * 5 + ["unseen"])
SOME_SLOTS = st.sampled_from(
    [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3), (1, 2, 3), (1, 2, 3, 4), (1, 2, 3, 4, 5), (2, 3), (1, 3, 6)]
)
MOODS = st.sampled_from([UP, UP, DOWN, NO_MAJORITY])
MORE_REPLICAS = st.sampled_from([0, 0, 0, 0, 0, 1, -1])
LEAVING = st.sampled_from([(), (), (), (), (task(1, id="old1", desired="shutdown"),), (task(6, desired="remove"),)])
LOST = st.sampled_from([(), (), (), (), (), (task(2, id="old2", desired="shutdown", node_is_down=True),)])
UPDATES = st.sampled_from(["", "", "", "", "completed", "updating", "paused", "rollback_started"])
GRACES = st.sampled_from([10.0, 120.0])
WISHES = st.sampled_from(
    [Wish(replicas=wished, join_parallel=parallel) for wished in (None, 1, 2, 3, 5) for parallel in (1, 4)]
    + [Wish(replicas=wished) for wished in (1, 2, 3)] * 2
    + [Wish(replicas=1, pause=True), Wish(replicas=3, allow_donor=True), Wish(replicas=3, any_writer=True)]
    + [BadWish("bad-label", "galera.replicas is 'banana'; expected a number", "change it", fatal) for fatal in (True, False)]
)
MEMORIES_LEDGER = st.dictionaries(st.sampled_from(SLOTS), st.sampled_from(SEQNOS), max_size=4)
SHRINKS = (
    st.none()
    | st.none()
    | st.builds(lambda to, slot: Shrink(to, slot, f"task{slot}"), st.sampled_from([1, 2, 3, 4]), st.sampled_from(SLOTS))
)


@st.composite
def seats(draw: st.DrawFn, slot: int, kinds: st.SearchStrategy[str] = UP) -> Seat:
    match draw(kinds):
        case "calm":
            return member(slot)
        case "live":
            return member(slot, **draw(LIVE))
        case "apart":
            return member(slot, **(APART | draw(LIVE)))
        case "stopped":
            changes = draw(STOPPED)
            if changes.get("stage", Stage.WAITING) is Stage.WAITING:
                changes.pop("transfer", None)  # mariadbd is down: nothing flows
            return waiting(slot, position(100), **changes)
        case _:
            return unseen(slot, **draw(GONE))


@st.composite
def snapshots(draw: st.DrawFn, wishes: st.SearchStrategy[Wish | BadWish] = WISHES) -> Snapshot:
    slots = draw(SOME_SLOTS)
    kinds = draw(MOODS)
    return cluster(
        *[draw(seats(slot, kinds)) for slot in slots],
        wish=draw(wishes),
        replicas=max(0, len(slots) + draw(MORE_REPLICAS)),
        leaving=draw(LEAVING),
        lost=draw(LOST),
        update_state=draw(UPDATES),
        stop_grace=draw(GRACES),
    )


ACCEPTED = st.lists(st.sampled_from(SLOTS), max_size=3, unique=True).map(lambda slots: tuple(sorted(slots)))
POSITIONS = st.builds(position, st.sampled_from(SEQNOS), st.sampled_from([A, A, A, B]))
CONSENTS = st.builds(lambda slot, at, accepted: decided(slot, at, *accepted), st.sampled_from([1, 2, 3]), POSITIONS, ACCEPTED)
FORKS = st.builds(Fork, st.builds(position, st.sampled_from(SEQNOS), st.sampled_from([A, B])), ACCEPTED)
GIVEN_UP = st.dictionaries(st.sampled_from(SLOTS), st.sampled_from([A, B, C]), max_size=2)
MOVES = st.builds(
    lambda slot, of: WriterMove(slot, f"life{of}", "ann@desk", "now"), st.sampled_from(SLOTS), st.sampled_from(SLOTS)
)
RESTARTS = st.builds(
    lambda slots, alone: Restart({slot: f"life{slot}" for slot in sorted(slots)}, "ann@desk", "now", alone),
    st.sets(st.sampled_from(SLOTS), min_size=1),
    st.booleans(),
)
NOTHING = st.none() | st.none() | st.none()


@st.composite
def memories(draw: st.DrawFn) -> Memory:
    """What `remember` and a person may have written: all of it exists only beside an identity, but for a person's decision."""
    uuid = draw(st.sampled_from(["", A, A, A, A, A, A, B, C]))
    consent: Consent | None = draw(NOTHING | CONSENTS)
    if not uuid:
        return Memory(consent=consent)
    ledger = {slot: Copy(f"id-of-n{slot}", seqno) for slot, seqno in sorted(draw(MEMORIES_LEDGER).items())}
    return Memory(
        uuid,
        ledger,
        draw(SHRINKS),
        consent=consent,
        fork=draw(NOTHING | FORKS),
        given_up=draw(st.just({}) | GIVEN_UP),
        move=draw(st.none() | MOVES),
        restart=draw(st.none() | RESTARTS),
    )
