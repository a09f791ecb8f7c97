"""The member agent in memory: one container with its stages, its admission, its view of the others.

The rules that the real agent keeps in pure functions (whom to join, who is the writer, what the proxy is told) are called here,
not copied. What the real one does with threads and processes is told again as a state machine (agent/life.py, agent/member.py);
what it refuses is in agent_rules.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TYPE_CHECKING

from galera_operator.agent.member import DOUBT_SECONDS, PEER_LAG, SETTLE_SECONDS
from galera_operator.agent.peers import Component, Heard, find_component
from galera_operator.agent.routing import NO_ROLE, STALE_SECONDS, Answer, Role, Seen, choose_writer, readiness, writability
from galera_operator.core.agent_api import API_LEVEL, Admission, AgentStatus, Command, Stage, Transfer, Wsrep
from galera_operator.core.position import ZERO_UUID, Directory, Position
from galera_operator.core.serving import Terms
from galera_operator.sim.component import Server
from galera_operator.sim.disk import Found, Volume, read

if TYPE_CHECKING:
    from galera_operator.sim.world import World

SERVER_STAGES = frozenset({Stage.RUNNING, Stage.DRAINING, Stage.DRAINED})
OUT_OF_SERVICE = frozenset({Stage.DRAINING, Stage.DRAINED, Stage.STOPPING})
RECOVER_SECONDS = 0.4
OPERATOR_AWAY = 30.0
PROXY_NOTICE = 1.5
TURN_SECONDS = 60.0
LINE_SECONDS = 2.0
DRAIN_TIMEOUT = 50.0
STOPPED = 143
NEVER = float("-inf")


@dataclass(slots=True)
class Start:
    """How mariadbd is to be started; no peers: a bootstrap."""

    peers: tuple[str, ...]
    position: Position | None
    donors: tuple[str, ...] = ()
    history: str = ""


@dataclass(slots=True)
class Draining:
    started: float
    limit: float
    takes: float
    for_exit: bool
    finished: bool = False


@dataclass(slots=True, eq=False)
class Word:
    """What an agent told the others: the same object for as long as nothing in it that they use has changed."""

    status: AgentStatus
    seen: Seen
    is_of: tuple[object, ...]


@dataclass(slots=True, eq=False)
class Container:
    """One task's container: PID 1 is the agent, beside it mariadbd."""

    task_id: str
    slot: int
    node: str
    address: str
    name: str
    incarnation: str
    volume: Volume
    world: World = field(repr=False)
    started: float
    since: float
    operator_at: float
    stage: Stage = Stage.STARTING
    found: Found = field(default_factory=lambda: Found(Directory.INCOMPLETE))
    server: Server | None = None
    start: Start | None = None
    replaces: Position | None = None
    admission: Admission = Admission.NONE
    terms: Terms = Terms(DRAIN_TIMEOUT, allow_donor=False, causal_reads=False)  # noqa: RUF009 - frozen
    epoch: int = 0
    role: Role = NO_ROLE
    appointed_at: float = NEVER
    thawed_at: float = NEVER
    view_at: float = 0.0
    wsrep_at: float = 0.0
    last_wsrep: Wsrep | None = None
    view: tuple[object, ...] = ()
    frozen: bool = False
    stale: bool = False
    wish_drain: float | None = None
    wish_undrain: bool = False
    wish_stop: str = ""
    drain: Draining | None = None
    turn_since: float | None = None
    known: dict[str, float] = field(default_factory=dict)
    heard: dict[str, tuple[Word, float]] = field(default_factory=dict)
    word: Word | None = None
    is_admitted: bool = False
    alive: bool = True
    exit_code: int | None = None
    answers: tuple[int, float, Answer, Answer] | None = None
    basis: tuple[Seen, list[Seen], bool] | None = None
    own: Seen | None = None
    told: tuple[object, ...] = ()
    position: Position | None = None
    letters: list[Command] = field(default_factory=list)

    # Its life ---------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Do what is due; only while neither dead nor frozen."""
        self._watch(now)
        match self.stage:
            case Stage.STARTING:
                self._read_disk(now)
            case Stage.WAITING:
                self._wait(now)
            case Stage.JOINING | Stage.BOOTSTRAPPING:
                self._come_up(now)
            case Stage.STOPPING:
                self.exit(STOPPED)
            case _:
                self._serve(now)

    def enter(self, stage: Stage, now: float) -> None:
        if stage is not self.stage:
            self.stage, self.since = stage, now
        self.world.stir += 1

    def exit(self, code: int) -> None:
        """The container ends, and what still runs in it with it."""
        self.exit_code, self.alive = code, False
        if self.server is not None and self.server.alive:
            self.world.galera.kill(self.server)
        if self.volume.user is self:
            self.volume.user = None
        self.world.stir += 1

    def jump(self, seconds: float) -> None:
        """Its clock is set ahead: everything seems longer ago."""
        self.since -= seconds
        self.operator_at -= seconds
        self.wsrep_at -= seconds
        self.view_at -= seconds
        self.appointed_at -= seconds
        self.heard = {address: (word, at - seconds) for address, (word, at) in self.heard.items()}
        if self.drain is not None:
            self.drain.started -= seconds

    def _watch(self, now: float) -> None:
        server = self.server
        if server is None:
            return
        if self.stale and not server.frozen:
            if now - self.wsrep_at > STALE_SECONDS:
                self.thawed_at = now
                self.world.restless_until = max(self.world.restless_until, now + DOUBT_SECONDS + 0.6)
            self.stale = False
            self.world.stir += 1
        if server.frozen or not server.answers:
            return
        self.wsrep_at = now
        component = server.component
        assert component is not None
        view = (component, component.number, component.primary)
        if view != self.view:
            self.view, self.view_at = view, now
            self.world.restless_until = max(self.world.restless_until, now + SETTLE_SECONDS + 0.6)
            for member in component.members:
                self.known[member.address] = now

    def _read_disk(self, now: float) -> None:
        if self.wish_stop:
            self.exit(STOPPED)
        elif self.volume.user is None or self.volume.user is self:
            if self.volume.user is None:
                self.volume.user, self.started = self, now
            elif now - self.started >= RECOVER_SECONDS:
                self.found = read(self.volume)
                self.enter(Stage.WAITING, now)

    def _wait(self, now: float) -> None:
        if self.wish_stop:
            self.exit(STOPPED)
            return
        if self.start is None:
            found = self.component(now)
            if not isinstance(found, Component):
                self.turn_since = None
                return
            self.turn_since = now if self.turn_since is None else self.turn_since
            if found.busy and now - self.turn_since <= TURN_SECONDS:
                return
            if found.unheard and now - self.turn_since <= LINE_SECONDS:
                return
            position = None if self.found.directory is Directory.MID_DDL else self.found.position
            self.start = Start(found.addresses, position, found.donors)
        self._start(self.start, now)

    def _start(self, start: Start, now: float) -> None:
        volume = self.volume
        if not start.peers:
            volume.safe = True
            if start.history and volume.branch is not None:
                volume.branch = volume.branch.renamed(start.history, volume.seqno)
                volume.uuid = start.history
                volume.ddl = volume.differs = False  # whatever of the statement is in it is what the new history begins with
        position = None if volume.loose else start.position
        server = Server(
            self.name, self.node, self.address, volume, start.peers, start.donors, position,
            bootstrap=not start.peers, started=now, history=start.history, view_at=now,
        )  # fmt: skip
        self.server = self.world.galera.start(server)
        self.wsrep_at = now
        self.enter(Stage.JOINING if start.peers else Stage.BOOTSTRAPPING, now)

    def _come_up(self, now: float) -> None:
        server = self.server
        assert server is not None
        if not server.alive:
            self.exit(1)
        elif self.wish_stop:
            self.world.galera.kill(server, "stopped while it was starting")
            self.enter(Stage.STOPPING, now)
        elif server.answers and server.is_synced:
            component = server.component
            assert component is not None
            self.found = Found(Directory.USABLE, None, cluster_uuid=component.uuid)
            self.enter(Stage.RUNNING, now)

    def _serve(self, now: float) -> None:
        server = self.server
        assert server is not None
        if not server.alive:
            self.exit(STOPPED if self.wish_stop else 1)
            return
        self._go_on_draining(now)
        if self.wish_stop and self.drain is not None and self.drain.finished:
            self.enter(Stage.STOPPING, now)
            if server.frozen:
                self.world.galera.kill(server, "did not end within its time")
            else:
                self.world.leaving.append(server)
        elif self.start is not None and self.start.peers and self.drain is None:
            self._admit_self(now)

    def _go_on_draining(self, now: float) -> None:
        seconds, cancel = self.wish_drain, self.wish_undrain
        self.wish_drain, self.wish_undrain = None, False
        drain = self.drain
        if cancel and not self.wish_stop:
            self.drain = None
            self.enter(Stage.RUNNING, now)
            return
        if self.wish_stop and (drain is None or not drain.for_exit):
            notice = PROXY_NOTICE if drain is None and self.is_admitted else 0.0
            drain = self._begin(now, self.terms.drain_seconds, notice, for_exit=True)
        elif seconds is not None and drain is None:
            drain = self._begin(now, seconds, PROXY_NOTICE if self.is_admitted else 0.0, for_exit=False)
        if drain is None or drain.finished:
            return
        since = now - drain.started
        if since >= min(drain.limit, drain.takes):
            drain.finished = True
            self.enter(Stage.DRAINED, now)

    def _begin(self, now: float, limit: float, notice: float, *, for_exit: bool) -> Draining:
        random = self.world.random
        takes = notice + (1000.0 if random.randrange(12) == 0 else 2.0 * random.random())
        self.drain = Draining(now, limit, takes, for_exit)
        self.enter(Stage.DRAINING, now)
        return self.drain

    def _admit_self(self, now: float) -> None:
        if self.is_admitted or self.stage is not Stage.RUNNING or now - self.operator_at < OPERATOR_AWAY:
            return
        wsrep = self.wsrep(now)
        if wsrep is not None and wsrep.is_synced and not wsrep.queue and wsrep.state_uuid != ZERO_UUID:
            self.admission, self.is_admitted = Admission.SELF, True
            self.choose(now)
            self.world.stir += 1

    # What it knows ----------------------------------------------------------------------------------------------------

    def wsrep(self, now: float, *, brief: bool = False) -> Wsrep | None:
        """What mariadbd says, if that is fresh."""
        server = self.server
        if server is None or not server.alive or self.stage is Stage.STOPPING:
            return None
        if server.frozen or self.stale:
            return self.last_wsrep if now - self.wsrep_at <= STALE_SECONDS else None
        if server.component is None or (server.moving is not None and server.moving.method != "IST"):
            return None
        return server.wsrep(brief=brief)

    def freeze_view(self) -> None:
        """Mariadbd stops answering now: what it said last grows old."""
        server = self.server
        if server is not None and not self.stale:
            self.last_wsrep = server.wsrep() if server.answers else None
            self.wsrep_at = self.world.now
            self.stale = True

    def say(self, now: float, *, brief: bool) -> Word:
        """What it answers to the other agents. `brief`: nobody waits to join, so nobody looks at the seqno."""
        wsrep = self.wsrep(now, brief=brief)
        is_of = (wsrep, self.stage, self.admission, self.role)
        word = self.word
        if word is not None and word.is_of == is_of:
            return word
        status = self.status(now, brief=brief)
        seen = Seen(
            self.name, self.is_admitted, self.stage in OUT_OF_SERVICE, wsrep, self.role, is_late_enough=True,
        )  # fmt: skip
        self.word = Word(status, seen, is_of)
        return self.word

    def peers(self, now: float) -> list[Heard]:
        """What the others said in the last two seconds, in the order of names."""
        fresh = [Heard(address, word.status, now - at) for address, (word, at) in self.heard.items() if now - at <= STALE_SECONDS]
        fresh.sort(key=lambda one: one.status.name)
        return fresh

    def component(self, now: float) -> Component | str:
        """A live component to join, as the peers tell."""
        own = self.found.position or Position(self.found.cluster_uuid, -1)
        if self.replaces is not None and self.replaces == self.found.position:
            own = Position(ZERO_UUID, -1)
        return find_component(own, self.peers(now), name=self.name)

    def status(self, now: float, *, brief: bool = False) -> AgentStatus:
        wsrep = self.wsrep(now, brief=brief)
        position = self.found.position
        if wsrep is not None and wsrep.state_uuid != ZERO_UUID and self.stage in SERVER_STAGES:
            position = self.position
            if position is None or position.seqno != wsrep.last_committed or position.uuid != wsrep.state_uuid:
                position = self.position = Position(wsrep.state_uuid, wsrep.last_committed)
        drain = self.drain
        sessions = 0 if drain is None or drain.finished else 4
        return AgentStatus(
            self.name, self.incarnation, self.stage, now - self.since, self.found.directory, position,
            self.found.safe_to_bootstrap, wsrep, self.transfer(now), self.admission, self.role.writer, sessions,
            1 if sessions else 0, 0, self.epoch, "", self.role.term,
            now - self.server.view_at if self.server else 0.0,
            bool(self.wish_stop), 400_000_000 if self.found.directory is Directory.USABLE else 0,
            terms=self.terms,
            api_level=API_LEVEL,
        )  # fmt: skip

    def transfer(self, now: float) -> Transfer | None:
        """The state transfer that this member is a side of, as its log tells."""
        server = self.server
        if server is None or not server.alive:
            return None
        moving, role = server.moving, "joiner"
        if moving is None and server.state == 2:
            moving = next((one.moving for one in self.world.galera.servers if one.moving and one.moving.donor is server), None)
            role = "donor"
        if moving is None or server.component is None:
            return None
        if moving.donor is None:
            return Transfer(role, "mariabackup", "waiting for a donor", 0, idle=now - moving.begun)
        method = "IST" if moving.method == "IST" else "mariabackup"
        moved = int((moving.moved_at - moving.begun) * 50e6)
        return Transfer(role, method, "receiving", moved, moving.total, 50e6, max(0.0, now - moving.moved_at))

    # What the proxy is told, and who the writer is --------------------------------------------------------------------

    def choose(self, now: float) -> None:
        """Work out the writer anew, if anything it follows from has changed."""
        basis = (self._own(now), self._others(now), now - self.view_at > SETTLE_SECONDS)
        if basis != self.basis:
            own, others, settled = basis
            chosen = choose_writer(own, others, settled=settled)
            self.basis = basis
            if chosen != self.role:
                self.role = chosen
                self.world.stir += 1

    def appoint(self, writer: str, now: float) -> None:
        self.appointed_at = now
        if writer != self.role.writer:
            terms = [one.status.term for one in self.peers(now)]
            self.role = Role(writer, max([self.role.term, *terms]) + 1)
        self.choose(now)

    def route(self, now: float) -> tuple[Answer, Answer]:
        """What it answers the proxies: for reads, for writes."""
        world, cached = self.world, self.answers
        mark = world.stir + world.galera.version + world.network.version
        if cached is not None and cached[0] == mark and (cached[1] == now or not world.unsettled):
            return cached[2], cached[3]
        server = self.server
        if server is None or self.admission is Admission.NONE:
            both = (_NOT_ADMITTED, _NOT_ADMITTED)
        else:
            self.choose(now)
            assert self.basis is not None
            own, others, _ = self.basis
            age = now - self.wsrep_at if server.frozen or self.stale else 0.0
            told = (own, others, age > STALE_SECONDS, self.terms.allow_donor, self.role.writer)
            if cached is not None and told == self.told:
                both = (cached[2], cached[3])
            else:
                both = (
                    readiness(own, age, others, allow_donor=self.terms.allow_donor),
                    writability(own, age, others, self.role.writer),
                )
                self.told = told
            mark = world.stir + world.galera.version + world.network.version
        self.answers = (mark, now, *both)
        return both

    def _own(self, now: float) -> Seen:
        wsrep = self.wsrep(now, brief=True)
        out = self.stage in OUT_OF_SERVICE or bool(self.wish_stop)
        doubtful = now - self.thawed_at < DOUBT_SECONDS
        own = self.own
        if (
            own is None or own.wsrep is not wsrep or own.draining != out or own.is_doubtful != doubtful
            or own.role != self.role or own.admitted != self.is_admitted
        ):  # fmt: skip
            own = self.own = Seen(self.name, self.is_admitted, out, wsrep, self.role, doubtful)
        return own

    def _others(self, now: float) -> list[Seen]:
        others = []
        for word, at in self.heard.values():
            seen = word.seen
            if now - at > STALE_SECONDS or (at <= self.appointed_at and seen.name == self.role.writer):
                continue
            if at <= self.thawed_at + PEER_LAG:
                seen = replace(seen, is_late_enough=False)
            others.append(seen)
        if len(others) > 1:
            others.sort(key=_name)
        return others


_NOT_ADMITTED = Answer(503, "not admitted, or mariadbd is down")
_name = attrgetter("name")
