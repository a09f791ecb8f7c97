"""How long each step of the demo took, and what happened when inside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A step. Times of the timeline's clock; `ended` None while it lasts."""

    name: str
    begun: float
    ended: float | None


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened."""

    at: float
    what: str


class Timeline:
    """Steps one after the other, and marks that any thread may set."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._spans: list[Span] = []
        self._marks: list[Mark] = []
        self.begun = clock()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a step. It ends also when it fails."""
        begun = self._clock()
        with self._lock:
            self._spans.append(Span(name, begun, None))
        try:
            yield
        finally:
            with self._lock:
                self._spans[-1] = Span(name, begun, self._clock())

    def mark(self, what: str, at: float | None = None) -> None:
        """Note what happened now, or at another time of the clock."""
        with self._lock:
            self._marks.append(Mark(self._clock() if at is None else at, what))

    @property
    def spans(self) -> tuple[Span, ...]:
        with self._lock:
            return tuple(self._spans)

    def marks_in(self, span: Span) -> tuple[Mark, ...]:
        """What happened during a step, in order."""
        until = float("inf") if span.ended is None else span.ended
        with self._lock:
            return tuple(sorted((m for m in self._marks if span.begun <= m.at <= until), key=lambda mark: mark.at))

    def where(self, at: float) -> str:
        """The step, and how far into it, at a time of the clock: ``1 -> 3, 12.3 s in``."""
        for span in self.spans:
            if span.begun <= at and (span.ended is None or at <= span.ended):
                return f"{span.name}, {at - span.begun:.1f} s in"
        return f"{at - self.begun:.1f} s after the start"
