"""Ask every rule, worst finding first, and say what could not be looked at from here."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from galera_operator.core.checkup import access, helpers, history, joining, lifecycle, machines, storage
from galera_operator.core.checkup.finding import Finding, Severity
from galera_operator.core.checkup.roles import operators
from galera_operator.core.checkup.setup import Machine, Measured, Service, Setup

_OF_A_DATABASE = (
    joining.dangerous_image,
    joining.fixed_address,
    joining.always_bootstraps,
    joining.refused_option,
    joining.misplaced_labels,
    joining.bad_labels,
    storage.no_volume,
    storage.anonymous_volume,
    storage.bind_mount,
    storage.shared_volume,
    storage.no_node_limit,
    storage.even_size,
    storage.replicas_differ,
    storage.not_replicated,
    lifecycle.stop_grace,
    lifecycle.health_check_kills_donor,
    lifecycle.health_check_kills_joiner,
    lifecycle.health_check_replaced,
    lifecycle.restart_never,
    lifecycle.restart_on_failure,
    lifecycle.restart_attempts,
    lifecycle.update_parallelism,
    lifecycle.update_order,
    lifecycle.update_goes_on,
    access.published_ports,
    access.socket_in_database,
)
_OF_AN_OPERATOR = (
    helpers.operator_off_manager,
    helpers.operator_replicas,
    helpers.operator_without_socket,
)


def examine(setup: Setup, machine: Machine | None = None, measured: Measured | None = None) -> tuple[Finding, ...]:
    """All findings, worst first, else in the order of the rules.

    Args:
        machine: None where no engine was asked.
        measured: of a running member of the first database; None where none could be asked.
    """
    found = list(_findings(setup, machine, measured))
    order = list(Severity)
    return tuple(sorted(found, key=lambda one: order.index(one.severity)))


def not_checked(setup: Setup, machine: Machine | None, measured: Measured | None) -> tuple[str, ...]:
    """What this look could not tell, one sentence each, with how to find out."""
    told = list(setup.unread)
    if setup.databases and measured is None:
        told.append(
            "The write-set history (gcache) against the rate of writes: needs a running member; in the operator's container: "
            f"galera-operator doctor {'SERVICE' if setup.databases[0].is_from_file else setup.databases[0].name}"
        )
    if machine is None:
        told.append("Kernel, engines and ports: no Swarm manager was asked; on one: galera-operator doctor")
        return tuple(told)
    if machine.ip_vs is None:
        told.append("Whether the kernel has IPVS: it is not to be seen in a container; on each node: modprobe --dry-run ip_vs")
    if machine.is_blind:
        told.append(
            "TCP 7946 and 2377 of the nodes: none answers from here, not even this engine's own; on a node: nc -vz ADDRESS 7946"
        )
    if len(machine.nodes) > 1:
        told.append(
            f"UDP 7946 and {machine.data_port} between the nodes, which nobody answers by itself; between two nodes: "
            f"tcpdump -ni any udp port {machine.data_port} while one container pings another"
        )
        told.append("The kernels of the other nodes: run this on each")
    return tuple(told)


def _findings(setup: Setup, machine: Machine | None, measured: Measured | None) -> Iterator[Finding]:
    if machine is not None:
        yield from _of_machines(machine, setup)
    for position, database in enumerate(setup.databases):
        yield from _of_database(database, setup, machine, None if position else measured)
    for operator in operators(setup):
        yield from chain.from_iterable(rule(operator) for rule in _OF_AN_OPERATOR)
        yield from helpers.operator_without_token(operator, setup)
    for service in (*setup.databases, *setup.others):
        yield from access.plain_passwords(service)


def _of_machines(machine: Machine, setup: Setup) -> Iterator[Finding]:
    yield from machines.not_a_manager(machine)
    yield from machines.ip_vs_missing(machine, setup)
    yield from machines.closed_ports(machine)
    yield from machines.faulty_engines(machine)
    yield from machines.even_managers(machine)


def _of_database(database: Service, setup: Setup, machine: Machine | None, measured: Measured | None) -> Iterator[Finding]:
    yield from chain.from_iterable(rule(database) for rule in _OF_A_DATABASE)
    yield from access.keepalive(database, setup, measured)
    yield from helpers.operator_missing(database, setup)
    yield from helpers.operator_apart(database, setup)
    yield from helpers.no_proxy(database, setup)
    yield from history.short_history(database, measured)
    if machine is not None:
        yield from storage.too_few_nodes(database, machine)
