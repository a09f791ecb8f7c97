"""One moment of a cluster's life: what one tick saw, decided and did. The journal is a file of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from galera_operator.core.model import Snapshot
from galera_operator.core.plan import Plan
from galera_operator.core.remembered import Memory
from galera_operator.core.strict_json import BadMessage, json_object
from galera_operator.core.value_json import from_plain, to_plain

FORMAT = 1
"""Raised when a moment of an older version cannot be read any more by its fields alone."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one step. `fault` is empty when the receiver took it."""

    step: str
    fault: str = ""
    said: str = ""
    """What a database answered, where it was asked something."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One tick.

    Attributes:
        at: wall clock, UTC.
        cluster: the service's name.
        operator: who took the tick; unique per process start.
        tick: counts from 1 in each life of an operator.
        epoch: the lease's, 0 without a lease.
        seen: what the look found; None where the tick ended before: another operator holds the lease, the store is away.
        memory: as it was decided on, this look included; None where `seen` is.
        plan: what was decided.
        outcomes: one for each step that was tried, in order.
        look_seconds: how long the members took to answer.
    """

    at: datetime
    cluster: str
    operator: str
    tick: int
    epoch: int
    seen: Snapshot | None
    memory: Memory | None
    plan: Plan
    outcomes: tuple[Outcome, ...] = ()
    look_seconds: float = 0.0

    def to_json(self) -> str:
        """One line. Raises `BadMessage` when a value has no lossless form."""
        return json.dumps({"format": FORMAT} | to_plain(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str | bytes) -> Moment:
        """Read one line of a journal.

        Raises:
            BadMessage: not JSON, of another format, or not of this shape; names the place.
        """
        raw = json_object(line)
        found = raw.pop("format", None)
        if found != FORMAT:
            raise BadMessage(f"format is {found!r}; this version reads {FORMAT}")
        moment: Moment = from_plain(cls, raw)
        return moment
