"""The one owner of what the agent knows: stage, position, wsrep status, admission, writer.

Everything in here is short and under one lock; nothing waits. `Life` moves the stages, the watcher reports what mariadbd
says, the server asks and hands in commands.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from galera_operator.agent.disk import Disk
from galera_operator.agent.options import Start
from galera_operator.agent.peers import Component, Peers, find_component, live_members
from galera_operator.agent.routing import STALE_SECONDS, Answer, Seen, choose_writer, readiness, writability
from galera_operator.agent.server import Refused
from galera_operator.agent.settings import Settings, is_address
from galera_operator.core.agent_api import (
    Admission,
    Admit,
    AgentStatus,
    AppointWriter,
    Command,
    Drain,
    Grant,
    Stage,
    Stop,
    Transfer,
    Wsrep,
)
from galera_operator.core.position import ZERO_UUID, Directory, Position

log = logging.getLogger(__name__)

DOUBT_SECONDS = 10.0
"""How long after a freeze a member needs another one's word before it serves. FACTS: it may say Synced for 6 s in vain."""
SETTLE_SECONDS = 3.0
"""How long after a change of the component an unheard member's word is waited for before a writer is made up."""

_SERVER_STAGES = frozenset({Stage.RUNNING, Stage.DRAINING, Stage.DRAINED})
_OUT_OF_SERVICE = frozenset({Stage.DRAINING, Stage.DRAINED, Stage.STOPPING})


@dataclass(slots=True)
class Wishes:
    """What commands and signals ask `Life` to do next; it takes them one by one."""

    start: Start | None = None
    drain: float | None = None
    cancel_drain: bool = False
    stop: str = ""


class Member:
    """State of this member and the rules of who may change it."""

    def __init__(self, settings: Settings, peers: Peers) -> None:
        self.settings = settings
        self.peers = peers
        self.changed = threading.Condition(threading.RLock())
        self.stopping = threading.Event()
        self.wishes = Wishes()
        self._stage = Stage.STARTING
        self._since = time.monotonic()
        self._disk = Disk(Directory.INCOMPLETE)
        self._wsrep: Wsrep | None = None
        self._wsrep_at = 0.0
        self._view_at = 0.0
        self._thawed_at = float("-inf")
        self._transfer: Transfer | None = None
        self._admission = Admission.NONE
        self._admitted_at = 0.0
        self._drain_seconds = settings.drain_timeout
        self._allow_donor = False
        self._epoch = 0
        self._appointed = ""
        self._writer = ""
        self._sessions = self._in_flight = self._cut = 0
        self._note = "starting"
        self._operator_at = time.monotonic()
        self._warned = ""

    # What Life and the watcher report ---------------------------------------------------------------------------------

    def enter(self, stage: Stage, note: str) -> None:
        """Move to another stage; `note` is the sentence for it, and the log line."""
        with self.changed:
            if stage is not self._stage:
                self._since = time.monotonic()
            self._stage = stage
            self.changed.notify_all()
        self.say(note, always=True)

    def say(self, note: str, *, always: bool = False) -> None:
        """Set the note; logged when it is another one."""
        with self.changed:
            is_new = note != self._note
            self._note = note
        if is_new or always:
            log.info("%s: %s", self._stage, note)

    def found_disk(self, disk: Disk) -> None:
        with self.changed:
            self._disk = disk

    def saw_wsrep(self, wsrep: Wsrep | None) -> None:
        """Take over what mariadbd says about itself now; None: it did not answer (the last answer then grows old)."""
        with self.changed:
            was, now = self._wsrep, time.monotonic()
            if wsrep is not None:
                if self._wsrep_at and now - self._wsrep_at > STALE_SECONDS:
                    self._thawed_at = now
                if was is None or was.conf_id != wsrep.conf_id:
                    self._view_at = now
                self._wsrep, self._wsrep_at = wsrep, now
            elif now - self._wsrep_at > STALE_SECONDS:
                self._wsrep = None
            if wsrep is not None and wsrep.local_state == 4 and self._transfer and self._transfer.role == "donor":
                self._transfer = None
            self._choose_writer()
            self.changed.notify_all()
        if wsrep is not None and (was is None or _headline(was) != _headline(wsrep)):
            log.info("wsrep: %s", _headline(wsrep))
            if self._stage is Stage.RUNNING and self.is_admitted:
                self.say(_headline(wsrep))

    def saw_sessions(self, sessions: int, in_flight: int) -> None:
        with self.changed:
            self._sessions, self._in_flight = sessions, in_flight

    def saw_cut(self, cut: int) -> None:
        with self.changed:
            self._cut += cut

    def saw_transfer(self, transfer: Transfer | None) -> None:
        with self.changed:
            self._transfer = transfer

    def forget_server(self) -> None:
        """Mariadbd is down: what it said last is not true any more."""
        with self.changed:
            self._wsrep, self._transfer = None, None
            self._sessions = self._in_flight = 0

    def request_stop(self, why: str) -> None:
        with self.changed:
            if not self.wishes.stop:
                log.info("asked to stop: %s", why)
            self.wishes.stop = why
            self.stopping.set()
            self.changed.notify_all()

    def admit_self(self) -> bool:
        """Let traffic in without the operator, if it has been away for long and this member joined others. True if so."""
        with self.changed:
            away = time.monotonic() - self._operator_at
            wsrep = self._wsrep
            if self._admission is not Admission.NONE or self._stage is not Stage.RUNNING or wsrep is None:
                return False
            if away < self.settings.operator_away or not wsrep.is_synced or wsrep.queue or wsrep.state_uuid == ZERO_UUID:
                return False
            self._admit(Admission.SELF)
        self.say(
            f"admitted by itself: Synced, and the operator has not been heard of for {away:.0f} s",
            always=True,
        )
        return True

    # What the server asks ---------------------------------------------------------------------------------------------

    @property
    def stage(self) -> Stage:
        return self._stage

    @property
    def note(self) -> str:
        return self._note

    @property
    def disk(self) -> Disk:
        return self._disk

    @property
    def wsrep(self) -> Wsrep | None:
        """The last status if it is fresh."""
        with self.changed:
            return self._wsrep if time.monotonic() - self._wsrep_at <= STALE_SECONDS else None

    @property
    def drain_seconds(self) -> float:
        return self._drain_seconds

    @property
    def is_admitted(self) -> bool:
        return self._admission is not Admission.NONE

    @property
    def is_writer(self) -> bool:
        return self.is_admitted and self._writer == self.settings.name

    @property
    def is_alive(self) -> bool:
        """Mariadbd was not seen to end; Life ends the agent when it does."""
        return self._stage in _SERVER_STAGES or self._stage is Stage.STOPPING

    @property
    def holds_health(self) -> bool:
        """True some time after admission: Docker has seen it, health checks need not be quick any more."""
        return self.is_admitted and time.monotonic() - self._admitted_at > 10

    def operator_was_here(self) -> None:
        with self.changed:
            self._operator_at = time.monotonic()

    def may_read(self) -> Answer:
        with self.changed:
            age = time.monotonic() - self._wsrep_at
            return readiness(self._own(), age, self._others(), allow_donor=self._allow_donor)

    def may_write(self) -> Answer:
        with self.changed:
            self._choose_writer()
            return writability(self._own(), time.monotonic() - self._wsrep_at, self._others(), self._writer)

    def component(self) -> Component | str:
        """A live component to join, as the peers tell, or why there is none."""
        with self.changed:
            own = self._disk.position or Position(self._disk.cluster_uuid or ZERO_UUID, -1)
        return find_component(own, self.peers.heard(STALE_SECONDS))

    def status(self) -> AgentStatus:
        with self.changed:
            wsrep = self.wsrep
            position = self._disk.position
            if wsrep is not None and wsrep.state_uuid != ZERO_UUID and self._stage in _SERVER_STAGES:
                position = Position(wsrep.state_uuid, wsrep.last_committed)
            return AgentStatus(
                name=self.settings.name,
                incarnation=self.settings.incarnation,
                stage=self._stage,
                since=round(time.monotonic() - self._since, 3),
                directory=self._disk.directory,
                position=position,
                safe_to_bootstrap=self._disk.safe_to_bootstrap,
                wsrep=wsrep,
                transfer=self._transfer,
                admission=self._admission,
                writer=self._writer,
                sessions=self._sessions,
                in_flight=self._in_flight,
                cut=self._cut,
                epoch=self._epoch,
                note=self._note,
            )

    # Commands ---------------------------------------------------------------------------------------------------------

    def obey(self, command: Command) -> None:
        """Check a command's premise and take it over.

        Raises:
            Refused: the premise does not hold; nothing has changed.
        """
        with self.changed:
            self._operator_at = time.monotonic()
            if command.incarnation != self.settings.incarnation:
                raise Refused(
                    f"meant for incarnation {command.incarnation}, this is {self.settings.incarnation}: the member restarted"
                )
            if command.epoch < self._epoch:
                raise Refused(f"epoch {command.epoch} is over, {self._epoch} has been obeyed: another operator took the lease")
            match command:
                case Grant():
                    self._grant(command)
                case Admit():
                    self._check_admit()
                    self._drain_seconds, self._allow_donor = command.drain_seconds, command.allow_donor
                    if self._admission is not Admission.OPERATOR:
                        self._admit(Admission.OPERATOR)
                        self.say("admitted by the operator", always=True)
                    if self._stage in {Stage.DRAINING, Stage.DRAINED} or self.wishes.drain is not None:
                        self.wishes.drain, self.wishes.cancel_drain = None, True
                case AppointWriter():
                    self._check_appoint(command.writer)
                    if command.writer != self._appointed:
                        log.info("the operator appoints %s as the writer", command.writer)
                    self._appointed = command.writer
                    self._choose_writer()
                case Drain():
                    if self._stage not in _SERVER_STAGES:
                        raise Refused(f"stage {self._stage}: there is nothing to drain")
                    if self._stage is Stage.RUNNING:
                        self.wishes.drain, self.wishes.cancel_drain = command.seconds, False
                        self._begin_drain()
                case Stop():
                    self.request_stop("the operator's /stop")
                case _:
                    raise Refused(f"{type(command).__name__} is not known to this version")
            self._epoch = command.epoch
            self.changed.notify_all()

    def _grant(self, grant: Grant) -> None:
        if self._stage is not Stage.WAITING or self.wishes.start is not None:
            raise Refused(f"stage {self._stage}: a grant is for a waiting member")
        for address in (grant.address, *grant.peers):
            if not is_address(address):
                raise Refused(f"{address!r} is not an IPv4 address")
        if grant.peers:
            self.peers.add(grant.peers)
            self.say(f"granted to join {', '.join(grant.peers)}; waiting for an answer from there")
            return
        if self._disk.directory is Directory.INCOMPLETE:
            raise Refused(f"this directory may never seed a cluster: {self._disk.note}")
        if grant.position != self._disk.position:
            raise Refused(
                f"the grant is for position {grant.position or 'none'}, this member has {self._disk.position or 'none'}"
            )
        live = live_members(self.peers.heard(STALE_SECONDS))
        if live:
            where = ", ".join(one.address for one in live)
            raise Refused(f"a Primary component is alive at {where}: bootstrapping another one would split the cluster")
        address = self.settings.bind_address or grant.address
        self.wishes.start = Start(address, (), self._disk.position)
        log.info(
            "granted to bootstrap in epoch %d from position %s",
            grant.epoch,
            self._disk.position or "none (empty directory)",
        )

    def _check_admit(self) -> None:
        wsrep = self.wsrep
        if self._stage not in _SERVER_STAGES or self.wishes.stop:
            raise Refused(f"stage {self._stage}: only a running member can be admitted")
        if wsrep is None or not wsrep.is_synced:
            raise Refused(f"not Synced in a Primary component: {_headline(wsrep) if wsrep else 'mariadbd does not answer'}")
        if wsrep.state_uuid == ZERO_UUID:
            raise Refused("the state UUID is zeros though mariadbd says Synced: its data may differ from the others'")

    def _check_appoint(self, writer: str) -> None:
        wsrep = self.wsrep
        if not writer:
            raise Refused("the writer's name is empty; expected a wsrep node name")
        if wsrep is not None and wsrep.members and writer not in wsrep.members:
            raise Refused(f"{writer} is not in this member's component: {', '.join(wsrep.members)}")

    def _admit(self, by: Admission) -> None:
        self._admission, self._admitted_at = by, time.monotonic()
        self._choose_writer()
        self.changed.notify_all()

    def _begin_drain(self) -> None:
        """From this instant the proxy is told to send nobody, before Life takes the first step."""
        self._stage, self._since = Stage.DRAINING, time.monotonic()
        self._choose_writer()

    # The writer -------------------------------------------------------------------------------------------------------

    def _own(self) -> Seen:
        wsrep = self._wsrep if self.is_alive else None
        is_out = self._stage in _OUT_OF_SERVICE or bool(self.wishes.stop)
        is_doubtful = time.monotonic() - self._thawed_at < DOUBT_SECONDS
        return Seen(self.settings.name, self.is_admitted, is_out, wsrep, self._writer, is_doubtful)

    def _others(self) -> list[Seen]:
        return [
            Seen(
                one.status.name,
                one.status.admission is not Admission.NONE,
                one.status.stage in _OUT_OF_SERVICE,
                one.status.wsrep,
                one.status.writer,
            )
            for one in self.peers.heard(STALE_SECONDS)
        ]

    def _choose_writer(self) -> None:
        own = self._own()
        settled = time.monotonic() - self._view_at > SETTLE_SECONDS
        chosen = choose_writer(own, self._others(), self._appointed, self._writer, settled=settled)
        if self._appointed and chosen != self._appointed:
            log.info("the appointed writer %s is out of service; its appointment is over", self._appointed)
            self._appointed = ""
        if chosen != self._writer:
            log.info("writer: %s (was %s)", chosen or "none", self._writer or "none")
        self._writer = chosen


def _headline(wsrep: Wsrep) -> str:
    return (
        f"{wsrep.local_state_comment}, {wsrep.cluster_status}, {wsrep.cluster_size} members, "
        f"ready {'ON' if wsrep.ready else 'OFF'}, state UUID {wsrep.state_uuid}"
    )
