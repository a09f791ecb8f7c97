"""How mariadbd is started: our defaults with their reasons, the user's options, and what nobody may override.

Precedence, weakest first: our defaults, ``/etc/mysql/conf.d``, the container's command, the safety options.
The first three stand in a generated file; safety options are on the command line. Nothing else is: the transfer scripts hand
mariadbd's command line to mariadb-backup, which ends on an option that it does not know, but skips it in a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from galera_operator.agent.settings import BadSetting, Settings
from galera_operator.core.position import Position

PROVIDER_PATHS = ("/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so")
SST_PATCH = Path(__file__).with_name("sst.bash")
"""Takes a blind 10 s sleep out of the stock mariabackup script, by BASH_ENV; says why."""

_OURS = {
    "wsrep_start_position": "the agent passes the position that it read or recovered",
    "wsrep_cluster_address": "the agent looks for the members, set GALERA_PEERS to help it",
    "wsrep_new_cluster": "only the operator's grant bootstraps",
    "wsrep_recover": "the agent recovers the position by itself",
    "wsrep_node_name": "operator, agents and proxy know the member by this name",
    "wsrep_node_address": "set GALERA_BIND_ADDRESS to choose the member's address",
    "wsrep_node_incoming_address": "agents find each other by it",
    "wsrep_cluster_name": "set GALERA_CLUSTER_NAME",
    "wsrep_sst_method": "set GALERA_SST_METHOD",
    "wsrep_sst_donor": "the agent chooses a donor that is not the writer",
    "wsrep_sst_auth": "the agent creates the account for it",
    "wsrep_provider": "it is part of the image",
    "wsrep_on": "without it a member serves data that is not the cluster's",
    "datadir": "set GALERA_DATA_DIR",
    "socket": "set GALERA_RUN_DIR",
    "pid_file": "set GALERA_RUN_DIR",
    "user": "mariadbd runs as mysql",
    "log_error": "the log goes to the container's output, where the agent reads it",
    "skip_networking": "members and clients reach mariadbd over the network",
    "bind_address": "set GALERA_BIND_ADDRESS",
    "port": "operator and proxy expect 3306",
    "bootstrap": "it would start without Galera",
    "skip_grant_tables": "it would open the database to anybody",
}
"""Server options that a user may not set, each with what to do instead or why."""

_FIXED = {
    "binlog_format": ({"row", "2"}, "Galera replicates rows"),
    "innodb_autoinc_lock_mode": ({"2"}, "any other value deadlocks parallel applying"),
}

_OURS_PROVIDER = {
    "pc.recovery": "a group that forms behind the operator's back left members with different rows",
    "pc.bootstrap": "only the operator's grant bootstraps",
    "pc.ignore_sb": "two halves of the cluster would both take writes",
    "pc.ignore_quorum": "two halves of the cluster would both take writes",
    "gmcast.listen_addr": "set GALERA_BIND_ADDRESS",
    "gcache.dir": "the agent counts what is in the data directory",
}


@dataclass(frozen=True, slots=True)
class Start:
    """How mariadbd is to join or form a component.

    Attributes:
        peers: empty: bootstrap.
        position: where the data is; None for an empty or incomplete directory.
        donors: wsrep node names, best first.
        history: of a bootstrap: the new state UUID to go on under; empty: the one of the position.
        copies_all: of a join: a full transfer and no part of one, whatever the position is.
        mid_ddl: of a bootstrap: a DDL statement may be in the data although its position is before it.
    """

    address: str
    peers: tuple[str, ...]
    position: Position | None
    donors: tuple[str, ...] = ()
    history: str = ""
    copies_all: bool = False
    mid_ddl: bool = False

    @property
    def is_bootstrap(self) -> bool:
        return not self.peers


def defaults_file(settings: Settings, buffer_pool: int) -> str:
    """Make the configuration file: our defaults, each with its reason, then the user's files and command, which win."""
    includes = "\n".join(f"!includedir {path}" for path in settings.conf_dirs if path.is_dir())
    command = "\n".join(_file_line(option) for option in settings.server_options)
    return f"""# Written by the galera-operator agent at each start.
[mariadbd]
# Reverse look-ups of clients hang for seconds where Docker's DNS has no upstream.
skip_name_resolve
# Row format and interleaved auto-increment are what Galera's parallel applying needs.
binlog_format = row
innodb_autoinc_lock_mode = 2
default_storage_engine = InnoDB
# A quarter of the container's memory limit: the rest is for gcache, connections, and the backup of a state transfer.
innodb_buffer_pool_size = {settings.buffer_pool_size or buffer_pool}
# innodb_flush_log_at_trx_commit stays 1: what was acknowledged must survive a crash of all members at once.
# Swarm's IPVS forgets connections that are idle for 900 s.
loose_tcp_keepalive_time = 300
loose_tcp_keepalive_interval = 30
loose_tcp_keepalive_probes = 3
# Two appliers per core hide the disk's latency from each other.
wsrep_slave_threads = 4
# Names of the members in the component, for the agent's choice of a writer.
plugin_load_add = wsrep_info

[sst]
# The donor tries again until the joiner listens, 0.1 s apart for 10 s, instead of the script's blind 10 s sleep.
# TCP_USER_TIMEOUT (6:18), 30 s: a side whose container is gone takes its address with it, nothing answers any more, and without a
# limit the donor would stay Donor/Desynced for 15 min. A slow side answers.
sockopt = "retry=100,interval=0.1,setsockopt=6:18:i30000"
# Logs of old transfers would fill the container's /tmp.
sst-log-archive = 0

{includes}

[mariadbd]
# The container's command.
{command}
"""


def _file_line(option: str) -> str:
    """Write a command-line option as a line of an option file."""
    name, equals, value = option.removeprefix("--").partition("=")
    if not equals:
        return name
    escapes = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
    return f'{name} = "{"".join(escapes.get(char, char) for char in value)}"'


def provider_options(settings: Settings, user: str) -> str:
    """Merge Galera's own options: our tunables, the user's over them, the safety ones over all.

    Raises:
        BadSetting: the user set one that the agent must own.
    """
    merged = {
        # Big enough that a planned restart of a member finds its missed write-sets (IST instead of a copy of everything).
        "gcache.size": settings.gcache_size,
        # Keeps gcache over a restart of the donor.
        "gcache.recover": "yes",
        # A dead member is noticed after 3 s instead of 6 s; writers wait as long.
        "evs.suspect_timeout": "PT2S",
        "evs.inactive_timeout": "PT6S",
        "evs.inactive_check_period": "PT0.25S",
        # A member that joins or leaves makes everybody agree on a new view, and writers wait for it. Where one message of that
        # crosses another, the next one comes after these times, each of them a second by default; a tenth is the least that
        # Galera takes. Of a fourth member's joining under load (16 connections, two cores, 14 joins each) writers felt 0.22 to
        # 0.44 s, with a keepalive of 0.2 s 0.21 to 0.58 s, and with half a second and 0.3 s 0.5 to 1.1 s.
        "evs.keepalive_period": "PT0.1S",
        "evs.join_retrans_period": "PT0.1S",
    }
    for item in filter(None, (part.strip() for part in user.split(";"))):
        key, equals, value = (part.strip() for part in item.partition("="))
        if key in _OURS_PROVIDER:
            raise BadSetting(f"wsrep_provider_options sets {key}; it belongs to the agent: {_OURS_PROVIDER[key]}")
        if not equals:
            raise BadSetting(f"wsrep_provider_options has {item!r}; it takes key=value pairs separated by ';'")
        merged[key] = value
    merged["pc.recovery"] = "FALSE"
    if settings.bind_address:
        merged["gmcast.listen_addr"] = f"tcp://{settings.bind_address}:4567"
    return ";".join(f"{key}={value}" for key, value in merged.items())


def user_provider_options(options: Iterable[str]) -> str:
    """Check the user's server options, from files and command line, and return their wsrep_provider_options.

    Raises:
        BadSetting: one of them belongs to the agent; says which and what to do instead.
    """
    provider = ""
    for option in options:
        name, _, value = option.partition("=")
        name = re.sub(r"^(loose|maximum|enable)_", "", name.lstrip("-").replace("-", "_").lower())
        if name == "wsrep_provider_options":
            provider = value.strip("\"'")
        owned = [key for key in (name, name.removeprefix("skip_"), name.removeprefix("disable_")) if key in _OURS]
        if owned:
            raise BadSetting(f"the server option {option.split('=')[0]} belongs to the agent: {_OURS[owned[0]]}")
        if name in _FIXED and value.lower() not in _FIXED[name][0]:
            raise BadSetting(f"the server option {option} cannot be: {_FIXED[name][1]}")
    return provider


def wsrep_arguments(settings: Settings, start: Start, provider: str) -> list[str]:
    """The safety options: what makes this start a join or a bootstrap, from which position, and as whom."""
    arguments = [
        "--wsrep-on=ON",
        f"--wsrep-provider={_provider_path()}",
        f"--wsrep-provider-options={provider}",
        f"--wsrep-cluster-name={settings.cluster_name}",
        f"--wsrep-node-name={settings.name}",
        f"--wsrep-node-address={start.address}",
        f"--wsrep-cluster-address=gcomm://{','.join(start.peers)}",
        f"--wsrep-sst-method={settings.sst_method}",
        "--wsrep-sst-auth=mysql:",
        f"--bind-address={settings.bind_address or '0.0.0.0'}",  # noqa: S104 - clients come over the overlay network
        "--port=3306",
    ]
    if start.position is not None and start.position.is_usable:
        arguments.append(f"--wsrep-start-position={start.position}")
    if start.donors:
        # No trailing comma: a named donor that is busy is waited for, and 'any other', i.e. the writer, is not taken. Galera
        # reads it when it connects, and not again: a SET GLOBAL later changes nothing. So a member that was cut off asks whom
        # it was told at its start; where none of them is there any more it gives up, and starts anew with the donors of then.
        arguments.append(f"--wsrep-sst-donor={','.join(start.donors)}")
    if start.is_bootstrap:
        arguments.append("--wsrep-new-cluster")
    return arguments


def recover_arguments() -> list[str]:
    """Arguments of ``mariadbd --wsrep-recover``: it refuses to run without a cluster address, and must not join it."""
    return [
        "--wsrep-recover",
        "--wsrep-on=ON",
        f"--wsrep-provider={_provider_path()}",
        "--wsrep-cluster-address=gcomm://127.0.0.1",
        "--wsrep-sst-method=rsync",
        "--skip-networking",
    ]


def plain_arguments() -> list[str]:
    """Arguments of a mariadbd without Galera and without a network: for the first initialisation."""
    return [
        "--wsrep-on=OFF",
        "--wsrep-provider=none",
        "--wsrep-cluster-address=gcomm://",
        "--skip-networking",
    ]


def common_arguments(settings: Settings, defaults: Path, data_dir: Path) -> tuple[list[str], list[str]]:
    """Arguments of every mariadbd, before and after the specific ones."""
    first = [f"--defaults-file={defaults}"]
    last = [
        f"--datadir={data_dir}",
        f"--socket={settings.socket}",
        f"--pid-file={settings.run_dir}/mysqld.pid",
        "--user=mysql",
    ]
    return first, last


def buffer_pool_bytes(memory_limit: int | None) -> int:
    """A quarter of the container's memory limit, 128 MiB (MariaDB's default) where there is no limit or a tiny one."""
    default = 128 << 20
    return default if memory_limit is None else max(default, memory_limit // 4 // (1 << 20) * (1 << 20))


def memory_limit(cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """The container's memory limit in bytes; None without one (cgroup v2 says ``max``, v1 a number near 2**63)."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (cgroup / name).read_text().strip()
        except OSError:
            continue  # this cgroup version is not mounted here
        if text.isdigit() and int(text) < 1 << 60:
            return int(text)
    return None


def server_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of mariadbd and its transfer scripts: no secret is in it."""
    passed = {"TZ", "LANG", "LC_ALL", "MALLOC_ARENA_MAX", "LD_PRELOAD"}
    kept = {key: value for key, value in environ.items() if key in passed}
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return kept | {"PATH": path, "HOME": "/nonexistent", "BASH_ENV": str(SST_PATCH)}


def _provider_path() -> str:
    return next((path for path in PROVIDER_PATHS if Path(path).exists()), PROVIDER_PATHS[0])
