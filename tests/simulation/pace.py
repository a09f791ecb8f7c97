"""How quick this machine is at this hour, so that a test of quickness tells of the code and not of the machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import process_time

REFERENCE = 0.0285
"""Seconds that `work` takes a core on which 10,000 histories of 60 actions ran at 121 a second."""


@dataclass(frozen=True)
class _Value:
    number: int
    names: tuple[str, ...] = ()


def work() -> float:
    """Do what a simulated history consists of, small values made and compared, and return the seconds it took of a core."""
    begun = process_time()
    values = [_Value(number, (f"db.{number % 3}",)) for number in range(4000)]
    for _ in range(4):
        values = [replace(value, number=value.number + 1) for value in values if value.names]
        assert max(value.number for value in sorted(values, key=lambda value: value.names)) > 0
    return process_time() - begun


def slowness(samples: list[float]) -> float:
    """How many times slower than the reference this machine was, at least 1."""
    return max(1.0, sum(samples) / len(samples) / REFERENCE)
