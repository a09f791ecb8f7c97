"""The planned work of one turn: which schedules are due, whether the window is open, and how the run on its way moves on."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from loguru import logger

from galera_operator.core.model import Snapshot
from galera_operator.core.planned import Run
from galera_operator.core.remembered import Memory
from galera_operator.core.runbook import Runbook
from galera_operator.core.running import NotRequested, advance
from galera_operator.core.schedule import fire, keep_baselines
from galera_operator.core.spec import Wish
from galera_operator.runtime.asked import Asked
from galera_operator.runtime.schedule import due, why_closed


@dataclass(frozen=True, slots=True)
class Planning:
    """What planned work needs beside the cluster: the runbooks, and a wall clock in seconds since 1970."""

    books: Mapping[str, Runbook] = field(default_factory=dict)
    wall: Callable[[], float] = time.time
    asked: Asked = field(default_factory=Asked)

    def turn(self, seen: Snapshot, memory: Memory) -> Memory:
        """The memory with all that is due asked for, and the run on its way moved on."""
        settings, now = seen.settings, self.wall()
        before = memory.planned.run
        for change in self.asked.take(seen.service.name):
            try:
                memory = change(memory)
            except NotRequested as error:
                logger.warning("{}: not done: {}", seen.service.name, error)
        if isinstance(seen.wish, Wish) and not settings.pause:  # what is not readable now is not forgotten for it
            schedules = settings.schedules
            memory = keep_baselines(memory, schedules, now)
            coming = due(schedules, memory, settings.timezone, now) if schedules else []
            memory, said = fire(memory, coming, self.books, [str(uuid.uuid4()) for _ in coming], now)
            for sentence in said:
                logger.info("{}: {}", seen.service.name, sentence)
        shut = why_closed(settings.maintenance, settings.timezone, now) if settings.maintenance else ""
        memory = advance(seen, memory, self.books, now, shut)
        _tell(seen.service.name, before, memory.planned.run, self.books)
        return memory


def _tell(service: str, before: Run | None, run: Run | None, books: Mapping[str, Runbook]) -> None:
    """One line for each stage and for the end, not for each change of words on the way."""
    if run is None or (before and (before.id, before.stage, before.state) == (run.id, run.stage, run.state)):
        return
    book = books.get(run.runbook)
    stage = book.stages[run.stage].name if book and run.stage < len(book.stages) else "end"
    level = "ERROR" if run.pages else "INFO"
    logger.log(level, "{}: {}, {}, stage {}: {}", service, run.title, run.state, stage, run.note)
