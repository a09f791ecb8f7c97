"""Watching mariadbd: its wsrep status and its sessions, through SQL."""

from __future__ import annotations

import logging
import re
import threading

from galera_operator.agent.drain import COUNT_SESSIONS
from galera_operator.agent.member import Member
from galera_operator.agent.sql import Client, SqlError, Unreachable
from galera_operator.core.agent_api import Stage
from galera_operator.core.wsrep_status import FLOW_NAMES, STATUS_NAMES, flow_from_status, wsrep_from_status

log = logging.getLogger(__name__)

INTERVAL = 0.25
SESSIONS_EVERY = 4

_NAMES = (*STATUS_NAMES, *FLOW_NAMES, "wsrep_incoming_addresses")
STATUS_SQL = f"SHOW GLOBAL STATUS WHERE Variable_name IN ({', '.join(repr(name) for name in _NAMES)})"
MEMBERS_SQL = "SELECT NAME FROM information_schema.WSREP_MEMBERSHIP"


def incoming_hosts(text: str) -> list[str]:
    """The hosts in wsrep_incoming_addresses: ``10.0.1.3:0,10.0.1.4:3306``; members that do not tell are left out."""
    hosts = (part.strip().rpartition(":")[0] or part.strip() for part in text.split(","))
    return [host for host in hosts if re.fullmatch(r"\d+\.\d+\.\d+\.\d+", host)]


class Watcher(threading.Thread):
    """Asks mariadbd four times a second while it runs. Everything it learns goes to the member."""

    def __init__(self, member: Member, client: Client) -> None:
        super().__init__(name="watcher", daemon=True)
        self._member = member
        self._client = client
        self.ended = threading.Event()
        self._trouble = ""

    def run(self) -> None:
        count = 0
        while not self.ended.wait(INTERVAL):
            try:
                self._look(with_sessions=count % SESSIONS_EVERY == 0)
                self._trouble = ""
            except Unreachable:
                self._member.saw_wsrep(None)
            except (SqlError, ValueError, IndexError) as error:
                self._member.saw_wsrep(None)
                if str(error) != self._trouble:
                    self._trouble = str(error)
                    log.warning("cannot read mariadbd's status: %s", error)
            count += 1

    def _look(self, *, with_sessions: bool) -> None:
        rows = self._client.query(STATUS_SQL)
        status = {row[0].lower(): row[1] for row in rows if len(row) == 2}
        members = tuple(row[0] for row in self._client.query(MEMBERS_SQL) if row and row[0])
        is_loaded = "wsrep_local_state" in status  # the provider tells nothing before it has started
        self._member.saw_wsrep(wsrep_from_status(status, members) if is_loaded else None, flow_from_status(status))
        self._member.peers.add(incoming_hosts(status.get("wsrep_incoming_addresses", "")))
        if with_sessions and self._member.stage is not Stage.DRAINING:
            sessions, in_flight = self._client.query(COUNT_SESSIONS)[0]
            self._member.saw_sessions(int(sessions), int(float(in_flight)))
