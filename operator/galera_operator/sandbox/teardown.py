"""Removing the sandbox, whatever is there of it, also after a crash: found by its names, not by a record of success."""

from __future__ import annotations

from pathlib import Path

from galera_operator.sandbox import cgroups, host, network
from galera_operator.sandbox.builder import builder_engine
from galera_operator.sandbox.installing import Say
from galera_operator.sandbox.layout import MOST_NODES, Layout
from galera_operator.sandbox.swarm import node_engine


def down(layout: Layout, say: Say, *, purge: bool = False) -> None:
    """End all processes, then remove namespaces, interface, control groups and folders.

    Safe to run at any time and more than once.

    Args:
        layout: Which sandbox.
        say: Takes a line when something was running.
        purge: Delete the cached images as well.
    """
    found = leftovers(layout)
    if found:
        say(f"removing: {', '.join(found)}")
    for engine in (*(node_engine(layout, index) for index in range(1, MOST_NODES + 1)), builder_engine(layout)):
        engine.kill()
    network.remove_all(layout)
    for tag in (layout.tag, f"{layout.tag}-builder"):
        cgroups.remove(tag)
    host.remove_tree(layout.data)
    host.remove_tree(layout.run)
    if purge:
        host.remove_tree(layout.cache)


def leftovers(layout: Layout) -> list[str]:
    """What there is of the sandbox on this machine, in words; empty after `down`."""
    found = [f"process {pid}" for pid in processes(layout)]
    found += [f"network namespace {name}" for name in network.namespaces(layout)]
    if network.host_interface_exists(layout):
        found.append(f"interface {layout.host_interface}")
    found += [f"mount {point}" for point in host.mounts_below(layout.root)]
    found += [f"control group {path}" for tag in (layout.tag, f"{layout.tag}-builder") for path in cgroups.existing(tag)]
    found += [f"folder {folder}" for folder in (layout.run, layout.data) if folder.exists()]
    return found


def processes(layout: Layout) -> list[int]:
    """The sandbox's own processes: engines and what serves them, not what runs in containers."""
    folder = str(layout.run).encode()
    found = {pid for name in network.namespaces(layout) for pid in network.processes_in(name)}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(word.startswith(b"sandbox-") for word in words) and any(word.startswith(folder) for word in words):
                found.add(int(entry.name))
    return sorted(found)
