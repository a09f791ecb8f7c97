"""What the doctor says: one finding, where it stands, why it matters, what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Worst first."""

    DANGER = "danger"
    """Data can be lost, or the whole database goes down, in an event that will come."""
    WARNING = "warning"
    """Transactions fail, or a member stays away, in an event that will come."""
    NOTE = "note"
    """Good to know; nothing fails by it alone."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to change.

    Attributes:
        id: stable, for programs: ``stop-grace``, ``no-volume``, ...
        about: the service, node or engine.
        found: what is so, in one sentence.
        why: what comes of it, in one sentence with the fact behind it.
        change: exact YAML, or the command.
        places: where it stands, or where the missing line belongs; empty for what is not from a file.
    """

    id: str
    severity: Severity
    about: str
    found: str
    why: str
    change: str
    places: tuple[Place, ...] = ()
