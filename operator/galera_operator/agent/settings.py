"""What the agent is told from outside: its environment, its secrets and its command line.

Every setting is an environment variable; the ones of the official MariaDB image and of the origin article's stack
(``MYSQL_ROOT_PASSWORD``, ``DB_SERVICE_NAME``, ...) mean the same here. Each password also as ``NAME_FILE``.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from galera_operator.core.agent_api import HAPROXY_PORT, HTTP_PORT, token_from_root_password

MAX_NAME = 31
SST_METHODS = ("mariabackup", "rsync")


class BadSetting(ValueError):
    """A setting that cannot be meant; names the variable, what it got and what it takes."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """The SQL accounts that a first initialisation creates, besides the agent's own."""

    root_password: str | None = field(repr=False)
    """None (also for ``MARIADB_RANDOM_ROOT_PASSWORD``, since a password may not stand in a log): nobody logs in as root
    over TCP; ``docker exec ... mariadb`` works over the socket."""
    root_host: str
    database: str | None
    user: str | None
    password: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it, read once at the start."""

    service: str
    """``GALERA_SERVICE``: the full Swarm service name, from the template ``{{.Service.Name}}``; may be empty."""
    alias: str
    """``DB_SERVICE_NAME``: the service's short name on its network, as the article's stack gives it; may be empty."""
    name: str
    """wsrep node name, see `member_name`."""
    cluster_name: str
    token: str | None = field(repr=False)
    """The cluster's bearer token. None: every command is refused with `token_missing`; reading works."""
    token_missing: str
    data_dir: Path
    run_dir: Path
    conf_dirs: tuple[Path, ...]
    init_dir: Path
    bind_address: str
    """``GALERA_BIND_ADDRESS``: one address to listen on and to be known by. Empty (the default): all addresses, and the
    one on the route to a peer is the own one. For tests, and for hosts with several networks."""
    peers: tuple[str, ...]
    """``GALERA_PEERS``: addresses to look at besides what DNS says."""
    sst_method: str
    gcache_size: str
    buffer_pool_size: str
    """``GALERA_BUFFER_POOL_SIZE``; empty: a quarter of the container's memory limit, 128M where there is none."""
    drain_timeout: float
    """``GALERA_DRAIN_TIMEOUT`` (50 s): below Swarm's stop_grace_period minus what a shutdown takes. /admit overrides it."""
    proxy_notice: float
    """``GALERA_PROXY_NOTICE`` (1.5 s): three checks of 500 ms until every proxy knows of a drain."""
    operator_away: float
    """``GALERA_OPERATOR_AWAY`` (30 s): after this without a sign of the operator, a joined member admits itself."""
    shutdown_timeout: float
    """``GALERA_SHUTDOWN_TIMEOUT`` (600 s): then a mariadbd that does not end gets SIGKILL; InnoDB recovers from that."""
    accounts: Accounts
    server_options: tuple[str, ...]
    http_port: int = HTTP_PORT
    haproxy_port: int = HAPROXY_PORT
    incarnation: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def socket(self) -> Path:
        return self.run_dir / "mysqld.sock"

    @property
    def dns_names(self) -> tuple[str, ...]:
        """Swarm's DNS names that list the tasks of this service: by full name, and by the stack's short alias."""
        return tuple(dict.fromkeys(f"tasks.{name}" for name in (self.service, self.alias) if name))


def read_settings(environ: Mapping[str, str], argv: Sequence[str]) -> Settings:
    """Read all settings.

    Args:
        environ: The process environment.
        argv: The container's command: ``mariadbd``, ``mysqld`` or nothing, then server options.

    Raises:
        BadSetting: a value that cannot be meant. The agent says so and exits 2 before it touches anything.
    """
    service = environ.get("GALERA_SERVICE", "")
    alias = environ.get("DB_SERVICE_NAME", "")
    slot = environ.get("GALERA_SLOT", "")
    name = member_name(service, slot, socket.gethostname())
    token, missing = _token(environ, alias or service)
    method = environ.get("GALERA_SST_METHOD") or "mariabackup"
    if method not in SST_METHODS:
        raise BadSetting(f"GALERA_SST_METHOD is {method!r}; it takes {' or '.join(SST_METHODS)}")
    conf = environ.get("GALERA_CONF_DIR", "/etc/mysql/conf.d:/etc/mysql/mariadb.conf.d")
    return Settings(
        service=service,
        alias=alias,
        name=name,
        cluster_name=(environ.get("GALERA_CLUSTER_NAME") or service or alias or "galera")[:32],
        token=token,
        token_missing=missing,
        data_dir=Path(environ.get("GALERA_DATA_DIR") or "/var/lib/mysql"),
        run_dir=Path(environ.get("GALERA_RUN_DIR") or "/run/mysqld"),
        conf_dirs=tuple(Path(part) for part in conf.split(":") if part),
        init_dir=Path(environ.get("GALERA_INIT_DIR") or "/docker-entrypoint-initdb.d"),
        bind_address="".join(_addresses(environ, "GALERA_BIND_ADDRESS")[:1]),
        peers=_addresses(environ, "GALERA_PEERS"),
        sst_method=method,
        gcache_size=environ.get("GALERA_GCACHE_SIZE") or "512M",
        buffer_pool_size=environ.get("GALERA_BUFFER_POOL_SIZE", ""),
        drain_timeout=_seconds(environ, "GALERA_DRAIN_TIMEOUT", 50.0),
        proxy_notice=_seconds(environ, "GALERA_PROXY_NOTICE", 1.5),
        operator_away=_seconds(environ, "GALERA_OPERATOR_AWAY", 30.0),
        shutdown_timeout=_seconds(environ, "GALERA_SHUTDOWN_TIMEOUT", 600.0),
        accounts=_accounts(environ),
        server_options=_server_options(argv),
    )


def member_name(service: str, slot: str, host: str) -> str:
    """Name the member: ``<service>.<slot>`` where Swarm's templates tell both, else the host name.

    Galera cuts names after 31 bytes where it lists a component's members (WSREP_MEMBER_NAME_LEN), so that the slots of a
    long service name would look alike. A longer name is shortened in its middle: ``long-serv~1f2e3d.3``.
    """
    head, tail = (service, f".{slot}") if service and slot else (host, "")
    if len((head + tail).encode()) <= MAX_NAME:
        return head + tail
    digest = f"~{hashlib.sha256(head.encode()).hexdigest()[:6]}"
    return head.encode()[: MAX_NAME - len(digest) - len(tail)].decode(errors="ignore") + digest + tail


def _token(environ: Mapping[str, str], name: str) -> tuple[str | None, str]:
    """Find the token: the Docker secret, else one derived from the root password that stands in the service's spec.

    Rule, mirrored by the operator, which reads the same variables from the service's spec:
    ``token_from_root_password(MARIADB_ROOT_PASSWORD or MYSQL_ROOT_PASSWORD, DB_SERVICE_NAME or GALERA_SERVICE or "")``.
    Only the plain variables count: the operator cannot read a secret's file in the member (``..._ROOT_PASSWORD_FILE``).
    """
    file = Path(environ.get("GALERA_TOKEN_FILE") or "/run/secrets/galera_token")
    if file.exists():
        token = file.read_text().strip()
        if not token:
            raise BadSetting(f"the secret {file} is empty; expected the cluster's token")
        if not (token.isascii() and token.isprintable()):
            raise BadSetting(f"the secret {file} holds more than printable ASCII, which HTTP cannot carry")
        return token, ""
    if "GALERA_TOKEN_FILE" in environ:
        raise BadSetting(f"GALERA_TOKEN_FILE is {str(file)!r}, which does not exist")
    password = environ.get("MARIADB_ROOT_PASSWORD") or environ.get("MYSQL_ROOT_PASSWORD")
    if password:
        return token_from_root_password(password, name), ""
    return None, (
        f"no secret galera_token ({file}) and no MARIADB_ROOT_PASSWORD to derive one from: "
        "add the secret to the service, commands are refused until then"
    )


def _accounts(environ: Mapping[str, str]) -> Accounts:
    root_password = _secret(environ, "ROOT_PASSWORD")
    if root_password is None and _flag(environ, "ALLOW_EMPTY_ROOT_PASSWORD", "ALLOW_EMPTY_PASSWORD"):
        root_password = ""
    user, password = _secret(environ, "USER"), _secret(environ, "PASSWORD")
    if user and not password:
        raise BadSetting(f"MARIADB_USER is {user!r} but MARIADB_PASSWORD is missing; both or neither")
    return Accounts(
        root_password=root_password,
        root_host=_secret(environ, "ROOT_HOST") or "%",
        database=_secret(environ, "DATABASE"),
        user=user,
        password=password,
    )


def _secret(environ: Mapping[str, str], name: str) -> str | None:
    """Read ``MARIADB_name``, else ``MYSQL_name``, each also as the content of the file that ``..._FILE`` names."""
    for variable in (f"MARIADB_{name}", f"MYSQL_{name}"):
        file = environ.get(f"{variable}_FILE")
        if file and environ.get(variable):
            raise BadSetting(f"{variable} and {variable}_FILE are both set; give one of them")
        if file:
            try:
                return Path(file).read_text().rstrip("\r\n") or None
            except OSError as error:
                raise BadSetting(f"{variable}_FILE is {file!r}: {error.strerror}") from error
        if environ.get(variable):
            return environ[variable]
    return None


def _flag(environ: Mapping[str, str], *names: str) -> bool:
    return any(environ.get(f"{prefix}_{name}") for name in names for prefix in ("MARIADB", "MYSQL"))


def is_address(text: str) -> bool:
    """Tell whether `text` is an IPv4 address. Names are not taken: looking one up can hang for seconds."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _addresses(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    found = tuple(environ.get(name, "").replace(",", " ").split())
    for text in found:
        if not is_address(text):
            raise BadSetting(f"{name} has {text!r}; it takes IPv4 addresses")
    return found


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError as error:
        raise BadSetting(f"{name} is {text!r}; it takes a number of seconds") from error
    if not 0 <= value <= 86400:
        raise BadSetting(f"{name} is {text!r}; it takes 0 to 86400 seconds")
    return value


def _server_options(argv: Sequence[str]) -> tuple[str, ...]:
    rest = list(argv)
    if rest and Path(rest[0]).name in {"mariadbd", "mysqld"}:
        rest.pop(0)
    for option in rest:
        if not option.startswith("--"):
            raise BadSetting(f"the command has {option!r}; it takes mariadbd and options that start with --")
    return tuple(rest)
