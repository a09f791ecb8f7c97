"""Ending client sessions so that no transaction is cut.

A session is ended only while it sleeps outside any transaction, and has slept for a threshold that starts at 1 s and halves
every 2 s: an idle pool goes first, and a client that pings before it uses a connection is not hit in between. Check and
kill are one compound statement on the server, with a second look right before each kill: PROCESSLIST counts a sleep from
the end of the last statement, so what has slept through the threshold was seen as it is.

InnoDB keeps the content of INNODB_TRX for 0.1 s (``CACHE_MIN_IDLE_TIME_NS``): rounds are further apart than that, and nobody
else in the agent reads that table during a drain.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from galera_operator.agent.sql import Client, SqlError
from galera_operator.core.agent_api import MONITOR_USER

log = logging.getLogger(__name__)

ROUND_SECONDS = 0.2
FIRST_THRESHOLD, LAST_THRESHOLD, HALVING_SECONDS = 1.0, 0.02, 2.0
EVERYONE = 2**62

_CLIENT = (
    f"p.ID <> CONNECTION_ID() AND p.USER NOT IN ('system user', 'event_scheduler', 'unauthenticated user', '{MONITOR_USER}') "
    "AND NOT (p.USER = 'mysql' AND p.HOST = 'localhost')"
)
_SESSIONS = (
    f"information_schema.PROCESSLIST p LEFT JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID WHERE {_CLIENT}"
)
_IS_BUSY = "(t.trx_id IS NOT NULL OR p.COMMAND <> 'Sleep')"

COUNT_SESSIONS = f"SELECT COUNT(*), COALESCE(SUM({_IS_BUSY}), 0) FROM {_SESSIONS}"  # noqa: S608 - constants only
NEWEST_SESSION = "SELECT COALESCE(MAX(ID), 0) FROM information_schema.PROCESSLIST"


def end_idle_sql(newest: int, threshold: float) -> str:
    """The statement of one round: ends what may be ended up to session `newest`; returns ended, left, busy, and newer ones."""
    asleep = f"p.COMMAND = 'Sleep' AND p.TIME_MS >= {threshold * 1000:.0f}"
    again = asleep.replace("p.", "")
    return f"""BEGIN NOT ATOMIC
DECLARE ended INT DEFAULT 0;
DECLARE CONTINUE HANDLER FOR 1094 BEGIN END;
FOR s IN (SELECT p.ID FROM {_SESSIONS} AND p.ID <= {newest} AND {asleep} AND t.trx_id IS NULL) DO
IF EXISTS (SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = s.ID AND {again}) THEN
KILL CONNECTION s.ID;
SET ended = ended + 1;
END IF;
END FOR;
SELECT ended, COALESCE(SUM(p.ID <= {newest}), 0), COALESCE(SUM(p.ID <= {newest} AND {_IS_BUSY}), 0),
COALESCE(SUM(p.ID > {newest}), 0) FROM {_SESSIONS} AND p.COMMAND <> 'Killed';
END"""  # noqa: S608 - numbers and constants only


def cut_sql(newest: int) -> str:
    """The statement at the limit: ends every session up to `newest`; returns how many, and how many of them were busy."""
    return f"""BEGIN NOT ATOMIC
DECLARE ended, busy INT DEFAULT 0;
DECLARE CONTINUE HANDLER FOR 1094 BEGIN END;
FOR s IN (SELECT p.ID, {_IS_BUSY} AS b FROM {_SESSIONS} AND p.ID <= {newest} AND p.COMMAND <> 'Killed') DO
KILL CONNECTION s.ID;
SET ended = ended + 1, busy = busy + s.b;
END FOR;
SELECT ended, busy;
END"""  # noqa: S608 - numbers and constants only


def threshold_after(seconds: float) -> float:
    """How long a session must have slept to be ended, `seconds` after ending began."""
    return max(LAST_THRESHOLD, float(FIRST_THRESHOLD * 0.5 ** int(max(0.0, seconds) / HALVING_SECONDS)))


@dataclass(slots=True)
class Drain:
    """One drain. `step` is called again and again with the clock's reading until `is_finished`."""

    started: float
    limit: float
    """Seconds after `started` at which what is left gets cut."""
    notice: float
    """Seconds until the proxies have noticed and send nobody new; nothing is ended before."""
    for_exit: bool
    """Also sessions that were opened during the drain; else these are left: they bypass the proxy."""
    newest: int = 0
    left: int = -1
    busy: int = 0
    newcomers: int = 0
    ended: int = 0
    cut: int = 0
    is_finished: bool = False
    trouble: str = ""
    next_round: float = 0.0

    def step(self, client: Client, now: float) -> bool:
        """Do the next round if it is time for it; True when this round finished the drain.

        Never raises: a server that does not answer is drained when the limit is reached.
        """
        since = now - self.started
        if self.is_finished or (since < self.notice and since < self.limit) or now < self.next_round:
            return False
        self.next_round = now + ROUND_SECONDS
        try:
            if since >= self.limit:
                self._cut(client)
            else:
                self._end_idle(client, since - self.notice)
            self.trouble = ""
        except SqlError as error:
            self.trouble = str(error)
            self.is_finished = since >= self.limit
        return self.is_finished

    def _end_idle(self, client: Client, since: float) -> None:
        if self.newest == 0:
            self.newest = EVERYONE if self.for_exit else int(client.query(NEWEST_SESSION)[0][0])
        row = client.query(end_idle_sql(self.newest, threshold_after(since)))[-1]
        ended, self.left, self.busy, self.newcomers = (int(float(field)) for field in row)
        self.ended += ended
        self.is_finished = self.left == 0

    def _cut(self, client: Client) -> None:
        if self.newest == 0:
            self.newest = EVERYONE if self.for_exit else int(client.query(NEWEST_SESSION)[0][0])
        ended, busy = (int(float(field)) for field in client.query(cut_sql(self.newest))[-1])
        self.ended += ended
        self.cut += busy
        self.is_finished = True
        if busy:
            log.warning("the drain limit of %.0f s is reached: cut %d sessions inside a transaction", self.limit, busy)

    @property
    def note(self) -> str:
        """One sentence on how far it is."""
        if self.trouble:
            return f"draining: {self.trouble}"
        if self.left < 0:
            return "draining: waiting for the proxies to notice"
        more = f"; {self.newcomers} sessions opened since: they bypass the proxy" if self.newcomers else ""
        return f"draining: {self.left} sessions left, {self.busy} of them in a transaction; {self.ended} ended{more}"
