"""Decision and veto together: the plan that a tick goes by, that `plan` shows and that `replay` makes again."""

from __future__ import annotations

from galera_operator.core.decide import decide
from galera_operator.core.model import Snapshot
from galera_operator.core.moment import Moment
from galera_operator.core.plan import Page, Plan
from galera_operator.core.remembered import Memory
from galera_operator.core.veto import broken_invariants


def verdict(seen: Snapshot, memory: Memory) -> Plan:
    """The decision, or the page that takes its place where it would break a safety invariant."""
    plan = decide(seen, memory)
    broken = broken_invariants(plan, seen, memory)
    if broken:
        return Page("vetoed", f"a plan was vetoed: {'; '.join(broken)}; it was: {plan.why}", "Report this as a bug.")
    return plan


def decides_otherwise(moment: Moment) -> Plan | None:
    """What the present code decides about a recorded moment, where it is another plan; None where it is the same."""
    if moment.seen is None or moment.memory is None:
        return None
    now = verdict(moment.seen, moment.memory)
    return None if now == moment.plan else now
