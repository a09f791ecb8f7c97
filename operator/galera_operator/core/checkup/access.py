"""Who gets at the database, and how: passwords, ports, idle connections, the engine's socket."""

from __future__ import annotations

import re
from collections.abc import Iterator

from galera_operator.core.checkup.change import command, finding, lines, setting
from galera_operator.core.checkup.finding import Finding, Severity
from galera_operator.core.checkup.roles import TOKEN, has_proxy, is_member_image, mounts_socket
from galera_operator.core.checkup.setup import Measured, Service, Setup

IPVS_IDLE = 900
"""Seconds after which IPVS forgets a connection that nothing was sent on."""

KERNEL_KEEPALIVE = 7200
"""Seconds until the kernel's first keepalive where nothing else is set."""

KEEPALIVE = 300

_PASSWORD = re.compile(r"(PASSWORD|PASSWD|PWD|SECRET|TOKEN|API_?KEY)$")
_NOT_A_PASSWORD = re.compile(r"RANDOM|ALLOW_EMPTY|EMPTY_|ONETIME|EXPIRE")
_INTERNAL = {4444: "state transfers", 4567: "the group", 4568: "incremental transfers", 9200: "the agent", 9201: "the agent"}


def plain_passwords(service: Service) -> Iterator[Finding]:
    names = [
        name
        for name, value in service.environment.items()
        if value and _PASSWORD.search(name) and not _NOT_A_PASSWORD.search(name) and not value.startswith("/run/secrets/")
    ]
    if not names:
        return
    has = "has its password" if len(names) == 1 else f"has {len(names)} passwords"
    yield finding(
        service,
        "plain-password",
        Severity.WARNING,
        f"{service.name} {has} in its environment: {', '.join(names)}.",
        "Whoever may see the stack file, or run `docker service inspect` or `docker inspect`, reads it.",
        _secrets(service, names),
        *(("environment", name) for name in names),
    )


def published_ports(database: Service) -> Iterator[Finding]:
    for port in database.ports:
        inside = _INTERNAL.get(port.target)
        if port.mode != "ingress" and not inside:
            continue
        what = f"port {port.target} ({inside})" if inside else f"port {port.target}"
        yield finding(
            database,
            "published-port",
            Severity.DANGER if inside else Severity.WARNING,
            f"The database's {what} is published as {port.published or 'a random port'}"
            + (" on every node of the Swarm." if port.mode == "ingress" else "."),
            "Whoever reaches it can join the cluster or read its state transfer."
            if inside
            else "It goes past the proxy to any member, also to a donor; the server sees the mesh's address instead of the "
            "client's, and idle connections are forgotten after 900 s.",
            "Remove this line; publish the proxy's port instead, in mode host or behind a firewall."
            if database.is_from_file
            else command(database, f"--publish-rm {port.target}"),
            ("ports", f"{port.published}:{port.target}"),
        )


def keepalive(database: Service, setup: Setup, measured: Measured | None = None) -> Iterator[Finding]:
    if database.endpoint_mode != "vip" or has_proxy(database, setup):
        return
    seconds = _keepalive(database, measured)
    if seconds < IPVS_IDLE:
        return
    yield finding(
        database,
        "keepalive",
        Severity.WARNING,
        f"Applications reach {database.name} by its virtual address, and its first TCP keepalive comes after {seconds} s.",
        f"IPVS forgets a connection that was idle for {IPVS_IDLE} s without telling either side: the next statement of a pool "
        "fails, or hangs for minutes.",
        setting(
            database,
            "sysctls net.ipv4.tcp_keepalive_time",
            str(KEEPALIVE),
            f"--sysctl-add net.ipv4.tcp_keepalive_time={KEEPALIVE}",
        ),
        ("sysctls", "net.ipv4.tcp_keepalive_time"),
        ("command",),
    )


def socket_in_database(database: Service) -> Iterator[Finding]:
    if not mounts_socket(database):
        return
    mount = next(mount for mount in database.mounts if mount.source.endswith("docker.sock"))
    yield finding(
        database,
        "docker-socket",
        Severity.DANGER,
        "The Docker socket is mounted into the database.",
        "Whoever gets a shell there is root on the node, and on a manager on all nodes; `:ro` does not limit the API.",
        "Remove this line; only the operator needs it."
        if database.is_from_file
        else command(database, f"--mount-rm {mount.target}"),
        ("volumes", mount.target),
    )


def _keepalive(database: Service, measured: Measured | None) -> int:
    """Seconds until the server's first keepalive, as well as can be told."""
    if measured is not None and measured.keepalive:
        return measured.keepalive
    told = [word.partition("=")[2] for word in database.command if _is_keepalive_option(word)]
    for value in (*told[-1:], database.sysctls.get("net.ipv4.tcp_keepalive_time", "")):
        if value.isdecimal() and int(value):
            return int(value)
    return KEEPALIVE if is_member_image(database) and not told else KERNEL_KEEPALIVE


def _is_keepalive_option(word: str) -> bool:
    name = word.partition("=")[0].lstrip("-").replace("-", "_").removeprefix("loose_")
    return name == "tcp_keepalive_time"


def _secrets(service: Service, names: list[str]) -> str:
    """How to hand the passwords over as secrets instead; their values appear nowhere."""
    secrets = {name: _secret_name(service, name) for name in names}
    # The member's agent and the operator trusted each other by the root password, as long as both could read it.
    needs_token = is_member_image(service) and TOKEN not in service.secrets and any("ROOT_PASSWORD" in name for name in names)
    token = [TOKEN] if needs_token else []
    made = [f"docker secret create {secret} -    # reads the present password from standard input" for secret in secrets.values()]
    made += [f"openssl rand -hex 32 | docker secret create {one} -    # for the operator's service as well" for one in token]
    if not service.is_from_file:
        options = [f"--secret-add {one}" for one in token] + [
            f"--secret-add {secret} --env-rm {name} --env-add {name}_FILE=/run/secrets/{secret}"
            for name, secret in secrets.items()
        ]
        return "\n".join((*made, command(service, " ".join(options))))
    environment = [f"  {name}_FILE: /run/secrets/{secret}" for name, secret in secrets.items()]
    mounted = [f"  - {secret}" for secret in (*secrets.values(), *token)]
    external = [f"  {secret}: {{external: true}}" for secret in (*secrets.values(), *token)]
    body = lines(service, "secrets", "environment:", *environment, "secrets:", *mounted)
    return "\n".join((*made, body, "secrets:", *external))


def _secret_name(service: Service, variable: str) -> str:
    """``wordpress_db_password`` for WORDPRESS_DB_PASSWORD of wordpress, ``dbcluster_mysql_password`` for dbcluster's."""
    name, owner = variable.lower(), service.name.lower()
    return name if name.startswith(f"{owner}_") else f"{owner}_{name}"
