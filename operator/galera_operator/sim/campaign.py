"""Many histories, one after the other or in several processes; and the shortest script of one that broke something."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from time import process_time

from loguru import logger

from galera_operator.sim.actions import Script, without
from galera_operator.sim.coverage import Coverage
from galera_operator.sim.history import History, Outcome, random_history

BATCH = 500
"""Histories between two reports of one process."""
COLLECT_EVERY = 200


@dataclass(slots=True)
class Failure:
    """A history that broke something."""

    script: Script
    broken: list[str]


@dataclass(slots=True)
class Report:
    """What a number of histories came to. `seconds`: of one core's work, all processes together."""

    histories: int = 0
    actions: int = 0
    turns: int = 0
    acknowledged: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)

    def add(self, other: Report) -> None:
        self.histories += other.histories
        self.actions += other.actions
        self.turns += other.turns
        self.acknowledged += other.acknowledged
        self.seconds += other.seconds
        self.failures += other.failures
        self.coverage.add(other.coverage)


def run(histories: int, seed: int, steps: int, stop_at: int = 1, tastes: Sequence[str] = ()) -> Report:
    """Play histories `seed`, `seed + 1`, ... of so many actions each, until `stop_at` of them broke something.

    Args:
        tastes: only these kinds of faults (chooser.TASTES); each history draws its own without them.
    """
    logger.disable("galera_operator")
    report = Report()
    begun = process_time()
    gc.disable()  # worlds are cycles that die together; collecting them in between costs a sixth
    try:
        for number in range(seed, seed + histories):
            _one(report, number, steps, tastes)
            if report.histories % COLLECT_EVERY == 0:
                gc.collect()
            if len(report.failures) >= stop_at:
                break
    finally:
        gc.enable()
    report.seconds = process_time() - begun
    return report


def run_in(processes: int, histories: int, seed: int, steps: int, stop_at: int = 1) -> Iterator[Report]:
    """The same in several processes; yields the report of each batch as it ends."""
    if processes <= 1:
        for first in range(0, histories, BATCH):
            yield run(min(BATCH, histories - first), seed + first, steps, stop_at)
        return
    with ProcessPoolExecutor(processes) as pool:
        batches = [
            pool.submit(run, min(BATCH, histories - first), seed + first, steps, stop_at) for first in range(0, histories, BATCH)
        ]
        for batch in batches:
            yield batch.result()


def _one(report: Report, seed: int, steps: int, tastes: Sequence[str]) -> None:
    history = random_history(seed, steps, tastes=tastes)
    for operator in history.world.operators.values():
        operator.said = report.coverage.plan
    outcome = history.play()
    report.histories += 1
    report.actions += len(history.done)
    report.turns += sum(operator.turns for operator in history.world.operators.values())
    report.acknowledged += history.world.clients.acknowledged
    report.coverage.ends[outcome.end] += 1
    report.coverage.actions.update(one.kind for one in history.done)
    if outcome.broken:
        report.failures.append(Failure(outcome.script, outcome.broken))
    history.world.end()


def shrink(failure: Failure, replay: Callable[[Script], Outcome] | None = None) -> Failure:
    """The shortest script found that breaks the same thing: leave out longer and longer halves, then single actions."""
    replay = replay or (lambda script: History(script).play())
    wanted = kind_of(failure.broken)
    best = failure
    size = max(1, len(best.script.actions) // 2)
    while size:
        index = 0
        while index < len(best.script.actions):
            tried = replace(best.script, actions=without(best.script.actions, set(range(index, index + size))))
            broken = replay(tried).broken
            if kind_of(broken) == wanted:
                best = Failure(tried, broken)
            else:
                index += size
        size //= 2
    return best


def kind_of(broken: list[str]) -> str:
    """What broke, without the numbers in it."""
    return re.sub(r"\d+", "N", broken[0])[:60] if broken else ""
