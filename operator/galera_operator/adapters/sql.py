"""Ask the databases themselves for their wsrep status, over SQL connections that are kept between looks."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import pymysql
from pymysql.connections import Connection
from pymysql.constants import COMMAND

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
        self._kept = KeptConnections[SqlConnection](hang_ups)

    def wsrep(self, address: str, token: str, members: Sequence[str]) -> Wsrep:
        """`ports.Members.wsrep`."""
        return _wsrep(address, self.show("STATUS", STATUS_NAMES, address, token), members)

    def show(self, what: Literal["STATUS", "VARIABLES"], names: Sequence[str], address: str, token: str) -> dict[str, str]:
        """Some of the server's global status counters or variables; those it does not have are missing.

        Raises:
            Unreachable, LoginRefused: no answer.
        """
        connection = self._kept.take((address, token))
        try:
            connection = connection or self._connect(address, token)
            connection.ask(_select(what, names))
        except (pymysql.MySQLError, OSError) as error:
            close(connection)
            raise _explain(address, error) from None
        return self._rows(connection, token)

    def begin(self, address: str, token: str) -> SqlConnection | None:
        """Ask for the wsrep status over the connection that is kept; None without one that takes the question."""
        connection = self._kept.take((address, token))
        if connection is None:
            return None
        try:
            connection.ask(_select("STATUS", STATUS_NAMES))
        except (pymysql.MySQLError, OSError):
            close(connection)
            return None
        return connection

    def end(self, connection: SqlConnection, token: str, members: Sequence[str]) -> Wsrep:
        """Read the answer and keep the connection. Raises like `wsrep`."""
        return _wsrep(connection.address, self._rows(connection, token), members)

    def _rows(self, connection: SqlConnection, token: str) -> dict[str, str]:
        try:
            rows = connection.answer()
        except (pymysql.MySQLError, OSError) as error:
            close(connection)
            raise _explain(connection.address, error) from None
        self._kept.keep((connection.address, token), connection)
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

    def _connect(self, address: str, token: str) -> SqlConnection:
        return SqlConnection(
            host=address,
            port=PORT,
            user=MONITOR_USER,
            password=sql_password(token, MONITOR_USER),
            connect_timeout=TIMEOUT,
            read_timeout=TIMEOUT,
            write_timeout=TIMEOUT,
            autocommit=True,
            # The member's own state is asked for, however far behind its data is: never to wait for that.
            init_command="SET SESSION wsrep_sync_wait=0, group_concat_max_len=65536",
        )


class SqlConnection(Connection):
    """pymysql makes a TLS context with every trusted certificate for each connection: 0.8 MiB and some milliseconds each.

    All of ours are alike (TLS where the member offers it), so one context serves them all.
    """

    _context: ClassVar[ssl.SSLContext | None] = None
    _making: ClassVar[threading.Lock] = threading.Lock()

    def _create_ssl_ctx(self, sslp: Mapping[str, object]) -> ssl.SSLContext:
        with SqlConnection._making:
            if SqlConnection._context is None:
                SqlConnection._context = super()._create_ssl_ctx(sslp)  # type: ignore[misc]
            return SqlConnection._context

    @property
    def address(self) -> str:
        return str(self.host)

    def fileno(self) -> int:
        return int(self._sock.fileno())  # type: ignore[attr-defined]

    def ask(self, query: str) -> None:
        """Send the first half of pymysql's own `query`. Raises MySQLError, OSError."""
        self._execute_command(COMMAND.COM_QUERY, query)  # type: ignore[attr-defined]

    def answer(self) -> dict[str, str]:
        """The second half: names in small letters and values. Raises MySQLError, OSError."""
        self._read_query_result()  # type: ignore[attr-defined]
        lines = (self._result.rows[0][0] or "").split("\n")  # type: ignore[attr-defined]
        pairs = (line.partition("=") for line in lines if line)
        return {name.lower(): value for name, _, value in pairs}


def _select(what: Literal["STATUS", "VARIABLES"], names: Sequence[str]) -> str:
    """What SHOW GLOBAL tells, also of a member that is not ready, in one row: pymysql takes a third of the time to read that."""
    # A line break itself, not the two letters for it: a server may be told to take a backslash for a backslash.
    lines = "GROUP_CONCAT(VARIABLE_NAME, '=', VARIABLE_VALUE SEPARATOR '\n')"
    wanted = ", ".join(repr(name) for name in names)
    return f"SELECT {lines} FROM information_schema.GLOBAL_{what} WHERE VARIABLE_NAME IN ({wanted})"  # noqa: S608 - our own names


def _wsrep(address: str, rows: Mapping[str, str], members: Sequence[str]) -> Wsrep:
    try:
        return wsrep_from_status(rows, members)
    except StatusUnreadable as error:
        raise Refused(f"{address}: {error}") from error


def _explain(address: str, error: Exception) -> Refused | Unreachable:
    """Name the cause without the driver's own text where that could carry more than the reader needs."""
    code = error.args[0] if error.args else None
    if code in _ACCESS_DENIED:
        return LoginRefused(
            f"{address} refused the login of {MONITOR_USER} ({code}): the operator's galera_token is not the one this cluster "
            "was made with"
        )
    return Unreachable(f"no SQL answer from {address}:{PORT} ({code if isinstance(code, int) else type(error).__name__})")
