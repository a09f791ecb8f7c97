"""One turn for one cluster: hold the lease, look, decide, veto, act, record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from loguru import logger

from galera_operator.core.binding import with_unlisted
from galera_operator.core.condition import Condition, condition_of
from galera_operator.core.doubt import record_damaged
from galera_operator.core.memory import intend, remember
from galera_operator.core.model import Snapshot
from galera_operator.core.moment import Moment, Outcome
from galera_operator.core.plan import Act, Hold, Page, Plan, asks_database, forms_primary
from galera_operator.core.remembered import Memory
from galera_operator.core.runbook import runbook_for
from galera_operator.core.running import heard
from galera_operator.core.terms import grace_too_short
from galera_operator.core.verdict import verdict
from galera_operator.ports import Cluster, Conflict, Damaged, Engine, Members, Nameless, Names, Refused, Unreachable
from galera_operator.runtime.act import carry_out
from galera_operator.runtime.journal import Journal
from galera_operator.runtime.lease import Lease, LeaseElsewhere
from galera_operator.runtime.observe import look
from galera_operator.runtime.planning import Planning


def utc_now() -> datetime:
    return datetime.now(UTC)


class Audience:
    """Who follows the ticks, without a say in them. This one is nobody."""

    def hear(self, moment: Moment, nodes: Mapping[str, str]) -> None:
        """One tick. Args: `nodes`: host names by node id."""

    def forget(self, cluster: str) -> None:
        """The cluster is gone, or not ours any more."""


@dataclass(frozen=True, slots=True)
class World:
    """The ports and the pool that questions run on; the same for every cluster.

    `clock`: seconds, for spans. `calendar`: for records. `audience`: is told every moment, also when nothing is new in it.
    """

    engine: Engine
    members: Members
    journal: Journal
    pool: Executor
    clock: Callable[[], float] = time.monotonic
    planning: Planning = field(default_factory=Planning)
    names: Names = field(default_factory=Nameless)
    calendar: Callable[[], datetime] = utc_now
    audience: Audience = field(default_factory=Audience)


class ClusterTick:
    """The turns of one cluster, one at a time."""

    def __init__(self, name: str, lease: Lease, world: World) -> None:
        self._name = name
        self._lease = lease
        self._world = world
        self._said = self._warned = ""
        self._condition: Condition | None = None
        self._missing: Mapping[str, float] = {}
        self._ticks = count(1)

    def turn(self, cluster: Cluster) -> Plan:
        """Take one turn and return its plan. Never raises for what the world does; that becomes a `Hold` that says so."""
        try:
            return self._turn(cluster)
        except LeaseElsewhere as error:
            return self._record(cluster, self._say(Hold(str(error))))
        except Damaged as error:
            return self._record(cluster, self._say(record_damaged(self._name, str(error))))
        except (Conflict, Refused, Unreachable) as error:
            page = Page("state-store", f"the state store: {error}", "Look at the Swarm managers' quorum.")
            return self._record(cluster, self._say(page))

    def stop(self) -> None:
        """Give the lease back."""
        self._world.audience.forget(self._name)
        try:
            self._lease.release()
        except (Refused, Unreachable) as error:
            logger.warning("{}: the lease could not be given back: {}", self._name, error)

    def _turn(self, cluster: Cluster) -> Plan:
        world = self._world
        memory = self._lease.hold(world.clock())
        begun = world.clock()
        seen = look(cluster, world.members, world.pool, names=world.names)
        look_seconds = world.clock() - begun
        seen, self._missing = with_unlisted(seen, self._missing, world.clock())
        self._lease.outbid(seen.obeyed, world.clock())
        memory = world.planning.turn(seen, remember(memory, seen))
        self._name_condition(condition_of(seen, memory))
        self._warn(grace_too_short(seen) or "")
        plan = verdict(seen, memory)
        keep = self._lease.advance if forms_primary(plan) else self._lease.remember
        intended = intend(memory, plan)
        keep(intended, world.clock())
        self._say(plan)
        outcomes: tuple[Outcome, ...] = ()
        if isinstance(plan, Act):
            outcomes = carry_out(plan, world.engine, world.members, cluster.token, self._lease.epoch)
            for outcome in outcomes:
                if outcome.fault:
                    logger.warning("{}: not done: {}: {}", self._name, outcome.step, outcome.fault)
                else:
                    logger.info("{}: done: {}", self._name, outcome.step)
            if asks_database(plan):
                self._lease.remember(heard(intended, outcomes[-1].said, outcomes[-1].fault), world.clock())
        return self._record(cluster, plan, seen, memory, outcomes, look_seconds)

    def _record(
        self,
        cluster: Cluster,
        plan: Plan,
        seen: Snapshot | None = None,
        memory: Memory | None = None,
        outcomes: tuple[Outcome, ...] = (),
        look_seconds: float = 0.0,
    ) -> Plan:
        world, lease = self._world, self._lease
        at, tick = world.calendar(), next(self._ticks)
        moment = Moment(at, self._name, lease.holder, tick, lease.epoch, seen, memory, plan, outcomes, look_seconds)
        world.journal.write(moment)
        world.audience.hear(moment, cluster.nodes)
        return plan

    def _name_condition(self, condition: Condition) -> None:
        if condition is not self._condition:
            was = f" (was {self._condition})" if self._condition else ""
            logger.info("{}: the cluster is in the condition: {}{}", self._name, condition, was)
            self._condition = condition

    def _warn(self, warning: str) -> None:
        """Once for as long as it is the same."""
        if warning and warning != self._warned:
            logger.warning("{}: {}", self._name, warning)
        self._warned = warning

    def _say(self, plan: Plan) -> Plan:
        """One line per decision that differs from the last one."""
        if plan.why != self._said:
            self._said = plan.why
            match plan:
                case Page(name=name, why=why, remedy=remedy):
                    book = runbook_for(plan, self._world.planning.books)
                    more = f" (runbook {book})" if book else ""
                    logger.error("{}: PAGE {}: {} -- {}{}", self._name, name, why, remedy, more)
                case Act(why=why):
                    logger.info("{}: act: {}", self._name, why)
                case Hold(why=why):
                    logger.info("{}: hold: {}", self._name, why)
        return plan
