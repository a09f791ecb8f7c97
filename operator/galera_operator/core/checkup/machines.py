"""The engines, their kernel, and the network between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from galera_operator.core.checkup.finding import Finding, Severity
from galera_operator.core.checkup.setup import Machine, Node, Service, Setup

Version = tuple[int, int, int]

SWIM, MANAGERS = 7946, 2377
"""TCP ports between nodes: gossip (UDP as well), and the managers' own."""


@dataclass(frozen=True, slots=True)
class EngineFault:
    """A fault of an engine from `first` to `last`, the last version known to have it. Source: the moby issue."""

    first: Version
    last: Version
    what: str
    why: str
    issue: int


_CUT = ("cuts established connections when a task stops", "every drained member still costs its sessions")
_LOST = "members and proxies do not find each other although they run"
ENGINE_FAULTS = (
    EngineFault((25, 0, 13), (25, 0, 14), *_CUT, 51651),
    EngineFault((29, 0, 0), (29, 1, 4), *_CUT, 51651),
    EngineFault((28, 2, 0), (28, 2, 2), "drops members from service discovery", _LOST, 50129),
    EngineFault((29, 0, 0), (29, 6, 2), "loses names of services after a node was away for a moment", _LOST, 53141),
    EngineFault((29, 1, 0), (29, 1, 0), "refuses its containers' DNS questions", _LOST, 51614),
)


def ip_vs_missing(machine: Machine, setup: Setup) -> Iterator[Finding]:
    if machine.ip_vs is not False:
        return
    by_vip = [service.name for service in (*setup.databases, *setup.others) if _needs_ip_vs(service)]
    needs = f"{', '.join(by_vip)} {'needs' if len(by_vip) == 1 else 'need'} it" if by_vip else "nothing here needs it"
    yield Finding(
        "ip-vs-missing",
        Severity.DANGER if by_vip else Severity.NOTE,
        "this kernel",
        f"The kernel has no IPVS; {needs}.",
        "A service's virtual address and ports published through the mesh exist without it, but lead nowhere.",
        "modprobe ip_vs && echo ip_vs > /etc/modules-load.d/ip_vs.conf\n"
        "# without such a module: deploy: endpoint_mode: dnsrr, and ports with mode: host",
    )


def not_a_manager(machine: Machine) -> Iterator[Finding]:
    if machine.is_manager:
        return
    yield Finding(
        "not-a-manager",
        Severity.WARNING,
        "this engine",
        f"This engine is no Swarm manager (its part in a Swarm: {machine.state}).",
        "Only a manager answers questions about services, tasks and nodes.",
        "docker swarm init    # or: docker node promote NODE, or run this on a manager",
    )


def faulty_engines(machine: Machine) -> Iterator[Finding]:
    for fault in ENGINE_FAULTS:
        having = [node for node in machine.nodes if fault.first <= version(node.engine) <= fault.last]
        if not having:
            continue
        first, last = (".".join(map(str, one)) for one in (fault.first, fault.last))
        known = first if first == last else f"{first} to {last}"
        yield Finding(
            "engine-fault",
            Severity.WARNING,
            _names(having),
            f"Docker {', '.join(sorted({node.engine for node in having}))} {fault.what}.",
            f"Then {fault.why} (moby issue {fault.issue}, {known}).",
            f"Install an engine outside {known} on {_names(having)}, one node after the other:\n"
            f"docker node update --availability drain {having[0].name}",
        )


def even_managers(machine: Machine) -> Iterator[Finding]:
    managers = [node for node in machine.nodes if node.is_manager]
    if not managers or len(managers) % 2:
        return
    yield Finding(
        "even-managers",
        Severity.WARNING,
        _names(managers),
        f"The Swarm has {len(managers)} managers.",
        f"It survives the loss of {len(managers) // 2 - 1} of them, as with {len(managers) - 1}; without a majority of managers "
        "nothing is started, stopped or scaled.",
        f"docker node {'promote NODE' if len(managers) == 2 else f'demote {managers[-1].name}'}",
    )


def closed_ports(machine: Machine) -> Iterator[Finding]:
    by_port: dict[int, list[str]] = {}
    for node, port in () if machine.is_blind else machine.closed:
        by_port.setdefault(port, []).append(node)
    for port, nodes in sorted(by_port.items()):
        names = ", ".join(sorted(nodes))
        why = (
            "Nodes tell each other over it which service runs where: names are not found, members do not find their peers."
            if port == SWIM
            else "Managers keep the Swarm's state over it: without a majority of them nothing is started, stopped or scaled."
        )
        also = f"7946/tcp, 7946/udp and {machine.data_port}/udp" if port == SWIM else f"{MANAGERS}/tcp"
        yield Finding(
            "overlay-ports",
            Severity.DANGER,
            names,
            f"{names} {'does' if len(nodes) == 1 else 'do'} not answer on TCP {port} from here.",
            why,
            f"Let {also} through between all nodes; test with: nc -vz ADDRESS {port}",
        )


def version(text: str) -> Version:
    """``28.3.3-ce`` as numbers; zeros where there are none."""
    found = [int(part) for part in re.findall(r"\d+", text)[:3]]
    major, minor, patch = (*found, 0, 0, 0)[:3]
    return major, minor, patch


def _needs_ip_vs(service: Service) -> bool:
    return service.endpoint_mode == "vip" or any(port.mode == "ingress" for port in service.ports)


def _names(nodes: list[Node]) -> str:
    return ", ".join(sorted(node.name for node in nodes))
