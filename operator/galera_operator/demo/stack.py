"""The stack that the demo runs: the charts as a user would deploy them, and the ways into its containers."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from galera_operator.demo.client import SCHEMA
from galera_operator.demo.swarm import Eyes, NotAnswered, TaskSeen
from galera_operator.sandbox import CommandFailed, Sandbox, commands

REPOSITORY = Path(__file__).parents[3]
CHARTS = (REPOSITORY / "charts/galera/stack.yml", REPOSITORY / "charts/wordpress/stack.yml")

NAME = "wordpress"
DATABASE, PROXY = f"{NAME}_dbcluster", f"{NAME}_proxy"
OPERATOR, WORDPRESS = f"{NAME}_operator", f"{NAME}_wordpress"
WORDPRESS_PORT = 8080
WRITE_PORT = 3306

_FOR_THIS_MACHINE = {
    "version": "3.8",
    "services": {
        "proxy": {"ports": [{"target": 3306, "published": WRITE_PORT, "protocol": "tcp", "mode": "host"}]},
        "dbcluster": {"environment": {"GALERA_GCACHE_SIZE": "64M"}},
    },
}
"""What the demo changes of the charts: the load runs outside of the stack's network, so the proxy publishes its port; and the
three nodes share one disk, which need not take 512 MB of history from each of them for data as small as this."""

_WSREP = "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_local_state_comment','wsrep_cluster_status','wsrep_cluster_size')"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Made anew for each demo."""

    token: str = field(default_factory=lambda: secrets.token_hex(24), repr=False)
    root_password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    wordpress_password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    load_password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)


class Stack:
    """The charts in a sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.secrets = Secrets()
        self.eyes = Eyes(sandbox.nodes[0].socket)
        self._index = {node.name: node.index for node in sandbox.nodes}
        self._address = {node.name: node.address for node in sandbox.nodes}

    def deploy(self) -> None:
        """Make the secrets and deploy the charts. Returns before anything runs.

        Raises:
            CommandFailed: with the error output.
        """
        made = self.secrets
        with tempfile.TemporaryDirectory(prefix="galera-demo-") as folder:  # only its owner may look into it
            for name, value in (
                ("galera_token", made.token),
                ("galera_root_password", made.root_password),
                ("wordpress_db_password", made.wordpress_password),
            ):
                file = Path(folder, name)
                file.write_text(value)
                self.sandbox.docker(1, "secret", "create", name, str(file))
            override = Path(folder, "for-this-machine.yml")
            override.write_text(yaml.safe_dump(_FOR_THIS_MACHINE))
            self.sandbox.deploy(NAME, *CHARTS, override)

    def wish(self, replicas: int) -> None:
        """Write the label, as a user would."""
        self.sandbox.docker(1, "service", "update", "--detach", "--label-add", f"galera.replicas={replicas}", DATABASE)

    def make_load_account(self, member: TaskSeen) -> None:
        """Make the load's table and its user, by root in a member's container."""
        statements = SCHEMA + (
            f"CREATE USER IF NOT EXISTS demo@'%' IDENTIFIED BY '{self.secrets.load_password}';"
            "GRANT SELECT, INSERT, UPDATE ON demo.writes TO demo@'%';"
        )
        self.sql(member, statements)

    def sql(self, member: TaskSeen, statements: str) -> str:
        """Run SQL as root in a member's container, over its socket; rows come as lines with tabs.

        Raises:
            CommandFailed: the client's words.
        """
        return self.inside(member, "mariadb", "--batch", "--skip-column-names", "--execute", statements)

    def inside(self, task: TaskSeen, *command: str, env: Mapping[str, str] | None = None, timeout: float = 60) -> str:
        """Run a command in a task's container.

        Raises:
            CommandFailed: it failed.
        """
        variables = [word for name, value in (env or {}).items() for word in ("--env", f"{name}={value}")]
        return self.sandbox.docker(self._index[task.node], "exec", *variables, task.container, *command, timeout=timeout)

    def disagreement(self, members: tuple[TaskSeen, ...]) -> str | None:
        """Ask each member itself; what one of them says that is not 'Synced, Primary, as many as there are'. None: all well."""
        for member in members:
            try:
                said = dict(line.split("\t") for line in self.sql(member, _WSREP).splitlines())
            except CommandFailed as error:
                return f"{member.title}: {error}"
            wanted = {
                "wsrep_local_state_comment": "Synced",
                "wsrep_cluster_status": "Primary",
                "wsrep_cluster_size": str(len(members)),
            }
            if said != wanted:
                return f"{member.title} says {said}"
        return None

    def status(self) -> str:
        """What `galera-operator status` prints in the operator's container; empty when it cannot be asked."""
        try:
            operator = self.eyes.service(OPERATOR).serving[0]
            return self.inside(operator, "galera-operator", "status", env={"COLUMNS": "130"}, timeout=20)
        except (CommandFailed, NotAnswered, IndexError):
            return ""

    def status_command(self) -> str:
        """The shell command that shows the cluster's state by the running operator's container.

        Raises:
            NotAnswered: the Swarm cannot be asked.
            IndexError: no operator runs.
        """
        operator = self.eyes.service(OPERATOR).serving[0]
        socket = self.sandbox.nodes[self._index[operator.node] - 1].socket
        return f"docker -H {socket} exec -it {operator.container[:12]} galera-operator status --watch"

    def nodes_of(self, service: str) -> list[str]:
        """Addresses of the nodes that run a task of a service, in the order of slots."""
        return list(dict.fromkeys(self._address[task.node] for task in self.eyes.service(service).serving))

    def proxies(self) -> list[str]:
        """Addresses at which the proxies' write port is published."""
        return self.nodes_of(PROXY)

    def pages(self) -> list[str]:
        """The front page of each WordPress replica."""
        return [f"http://{address}:{WORDPRESS_PORT}/" for address in self.nodes_of(WORDPRESS)]

    def diagnose(self) -> str:
        """What a person needs to see when the demo did not get where it wanted to."""
        parts = []
        for arguments in (
            ("service", "ps", "--no-trunc", DATABASE),
            ("service", "ps", PROXY, WORDPRESS, OPERATOR),
            ("service", "logs", "--tail", "40", OPERATOR),
            ("service", "logs", "--tail", "40", DATABASE),
        ):
            try:
                text = self._printed(*arguments)
            except (CommandFailed, OSError) as error:
                text = str(error)
            parts.append(f"$ docker {' '.join(arguments)}\n{text.strip()}")
        return "\n\n".join(parts)

    def _printed(self, *arguments: str) -> str:
        """Both outputs of a docker command: a service's log comes on the one that the service wrote it to."""
        command = [commands.docker_command(), "-H", self.sandbox.nodes[0].socket, *arguments]
        done = commands.run(command, check=False, timeout=20)
        return done.stdout + done.stderr
