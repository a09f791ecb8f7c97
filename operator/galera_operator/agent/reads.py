"""Causal reads: what `galera.reads` wishes for, as the GLOBAL wsrep_sync_wait of this mariadbd.

The database sees no port: a session through the read port and one through the write port look alike. So every member has the same
value, the writer as well, and it need not change when the role moves: a session that was opened on the writer, and lives on
where the writer was, reads as causally as before. A session keeps what it was opened with.
"""

from __future__ import annotations

import logging

from galera_operator.agent.member import Member
from galera_operator.agent.sql import Client, SqlError

log = logging.getLogger(__name__)

BEFORE_READ = 1
"""The bit of wsrep_sync_wait for SELECT, SHOW and BEGIN."""


class Reads:
    """Takes turns in `Life`. What a user has set stays, and comes back."""

    def __init__(self, member: Member, client: Client) -> None:
        self._member = member
        self._client = client
        self._trouble = ""
        self._before: int | None = None
        """The value to go back to; None: it is in force."""

    def turn(self) -> None:
        """Make it so where it is not; a server that does not take it is asked again in the next turn."""
        causal = self._member.terms.causal_reads
        if causal == (self._before is not None):
            return
        found = self._ask("SELECT @@GLOBAL.wsrep_sync_wait") if causal else None
        if causal and not found:
            return
        before = int(found[0][0]) if found else None
        value = self._before if before is None else before | BEFORE_READ
        if self._ask(f"SET GLOBAL wsrep_sync_wait={value}") is not None:
            self._before = before
            self._member.reads_are(causal=causal)
            log.info("sessions opened from now on read %s", "causally" if causal else "what their member has applied")

    def _ask(self, sql: str) -> list[list[str]] | None:
        """The rows; None: no answer, which is complained about once."""
        try:
            rows = self._client.query(sql)
        except SqlError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.warning("wsrep_sync_wait is not as it should be: %s", error)
            return None
        self._trouble = ""
        return rows
