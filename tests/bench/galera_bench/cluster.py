"""One system under test, deployed in the sandbox: its members as they tell it themselves, its clients, and what is done to it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pymysql
from deployment import Deployment
from faults.containers import Container, Containers, in_network_of, send
from faults.logs import Logs

from galera_bench.systems import System
from galera_operator.demo import verify
from galera_operator.demo.client import SCHEMA
from galera_operator.demo.load_process import LoadProcess
from galera_operator.demo.swarm import Eyes, NotAnswered
from galera_operator.sandbox.api import Sandbox
from galera_operator.sandbox.waiting import NotYet, wait_until

STACK = "bench"
WATCHER, LOAD_USER = "bench_watch", "demo"
PASSWORD = "only-in-the-sandbox"
FILLER_ROWS = 32_000
"""Rows of 1 kB: what a state transfer has to carry besides an empty database."""

CONNECTIONS, RATE, READS = 16, 40.0, 0.5

DATA_SQL = f"""{SCHEMA}
CREATE USER IF NOT EXISTS {LOAD_USER}@'%' IDENTIFIED BY '{PASSWORD}';
GRANT SELECT, INSERT, UPDATE ON demo.* TO {LOAD_USER}@'%';
CREATE USER IF NOT EXISTS {WATCHER}@'%' IDENTIFIED BY '{PASSWORD}';
GRANT SELECT ON demo.* TO {WATCHER}@'%';
CREATE TABLE IF NOT EXISTS demo.filler (id INT PRIMARY KEY, bytes VARBINARY(1024)) ENGINE=InnoDB;
USE demo;
INSERT INTO demo.filler SELECT seq, RANDOM_BYTES(1024) FROM seq_1_to_{FILLER_ROWS};
CREATE DATABASE IF NOT EXISTS sbtest;
GRANT ALL ON sbtest.* TO {LOAD_USER}@'%';
"""

_WSREP = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_local_state_comment', 'wsrep_cluster_status', 'wsrep_cluster_size', "
    "'wsrep_cluster_state_uuid')"
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a member's database says of itself."""

    state: str
    status: str
    size: int
    uuid: str


class Bench:
    """A system in the sandbox, as stack `bench`."""

    def __init__(self, sandbox: Sandbox, system: System) -> None:
        self.sandbox, self.system = sandbox, system
        self.deployment = Deployment(sandbox, STACK)
        self.containers = Containers(sandbox.layout, len(sandbox.nodes))
        self.logs = Logs(self.containers)
        self.database, self.operator = self.deployment.database, self.deployment.operator
        self._eyes = Eyes(sandbox.nodes[0].socket)
        self._hosts_file = sandbox.layout.run / "bench-resolv.conf"

    # -- life ---------------------------------------------------------------------------------------------------------

    def deploy(self, members: int) -> None:
        """From nothing to so many members in service."""
        if self.system.has_operator:
            self.deployment.make_secrets("galera_token", "galera_root_password")
        data = self.sandbox.layout.run / "bench.sql"
        data.write_text(DATA_SQL)
        self._hosts_file.write_text("nameserver 127.0.0.11\noptions timeout:1 attempts:3\n")
        self.deployment.deploy(*self.system.files, BENCH_SQL=str(data))
        self.wait_whole(1, 120)
        wait_until(self._data_is_there, 60, "the data of the load", ignoring=(pymysql.Error, OSError, LookupError))
        if members > 1:
            self.scale(members)
            self.wait_whole(members, 180)
        wait_until(self._lets_in, 60, "a client to be let in", every=0.2, ignoring=(pymysql.Error, OSError, LookupError))

    def remove(self) -> None:
        self.deployment.remove()

    def scale(self, members: int) -> None:
        """As this system's user does it."""
        if self.system.has_operator:
            self.deployment.label(replicas=str(members))
        else:
            self.deployment.docker("service", "scale", "--detach", f"{self.database}={members}")

    def restart(self) -> None:
        """A rolling restart of all members, as Swarm does it."""
        self.deployment.docker("service", "update", "--detach", "--no-resolve-image", "--force", self.database)

    # -- the members --------------------------------------------------------------------------------------------------

    def members(self) -> list[Container]:
        return self.containers.running(self.database)

    def say(self) -> dict[str, Said | None]:
        """What each running member says, by container; None: no answer."""
        running = self.members()
        with ThreadPoolExecutor(max(1, len(running))) as pool:
            return dict(zip((one.id for one in running), pool.map(self._ask, running), strict=True))

    def whole(self, members: int) -> bool | NotYet:
        """So many tasks that Swarm has in service and none besides; each says Synced in one Primary component of that size."""
        seen = self._eyes.service(self.database)
        if not seen.replicas == len(seen.tasks) == len(seen.serving) == members:
            return NotYet(f"{seen}")
        said = self.say()
        if len(said) != members or None in said.values():
            return NotYet(said)
        told = {one for one in said.values() if one}
        good = len(told) == 1 and all(one.state == "Synced" and one.status == "Primary" and one.size == members for one in told)
        return good or NotYet(said)

    def wait_whole(self, members: int, within: float) -> None:
        """Raises NotInTime with what was seen last."""
        wait_until(lambda: self.whole(members), within, f"{members} whole members", every=0.25, ignoring=(NotAnswered,))

    def missing(self, acknowledged: set[verify.Row], run: int) -> dict[str, int | None]:
        """How many acknowledged writes each running member lacks, by a short name; None: it does not answer."""

        def lacks(member: Container) -> int | None:
            try:
                text = self._query(member, verify.query(run), "SET SESSION wsrep_sync_wait = 1")
            except (pymysql.Error, OSError, LookupError):
                return None
            return len(acknowledged - {(int(worker), int(seq)) for worker, seq in text})

        return {f"slot {member.slot}": lacks(member) for member in self.members()}

    def kill(self, member: Container) -> None:
        send(member.pids, signal.SIGKILL)

    def freeze(self, member: Container) -> None:
        send(member.pids, signal.SIGSTOP)

    def thaw(self, member: Container) -> None:
        send(member.pids, signal.SIGCONT)

    # -- the clients --------------------------------------------------------------------------------------------------

    def load(self, run: int, attempts: Path, *, port: int = 3306, reads: float = READS, rate: float = RATE) -> LoadProcess:
        """The open-loop load, in the network of a container beside the database, where names are Swarm's."""
        arguments = ["--port", str(port), "--run", str(run), "--connections", str(CONNECTIONS), "--rate", str(rate)]
        arguments += ["--reads", str(reads), "--keep-all", "--seconds-max", "300", "--attempts", str(attempts)]
        return LoadProcess([self.system.entry], PASSWORD, enter=self.enter(), arguments=arguments)

    def enter(self) -> Sequence[str]:
        """What to put before a command so that it runs as a client of the database."""
        pid = self.client_pid()
        mount = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        isolate = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, str(self._hosts_file)]
        return ["nsenter", f"--net=/proc/{pid}/ns/net", *isolate]

    def client_pid(self) -> int:
        """A process of the clients' container. Raises LookupError when it does not run."""
        for one in self.containers.running(f"{STACK}_client"):
            return one.pids[0]
        raise LookupError("the clients' container does not run")

    def address(self, service: str) -> list[str]:
        """Addresses of a service's running containers on the stack's network."""
        return [self.containers.address(one) for one in self.containers.running(service)]

    # -- inside -------------------------------------------------------------------------------------------------------

    def _lets_in(self) -> bool:
        service = self.database if self.system.entry.endswith("dbcluster") else f"{STACK}_proxy"
        for address in self.address(service):
            in_network_of(self.client_pid(), lambda host=address: _connect(host, LOAD_USER, 3.0).close())
        return True

    def _data_is_there(self) -> bool | NotYet:
        rows = self._query(self.members()[0], "SELECT COUNT(*) FROM demo.filler")
        return rows == [(FILLER_ROWS,)] or NotYet(rows)

    def _ask(self, member: Container) -> Said | None:
        try:
            told = {str(name).lower(): str(value) for name, value in self._query(member, _WSREP)}
            return Said(
                told["wsrep_local_state_comment"],
                told["wsrep_cluster_status"],
                int(told["wsrep_cluster_size"]),
                told["wsrep_cluster_state_uuid"],
            )
        except (pymysql.Error, OSError, KeyError, IndexError):
            return None

    def _query(self, member: Container, *statements: str) -> list[tuple[object, ...]]:
        """Rows of the first statement; the others are run before it."""

        def work() -> list[tuple[object, ...]]:
            connection = _connect("127.0.0.1", WATCHER, 3.0)
            try:
                with connection.cursor() as cursor:
                    for statement in (*statements[1:], statements[0]):
                        cursor.execute(statement)
                    return list(cursor.fetchall())
            finally:
                connection.close()

        return in_network_of(member.pids[0], work)


def _connect(host: str, user: str, patience: float) -> pymysql.connections.Connection:
    return pymysql.connect(
        host=host,
        port=3306,
        user=user,
        password=PASSWORD,
        connect_timeout=patience,
        read_timeout=patience * 5,
        write_timeout=patience,
        autocommit=True,
        ssl_disabled=True,
    )


def now() -> float:
    """Seconds since the epoch, the clock of the engines' logs."""
    return time.time()


def quiet() -> bool:
    """Whether this machine has little else to do; a measurement beside other work says so."""
    return os.getloadavg()[0] < 1.5
