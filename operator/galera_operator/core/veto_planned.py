"""The part of the veto about planned work: what a runbook may have written to the service or asked of a database."""

from __future__ import annotations

from galera_operator.core.model import Snapshot
from galera_operator.core.plan import Exclude, RunSql, SetWish, UpdateService
from galera_operator.core.remembered import Memory
from galera_operator.core.veto_leaving import leaving


def run_sql(step: RunSql, memory: Memory) -> list[str]:
    wanted = memory.planned.wanted
    asked_for = memory.planned.active and wanted and (wanted.sql, wanted.on) == (step.statement, step.slot)
    return [] if asked_for else [f"a statement on slot {step.slot} that no run asks for"]


def set_wish(step: SetWish, seen: Snapshot, memory: Memory) -> list[str]:
    wanted = memory.planned.wanted
    asked_for = memory.planned.active is not None and wanted is not None and wanted.replicas == step.replicas
    broken = [] if asked_for else [f"the wish set to {step.replicas}, which no run asks for"]
    if not 1 <= step.replicas <= 9:
        broken.append(f"the wish set to {step.replicas}")
    return broken + written_over(step.version, seen)


def exclude(step: Exclude, seen: Snapshot, memory: Memory) -> list[str]:
    if step.back:
        ours = step.node in memory.planned.excluded
        return [] if ours else [f"a constraint on {step.node} taken back that the operator did not write"]
    broken = written_over(step.version, seen)
    if memory.planned.active is None or step.node not in memory.planned.away:
        broken.append(f"{step.node} kept out, which no run asks for")
    there = [seat for seat in seen.seats if seat.task.node == step.node]
    if len(there) > 1:
        broken.append(f"{len(there)} members on {step.node} would leave at once")
    return broken + [reason for seat in there for reason in leaving(seat.slot, seen)]


def update_service(step: UpdateService, seen: Snapshot, memory: Memory) -> list[str]:
    """Every member leaves in turn: any of them may be the first."""
    wanted = memory.planned.wanted if memory.planned.active else None
    broken = written_over(step.version, seen)
    if wanted is None or (wanted.image, wanted.option) != (step.image, step.option):
        broken.append("an update of the service that no run asks for")
    if not seen.service.one_at_a_time:
        broken.append("an update that would stop several members at once, or start one beside another on its volume")
    return broken + [reason for seat in seen.seats for reason in leaving(seat.slot, seen)]


def written_over(version: int, seen: Snapshot) -> list[str]:
    broken = [] if version == seen.service.version else ["a write to another version of the service than was looked at"]
    if seen.service.update_state in {"updating", "paused", "rollback_started", "rollback_paused"}:
        broken.append("a write to the service while an update of it is in flight")
    return broken
