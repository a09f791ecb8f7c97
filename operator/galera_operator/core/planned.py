"""Planned work as the operator remembers it: the runbook that runs, the schedules that have fired, the nodes to keep empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class RunState(StrEnum):
    WAITING = "waiting"
    """For the maintenance window; nothing was done yet."""
    RUNNING = "running"
    ASKING = "asking"
    """For a person's answer."""
    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"

    @property
    def is_over(self) -> bool:
        return self in {RunState.DONE, RunState.FAILED, RunState.ABORTED}


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a runbook, on its way or over. Times in seconds since 1970.

    Attributes:
        id: a UUID; a new history that a person's consent begins in this run goes by it.
        digest: of the definition that it began with.
        by: who asked for it: a person at a machine, or ``schedule NAME``.
        stage: index of the present stage; the number of stages when it is done.
        since: when the present stage began.
        did: whether the present stage's verb is done, and only its condition is waited for.
        answer: ``yes`` or ``no``, where the stage asks and a person answered.
        answers_all: the person has said yes to every question beforehand.
        note: the one sentence about where it stands. Not compared: a change of it alone is not worth a write.
        pages: whether the failure that ended it calls a person.
    """

    id: str
    runbook: str
    digest: str
    arguments: Mapping[str, str]
    by: str
    begun: float
    state: RunState = RunState.RUNNING
    stage: int = 0
    since: float = 0.0
    did: bool = False
    answer: str = ""
    answers_all: bool = False
    note: str = field(default="", compare=False)
    pages: bool = False

    @property
    def title(self) -> str:
        return f"runbook {self.runbook}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the present stage asks for; `decide` takes it when the moment is right.

    Attributes:
        replicas: the number to wish for, as the label; 0: nothing about it.
        image: the image to run; empty: nothing about it.
        option: a server option as ``--name=value``; empty: nothing about it.
        restart: whether a rolling restart was asked for.
        writer: the slot that was asked for as the writer; 0: nothing about it.
        sql: a statement for the member in slot `on`; empty: none.
        said, fault: what the database answered to it, or why it was not done; both empty: not asked yet.
    """

    replicas: int = 0
    image: str = ""
    option: str = ""
    restart: bool = False
    writer: int = 0
    sql: str = ""
    on: int = 0
    said: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Fired:
    """A schedule as last seen: its label's text, and the last moment up to which it has been seen to."""

    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Planned:
    """Everything about planned work.

    Attributes:
        run: the run on its way, or the last one that is over.
        requests: runs that were asked for and have not begun.
        wanted: what it wants written to the service now.
        fired: by the schedule's name.
        away: host names of nodes to be kept without a member, by a run on its way.
        excluded: host names of nodes that a constraint of the operator's own keeps out.
    """

    run: Run | None = None
    requests: tuple[Run, ...] = ()
    wanted: Wanted | None = None
    fired: Mapping[str, Fired] = field(default_factory=dict)
    away: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    @property
    def active(self) -> Run | None:
        """The run on its way."""
        return self.run if self.run and not self.run.state.is_over else None


def exclusion(node: str) -> str:
    """The placement constraint that keeps a node out."""
    return f"node.hostname!={node}"
