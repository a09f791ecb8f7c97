"""How a member serves, as its agent tells it: on which terms, and how replication flows there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FlowControl:
    """How replication has flowed lately, as a member's agent saw it while that member was Synced without a break."""

    over: float
    """Seconds that were looked at."""
    paused: float
    """The part of them, 0 to 1, in which flow control held this member's commits back."""
    sent: int
    """How often in them this member asked all others to pause, a request that stood already included."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a member serves: what the last /admit told of the service's labels, or the agent's own defaults."""

    drain_seconds: float
    allow_donor: bool
    causal_reads: bool
