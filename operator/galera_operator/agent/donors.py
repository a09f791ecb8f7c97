"""Whom a running member asks for what it missed: after a partition mariadbd asks by itself, without another start.

At a start the donors are named strictly (options.py): the writer is not taken, a busy one is waited for. Here the list ends with
a comma, which lets Galera take any other where none of the named can: members that were cut off together would name each other,
and wait for ever.
"""

from __future__ import annotations

import time

from galera_operator.agent.member import Member
from galera_operator.agent.options import donors
from galera_operator.agent.peers import live_members
from galera_operator.agent.routing import STALE_SECONDS
from galera_operator.agent.sql import Client, quote
from galera_operator.agent.variable import Variable
from galera_operator.core.agent_api import Stage

INTERVAL = 1.0
"""Seconds between two looks: a partition lasts longer than Galera's own 3 s of patience."""


class Donors:
    """Keeps wsrep_sst_donor at the Synced members that are not the writer. Takes turns in `Life`."""

    def __init__(self, member: Member, client: Client) -> None:
        self._member = member
        self._variable = Variable(client, "wsrep_sst_donor")
        self._named: tuple[str, ...] | None = None
        self._next = 0.0

    def turn(self) -> None:
        """Name others where the Synced members or the writer have changed; only while this member is Synced itself."""
        now = time.monotonic()
        wsrep = self._member.wsrep
        if now < self._next or wsrep is None or not wsrep.is_synced:
            return
        self._next = now + INTERVAL
        named = self._preferred()
        if named != self._named and self._variable.set(quote("".join(f"{name}," for name in named))):
            self._named = named

    def _preferred(self) -> tuple[str, ...]:
        live = live_members(self._member.peers.heard(STALE_SECONDS))
        synced = [(one.status.name, one.status.stage is Stage.RUNNING and wsrep.is_synced) for one, wsrep in live]
        return donors(synced, self._member.writer)
