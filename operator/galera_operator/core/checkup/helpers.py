"""The operator and the proxy beside the database."""

from __future__ import annotations

from collections.abc import Iterator

from galera_operator.core.checkup.change import command, finding, lines, setting
from galera_operator.core.checkup.finding import Finding, Severity
from galera_operator.core.checkup.roles import TOKEN, has_proxy, is_member_image, mounts_socket, operators
from galera_operator.core.checkup.setup import Service, Setup

SOCKET = "/var/run/docker.sock"
ON_MANAGER = "node.role == manager"


def operator_missing(database: Service, setup: Setup) -> Iterator[Finding]:
    if operators(setup):
        return
    where = "in these files" if database.is_from_file else "in this Swarm"
    yield finding(
        database,
        "operator-missing",
        Severity.WARNING,
        f"No operator is {where}.",
        "Nobody drains a member before Swarm takes it, and after a crash of all members nobody compares their copies: the member "
        "image waits for that, others guess.",
        "Add the service `operator` of charts/galera/stack.yml.",
    )


def operator_off_manager(operator: Service) -> Iterator[Finding]:
    if any(constraint.replace(" ", "") == "node.role==manager" for constraint in operator.constraints):
        return
    yield finding(
        operator,
        "operator-off-manager",
        Severity.WARNING,
        "The operator may run on a worker.",
        "Only a manager's engine answers questions about services and tasks; on a worker the operator ends at once, again and "
        "again.",
        lines(operator, "deploy placement constraints", "constraints:", f"  - {ON_MANAGER}")
        if operator.is_from_file
        else f"docker service update --constraint-add '{ON_MANAGER}' {operator.name}",
        ("deploy", "placement", "constraints"),
    )


def operator_replicas(operator: Service) -> Iterator[Finding]:
    if operator.mode == "replicated" and operator.replicas == 1:
        return
    many = f"{operator.replicas} operators" if operator.mode == "replicated" else "an operator on every node"
    yield finding(
        operator,
        "operator-replicas",
        Severity.NOTE,
        f"There {'are' if operator.mode == 'replicated' else 'is'} {many}.",
        "One holds the lease and acts, the rest wait; Swarm starts a lost one anew in seconds, and members need none to serve.",
        setting(operator, "deploy replicas", "1", "--replicas 1", restarts=False),
        ("deploy", "replicas"),
    )


def operator_without_socket(operator: Service) -> Iterator[Finding]:
    if mounts_socket(operator) or operator.environment.get("DOCKER_HOST"):
        return
    yield finding(
        operator,
        "operator-without-socket",
        Severity.WARNING,
        "The operator has neither the Docker socket nor a DOCKER_HOST.",
        "It sees and writes services through the engine's API; without it, it ends at the start.",
        lines(operator, "volumes", "volumes:", f"  - {SOCKET}:{SOCKET}")
        if operator.is_from_file
        else command(operator, f"--mount-add type=bind,source={SOCKET},target={SOCKET}"),
        ("volumes",),
    )


def operator_without_token(operator: Service, setup: Setup) -> Iterator[Finding]:
    holders = [database for database in setup.databases if TOKEN in database.secrets]
    if not holders or TOKEN in operator.secrets or operator.environment.get("GALERA_OPERATOR_TOKEN_FILE"):
        return
    yield finding(
        operator,
        "operator-without-token",
        Severity.WARNING,
        f"{holders[0].name} has the secret {TOKEN}, and the operator has not.",
        "Members take commands only with it: the operator would look on, and page.",
        lines(operator, "secrets", "secrets:", f"  - {TOKEN}")
        if operator.is_from_file
        else command(operator, f"--secret-add {TOKEN}"),
        ("secrets",),
    )


def operator_apart(database: Service, setup: Setup) -> Iterator[Finding]:
    found = operators(setup)
    if not found or any(operator.networks & database.networks for operator in found):
        return
    operator = found[0]
    network = min(database.networks, default="NETWORK")
    yield finding(
        operator,
        "operator-apart",
        Severity.WARNING,
        f"The operator shares no network with {database.name}.",
        "It asks each member for its state over the overlay network; what it cannot see it must not touch.",
        lines(operator, "networks", "networks:", f"  - {network}")
        if operator.is_from_file
        else command(operator, f"--network-add {network}"),
        ("networks",),
    )


def no_proxy(database: Service, setup: Setup) -> Iterator[Finding]:
    if has_proxy(database, setup):
        return
    way = "virtual address" if database.endpoint_mode == "vip" else "DNS name"
    known = (
        "holds back what is not admitted, but neither a donor nor a second writer"
        if is_member_image(database)
        else ("leads to members that are not Synced as well")
    )
    yield finding(
        database,
        "no-proxy",
        Severity.NOTE,
        f"No proxy is in front of {database.name}: applications connect to it by its {way}.",
        f"That {known}; with several writers, 1.4 % of transactions on 1,000 rows met another member's (error 1213), with one "
        "none.",
        "Add the service `proxy` of charts/galera/stack.yml and connect to it.",
    )
