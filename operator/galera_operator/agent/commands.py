"""The operator's commands: what each one's premise is. A refusal is one sentence and changes nothing."""

from __future__ import annotations

import logging

from galera_operator.agent.member import SERVER_STAGES, Member, headline
from galera_operator.agent.options import Start
from galera_operator.agent.peers import live_members
from galera_operator.agent.routing import STALE_SECONDS
from galera_operator.agent.settings import is_address
from galera_operator.core.agent_api import Admission, Admit, AppointWriter, Command, Drain, Grant, Stage, Stop
from galera_operator.core.position import ZERO_UUID, Directory

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
                member.request_stop("the operator's /stop")
            case _:
                raise Refused(f"{type(command).__name__} is not known to this version")
        member.obeyed(command.epoch)


def _grant(member: Member, grant: Grant) -> None:
    if member.stage is not Stage.WAITING or member.wishes.start is not None:
        raise Refused(f"stage {member.stage}: a grant is for a waiting member")
    for address in (grant.address, *grant.peers):
        if not is_address(address):
            raise Refused(f"{address!r} is not an IPv4 address")
    if grant.peers:
        member.peers.add(grant.peers)
        member.say(f"granted to join {', '.join(grant.peers)}; waiting for an answer from there")
        return
    disk = member.disk
    if disk.directory is Directory.INCOMPLETE:
        raise Refused(f"this directory may never seed a cluster: {disk.note}")
    if grant.position != disk.position:
        raise Refused(f"the grant is for position {grant.position or 'none'}, this member has {disk.position or 'none'}")
    live = live_members(member.peers.heard(STALE_SECONDS))
    if live:
        where = ", ".join(one.address for one in live)
        raise Refused(f"a Primary component is alive at {where}: bootstrapping another one would split the cluster")
    member.wishes.start = Start(member.settings.bind_address or grant.address, (), disk.position)
    what = disk.position or "none (empty directory)"
    log.info("granted to bootstrap in epoch %d from position %s", grant.epoch, what)


def _admit(member: Member, admit: Admit) -> None:
    wsrep = member.wsrep
    if member.stage not in SERVER_STAGES or member.wishes.stop:
        raise Refused(f"stage {member.stage}: only a running member can be admitted")
    if wsrep is None or not wsrep.is_synced:
        raise Refused(f"not Synced in a Primary component: {headline(wsrep) if wsrep else 'mariadbd does not answer'}")
    if wsrep.state_uuid == ZERO_UUID:
        raise Refused("the state UUID is zeros though mariadbd says Synced: its data may differ from the others'")
    member.let_in(Admission.OPERATOR, admit.drain_seconds, allow_donor=admit.allow_donor)


def _appoint(member: Member, command: AppointWriter) -> None:
    wsrep = member.wsrep
    if not command.writer:
        raise Refused("the writer's name is empty; expected a wsrep node name")
    if wsrep is not None and wsrep.members and command.writer not in wsrep.members:
        raise Refused(f"{command.writer} is not in this member's component: {', '.join(wsrep.members)}")
    member.appoint(command.writer)
