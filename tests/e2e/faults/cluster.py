"""The deployed cluster under test: who is who, what each member says itself, and ways to hurt it."""

from __future__ import annotations

import http.client
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pymysql
from deployment import CHARTS, Deployment

from faults import probe
from faults.containers import Container, Containers, in_network_of
from faults.logs import Logs
from galera_operator.core.agent_api import HTTP_PORT, Admission, AgentStatus, Stage
from galera_operator.demo.client import SCHEMA
from galera_operator.sandbox.api import Sandbox
from galera_operator.sandbox.errors import CommandFailed
from galera_operator.sandbox.waiting import NotYet, wait_until

MEMBERS = 3
FILES = (CHARTS / "galera" / "stack.yml", Path(__file__).with_name("stack.yml"))
FILLER_ROWS = 180_000
"""Rows of 1 kB that no compression makes smaller: enough for a state transfer to last a few seconds."""


class Cluster:
    """Stack `db` with three members, three proxies and an operator."""

    def __init__(self, sandbox: Sandbox, filler: int = FILLER_ROWS) -> None:
        self.sandbox = sandbox
        self.filler = filler
        self.deployment = Deployment(sandbox, "db")
        self.containers = Containers(sandbox.layout, len(sandbox.nodes))
        self.logs = Logs(self.containers)
        self.password = secrets.token_hex(16)
        self.database, self.operator, self.proxy = self.deployment.database, self.deployment.operator, "db_proxy"

    def deploy(self) -> None:
        """From the stack files to three members in service with data; the first member gets the data before it is copied."""
        deployment = self.deployment
        deployment.make_secrets("galera_token", "galera_root_password")
        deployment.deploy(*FILES, GALERA_WISH="1")
        wait_until(lambda: self.whole(1), 120, "the first member", ignoring=(LookupError,))
        self.sql(1, self._data(), timeout=120)
        deployment.label(replicas=str(MEMBERS))
        self.wait_whole(180)

    def start_over(self) -> None:
        """Bring every node back, remove the stack with its data, deploy it anew."""
        for node in self.sandbox.nodes:
            if node.pid is None:
                self.sandbox.start_node(node.index)
        self.deployment.remove()
        self.deploy()

    @contextmanager
    def without_operator(self) -> Iterator[None]:
        """Nobody but the test acts while the block runs."""
        self._scale_operator(0)
        try:
            yield
        finally:
            self._scale_operator(1)

    def _scale_operator(self, replicas: int) -> None:
        self.deployment.docker("service", "scale", "--detach", f"{self.operator}={replicas}")
        count = f"{replicas} operators"
        wait_until(lambda: len(self.containers.running(self.operator)) == replicas, 30, count, every=0.1)

    def _data(self) -> str:
        return f"""{SCHEMA} {probe.SCHEMA};
            CREATE USER IF NOT EXISTS {probe.USER}@'%' IDENTIFIED BY '{self.password}';
            GRANT SELECT, INSERT, UPDATE ON demo.* TO {probe.USER}@'%';
            CREATE TABLE IF NOT EXISTS demo.filler (id INT PRIMARY KEY, bytes VARBINARY(1024)) ENGINE=InnoDB;
            USE demo; INSERT INTO demo.filler SELECT seq, RANDOM_BYTES(1024) FROM seq_1_to_{self.filler};"""

    # -- who is who ---------------------------------------------------------------------------------------------------

    def member(self, slot: int) -> Container:
        """Raises LookupError when this slot has no running container."""
        for one in self.containers.running(self.database):
            if one.slot == slot:
                return one
        raise LookupError(f"no container of {self.database} slot {slot} runs")

    def writer(self) -> Container:
        """The member that its own agent and most others call the writer."""
        said = self.statuses()
        names = [status.writer for status in said.values() if status]
        name = max(names, key=names.count)
        return self.member(next(slot for slot, status in said.items() if status and status.name == name))

    def readers(self) -> list[Container]:
        writer = self.writer()
        return [one for one in self.containers.running(self.database) if one.slot != writer.slot]

    def managers(self) -> dict[str, bool]:
        """Each node's host name, and whether it leads the Swarm.

        While the managers elect a leader they do not answer, or name none.
        """

        def listed() -> list[str] | NotYet:
            told = self.deployment.docker("node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}").splitlines()
            return told if any(line.endswith(" Leader") for line in told) else NotYet(told)

        told = wait_until(listed, 60, "the managers to have a leader", every=0.5, ignoring=(CommandFailed,))
        return {line.split()[0]: line.split()[-1] == "Leader" for line in told}

    def hosts(self, without: Sequence[int] = ()) -> list[str]:
        """Addresses of the proxies, but for those on some nodes."""
        return [node.address for node in self.sandbox.nodes if node.index not in without]

    # -- what they say ------------------------------------------------------------------------------------------------

    def statuses(self) -> dict[int, AgentStatus | None]:
        """Each running member's agent, by slot, asked on its own loopback: it answers also while its node is cut off."""
        running = self.containers.running(self.database)
        with ThreadPoolExecutor(max(1, len(running))) as pool:
            return dict(zip((one.slot for one in running), pool.map(self.status, running), strict=True))

    def status(self, member: Container) -> AgentStatus | None:
        """None: no answer."""
        try:
            return in_network_of(member.pids[0], _ask)
        except (OSError, http.client.HTTPException, ValueError, IndexError):
            return None

    def sql(self, slot: int, statements: str, timeout: float = 60) -> str:
        """As root in a member's container; rows come as lines with tabs."""
        one = self.member(slot)
        command = ("exec", one.id, "mariadb", "--batch", "--skip-column-names", "--execute", statements)
        return self.sandbox.docker(one.node, *command, timeout=timeout)

    def sql_everywhere(self, statements: str, timeout: float = 60) -> dict[int, str]:
        """The same on every member that runs, at the same time."""
        slots = [one.slot for one in self.containers.running(self.database)]
        with ThreadPoolExecutor(max(1, len(slots))) as pool:
            return dict(zip(slots, pool.map(lambda slot: self.sql(slot, statements, timeout), slots), strict=True))

    # -- whole or not -------------------------------------------------------------------------------------------------

    def whole(self, members: int = MEMBERS) -> dict[int, AgentStatus] | NotYet:
        """Every wished member is Synced in one view of that size and admitted, and nobody else runs; by their own words."""
        said = self.statuses()
        if sorted(said) != list(range(1, members + 1)):
            return NotYet(f"members run in slots {sorted(said)}")
        lacking = [f"slot {slot}: {why}" for slot, one in said.items() if (why := _lacks(one, members))]
        views = {(one.wsrep.state_uuid, one.wsrep.conf_id) for one in said.values() if one and one.wsrep}
        if lacking or len(views) != 1:
            return NotYet("; ".join(lacking) or f"views {views}")
        proxies = len({one.node for one in self.containers.running(self.proxy)})
        if proxies != len(self.sandbox.nodes):
            return NotYet(f"{proxies} proxies run")
        return {slot: one for slot, one in said.items() if one}

    def as_wished(self) -> bool | NotYet:
        """Whether the operator has nothing left to do."""
        word = self.logs.last_word(self.operator)
        return (word is not None and word.text.startswith("as wished")) or NotYet(f"the operator says {word}")

    def wait_whole(self, within: float) -> None:
        """Wait until members and operator agree that all is well, and each proxy lets a new connection in."""
        wait_until(lambda: (self.whole() and self.as_wished()) or NotYet(self.trouble()), within, "a whole cluster", every=0.2)
        wait_until(self._doors_open, 30, "every proxy to let a client in", every=0.2, ignoring=(pymysql.Error, OSError))

    def trouble(self) -> str:
        """What is missing to a whole cluster, in words."""
        return f"members: {self.whole()}; operator: {self.as_wished()}"

    def _doors_open(self) -> bool:
        for host in self.hosts():
            probe.connect(host, self.password, 2.0).close()
        return True


def _lacks(status: AgentStatus | None, members: int) -> str:
    """What this member lacks to be in full service, in words; empty: nothing."""
    if status is None:
        return "its agent does not answer"
    wsrep = status.wsrep
    if status.stage is not Stage.RUNNING or wsrep is None:
        return f"{status.stage}: {status.note}"
    if not wsrep.is_synced or wsrep.cluster_size != members:
        return f"{wsrep.in_words}, size {wsrep.cluster_size}"
    return "not admitted" if status.admission is Admission.NONE else ""


def _ask() -> AgentStatus:
    connection = http.client.HTTPConnection("127.0.0.1", HTTP_PORT, timeout=1.0)
    try:
        connection.request("GET", "/status")
        return AgentStatus.from_json(connection.getresponse().read())
    finally:
        connection.close()
