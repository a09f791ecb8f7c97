"""What this machine's kernel can do, what is mounted on it, how much room it has."""

from __future__ import annotations

import shutil
from pathlib import Path

from galera_operator.sandbox import commands
from galera_operator.sandbox.errors import SandboxError


def has_ip_vs() -> bool:
    """Whether the kernel can balance connections to a service's virtual address (IPVS); loads the module if there is one."""
    table = Path("/proc/net/ip_vs")
    if not table.exists() and commands.find("modprobe"):
        commands.run(["modprobe", "ip_vs"], check=False)
    return table.exists()


def mounts_below(folder: Path) -> list[Path]:
    """Mount points below a folder, deepest first."""
    points = [Path(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted((point for point in points if point.is_relative_to(folder)), key=lambda p: len(p.parts), reverse=True)


def remove_tree(folder: Path) -> None:
    """Remove a folder with all in it, after unmounting what is mounted there."""
    for point in mounts_below(folder):
        commands.run(["umount", "--lazy", str(point)])
    if folder.exists():
        # rm, not shutil: three data roots have a hundred thousand files.
        commands.run(["rm", "-rf", "--one-file-system", str(folder)], timeout=300)


def enough_disk(folder: Path, gigabytes: float) -> None:
    """Raise a SandboxError if the disk of ``folder`` has less than ``gigabytes`` free."""
    free = shutil.disk_usage(folder).free / 1e9
    if free < gigabytes:
        raise SandboxError(
            f"{folder}: {free:.1f} GB free, expected at least {gigabytes:g} GB;"
            " make room, or set GALERA_SANDBOX_DIR to a folder on another disk"
        )
