"""Services of this Swarm, from their specs as the engine stores them, as the doctor's `Setup`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from galera_operator.adapters.labels import Labels, read_labels, wish_from
from galera_operator.adapters.member_options import refused
from galera_operator.adapters.swarm_api import EngineApi
from galera_operator.core.checkup.roles import is_database
from galera_operator.core.checkup.setup import HealthCheck, Mount, Origin, Port, Restart, Rollout, Service, Setup

_NANO = 1e9


class NoSuchService(Exception):
    """There is no Galera service of that name; names those there are."""


def load(api: EngineApi, name: str = "") -> Setup:
    """Describe the services of this Swarm.

    Args:
        name: of one database; empty: all of them.

    Raises:
        NoSuchService: no service has this name, or it is no Galera cluster.
        Unreachable, Refused: the engine does not answer, or is not a manager.
    """
    networks = {network["Id"]: network["Name"] for network in api.get("/networks")}
    services = [describe(raw, networks) for raw in api.get("/services")]
    databases = tuple(service for service in services if is_database(service))
    if name:
        if name not in {service.name for service in databases}:
            known = ", ".join(sorted(service.name for service in databases)) or "none"
            what = "is no Galera cluster" if name in {service.name for service in services} else "is no service of this Swarm"
            raise NoSuchService(f"{name} {what}; Galera services are: {known}. A stack file is named by its path")
        databases = tuple(service for service in databases if service.name == name)
    return Setup(databases, around=tuple(service for service in services if service not in databases))


def describe(raw: Mapping[str, Any], networks: Mapping[str, str]) -> Service:
    """Describe one service of ``GET /services``.

    Args:
        networks: names by id; one without a name goes by its id.
    """
    spec = raw["Spec"]
    task = spec["TaskTemplate"]
    container = task.get("ContainerSpec") or {}
    labels = spec.get("Labels") or {}
    wish = read_labels(spec["Name"], labels)
    placement, endpoint = task.get("Placement") or {}, spec.get("EndpointSpec") or {}
    restart = task.get("RestartPolicy") or {}
    arguments = container.get("Args") or []
    attached = task.get("Networks") or spec.get("Networks") or []
    return Service(
        name=spec["Name"],
        image=container.get("Image", ""),
        origin=Origin.SWARM,
        environment=dict(entry.partition("=")[::2] for entry in container.get("Env") or []),
        command=(*(container.get("Command") or []), *arguments),
        labels=labels,
        container_labels=container.get("Labels") or {},
        wish=wish_from(wish) if isinstance(wish, Labels) else wish,
        mode=_mode(spec),
        replicas=((spec.get("Mode") or {}).get("Replicated") or {}).get("Replicas", 1),
        stop_grace=_seconds(container, "StopGracePeriod"),
        health=_health(container.get("Healthcheck")),
        restart=Restart(restart.get("Condition") or "any", restart.get("MaxAttempts") or 0),
        update=_rollout(spec.get("UpdateConfig")),
        rollback=_rollout(spec.get("RollbackConfig")),
        mounts=tuple(_mount(mount) for mount in container.get("Mounts") or []),
        ports=tuple(
            Port(port.get("PublishedPort", 0), port["TargetPort"], port.get("PublishMode") or "ingress")
            for port in endpoint.get("Ports") or []
        ),
        secrets=tuple((secret.get("File") or {}).get("Name", "") for secret in container.get("Secrets") or []),
        sysctls=container.get("Sysctls") or {},
        networks=frozenset(networks.get(entry["Target"], entry["Target"]) for entry in attached),
        max_per_node=placement.get("MaxReplicas") or 0,
        constraints=tuple(placement.get("Constraints") or ()),
        endpoint_mode=endpoint.get("Mode") or "vip",
        refused=refused(arguments),
    )


def _mode(spec: Mapping[str, Any]) -> str:
    """``ReplicatedJob`` as ``replicated-job``."""
    name = next(iter(spec.get("Mode") or {}), "Replicated")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def _seconds(spec: Mapping[str, Any], key: str) -> float | None:
    return spec[key] / _NANO if spec.get(key) is not None else None


def _health(raw: Mapping[str, Any] | None) -> HealthCheck | None:
    if not raw:
        return None
    test = tuple(raw.get("Test") or ())
    return HealthCheck(test, _seconds(raw, "StartPeriod") or 0.0, test[:1] == ("NONE",))


def _rollout(raw: Mapping[str, Any] | None) -> Rollout:
    if not raw:
        return Rollout()
    return Rollout(raw.get("Parallelism", 0), raw.get("Order") or "stop-first", raw.get("FailureAction") or "pause")


def _mount(raw: Mapping[str, Any]) -> Mount:
    driver = (raw.get("VolumeOptions") or {}).get("DriverConfig") or {}
    return Mount(
        raw.get("Type") or "volume", raw.get("Source", ""), raw["Target"], driver.get("Name", ""), driver.get("Options") or {}
    )
