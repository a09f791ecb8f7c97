"""The state store: nothing is forgotten, nothing is overwritten unseen, and of two writers one wins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from swarm_world import SwarmWorld

from galera_operator.core.position import Position
from galera_operator.core.remembered import Consent, Copy, Fork, Memory, Shrink
from galera_operator.ports import Conflict, Record

ONE, TWO, THREE = (f"{digit * 8}-0000-4000-8000-{digit * 12}" for digit in "123")

EVERYTHING = Memory(
    uuid=ONE,
    ledger={1: Copy("node-a", 4711), 2: Copy("node-b", 0), 3: Copy("", -1)},
    shrink=Shrink(2, 3, "task-of-slot-3"),
    kept={"node-c": 99, "node-d": -1},
    consent=Consent(1, Position(ONE, 4711), (2, 3), TWO, "a person at node-a", "2026-02-28T23:59:59+00:00"),
    fork=Fork(Position(THREE, 17), (2,)),
    given_up={2: THREE, 7: TWO},
)
FIRST = Record(0, "operator one", 1, Memory())
MEMORIES = {
    "nothing": Memory(),
    "everything": EVERYTHING,
    **{
        f"only {name}": replace(Memory(), **{name: getattr(EVERYTHING, name)})
        for name in ("uuid", "ledger", "shrink", "kept", "consent", "fork", "given_up")
    },
}


@pytest.fixture
def name(swarm: SwarmWorld, request: pytest.FixtureRequest) -> str:
    """A cluster that no other test has, and that nobody has a record of."""
    name = "contract_" + "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[-40:].strip("-")
    swarm.forget(name)
    return name


def test_a_cluster_without_a_record_has_none(swarm: SwarmWorld, name: str) -> None:
    assert swarm.store.load(name) is None


@pytest.mark.parametrize("what", MEMORIES)
def test_a_memory_comes_back_as_it_was_written(swarm: SwarmWorld, name: str, what: str) -> None:
    memory = MEMORIES[what]
    created = swarm.store.create(name, replace(FIRST, memory=memory))
    assert created.memory == memory
    assert swarm.store.load(name) == created
    emptied = swarm.store.save(name, replace(created, memory=Memory(), epoch=2))
    assert (emptied.memory, emptied.epoch) == (Memory(), 2)
    again = swarm.store.save(name, replace(emptied, memory=memory, holder="operator two"))
    loaded = swarm.store.load(name)
    assert loaded == again
    assert loaded is not None
    assert (loaded.memory, loaded.holder, loaded.epoch) == (memory, "operator two", 2)


def test_every_write_has_a_version_of_its_own_also_when_it_changes_nothing(swarm: SwarmWorld, name: str) -> None:
    written = [swarm.store.create(name, FIRST)]
    for _ in range(3):
        written.append(swarm.store.save(name, written[-1]))
    versions = [record.version for record in written]
    assert versions == sorted(set(versions))


def test_a_write_over_another_version_than_the_last_is_a_conflict_and_changes_nothing(swarm: SwarmWorld, name: str) -> None:
    first = swarm.store.create(name, FIRST)
    second = swarm.store.save(name, replace(first, epoch=2))
    for stale in (first, replace(second, version=second.version + 1)):
        with pytest.raises(Conflict):
            swarm.store.save(name, replace(stale, holder="somebody late", epoch=9))
    assert swarm.store.load(name) == second


def test_a_record_is_created_once(swarm: SwarmWorld, name: str) -> None:
    first = swarm.store.create(name, FIRST)
    with pytest.raises(Conflict):
        swarm.store.create(name, replace(FIRST, holder="operator two"))
    with pytest.raises(Conflict):
        swarm.store.create(name, FIRST)
    assert swarm.store.load(name) == first


def test_a_removed_record_is_not_written_again_by_who_knew_it(swarm: SwarmWorld, name: str) -> None:
    known = swarm.store.create(name, FIRST)
    swarm.forget(name)
    with pytest.raises(Conflict):
        swarm.store.save(name, known)
    assert swarm.store.load(name) is None
    anew = swarm.store.create(name, replace(FIRST, holder="operator two"))
    assert swarm.store.load(name) == anew
    with pytest.raises(Conflict):
        swarm.store.save(name, known)


def test_of_writers_at_the_same_time_exactly_one_wins_each_round(swarm: SwarmWorld, name: str) -> None:
    record = swarm.store.create(name, FIRST)
    for epoch in range(2, 6):

        def write(holder: str, known: Record = record, epoch: int = epoch) -> Record | None:
            try:
                return swarm.store.save(name, replace(known, holder=holder, epoch=epoch))
            except Conflict:
                return None

        with ThreadPoolExecutor(4) as pool:
            written = [won for won in pool.map(write, [f"operator {number}" for number in range(4)]) if won]
        assert len(written) == 1
        assert swarm.store.load(name) == written[0]
        record = written[0]


def test_of_creators_at_the_same_time_exactly_one_wins(swarm: SwarmWorld, name: str) -> None:
    def create(holder: str) -> Record | None:
        try:
            return swarm.store.create(name, replace(FIRST, holder=holder))
        except Conflict:
            return None

    with ThreadPoolExecutor(4) as pool:
        created = [won for won in pool.map(create, [f"operator {number}" for number in range(4)]) if won]
    assert len(created) == 1
    assert swarm.store.load(name) == created[0]


@pytest.mark.parametrize("length", [0, 63], ids=["short", "as long as a service may be called"])
def test_clusters_with_names_alike_have_records_of_their_own(swarm: SwarmWorld, name: str, length: int) -> None:
    name = f"{name}{'x' * (length - len(name) - 1)}"
    longer = f"{name}2"
    for one_of_both in (name, longer):
        swarm.forget(one_of_both)
    one = swarm.store.create(name, replace(FIRST, memory=EVERYTHING))
    assert swarm.store.load(longer) is None
    two = swarm.store.create(longer, FIRST)
    assert swarm.store.load(name) == one
    assert swarm.store.load(longer) == two
    swarm.forget(name)
    assert swarm.store.load(longer) == two
