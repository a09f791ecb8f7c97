"""Group communication in memory: views, quorum, partitions, merging, bootstraps, leaving cleanly and not.

Times are those of FACTS: 3 s until a silent member is suspected with the agent's options, up to 6 s until a thawed one notices
that the others went on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from galera_operator.core.position import ZERO_UUID
from galera_operator.sim.component import DONOR, INITIALIZED, JOINING, SYNCED, Component, Moving, Server
from galera_operator.sim.ddl import Ddl
from galera_operator.sim.network import Network
from galera_operator.sim.rows import Branch
from galera_operator.sim.transfers import Transfers

SUSPECT = 3.0
GHOST_SECONDS = 6.0
MEET_SECONDS = 4.0
"""For how long who has just lost its Primary component stays alone, whoever is in reach."""
BOOTSTRAP_SECONDS = 0.3
CONNECT_SECONDS = 0.8
GIVE_UP_SECONDS = 34.0
FLOW_CONTROL_LIMIT = 100


_AT_REST = {SYNCED, INITIALIZED}


class Galera:
    """Every mariadbd there is. `tick` lets the time since the last one have passed."""

    def __init__(self, network: Network, random: Random, new_uuid: Callable[[], str]) -> None:
        self.network = network
        self.random = random
        self.new_uuid = new_uuid
        self.servers: list[Server] = []
        self.now = 0.0
        self.version = 0
        self.lagging = False
        self.transfers = Transfers(self, random)
        self.ddl = Ddl(random)
        self.on_bootstrap: Callable[[Server], None] = lambda _: None
        self._views = 0
        self._busy = False
        self._seen = (-1, -1)

    def start(self, server: Server) -> Server:
        self.servers.append(server)
        server.volume.opened()
        self.touch()
        return server

    def touch(self) -> None:
        """Something changed that the next tick has to look at."""
        self.version += 1

    # How a server ends ------------------------------------------------------------------------------------------------

    def kill(self, server: Server, words: str = "killed") -> None:
        """It is gone without a word: the others wait for it until they suspect it."""
        if server.alive:
            server.alive, server.frozen, server.last_words = False, False, words
            self.servers.remove(server)
            self.ddl.cut_off(server)
            self.transfers.forget(server)
            self.touch()

    def leave(self, leaving: Sequence[Server]) -> None:
        """Clean shutdowns at the same time: the survivors have a new view at once and keep their quorum."""
        self.ddl.finish(leaving)
        alone = {server for server in leaving if server.component and server.component.members == [server]}
        for server in leaving:
            component = server.component
            if component is not None and component.primary and not component.ghost and server.state >= DONOR and not server.slow:
                self._apply(server, component)
        for server in leaving:
            component = server.component
            knows = not server.zeros and server.moving is None and server.state >= DONOR
            if server.moving is None and (knows or (component is not None and not component.primary and not server.zeros)):
                server.volume.closed(last=server in alone and component is not None and component.primary)
            if component is not None:
                self._remove(server, component, together=leaving)
            server.alive = False
            server.last_words = "shut down"
            self.servers.remove(server)
        for component in {server.component for server in leaving if server.component is not None}:
            if component.primary and not component.ghost and not any(member.state >= DONOR for member in component.members):
                component.primary = False
                for member in list(component.members):
                    self._lose_primary(member)
        self.touch()

    def _remove(self, server: Server, component: Component, together: Sequence[Server]) -> None:
        component.members.remove(server)
        component.number += 1
        component.count()
        self.transfers.forget(server)
        if component.ghost:
            return
        if not set(component.members) & set(together):
            self._new_view(component)

    def _new_view(self, component: Component) -> None:
        """Its members see each other anew. In a Primary component the view itself takes a seqno."""
        self._views += 1
        if component.primary and component.members:
            assert component.branch is not None
            component.branch = component.branch.view(component.seqno)
            component.seqno += 1
            for member in component.members:
                if member.state >= DONOR and not member.slow and not member.frozen:
                    self._apply(member, component)
            self.lagging = True
        members = frozenset(component.members) if component.primary else frozenset()
        now = self.now
        for member in component.members:
            member.view_at = now
            if component.primary:
                member.voters, member.voted, member.number = members, self._views, component.number

    # What passes by itself --------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        self.now = now
        self.lagging = self.ddl.finish(self.servers) or self.lagging
        if self.lagging:
            self._catch_up()
        seen = (self.version, self.network.version)
        if not self._busy and seen == self._seen:
            return
        self._start_up(now)
        self._fall_apart(now)
        self._wake_up(now)
        self._come_together(now)
        self.transfers.tick(now)
        self._seen = seen
        self._busy = False
        for server in self.servers:
            component = server.component
            if (
                component is None or server.moving is not None or server.state not in _AT_REST
                or component.broken_since is not None or component.ghost
                or (not component.primary and now - server.view_at <= MEET_SECONDS)
            ):  # fmt: skip
                self._busy = True
                break

    def _catch_up(self) -> None:
        self.lagging = False
        for server in self.servers:
            component = server.component
            if component is None or not component.primary or component.ghost or server.frozen or server.state < DONOR:
                continue
            if server.slow:
                self.lagging = True
            else:
                self._apply(server, component)

    def _apply(self, server: Server, component: Component) -> None:
        assert component.branch is not None
        server.volume.branch, server.volume.seqno = component.branch, component.seqno

    def _start_up(self, now: float) -> None:
        for server in list(self.servers):
            if server.component is not None or server.frozen:
                continue
            waited = now - server.started
            if server.bootstrap:
                if waited >= BOOTSTRAP_SECONDS:
                    self._bootstrap(server)
            elif waited >= CONNECT_SECONDS:
                contact = self._contact(server)
                if contact is not None:
                    self._admit(server, contact, running=False)
                elif waited >= GIVE_UP_SECONDS:
                    self.kill(server, "failed to open the channel: no Primary component answered for 34 s")

    def _contact(self, server: Server) -> Component | None:
        """A Primary component that one of its addresses leads to."""
        for other in self.servers:
            component = other.component
            if component is None or not component.primary or component.ghost or component.broken_since is not None:
                continue
            if other.address in server.peers and not other.frozen and self.network.both_ways(server.node, other.node):
                return component
        return None

    def _bootstrap(self, server: Server) -> None:
        volume = server.volume
        if volume.branch is None:
            volume.branch = Branch(self.new_uuid(), None, -1, 0)
            volume.uuid, volume.seqno = volume.branch.uuid, 0
        server.zeros = server.position is None and volume.seqno > 0
        component = Component([server], True, 1, volume.uuid, volume.branch, volume.seqno, volume.seqno)
        server.component, server.state = component, SYNCED
        if server.zeros:
            volume.uuid = ZERO_UUID
        self._new_view(component)
        self.on_bootstrap(server)
        self.touch()

    def _admit(self, server: Server, component: Component, *, running: bool, together: bool = False) -> None:
        """A server meets a Primary component: it is in the view at once, and gets what it lacks.

        Args:
            running: it was in a component before, in this life.
            together: one view for several; the caller makes it.
        """
        volume = server.volume
        known = server.position is not None or running
        mine = known and volume.branch is not None and not volume.transfer and volume.uuid == component.uuid
        if mine and volume.seqno > component.seqno:
            self.kill(server, "reversing history: its data is ahead of the group's; data loss is possible")
            return
        if running and not mine:
            self.kill(server, "another history than the group's: it has to start anew for a full transfer")
            return
        if running and volume.seqno < component.history_from:
            self.kill(server, "the group's gcache does not reach back to it: it has to start anew for a full transfer")
            return
        component.members.append(server)
        component.number += 1
        component.count()
        server.component = component
        if not known and volume.loose and volume.branch is not None and not volume.transfer:
            # The group took it in without asking where it stands: FACTS, the fact that matters most.
            server.zeros, server.state = True, SYNCED
            volume.differs = volume.differs or volume.seqno != component.seqno
            volume.uuid = ZERO_UUID
        elif mine and volume.seqno == component.seqno and running:
            server.state = SYNCED
            self.transfers.check_same_rows(server, component)
        else:
            server.state = JOINING
            method = "IST" if mine and volume.seqno >= component.history_from else "SST"
            server.moving = Moving(server, method, self.now, moved_at=self.now)
        if not together:
            self._new_view(component)
        self.touch()

    def _fall_apart(self, now: float) -> None:
        for component in list(dict.fromkeys(s.component for s in self.servers if s.component is not None)):
            if component.ghost:
                continue
            groups = self._groups(component)
            if not groups or (len(groups) == 1 and len(groups[0]) == len(component.members)):
                if component.broken_since is not None:
                    component.broken_since = None
                    self.touch()
                continue
            parts = tuple([frozenset(group) for group in groups])
            if component.broken_since is None or parts != component.parts:
                component.broken_since, component.parts = now, parts
                self.touch()
            elif now - component.broken_since >= SUSPECT:
                self._split(component, groups)

    def _groups(self, component: Component) -> list[list[Server]]:
        """Members that reach each other, directly or through others (gmcast relays)."""
        rest = [member for member in component.members if member.alive and not member.frozen]
        if not self.network.down and not self.network.cuts:
            return [rest] if rest else []
        groups = []
        while rest:
            group = [rest.pop(0)]
            for member in group:
                near = [other for other in rest if self.network.both_ways(member.node, other.node)]
                group += near
                rest = [other for other in rest if other not in near]
            groups.append(group)
        return groups

    def _split(self, component: Component, groups: list[list[Server]]) -> None:
        everyone = len(component.members)
        for frozen in [member for member in component.members if member.alive and member.frozen]:
            frozen.component = Component(
                list(component.members), component.primary, component.number, component.uuid,
                component.branch, component.seqno, ghost=True,
            )  # fmt: skip
        for group in groups:
            # A majority in which nobody has the state is none ("No node with complete state").
            keeps = component.primary and 2 * len(group) > everyone and any(member.state >= DONOR for member in group)
            part = Component(group, keeps)
            if keeps:
                part.number, part.uuid = component.number + 1, component.uuid
                part.branch, part.seqno, part.history_from = component.branch, component.seqno, component.history_from
            for member in list(group):
                if component.primary and member.state >= DONOR and not member.slow:
                    self._apply(member, component)
                member.component = part
                if not keeps:
                    self._lose_primary(member)
            self._new_view(part)
        self.touch()

    def _lose_primary(self, member: Server) -> None:
        member.state = INITIALIZED
        if member.moving is not None:
            self.kill(member, "the state transfer failed: the component is not Primary any more")

    def _wake_up(self, now: float) -> None:
        for server in list(self.servers):
            component = server.component
            if component is None or not component.ghost or server.frozen:
                continue
            if now - server.thawed_at >= GHOST_SECONDS:
                server.component = Component([server], primary=False)
                self._lose_primary(server)
                self._new_view(server.component)
                self.touch()

    def _come_together(self, now: float) -> None:
        components = list(dict.fromkeys(s.component for s in self.servers if s.component is not None))
        settled = [
            one for one in components if not one.ghost and one.broken_since is None and not any(m.frozen for m in one.members)
        ]
        if len(settled) < 2:
            return
        primaries = [one for one in settled if one.primary]
        loose = [one for one in settled if not one.primary and now - one.members[0].view_at >= MEET_SECONDS]
        for one in loose:
            for primary in primaries:
                if self._touch_each_other(one, primary):
                    for member in list(one.members):
                        one.members.remove(member)
                        self._admit(member, primary, running=True)
                    one.count()
                    break
        loose = [one for one in loose if one.members]
        for index, one in enumerate(loose):
            for other in loose[index + 1 :]:
                if one.members and other.members and self._touch_each_other(one, other):
                    self._merge(one, other)

    def _touch_each_other(self, one: Component, other: Component) -> bool:
        return any(self.network.both_ways(left.node, right.node) for left in one.members for right in other.members)

    def _merge(self, one: Component, other: Component) -> None:
        """Two non-Primary parts meet. With everybody of the last Primary view back, it is Primary again.

        Who has left since, even in order, is missed all the same (Galera's pc_proto.cpp, `is_prim`).
        """
        one.members += other.members
        for member in other.members:
            member.component = one
        other.members = []
        one.count()
        latest = max(one.members, key=lambda member: member.voted)
        if latest.voters and latest.voters <= set(one.members):
            self.form_primary(one)
        else:
            self._new_view(one)
        self.touch()

    def form_primary(self, component: Component) -> None:
        """Make this component Primary (``pc.bootstrap``, or everybody is back): the most advanced member leads."""
        if component.ghost:  # whom it lists has gone on without the one that still believes in it
            component.members = [member for member in component.members if member.component is component]
            component.ghost = False
        leader = max(component.members, key=lambda member: (member.voted, member.volume.seqno))
        volume = leader.volume
        component.primary, component.uuid = True, volume.uuid
        component.branch, component.seqno, component.history_from = volume.branch, volume.seqno, 0
        component.number = leader.number + 1
        leader.state = SYNCED
        others = [member for member in component.members if member is not leader]
        component.members = [leader]
        component.count()
        for member in others:
            self._admit(member, component, running=True, together=True)
        self._new_view(component)
        self.on_bootstrap(leader)
        self.touch()

    # Writing ----------------------------------------------------------------------------------------------------------

    def commit(self, server: Server, count: int) -> bool:
        """Certify and commit write-sets at this server; False: the client waits or gets an error, nothing was committed."""
        component = server.component
        if component is None or not component.commits or server.frozen or server.state < DONOR or not server.alive:
            return False
        if server.volume.ddl:
            return False
        if any(member.queue > FLOW_CONTROL_LIMIT for member in component.members if not member.desync):
            return False
        assert component.branch is not None
        component.branch = component.branch.commit(component.seqno, count)
        component.seqno += count
        behind = self.random.random() < 0.25
        for member in component.members:
            if member.state < DONOR or member.volume.ddl:
                continue
            if member is not server and (behind or member.slow):
                self.lagging = True
                if not member.slow:
                    member.volume.branch = component.branch
                    member.volume.seqno = max(member.volume.seqno, component.seqno - self.random.randrange(min(count, 18) + 1))
            else:
                self._apply(member, component)
        return True

    def acknowledge(self, server: Server) -> None:
        """The client was told that what this server committed is committed."""
        branch = server.volume.branch
        assert branch is not None
        branch.acknowledged = max(branch.acknowledged, server.volume.seqno)
