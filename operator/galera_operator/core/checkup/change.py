"""Put the change into words: the lines of the stack file, or the command for a running service."""

from __future__ import annotations

from collections.abc import Sequence

from galera_operator.core.checkup.finding import Finding, Severity
from galera_operator.core.checkup.roles import is_database, keeps_data
from galera_operator.core.checkup.setup import Service

DUMP_FIRST = "# first dump the data (mariadb-dump --all-databases): after this, each task starts in an empty directory"

_SINCE = {
    "stop_grace_period": (3, 0),
    "max_replicas_per_node": (3, 8),
    "order": (3, 4),
    "start_period": (3, 4),
    "secrets": (3, 1),
    "sysctls": (3, 8),
}
"""The version of the stack file format from which a key is understood, as far as it is not 3.0."""


def finding(service: Service, name: str, severity: Severity, found: str, why: str, change: str, *paths: Sequence[str]) -> Finding:
    """A finding about a service. `paths`: the settings it is about, below the service."""
    places = tuple(dict.fromkeys(place for path in paths for place in service.place(*path)))
    return Finding(name, severity, service.name, found, why, change, places or service.place())


def setting(service: Service, path: str, value: str, options: str, *, restarts: bool = True) -> str:
    """Say how to set one thing.

    Args:
        path: keys below the service, separated by spaces: ``deploy update_config parallelism``.
        value: what stands behind the last key.
        options: of ``docker service update``.
        restarts: whether Swarm restarts the tasks for it.
    """
    if not service.is_from_file:
        return command(service, options) if restarts else f"docker service update {options} {service.name}"
    return lines(service, path, f"{path.rsplit(maxsplit=1)[-1]}: {value}")


def command(service: Service, options: str) -> str:
    """A ``docker service update`` for which Swarm restarts the tasks, with what that costs."""
    update = f"docker service update {options} {service.name}"
    if is_database(service) and not keeps_data(service):
        return f"{DUMP_FIRST}\n{update}"
    return f"{update}  # restarts the tasks, one after the other"


def lines(service: Service, path: str, *last: str) -> str:
    """Lines of the stack file: the keys down to the last one of `path`, which `last` writes out; more of `last` follow it."""
    keys = path.split()
    head = ["services:", *("  " * depth + f"{key}:" for depth, key in enumerate([service.name, *keys[:-1]], 1))]
    body = ["  " * (len(keys) + 1) + line for line in last]
    needed = max((_SINCE.get(key, (3, 0)) for key in keys), default=(3, 0))
    upgrade = ['version: "3.8"'] if service.version < needed else []
    return "\n".join([*upgrade, *head, *body])


def period(seconds: float) -> str:
    """Write a duration as stack files take it: ``2m``, ``90s``."""
    whole = int(-(-seconds // 1))
    return f"{whole // 60}m" if whole % 60 == 0 else f"{whole}s"
