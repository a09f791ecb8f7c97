"""``galera-operator writer`` and ``restart``: what a person wishes of the members; recorded, and carried out by the operator."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from galera_operator.cli.consent_commands import NotAllowed, person, write_over
from galera_operator.cli.looking import looking
from galera_operator.cli.lookout import Lookout
from galera_operator.cli.output import AsJson, Service, fail, out
from galera_operator.cli.scale import NotReached, watch_until
from galera_operator.core.agent_api import ANY_WRITER
from galera_operator.core.remembered import Memory, Restart, WriterMove
from galera_operator.core.report import View
from galera_operator.core.restart import lives_now, restart_after, restart_objection, restarted
from galera_operator.core.traffic import believed_writer
from galera_operator.core.writer import move_objection

Wait = Annotated[bool, typer.Option("--wait", help="Wait until it is so, and tell what happens meanwhile.")]
Timeout = Annotated[float, typer.Option(help="Seconds to wait at most.")]


def writer(
    service: Service,
    *,
    to: Annotated[int | None, typer.Option(help="The slot that is to become the writer.")] = None,
    wait: Wait = False,
    timeout: Timeout = 300.0,
    json_: AsJson = False,
) -> None:
    """Show which member takes the writes; with --to, ask the operator to move that role, without cutting a transaction.

    Example: galera-operator writer wordpress_dbcluster --to 2 --wait
    """
    with looking() as lookout:
        view = lookout.view(service)
        if to is not None:
            try:
                said = ask_for_writer(lookout, view, to)
                if not json_:
                    out.print(said, highlight=False)
                if wait:
                    told = _quiet if json_ else _say
                    watch_until(lookout, service, lambda seen: seen.memory.move is None and is_writer(seen, to), timeout, told)
            except NotAllowed as error:
                fail(error, 2)
            except NotReached as error:
                fail(error, 1)
            if not json_ and not wait:
                return
            view = lookout.view(service)
        if json_:
            out.print_json(json.dumps(writer_json(view)))
        else:
            out.print(who_writes(view), highlight=False)


def restart(
    service: Service,
    *,
    wait: Wait = False,
    timeout: Timeout = 1800.0,
    json_: AsJson = False,
    allow_outage: Annotated[bool, typer.Option("--allow-outage", help="Also where it is the only member.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Give up a restart under way; who was not reached stays.")] = False,
) -> None:
    """Restart every member, one at a time: drained first, back and let in before the next one, the writer last.

    Example: galera-operator restart wordpress_dbcluster --wait
    """
    with looking() as lookout:
        view = lookout.view(service)
        begun = time.monotonic()
        try:
            said = cancel_restart(lookout, view) if cancel else ask_for_restart(lookout, view, alone=allow_outage)
            if not json_:
                out.print(said, highlight=False)
            if wait and not cancel:
                watch_until(lookout, service, lambda seen: seen.memory.restart is None, timeout, _quiet if json_ else _say)
                said = f"every member of {service} lives anew, after {time.monotonic() - begun:.0f} s"
                if not json_:
                    out.print(said, highlight=False)
        except NotAllowed as error:
            fail(error, 2)
        except NotReached as error:
            fail(error, 1)
        if json_:
            out.print_json(json.dumps({"service": service, "said": said, "restart": restart_json(lookout.view(service))}))


def ask_for_restart(lookout: Lookout, view: View, *, alone: bool) -> str:
    """Record the wish for a rolling restart; where one is under way, that is the one. Returns what was done.

    Raises:
        NotAllowed, Conflict, Refused, Unreachable: nothing was recorded.
    """
    under_way = view.memory.restart
    if under_way:
        done, of = restarted(under_way, view.seen)
        return f"a restart is under way already, asked for by {under_way.by} on {under_way.at}: {done} of {of} members done"
    why_not = restart_objection(view.seen, view.memory, alone=alone)
    if why_not:
        raise NotAllowed(why_not)
    wish = Restart(lives_now(view.seen), person(), datetime.now(UTC).isoformat(timespec="seconds"), alone)

    def add(memory: Memory) -> Memory:
        asked_meanwhile = restart_after(memory.restart, view.seen)
        return memory if asked_meanwhile else replace(memory, restart=wish)

    write_over(lookout, view.seen.service.name, add)
    count = f"{len(wish.members)} members" if len(wish.members) > 1 else "the only member"
    return f"recorded: {count} of {view.seen.service.name} to be restarted, one at a time"


def cancel_restart(lookout: Lookout, view: View) -> str:
    """Forget the restart under way. A member that is down for it comes back all the same. Raises `NotAllowed`, `Conflict`."""
    under_way = view.memory.restart
    if under_way is None:
        raise NotAllowed(f"no restart of {view.seen.service.name} is under way")
    write_over(lookout, view.seen.service.name, lambda memory: replace(memory, restart=None))
    done, of = restarted(under_way, view.seen)
    return f"given up: the restart that {under_way.by} asked for; {done} of {of} members were done"


def restart_json(view: View) -> dict[str, object] | None:
    """The restart under way, for programs."""
    under_way = view.memory.restart
    if under_way is None:
        return None
    done, of = restarted(under_way, view.seen)
    return {"by": under_way.by, "at": under_way.at, "slots": sorted(under_way.members), "done": done, "of": of}


def who_writes(view: View) -> str:
    """One sentence: which member takes the writes, how many agents say so, and what is wished."""
    seen, move = view.seen, view.memory.move
    names = [seat.agent.writer for seat in seen.live if seat.agent]
    present = believed_writer(seen)
    if present is None:
        every = names and set(names) == {ANY_WRITER}
        return "every member that is Synced and let in takes writes" if every else "no member is known as the writer"
    name = present.agent.name if present.agent else ""
    wish = f"; {move.by} asked on {move.at} for slot {move.slot}" if move else ""
    return f"{present.title} is the writer, as {names.count(name)} of {len(seen.seats)} members say{wish}"


def writer_json(view: View) -> dict[str, object]:
    """The same for programs: `writer` is a slot, or null where none is known or every member writes."""
    seen, move = view.seen, view.memory.move
    present = believed_writer(seen)
    name = present.agent.name if present and present.agent else ANY_WRITER
    return {
        "service": seen.service.name,
        "writer": present.slot if present else None,
        "every_member": present is None and any(seat.agent.writer == ANY_WRITER for seat in seen.live),
        "agree": sum(seat.agent.writer == name for seat in seen.live),
        "members": len(seen.seats),
        "wished": {"slot": move.slot, "by": move.by, "at": move.at} if move else None,
    }


def is_writer(view: View, slot: int) -> bool:
    present = believed_writer(view.seen)
    return present is not None and present.slot == slot


def ask_for_writer(lookout: Lookout, view: View, slot: int) -> str:
    """Record the wish; the operator carries it out as soon as that member may write. Returns what was done.

    Raises:
        NotAllowed, Conflict, Refused, Unreachable: nothing was recorded.
    """
    why_not = move_objection(view.seen, view.memory, slot)
    if why_not:
        raise NotAllowed(why_not)
    present = believed_writer(view.seen)
    if present is not None and present.slot == slot and view.memory.move is None:
        return f"{present.title} is the writer already"
    before = present.agent.incarnation if present and present.agent else ""
    move = WriterMove(slot, before, person(), datetime.now(UTC).isoformat(timespec="seconds"))
    write_over(lookout, view.seen.service.name, lambda memory: replace(memory, move=move))
    return f"recorded: slot {slot} is to become the writer; the operator moves the role as soon as that member may write"


def _quiet(_line: str) -> None:
    """The JSON at the end tells enough."""


def _say(line: str) -> None:
    out.print(f"  {line}", highlight=False)
