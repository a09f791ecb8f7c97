"""Clusters as a look may find them: wide, but each value is one that an agent, a database or Swarm could really say."""

from __future__ import annotations

from dataclasses import replace

from builders import DONOR, JOINER, LOCAL_STATES, A, B, status, task, wsrep
from hypothesis import strategies as st

from galera_operator.core.agent_api import Admission, AgentStatus, Stage, Wsrep
from galera_operator.core.model import Copy, Live, Memory, Seat, Service, Shrink, Snapshot, Stopped, Task, Unseen
from galera_operator.core.position import ZERO_UUID, Directory, Position
from galera_operator.core.spec import BadWish, Wish

SLOTS = range(1, 7)

histories = st.sampled_from([A, A, A, B])
seqnos = st.sampled_from([0, 1, 50, 99, 100, 101])


def mostly(value: object, *others: object) -> st.SearchStrategy:
    """The calm value three times out of four."""
    return st.sampled_from([value] * 3 * len(others) + list(others))


@st.composite
def wsreps(draw: st.DrawFn, size: int) -> Wsrep:
    local_state = draw(mostly(4, 0, 1, 2, 3))
    return wsrep(
        ready=draw(mostly(True, False)),
        connected=draw(mostly(True, False)),
        cluster_status=draw(mostly("Primary", "non-Primary", "Disconnected")),
        local_state=local_state,
        local_state_comment=LOCAL_STATES[local_state],
        state_uuid=draw(mostly(A, A, B, ZERO_UUID)),
        conf_id=draw(mostly(7, 8)),
        cluster_size=draw(mostly(size, size + 1, max(1, size - 1))),
        last_committed=draw(seqnos),
        queue=draw(mostly(0, 3)),
        desync_count=draw(mostly(0, 1)),
    )


@st.composite
def directories(draw: st.DrawFn) -> tuple[Directory, Position | None]:
    """A directory is usable exactly when its position is known."""
    kind = draw(st.sampled_from(Directory))
    return kind, Position(draw(histories), draw(seqnos)) if kind is Directory.USABLE else None


@st.composite
def agents(draw: st.DrawFn, slot: int, stage: Stage) -> AgentStatus:
    directory, position = draw(directories())
    return status(
        slot,
        stage=stage,
        since=draw(st.sampled_from([0.0, 1.0, 30.0, 500.0])),
        directory=directory,
        position=position,
        safe_to_bootstrap=draw(st.booleans()),
        transfer=draw(mostly(None, JOINER, DONOR)),
        admission=draw(mostly(Admission.OPERATOR, Admission.SELF, Admission.NONE)),
        writer=draw(st.sampled_from(["", "db.1", "db.1", "db.1", "db.2", "db.3", "db.9"])),
        sessions=draw(st.sampled_from([0, 4])),
        in_flight=draw(st.sampled_from([0, 2])),
        note=draw(st.sampled_from(["", "waiting for a donor"])),
    )


@st.composite
def tasks(draw: st.DrawFn, slot: int) -> Task:
    node = draw(mostly(f"n{slot}", "n1", "n2"))
    return task(slot, node=node, node_id=f"id-of-{node}", state=draw(mostly("running", "starting", "preparing")))


@st.composite
def seats(draw: st.DrawFn, slot: int, size: int, mood: str) -> Seat:
    found = draw(tasks(slot))
    kind = draw({"up": mostly("live", "live", "stopped", "unseen"), "down": mostly("stopped", "unseen", "live")}[mood])
    if kind == "live":
        stage = draw(mostly(Stage.RUNNING, Stage.RUNNING, Stage.DRAINING, Stage.DRAINED, *Stage))
        agent, says = draw(agents(slot, stage)), draw(wsreps(size))
        return Seat(found, Live(replace(agent, wsrep=says), says))
    if kind == "stopped":
        return Seat(found, Stopped(draw(agents(slot, draw(mostly(Stage.WAITING, *Stage))))))
    if draw(st.booleans()):
        found = replace(found, node_id="", node="", state="pending", address="")
    return Seat(found, Unseen(draw(st.sampled_from(["no answer", "nothing listens"])), refused=draw(st.booleans())))


@st.composite
def wishes(draw: st.DrawFn) -> Wish | BadWish:
    if draw(mostly(False, True)):
        return BadWish("bad-label", "galera.replicas is 'banana'; expected a number", "docker service update", draw(st.booleans()))
    return Wish(
        replicas=draw(st.sampled_from([None, 1, 2, 3, 5])),
        join_parallel=draw(mostly(1, 2, 4)),
        allow_donor=draw(st.booleans()),
        pause=draw(mostly(False, True)),
    )


@st.composite
def snapshots(draw: st.DrawFn, wish: st.SearchStrategy[Wish | BadWish] | None = None) -> Snapshot:
    slots = sorted(draw(st.sets(st.sampled_from(SLOTS), max_size=5)))
    mood = draw(st.sampled_from(["up", "up", "down"]))
    replicas = max(0, len(slots) + draw(mostly(0, 1, -1)))
    leaving = tuple(task(slot, id=f"old{slot}", desired="shutdown") for slot in draw(mostly((), (1,), (6,))))
    update_state = draw(mostly("", "updating", "paused", "completed", "rollback_started"))
    service = Service("svc", "shop_db", 40, replicas, update_state, draw(st.sampled_from([10.0, 120.0])))
    return Snapshot(service, draw(wish or wishes()), tuple(draw(seats(slot, len(slots), mood)) for slot in slots), leaving)


@st.composite
def memories(draw: st.DrawFn) -> Memory:
    """A ledger and a scale-down exist only beside an identity, as `remember` writes them."""
    uuid = draw(st.sampled_from(["", A, A, A, B]))
    if not uuid:
        return Memory()
    ledger = {slot: Copy(f"id-of-n{slot}", draw(seqnos)) for slot in sorted(draw(st.sets(st.sampled_from(SLOTS), max_size=4)))}
    slot = draw(st.sampled_from(SLOTS))
    shrink = draw(mostly(None, Shrink(draw(st.integers(1, 4)), slot, f"task{slot}")))
    return Memory(uuid, ledger, shrink)
