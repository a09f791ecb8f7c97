"""A person who reads the open page and does what it says, carefully: whoever is given up does not run any more."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from galera_operator.core.consent import history_of, objection, present_copy, replace_objection
from galera_operator.core.memory import remember
from galera_operator.core.model import Snapshot
from galera_operator.core.plan import Page
from galera_operator.core.remembered import Consent, Memory, Restart, WriterMove
from galera_operator.core.restart import lives_now, restart_after, restart_objection
from galera_operator.core.traffic import believed_writer
from galera_operator.core.writer import move_objection
from galera_operator.ports import Conflict, Record, Unreachable
from galera_operator.runtime.observe import look
from galera_operator.sim.operator import InlinePool
from galera_operator.sim.truth import Decision
from galera_operator.sim.wires import Ports

if TYPE_CHECKING:
    from galera_operator.sim.world import World

_BOOTSTRAP = re.compile(r"galera-operator bootstrap \S+ --from-slot (\d+)((?: --accept-loss-of \d+)*)")
_REPLACE = re.compile(r"galera-operator replace \S+ --slot (\d+)")
_WISH = re.compile(r"--label-add galera\.replicas=(\d+)")
_CANCEL = re.compile(r"galera-operator restart \S+ --cancel")
_SCALE = re.compile(r"docker service scale \S+=(\d+)")
_POOL = InlinePool()


def open_page(world: World) -> Page | None:
    """The page of the operator that acts, if there is one."""
    for operator in world.operators.values():
        if operator.running and isinstance(operator.plan, Page):
            return operator.plan
    return None


def oblige(world: World) -> bool:
    """Do what the open page says; False when there is none, or nothing that a person can do from here."""
    page = open_page(world)
    if page is None:
        return False
    remedy = page.remedy
    try:
        if found := _BOOTSTRAP.search(remedy):
            return _bootstrap(world, int(found[1]), {int(slot) for slot in re.findall(r"\d+", found[2])})
        if found := _REPLACE.search(remedy):
            return _replace(world, int(found[1]))
    except (Unreachable, Conflict):
        return False
    if _CANCEL.search(remedy):
        cancel_restart(world)
        return True
    if found := _WISH.search(remedy):
        world.swarm.wish = replace(world.swarm.wish, replicas=int(found[1]))
        world.swarm.written()
        return True
    if found := _SCALE.search(remedy):
        world.swarm.replicas = int(found[1])
        world.swarm.written()
        return True
    if "service update --force" in remedy:
        world.swarm.roll_out()
        return True
    return _by_hand(world, page)


def _bootstrap(world: World, slot: int, accepted: set[int]) -> bool:
    """``galera-operator bootstrap``: the same checks, the same record as cli/consent_commands.py writes."""
    seen, record = _look(world)
    if record is None or record.memory.consent is not None:
        return False
    memory = remember(record.memory, seen)
    if objection(seen, memory, slot, accepted):
        return False
    seat = seen.seat(slot)
    copy = present_copy(seat) if seat else None
    if copy is None:
        return False
    _make_sure(world, accepted, seen)
    history = world.new_uuid()
    consent = Consent(slot, copy, tuple(sorted(accepted)), history, "a person", "now")
    _write(world, record, replace(record.memory, consent=consent))
    nodes = frozenset(known.node_id for lost, known in memory.ledger.items() if lost in accepted)
    world.truth.decisions[history] = Decision(frozenset(accepted), nodes)
    return True


def _make_sure(world: World, accepted: set[int], seen: Snapshot) -> None:
    """The command says: whoever was not seen must not run any more. A careful person ends it, on a node cut off by its power."""
    answering = {seat.task.id for seat in seen.seats if seat.agent}
    for container in world.containers:
        if container.alive and container.slot in accepted and container.task_id not in answering:
            container.exit(137)


def _replace(world: World, slot: int) -> bool:
    """``galera-operator replace``."""
    seen, record = _look(world)
    if record is None or record.memory.consent is not None or replace_objection(seen, record.memory, slot):
        return False
    seat = seen.seat(slot)
    history = history_of(seat) if seat else None
    assert history is not None
    _write(world, record, replace(record.memory, given_up={**record.memory.given_up, slot: history}))
    world.truth.given_up.add((slot, history))
    return True


# Wishes ---------------------------------------------------------------------------------------------------------------


def ask_for_restart(world: World, *, alone: bool) -> None:
    """``galera-operator restart``, as cli/member_commands.py does it."""

    def wish(seen: Snapshot, memory: Memory) -> Memory:
        if restart_after(memory.restart, seen) or restart_objection(seen, memory, alone=alone):
            return memory
        return replace(memory, restart=Restart(lives_now(seen), "a person", "now", alone))

    _wish(world, wish)


def cancel_restart(world: World) -> None:
    _wish(world, lambda _, memory: replace(memory, restart=None))


def ask_for_writer(world: World, slot: int) -> None:
    """``galera-operator writer --to``."""

    def wish(seen: Snapshot, memory: Memory) -> Memory:
        if move_objection(seen, memory, slot):
            return memory
        present = believed_writer(seen)
        before = present.agent.incarnation if present and present.agent else ""
        return replace(memory, move=WriterMove(slot, before, "a person", "now"))

    _wish(world, wish)


def _wish(world: World, change: Callable[[Snapshot, Memory], Memory]) -> None:
    """Record a wish over what the operator has written; nothing where the managers do not answer or nothing is recorded."""
    try:
        seen, record = _look(world)
        if record is not None:
            memory = change(seen, record.memory)
            if memory != record.memory:
                _write(world, record, memory)
    except (Unreachable, Conflict):
        return


def _look(world: World) -> tuple[Snapshot, Record | None]:
    ports = Ports(world)
    return look(ports.clusters()[0], ports, _POOL), ports.load(world.swarm.name)


def _write(world: World, record: Record, memory: Memory) -> None:
    Ports(world).save(world.swarm.name, Record(record.version, record.holder, record.epoch, memory))


def _by_hand(world: World, page: Page) -> bool:
    """What is no command: ending a transfer that stands still, taking a member out whose rows may differ."""
    if page.name == "transfer-stuck":
        for container in world.containers:
            if container.alive and container.server is not None and container.server.moving is not None:
                container.exit(137)
                return True
    if page.name in {"state-uuid-zeros", "split-brain"}:
        return _empty_the_odd_one(world, page)
    return False


def _empty_the_odd_one(world: World, page: Page) -> bool:
    for container in world.containers:
        server = container.server
        if page.name == "state-uuid-zeros" and container.alive and server is not None and server.zeros:
            others = [one for one in world.galera.servers if one.is_synced and not one.zeros]
            if not others:
                return False
            container.exit(137)
            container.volume.empty()
            return True
    return False
