"""The control groups that the sandbox's engines leave behind."""

from __future__ import annotations

import os
from pathlib import Path

from galera_operator.sandbox.errors import SandboxError
from galera_operator.sandbox.waiting import NotYet, wait_until


def hierarchies() -> list[Path]:
    """Mount points of all control group hierarchies: one on a cgroup v2 machine, a dozen on a v1 machine."""
    mounts = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        where, _, what = line.partition(" - ")
        if what.split()[0] in ("cgroup", "cgroup2"):
            mounts.append(Path(where.split()[4]))
    return mounts


def existing(tag: str) -> list[Path]:
    """The topmost control groups named ``tag``, one per hierarchy."""
    return [path for path in (mount / tag for mount in hierarchies()) if path.is_dir()]


def remove(tag: str) -> None:
    """Remove the control groups named ``tag`` and all below them. Their processes must have ended.

    Raises:
        SandboxError: A process is still in one of them.
    """

    def removed() -> bool | NotYet:
        busy = [f"{path}: {error.strerror}" for top in existing(tag) for path, error in _remove_tree(top)]
        return NotYet(busy) if busy else True

    try:
        # The kernel empties a control group a moment after its last process has ended.
        wait_until(removed, 10, "the control groups to be empty", every=0.05)
    except AssertionError as late:
        raise SandboxError(f"{late}; see their cgroup.procs for who is in them") from None


def _remove_tree(top: Path) -> list[tuple[Path, OSError]]:
    failed = []
    for folder, _, _ in os.walk(top, topdown=False):
        try:
            Path(folder).rmdir()  # the files in a control group are not removed, only the folder
        except OSError as error:
            failed.append((Path(folder), error))
    return failed
