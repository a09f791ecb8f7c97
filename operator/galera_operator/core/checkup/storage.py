"""Where members run and keep their data, and how many there are."""

from __future__ import annotations

from collections.abc import Iterator

from galera_operator.core.checkup.change import DUMP_FIRST, finding, lines, setting
from galera_operator.core.checkup.finding import Finding, Severity
from galera_operator.core.checkup.roles import data_directory, data_mount
from galera_operator.core.checkup.setup import Machine, Service

_REMOTE = ("nfs", "cifs", "glusterfs", "ceph", "smb", "sshfs")


def no_volume(database: Service) -> Iterator[Finding]:
    mount = data_mount(database)
    if mount is not None and mount.kind != "tmpfs":
        return
    where = data_directory(database)
    yield finding(
        database,
        "no-volume",
        Severity.DANGER,
        f"{where} is in memory." if mount else f"No volume is named for {where}: each task has a directory of its own.",
        "A task that Swarm replaces starts with an empty one; when all of them are replaced, by a power cut or a bad update, the "
        "data is gone.",
        _volume(database),
        ("volumes",),
    )


def anonymous_volume(database: Service) -> Iterator[Finding]:
    mount = data_mount(database)
    if mount is None or mount.kind != "volume" or mount.source:
        return
    yield finding(
        database,
        "anonymous-volume",
        Severity.DANGER,
        f"The volume of {mount.target} has no name.",
        "Each new task gets a new empty one, and the old one stays behind under a random name: when all tasks are replaced, "
        "nobody finds the data.",
        _volume(database),
        ("volumes", mount.target),
    )


def bind_mount(database: Service) -> Iterator[Finding]:
    mount = data_mount(database)
    if mount is None or mount.kind != "bind":
        return
    yield finding(
        database,
        "bind-mount",
        Severity.WARNING,
        f"{mount.target} is the directory {mount.source} of the node.",
        "Swarm does not make it: on a node that lacks it every task is rejected, and a new node lacks it.",
        _volume(database),
        ("volumes", mount.target),
    )


def shared_volume(database: Service) -> Iterator[Finding]:
    mount = data_mount(database)
    if mount is None or mount.kind != "volume" or not mount.source or "{{" in mount.source:
        return
    told = " ".join((mount.driver, *mount.options.values())).lower()
    remote = next((word for word in _REMOTE if word in told), "")
    if not remote and mount.driver in {"", "local"}:
        return
    what = f"is on {remote}" if remote else f"belongs to the volume driver {mount.driver}"
    yield finding(
        database,
        "shared-volume",
        Severity.DANGER,
        f"The volume {mount.source} {what}; it may be the same one on every node.",
        "Each member needs a directory of its own: two mariadbd on one ruin it, and file locks over a network do not keep them "
        "apart for sure.",
        _volume(database),
        ("volumes", mount.target),
    )


def no_node_limit(database: Service) -> Iterator[Finding]:
    if database.max_per_node == 1 or database.mode != "replicated":
        return
    mount = data_mount(database)
    shared = mount is not None and mount.kind != "tmpfs" and bool(mount.source) and "{{" not in mount.source
    limit = f"{database.max_per_node} members" if database.max_per_node else "any number of members"
    yield finding(
        database,
        "no-node-limit",
        Severity.DANGER if shared else Severity.WARNING,
        f"Swarm may put {limit} on one node.",
        "They share the node's one volume, and two mariadbd on a directory ruin it or wait for ever."
        if shared
        else "Then one lost node is two lost members, which may be the majority.",
        setting(database, "deploy placement max_replicas_per_node", "1", "--replicas-max-per-node 1", restarts=False),
        ("deploy", "placement", "max_replicas_per_node"),
    )


def even_size(database: Service) -> Iterator[Finding]:
    size = database.wanted
    if size % 2 or not size:
        return
    better = size + 1
    labelled = database.settings.replicas is not None
    change = f"docker service scale {database.name}={better}"
    if labelled:
        change = f"docker service update --label-add galera.replicas={better} {database.name}"
    if database.is_from_file:
        label = ["labels:", f'  galera.replicas: "{better}"'] if labelled else []
        change = lines(database, "deploy replicas", *label, f"replicas: {better}")
    yield finding(
        database,
        "even-size",
        Severity.WARNING,
        f"{size} members are wished.",
        "Two of two are the majority, so the loss of either stops all writes: worse than one member."
        if size == 2
        else f"{size} members survive the loss of {size // 2 - 1}, as {size - 1} do; the network split in half stops all writes.",
        change,
        ("deploy", "labels", "galera.replicas") if labelled else ("deploy", "replicas"),
    )


def replicas_differ(database: Service) -> Iterator[Finding]:
    wished = database.settings.replicas
    if not database.is_from_file or database.mode != "replicated" or wished in {None, database.replicas}:
        return
    yield finding(
        database,
        "replicas-differ",
        Severity.DANGER,
        f"The file says replicas {database.replicas}{'' if _says_replicas(database) else ' (by saying nothing)'} and "
        f"galera.replicas {wished}.",
        "`docker stack deploy` sets the running number to what the file says, at once and without draining anybody; 3 -> 1 in "
        "that way left the survivor without a majority in 4 of 10 runs.",
        lines(database, "deploy replicas", f"replicas: {wished}"),
        ("deploy", "replicas"),
    )


def not_replicated(database: Service) -> Iterator[Finding]:
    if database.mode == "replicated":
        return
    yield finding(
        database,
        "not-replicated",
        Severity.WARNING,
        f"The service's mode is {database.mode}.",
        "Its size follows the nodes and cannot be changed one safe step at a time, so the operator leaves it alone.",
        lines(database, "deploy mode", "mode: replicated", "replicas: 1")
        if database.is_from_file
        else "Set `deploy: mode: replicated` in the stack file; the service has to be made anew for it.",
        ("deploy", "mode"),
    )


def too_few_nodes(database: Service, machine: Machine) -> Iterator[Finding]:
    usable = sum(node.usable for node in machine.nodes)
    if not machine.nodes or database.max_per_node != 1 or database.wanted <= usable:
        return
    yield finding(
        database,
        "too-few-nodes",
        Severity.WARNING,
        f"{database.wanted} members are wished, one per node, and {usable} of the {len(machine.nodes)} nodes take tasks.",
        "The last task stays pending for ever, and while it does an update of the service never ends.",
        f"docker node update --availability active NODE, add a node, or: "
        f"docker service update --label-add galera.replicas={usable} {database.name}",
        ("deploy", "labels", "galera.replicas"),
    )


def _volume(database: Service) -> str:
    """A named volume, which is empty at first."""
    where = data_directory(database)
    if not database.is_from_file:
        return f"{DUMP_FIRST}\ndocker service update --mount-add type=volume,source=data,target={where} {database.name}"
    return "\n".join((DUMP_FIRST, lines(database, "volumes", "volumes:", f"  - data:{where}"), "volumes:", "  data:"))


def _says_replicas(database: Service) -> bool:
    return ("deploy", "replicas") in database.places
