"""Installing what is missing on this machine from Debian's packages, without starting any service."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from galera_operator.sandbox import commands
from galera_operator.sandbox.errors import SandboxError

Say = Callable[[str], None]

# What is needed (a program, or the path of a file) -> Debian package that has it.
GROUPS = {
    "sandbox": {
        "dockerd": "docker.io",
        "docker": "docker.io",
        "containerd": "containerd",
        "runc": "runc",
        "iptables": "iptables",
        "ip": "iproute2",
        "nsenter": "util-linux",
        "unshare": "util-linux",
        "mount": "mount",
        "hostname": "hostname",
        "debootstrap": "debootstrap",
    },
    "mariadb": {
        "mariadbd": "mariadb-server",
        "wsrep_sst_mariabackup": "mariadb-server",  # mariadbd alone may come from mariadb-server-core
        "mariadb": "mariadb-client",
        "mariadb-backup": "mariadb-backup",
        "/usr/lib/galera/libgalera_smm.so": "galera-4",
        "rsync": "rsync",
        "socat": "socat",
    },
    "haproxy": {"haproxy": "haproxy"},
    "prometheus": {"prometheus": "prometheus", "promtool": "prometheus"},
    "chromium": {"chromium": "chromium"},
    "bench": {"sysbench": "sysbench"},
}

# Debian enables a service when it installs it: at the next boot it would run although nobody asked for it.
_SERVICES = {
    "docker.io": ("docker.service", "docker.socket"),
    "containerd": ("containerd.service",),
    "mariadb-server": ("mariadb.service",),
    "haproxy": ("haproxy.service",),
    "prometheus": ("prometheus.service", "prometheus-node-exporter.service"),
}

_POLICY = Path("/usr/sbin/policy-rc.d")


def make_ready(groups: Sequence[str], say: Say) -> None:
    """See that this machine has what the groups need; say what is missing and install it.

    Args:
        groups: Of `GROUPS`.
        say: Takes a line at each step.

    Raises:
        SandboxError: Not root, or something is missing and cannot be installed.
    """
    missing: dict[str, str] = {}
    for group in groups:
        if group not in GROUPS:
            raise SandboxError(f"packages: no group {group!r}; expected of: {', '.join(GROUPS)}")
        missing |= {need: package for need, package in GROUPS[group].items() if not _is_there(need)}
    if not missing:
        return
    needed_for = ", ".join(sorted(missing))
    if os.geteuid() != 0:
        raise SandboxError(f"missing: {needed_for}; installing it needs root, user id is {os.geteuid()}; run it with sudo")
    if commands.find("apt-get") is None:
        raise SandboxError(f"missing: {needed_for}; there is no apt-get here to install it with; install it and try again")
    _install(sorted(set(missing.values())), needed_for, say)


def _is_there(need: str) -> bool:
    return Path(need).exists() if need.startswith("/") else commands.find(need) is not None


def _install(packages: list[str], needed_for: str, say: Say) -> None:
    say(f"installing Debian packages: {', '.join(packages)} (missing: {needed_for}); their services stay off")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    listed = [*packages, *(["containerd"] if "docker.io" in packages else [])]
    new = [package for package in listed if commands.run(["dpkg", "--status", package], check=False).returncode != 0]
    with _no_service_starts():
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
        # Package lists may be missing or old: then fetch them and try once more.
        if commands.run(install, check=False, timeout=600, extra_env=quiet).returncode != 0:
            commands.run(["apt-get", "update", "-q"], timeout=300, extra_env=quiet)
            commands.run(install, timeout=600, extra_env=quiet)
    units = [unit for package in new for unit in _SERVICES.get(package, ())]
    if units and Path("/run/systemd/system").is_dir():
        commands.run(["systemctl", "disable", *units], check=False)
        say(f"disabled {', '.join(units)}: they came with the packages and nobody asked for them")


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Keep Debian's packages from starting their services: this machine's own engine must not appear out of the blue.

    Package scripts ask /usr/sbin/policy-rc.d before they start a service; exit code 101 means 'not allowed'.
    """
    saved = _POLICY.with_name("policy-rc.d.before-galera-sandbox")
    if _POLICY.exists() and not saved.exists():
        _POLICY.rename(saved)
    _POLICY.write_text("#!/bin/sh\n# galera-operator sandbox, while it installs packages: start no service\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
        if saved.exists():
            saved.rename(_POLICY)
