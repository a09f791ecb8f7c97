"""What a person who knows the answer needs to bring a cluster back of which every member was killed.

The person has every tool ready, gives each member's agent the right word the moment it can be given, and makes no mistake. The
operator is measured against it: on the same cluster, with the same data, the same members killed in the same way.
"""

from __future__ import annotations

import signal
import time

from faults.cluster import Cluster
from faults.containers import Container, in_network_of, send
from galera_operator.adapters import agent_client
from galera_operator.core.agent_api import Admission, Admit, AgentStatus, Command, Grant, Stage
from galera_operator.ports import Refused, Unreachable
from galera_operator.sandbox.waiting import NotYet, wait_until

BACK_WITHIN = 120.0
EVERY = 0.05


def all_killed_until_whole(cluster: Cluster, hand: Hand | None) -> float:
    """Kill every member at once and wait until all of them are Synced and admitted again; returns the seconds.

    Args:
        cluster: Whole, with nobody writing, so that each member is as new as the others.
        hand: Who brings it back; None: the operator does.
    """
    before = cluster.containers.running(cluster.database)
    said = cluster.statuses()
    seqnos = {slot: one.wsrep.last_committed if one and one.wsrep else None for slot, one in said.items()}
    assert len(set(seqnos.values())) == 1, f"somebody writes: {seqnos}"
    begun = time.monotonic()
    for member in before:
        send(member.pids, signal.SIGKILL)

    def back() -> bool | NotYet:
        if hand:
            hand.work()
        return bool(cluster.whole()) or NotYet(cluster.trouble())

    wait_until(back, BACK_WITHIN, "all members to be back", every=EVERY)
    return time.monotonic() - begun


class Hand:
    """A person with the cluster's token. The operator must be away."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        """`seed`: the slot that the person knows to hold the newest data."""
        self._cluster, self._seed = cluster, seed
        member = cluster.member(seed)
        self._token = cluster.sandbox.docker(member.node, "exec", member.id, "cat", "/run/secrets/galera_token").strip()
        self._epoch = max(status.epoch for status in cluster.statuses().values() if status)
        self._granted: set[str] = set()

    def work(self) -> None:
        """Look once and do what can be done now: the seed first, then the others, and each one let in when it is Synced."""
        running = self._cluster.containers.running(self._cluster.database)
        seed = next((one for one in running if one.slot == self._seed), None)
        status = self._cluster.status(seed) if seed else None
        if seed is None or status is None:
            return
        self._help(seed, status, peers=())
        if status.stage is Stage.RUNNING:
            for other in running:
                said = self._cluster.status(other) if other.slot != self._seed else None
                if said:
                    self._help(other, said, peers=(self._cluster.containers.address(seed),))

    def _help(self, member: Container, status: AgentStatus, peers: tuple[str, ...]) -> None:
        if status.stage is Stage.WAITING and status.incarnation not in self._granted:
            address = self._cluster.containers.address(member)
            grant = Grant(
                epoch=self._epoch, incarnation=status.incarnation, address=address, position=status.position, peers=peers
            )
            if self._tell(member, grant):
                self._granted.add(status.incarnation)
        synced = status.wsrep is not None and status.wsrep.is_synced and not status.wsrep.queue
        if status.stage is Stage.RUNNING and status.admission is Admission.NONE and synced:
            self._tell(member, Admit(epoch=self._epoch, incarnation=status.incarnation, drain_seconds=50.0, allow_donor=False))

    def _tell(self, member: Container, command: Command) -> bool:
        try:
            in_network_of(member.pids[0], lambda: agent_client.send("127.0.0.1", self._token, command))
        except (OSError, Unreachable, Refused):
            return False  # it was a moment too early; the next look tells
        return True
