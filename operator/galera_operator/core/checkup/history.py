"""The write-set history against the rate of writes: how long a member may be away and still come back by IST."""

from __future__ import annotations

import re
from collections.abc import Iterator

from galera_operator.core.checkup.change import finding, setting
from galera_operator.core.checkup.finding import Finding, Severity
from galera_operator.core.checkup.roles import is_member_image
from galera_operator.core.checkup.setup import Measured, Service

ENOUGH_MINUTES = 15.0
"""A reboot of a node with its updates, and a person who looks."""

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def short_history(database: Service, measured: Measured | None) -> Iterator[Finding]:
    if measured is None or measured.written_per_second <= 0:
        return
    minutes = measured.gcache_bytes / measured.written_per_second / 60
    if minutes >= ENOUGH_MINUTES:
        return
    size = _up(measured.written_per_second * 60 * ENOUGH_MINUTES * 2)
    change = (
        setting(database, "environment GALERA_GCACHE_SIZE", size, f"--env-add GALERA_GCACHE_SIZE={size}")
        if is_member_image(database)
        else f"Set gcache.size={size} in wsrep_provider_options of every member; it is read at the start."
    )
    yield finding(
        database,
        "short-history",
        Severity.WARNING,
        f"gcache.size is {_size(measured.gcache_bytes)} and {measured.title} takes part in "
        f"{_size(measured.written_per_second)} of writes a second: {minutes:.1f} min of history.",
        "A member that was away for longer comes back by a full copy, which a donor has to give: minutes instead of seconds.",
        change,
        ("environment", "GALERA_GCACHE_SIZE"),
    )


def option(options: str, name: str) -> str:
    """One value out of ``wsrep_provider_options``; empty when it is not among them."""
    found = re.search(rf"(?:^|;)\s*{re.escape(name)}\s*=\s*([^;]*)", options)
    return found[1].strip() if found else ""


def size_in_bytes(text: str) -> int:
    """Read ``512M``, ``128K`` or ``1073741824``; 0 for what is none."""
    found = re.fullmatch(r"(\d+)\s*([KMGT]?)", text.strip().upper())
    return int(found[1]) * _UNITS[found[2]] if found else 0


def _size(count: float) -> str:
    for unit in ("T", "G", "M", "K"):
        if count >= _UNITS[unit]:
            return f"{count / _UNITS[unit]:.3g} {unit}iB"
    return f"{count:.0f} bytes"


def _up(count: float) -> str:
    """The next power of two from 1G on, as an option takes it."""
    size = _UNITS["G"]
    while size < count:
        size *= 2
    return f"{size // _UNITS['G']}G"
