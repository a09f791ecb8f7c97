"""What comes of schedules that are due: each is asked for once, and that is remembered in the same write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from galera_operator.core.planned import Fired, Run, RunState
from galera_operator.core.remembered import Memory
from galera_operator.core.runbook import Runbook
from galera_operator.core.running import NotRequested, request
from galera_operator.core.timetable import Scheduled

LATE = 90.0
"""Seconds after which a run counts as missed: nobody was there to begin it in time."""


@dataclass(frozen=True, slots=True)
class Due:
    """A schedule whose time has come.

    Attributes:
        at: the latest of its times up to now, seconds since 1970; it runs once for all of them.
        times: how many there were since it was last seen to.
        said: that time in words, in the user's zone.
    """

    schedule: Scheduled
    at: float
    times: int
    said: str


def keep_baselines(memory: Memory, schedules: Sequence[Scheduled], now: float) -> Memory:
    """A schedule that is new, or was changed, begins to count now: its past times are not missed ones."""
    fired = dict(memory.planned.fired)
    wanted = {one.name: one.text for one in schedules}
    for name, text in wanted.items():
        if name not in fired or fired[name].text != text:
            fired[name] = Fired(text, now)
    fired = {name: one for name, one in fired.items() if name in wanted}
    return memory if fired == dict(memory.planned.fired) else replace(memory, planned=replace(memory.planned, fired=fired))


def fire(
    memory: Memory, due: Sequence[Due], books: Mapping[str, Runbook], ids: Sequence[str], now: float
) -> tuple[Memory, list[str]]:
    """Ask for what is due, each once, and note up to when it has been seen to: one value, so one write of the record.

    Of several sizes that are due, only the latest counts.

    Args:
        ids: a fresh UUID for each of `due`.

    Returns:
        The memory, and what there is to say about it, one sentence each.
    """
    said: list[str] = []
    sizes = sorted((one for one in due if one.schedule.runbook == "scale"), key=lambda one: one.at)
    overtaken = {one.schedule.name: sizes[-1].schedule.name for one in sizes[:-1]}
    for one, fresh in sorted(zip(due, ids, strict=True), key=lambda pair: pair[0].at):
        schedule = one.schedule
        fired = {**memory.planned.fired, schedule.name: Fired(schedule.text, one.at)}
        memory = replace(memory, planned=replace(memory.planned, fired=fired))
        if schedule.name in overtaken:
            said.append(f"schedule {schedule.name} missed {one.said}; schedule {overtaken[schedule.name]} has overtaken it")
            continue
        if one.times > 1 or now - one.at > LATE:
            times = "its run" if one.times == 1 else f"{one.times} runs, the last one"
            said.append(f"schedule {schedule.name} missed {times} of {one.said}; it runs once now")
        memory = _ask_for(memory, one, books, fresh, now, said)
    return memory, said


def _ask_for(memory: Memory, one: Due, books: Mapping[str, Runbook], fresh: str, now: float, said: list[str]) -> Memory:
    schedule, by = one.schedule, f"schedule {one.schedule.name}"
    book = books.get(schedule.runbook)
    values, faults = book.arguments(schedule.arguments) if book else ({}, (f"there is no runbook {schedule.runbook}",))
    digest = book.digest if book else ""
    run = Run(fresh, schedule.runbook, digest, values, by, now, answers_all=False)
    if faults:
        failed = replace(run, state=RunState.FAILED, note=f"{schedule.text!r} cannot be run: {'; '.join(faults)}", pages=True)
        said.append(f"{by}: {failed.note}")
        return memory if memory.planned.active else replace(memory, planned=replace(memory.planned, run=failed))
    try:
        memory = request(memory, run)
    except NotRequested as error:
        said.append(f"{by}: {error}")
    else:
        said.append(f"{by} asks for runbook {schedule.runbook} ({one.said})")
    return memory
