"""The operator's commands: what each one's premise is. A refusal is one sentence and changes nothing."""

from __future__ import annotations

import logging
from typing import TypeGuard

from galera_operator.agent.member import SERVER_STAGES, Member
from galera_operator.agent.options import Start
from galera_operator.agent.peers import primary_at
from galera_operator.agent.routing import STALE_SECONDS
from galera_operator.agent.settings import is_address
from galera_operator.agent.view import headline
from galera_operator.core.agent_api import (
    ANY_WRITER,
    Admission,
    Admit,
    AppointWriter,
    Command,
    Drain,
    Fence,
    FormPrimary,
    Grant,
    Stage,
    Stop,
    Wsrep,
)
from galera_operator.core.position import ZERO_UUID, Directory, Position, PositionNotFound
from galera_operator.core.serving import Terms

log = logging.getLogger(__name__)


class Refused(Exception):
    """A command whose premise does not hold; the sentence goes back with 409."""


def obey(member: Member, command: Command) -> None:
    """Check a command's premise and take it over. Long work only begins here; later looks see it end.

    Raises:
        Refused: the premise does not hold; nothing has changed.
    """
    with member.changed:
        member.operator_was_here()
        if command.incarnation != member.settings.incarnation:
            raise Refused(
                f"meant for incarnation {command.incarnation}, this is {member.settings.incarnation}: the member restarted"
            )
        if command.epoch < member.epoch:
            raise Refused(f"epoch {command.epoch} is over, {member.epoch} has been obeyed: another operator took the lease")
        match command:
            case Grant():
                _grant(member, command)
            case Fence():
                _fence(member)
            case FormPrimary():
                _form_primary(member, command)
            case Admit():
                _admit(member, command)
            case AppointWriter():
                _appoint(member, command)
            case Drain():
                if member.stage not in SERVER_STAGES:
                    raise Refused(f"stage {member.stage}: there is nothing to drain")
                if member.stage is Stage.RUNNING:
                    member.begin_drain(command.seconds)
            case Stop():
                if command.only_drained and member.stage not in {Stage.DRAINING, Stage.DRAINED}:
                    raise Refused(f"stage {member.stage}: only a drained member was to be stopped")
                member.request_stop("the operator's /stop")
            case _:
                raise Refused(f"{type(command).__name__} is not known to this version")
        member.obeyed(command.epoch)


def _fence(member: Member) -> None:
    """The epoch is the promise, and `obey` keeps it. Whoever is in a Primary component, or on the way to one, cannot give it."""
    if member.wishes.form_primary or member.wishes.forming:
        raise Refused("this member is forming a Primary component itself, as it was commanded before")
    if member.stage is Stage.WAITING and member.wishes.start is None:
        return
    if member.stage in SERVER_STAGES and _outside_primary(member.wsrep):
        return
    raise Refused(f"stage {member.stage}, {_says(member.wsrep)}: only a member outside any Primary component can be fenced")


def _form_primary(member: Member, command: FormPrimary) -> None:
    wsrep = member.wsrep
    if member.stage not in SERVER_STAGES or member.wishes.stop:
        raise Refused(f"{_occupation(member)}: only a running member can form a Primary component")
    if not _outside_primary(wsrep):
        raise Refused(f"{_says(wsrep)}: expected a member that is not in a Primary component")
    if not wsrep.connected:
        raise Refused(f"{_says(wsrep)}: it has left its group, only a restart brings it back")
    own = Position(wsrep.state_uuid, wsrep.last_committed)
    if not own.is_usable or own != command.position:
        raise Refused(f"meant for a member at {command.position}, this one has committed {own}")
    _refuse_second_primary(member)
    member.wishes.form_primary = True
    log.info("to form the Primary component in epoch %d at %s", command.epoch, own)


def _grant(member: Member, grant: Grant) -> None:
    if member.stage is not Stage.WAITING or member.wishes.start is not None or member.wishes.stop:
        raise Refused(f"{_occupation(member)}: a grant is for a waiting member")
    for address in (grant.address, *grant.peers):
        if not is_address(address):
            raise Refused(f"{address!r} is not an IPv4 address")
    if grant.peers:
        _invite(member, grant)
        return
    if grant.replaces:
        raise Refused("a grant to bootstrap that says replaces: only a component's data can replace a copy, and none is named")
    disk = member.disk
    if disk.directory in {Directory.INCOMPLETE, Directory.HALF_COPIED}:
        raise Refused(f"this directory may never seed a cluster: {disk.note}")
    _refuse_other_position(member, grant)
    is_cut = disk.directory is Directory.MID_DDL
    if is_cut and not grant.history:
        raise Refused(f"this directory may seed a cluster only under a new history, by a person's decision: {disk.note}")
    if grant.history:
        _refuse_bad_history(grant)
    _refuse_second_primary(member)
    address = member.settings.bind_address or grant.address
    member.wishes.start = Start(address, (), disk.position, history=grant.history, mid_ddl=is_cut)
    what = disk.position or "none (empty directory)"
    renamed = f" as {grant.history}" if grant.history else ""
    log.info("granted to bootstrap in epoch %d from position %s%s", grant.epoch, what, renamed)


def _invite(member: Member, grant: Grant) -> None:
    where = ", ".join(grant.peers)
    if grant.history:
        raise Refused("a grant to join that names a new history: only a bootstrap begins one")
    if grant.replaces:
        _refuse_other_position(member, grant)
        member.wishes.replaced_by = frozenset(grant.peers)
        log.warning("the copy at %s may be replaced by the component at %s", grant.position or "no position", where)
    member.peers.add(grant.peers)
    member.say(f"granted to join {where}; waiting for an answer from there")


def _refuse_other_position(member: Member, grant: Grant) -> None:
    """None fits an empty and an incomplete directory."""
    disk = member.disk
    if grant.position != disk.position:
        raise Refused(f"the grant is for position {grant.position or 'none'}, this member has {disk.position or 'none'}")


def _refuse_bad_history(grant: Grant) -> None:
    if grant.position is None:
        raise Refused("a new history goes on from a copy, and this directory is empty")
    try:
        begins = Position(grant.history, grant.position.seqno)
    except PositionNotFound as error:
        raise Refused(f"the new history's {error}") from error
    if not begins.is_usable or begins == grant.position:
        raise Refused(f"the new history is {grant.history}; expected a state UUID that is neither zeros nor the copy's own")


def _refuse_second_primary(member: Member) -> None:
    where = primary_at(member.peers.heard(STALE_SECONDS))
    if where:
        raise Refused(f"a Primary component is alive at {where}: bootstrapping another one would split the cluster")


def _admit(member: Member, admit: Admit) -> None:
    wsrep = member.wsrep
    if member.stage not in SERVER_STAGES or member.wishes.stop:
        raise Refused(f"{_occupation(member)}: only a running member can be admitted")
    if wsrep is None or not wsrep.is_synced:
        raise Refused(f"not Synced in a Primary component: {_says(wsrep)}")
    if wsrep.state_uuid == ZERO_UUID:
        raise Refused("the state UUID is zeros though mariadbd says Synced: its data may differ from the others'")
    member.let_in(Admission.OPERATOR, Terms(admit.drain_seconds, admit.allow_donor, admit.causal_reads))


def _appoint(member: Member, command: AppointWriter) -> None:
    wsrep = member.wsrep
    if not command.writer:
        raise Refused("the writer's name is empty; expected a wsrep node name")
    if wsrep is not None and wsrep.members and command.writer not in {*wsrep.members, ANY_WRITER}:
        raise Refused(f"{command.writer} is not in this member's component: {', '.join(wsrep.members)}")
    member.appoint(command.writer)


def _outside_primary(wsrep: Wsrep | None) -> TypeGuard[Wsrep]:
    """True only when mariadbd says so itself, now. It says so once it has applied all that it had received."""
    return wsrep is not None and not wsrep.is_primary


def _says(wsrep: Wsrep | None) -> str:
    return headline(wsrep) if wsrep else "mariadbd does not answer"


def _occupation(member: Member) -> str:
    leaving = f", asked to stop ({member.wishes.stop})" if member.wishes.stop else ""
    return f"stage {member.stage}{leaving}"
