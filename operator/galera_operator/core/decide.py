"""What to do next, and why: the whole policy, top to bottom, in the order in which it is asked.

    Is the data in doubt?      -> page, do nothing (doubt.py)
    Is nobody Primary?         -> what a person decided (consent.py); else pc.bootstrap (quorum.py) or elect (election.py),
                                  each only when every copy has answered
    Is somebody serving?       -> admit, appoint the writer (writer.py), restart who left its group, invite who waits
    Does something stand still? -> a page: a state transfer, a service update, a member that is not let in
    Is there planned work?     -> one step for the runbook on its way (errand.py)
    Is the size not as wished? -> one safe step (scaling.py)
    Did a person ask?          -> a rolling restart (restart.py), another writer (writer.py)
    Has DNS lost a member?     -> restart it, once (binding.py)

`decide` is a function of values: the same look and memory give the same plan. Every way out carries a sentence, and that
sentence is the log line and the status line.
"""

from __future__ import annotations

from galera_operator.core.agent_api import Stage
from galera_operator.core.binding import rebind
from galera_operator.core.consent import carry_on, may_replace, stop_given_up
from galera_operator.core.doubt import data_in_doubt, locked_out, not_galera, one_way, unwelcome_copy
from galera_operator.core.draining import drain_then
from galera_operator.core.election import elect
from galera_operator.core.errand import failed_run, kept_away, run_errand
from galera_operator.core.flow import too_slow_to_grow
from galera_operator.core.model import LiveSeat, Seat, Snapshot, is_live
from galera_operator.core.plan import SOON, Act, Hold, Invite, Page, Plan, Resize
from galera_operator.core.quorum import regain_primary, rejoin
from galera_operator.core.remembered import Memory
from galera_operator.core.restart import go_on_restarting, next_to_restart
from galera_operator.core.rollout import stopped_rollout, stuck_update, under_way
from galera_operator.core.scaling import obstacle, predicted_victims, restlessness, update_in_flight
from galera_operator.core.spec import BadWish
from galera_operator.core.terms import admission_step, retell
from galera_operator.core.traffic import admission_obstacle
from galera_operator.core.transfer import stuck_transfer
from galera_operator.core.writer import finish_move, gives_way, lead

DNS_PATIENCE = 3.0
"""Seconds a member may wait beside a Primary component before it is told the addresses: DNS had its chance."""


def decide(seen: Snapshot, memory: Memory) -> Plan:
    """Choose the next plan for one cluster. Purely computational."""
    if isinstance(seen.wish, BadWish) and (seen.wish.fatal or not seen.seats):
        return Page(seen.wish.name, seen.wish.why, seen.wish.remedy)
    plan = _next(seen, memory)
    if seen.settings.pause and not isinstance(plan, Page):
        return Hold(f"galera.pause is true: looking, not acting; without it: {plan.why}")
    return plan


def _next(seen: Snapshot, memory: Memory) -> Plan:
    if not seen.seats:
        return bring_back(seen, memory)
    doubt = stop_given_up(seen, memory) or data_in_doubt(seen, memory) or not_galera(seen)
    if doubt:
        return doubt
    if not seen.primaries:
        return locked_out(seen) or carry_on(seen, memory) or nobody_serves(seen, memory)
    # What keeps the service up comes before what waits: neither one odd member nor a size under way holds up a new writer.
    return (
        let_in(seen, memory)
        or lead(seen, memory, _next_to_leave(seen, memory))
        or retell(seen)
        or locked_out(seen)
        or one_way(seen)
        or rejoin(seen)
        or unwelcome_copy(seen, memory)
        or stuck_transfer(seen)
        or stuck_update(seen, memory)
        or invite(seen, memory)
        or stopped_rollout(seen, memory)
        or unconfirmed_shrink(seen, memory)
        or held_back(seen, memory)
        or run_errand(seen, memory)
        or resize(seen)
        or go_on_restarting(seen, memory)
        or finish_move(seen, memory)
        or rebind(seen, memory)
        or failed_run(memory)
        or under_way(seen)
        or Hold(_settled(seen))
    )


def bring_back(seen: Snapshot, memory: Memory) -> Plan:
    """No task at all: Swarm has not made them yet, or somebody scaled to 0 by hand although the label wishes for members."""
    service = seen.service
    if service.replicas or not seen.wanted:
        return Hold(f"Swarm has made no task of {service.name} yet")
    if seen.leaving:
        return Hold(f"{service.name} was scaled to 0; its old tasks are still ending", SOON)
    rollout = update_in_flight(service)
    if rollout:
        return Hold(f"{service.name} was scaled to 0, but {_wish(seen)}; {rollout}", SOON)
    copies = max(memory.ledger, default=1)
    return Act(
        (Resize(service.id, service.version, 0, copies),),
        f"{service.name} was scaled to 0, but {_wish(seen)}: every copy comes back, to find the newest",
    )


def nobody_serves(seen: Snapshot, memory: Memory) -> Plan:
    """No Primary component was seen: elect a seed, or say what is being waited for."""
    for seat in seen.stopped:
        if seat.agent.stage in {Stage.BOOTSTRAPPING, Stage.JOINING}:
            return Hold(f"{seat.title} is {seat.agent.stage}: {seat.agent.note}", SOON)
    if seen.live:
        return regain_primary(seen, memory)
    return elect(seen, memory)


def unconfirmed_shrink(seen: Snapshot, memory: Memory) -> Plan | None:
    """After a scale-down was written: was the right task taken, did the member leave, did the survivors stay Primary?"""
    shrink = memory.shrink
    if shrink is None:
        return None
    victim_stays = any(seat.task.id == shrink.task_id for seat in seen.seats)
    if victim_stays and len(seen.seats) <= shrink.to:
        return Page(
            "wrong-victim",
            f"replicas are {shrink.to} now, but Swarm kept slot {shrink.slot}, which was drained for it, and took another",
            f"Nothing more is done until the label says so: docker service update --label-add galera.replicas={shrink.to} "
            f"{seen.service.name}",
        )
    return Hold(f"slot {shrink.slot} is leaving; the survivors have to agree on {shrink.to} members", SOON)


def let_in(seen: Snapshot, memory: Memory) -> Act | None:
    """Admit one member that is confirmed, or take back a drain that nobody wants any more."""
    for seat in _at_the_door(seen, memory):
        agent = seat.agent
        if admission_obstacle(seat, seen, memory):
            continue
        step = admission_step(seat, agent, seen)
        if agent.stage is Stage.RUNNING:
            why = f"{seat.title} is confirmed: Synced, Primary, in the same view as the rest, nothing left to apply"
        elif seen.wanted < seen.service.replicas:
            why = f"{seat.title} was being drained, but it is not the one that Swarm would take now"
        else:
            why = f"{seat.title} was being drained, but all {seen.service.replicas} members are wanted again"
        return Act((step,), why)
    return None


def held_back(seen: Snapshot, memory: Memory) -> Hold | None:
    """Say why a member that could serve does not yet."""
    for seat in _at_the_door(seen, memory):
        why_not = admission_obstacle(seat, seen, memory)
        if why_not:
            return Hold(f"{seat.title} is not let in yet: {why_not}", SOON)
    return None


def _at_the_door(seen: Snapshot, memory: Memory) -> tuple[LiveSeat, ...]:
    """The members that should get traffic as soon as they are confirmed."""
    return tuple(
        seat
        for seat in seen.live
        if (seat.agent.stage is Stage.RUNNING and not seat.is_admitted) or _is_drained_for_nothing(seat, seen, memory)
    )


def _is_drained_for_nothing(seat: LiveSeat, seen: Snapshot, memory: Memory) -> bool:
    """True when this member is (being) drained and is not, or not any more, the one to leave."""
    if seat.agent.leaving or seat.agent.stage not in {Stage.DRAINING, Stage.DRAINED}:
        return False
    shrink = memory.shrink
    if shrink and shrink.task_id == seat.task.id and len(seen.seats) > shrink.to:
        return False  # the smaller size is written; Swarm has not taken it yet
    if seen.wanted >= seen.service.replicas:
        return seat.slot not in _next_to_leave(seen, memory)
    victims = _next_victims(seen)
    return bool(victims) and seat.slot not in victims


def _next_to_leave(seen: Snapshot, memory: Memory) -> tuple[int, ...]:
    """The slot whose sessions are, or are about to be, ended on purpose: one at a time, a change of size before all else."""
    if seen.wanted < seen.service.replicas:
        return _next_victims(seen)
    away = tuple(seat.slot for seat in seen.seats if kept_away(seat, memory))
    if away or seen.wanted > seen.service.replicas:
        return away
    seat = next_to_restart(seen, memory) or gives_way(seen, memory)
    return (seat.slot,) if seat else ()


def invite(seen: Snapshot, memory: Memory) -> Plan | None:
    """Help a member that waits beside a Primary component it does not find."""
    peers = tuple(seat.task.address for seat in seen.primaries if seat.wsrep.is_synced)
    for seat in seen.stopped:
        agent = seat.agent
        if agent.stage is not Stage.WAITING or agent.since < DNS_PATIENCE:
            continue
        busy = next((other for other in seen.seats if other.agent and other.agent.transfer), None)
        if busy:
            return Hold(f"{seat.title} waits its turn: {busy.title} has a state transfer in flight", SOON)
        if not peers:
            return Hold(f"{seat.title} waits until a member is Synced and can be joined", SOON)
        replaces = may_replace(seat, memory)
        step = Invite(seat.slot, seat.task.address, agent.incarnation, agent.position, peers, replaces)
        if replaces:
            return Act(
                (step,), f"{seat.title} holds {agent.position}, which was given up or is in the present data: it joins anew"
            )
        return Act((step,), f"{seat.title} has waited {agent.since:.0f} s beside a Primary component without finding it by DNS")
    return None


def resize(seen: Snapshot) -> Plan | None:
    """Take one safe step towards the wished number of members."""
    wish, service, wanted = seen.wish, seen.service, seen.wanted
    if isinstance(wish, BadWish):
        return Page(wish.name, wish.why, wish.remedy)
    if wanted < service.replicas:
        return _shrink(seen)
    if wanted > service.replicas:
        blocked = obstacle(seen) or too_slow_to_grow(seen)
        if blocked:
            return Hold(f"{_wish(seen)}; the next one waits: {blocked}", SOON)
        after = min(wanted, service.replicas + _joiners_at_once(seen, wish.join_parallel))
        return Act(
            (Resize(service.id, service.version, service.replicas, after),),
            f"{_wish(seen)} in calm service: Swarm may start the next one",
        )
    return None


def _shrink(seen: Snapshot) -> Plan:
    goal = _wish(seen)
    if not _next_victims(seen):
        return Hold(f"{goal}; which task Swarm would take cannot be told yet", SOON)
    victim = seen.seat(_next_victims(seen)[0])
    assert victim is not None
    blocked = obstacle(seen, placed_only=victim.task.never_placed)
    if blocked:
        return Hold(f"{goal}; not now: {blocked}", SOON)
    step = _resize_down(seen, victim)
    if victim.task.never_placed:
        return Act((step,), f"{goal}; {victim.title} never got a node, so nothing leaves the cluster")
    assert is_live(victim), "obstacle() names whoever is not"
    return drain_then(victim, seen, goal, f"Swarm will take {victim.title}", step, "goes next")


def _resize_down(seen: Snapshot, victim: Seat) -> Resize:
    service = seen.service
    return Resize(service.id, service.version, service.replicas, service.replicas - 1, (victim.slot, victim.task.id))


def _next_victims(seen: Snapshot) -> tuple[int, ...]:
    """The slot that the next scale-down step would take; empty where Swarm's choice cannot be told."""
    victims = predicted_victims([seat.task for seat in seen.seats], seen.service.replicas - 1)
    return (victims[0].slot,) if len(victims) == 1 else ()


def _joiners_at_once(seen: Snapshot, allowed: int) -> int:
    """As many as the user allows, never more than there are idle donors that are not the writer, at least one."""
    return max(1, min(allowed, len(seen.live) - 1))


def _wish(seen: Snapshot) -> str:
    """``3 members are wished, 1 is there``."""
    wished = "1 member is wished" if seen.wanted == 1 else f"{seen.wanted} members are wished"
    there = "1 is there" if seen.service.replicas == 1 else f"{seen.service.replicas} are there"
    return f"{wished}, {there}"


def _settled(seen: Snapshot) -> str:
    restless = [f"{seat.title} {reason}" for seat in seen.seats if (reason := restlessness(seat))]
    if restless:
        return "; ".join(restless)
    unsettled = obstacle(seen)
    if unsettled:
        return unsettled
    how_many = f"all {len(seen.seats)} members are" if len(seen.seats) > 1 else "the only member is"
    return f"as wished: {how_many} Synced and admitted"
