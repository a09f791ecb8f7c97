"""The real Swarm of the sandbox, with tasks that do nothing but obey: one small program each, told what to do through files."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from swarm_world import Plan, SwarmWorld

from galera_operator.adapters.swarm import SwarmEngine
from galera_operator.adapters.swarm_api import EngineApi
from galera_operator.adapters.swarm_store import SwarmStore
from galera_operator.core.model import Task
from galera_operator.ports import Conflict, Refused, Unreachable
from galera_operator.sandbox.api import Sandbox
from galera_operator.sandbox.waiting import NotYet, wait_until

T = TypeVar("T")

IMAGE = "debian:trixie-slim"
NETWORK = "contract"
MARK = "contract-tests"
"""Label of the services made here; others in the same sandbox are left alone."""
SECOND = 1_000_000_000

# Debian's smallest perl has no clock finer than a second, but the kernel's: seconds since boot.
_CLOCK = """
sub now { open my $file, "<", "/proc/uptime"; return (split " ", <$file>)[0] }
sub note { my ($name, $text) = @_; open my $file, ">>", "/control/$name"; print $file "$text\\n" }
"""

# $TASK.term gets the moment of SIGTERM; with $TASK.linger there, SIGTERM is only noted.
OBEDIENT = f"""{_CLOCK}
$SIG{{USR1}} = sub {{ exit 0 }};
$SIG{{USR2}} = sub {{ exit 143 }};
$SIG{{TERM}} = sub {{
    note("$ENV{{TASK}}.term", now);
    exit 143 unless -e "/control/$ENV{{TASK}}.linger";
}};
sleep 3600 while 1;
"""

# Writes a line whenever tasks.NAME has other addresses, for the NAME in the file `name`.
OBSERVER = f"""{_CLOCK}
use Socket;
my ($name, $last) = ("", "-");
while (1) {{
    if (open my $file, "<", "/control/name") {{
        my $asked = <$file> // ""; chomp $asked;
        ($name, $last) = ($asked, "-") if $asked ne $name;
    }}
    if ($name) {{
        my @found = gethostbyname "tasks.$name";
        my $seen = join " ", sort map {{ inet_ntoa $_ }} @found[4 .. $#found];
        note("dns", now . " $name $seen") if $seen ne $last;
        $last = $seen;
    }}
    select undef, undef, undef, 0.05;
}}
"""
SIGNALS = {0: "USR1", 143: "USR2", 137: "KILL"}


class RealSwarm(SwarmWorld):
    """One at a time; each test makes a service of its own in it and `clear` takes that away."""

    is_real = True

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._apis = {node.name: EngineApi(node.socket) for node in sandbox.nodes}
        self.nodes = tuple(self._apis)
        self._api = self._apis[self.nodes[0]]
        self.engine = self._engine = SwarmEngine(self._api, "")
        self.store = SwarmStore(self._api)
        self._control = sandbox.layout.run / "contract"
        shutil.rmtree(self._control, ignore_errors=True)
        self._control.mkdir(parents=True)
        self._number = 0
        self._service_id = ""
        self._addresses: dict[str, str] = {}
        self._wakes = 0
        self._prepare()

    def _prepare(self) -> None:
        """A network, the observer on it, and the event stream. Leftovers of a sandbox that stayed up go first."""
        for service in self._api.get("/services", filters=json.dumps({"label": [MARK]})):
            self._delete(f"/services/{service['ID']}")
        wait_until(lambda: self._delete(f"/networks/{NETWORK}"), 30, "the last run's network to go", every=0.5)
        network = {"Name": NETWORK, "Driver": "overlay", "Attachable": True}
        self._network = str(self._api.post("/networks/create", network)["Id"])
        observer = self._spec("observer", OBSERVER, Plan(replicas=1))
        observer["Labels"] = {MARK: ""}
        observer["TaskTemplate"]["Placement"]["Constraints"] = [f"node.hostname=={self.nodes[0]}"]
        self._api.post("/services/create", observer)
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def _watch(self) -> None:
        def wake(_service: str) -> None:
            self._wakes += 1

        with suppress(Unreachable):  # the end of the sandbox
            self.engine.watch(wake, lambda: False)

    def _spec(self, name: str, program: str, plan: Plan) -> dict[str, Any]:
        container: dict[str, Any] = {
            "Image": IMAGE,
            "Command": ["perl", "-e", program],
            "Env": ["TASK={{.Task.ID}}", "MARIADB_ROOT_PASSWORD=a token is derived from it"],
            "Mounts": [{"Type": "bind", "Source": str(self._control), "Target": "/control"}],
            "StopGracePeriod": int(plan.grace * SECOND),
        }
        if plan.gated:
            container["Healthcheck"] = {
                "Test": ["CMD-SHELL", "test -e /control/$TASK.healthy"],
                "Interval": SECOND // 4, "Timeout": 30 * SECOND, "StartPeriod": 3600 * SECOND, "Retries": 2,
            }  # fmt: skip
        return {
            "Name": name,
            "Labels": {"galera.enable": "true", MARK: ""},
            "TaskTemplate": {
                "ContainerSpec": container,
                "Placement": {"MaxReplicas": plan.per_node},
                "RestartPolicy": {"Condition": plan.condition, "Delay": int(plan.delay * SECOND)},
                "Networks": [{"Target": self._network}],
            },
            "UpdateConfig": {"Parallelism": 1, "Monitor": SECOND // 10},
            "Mode": {"Replicated": {"Replicas": plan.replicas}},
            "EndpointSpec": {"Mode": self._sandbox.endpoint_mode},
        }

    def make(self, plan: Plan) -> None:
        self._number += 1
        self.service_name = f"light{self._number}"
        (self._control / "name").write_text(self.service_name + "\n")
        self._service_id = self._api.post("/services/create", self._spec(self.service_name, OBEDIENT, plan))["ID"]

    def clear(self) -> None:
        """Remove the test's service and bring every node back into service. Its last containers end meanwhile."""
        for node in self._sandbox.nodes:
            if node.pid is None:
                self.bring_back(node.name)
        for name in self.nodes:
            self.undrain(name)
        if self._service_id:
            self._delete(f"/services/{self._service_id}")
            self._service_id = ""

    def close(self) -> None:
        """Let go of the engine's connections; the event stream ends with the sandbox."""
        for api in self._apis.values():
            api.close()

    def now(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)  # what the containers write down

    def until(self, condition: Callable[[], T], within: float, what: str) -> T:
        def look() -> T | NotYet:
            return condition() or NotYet(self.states())

        return wait_until(look, within, what, every=0.05, ignoring=(Unreachable,))

    # What happens -----------------------------------------------------------------------------------------------------

    def end(self, task: Task, code: int) -> None:
        api = self._apis[task.node]
        label = json.dumps({"label": [f"com.docker.swarm.task.id={task.id}"]})
        [container] = api.get("/containers/json", filters=label)
        api.post(f"/containers/{container['Id']}/kill", None, signal=SIGNALS[code])

    def set_healthy(self, task: Task, healthy: bool) -> None:
        file = self._control / f"{task.id}.healthy"
        if healthy:
            file.touch()
        else:
            file.unlink(missing_ok=True)

    def linger(self, task: Task) -> None:
        (self._control / f"{task.id}.linger").touch()

    def drain(self, node: str) -> None:
        self._set_availability(node, "drain")

    def undrain(self, node: str) -> None:
        self._set_availability(node, "active")

    def _set_availability(self, node: str, wished: str) -> None:
        def set_it() -> bool:
            stored = self._api.get(f"/nodes/{self._node_id(node)}")
            if stored["Spec"]["Availability"] == wished:
                return True
            spec = stored["Spec"] | {"Availability": wished}
            with suppress(Conflict):  # managers write their node's status at any time
                self._api.post(f"/nodes/{stored['ID']}/update", spec, version=str(stored["Version"]["Index"]))
            return False

        wait_until(set_it, 60, f"{node} to be {wished}", every=0.01, ignoring=(Unreachable,))

    def _node_id(self, name: str) -> str:
        [found] = [node["ID"] for node in self._api.get("/nodes") if node["Description"]["Hostname"] == name]
        return found

    def exclude(self, node: str) -> None:
        def change(spec: dict[str, Any]) -> None:
            spec["TaskTemplate"]["Placement"].setdefault("Constraints", []).append(f"node.hostname!={node}")

        self._update(change)

    def roll_out(self) -> None:
        def change(spec: dict[str, Any]) -> None:
            spec["TaskTemplate"]["ForceUpdate"] = spec["TaskTemplate"].get("ForceUpdate", 0) + 1

        self._update(change)

    def _update(self, change: Callable[[dict[str, Any]], None]) -> None:
        stored = self._api.get(f"/services/{self._service_id}")
        change(stored["Spec"])
        self._api.post(f"/services/{self._service_id}/update", stored["Spec"], version=str(stored["Version"]["Index"]))

    def lose(self, node: str) -> None:
        self._sandbox.kill_node(self.nodes.index(node) + 1)
        self._wait_for_a_leader()

    def bring_back(self, node: str) -> None:
        self._sandbox.start_node(self.nodes.index(node) + 1)
        self._wait_for_a_leader()

    def _wait_for_a_leader(self) -> None:
        """The lost node may have been the leader, and one that comes back calls for an election: managers answer none then."""

        def leader() -> list[str]:
            nodes = self._api.get("/nodes")
            return [node["ID"] for node in nodes if node.get("ManagerStatus", {}).get("Leader")]

        wait_until(leader, 60, "the managers to have a leader", ignoring=(Unreachable,))

    def forget(self, cluster: str) -> None:
        for config in self._api.get("/configs"):
            if config["Spec"]["Name"] == SwarmStore.config_name(cluster):
                self._delete(f"/configs/{config['ID']}")

    # What is seen -----------------------------------------------------------------------------------------------------

    def _seen(self) -> list[tuple[float, frozenset[str]]]:
        """What the observer saw of this service's name: when, and which addresses."""
        try:
            lines = (self._control / "dns").read_text().splitlines()
        except FileNotFoundError:
            return []
        words = [line.split() for line in lines]
        return [(float(when), frozenset(found)) for when, name, *found in words if name == self.service_name]

    def dns(self) -> frozenset[str]:
        seen = self._seen()
        return seen[-1][1] if seen else frozenset()

    def left_dns(self, address: str) -> float | None:
        was_in = False
        for when, found in self._seen():
            if was_in and address not in found:
                return when
            was_in = was_in or address in found
        return None

    def terminated(self, task: Task) -> float | None:
        try:
            return float((self._control / f"{task.id}.term").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            return None

    def wakes(self) -> int:
        return self._wakes

    def _delete(self, path: str) -> bool:
        """True once it is not there any more."""
        try:
            self._api._send("DELETE", path, {}, b"")
        except Refused as refusal:
            return ": 404 " in str(refusal)
        return False
