"""``galera-operator bootstrap`` and ``replace``: show what is known, ask, and record a person's decision for the operator."""

from __future__ import annotations

import getpass
import os
import uuid
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime

from galera_operator.cli.lookout import Lookout
from galera_operator.core.consent import history_of, losses, objection, present_copy, replace_objection
from galera_operator.core.model import Seat
from galera_operator.core.phase import phase_of
from galera_operator.core.remembered import Consent, Memory
from galera_operator.core.report import View
from galera_operator.ports import Conflict, Record

TRIES = 5
"""The operator writes the same record every few seconds; a write of ours that comes second is tried again."""


class NotAllowed(Exception):
    """The decision cannot be taken now; nothing was recorded. The sentence says why and what would be allowed."""


def known_copies(view: View) -> list[str]:
    """What is known of each copy, one line each, for a person who has to choose."""
    seen, memory = view.seen, view.memory
    lines = []
    for seat in seen.seats:
        held = present_copy(seat)
        told = f"holds {held}" if held else f"holds {_unknown(seat)}"
        copy = memory.ledger.get(seat.slot)
        recorded = f", was last seen at seqno {copy.seqno}" if copy else ""
        lines.append(f"{seat.title}: {phase_of(seat)}, {told}{recorded}")
    there = {seat.slot for seat in seen.seats}
    for slot, copy in sorted(memory.ledger.items()):
        if slot not in there:
            lines.append(f"slot {slot}: not among the tasks, was last seen at seqno {copy.seqno}")
    lines += [
        f"slot {task.slot}: its last task is on {task.node}, which Swarm has lost; whether it runs nobody knows"
        for task in seen.lost
    ]
    lines += [
        f"{node}: a member that left in order may have kept its volume, up to seqno {seqno}"
        for node, seqno in sorted(view.kept.items())
    ]
    return lines


def bootstrap_prospect(view: View, slot: int, accepted: Collection[int]) -> list[str]:
    """Say what recording this decision will lead to, one sentence each.

    Raises:
        NotAllowed: it may not be decided now.
    """
    why_not = objection(view.seen, view.memory, slot, accepted)
    if why_not:
        raise NotAllowed(why_not)
    seat = view.seen.seat(slot)
    copy = present_copy(seat) if seat else None
    lost = losses(view.seen, view.memory, slot)
    words = [f"The cluster goes on from slot {slot} at {copy}, under a new state UUID."]
    before = view.memory.consent
    if before:
        words.append(f"This takes the place of what {before.by} decided on {before.at}: to go on from slot {before.slot}.")
    words += [
        f"What only slot {one} {'held elsewhere' if one == slot else 'holds'} is lost; its copy is replaced when it comes back."
        for one in lost
    ]
    if any(task.slot in lost for task in view.seen.lost) or any(seat.slot in lost for seat in view.seen.unseen):
        words.append("Whoever was not seen must not run any more: if it does, two clusters take writes. Make sure of it first.")
    return words


def record_bootstrap(lookout: Lookout, view: View, slot: int, accepted: Collection[int]) -> Consent:
    """Record it; the operator carries it out.

    Raises:
        NotAllowed, Conflict, Refused, Unreachable: nothing was recorded.
    """
    bootstrap_prospect(view, slot, accepted)
    seat = view.seen.seat(slot)
    copy = present_copy(seat) if seat else None
    assert copy is not None, "bootstrap_prospect() has checked it"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    consent = Consent(slot, copy, tuple(sorted(set(accepted))), str(uuid.uuid4()), person(), now)
    write_over(lookout, view.seen.service.name, lambda memory: replace(memory, consent=consent))
    return consent


def replace_prospect(view: View, slot: int) -> list[str]:
    """Say what giving up this copy leads to. Raises `NotAllowed`."""
    why_not = replace_objection(view.seen, view.memory, slot)
    if why_not:
        raise NotAllowed(why_not)
    seat = view.seen.seat(slot)
    assert seat is not None, "replace_objection() has checked it"
    position = seat.agent.position if seat.agent else None
    return [
        f"The copy of {seat.title}, {position or history_of(seat)}, is replaced by a full state transfer of {view.memory.uuid}.",
        "What only this copy holds is lost.",
    ]


def record_replace(lookout: Lookout, view: View, slot: int) -> None:
    """Record it; the operator carries it out. Raises like `record_bootstrap`."""
    replace_prospect(view, slot)
    seat = view.seen.seat(slot)
    history = history_of(seat) if seat else None
    assert history is not None, "replace_prospect() has checked it"
    write_over(lookout, view.seen.service.name, lambda memory: replace(memory, given_up={**memory.given_up, slot: history}))


def write_over(lookout: Lookout, name: str, change: Callable[[Memory], Memory]) -> None:
    """Write a change over whatever the operator has written since. Raises `NotAllowed`, `Conflict`."""
    for _ in range(TRIES):
        stored = lookout.store.load(name)
        if stored is None:
            raise NotAllowed(f"no operator has recorded anything about {name} yet: start it first")
        try:
            lookout.store.save(name, Record(stored.version, stored.holder, stored.epoch, change(stored.memory)))
        except Conflict:
            continue
        return
    raise Conflict(f"the state of {name} was written by somebody else {TRIES} times in a row; try again")


def _unknown(seat: Seat) -> str:
    return f"a {seat.agent.directory} directory" if seat.agent else "nobody knows what"


def person() -> str:
    """Who decides, as well as can be told: the user of the command, on which machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user}@{os.uname().nodename}"
