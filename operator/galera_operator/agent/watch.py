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
from galera_operator.core.agent_api import Stage, Transfer, Wsrep
from galera_operator.core.position import ZERO_UUID

log = logging.getLogger(__name__)

INTERVAL = 0.25
SESSIONS_EVERY = 4
TRANSFER_SECONDS = 2.0

_STATUS = (
    "wsrep_ready", "wsrep_connected", "wsrep_cluster_status", "wsrep_local_state", "wsrep_local_state_comment",
    "wsrep_cluster_state_uuid", "wsrep_cluster_conf_id", "wsrep_cluster_size", "wsrep_last_committed",
    "wsrep_local_recv_queue", "wsrep_flow_control_paused", "wsrep_desync_count", "wsrep_incoming_addresses",
)  # fmt: skip
STATUS_SQL = f"SHOW GLOBAL STATUS WHERE Variable_name IN ({', '.join(repr(name) for name in _STATUS)})"
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


def parse_wsrep(status: Mapping[str, str], members: tuple[str, ...]) -> Wsrep | None:
    """Build the wsrep status from variable names (lower case) and values; None where the provider is not loaded yet."""
    if "wsrep_local_state" not in status or "wsrep_cluster_status" not in status:
        return None
    return Wsrep(
        ready=status.get("wsrep_ready") == "ON",
        connected=status.get("wsrep_connected") == "ON",
        cluster_status=status["wsrep_cluster_status"],
        local_state=int(status["wsrep_local_state"]),
        local_state_comment=status.get("wsrep_local_state_comment", ""),
        state_uuid=status.get("wsrep_cluster_state_uuid") or ZERO_UUID,
        conf_id=int(status.get("wsrep_cluster_conf_id") or 0),
        cluster_size=int(status.get("wsrep_cluster_size") or 0),
        last_committed=int(status.get("wsrep_last_committed") or 0),
        queue=int(status.get("wsrep_local_recv_queue") or 0),
        flow_control_paused=float(status.get("wsrep_flow_control_paused") or 0),
        desync_count=int(status.get("wsrep_desync_count") or 0),
        members=tuple(sorted(members)),
    )


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
        self._member.saw_wsrep(parse_wsrep(status, members))
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
