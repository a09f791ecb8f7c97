"""What a runbook's stage may do. Each verb is a function of one moment: it is done, it is under way, or it cannot be done.

A verb never acts by itself. It changes what is remembered, or says what is wanted; `decide` acts on both, in its own order and
under the same veto as for everything else. It is asked again in every turn until it is done, so it looks at what is there
instead of counting what it did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from galera_operator.core.consent import NO_DATA, objection, present_copy, replace_objection
from galera_operator.core.consent import history_of as history_of_seat
from galera_operator.core.model import Snapshot
from galera_operator.core.planned import Run, Wanted, exclusion
from galera_operator.core.remembered import Consent, Memory, Restart, WriterMove
from galera_operator.core.restart import lives_now, restart_objection, restarted
from galera_operator.core.spec import MAX_REPLICAS, MIN_REPLICAS, BadWish
from galera_operator.core.traffic import believed_writer
from galera_operator.core.writer import move_objection


@dataclass(frozen=True, slots=True)
class Moment:
    """All that a verb looks at. `now`: seconds since 1970."""

    seen: Snapshot
    memory: Memory
    run: Run
    told: Mapping[str, str]
    now: float

    def planned(self, **changes: object) -> Memory:
        """The memory with these changes to what is planned."""
        return replace(self.memory, planned=replace(self.memory.planned, **changes))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Done:
    memory: Memory
    note: str = ""


@dataclass(frozen=True, slots=True)
class Under:
    """Under way; `asks`: it waits for a person's answer."""

    memory: Memory
    note: str
    asks: bool = False


@dataclass(frozen=True, slots=True)
class Cannot:
    why: str


Deed = Done | Under | Cannot


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb. `takes`: the arguments that it has to be told."""

    name: str
    about: str
    deed: Callable[[Moment], Deed]
    takes: tuple[str, ...] = ()


def _scale(moment: Moment) -> Deed:
    wish, replicas = moment.seen.wish, moment.told["replicas"]
    if isinstance(wish, BadWish):
        return Cannot(f"the labels cannot be obeyed: {wish.why}")
    if not replicas.isdigit() or not MIN_REPLICAS <= int(replicas) <= MAX_REPLICAS:
        return Cannot(f"{replicas!r} is not a number of members from {MIN_REPLICAS} to {MAX_REPLICAS}")
    if wish.replicas == int(replicas):
        return Done(moment.planned(wanted=None))
    return Under(moment.planned(wanted=Wanted(replicas=int(replicas))), f"sets galera.replicas to {replicas}")


def _empty_node(moment: Moment) -> Deed:
    node, planned, seen = moment.told["node"], moment.memory.planned, moment.seen
    there = [seat for seat in seen.seats if seat.task.node == node]
    if len(there) > 1:
        return Cannot(f"{len(there)} members run on {node}; a constraint would take them all, so move all but one first")
    if there and len(seen.seats) < 2:
        return Cannot(f"{there[0].title} is the only member; scale up first")
    away = tuple(sorted({*planned.away, node}))
    if exclusion(node) in seen.service.constraints:
        return Done(moment.planned(away=away))
    return Under(moment.planned(away=away), f"empties {node}")


def _open_node(moment: Moment) -> Deed:
    node, planned = moment.told["node"], moment.memory.planned
    memory = moment.planned(away=tuple(other for other in planned.away if other != node))
    if node in planned.excluded:
        return Under(memory, f"opens {node} again")
    return Done(memory)


def _bootstrap(moment: Moment) -> Deed:
    seen, memory, told = moment.seen, moment.memory, moment.told
    if memory.consent or seen.primaries:
        return Done(memory)
    if not told["slot"]:
        return Cannot("which slot to go on from was not said: answer with --set from_slot=N --set accept_loss_of=M")
    slot, accepted = int(told["slot"]), tuple(sorted({int(lost) for lost in told["accept_loss_of"].split(",") if lost}))
    why_not = objection(seen, memory, slot, accepted)
    if why_not:
        return Cannot(why_not)
    seat = seen.seat(slot)
    copy = present_copy(seat) if seat else None
    assert copy is not None, "objection() has checked it"
    consent = Consent(slot, copy, accepted, moment.run.id, moment.run.by, _at(moment))
    return Done(replace(memory, consent=consent), f"{consent.by} decided to go on from slot {slot}")


def _replace(moment: Moment) -> Deed:
    slot, seen, memory = int(moment.told["slot"]), moment.seen, moment.memory
    seat = seen.seat(slot)
    history = history_of_seat(seat) if seat else None
    if seat and seat.wsrep and seat.wsrep.is_primary and history == memory.uuid:
        return Done(memory, f"{seat.title} serves the recorded history already")
    if seat and seat.agent and seat.agent.directory in NO_DATA:
        return Done(memory, f"{seat.title} holds no copy; it joins by a full state transfer")
    why_not = replace_objection(seen, memory, slot)
    if why_not:
        return Cannot(why_not)
    assert history is not None, "replace_objection() has checked it"
    return Done(replace(memory, given_up={**memory.given_up, slot: history}), f"the copy of slot {slot} is given up")


def _wait(moment: Moment) -> Deed:
    left = moment.run.since + float(moment.told["seconds"]) - moment.now
    return Under(moment.memory, f"waits for another {left:.0f} s") if left > 0 else Done(moment.memory)


def _ask(moment: Moment) -> Deed:
    question, run = moment.told["question"], moment.run
    if run.answer == "no":
        return Cannot(f"the answer was no: {question}")
    if run.answers_all or run.answer == "yes":
        return Done(moment.memory)
    return Under(moment.memory, question, asks=True)


def _notify(moment: Moment) -> Deed:
    return Done(moment.memory, moment.told["text"])


def _update_image(moment: Moment) -> Deed:
    image, service = moment.told["image"], moment.seen.service
    if service.image.partition("@")[0] == image or service.image == image:
        return Done(moment.planned(wanted=None))
    return _rollout_fault(moment) or Under(moment.planned(wanted=Wanted(image=image)), f"sets the image to {image}")


def _set_option(moment: Moment) -> Deed:
    option, service = f"--{moment.told['option'].lstrip('-')}={moment.told['value']}", moment.seen.service
    if option in service.args:
        return Done(moment.planned(wanted=None))
    return _rollout_fault(moment) or Under(moment.planned(wanted=Wanted(option=option)), f"sets {option}")


def _restart(moment: Moment) -> Deed:
    """One that a person asked for, and that is under way, is taken for this one."""
    seen, memory, wanted = moment.seen, moment.memory, moment.memory.planned.wanted
    if memory.restart:
        done, of = restarted(memory.restart, seen)
        return Under(moment.planned(wanted=Wanted(restart=True)), f"{done} of {of} members are restarted")
    if wanted and wanted.restart:
        return Done(moment.planned(wanted=None), "every member was restarted")
    why_not = restart_objection(seen, memory, alone=False)
    if why_not:
        return Cannot(why_not)
    asked = replace(moment.planned(wanted=Wanted(restart=True)), restart=Restart(lives_now(seen), moment.run.by, _at(moment)))
    return Under(asked, "every member is to be restarted")


def _move_writer(moment: Moment) -> Deed:
    slot, seen, memory = int(moment.told["slot"]), moment.seen, moment.memory
    present = believed_writer(seen)
    if memory.move is None and present is not None and present.slot == slot:
        return Done(moment.planned(wanted=None), f"{present.title} is the writer")
    if memory.move and memory.move.slot == slot:
        return Under(memory, f"slot {slot} is to be the writer")
    why_not = move_objection(seen, memory, slot)
    if why_not:
        return Cannot(why_not)
    move = WriterMove(slot, present.agent.incarnation if present and present.agent else "", moment.run.by, _at(moment))
    return Under(replace(moment.planned(wanted=Wanted(writer=slot)), move=move), f"slot {slot} is to be the writer")


def _at(moment: Moment) -> str:
    return datetime.fromtimestamp(moment.now, UTC).isoformat(timespec="seconds")


def _sql(moment: Moment) -> Deed:
    on, statement, wanted = moment.told["member"], moment.told["statement"], moment.memory.planned.wanted
    if wanted and wanted.said:
        expected = moment.told["expect"]
        if expected and wanted.said != expected:
            return Cannot(f"slot {wanted.on} answered {wanted.said}, expected is {expected}: {statement}")
        return Done(moment.planned(wanted=None), f"slot {wanted.on} answered {wanted.said}")
    if wanted and wanted.fault:
        return Cannot(f"slot {wanted.on} did not do it: {wanted.fault}")
    if wanted:
        return Under(moment.memory, f"asks slot {wanted.on}")
    if on != "writer" and not on.isdigit():
        return Cannot(f"{on!r} is no member; it takes writer or a slot's number")
    seat = believed_writer(moment.seen) if on == "writer" else moment.seen.seat(int(on))
    if seat is None:
        return Cannot(f"there is no {on if on == 'writer' else f'slot {on}'}")
    return Under(moment.planned(wanted=Wanted(sql=statement, on=seat.slot)), f"asks {seat.title}")


def _rollout_fault(moment: Moment) -> Cannot | None:
    if moment.seen.service.one_at_a_time:
        return None
    return Cannot(
        "the service's update_config would stop several members at once; set parallelism: 1, order: stop-first, "
        "failure_action: pause in the stack file first"
    )


VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb("scale", "wish for this number of members: the label galera.replicas", _scale, ("replicas",)),
        Verb("empty-node", "drain the member on this node and keep the node out by a constraint", _empty_node, ("node",)),
        Verb("open-node", "take that constraint away again", _open_node, ("node",)),
        Verb("bootstrap", "record a person's consent to go on from one copy", _bootstrap, ("slot", "accept_loss_of")),
        Verb("replace", "record that a person gives up the copy in this slot", _replace, ("slot",)),
        Verb("update-image", "set the service's image; Swarm rolls it out one member at a time", _update_image, ("image",)),
        Verb("set-option", "set a server option in the service's command", _set_option, ("option", "value")),
        Verb("restart", "restart every member, one at a time, the writer last", _restart),
        Verb("move-writer", "make the member in this slot the writer", _move_writer, ("slot",)),
        Verb("sql", "run a statement on one member, the writer or a slot", _sql, ("member", "statement", "expect")),
        Verb("wait", "let so many seconds pass", _wait, ("seconds",)),
        Verb("ask", "ask a person, and go on only after a yes", _ask, ("question",)),
        Verb("notify", "say something in the log", _notify, ("text",)),
    )
}
