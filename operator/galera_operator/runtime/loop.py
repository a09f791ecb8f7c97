"""The operator's main loop: wait for a reason, list the clusters, give each its turn, beside each other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor

from loguru import logger

from galera_operator.core.plan import LATER, Plan
from galera_operator.ports import Cluster, Engine, Refused, Unreachable
from galera_operator.runtime.inbox import Inbox
from galera_operator.runtime.pulse import Pulse
from galera_operator.runtime.schedule import PERIODIC, Schedule
from galera_operator.runtime.tick import ClusterTick

RECONNECT = 1.0
"""Seconds between two tries to open the event stream."""


class Loop:
    """Runs until `stop`. A slow cluster keeps its own turn busy and nobody else's; one that was called does not wait in line."""

    def __init__(
        self,
        engine: Engine,
        events: Engine,
        make: Callable[[str], ClusterTick],
        inbox: Inbox,
        schedule: Schedule,
        rounds: ThreadPoolExecutor,
        calls: ThreadPoolExecutor,
        pulse: Pulse,
    ) -> None:
        """Put the parts together.

        Args:
            events: an engine of its own for the endless stream.
            make: the turns of a cluster by its name.
            rounds: runs the turns of clusters that are looked at because all are.
            calls: runs the turns of clusters that a reason names.
        """
        self._engine = engine
        self._events = events
        self._make = make
        self._inbox = inbox
        self._schedule = schedule
        self._rounds = rounds
        self._calls = calls
        self._pulse = pulse
        self._clusters: dict[str, ClusterTick] = {}
        self._turns: dict[str, Future[Plan]] = {}
        self._line: set[str] = set()  # clusters whose turn in the round has not begun
        self._owes_round = False
        self._stopping = threading.Event()
        self._engine_fault = ""

    def stop(self) -> None:
        """Ask the loop to end after the turns under way. Safe in a signal handler."""
        self._stopping.set()
        self._inbox.put("stop")

    def run(self) -> None:
        listener = threading.Thread(target=self._listen, name="events", daemon=True)
        listener.start()
        self._schedule.start()
        self._inbox.put("start")
        try:
            while not self._stopping.is_set():
                reasons = self._inbox.take(within=5.0)
                if reasons:
                    self.look_once(reasons)
        finally:
            self._schedule.stop()
            for turn in self._turns.values():
                if not turn.cancel():
                    turn.exception()  # waits; the turn reports its own faults
            for cluster in self._clusters.values():
                cluster.stop()

    def look_once(self, reasons: AbstractSet[str] = frozenset({"start"})) -> None:
        """List the clusters and start a turn for each that has none under way.

        Args:
            reasons: names of clusters: only these are looked at. Any other word: all are. The periodic look has to wait while
                turns of the one before do: there is more to do than one processor does in that time.
        """
        if PERIODIC in reasons and self._line:
            self._owes_round = True
            reasons = reasons - {PERIODIC}
            if not reasons:
                self._pulse.came_round(self._engine_fault)
                return
        called = reasons & self._clusters.keys()
        happened = bool(reasons - called - {PERIODIC})
        only = reasons if reasons <= self._clusters.keys() else frozenset[str]()
        try:
            clusters = self._engine.clusters(only)
        except (Unreachable, Refused) as error:
            if str(error) != self._engine_fault:
                logger.error("the Swarm cannot be read, nothing is done until it can: {}", error)
            self._engine_fault = str(error)
            self._pulse.came_round(self._engine_fault)
            return
        if self._engine_fault:
            logger.info("the Swarm can be read again")
            self._engine_fault = ""
        for cluster in clusters:
            is_called = cluster.service.name in called
            self._start_turn(cluster, called=is_called, again=is_called or happened)
        if not only:
            self._forget({cluster.service.name for cluster in clusters})
        self._pulse.came_round()

    def _start_turn(self, cluster: Cluster, *, called: bool, again: bool) -> None:
        """Start a turn, unless one is under way.

        Args:
            called: not to wait behind others, whose turn it would be before.
            again: something happened, so a turn that is under way may have looked too early.
        """
        name = cluster.service.name
        under_way = self._turns.get(name)
        if under_way and not under_way.done() and not (called and name in self._line and under_way.cancel()):
            if again:
                under_way.add_done_callback(lambda _: self._inbox.put(name))
            return  # it asks for its own recheck when it ends
        if name not in self._clusters:
            logger.info("{}: now operated by this operator", name)
            self._clusters[name] = self._make(name)
        self._pulse.turn_began(name)
        if called:
            turn = self._calls.submit(self._clusters[name].turn, cluster)
        else:
            self._line.add(name)
            turn = self._rounds.submit(self._turn_in_line, cluster)
        turn.add_done_callback(lambda done: self._after(name, done))
        self._turns[name] = turn

    def _turn_in_line(self, cluster: Cluster) -> Plan:
        self._leave_line(cluster.service.name)
        return self._clusters[cluster.service.name].turn(cluster)

    def _leave_line(self, name: str) -> None:
        self._line.discard(name)
        if self._owes_round and not self._line:
            self._owes_round = False
            self._inbox.put(PERIODIC)

    def _after(self, name: str, turn: Future[Plan]) -> None:
        if turn.cancelled():
            self._leave_line(name)  # for another turn in its place, or for the end
            return
        error = turn.exception()
        self._pulse.turn_ended(name, failed=error is not None)
        if error is not None:
            logger.opt(exception=error).error("{}: a turn failed; this is a bug, please report it", name)
        recheck = LATER if error else turn.result().recheck
        if recheck < self._schedule.every and not self._stopping.is_set():
            self._inbox.put_later(name, recheck)  # else the periodic look comes first

    def _forget(self, present: set[str]) -> None:
        for name in set(self._clusters) - present:
            if not self._turns[name].done():
                continue  # its turn still needs the lease; a later look finds it ended
            logger.info("{}: gone, or not ours to operate any more", name)
            self._clusters.pop(name).stop()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                self._events.watch(lambda service: self._inbox.put(service or "event"), self._stopping.is_set)
            except (Unreachable, Refused) as error:
                logger.debug("events: {}; the periodic look goes on", error)
            self._stopping.wait(RECONNECT)
