"""What a user may wish for one cluster, after the labels were read and checked (`adapters.labels` reads them)."""

from __future__ import annotations

from dataclasses import dataclass

from galera_operator.core.timetable import Scheduled, Window

MIN_REPLICAS = 1
MAX_REPLICAS = 9
"""More members make every commit slower (each certifies every write-set); the shipped proxy has room for nine."""

STOP_MARGIN = 5.0
"""Seconds of the stop grace period that a drain must leave for mariadbd's own shutdown."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The labels of one service. Times in seconds."""

    replicas: int | None = None
    """None: no `galera.replicas` label; the service's own replicas are the wish."""
    drain_timeout: float = 50.0
    """Below the 60 s after which Swarm starts a replacement even if the old task is still stopping (moby #36111)."""
    join_parallel: int = 1
    """Two joiners at once stalled the writers for 3.5 to 4.7 s and took old members out of Synced."""
    allow_donor: bool = False
    """Whether a donor may serve reads."""
    causal_reads: bool = False
    """Whether a read waits until its member has applied every commit that was acknowledged before it (wsrep_sync_wait)."""
    any_writer: bool = False
    """Every member takes writes. With one writer, rows that many update at once cost 0.05 % of transactions, else 20 %."""
    pause: bool = False
    """Look and tell, never act."""
    schedules: tuple[Scheduled, ...] = ()
    timezone: str = "UTC"
    maintenance: tuple[Window, ...] = ()
    """Where planned work may begin; empty: at any time."""

    def drain_seconds(self, stop_grace: float) -> float:
        """The drain limit that this service can really give: Swarm kills at the end of the stop grace period."""
        return max(1.0, min(self.drain_timeout, stop_grace - STOP_MARGIN))


@dataclass(frozen=True, slots=True)
class BadWish:
    """Labels or spec that cannot be obeyed. `why` names each fault, what was found, what is expected."""

    name: str
    """The page's name: ``bad-label``, ``label-misplaced``, ``missing-secret``, ``bad-network``, ``not-replicated``."""
    why: str
    """One sentence."""
    remedy: str
    """What to do about it: a command, where there is one."""
    fatal: bool = False
    """True when nothing at all may be done to this service; else only its size stays as it is."""
