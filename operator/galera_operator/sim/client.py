"""Clients: they write wherever an agent lets a proxy send writes, and remember what was acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from galera_operator.sim.world import World


class Clients:
    """Somewhere behind every proxy; a proxy on a member's own node always reaches it, so every `200` gets writes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.acknowledged = 0
        self.writing = True

    def tick(self) -> None:
        world = self._world
        if not self.writing:
            return
        for container in world.containers:
            server = container.server
            if server is None or not container.is_admitted or container.frozen or not server.alive:
                continue
            if container.route(world.now)[1].code != 200:
                continue
            count = 1 + int(world.random.random() * 20)
            if world.galera.commit(server, count):
                branch = server.volume.branch
                assert branch is not None
                if branch.acknowledged < 0 and branch not in world.truth.branches:
                    world.truth.branches.append(branch)
                branch.acknowledged = max(branch.acknowledged, server.volume.seqno)
                self.acknowledged += count
