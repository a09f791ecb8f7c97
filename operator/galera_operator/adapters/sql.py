"""Ask the databases themselves for their wsrep status, over SQL connections that are kept between looks."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import pymysql
from pymysql.connections import Connection

from galera_operator.adapters.kept import HangUps, KeptConnections, close
from galera_operator.core.agent_api import MONITOR_USER, Wsrep, sql_password
from galera_operator.core.wsrep_status import STATUS_NAMES, StatusUnreadable, wsrep_from_status
from galera_operator.ports import LoginRefused, Refused, Unreachable

PORT = 3306
TIMEOUT = 2
"""Seconds for each of connect, read and write. pymysql's read_timeout has no default: it would wait for ever."""

_NO_ANSWER = {2003, 2006, 2013, 1045}
"""Not connected, gone away, lost, login refused: nothing is known of the statement itself."""
_ACCESS_DENIED = {1044, 1045, 1698}


class SqlPoll:
    """One connection per member address. Different addresses may be asked from different threads at the same time."""

    def __init__(self, hang_ups: HangUps) -> None:
        self._kept = KeptConnections[_Connection](hang_ups)

    def wsrep(self, address: str, token: str, members: Sequence[str]) -> Wsrep:
        """`ports.Members.wsrep`."""
        rows = self.show("STATUS", STATUS_NAMES, address, token)
        try:
            return wsrep_from_status(rows, members)
        except StatusUnreadable as error:
            raise Refused(f"{address}: {error}") from error

    def show(self, what: Literal["STATUS", "VARIABLES"], names: Sequence[str], address: str, token: str) -> dict[str, str]:
        """Some of the server's global status counters or variables; those it does not have are missing.

        Raises:
            Unreachable, LoginRefused: no answer.
        """
        key = (address, token)
        query = f"SHOW GLOBAL {what} WHERE Variable_name IN ({', '.join(repr(name) for name in names)})"
        connection = self._kept.take(key)
        try:
            connection = connection or self._connect(address, token)
            with connection.cursor() as cursor:
                cursor.execute(query)
                rows = {str(name).lower(): str(value) for name, value in cursor.fetchall()}
        except (pymysql.MySQLError, OSError) as error:
            close(connection)
            raise _explain(address, error) from None
        self._kept.keep(key, connection)
        return rows

    def run(self, address: str, token: str, statement: str) -> str:
        """`ports.Members.run_sql`, over a connection of its own: what the statement sets in its session ends with it."""
        connection = None
        try:
            connection = self._connect(address, token)
            with connection.cursor() as cursor:
                changed = cursor.execute(statement)
                row = cursor.fetchone()
        except pymysql.MySQLError as error:
            explained = _explain(address, error)
            words = error.args[1] if len(error.args) > 1 else type(error).__name__
            if isinstance(error, pymysql.err.OperationalError) and error.args[0] in _NO_ANSWER:
                raise explained from None
            raise Refused(f"{address}: {words}") from None
        except OSError as error:
            raise _explain(address, error) from None
        finally:
            close(connection)
        return str(row[0]) if row else f"{changed} rows"

    def close(self) -> None:
        """Close the connections that are kept between looks."""
        self._kept.close()

    def _connect(self, address: str, token: str) -> _Connection:
        return _Connection(
            host=address,
            port=PORT,
            user=MONITOR_USER,
            password=sql_password(token, MONITOR_USER),
            connect_timeout=TIMEOUT,
            read_timeout=TIMEOUT,
            write_timeout=TIMEOUT,
            autocommit=True,
            # The member's own state is asked for, however far behind its data is: never to wait for that.
            init_command="SET SESSION wsrep_sync_wait=0",
        )


class _Connection(Connection):
    """pymysql makes a TLS context with every trusted certificate for each connection: 0.8 MiB and some milliseconds each.

    All of ours are alike (TLS where the member offers it), so one context serves them all.
    """

    _context: ClassVar[ssl.SSLContext | None] = None

    def _create_ssl_ctx(self, sslp: Mapping[str, object]) -> ssl.SSLContext:
        if _Connection._context is None:
            _Connection._context = super()._create_ssl_ctx(sslp)  # type: ignore[misc]
        return _Connection._context

    def fileno(self) -> int:
        return int(self._sock.fileno())  # type: ignore[attr-defined]


def _explain(address: str, error: Exception) -> Refused | Unreachable:
    """Name the cause without the driver's own text where that could carry more than the reader needs."""
    code = error.args[0] if error.args else None
    if code in _ACCESS_DENIED:
        return LoginRefused(
            f"{address} refused the login of {MONITOR_USER} ({code}): the operator's galera_token is not the one this cluster "
            "was made with"
        )
    return Unreachable(f"no SQL answer from {address}:{PORT} ({code if isinstance(code, int) else type(error).__name__})")
