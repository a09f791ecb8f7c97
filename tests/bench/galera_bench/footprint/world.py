"""The simulated clusters: calm, whole, as wished; and how long the operator's looks at them take."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from galera_operator.core.agent_api import Admission, AgentStatus, Stage, Wsrep
from galera_operator.core.position import Directory, Position

UUID = "6f2c1f3e-7d53-11ee-9b4a-0242ac120002"
NETWORK = "net0"


@dataclass
class Round:
    """One look at one cluster, as its members see it: which of their ports were asked, when the first and the last was."""

    asked: set[tuple[int, int]] = field(default_factory=set)
    begun: float = 0.0
    ended: float = 0.0


@dataclass
class SimulatedCluster:
    """One service with its members. `rounds`: begin and end of every look that is over."""

    number: int
    size: int
    version: int = 1
    replicas: int = 0
    wish: int = 0
    current: Round = field(default_factory=Round)
    rounds: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.replicas = self.wish = self.size
        self.http = [self._http_answer(slot) for slot in range(1, self.size + 1)]

    @property
    def name(self) -> str:
        return f"shop{self.number}_dbcluster"

    @property
    def id(self) -> str:
        return f"svc{self.number:06d}"

    def address(self, slot: int) -> str:
        return f"127.{1 + self.number // 250}.{1 + self.number % 250}.{10 + slot}"

    def was_asked(self, slot: int, port: int) -> None:
        """A member was asked and answers: the first question of a new look, or one more of the present one."""
        now = time.monotonic()
        if not self.current.asked or (slot, port) in self.current.asked:
            if self.current.ended:
                self.rounds.append((self.current.begun, self.current.ended))
            self.current = Round(begun=now)
        self.current.asked.add((slot, port))
        self.current.ended = now

    def service(self) -> dict[str, Any]:
        labels = {"galera.enable": "true", "galera.replicas": str(self.wish), "com.docker.stack.namespace": f"shop{self.number}"}
        return {
            "ID": self.id,
            "Version": {"Index": self.version},
            "CreatedAt": "2026-01-01T00:00:00Z",
            "UpdatedAt": "2026-01-01T00:00:00Z",
            "Spec": {
                "Name": self.name,
                "Labels": labels,
                "TaskTemplate": {
                    "ContainerSpec": {
                        "Image": "galera-operator/member:dev",
                        "Env": [f"GALERA_SERVICE={self.name}"],
                        "StopGracePeriod": 120_000_000_000,
                        "Secrets": [{"File": {"Name": "galera_token"}, "SecretID": "s0", "SecretName": "galera_token"}],
                        "Mounts": [{"Type": "volume", "Source": "data", "Target": "/var/lib/mysql"}],
                    },
                    "Networks": [{"Target": NETWORK, "Aliases": ["dbcluster"]}],
                },
                "Mode": {"Replicated": {"Replicas": self.replicas}},
                "EndpointSpec": {"Mode": "vip"},
            },
        }

    def tasks(self) -> list[dict[str, Any]]:
        return [
            {
                "ID": f"task{self.number:06d}{slot}",
                "Version": {"Index": 5},
                "ServiceID": self.id,
                "Slot": slot,
                "NodeID": f"node{slot}",
                "Spec": {"ContainerSpec": {"Image": "galera-operator/member:dev", "Env": [f"GALERA_SERVICE={self.name}"]}},
                "Status": {"State": "running", "Message": "started", "ContainerStatus": {"ContainerID": "c" * 64, "PID": 100}},
                "DesiredState": "running",
                "NetworksAttachments": [{"Network": {"ID": NETWORK}, "Addresses": [f"{self.address(slot)}/24"]}],
            }
            for slot in range(1, self.size + 1)
        ]

    def _http_answer(self, slot: int) -> bytes:
        names = tuple(f"{self.name}.{number}" for number in range(1, self.size + 1))
        wsrep = Wsrep(True, True, "Primary", 4, "Synced", UUID, self.size, self.size, 1000, 0, 0.0, 0, names)
        status = AgentStatus(
            name=names[slot - 1],
            incarnation=f"{self.number:08x}{slot:08x}",
            stage=Stage.RUNNING,
            since=1000.0,
            directory=Directory.USABLE,
            position=Position(UUID, 1000),
            safe_to_bootstrap=False,
            wsrep=wsrep,
            transfer=None,
            admission=Admission.OPERATOR,
            writer=names[0],
            sessions=10,
            in_flight=1,
            cut=0,
            epoch=1,
            note="serves",
            term=1,
            view_age=900.0,
            data_bytes=1 << 30,
        )
        return status.to_json().encode()


class World:
    """All clusters, and who waits for a service to be written."""

    def __init__(self, clusters: int, size: int) -> None:
        self.clusters = [SimulatedCluster(number, size) for number in range(clusters)]
        self.by_id = {cluster.id: cluster for cluster in self.clusters}
        self.by_name = {cluster.name: cluster for cluster in self.clusters}
        self.wrote: dict[str, float] = {}
        self.size = size

    def of_address(self, address: str) -> tuple[SimulatedCluster, int]:
        _, high, low, host = map(int, address.split("."))
        return self.clusters[(high - 1) * 250 + low - 1], host - 10

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {
                "ID": f"node{number}",
                "Description": {"Hostname": f"host{number}"},
                "Status": {"State": "ready"},
                "Spec": {"Role": "manager", "Availability": "active"},
            }
            for number in range(1, self.size + 1)
        ]

    def looks(self) -> list[tuple[float, float]]:
        """Begin and end of all looks since the last call."""
        found = [one for cluster in self.clusters for one in cluster.rounds]
        for cluster in self.clusters:
            cluster.rounds = []
        return found


def as_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
