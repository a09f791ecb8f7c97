"""How members find each other and begin: image, addresses, labels. Here is where data is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator

from galera_operator.core.checkup.change import DUMP_FIRST, command, finding, lines
from galera_operator.core.checkup.finding import Finding, Severity
from galera_operator.core.checkup.roles import PREFIX, Image, data_directory, is_member_image, keeps_data, kind_of
from galera_operator.core.checkup.setup import Service
from galera_operator.core.spec import BadWish

MEMBER_IMAGE = "galera-operator/member:dev"
DATA = "/var/lib/mysql"
"""Where the member image keeps its data."""

_FAULTS = {
    Image.TOUGHIQ: (
        Severity.DANGER,
        (
            "starts a cluster of its own whenever it sees one address in `tasks.<service>`, so a member that DNS does not know "
            "yet, or a restart of all, makes a second cluster; a health check makes that the rule."
        ),
    ),
    Image.COLINMOLLENHOUR: (
        Severity.DANGER,
        (
            "expects fewer members the longer it waits and then starts from the lowest address, which may hold older data; its "
            "entrypoint always ends with exit code 0, so Swarm takes each crash for a success."
        ),
    ),
    Image.BITNAMI: (
        Severity.WARNING,
        (
            "takes its members from a fixed list and one of them to start the cluster; Swarm's tasks have no fixed addresses, "
            "and its makers do not test Swarm."
        ),
    ),
    Image.OFFICIAL: (
        Severity.DANGER,
        (
            "starts mariadbd after a crash without its recovered position: in 5 of 6 tests members then had different rows while "
            "all of them said Synced; its health check's account is wiped by each state transfer."
        ),
    ),
}

_ADDRESS = re.compile(r"wsrep[_-]cluster[_-]address|gcomm://", re.IGNORECASE)
_ADDRESS_VARIABLES = ("MARIADB_GALERA_CLUSTER_ADDRESS", "CLUSTER_ADDRESS", "WSREP_CLUSTER_ADDRESS", "GCOMM_ADDRESS")
_NEW_CLUSTER = re.compile(r"wsrep[_-]new[_-]cluster", re.IGNORECASE)
_BOOTSTRAP_VARIABLES = ("MARIADB_GALERA_CLUSTER_BOOTSTRAP", "CLUSTER_BOOTSTRAP")


def dangerous_image(database: Service) -> Iterator[Finding]:
    kind = kind_of(database)
    if kind not in _FAULTS:
        return
    severity, fault = _FAULTS[kind]
    yield finding(
        database,
        "dangerous-image",
        severity,
        f"The image is {database.image}.",
        f"It {fault}",
        _another_image(database),
        ("image",),
    )


def _another_image(database: Service) -> str:
    """The member image, and where its data directory is another one, a new volume for it."""
    if not database.is_from_file:
        return command(database, f"--image {MEMBER_IMAGE}")
    first = () if keeps_data(database) else (DUMP_FIRST,)
    if data_directory(database) == DATA:
        return "\n".join((*first, lines(database, "image", f"image: {MEMBER_IMAGE}")))
    moved = ("volumes:", f"  - members:{DATA}")
    return "\n".join((DUMP_FIRST, lines(database, "image", f"image: {MEMBER_IMAGE}", *moved), "volumes:", "  members:"))


def fixed_address(database: Service) -> Iterator[Finding]:
    told: list[tuple[tuple[str, ...], str]] = [(("command",), word) for word in database.command if _ADDRESS.search(word)]
    told += [
        (("environment", name), value)
        for name, value in database.environment.items()
        if value and (name in _ADDRESS_VARIABLES or _ADDRESS.search(value))
    ]
    if not told:
        return
    path, value = told[0]
    if is_member_image(database):
        why = "The member image refuses to start with it: its agent looks for the members and knows the position to join with."
    elif value.rstrip("'\" ").endswith("gcomm://"):
        why = "An empty list means: start a new cluster. Every task does so, each time it starts."
    else:
        why = (
            "Tasks get new addresses when they are replaced, and a service's name leads to any member, also to the one that "
            "asks; a member that reaches nobody in the list starts alone or not at all."
        )
    yield finding(
        database,
        "fixed-address",
        Severity.DANGER,
        "The members' addresses are fixed: "
        + (f"{path[-1]}." if path[0] == "environment" else "wsrep_cluster_address is an option of the command."),
        why,
        "Remove it; the member image finds its peers by itself (GALERA_PEERS adds addresses to look at).",
        path,
    )


def always_bootstraps(database: Service) -> Iterator[Finding]:
    commands = [("command",) for word in database.command if _NEW_CLUSTER.search(word)]
    variables = [
        ("environment", name)
        for name in _BOOTSTRAP_VARIABLES
        if database.environment.get(name, "").lower() in {"yes", "true", "1"}
    ]
    if not commands and not variables:
        return
    yield finding(
        database,
        "always-bootstraps",
        Severity.DANGER,
        "Every start of a member starts a new cluster "
        + (f"({variables[0][-1]})." if variables else "(--wsrep-new-cluster in the command)."),
        "After a restart it serves its own copy beside the cluster that the others form: two histories, and joining one to the "
        "other erases its rows without a word.",
        "Remove it; with the member image only the operator's grant starts a cluster, once.",
        *commands,
        *variables,
    )


def refused_option(database: Service) -> Iterator[Finding]:
    said = any(pattern.search(database.refused) for pattern in (_ADDRESS, _NEW_CLUSTER))
    if not database.refused or said or not is_member_image(database):
        return
    yield finding(
        database,
        "refused-option",
        Severity.DANGER,
        f"The member image does not start with this command: {database.refused}.",
        "Its agent owns what decides over data and says so with exit code 2, at each start.",
        "Remove the option from `command:`."
        if database.is_from_file
        else f"docker service update --args 'THE OTHER OPTIONS' {database.name}",
        ("command",),
    )


def misplaced_labels(database: Service) -> Iterator[Finding]:
    ours = {key: value for key, value in sorted(database.container_labels.items()) if key.startswith(PREFIX)}
    if not ours:
        return
    options = " ".join(f"--container-label-rm {key} --label-add {key}={value}" for key, value in ours.items())
    yield finding(
        database,
        "label-misplaced",
        Severity.WARNING,
        f"{', '.join(ours)} {'is' if len(ours) == 1 else 'are'} on the containers.",
        "The operator reads a service's labels only: a change of a container's label would restart every member.",
        lines(database, "deploy labels", "labels:", *(f'  {key}: "{value}"' for key, value in ours.items()))
        if database.is_from_file
        else f"docker service update {options} {database.name}",
        *(("labels", key) for key in ours),
    )


def bad_labels(database: Service) -> Iterator[Finding]:
    wish = database.wish
    if not isinstance(wish, BadWish):
        return
    named = next((key for key in database.labels if key in wish.why), "")
    yield finding(
        database,
        "bad-label",
        Severity.WARNING,
        f"{wish.why[0].upper()}{wish.why[1:]}.",
        "While a label cannot be read, the operator leaves the size as it is and pages.",
        "Correct the label under `deploy: labels:`." if database.is_from_file else wish.remedy,
        ("deploy", "labels", named),
    )
