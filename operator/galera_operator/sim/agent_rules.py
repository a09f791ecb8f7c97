"""What an agent refuses, as agent/commands.py has it: the receiver's side of every step's premise."""

from __future__ import annotations

from galera_operator.agent.peers import primary_at
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
)
from galera_operator.core.position import ZERO_UUID, Directory, Position
from galera_operator.core.serving import Terms
from galera_operator.ports import Refused
from galera_operator.sim.agent import SERVER_STAGES, Container, Start


def obey(container: Container, command: Command, now: float) -> None:
    """Check a command's premise and take it over.

    Raises:
        Refused: the premise does not hold; nothing has changed.
    """
    container.operator_at = now
    if command.incarnation != container.incarnation:
        raise Refused(f"meant for incarnation {command.incarnation}, this is {container.incarnation}: the member restarted")
    if command.epoch < container.epoch:
        raise Refused(f"epoch {command.epoch} is over, {container.epoch} has been obeyed: another operator took the lease")
    match command:
        case Grant():
            _grant(container, command, now)
        case Fence():
            _fence(container, now)
        case FormPrimary():
            _form_primary(container, command, now)
        case Admit():
            _admit(container, command, now)
        case AppointWriter():
            _appoint(container, command, now)
        case Drain():
            if container.stage not in SERVER_STAGES:
                raise Refused(f"stage {container.stage}: there is nothing to drain")
            if container.stage is Stage.RUNNING:
                container.wish_drain, container.wish_undrain = command.seconds, False
                container.enter(Stage.DRAINING, now)
        case Stop():
            if command.only_drained and container.stage not in {Stage.DRAINING, Stage.DRAINED}:
                raise Refused(f"stage {container.stage}: only a drained member was to be stopped")
            container.wish_stop = container.wish_stop or "the operator's /stop"
        case _:
            raise Refused(f"{type(command).__name__} is not known to this version")
    container.epoch = command.epoch
    container.world.stir += 1


def _grant(container: Container, grant: Grant, now: float) -> None:
    if container.stage is not Stage.WAITING or container.start is not None:
        raise Refused(f"stage {container.stage}: a grant is for a waiting member")
    if grant.peers:
        if grant.replaces and grant.position != container.found.position:
            raise Refused(f"the copy to replace is {grant.position}, this member has {container.found.position}")
        container.replaces = grant.position if grant.replaces else None
        for address in grant.peers:
            container.known[address] = now
        return
    found = container.found
    if found.directory in {Directory.INCOMPLETE, Directory.HALF_COPIED}:
        raise Refused(f"this directory may never seed a cluster: {found.note}")
    if grant.position != found.position:
        raise Refused(f"the grant is for position {grant.position or 'none'}, this member has {found.position or 'none'}")
    if found.directory is Directory.MID_DDL and not grant.history:
        raise Refused(f"this directory may seed a cluster only under a new history: {found.note}")
    _nobody_is_primary(container, now, "bootstrapping another one")
    container.start = Start((), found.position, history=grant.history)


def _fence(container: Container, now: float) -> None:
    if container.wish_stop and container.stage not in SERVER_STAGES:
        return
    if container.stage is Stage.WAITING:
        if container.start is not None:
            raise Refused("this member has been granted a start already")
        return
    wsrep = container.wsrep(now)
    if container.stage not in SERVER_STAGES or wsrep is None:
        raise Refused(f"stage {container.stage}: only a waiting member or a live one outside a Primary component promises")
    if wsrep.is_primary:
        raise Refused("this member is in a Primary component")


def _form_primary(container: Container, command: FormPrimary, now: float) -> None:
    wsrep = container.wsrep(now)
    if container.stage not in SERVER_STAGES or wsrep is None or container.wish_stop:
        raise Refused(f"stage {container.stage}: only a running member forms a Primary component")
    if wsrep.is_primary:
        raise Refused("this member is in a Primary component already")
    here = Position(wsrep.state_uuid, wsrep.last_committed)
    if command.position != here:
        raise Refused(f"the premise is position {command.position}, this member has {here}")
    _nobody_is_primary(container, now, "forming another one")
    server = container.server
    assert server is not None
    assert server.component is not None
    container.world.galera.form_primary(server.component)


def _nobody_is_primary(container: Container, now: float, doing: str) -> None:
    where = primary_at(container.peers(now))
    if where:
        raise Refused(f"a Primary component is alive at {where}: {doing} would split the cluster")


def _admit(container: Container, admit: Admit, now: float) -> None:
    wsrep = container.wsrep(now)
    if container.stage not in SERVER_STAGES or container.wish_stop:
        raise Refused(f"stage {container.stage}: only a running member can be admitted")
    if wsrep is None or not wsrep.is_synced:
        raise Refused(f"not Synced in a Primary component: {wsrep.in_words if wsrep else 'mariadbd does not answer'}")
    if wsrep.state_uuid == ZERO_UUID:
        raise Refused("the state UUID is zeros though mariadbd says Synced: its data may differ from the others'")
    container.terms = Terms(admit.drain_seconds, admit.allow_donor, admit.causal_reads)
    if container.admission is not Admission.OPERATOR:
        container.admission, container.is_admitted = Admission.OPERATOR, True
        container.choose(now)
    if container.stage in {Stage.DRAINING, Stage.DRAINED} or container.wish_drain is not None:
        container.wish_drain, container.wish_undrain = None, True


def _appoint(container: Container, command: AppointWriter, now: float) -> None:
    wsrep = container.wsrep(now)
    if not command.writer:
        raise Refused("the writer's name is empty; expected a wsrep node name")
    if wsrep is not None and wsrep.members and command.writer not in {*wsrep.members, ANY_WRITER}:
        raise Refused(f"{command.writer} is not in this member's component: {', '.join(wsrep.members)}")
    container.appoint(command.writer, now)
