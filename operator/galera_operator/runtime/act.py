"""Carry out a plan's steps. Each is short, starts something and does not wait for it; the next look sees it finished."""

from __future__ import annotations

from galera_operator.core.agent_api import Admit, AppointWriter, Drain, Fence, Grant, Stop
from galera_operator.core.agent_api import FormPrimary as AgentFormPrimary
from galera_operator.core.moment import Outcome
from galera_operator.core.plan import (
    Act,
    AdmitMember,
    Appoint,
    Bootstrap,
    DrainMember,
    Exclude,
    FormPrimary,
    Invite,
    Recipient,
    Resize,
    RestartMember,
    RunSql,
    SetWish,
    Step,
    StopMember,
    UpdateService,
)
from galera_operator.core.planned import exclusion
from galera_operator.ports import Conflict, Engine, Members, Refused, Unreachable

WISH_LABEL = "galera.replicas"


def carry_out(plan: Act, engine: Engine, members: Members, token: str, epoch: int) -> tuple[Outcome, ...]:
    """Do the steps in order and stop at the first that is not taken: a refused premise means that the world moved on."""
    done: list[Outcome] = []
    for step in plan.steps:
        try:
            said = _do(step, engine, members, token, epoch)
        except (Conflict, Refused, Unreachable) as error:
            done.append(Outcome(str(step), str(error)))
            break
        done.append(Outcome(str(step), said=said))
    return tuple(done)


def _do(step: Step, engine: Engine, members: Members, token: str, epoch: int) -> str:
    match step:
        case Bootstrap():
            _fence(step.fence, members, token, epoch)
            grant = Grant(epoch, step.incarnation, step.address, step.position, (), history=step.history)
            members.send(step.address, token, grant)
        case FormPrimary():
            _fence(step.fence, members, token, epoch)
            members.send(step.address, token, AgentFormPrimary(epoch, step.incarnation, step.position))
        case StopMember():
            members.send(step.address, token, Stop(epoch, step.incarnation))
        case RestartMember():
            members.send(step.address, token, Stop(epoch, step.incarnation, step.only_drained))
        case Invite():
            grant = Grant(epoch, step.incarnation, step.address, step.position, step.peers, replaces=step.replaces)
            members.send(step.address, token, grant)
        case AdmitMember():
            admit = Admit(epoch, step.incarnation, step.drain_seconds, step.allow_donor, step.causal_reads)
            members.send(step.address, token, admit)
        case Appoint():
            _appoint(step, members, token, epoch)
        case DrainMember():
            members.send(step.address, token, Drain(epoch, step.incarnation, step.seconds))
        case Resize():
            engine.resize(step.service_id, step.version, step.after)
        case SetWish():
            engine.set_label(step.service_id, step.version, WISH_LABEL, str(step.replicas))
        case Exclude():
            engine.constrain(step.service_id, step.version, exclusion(step.node), back=step.back)
        case UpdateService():
            engine.update_tasks(step.service_id, step.version, step.image, step.option)
        case RunSql():
            return members.run_sql(step.address, token, step.statement)
    return ""


def _fence(others: tuple[Recipient, ...], members: Members, token: str, epoch: int) -> None:
    """Collect every other member's promise; one that does not give it may be on its way into a Primary component."""
    for slot, address, incarnation in others:
        try:
            members.send(address, token, Fence(epoch, incarnation))
        except (Refused, Unreachable) as error:
            raise Refused(f"slot {slot} did not promise to obey no older epoch than {epoch}: {error}") from error


def _appoint(step: Appoint, members: Members, token: str, epoch: int) -> None:
    """Tell every member, also when one of them does not take it: it must not keep the writer from the others."""
    faults = []
    for slot, address, incarnation in step.to:
        try:
            members.send(address, token, AppointWriter(epoch, incarnation, step.writer))
        except (Refused, Unreachable) as error:
            faults.append(f"slot {slot}: {error}")
    if faults:
        raise Refused("; ".join(faults))
