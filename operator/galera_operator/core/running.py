"""How a run moves on: a function of what is seen, what is remembered and the time. It keeps no state of its own.

A run is a value in the operator's memory, stored before anything that rests on it is done. So whoever looks next continues
where it stands, and the same stage asked twice finds its work done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from galera_operator.core.conditions import CONDITIONS
from galera_operator.core.model import Snapshot
from galera_operator.core.planned import Run, RunState, exclusion
from galera_operator.core.remembered import Memory
from galera_operator.core.runbook import OnFailure, Runbook, Stage
from galera_operator.core.verbs import VERBS, Cannot, Deed, Done, Moment, Under

MAX_REQUESTS = 8
"""Runs that may wait for their turn in one cluster."""


class NotRequested(Exception):
    """The run cannot be asked for; says why. Nothing was changed."""


def request(memory: Memory, run: Run) -> Memory:
    """Put a run into the queue; the operator's next turn begins it.

    A run of the same runbook that still waits is replaced: the newer wish counts.

    Raises:
        NotRequested: it is on its way already, or too many wait.
    """
    planned = memory.planned
    active = planned.active
    if active and active.runbook == run.runbook and dict(active.arguments) == dict(run.arguments):
        raise NotRequested(f"{run.title} is on its way already, since {active.by} asked for it: {active.note}")
    waiting = tuple(other for other in planned.requests if other.runbook != run.runbook)
    if len(waiting) >= MAX_REQUESTS:
        raise NotRequested(f"{len(waiting)} runs wait already; galera-operator runbook abort takes them off")
    return replace(memory, planned=replace(planned, requests=(*waiting, replace(run, state=RunState.WAITING))))


def abort(memory: Memory, by: str) -> Memory:
    """End the run on its way where it stands, and take all that wait off the queue. A run that failed calls nobody any more."""
    planned = memory.planned
    run = planned.run
    if run and not run.state.is_over:
        run = replace(run, state=RunState.ABORTED, note=f"aborted by {by} in stage {run.stage + 1}: {run.note}")
    run = replace(run, pages=False) if run else None
    return replace(_taken_back(memory), planned=replace(planned, run=run, requests=(), wanted=None, away=()))


def answer(memory: Memory, word: str, more: Mapping[str, str]) -> Memory:
    """Answer the question that the run on its way asks. `more`: parameters said with it. Raises `NotRequested`."""
    run = memory.planned.active
    if run is None or run.state is not RunState.ASKING:
        raise NotRequested("no runbook asks anything")
    told = replace(run, answer=word, arguments={**run.arguments, **more})
    return replace(memory, planned=replace(memory.planned, run=told))


def heard(memory: Memory, said: str, fault: str) -> Memory:
    """The memory after a database has answered the run on its way, or has refused to."""
    wanted = memory.planned.wanted
    if wanted is None or not wanted.sql:
        return memory
    return replace(memory, planned=replace(memory.planned, wanted=replace(wanted, said=said, fault=fault)))


def advance(seen: Snapshot, memory: Memory, books: Mapping[str, Runbook], now: float, closed: str = "") -> Memory:
    """Move planned work on by one turn.

    Args:
        now: seconds since 1970.
        closed: why planned work has to wait now, e.g. for the maintenance window; empty: it need not.
    """
    memory = _forget_constraints(seen, memory)
    if seen.settings.pause:
        return _paused(memory, now)
    if memory.planned.active is None:
        memory = _begin(memory, books, now, closed)
    run = memory.planned.active
    if run is None:
        return memory
    book = books.get(run.runbook)
    if book is None:
        return _over(memory, run, f"this operator has no runbook {run.runbook}; it has {', '.join(sorted(books)) or 'none'}")
    if book.digest != run.digest:
        return _over(memory, run, f"{run.title} was changed after this run of it was asked for; ask again")
    return _stages(seen, memory, book, now)


def _forget_constraints(seen: Snapshot, memory: Memory) -> Memory:
    """A deploy or a person took back the operator's constraint: it is not the operator's any more."""
    planned = memory.planned
    there = {node for node in planned.excluded if exclusion(node) in seen.service.constraints}
    excluded = tuple(node for node in planned.excluded if node in there or node in planned.away)
    return memory if excluded == planned.excluded else replace(memory, planned=replace(planned, excluded=excluded))


def _paused(memory: Memory, now: float) -> Memory:
    run = memory.planned.active
    if run is None:
        return memory
    return replace(memory, planned=replace(memory.planned, run=replace(run, since=now, note="waits: galera.pause is true")))


def _begin(memory: Memory, books: Mapping[str, Runbook], now: float, closed: str) -> Memory:
    """Take the first request that may begin now."""
    planned = memory.planned
    for run in planned.requests:
        book = books.get(run.runbook)
        if closed and book and book.planned:
            continue
        rest = tuple(other for other in planned.requests if other is not run)
        begun = replace(run, state=RunState.RUNNING, since=now, note="begins")
        return replace(memory, planned=replace(planned, run=begun, requests=rest, wanted=None, away=()))
    waiting = tuple(replace(run, note=closed) for run in planned.requests)
    return replace(memory, planned=replace(planned, requests=waiting)) if waiting else memory


def _stages(seen: Snapshot, memory: Memory, book: Runbook, now: float) -> Memory:
    """Pass every stage that is over; stop at the first that is not."""
    while True:
        run = memory.planned.run
        assert run is not None
        if run.stage >= len(book.stages):
            return _over(memory, replace(run, state=RunState.DONE), f"done: {run.note}" if run.note else "done")
        stage = book.stages[run.stage]
        told = stage.told(run.arguments)
        if stage.unless and CONDITIONS[stage.unless].why_not(seen, memory, told) is None:
            memory = _next(memory, run, now, f"stage {stage.name} is left out: {CONDITIONS[stage.unless].about}")
            continue
        deed = _deed(stage, Moment(seen, memory, run, told, now))
        match deed:
            case Cannot(why):
                undone = why
            case Under(memory=changed, note=note, asks=asks):
                memory, undone = changed, ""
                if now - run.since < stage.within:
                    return _note(memory, replace(run, state=RunState.ASKING if asks else RunState.RUNNING), note)
            case Done(memory=changed, note=note):
                memory = changed
                run = replace(run, did=True, state=RunState.RUNNING, note=note)
                why_not = CONDITIONS[stage.until].why_not(seen, memory, told) if stage.until else None
                if why_not is None:
                    memory = _next(memory, run, now, run.note)
                    continue
                undone = ""
                if now - run.since < stage.within:
                    return _note(memory, run, f"waits until {CONDITIONS[stage.until].about}: {why_not}")
                note = why_not
        reason = f"stage {stage.name}: " + (undone or f"not within {stage.within:.0f} s: {note}")
        if stage.on_failure is OnFailure.CONTINUE:
            memory = _next(memory, run, now, f"{reason}; goes on")
            continue
        return _over(memory, run, reason, pages=stage.on_failure is OnFailure.PAGE)


def _deed(stage: Stage, moment: Moment) -> Deed:
    if not stage.do or moment.run.did:
        return Done(moment.memory)
    return VERBS[stage.do].deed(moment)


def _note(memory: Memory, run: Run, note: str) -> Memory:
    return replace(memory, planned=replace(memory.planned, run=replace(run, note=note)))


def _next(memory: Memory, run: Run, now: float, note: str) -> Memory:
    following = replace(run, stage=run.stage + 1, since=now, did=False, answer="", state=RunState.RUNNING, note=note)
    return replace(memory, planned=replace(memory.planned, run=following, wanted=None))


def _over(memory: Memory, run: Run, note: str, *, pages: bool = False) -> Memory:
    """End the run: nothing of it is wanted any more, and nodes that it kept empty may be used again."""
    ended = replace(run, state=RunState.DONE if run.state is RunState.DONE else RunState.FAILED, note=note, pages=pages)
    return replace(_taken_back(memory), planned=replace(memory.planned, run=ended, wanted=None, away=()))


def _taken_back(memory: Memory) -> Memory:
    """The memory without the restart and the move of the writer that the run on its way asked for."""
    run, wanted = memory.planned.run, memory.planned.wanted
    if run is None or wanted is None:
        return memory
    ours_is_the_restart = wanted.restart and memory.restart is not None and memory.restart.by == run.by
    ours_is_the_move = wanted.writer and memory.move is not None and memory.move.by == run.by
    return replace(
        memory,
        restart=None if ours_is_the_restart else memory.restart,
        move=None if ours_is_the_move else memory.move,
    )
