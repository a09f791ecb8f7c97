"""The first initialisation of an empty directory, and the SQL accounts.

Works in a scratch directory inside the data directory and moves the finished database into place: an interruption at any
moment leaves an empty directory or a complete one. Joiners never come here, they get everything by state transfer.
"""

from __future__ import annotations

import gzip
import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from galera_operator.agent import disk, options
from galera_operator.agent.process import Mariadbd, forget, run, spawn
from galera_operator.agent.settings import Accounts, Settings
from galera_operator.agent.sql import (
    Client,
    SqlError,
    Unreachable,
    client_arguments,
    client_environment,
    identifier,
    quote,
)
from galera_operator.core.agent_api import MONITOR_USER, sql_password

log = logging.getLogger(__name__)

INSTALL_SECONDS = 300.0
SCRIPT_SECONDS = 3600.0


class InitialisationFailed(Exception):
    """The first initialisation did not finish; nothing of it is in place. Says what failed."""


def initialise(settings: Settings, defaults: Path, stop: threading.Event) -> None:
    """Make the database of a new cluster in an empty directory.

    Raises:
        InitialisationFailed: with the reason.
        InterruptedError: the agent is to stop.
    """
    scratch = disk.fresh_scratch(settings.data_dir)
    shutil.chown(scratch, "mysql", "mysql")
    first, last = options.common_arguments(settings, defaults, scratch)
    env = options.server_environment(os.environ)
    code, output = run(
        ["mariadb-install-db", first[0], "--user=mysql", f"--datadir={scratch}", "--skip-test-db", "--skip-name-resolve",
         "--auth-root-authentication-method=socket", "--auth-root-socket-user=root", *options.plain_arguments()],
        INSTALL_SECONDS, env, stop,
    )  # fmt: skip
    if code != 0:
        raise InitialisationFailed(f"mariadb-install-db ended with {code}: {' | '.join(output.splitlines()[-5:])}")
    server = Mariadbd([*first, *options.plain_arguments(), *last], env, lambda _: None)
    try:
        client = Client(settings.socket, None)
        _wait_for_server(client, server, stop)
        for statement in account_statements(settings.accounts, settings.token):
            client.query(statement, 30)
        run_scripts(settings, stop)
        client.close()
    except SqlError as error:
        raise InitialisationFailed(str(error)) from error
    finally:
        server.terminate()
        if server.wait(60) is None:
            server.signal_all(signal.SIGKILL)
            server.wait(10)
    if server.poll() != 0:
        raise InitialisationFailed(f"the server for the first initialisation ended with {server.poll()}: {server.last_words}")
    disk.finish_scratch(settings.data_dir)


def account_statements(accounts: Accounts, token: str | None) -> list[str]:
    """What a new database gets: root, the user's database and account, the agent's own accounts."""
    made = own_account_statements(token)
    if accounts.root_password is not None:
        password = quote(accounts.root_password)
        made.append(f"ALTER USER root@localhost IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD({password})")
        host = quote(accounts.root_host)
        made.append(f"CREATE USER IF NOT EXISTS root@{host} IDENTIFIED BY {password}")
        made.append(f"GRANT ALL PRIVILEGES ON *.* TO root@{host} WITH GRANT OPTION")
    if accounts.database:
        made.append(f"CREATE DATABASE IF NOT EXISTS {identifier(accounts.database)}")
    if accounts.user and accounts.password:
        user = quote(accounts.user)
        made.append(f"CREATE USER IF NOT EXISTS {user}@'%' IDENTIFIED BY {quote(accounts.password)}")
        if accounts.database:
            pattern = accounts.database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
            made.append(f"GRANT ALL PRIVILEGES ON {identifier(pattern)}.* TO {user}@'%'")
    return made


def own_account_statements(token: str | None) -> list[str]:
    """The agent's accounts with only what they use; repeatable, so a new token takes effect at the next bootstrap."""
    made = [
        # The donor's mariadb-backup comes as the operating system's user mysql; the socket proves it, so no password exists.
        "CREATE USER IF NOT EXISTS mysql@localhost IDENTIFIED VIA unix_socket",
        "ALTER USER mysql@localhost IDENTIFIED VIA unix_socket",
        "REVOKE ALL PRIVILEGES, GRANT OPTION FROM mysql@localhost",
        "GRANT RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR ON *.* TO mysql@localhost",
    ]
    if token is not None:
        password = quote(sql_password(token, MONITOR_USER))
        made += [
            # Status and variables need no privilege; who is in the component the operator learns from the agents.
            f"CREATE USER IF NOT EXISTS {MONITOR_USER}@'%' IDENTIFIED BY {password} WITH MAX_USER_CONNECTIONS 10",
            f"ALTER USER {MONITOR_USER}@'%' IDENTIFIED BY {password} WITH MAX_USER_CONNECTIONS 10",
        ]
    return made


def run_scripts(settings: Settings, stop: threading.Event) -> None:
    """Run ``/docker-entrypoint-initdb.d`` in the order of names, as the official image does: .sql, .sql.gz, .sh."""
    if not settings.init_dir.is_dir():
        return
    for path in sorted(settings.init_dir.iterdir()):
        if path.name.endswith((".sql", ".sql.gz")):
            log.info("first initialisation: %s", path)
            text = path.read_bytes()
            _feed(settings, gzip.decompress(text) if path.suffix == ".gz" else text, path, stop)
        elif path.name.endswith(".sh"):
            log.info("first initialisation: %s", path)
            code, output = run(["bash", str(path)], SCRIPT_SECONDS, _script_environment(settings), stop)
            if code != 0:
                raise InitialisationFailed(f"{path} ended with {code}: {' | '.join(output.splitlines()[-3:])}")


def _feed(settings: Settings, text: bytes, path: Path, stop: threading.Event) -> None:
    database = [f"--database={settings.accounts.database}"] if settings.accounts.database else []
    child = spawn(
        client_arguments(settings.socket, *database),
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=client_environment(settings.accounts.root_password), start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + SCRIPT_SECONDS
    data: bytes | None = text
    try:
        while True:
            try:
                _, errors = child.communicate(data, 0.5)
                break
            except subprocess.TimeoutExpired:
                data = None  # communicate() goes on with what it was given first
                if stop.is_set() or time.monotonic() > deadline:
                    raise InitialisationFailed(f"{path} was not finished when the agent had to stop") from None
    finally:
        if child.poll() is None:
            child.kill()
            child.wait(5)
        forget(child)
    if child.returncode != 0:
        raise InitialisationFailed(f"{path}: {errors.decode(errors='replace').strip()[:300]}")


def _script_environment(settings: Settings) -> dict[str, str]:
    """Scripts of users expect the environment of the official image, and the client to find the socket."""
    return dict(os.environ) | {"MYSQL_UNIX_PORT": str(settings.socket), "SOCKET": str(settings.socket)}


def _wait_for_server(client: Client, server: Mariadbd, stop: threading.Event) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            client.query("SELECT 1")
        except Unreachable as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise InitialisationFailed(f"the server did not start: {server.last_words}") from error
            if stop.wait(0.05):
                raise InterruptedError("the agent is to stop") from error
        else:
            return


def ensure_own_accounts(client: Client, token: str | None) -> str:
    """Make the agent's and the operator's accounts right where they are not (a new token), on a running server.

    Replicated like any statement, so one member does it for all. Returns why it failed, empty if it did not.
    """
    password = quote(sql_password(token, MONITOR_USER)) if token else "NULL"
    is_right = (
        f"SELECT COUNT(*) FROM mysql.user WHERE User = '{MONITOR_USER}' AND Host = '%' "  # noqa: S608 - quoted above
        f"AND authentication_string = PASSWORD({password})"
    )
    try:
        if token is None or client.query(is_right)[0][0] == "1":
            return ""
        log.info("setting the SQL accounts of the agent and the operator: the token is a new one")
        for statement in ("SET SESSION wsrep_on=ON", *own_account_statements(token), "SET SESSION wsrep_on=OFF"):
            client.query(statement, 10)
    except SqlError as error:
        client.close()  # not to go on with wsrep_on
        return str(error)
    return ""
