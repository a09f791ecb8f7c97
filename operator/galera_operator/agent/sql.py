"""SQL without a driver: the `mariadb` client as a coprocess on the unix socket.

One client process per `Client`, kept open: a new one for each look would cost more than the look. Every query has a
deadline; a client that misses it is killed and started anew with the next query.
"""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from galera_operator.agent.process import forget, spawn

_END = "galera-operator-end"
_LIMIT = 4 << 20


class SqlError(Exception):
    """The server refused a statement, or did not answer in time. Holds the server's words, never the statement."""


class Unreachable(SqlError):
    """No server listens on the socket."""


class NoAnswer(SqlError):
    """The server took the statement and may still be at it."""


class Client:
    """A persistent session as root. Threads take turns: two queries at once wait for each other."""

    def __init__(self, socket_path: Path, root_password: str | None, setup: str = "") -> None:
        """`setup`: statements for each new session, separated by ';'. The password goes through the environment."""
        self._socket = socket_path
        self._password = root_password
        self._setup = f"SET SESSION sql_mode='';{setup}"
        self._child: subprocess.Popen[bytes] | None = None
        self._pending = b""
        self._number = 0
        self._turn = threading.Lock()

    def query(self, sql: str, timeout: float = 2.0) -> list[list[str]]:
        """Run one statement, or a compound one, and return its rows as text (NULL as ``NULL``).

        Raises:
            Unreachable: nobody listens.
            SqlError: the server's error, or no answer within `timeout` seconds.
        """
        with self._turn:
            return self._query(sql, timeout)

    def _query(self, sql: str, timeout: float) -> list[list[str]]:
        deadline = time.monotonic() + timeout
        try:
            if self._child is None or self._child.poll() is not None:
                self._connect(deadline)
            return self._exchange(sql, deadline)
        except (TimeoutError, OSError) as error:
            self._end()
            if isinstance(error, ConnectionError | FileNotFoundError):
                raise Unreachable(f"mariadbd does not listen on {self._socket}") from error
            raise NoAnswer(f"mariadbd did not answer within {timeout:.1f} s: {error}") from error

    def close(self) -> None:
        """End the client process, also in the middle of another thread's query, which then fails."""
        child = self._child
        if child is not None and child.poll() is None:
            child.kill()

    def _end(self) -> None:
        child, self._child, self._pending = self._child, None, b""
        if child is None:
            return
        if child.poll() is None:
            child.kill()
            child.wait(5)
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()
        forget(child)

    def _connect(self, deadline: float) -> None:
        self._end()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:  # a client process only when it can succeed
            probe.settimeout(max(0.01, deadline - time.monotonic()))
            probe.connect(str(self._socket))
        self._child = spawn(
            client_arguments(self._socket, "--batch", "--unbuffered", "--skip-column-names", "--force", "--skip-reconnect"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=client_environment(self._password),
            bufsize=0,
            start_new_session=True,
        )
        for statement in filter(None, (part.strip() for part in self._setup.split(";"))):
            self._exchange(statement, deadline)

    def _exchange(self, sql: str, deadline: float) -> list[list[str]]:
        self._number += 1
        end = f"{_END}-{self._number}"
        self._write(f"delimiter //\n{sql}\n//\nSELECT '{end}'//\n".encode(), deadline)
        lines: list[str] = []
        while (line := self._line(deadline)) != end:
            lines.append(line)
        errors = [line for line in lines if line.startswith("ERROR ")]
        if errors:
            raise SqlError(re.sub(r" at line \d+", "", errors[0]))  # the line of this client's whole life
        return [line.split("\t") for line in lines]

    def _write(self, data: bytes, deadline: float) -> None:
        assert self._child is not None
        assert self._child.stdin is not None
        fd = self._child.stdin.fileno()
        while data:
            _, writable, _ = select.select([], [fd], [], max(0.0, deadline - time.monotonic()))
            if not writable:
                raise TimeoutError("the client takes no more input")
            data = data[os.write(fd, data[: select.PIPE_BUF]) :]

    def _line(self, deadline: float) -> str:
        assert self._child is not None
        assert self._child.stdout is not None
        fd = self._child.stdout.fileno()
        while b"\n" not in self._pending:
            readable, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise TimeoutError("no answer")
            chunk = os.read(fd, 65536)
            if not chunk or len(self._pending) > _LIMIT:
                words = self._pending.decode(errors="replace").strip()
                self._end()
                raise NoAnswer(words or "the client ended without a word")
            self._pending += chunk
        raw, _, self._pending = self._pending.partition(b"\n")
        return raw.decode(errors="replace")


def client_arguments(socket_path: Path, *options: str) -> list[str]:
    return ["mariadb", "--no-defaults", f"--socket={socket_path}", "--user=root", "--binary-mode", *options]


def client_environment(root_password: str | None) -> Mapping[str, str]:
    """The client's environment. The agent's own directories know root by the socket's peer, and then ignore the password."""
    env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": "/nonexistent"}
    return env | ({"MYSQL_PWD": root_password} if root_password else {})


def quote(text: str) -> str:
    """Write a string literal for a session whose sql_mode is empty."""
    escapes = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\0": "\\0", "\x1a": "\\Z"}
    return "'" + "".join(escapes.get(char, char) for char in text) + "'"


def identifier(name: str) -> str:
    """Write a quoted identifier."""
    return "`" + name.replace("`", "``") + "`"
