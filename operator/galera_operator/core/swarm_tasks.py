"""Which of a service's tasks count: those that Swarm means to keep, and those it means to end that still run."""

from __future__ import annotations

from collections.abc import Sequence

from galera_operator.core.model import Task

_KEPT = {"running", "ready"}
_ENDED = {"complete", "failed", "shutdown", "rejected", "orphaned", "remove"}


def kept_and_leaving(tasks: Sequence[Task]) -> tuple[tuple[Task, ...], tuple[Task, ...]]:
    """Split a service's tasks.

    Returns:
        The tasks to keep (one per slot, the running one where Swarm has two for a moment), and those on their way out.
    """
    kept: dict[int, Task] = {}
    for task in tasks:
        if task.desired in _KEPT and task.state not in _ENDED:
            known = kept.get(task.slot)
            if known is None or (task.is_running and not known.is_running):
                kept[task.slot] = task
    leaving = tuple(task for task in tasks if task.desired not in _KEPT and task.state not in _ENDED and task.node_id)
    return tuple(kept.values()), leaving
