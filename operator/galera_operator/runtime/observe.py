"""Look at one cluster: ask every member at once, under one deadline, and turn the answers into a `Snapshot`. Never raises.

Who is well answers in the first moments; who is not gets a thread, a question and a patience of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from typing import Any, TypeVar

from galera_operator.core.agent_api import AgentStatus, Stage, Wsrep
from galera_operator.core.model import Live, Member, NamesUnknown, Seat, Silence, Snapshot, Stopped, Task, Unseen
from galera_operator.core.swarm_tasks import sort_out
from galera_operator.ports import Cluster, LoginRefused, Members, Nameless, Names, Refused, Unreachable

DEADLINE = 4.0
"""Seconds for all members of a cluster together; who has not answered by then is Unseen."""

_ON_THE_WAY = {Stage.STARTING, Stage.WAITING, Stage.JOINING, Stage.BOOTSTRAPPING, Stage.STOPPING}


_NAMELESS = Nameless()
_Answer = TypeVar("_Answer")
_Unknown = TypeVar("_Unknown")


def look(cluster: Cluster, members: Members, pool: Executor, deadline: float = DEADLINE, names: Names = _NAMELESS) -> Snapshot:
    """Ask all members of the cluster.

    Args:
        pool: runs the questions side by side; needs room for as many as there are members.
        deadline: seconds.
    """
    kept, leaving, lost = sort_out(cluster.tasks)
    listed = pool.submit(names.tasks, cluster.service.name)
    told = members.at_once([task.address for task in kept if task.address], cluster.token)
    asked = {task: pool.submit(_member, task, cluster.token, members) for task in kept if task.address not in told}
    questions: list[Future[Any]] = [*asked.values(), listed]
    wait(questions, timeout=deadline)
    seats = [Seat(task, _outcome(answer, deadline, Unseen)) for task, answer in asked.items()]
    seats += [Seat(task, _heard(*told[task.address])) for task in kept if task.address in told]
    seats.sort(key=lambda seat: seat.slot)
    return Snapshot(cluster.service, cluster.wish, tuple(seats), leaving, lost, _outcome(listed, deadline, NamesUnknown))


def _outcome(answer: Future[_Answer], deadline: float, unknown: Callable[[str], _Unknown]) -> _Answer | _Unknown:
    if not answer.done():
        answer.cancel()
        return unknown(f"no answer within {deadline:.0f} s")
    error = answer.exception()
    if error is not None:
        return unknown(f"asking it failed in an unforeseen way, which is a bug: {type(error).__name__}: {error}")
    return answer.result()


def _heard(agent: AgentStatus, wsrep: Wsrep) -> Member:
    """A member of which both have answered. One that has just stopped its database says so itself."""
    return Stopped(agent) if agent.wsrep is None and agent.stage in _ON_THE_WAY else Live(agent, wsrep)


def _member(task: Task, token: str, members: Members) -> Member:
    if not task.address:
        words = f": {task.message}" if task.message else ""
        return Unseen(f"its task has no address yet, Swarm says {task.state}{words}")
    try:
        agent = members.ask(task.address, token)
    except Unreachable as error:
        return Unseen(str(error), Silence.NO_AGENT if error.refused else Silence.NO_ANSWER)
    except Refused as error:
        return Unseen(str(error))
    if agent.wsrep is None and agent.stage in _ON_THE_WAY:
        return Stopped(agent)
    try:
        return Live(agent, members.wsrep(task.address, token, agent.wsrep.members if agent.wsrep else ()))
    except (Unreachable, Refused) as error:
        if agent.stage in _ON_THE_WAY:
            return Stopped(agent)
        return Unseen(str(error), Silence.NO_LOGIN if isinstance(error, LoginRefused) else Silence.NO_ANSWER)
