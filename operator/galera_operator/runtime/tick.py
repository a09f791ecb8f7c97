"""One turn for one cluster: hold the lease, look, decide, veto, act, record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field

from loguru import logger

from galera_operator.core.binding import with_unlisted
from galera_operator.core.condition import Condition, condition_of
from galera_operator.core.decide import decide
from galera_operator.core.doubt import record_damaged
from galera_operator.core.memory import intend, remember
from galera_operator.core.plan import Act, Hold, Page, Plan, asks_database, forms_primary
from galera_operator.core.runbook import answering
from galera_operator.core.running import heard
from galera_operator.core.terms import grace_too_short
from galera_operator.core.veto import broken_invariants
from galera_operator.ports import Cluster, Conflict, Damaged, Engine, Members, Nameless, Names, Refused, Unreachable
from galera_operator.runtime.act import Outcome, carry_out
from galera_operator.runtime.journal import Journal
from galera_operator.runtime.lease import Lease, LeaseElsewhere
from galera_operator.runtime.observe import look
from galera_operator.runtime.planning import Planning


@dataclass(frozen=True, slots=True)
class World:
    """The ports and the pool that questions run on; the same for every cluster."""

    engine: Engine
    members: Members
    journal: Journal
    pool: Executor
    clock: Callable[[], float] = time.monotonic
    planning: Planning = field(default_factory=Planning)
    names: Names = field(default_factory=Nameless)


class ClusterTick:
    """The turns of one cluster, one at a time."""

    def __init__(self, name: str, lease: Lease, world: World) -> None:
        self._name = name
        self._lease = lease
        self._world = world
        self._said = self._warned = ""
        self._condition: Condition | None = None
        self._missing: Mapping[str, float] = {}

    def turn(self, cluster: Cluster) -> Plan:
        """Take one turn and return its plan. Never raises for what the world does; that becomes a `Hold` that says so."""
        try:
            return self._turn(cluster)
        except LeaseElsewhere as error:
            return self._say(Hold(str(error)))
        except Damaged as error:
            return self._say(record_damaged(self._name, str(error)))
        except (Conflict, Refused, Unreachable) as error:
            return self._say(Page("state-store", f"the state store: {error}", "Look at the Swarm managers' quorum."))

    def stop(self) -> None:
        """Give the lease back."""
        try:
            self._lease.release()
        except (Refused, Unreachable) as error:
            logger.warning("{}: the lease could not be given back: {}", self._name, error)

    def _turn(self, cluster: Cluster) -> Plan:
        world = self._world
        memory = self._lease.hold(world.clock())
        seen = look(cluster, world.members, world.pool, names=world.names)
        seen, self._missing = with_unlisted(seen, self._missing, world.clock())
        self._lease.outbid(seen.obeyed, world.clock())
        memory = world.planning.turn(seen, remember(memory, seen))
        self._name_condition(condition_of(seen, memory))
        self._warn(grace_too_short(seen) or "")
        plan = decide(seen, memory)
        broken = broken_invariants(plan, seen, memory)
        if broken:
            plan = Page("vetoed", f"a plan was vetoed: {'; '.join(broken)}; it was: {plan.why}", "Report this as a bug.")
        keep = self._lease.advance if forms_primary(plan) else self._lease.remember
        intended = intend(memory, plan)
        keep(intended, world.clock())
        news = plan.why != self._said
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
        if news or outcomes:
            world.journal.write(seen, memory, plan, outcomes, self._lease.epoch)
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
                    book = answering(self._world.planning.books, name)
                    more = f" (runbook {book})" if book else ""
                    logger.error("{}: PAGE {}: {} -- {}{}", self._name, name, why, remedy, more)
                case Act(why=why):
                    logger.info("{}: act: {}", self._name, why)
                case Hold(why=why):
                    logger.info("{}: hold: {}", self._name, why)
        return plan
