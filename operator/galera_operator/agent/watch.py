"""Watching mariadbd: its wsrep status through SQL, and the stages of a state transfer through its log."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping

from galera_operator.agent.disk import bytes_in
from galera_operator.agent.drain import COUNT_SESSIONS
from galera_operator.agent.member import Member
from galera_operator.agent.sql import Client, SqlError, Unreachable
from galera_operator.core.agent_api import Stage, Transfer
from galera_operator.core.wsrep_status import STATUS_NAMES, wsrep_from_status

log = logging.getLogger(__name__)

INTERVAL = 0.25
SESSIONS_EVERY = 4
TRANSFER_SECONDS = 2.0

STATUS_SQL = (
    f"SHOW GLOBAL STATUS WHERE Variable_name IN ({', '.join(repr(name) for name in (*STATUS_NAMES, 'wsrep_incoming_addresses'))})"
)
MEMBERS_SQL = "SELECT NAME FROM information_schema.WSREP_MEMBERSHIP"

_STAGES: Mapping[str, tuple[str, str]] = {
    "Requesting state transfer": ("joiner", "waiting for a donor"),
    "WSREP_SST: [INFO] Proceeding with SST": ("joiner", "receiving"),
    "Waiting for SST streaming to complete": ("joiner", "receiving"),
    "WSREP_SST: [INFO] Preparing the backup": ("joiner", "preparing"),
    "WSREP_SST: [INFO] Moving the backup": ("joiner", "moving into place"),
    "Receiving IST": ("joiner", "receiving missed write-sets"),
    "Sleeping before data transfer": ("donor", "starting"),
    "Streaming the backup to joiner": ("donor", "sending"),
    "Initiating SST/IST transfer on DONOR side": ("donor", "starting"),
    "Bypassing the SST for IST": ("donor", "sending missed write-sets"),
}


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
        self._member.saw_wsrep(wsrep_from_status(status, members) if is_loaded else None)
        self._member.peers.add(incoming_hosts(status.get("wsrep_incoming_addresses", "")))
        if with_sessions and self._member.stage is not Stage.DRAINING:
            sessions, in_flight = self._client.query(COUNT_SESSIONS)[0]
            self._member.saw_sessions(int(sessions), int(float(in_flight)))


class TransferWatch:
    """Follows a state transfer by mariadbd's log lines; `sample` adds the bytes that have arrived."""

    def __init__(self, member: Member, method: str) -> None:
        self._member = member
        self._method = method
        self._now: Transfer | None = None
        self._sampled = 0.0

    def on_line(self, line: str) -> None:
        for text, (role, stage) in _STAGES.items():
            if text in line:
                method = "IST" if "write-sets" in stage else self._method
                moved = self._now.moved if self._now and self._now.role == role else 0
                self._now = Transfer(role, method, stage, moved)
                self._member.saw_transfer(self._now)
                return

    def sample(self, now: float) -> None:
        """For a joiner: count the bytes in its directory every 2 s."""
        if self._now is None or self._now.role != "joiner" or now - self._sampled < TRANSFER_SECONDS:
            return
        self._sampled = now
        self._now = Transfer("joiner", self._now.method, self._now.stage, bytes_in(self._member.settings.data_dir))
        self._member.saw_transfer(self._now)

    def joined(self) -> None:
        """The joiner is Synced: its transfer is over."""
        self._now = None
        self._member.saw_transfer(None)
