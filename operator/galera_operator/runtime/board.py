"""What the ticks say, kept for those who look on: the last moment of each cluster, its latest events, and counts."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from galera_operator.core.moment import Moment
from galera_operator.core.plan import Act, Page
from galera_operator.core.report import View, named_kept
from galera_operator.core.runbook import Runbook, runbook_for
from galera_operator.core.story import Event, collapsed, told
from galera_operator.runtime.tick import Audience

EVENTS = 60
"""Kept for each cluster; the journal has them all."""

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Seconds that a look takes, upper bounds; a look ends at its deadline of 4 s."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one cluster since this operator took it up.

    Attributes:
        turns: all of them.
        decisions: by kind (act, hold, page) and the page's name.
        steps: by the step's type and whether it was done or refused.
        looks: how many took at most as long as each of `BUCKETS`, and not as long as the one before; the last for all longer.
        look_seconds: their sum.
    """

    turns: int = 0
    decisions: Mapping[tuple[str, str], int] = field(default_factory=dict)
    steps: Mapping[tuple[str, str], int] = field(default_factory=dict)
    looks: tuple[int, ...] = (0,) * (len(BUCKETS) + 1)
    look_seconds: float = 0.0

    def after(self, moment: Moment) -> Tally:
        plan = moment.plan
        decisions, steps, looks = Counter(self.decisions), Counter(self.steps), list(self.looks)
        decisions[type(plan).__name__.lower(), plan.name if isinstance(plan, Page) else ""] += 1
        for step, outcome in zip(plan.steps if isinstance(plan, Act) else (), moment.outcomes, strict=False):
            steps[type(step).__name__, "refused" if outcome.fault else "done"] += 1
        if moment.seen is not None:
            looks[bisect_left(BUCKETS, moment.look_seconds)] += 1
        return Tally(self.turns + 1, decisions, steps, tuple(looks), self.look_seconds + moment.look_seconds)


@dataclass(frozen=True, slots=True)
class Posted:
    """One cluster as its last turns left it."""

    moment: Moment
    """The last turn."""
    looked: Moment | None
    """The last turn that looked; None where another operator has held the lease all the time."""
    nodes: Mapping[str, str]
    events: tuple[Event, ...]
    """The latest ones, the newest last."""
    tally: Tally
    runbook: str = ""
    """The runbook that answers the page, where the last plan is one."""

    @property
    def leads(self) -> bool:
        """True when this operator holds the lease and could look."""
        return self.moment.seen is not None

    @property
    def view(self) -> View | None:
        """What was seen last; None where nothing was."""
        looked = self.looked
        if looked is None or looked.seen is None or looked.memory is None:
            return None
        operator = looked.operator if self.leads else ""
        return View(
            looked.seen, self.moment.plan, operator, named_kept(looked.memory, self.nodes), looked.memory, None, self.runbook
        )


class Board(Audience):
    """Written by the ticks, read by anybody, from any thread. What is posted never changes; a new turn posts a new one."""

    def __init__(self, books: Mapping[str, Runbook] | None = None) -> None:
        """Args: `books`: the runbooks, to name the one that answers a page."""
        self._books = books or {}
        self._posted: dict[str, Posted] = {}
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self.version = 0
        """Grows with everything posted."""

    def hear(self, moment: Moment, nodes: Mapping[str, str]) -> None:
        with self._lock:
            before = self._posted.get(moment.cluster)
            self._posted[moment.cluster] = _after(before, moment, nodes, runbook_for(moment.plan, self._books))
            self.version += 1
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def forget(self, cluster: str) -> None:
        with self._lock:
            self._posted.pop(cluster, None)
            self.version += 1
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def posted(self) -> tuple[Posted, ...]:
        """All clusters, by name."""
        with self._lock:
            return tuple(self._posted[name] for name in sorted(self._posted))

    def listen(self, listener: Callable[[], None]) -> None:
        """Call it after everything that is posted, in the thread of the turn: it must return at once."""
        with self._lock:
            self._listeners.append(listener)


def _after(before: Posted | None, moment: Moment, nodes: Mapping[str, str], runbook: str) -> Posted:
    last = before.moment if before else None
    looked = moment if moment.seen is not None else (before.looked if before else None)
    known = before.events if before else ()
    news = told(last, moment)
    events = (*known[:-1], *collapsed([*known[-1:], *news])) if news else known
    tally = (before.tally if before else Tally()).after(moment)
    return Posted(moment, looked, nodes, events[-EVENTS:], tally, runbook)
