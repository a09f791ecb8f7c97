"""The one owner of what the agent knows: stage, position, wsrep status, admission, writer.

Everything in here is short and under one lock; nothing waits. `Life` moves the stages, the watcher reports what mariadbd
says, the server asks and hands in commands.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace

from galera_operator.agent.disk import Disk
from galera_operator.agent.flow import FlowWindow
from galera_operator.agent.peers import Component, Heard, Peers, find_component
from galera_operator.agent.routing import NO_ROLE, STALE_SECONDS, Answer, Role, Seen, choose_writer, readiness, writability
from galera_operator.agent.settings import Settings
from galera_operator.agent.view import View, headline
from galera_operator.agent.wishes import Wishes
from galera_operator.core.agent_api import ANY_WRITER, API_LEVEL, Admission, AgentStatus, Stage, Transfer, Wsrep
from galera_operator.core.position import ZERO_UUID, Directory, Position
from galera_operator.core.serving import Terms
from galera_operator.core.wsrep_status import FlowCounters

log = logging.getLogger(__name__)

DOUBT_SECONDS = 10.0
"""How long after a freeze a member needs another one's word before it serves. FACTS: it may say Synced for 6 s in vain."""
PEER_LAG = 0.5
"""How old a peer's answer may already be when it is given: its agent asks its own mariadbd four times a second."""
SETTLE_SECONDS = 3.0
"""How long after a change of the component an unheard member's word is waited for before a writer is made up."""

SERVER_STAGES = frozenset({Stage.RUNNING, Stage.DRAINING, Stage.DRAINED})
"""mariadbd has been Synced and is not being shut down."""

_OUT_OF_SERVICE = frozenset({Stage.DRAINING, Stage.DRAINED, Stage.STOPPING})


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
        self._view = View()
        self._flow = FlowWindow()
        self._transfer: Transfer | None = None
        self._transfer_busy_at = 0.0
        self._data_bytes = 0
        self._admission = Admission.NONE
        self._admitted_at = 0.0
        self._terms = Terms(settings.drain_timeout, allow_donor=False, causal_reads=False)
        self._reads_are_causal = False
        self._epoch = 0
        self._appointed_at = float("-inf")
        self._role = NO_ROLE
        self._sessions = self._in_flight = self._cut = 0
        self._note = "starting"
        self._operator_at = time.monotonic()
        self._stop_at = 0.0

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

    def saw_wsrep(self, wsrep: Wsrep | None, flow: FlowCounters | None = None) -> None:
        """Take over what mariadbd says about itself now; None: it did not answer (the last answer then grows old)."""
        with self.changed:
            was, now = self._view.last, time.monotonic()
            self._view.take(wsrep, now)
            self._flow.take(flow if wsrep is not None and wsrep.is_synced else None, now)
            self._choose_writer()
            self.changed.notify_all()
        if wsrep is not None and (was is None or headline(was) != headline(wsrep)):
            log.info("wsrep: %s", headline(wsrep))
            if self._stage is Stage.RUNNING and self.is_admitted:
                self.say(headline(wsrep))

    def saw_sessions(self, sessions: int, in_flight: int) -> None:
        with self.changed:
            self._sessions, self._in_flight = sessions, in_flight

    def reads_are(self, *, causal: bool) -> None:
        """What sessions that are opened from now on get."""
        with self.changed:
            self._reads_are_causal = causal

    def saw_cut(self, cut: int) -> None:
        with self.changed:
            self._cut += cut

    def saw_transfer(self, transfer: Transfer | None, busy_at: float = 0.0) -> None:
        """`busy_at`: when it last moved; the time since is reckoned when somebody asks, so it grows also without samples."""
        with self.changed:
            self._transfer, self._transfer_busy_at = transfer, busy_at

    def saw_data_bytes(self, size: int) -> None:
        with self.changed:
            self._data_bytes = size

    def forget_server(self) -> None:
        """Mariadbd is down: what it said last is not true any more."""
        with self.changed:
            self._view.forget()
            self._transfer = None
            self._sessions = self._in_flight = 0

    def request_stop(self, why: str) -> None:
        with self.changed:
            if not self.wishes.stop:
                log.info("asked to stop: %s", why)
                self._stop_at = time.monotonic()
            self.wishes.stop = why
            self.stopping.set()
            self.changed.notify_all()

    def admit_self(self) -> bool:
        """Let traffic in without the operator, if it has been away for long and this member joined others. True if so."""
        with self.changed:
            away = time.monotonic() - self._operator_at
            wsrep = self._view.last
            if self._admission is not Admission.NONE or self._stage is not Stage.RUNNING or self.wishes.stop or wsrep is None:
                return False
            if away < self.settings.operator_away or not wsrep.is_synced or wsrep.queue or wsrep.state_uuid == ZERO_UUID:
                return False
            self._terms = self._terms_of_peers() or self._terms
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
            return self._view.fresh(time.monotonic())

    @property
    def view_age(self) -> float:
        return self._view.age(time.monotonic())

    @property
    def seconds_since_stop(self) -> float:
        """Since this member was asked to stop; only once it was."""
        return time.monotonic() - self._stop_at

    @property
    def data_bytes(self) -> int:
        return self._data_bytes

    @property
    def terms(self) -> Terms:
        return self._terms

    @property
    def is_admitted(self) -> bool:
        return self._admission is not Admission.NONE

    @property
    def is_writer(self) -> bool:
        return self.is_admitted and self._role.writer in {self.settings.name, ANY_WRITER}

    @property
    def is_alive(self) -> bool:
        """Mariadbd was not seen to end; Life ends the agent when it does."""
        return self._stage in SERVER_STAGES or self._stage is Stage.STOPPING

    @property
    def holds_health(self) -> bool:
        """True some time after admission: Docker has seen it, health checks need not be quick any more."""
        return self.is_admitted and time.monotonic() - self._admitted_at > 10

    def operator_was_here(self) -> None:
        with self.changed:
            self._operator_at = time.monotonic()

    def may_read(self) -> Answer:
        with self.changed:
            age = time.monotonic() - self._view.at
            if self._terms.causal_reads and not self._reads_are_causal:
                return Answer(404, "causal reads are being set up")
            return readiness(self._own(), age, self._others(), allow_donor=self._terms.allow_donor)

    def may_write(self) -> Answer:
        with self.changed:
            self._choose_writer()
            return writability(self._own(), time.monotonic() - self._view.at, self._others(), self._role.writer)

    def component(self) -> Component | str:
        """A live component to join, as the peers tell, or why there is none."""
        with self.changed:
            own = self._disk.position or Position(self._disk.cluster_uuid or ZERO_UUID, -1)
            replaced_by = self.wishes.replaced_by
        return find_component(own, self.peers.heard(STALE_SECONDS), replaced_by, name=self.settings.name)

    def status(self) -> AgentStatus:
        with self.changed:
            now, wsrep = time.monotonic(), self.wsrep
            position, transfer = self._disk.position, self._transfer
            if transfer is not None:
                transfer = replace(transfer, idle=round(max(0.0, now - self._transfer_busy_at), 1))
            if wsrep is not None and wsrep.state_uuid != ZERO_UUID and self._stage in SERVER_STAGES:
                position = Position(wsrep.state_uuid, wsrep.last_committed)
            return AgentStatus(
                name=self.settings.name,
                incarnation=self.settings.incarnation,
                stage=self._stage,
                since=round(now - self._since, 3),
                directory=self._disk.directory,
                position=position,
                safe_to_bootstrap=self._disk.safe_to_bootstrap,
                wsrep=wsrep,
                transfer=transfer,
                admission=self._admission,
                writer=self._role.writer,
                sessions=self._sessions,
                in_flight=self._in_flight,
                cut=self._cut,
                epoch=self._epoch,
                note=self._note,
                term=self._role.term,
                view_age=round(self._view.age(now), 3),
                leaving=bool(self.wishes.stop),
                data_bytes=self._data_bytes,
                flow=self._flow.told(now),
                terms=self._terms,
                api_level=API_LEVEL,
            )

    # What commands change (see commands.py, which has checked them; called with the lock held) -----------------------

    @property
    def epoch(self) -> int:
        return self._epoch

    def obeyed(self, epoch: int) -> None:
        self._epoch = epoch
        self.changed.notify_all()

    def let_in(self, by: Admission, terms: Terms) -> None:
        """Admit; takes a drain back."""
        self._terms = terms
        if self._admission is not by:
            self._admit(by)
            self.say(f"admitted by the {by}", always=True)
        if self._stage in {Stage.DRAINING, Stage.DRAINED} or self.wishes.drain is not None:
            self.wishes.drain, self.wishes.cancel_drain = None, True

    def appoint(self, writer: str) -> None:
        """Take the operator's word for who the writer is; what agents said before it does not count any more."""
        self._appointed_at = time.monotonic()
        if writer != self._role.writer:
            log.info("the operator appoints %s as the writer (was %s)", writer, self._role.writer or "none")
            terms = [one.status.term for one in self.peers.heard(STALE_SECONDS)]
            self._role = Role(writer, max([self._role.term, *terms]) + 1)
        self._choose_writer()

    def begin_drain(self, seconds: float) -> None:
        """From this instant the proxy is told to send nobody, before Life takes the first step."""
        self.wishes.drain, self.wishes.cancel_drain = seconds, False
        self._stage, self._since = Stage.DRAINING, time.monotonic()
        self._choose_writer()

    def _terms_of_peers(self) -> Terms | None:
        """The labels as the operator told another member before it went away."""
        told = [one.status for one in self.peers.heard(STALE_SECONDS) if one.status.admission is Admission.OPERATOR]
        return next((status.terms for status in told if status.terms), None)

    def _admit(self, by: Admission) -> None:
        self._admission, self._admitted_at = by, time.monotonic()
        self._choose_writer()
        self.changed.notify_all()

    # The writer -------------------------------------------------------------------------------------------------------

    def _own(self) -> Seen:
        wsrep = self._view.last if self.is_alive else None
        is_out = self._stage in _OUT_OF_SERVICE or bool(self.wishes.stop)
        is_doubtful = time.monotonic() - self._view.thawed_at < DOUBT_SECONDS
        return Seen(self.settings.name, self.is_admitted, is_out, wsrep, self._role, is_doubtful)

    def _others(self) -> list[Seen]:
        return [seen for one in self.peers.heard(STALE_SECONDS) if (seen := self._seen(one)) is not None]

    def _seen(self, one: Heard) -> Seen | None:
        status = one.status
        if status.name == self._role.writer and time.monotonic() - one.age < self._appointed_at:
            return None  # said before the appointment: the operator has admitted it since, or taken its drain back
        return Seen(
            status.name,
            status.admission is not Admission.NONE,
            status.stage in _OUT_OF_SERVICE,
            status.wsrep,
            Role(status.writer, status.term),
            is_late_enough=time.monotonic() - one.age > self._view.thawed_at + PEER_LAG,
        )

    def _choose_writer(self) -> None:
        settled = time.monotonic() - self._view.moved_at > SETTLE_SECONDS
        chosen = choose_writer(self._own(), self._others(), settled=settled)
        if chosen.writer != self._role.writer:
            log.info("writer: %s (was %s), term %d", chosen.writer or "none", self._role.writer or "none", chosen.term)
        self._role = chosen
