"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class NotYet:
    """A false answer that says what was seen instead.

    Example:
        ``return rows if len(rows) == 3 else NotYet(rows)``
    """

    def __init__(self, seen: object) -> None:
        self.seen = seen

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return str(self.seen)


class NotInTime(AssertionError):
    """The deadline passed; the message has what was last seen. An AssertionError, so that a test fails, not errors."""


def wait_until(
    condition: Callable[[], T | NotYet],
    within: float,
    what: str,
    *,
    every: float = 0.1,
    ignoring: tuple[type[Exception], ...] = (),
) -> T:
    """Ask until the answer is true, and return that answer.

    Args:
        condition: Returns something true when done, otherwise something false, best a ``NotYet(what it saw)``.
        within: Deadline in seconds. The condition is asked once more after it, so a slow machine gets a fair try.
        what: What is waited for, as the end of the sentence 'waited 5 s for ...'.
        every: Seconds between two askings.
        ignoring: Exceptions of the condition that mean 'not yet'.

    Raises:
        NotInTime: With the last thing seen.
    """
    deadline = time.monotonic() + within
    while True:
        late = time.monotonic() >= deadline
        seen: object
        try:
            answer = condition()
            if answer and not isinstance(answer, NotYet):
                return answer
            seen = answer
        except ignoring as error:
            seen = f"{type(error).__name__}: {error}"
        if late:
            raise NotInTime(f"waited {within:g} s for {what}; last seen: {seen}")
        time.sleep(every)
