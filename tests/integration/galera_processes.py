"""Real agents with real mariadbd and Galera on loopback: each member has an address of its own in 127.0.0.0/8.

No container and no namespace: the agents bind to their own address (`GALERA_BIND_ADDRESS`), so the fixed ports work for all.
Needs Debian's mariadb-server, galera-4 and mariadb-backup, and root (mariadbd runs as the user mysql).
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pymysql
from pymysql.connections import Connection

from galera_operator.core.agent_api import PATHS, Admit, AgentStatus, Command, Drain, Grant, Stage, command_to_json

TOKEN = "token-of-the-tests"
ROOT_PASSWORD = "root's \\ password"
USER, PASSWORD, DATABASE = "app", "app'password", "app"
OPERATOR = Path(__file__).parents[2] / "operator"
PATH_OF = {kind: path for path, kind in PATHS.items()}

T = TypeVar("T")


def wait_for(what: str, probe: Callable[[], T | None], seconds: float = 30.0, seen: Callable[[], object] = lambda: "") -> T:
    """Wait until `probe` returns something true and return it; on the deadline say what `seen` says."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:.0f} s; seen: {seen()}")
        time.sleep(0.02)  # between two looks, never instead of one


@dataclass
class Member:
    """One member: a data directory that outlives its agents, and at most one agent at a time."""

    slot: int
    address: str
    home: Path
    environ: dict[str, str]
    agent: subprocess.Popen[bytes] | None = None
    starts: int = 0
    logs: list[Path] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"db.{self.slot}"

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> str:
        return self.logs[-1].read_text(errors="replace") if self.logs else ""

    def start(self, *arguments: str, **environ: str) -> Member:
        """Start an agent on this member's directory, and wait until it answers on HTTP."""
        self.launch(*arguments, **environ)
        wait_for(f"{self.name} answers", lambda: self.answers() or self.exit_code is not None, 15, lambda: self.log[-2000:])
        return self

    def launch(self, *arguments: str, before: Sequence[str] = (), **environ: str) -> None:
        """Start an agent and do not wait. `before`: a command that is to start it."""
        assert self.agent is None or self.agent.poll() is not None, f"{self.name} already has an agent"
        self.starts += 1
        self.logs.append(self.home / f"agent-{self.starts}.log")
        with self.logs[-1].open("wb") as log:
            self.agent = subprocess.Popen(
                [*before, sys.executable, "-m", "galera_operator.agent", *arguments],
                env=self.environ | environ,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    @property
    def exit_code(self) -> int | None:
        assert self.agent is not None
        return self.agent.poll()

    def wait_exit(self, seconds: float = 30.0) -> int:
        wait_for(f"{self.name}'s agent ends", lambda: self.exit_code is not None, seconds, lambda: self.log[-2000:])
        code = self.exit_code
        assert code is not None
        return code

    def sigterm(self) -> None:
        assert self.agent is not None
        self.agent.send_signal(signal.SIGTERM)

    def mariadbd(self) -> int:
        """The process id of this member's mariadbd."""
        return wait_for(f"{self.name} has a mariadbd", lambda: next(iter(self.processes()), 0))

    def processes(self, text: str = "mariadbd") -> list[int]:
        """Processes that work on this member's directory and have `text` in their command line."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except (OSError, NotADirectoryError):
                continue  # ended meanwhile, or no process
            if str(self.data) in " ".join(command) and text in " ".join(command[:2]):
                found.append(int(entry.name))
        return sorted(found)

    # HTTP -------------------------------------------------------------------------------------------------------------

    def http(
        self, method: str, path: str, body: str | None = None, token: str | None = None, seconds: float = 10
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.address, 9200, timeout=seconds)
        try:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def code(self, path: str) -> int:
        """The HTTP status of one of the proxy's paths; 0 where nobody answers."""
        try:
            return self.http("GET", path)[0]
        except OSError:
            return 0

    def answers(self) -> bool:
        return self.code("/status") == http.client.OK

    def status(self) -> AgentStatus:
        """What the agent says; asked without a token, so that it is no sign of an operator."""
        return AgentStatus.from_json(self.http("GET", "/status")[1])

    def send(self, command: Command, token: str = TOKEN) -> tuple[int, str]:
        return self.http("POST", PATH_OF[type(command)], command_to_json(command), token)

    def haproxy(self, line: bytes = b"") -> str:
        """One agent-check."""
        with socket.create_connection((self.address, 9201), 5) as connection:
            connection.sendall(line)
            return connection.makefile().readline()

    # What the operator does -------------------------------------------------------------------------------------------

    def grant(self, epoch: int = 1, history: str = "") -> tuple[int, str]:
        """Grant a bootstrap with the premise that the member itself tells."""
        now = self.wait_stage(Stage.WAITING)
        return self.send(Grant(epoch, now.incarnation, self.address, now.position, (), history=history))

    def admit(self, epoch: int = 1, drain_seconds: float = 20.0, token: str = TOKEN) -> tuple[int, str]:
        return self.send(Admit(epoch, self.status().incarnation, drain_seconds, allow_donor=False), token)

    def drain(self, seconds: float, epoch: int = 1) -> tuple[int, str]:
        return self.send(Drain(epoch, self.status().incarnation, seconds))

    def wait_stage(self, *stages: Stage, seconds: float = 40.0) -> AgentStatus:
        def probe() -> AgentStatus | None:
            assert self.exit_code is None, f"{self.name} ended with {self.exit_code}: {self.log[-3000:]}"
            try:
                now = self.status()
            except OSError:
                return None  # it ends: the next look says how
            return now if now.stage in stages else None

        return wait_for(f"{self.name} is {' or '.join(stages)}", probe, seconds, lambda: self.log[-3000:])

    def wait_code(self, path: str, code: int, seconds: float = 10.0) -> None:
        wait_for(f"{self.name}{path} is {code}", lambda: self.code(path) == code, seconds, lambda: self.http("GET", path))

    # SQL --------------------------------------------------------------------------------------------------------------

    def connect(self, user: str = USER, password: str = PASSWORD, **options: Any) -> Connection[Any]:
        return pymysql.connect(
            host=self.address, user=user, password=password, connect_timeout=5, read_timeout=20, write_timeout=20, **options
        )

    def query(self, sql: str, user: str = USER, password: str = PASSWORD) -> list[tuple[Any, ...]]:
        with self.connect(user, password, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())


class Cluster:
    """Members on loopback, gone without a trace at the end."""

    def __init__(self) -> None:
        # Not pytest's tmp_path: nobody but root gets through to that, and mariadbd runs as mysql.
        self.home = Path(tempfile.mkdtemp(prefix="galera-test-"))
        self.home.chmod(0o755)
        self.network = f"127.{100 + os.getpid() % 100}.{os.getpid() // 100 % 250}"
        self.members: dict[int, Member] = {}

    def member(self, slot: int) -> Member:
        if slot not in self.members:
            home = self.home / f"member{slot}"
            (home / "conf").mkdir(parents=True)
            (home / "token").write_text(TOKEN + "\n")
            address = f"{self.network}.{slot}"
            # The transfer scripts may listen on every address of the machine: a port of its own keeps clusters apart.
            transfer = f"wsrep_sst_receive_address={address}:{10000 + os.getpid() % 2000 * 10 + slot}"
            # And a tmpdir of its own: a mariadbd that starts deletes the temporary tables in its tmpdir, whosesoever they are.
            (home / "tmp").mkdir()
            shutil.chown(home / "tmp", "mysql", "mysql")
            small = f"innodb_log_file_size=8M\ninnodb_buffer_pool_size=32M\ntmpdir={home / 'tmp'}"
            (home / "conf" / "small.cnf").write_text(f"[mariadbd]\n{small}\n{transfer}\n")
            # Several clusters share two cores here: a member that got none of them for 2 s is not dead.
            patient = "evs.suspect_timeout=PT5S;evs.inactive_timeout=PT10S"
            (home / "conf" / "0-patient.cnf").write_text(f"[mariadbd]\nwsrep_provider_options='{patient}'\n")
            self.members[slot] = Member(slot, address, home, self._environ(slot, home))
        return self.members[slot]

    def _environ(self, slot: int, home: Path) -> dict[str, str]:
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": str(OPERATOR),
            "PYTHONUNBUFFERED": "1",
            "GALERA_SERVICE": "db",
            "GALERA_SLOT": str(slot),
            "GALERA_DATA_DIR": str(home / "data"),
            "GALERA_RUN_DIR": str(home / "run"),
            "GALERA_CONF_DIR": str(home / "conf"),
            "GALERA_INIT_DIR": str(home / "initdb"),
            "GALERA_TOKEN_FILE": str(home / "token"),
            "GALERA_BIND_ADDRESS": f"{self.network}.{slot}",
            "GALERA_PEERS": " ".join(f"{self.network}.{n}" for n in range(1, 4)),
            "GALERA_GCACHE_SIZE": "16M",
            "GALERA_PROXY_NOTICE": "0.5",
            "MARIADB_ROOT_PASSWORD": ROOT_PASSWORD,
            "MARIADB_DATABASE": DATABASE,
            "MARIADB_USER": USER,
            "MARIADB_PASSWORD": PASSWORD,
        }

    def bootstrap(self, slot: int = 1, **environ: str) -> Member:
        """Start the first member, grant it, wait until it is Synced, admit it."""
        member = self.member(slot).start(**environ)
        assert member.grant()[0] == http.client.OK
        member.wait_stage(Stage.RUNNING)
        assert member.admit()[0] == http.client.OK
        return member

    def join(self, slot: int, **environ: str) -> Member:
        """Start another member, wait until it is Synced, admit it."""
        member = self.member(slot).start(**environ)
        member.wait_stage(Stage.RUNNING)
        assert member.admit()[0] == http.client.OK
        return member

    def destroy(self) -> None:
        """End every agent, then whatever of theirs is left, each by its process id."""
        for member in self.members.values():
            if member.agent is not None and member.agent.poll() is None:
                member.agent.kill()
                member.agent.wait(10)
            for process in member.processes(""):
                with contextlib.suppress(ProcessLookupError):  # it ended by itself meanwhile
                    os.kill(process, signal.SIGKILL)
        wait_for("every process is gone", lambda: not any(member.processes("") for member in self.members.values()))
        if "KEEP" not in os.environ:
            shutil.rmtree(self.home)
