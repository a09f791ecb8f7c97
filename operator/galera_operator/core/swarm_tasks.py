"""Which of a service's tasks count: those that Swarm means to keep, and those it means to end that still run."""

from __future__ import annotations

from collections.abc import Sequence

from galera_operator.core.model import Task

_KEPT = {"running", "ready"}
_ENDED = {"complete", "failed", "shutdown", "rejected", "orphaned", "remove"}


def sort_out(tasks: Sequence[Task]) -> tuple[tuple[Task, ...], tuple[Task, ...], tuple[Task, ...]]:
    """Split a service's tasks.

    Returns:
        The tasks to keep (one per slot, the running one where Swarm has two for a moment), those on their way out, and
        those that would be if Swarm had not lost their node.
    """
    kept: dict[int, Task] = {}
    for task in tasks:
        if task.desired in _KEPT and task.state not in _ENDED:
            known = kept.get(task.slot)
            if known is None or (task.is_running and not known.is_running):
                kept[task.slot] = task
    ending = [task for task in tasks if task.desired not in _KEPT and task.state not in _ENDED and task.node_id]
    leaving = tuple(task for task in ending if not task.node_is_down)
    return tuple(kept.values()), leaving, tuple(task for task in ending if task.node_is_down)
