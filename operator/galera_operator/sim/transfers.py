"""State transfers: who gives, by which method, how they end when one side does not live to see it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from galera_operator.core.position import ZERO_UUID
from galera_operator.sim.component import DONOR, JOINED, SYNCED, Component, Moving, Server
from galera_operator.sim.disk import Volume

if TYPE_CHECKING:
    from galera_operator.sim.galera import Galera

RATE = 50_000_000
"""Bytes a second."""
ABORT_SECONDS = 6.0
"""Until the side that is left notices that the other one is gone."""


class Transfers:
    """Moves every joiner of every component on by one tick."""

    def __init__(self, galera: Galera, random: Random) -> None:
        self._galera = galera
        self._random = random
        self._deserted: dict[Server, float] = {}
        self.on_erase: Callable[[Volume, Component], None] = lambda _volume, _component: None
        self.on_difference: Callable[[Server], None] = lambda _: None

    def tick(self, now: float) -> None:
        for server in list(self._galera.servers):
            if server.moving is not None and server.alive:
                self._move(server, server.moving, now)
            elif server.state == JOINED and not server.frozen and not server.queue:
                server.state = SYNCED
                self._galera.touch()
        for donor, since in list(self._deserted.items()):
            if now - since >= ABORT_SECONDS or not donor.alive:
                del self._deserted[donor]
                self._release(donor)

    def forget(self, server: Server) -> None:
        """A server left or died: a donor that sent to it notices later."""
        moving = server.moving
        if moving is not None and moving.donor is not None:
            self._deserted.setdefault(moving.donor, self._galera.now)
        server.moving = None

    def _move(self, joiner: Server, moving: Moving, now: float) -> None:
        component, donor = joiner.component, moving.donor
        if component is None or component.broken_since is not None or joiner.frozen:
            return
        if donor is None:
            self._find_donor(joiner, moving, component, now)
        elif not donor.alive or donor.component is not component:
            moving.failed_at = moving.failed_at or now
            if now - moving.failed_at >= ABORT_SECONDS:
                self._galera.kill(joiner, "the donor is gone: the state transfer failed")
        elif donor.frozen or moving.stuck:
            return
        else:
            moving.moved_at = now
            if now >= moving.until:
                self._finish(joiner, moving, donor, component)

    def _find_donor(self, joiner: Server, moving: Moving, component: Component, now: float) -> None:
        if joiner.donors and not any(one.name in joiner.donors for one in component.members):
            self._galera.kill(joiner, "state transfer request failed: none of the named donors is in the group")
            return
        able = [one for one in component.members if one.state == SYNCED and one.alive and not one.frozen and not one.desync]
        named = [one for one in able if one.name in joiner.donors] if joiner.donors else able
        if not named:
            return
        donor = moving.donor = named[0]
        volume = joiner.volume
        if moving.method == "IST":
            moving.until = now + 0.5 + self._random.random()
            self.check_same_rows(joiner, component)
        else:
            moving.until = now + 2.0 + 5.0 * self._random.random()
            self.on_erase(volume, component)
            volume.empty()
            volume.transfer = True
        moving.total = 400_000_000
        donor.state = DONOR
        self._galera.touch()

    def _finish(self, joiner: Server, moving: Moving, donor: Server, component: Component) -> None:
        volume, given = joiner.volume, donor.volume
        volume.branch, volume.seqno, volume.uuid = given.branch, given.seqno, component.uuid
        if moving.method == "SST":
            volume.transfer, volume.corrupt, volume.loose = False, False, False
            volume.differs, volume.ddl = given.differs, False
            if donor.zeros:  # Galera itself took it for a donor: what it gave is as nameless as its own
                joiner.zeros, volume.uuid = True, ZERO_UUID
        joiner.moving, joiner.state = None, JOINED
        self._release(donor)
        self._galera.touch()

    def _release(self, donor: Server) -> None:
        if donor.state == DONOR and not any(one.moving and one.moving.donor is donor for one in self._galera.servers):
            donor.state = SYNCED
            self._galera.touch()

    def check_same_rows(self, joiner: Server, component: Component) -> None:
        """Galera sends what comes after the joiner's seqno, whatever the joiner's rows before it are."""
        volume = joiner.volume
        assert volume.branch is not None
        assert component.branch is not None
        if not component.branch.holds(component.seqno, volume.branch, volume.seqno):
            volume.differs = True
            self.on_difference(joiner)
