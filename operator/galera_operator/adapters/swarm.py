"""The Swarm as the operator sees it: which services are ours, their tasks and addresses, and the few writes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from galera_operator.adapters.labels import PREFIX, Labels, read_labels, wish_from
from galera_operator.adapters.swarm_api import EngineApi
from galera_operator.core.agent_api import token_from_root_password
from galera_operator.core.model import Service, Task
from galera_operator.core.spec import BadWish
from galera_operator.ports import Cluster, Refused

TOKEN_SECRET = "galera_token"
"""Name under which both the database and the operator service mount the cluster's one secret."""

_ROOT_PASSWORD = ("MARIADB_ROOT_PASSWORD", "MYSQL_ROOT_PASSWORD")


class SwarmEngine:
    """`ports.Engine` on a real manager."""

    def __init__(self, api: EngineApi, token: str) -> None:
        """Args: `token`: the content of the `galera_token` secret, empty where the operator has none."""
        self._api = api
        self._token = token
        self._own_networks: frozenset[str] | None = None
        self._networks: Mapping[str, Any] = {}

    def check_manager(self) -> None:
        """Raises `Refused` when this engine cannot manage a swarm, with what to do."""
        swarm = self._api.get("/info").get("Swarm", {})
        if not swarm.get("ControlAvailable"):
            raise Refused(
                f"this engine is not a Swarm manager (its state is {swarm.get('LocalNodeState') or 'inactive'}); "
                "run the operator with the constraint node.role == manager"
            )

    def clusters(self, only: Collection[str] = ()) -> Sequence[Cluster]:
        filters = {"filters": json.dumps({"name": sorted(only)})} if only else {}  # the engine finds what begins with a name, too
        listed = self._api.get("/services", **filters)
        services = [service for service in listed if _is_ours(service) and (not only or service["Spec"]["Name"] in only)]
        if not services:
            return []
        nodes = {node["ID"]: node for node in self._api.get("/nodes")}
        networks = self._networks_of(services)
        tasks: dict[str, list[Any]] = {service["ID"]: [] for service in services}
        # One question for all: a thousand small ones would cost a second of processor time at each look.
        for task in self._api.get("/tasks", filters=json.dumps({"service": list(tasks)})):
            tasks.get(task["ServiceID"], []).append(task)
        return [self._cluster(service, tasks[service["ID"]], nodes, networks) for service in services]

    def resize(self, service_id: str, version: int, replicas: int) -> None:
        def change(spec: dict[str, Any]) -> None:
            spec["Mode"]["Replicated"]["Replicas"] = replicas

        self._write(service_id, version, change)

    def set_label(self, service_id: str, version: int, label: str, value: str) -> None:
        def change(spec: dict[str, Any]) -> None:
            spec.setdefault("Labels", {})[label] = value

        self._write(service_id, version, change)

    def constrain(self, service_id: str, version: int, constraint: str, *, back: bool) -> None:
        def change(spec: dict[str, Any]) -> None:
            placement = spec["TaskTemplate"].setdefault("Placement", {})
            written = [other for other in placement.get("Constraints") or [] if _spaceless(other) != constraint]
            placement["Constraints"] = written if back else [*written, constraint]

        self._write(service_id, version, change)

    def update_tasks(self, service_id: str, version: int, image: str, option: str) -> None:
        def change(spec: dict[str, Any]) -> None:
            container = spec["TaskTemplate"]["ContainerSpec"]
            if image:
                container["Image"] = image
            if option:
                container["Args"] = with_option(container.get("Args") or [], option)

        self._write(service_id, version, change)

    def watch(self, wake: Callable[[str], None], stop: Callable[[], bool]) -> None:
        filters = json.dumps({"type": ["service", "node"]})
        with self._api.stream("/events", filters=filters) as lines:
            for line in lines:
                if stop():
                    return
                wake(_service_of(line))

    def _write(self, service_id: str, version: int, change: Callable[[dict[str, Any]], None]) -> None:
        stored = self._api.get(f"/services/{service_id}")
        spec = stored["Spec"]
        change(spec)
        self._api.post(f"/services/{service_id}/update", spec, version=str(version))

    def _cluster(
        self, raw: Mapping[str, Any], tasks: Sequence[Any], nodes: Mapping[str, Any], networks: Mapping[str, Any]
    ) -> Cluster:
        spec, name = raw["Spec"], raw["Spec"]["Name"]
        labels = read_labels(name, spec.get("Labels") or {})
        replicas = spec.get("Mode", {}).get("Replicated", {}).get("Replicas", 0)
        container = spec["TaskTemplate"]["ContainerSpec"]
        service = Service(
            id=raw["ID"],
            name=name,
            version=raw["Version"]["Index"],
            replicas=replicas,
            update_state=(raw.get("UpdateStatus") or {}).get("State", ""),
            stop_grace=container.get("StopGracePeriod", 10_000_000_000) / 1e9,
            constraints=tuple(_spaceless(one) for one in (spec["TaskTemplate"].get("Placement") or {}).get("Constraints") or []),
            image=container.get("Image", ""),
            args=tuple(container.get("Args") or []),
            one_at_a_time=_one_at_a_time(spec.get("UpdateConfig") or {}),
            restart_condition=(spec["TaskTemplate"].get("RestartPolicy") or {}).get("Condition") or "any",
        )
        wish = wish_from(labels) if isinstance(labels, Labels) else labels
        token, no_token = self._find_token(name, container)
        network, no_network = self._find_network(name, spec, labels, networks)
        fault = _misplaced(name, spec) or _not_replicated(name, spec) or no_token or no_network
        names = {node: _host_name(found) for node, found in nodes.items()}
        template = spec["TaskTemplate"]
        return Cluster(service, fault or wish, tuple(_task(task, nodes, network, template) for task in tasks), token, names)

    def _find_token(self, name: str, container: Mapping[str, Any]) -> tuple[str, BadWish | None]:
        mounted = {secret.get("File", {}).get("Name") for secret in container.get("Secrets") or []}
        env = dict(entry.partition("=")[::2] for entry in container.get("Env") or [])
        if TOKEN_SECRET in mounted:
            if self._token:
                return self._token, None
            return "", BadWish(
                "missing-secret",
                f"{name} uses the secret {TOKEN_SECRET}, but the operator has none; without it no agent obeys",
                f"docker service update --secret-add {TOKEN_SECRET} on the operator's service",
                fatal=True,
            )
        for key in _ROOT_PASSWORD:
            if env.get(key):
                told = env.get("GALERA_SERVICE", "")  # usually a template that Swarm fills in with the service's name
                alias = env.get("DB_SERVICE_NAME") or (name if "{{" in told else told)
                return token_from_root_password(env[key], alias), None
        return "", BadWish(
            "missing-secret",
            f"{name} has neither the secret {TOKEN_SECRET} nor a MARIADB_ROOT_PASSWORD to derive it from; no agent can obey",
            f"openssl rand -hex 32 | docker secret create {TOKEN_SECRET} - ; "
            f"docker service update --secret-add {TOKEN_SECRET} {name}; the same on the operator's service",
            fatal=True,
        )

    def _find_network(
        self, name: str, spec: Mapping[str, Any], labels: Labels | BadWish, networks: Mapping[str, Any]
    ) -> tuple[str, BadWish | None]:
        candidates = {
            entry["Target"]: networks.get(entry["Target"], {}).get("Name", entry["Target"]) for entry in _attached(spec)
        }
        wished = labels.network if isinstance(labels, Labels) else ""
        if wished:
            for network_id, title in candidates.items():
                if title == wished or title.endswith(f"_{wished}"):
                    return network_id, None
        elif candidates:
            shared = [network_id for network_id in candidates if network_id in self._networks_of_operator()] or list(candidates)
            if len(shared) == 1:
                return shared[0], None
        have = ", ".join(sorted(candidates.values())) or "none"
        return "", BadWish(
            "bad-network",
            f"{name} has the networks {have}; "
            + (f"galera.network names {wished}" if wished else "which one is the members' cannot be told"),
            f"docker service update --label-add {PREFIX}network=NAME {name}",
            fatal=True,
        )

    def _networks_of(self, services: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """All networks by their ids, of which none ever changes; asked for again as soon as a service names an unknown one."""
        if any(entry["Target"] not in self._networks for service in services for entry in _attached(service["Spec"])):
            self._networks = {network["Id"]: network for network in self._api.get("/networks")}
        return self._networks

    def _networks_of_operator(self) -> frozenset[str]:
        """The networks of the container this process runs in; empty outside a container of this engine."""
        if self._own_networks is None:
            try:
                own = self._api.get(f"/containers/{os.uname().nodename}/json")
                attached = own["NetworkSettings"]["Networks"].values()
                self._own_networks = frozenset(entry["NetworkID"] for entry in attached)
            except Refused:
                self._own_networks = frozenset()
        return self._own_networks


def _service_of(event: bytes) -> str:
    """The name of the service that an event is about; empty for one about anything else."""
    try:
        told = json.loads(event)
        return str(told["Actor"]["Attributes"]["name"]) if told["Type"] == "service" else ""
    except (ValueError, KeyError, TypeError):
        return ""


def _attached(spec: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The networks that a service's tasks are attached to."""
    return spec["TaskTemplate"].get("Networks") or spec.get("Networks") or []


def _is_ours(service: Mapping[str, Any]) -> bool:
    """True for a service that a user gave to the operator: by label, or by the environment of the origin image."""
    spec = service["Spec"]
    labels = spec.get("Labels") or {}
    container = spec["TaskTemplate"].get("ContainerSpec")
    if container is None:
        return False  # an engine plugin, not containers
    enable = read_labels(spec["Name"], {key: value for key, value in labels.items() if key == f"{PREFIX}enable"})
    if isinstance(enable, Labels) and not enable.enable:
        return False
    if any(key.startswith(PREFIX) for key in labels):
        return True
    if any(key.startswith(PREFIX) for key in container.get("Labels") or {}):
        return True
    env = dict(entry.partition("=")[::2] for entry in container.get("Env") or [])
    alias = env.get("DB_SERVICE_NAME", "")
    return bool(alias) and (spec["Name"] == alias or spec["Name"].endswith(f"_{alias}"))


def _misplaced(name: str, spec: Mapping[str, Any]) -> BadWish | None:
    container = spec["TaskTemplate"]["ContainerSpec"].get("Labels") or {}
    ours = sorted(key for key in container if key.startswith(PREFIX))
    if not ours:
        return None
    return BadWish(
        "label-misplaced",
        f"{name} has {', '.join(ours)} on its containers; labels are read from the service only",
        "In the stack file, move them from 'labels:' to 'deploy: labels:'.",
        fatal=True,
    )


def _not_replicated(name: str, spec: Mapping[str, Any]) -> BadWish | None:
    if "Replicated" in spec.get("Mode", {}):
        return None
    return BadWish(
        "not-replicated",
        f"{name} is a {'/'.join(spec.get('Mode', {})).lower() or 'strange'} service; only a replicated one can be scaled",
        "In the stack file, set 'deploy: mode: replicated'.",
        fatal=True,
    )


def with_option(args: Sequence[str], option: str) -> list[str]:
    """The command's arguments with this ``--name=value`` in place of what they say of the same option.

    MariaDB takes ``-`` and ``_`` in an option's name for the same.
    """

    def name(argument: str) -> str:
        return argument.partition("=")[0].replace("_", "-")

    kept = [argument for argument in args if name(argument) != name(option)]
    return [*kept, option]


def _spaceless(constraint: str) -> str:
    """``node.hostname != n1`` as the operator writes it; Docker takes both."""
    return constraint.replace(" ", "")


def _one_at_a_time(update: Mapping[str, Any]) -> bool:
    """Whether a rollout replaces one task after the other, each stopped first. What is absent is Swarm's default: it does."""
    return bool(update.get("Parallelism", 1) == 1 and update.get("Order", "stop-first") == "stop-first")


def _host_name(node: Mapping[str, Any]) -> str:
    return str(node.get("Description", {}).get("Hostname", ""))


def _task(raw: Mapping[str, Any], nodes: Mapping[str, Any], network: str, wished: Mapping[str, Any]) -> Task:
    addresses = [
        attachment["Addresses"][0].partition("/")[0]
        for attachment in raw.get("NetworksAttachments") or []
        if attachment["Network"]["ID"] == network and attachment.get("Addresses")
    ]
    status, node = raw.get("Status", {}), nodes.get(raw.get("NodeID", ""), {})
    return Task(
        id=raw["ID"],
        slot=raw.get("Slot", 0),
        node_id=raw.get("NodeID", ""),
        node=_host_name(node),
        state=status.get("State", ""),
        desired=raw.get("DesiredState", ""),
        address=addresses[0] if addresses else "",
        message=status.get("Err") or status.get("Message", ""),
        node_is_down=node.get("Status", {}).get("State") == "down",
        is_outdated=_what_runs(raw.get("Spec", wished)) != _what_runs(wished),
    )


def _what_runs(template: Mapping[str, Any]) -> dict[str, Any]:
    """What a task is made of, without where it may run: another placement alone replaces no task that still fits.

    A service names its runtime, its tasks do not. Source: swarmkit, manager/orchestrator/task.go, IsTaskDirty; what the two
    look like was read from engine 20.10.
    """
    return {key: value for key, value in template.items() if key not in {"Placement", "Runtime"}}
