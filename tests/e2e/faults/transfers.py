"""Making a member copy everything from another one, and telling when that is in the middle."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from pathlib import Path

from faults.cluster import Cluster
from faults.containers import Container, send
from faults.scene import Scene
from galera_operator.core.agent_api import AgentStatus
from galera_operator.sandbox.waiting import NotYet, wait_until

VOLUME = "db_data"
ENOUGH_BYTES = 100 << 20
"""Far more than an empty server's own files (gcache is one of them), less than all of the data."""
CUT_OFF = "a state transfer into this directory was cut off"
"""What the joiner's next life says of its directory: proof that it was in the middle."""


def kill_and_empty(scene: Scene) -> None:
    """Kill the target and delete the content of its volume before Swarm starts it again."""
    scene.blow()
    send(scene.target.pids, signal.SIGKILL)
    empty(scene.cluster, scene.target)


def empty(cluster: Cluster, killed: Container) -> None:
    """Delete the content of a killed member's volume as soon as it has ended."""
    data = cluster.containers.volume(killed.node, VOLUME)

    def gone() -> bool | NotYet:
        left = [one for one in cluster.containers.running(cluster.database) if one.slot == killed.slot]
        assert all(one.id == killed.id for one in left), f"slot {killed.slot} came back before its volume was empty"
        return not left or NotYet(left)

    wait_until(gone, 10, "the member to end", every=0.01)
    for entry in data.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def begin(scene: Scene) -> None:
    """Let the target lose its data, so that it has to copy everything from another member."""
    kill_and_empty(scene)


def in_the_middle(scene: Scene) -> tuple[Container, Container]:
    """Wait until data moves; returns the donor's and the joiner's container."""
    cluster, slot = scene.cluster, scene.target.slot
    data = cluster.containers.volume(scene.target.node, VOLUME)

    def moving() -> tuple[int, int] | NotYet:
        said = cluster.statuses()
        donors = [other for other, one in said.items() if other != slot and _is(one, "donor", "sending")]
        arrived = _bytes_in(data)
        if _is(said.get(slot), "joiner", "receiving") and len(donors) == 1 and arrived > ENOUGH_BYTES:
            return donors[0], slot
        return NotYet((arrived, {other: one.transfer if one else None for other, one in said.items()}))

    donor, joiner = wait_until(moving, 60, "data to move from a donor to the joiner", every=0.02)
    return cluster.member(donor), cluster.member(joiner)


def _is(status: AgentStatus | None, role: str, stage: str) -> bool:
    transfer = status.transfer if status else None
    return transfer is not None and (transfer.role, transfer.stage) == (role, stage)


def _bytes_in(folder: Path) -> int:
    """What the files in it take on disk: a file that is allocated and not written takes nothing."""
    found = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):  # moved or removed meanwhile
                found += Path(place, name).lstat().st_blocks * 512
    return found
