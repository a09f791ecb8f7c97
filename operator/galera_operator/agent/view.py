"""What mariadbd said last about itself: how fresh that is, since when its view stands, and whether it was frozen."""

from __future__ import annotations

from galera_operator.agent.routing import STALE_SECONDS
from galera_operator.core.agent_api import Wsrep

_View = tuple[str, int, int, bool, tuple[str, ...]]
"""State UUID, number, size, being Primary, members: what makes one view another than the one before.

The members come from a statement of their own, a moment after the rest: either may be the first that tells of a change.
"""


class View:
    """The last wsrep status. Times are a monotonic clock's readings, handed in by the caller."""

    def __init__(self) -> None:
        self.last: Wsrep | None = None
        """The last answer; None before the first one, and once mariadbd has been silent for `STALE_SECONDS`."""
        self.at = 0.0
        """When it came."""
        self.moved_at = 0.0
        """When mariadbd told another component number, or spoke again after a silence."""
        self.thawed_at = float("-inf")
        """When it last spoke again after a silence."""
        self._told: _View | None = None
        self._told_at = 0.0

    def take(self, wsrep: Wsrep | None, now: float) -> None:
        """Take over an answer; None: there was none, so the last one grows old."""
        if wsrep is None:
            if now - self.at > STALE_SECONDS:
                self.last = None
            return
        if self.at and now - self.at > STALE_SECONDS:
            self.thawed_at = now
        if self.last is None or self.last.conf_id != wsrep.conf_id:
            self.moved_at = now
        told = (wsrep.state_uuid, wsrep.conf_id, wsrep.cluster_size, wsrep.is_primary, wsrep.members)
        if told != self._told:
            self._told, self._told_at = told, now
        self.last, self.at = wsrep, now

    def forget(self) -> None:
        """Mariadbd is down: what it said is not true any more."""
        self.last, self._told = None, None

    def fresh(self, now: float) -> Wsrep | None:
        """The last answer, if it is not older than `STALE_SECONDS`."""
        return self.last if now - self.at <= STALE_SECONDS else None

    def age(self, now: float) -> float:
        """Seconds since mariadbd told of another view, or spoke again after a silence; 0 while it tells of none.

        A thawed mariadbd tells of its old view for some seconds, as if nothing had happened.
        """
        return now - max(self._told_at, self.thawed_at) if self.fresh(now) is not None else 0.0


def headline(wsrep: Wsrep) -> str:
    """The parts of a status whose change is an event."""
    return (
        f"{wsrep.local_state_comment}, {wsrep.cluster_status}, {wsrep.cluster_size} members, "
        f"ready {'ON' if wsrep.ready else 'OFF'}, state UUID {wsrep.state_uuid}"
    )
