"""``galera-operator record``: show what is recorded about a cluster, and have it made anew where it cannot be read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict

from galera_operator.cli.consent_commands import NotAllowed, known_copies
from galera_operator.cli.lookout import Lookout
from galera_operator.core.remembered import Memory
from galera_operator.core.renewal import renewal_objection, renewed, unknown
from galera_operator.core.report import View
from galera_operator.ports import Record

LONGEST = 2000
"""Characters of a damaged record that are shown."""


def as_recorded(view: View) -> list[str]:
    """What is recorded, one line each; of a damaged record what stands there."""
    if view.damage:
        return [view.damage.fault, f"it reads: {view.damage.text[:LONGEST]!r}"]
    memory = view.memory
    lines = [f"state UUID: {memory.uuid or 'none yet'}"]
    for slot, copy in sorted(memory.ledger.items()):
        lines.append(f"slot {slot}: was last seen at seqno {copy.seqno}, on node {copy.node_id}")
    lines += [f"node {node}: may have kept a volume, up to seqno {seqno}" for node, seqno in sorted(memory.kept.items())]
    if memory.shrink:
        lines.append(f"under way: slot {memory.shrink.slot} leaves, to {memory.shrink.to} members")
    if memory.consent:
        lines.append(f"decided by {memory.consent.by} on {memory.consent.at}: to go on from slot {memory.consent.slot}")
    if memory.fork:
        lines.append(f"the present history left {memory.fork.origin.uuid} at seqno {memory.fork.origin.seqno}")
    lines += [f"given up: {history} in slot {slot}" for slot, history in sorted(memory.given_up.items())]
    if memory.move:
        lines.append(f"asked for by {memory.move.by} on {memory.move.at}: slot {memory.move.slot} as the writer")
    if memory.restart:
        slots = ", ".join(str(slot) for slot in sorted(memory.restart.members))
        lines.append(f"asked for by {memory.restart.by} on {memory.restart.at}: a restart of slot {slots}")
    lines += [f"slot {slot} was restarted because DNS had lost it" for slot in sorted(memory.rebound)]
    return lines


def recorded_json(view: View) -> dict[str, object]:
    """The same for programs; `damage` says what is wrong with a record that cannot be read, and the rest is then empty."""
    memory = view.memory if view.damage is None else Memory()
    return {
        "service": view.seen.service.name,
        "damage": view.damage.fault if view.damage else None,
        "state_uuid": memory.uuid or None,
        "copies": [{"slot": slot, "node": copy.node_id, "seqno": copy.seqno} for slot, copy in sorted(memory.ledger.items())],
        "kept": [{"node": node, "seqno": seqno} for node, seqno in sorted(memory.kept.items())],
        "shrink": asdict(memory.shrink) if memory.shrink else None,
        "consent": asdict(memory.consent) | {"position": str(memory.consent.position)} if memory.consent else None,
        "fork": {"origin": str(memory.fork.origin), "accepted": list(memory.fork.accepted)} if memory.fork else None,
        "given_up": [{"slot": slot, "state_uuid": history} for slot, history in sorted(memory.given_up.items())],
        "writer_wished": asdict(memory.move) if memory.move else None,
        "restart": asdict(memory.restart) if memory.restart else None,
        "restarted_for_dns": sorted(memory.rebound),
    }


def renewal_prospect(view: View, accepted: Collection[int], *, elsewhere: bool) -> list[str]:
    """Say what making the record anew leads to, one sentence each.

    Raises:
        NotAllowed: it may not be made anew now, or not in this way.
    """
    if view.damage is None:
        raise NotAllowed(f"the record of {view.seen.service.name} can be read; there is nothing to make anew")
    why_not = renewal_objection(view.seen, accepted, elsewhere=elsewhere)
    if why_not:
        raise NotAllowed(why_not)
    memory = renewed(view.seen)
    slots = ", ".join(str(slot) for slot in sorted(memory.ledger)) or "none"
    words = [
        *as_recorded(view),
        *known_copies(view),
        f"The record is made anew: state UUID {memory.uuid or 'none yet'}, copies in slot {slots}.",
        "What a person decided before, and which nodes kept a volume, is forgotten; the operator asks again where it matters.",
    ]
    words += [f"What only slot {slot} holds may be lost. Make sure that it runs nowhere." for slot in sorted(unknown(view.seen))]
    if not view.seen.primaries:
        words.append("The operator then starts the newest of these copies. What only a copy elsewhere holds may be lost.")
    return words


def renew_record(lookout: Lookout, view: View, accepted: Collection[int], *, elsewhere: bool) -> Memory:
    """Make it anew; the damaged text stays beside it.

    Raises:
        NotAllowed, Conflict, Refused, Unreachable: nothing was written.
    """
    renewal_prospect(view, accepted, elsewhere=elsewhere)
    assert view.damage is not None, "renewal_prospect() has checked it"
    memory = renewed(view.seen)
    record = Record(view.damage.version, "", view.seen.obeyed, memory)
    lookout.store.renew(view.seen.service.name, record, view.damage.text)
    return memory
