"""How fast a member's write-set history fills: its status counters, twice, a few seconds apart."""

from __future__ import annotations

import time

from galera_operator.adapters.kept import HangUps
from galera_operator.adapters.sql import SqlPoll
from galera_operator.core.checkup.history import option, size_in_bytes
from galera_operator.core.checkup.setup import Measured

WATCH = 5.0
"""Seconds between the two looks."""

_COUNTERS = ("wsrep_replicated_bytes", "wsrep_received_bytes")
_VARIABLES = ("wsrep_provider_options", "tcp_keepalive_time")


def measure(title: str, address: str, token: str, watch: float = WATCH) -> Measured:
    """Watch one member for `watch` seconds.

    Raises:
        Unreachable, Refused: its database does not answer, or does not let the operator's account in.
    """
    sql = SqlPoll(HangUps())
    variables = sql.show("VARIABLES", _VARIABLES, address, token)
    before, begun = sql.show("STATUS", _COUNTERS, address, token), time.monotonic()
    time.sleep(watch)
    after, took = sql.show("STATUS", _COUNTERS, address, token), time.monotonic() - begun
    written = sum(int(after.get(name, 0)) - int(before.get(name, 0)) for name in _COUNTERS)
    sql.close()
    return Measured(
        title,
        size_in_bytes(option(variables.get("wsrep_provider_options", ""), "gcache.size")),
        max(0.0, written / took),
        int(variables.get("tcp_keepalive_time", 0)),
    )
