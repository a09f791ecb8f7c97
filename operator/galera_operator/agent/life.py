"""The member's life, from the lock on its directory to the exit code. One thread, one stage after the other."""

from __future__ import annotations

import logging
import os
import signal
import time

from galera_operator.agent import bootstrap_mark, database, disk, options, recovery
from galera_operator.agent.configuration import configure
from galera_operator.agent.drain import Drain
from galera_operator.agent.forming import Forming
from galera_operator.agent.leaving import Departure
from galera_operator.agent.member import Member
from galera_operator.agent.options import Start
from galera_operator.agent.peers import Component, first_in_line, own_address_towards
from galera_operator.agent.process import Mariadbd
from galera_operator.agent.reads import Reads
from galera_operator.agent.routing import STALE_SECONDS
from galera_operator.agent.settings import BadSetting
from galera_operator.agent.sql import Client
from galera_operator.agent.transfer import Meter, TransferWatch
from galera_operator.agent.watch import Watcher
from galera_operator.core.agent_api import Stage
from galera_operator.core.position import Directory

log = logging.getLogger(__name__)

STOPPED = 143
"""After SIGTERM: never 0, since Swarm's on-failure policy does not restart a task that ended with 0."""
BAD_SETTING = 2
FAILED = 1
TURN_SECONDS = 60.0
"""How long a waiting member lets another one's state transfer go first."""
LINE_SECONDS = 2.0
"""How long another waiting member may take to begin, or one of the component to be heard: answers are half a second old."""
TICK = 0.1
SESSION = "SET SESSION wsrep_on=OFF; SET SESSION wsrep_sync_wait=0; SET SESSION max_statement_time=10"
"""Without wsrep_on, the agent's queries work also in a component that is not Primary. What it writes, it writes with it."""
JOIN_STOP_SECONDS = 5.0


class Life:
    """Runs once; `run` returns the exit code."""

    def __init__(self, member: Member, root_password: str | None) -> None:
        self._member = member
        self._settings = member.settings
        self._defaults = member.settings.run_dir / "galera-operator.cnf"
        self._client = Client(member.settings.socket, root_password, SESSION)
        self._provider = ""
        self._accounts_seen = False
        self._lock: disk.DirectoryLock | None = None
        self._meter = Meter(member)
        self._forming = Forming(member, self._client)
        self._departure = Departure(member)
        self._reads = Reads(member, self._client)

    def run(self) -> int:
        try:
            self._provider = configure(self._settings, self._defaults, self._member.stopping)
            self._meter.start()
            self._take_lock()
            self._read_disk()
            start = self._wait_for_start()
            server, transfer = self._start(start)
            return self._supervise(server, transfer, start)
        except InterruptedError as stop:
            self._member.enter(Stage.STOPPING, f"stopped before mariadbd was started: {stop}")
            return STOPPED
        except BadSetting as error:
            self._member.say(str(error), always=True)
            return BAD_SETTING
        except database.InitialisationFailed as error:
            self._member.say(str(error), always=True)
            return FAILED
        finally:
            self._client.close()

    # Before mariadbd --------------------------------------------------------------------------------------------------

    def _take_lock(self) -> None:
        self._lock = disk.DirectoryLock(self._settings.data_dir)
        while not self._lock.try_lock():
            self._member.say(f"{self._settings.data_dir} is in use by another task of this member; waiting for its end")
            self._pause(0.2)
        self._member.say(f"holds the lock on {self._settings.data_dir}")

    def _read_disk(self) -> None:
        if disk.resume_scratch(self._settings.data_dir):
            log.info("moved a complete first initialisation into place that an earlier start had left")
        found = disk.read_disk(self._settings.data_dir)
        if found.needs_recovery:
            self._member.say("recovering the position: mariadbd did not stop cleanly, only InnoDB knows how far it got")
            found = recovery.recover(self._settings, self._defaults, found, self._member.stopping)
        self._member.found_disk(found)
        words = {
            Directory.EMPTY: "empty directory",
            Directory.USABLE: f"position {found.position}",
            Directory.MID_DDL: found.note,
        }
        note = words.get(found.directory, f"incomplete directory: {found.note}")
        last_end = disk.read_last_end(self._settings.data_dir)
        self._member.say(f"{note}; in its last life {last_end}" if last_end else note)

    def _wait_for_start(self) -> Start:
        """Wait until a grant comes or a live component is found; say what is being waited for."""
        member = self._member
        words = member.note
        member.enter(Stage.WAITING, words)
        turn_since: float | None = None
        while True:
            with member.changed:
                if member.wishes.stop:
                    raise InterruptedError(member.wishes.stop)
                if member.wishes.start is not None:
                    return member.wishes.start
                found = member.component()
                if isinstance(found, Component):
                    turn_since = turn_since or time.monotonic()
                    first = self._who_goes_first(found, time.monotonic() - turn_since)
                    if not first:
                        start = self._join(found)
                        member.wishes.start = start
                        return start
                    note = f"{words}; found the component {found.state_uuid}; {first}, waiting for its end"
                else:
                    turn_since, note = None, f"{words}; {found}"
                member.say(note)
                member.changed.wait(TICK)

    def _who_goes_first(self, found: Component, waited: float) -> str:
        """One state transfer at a time: say whose turn it is, empty if it is ours. Nobody is waited for for ever."""
        if found.busy:
            return found.busy if waited < TURN_SECONDS else ""
        if waited >= LINE_SECONDS:
            return ""
        if found.unheard:
            return f"{found.unheard} has not been heard yet"
        other = first_in_line(self._settings.name, self._member.peers.heard(STALE_SECONDS))
        return f"{other} is about to join" if other else ""

    def _join(self, found: Component) -> Start:
        address = self._settings.bind_address or own_address_towards(found.addresses[0])
        held = self._member.disk
        # MariaDB takes no part of a transfer on top of an InnoDB that has no position itself ('bogus GTID'), and a part of one
        # on top of a statement that is half there would make other tables of it than the others have.
        is_cut = held.directory is Directory.MID_DDL
        position, copies_all = (None, True) if is_cut else (held.position, found.replaces or held.only_marked)
        return Start(address, found.addresses, position, found.donors, copies_all=copies_all)

    # With mariadbd ----------------------------------------------------------------------------------------------------

    def _start(self, start: Start) -> tuple[Mariadbd, TransferWatch]:
        member, settings = self._member, self._settings
        member.enter(Stage.BOOTSTRAPPING if start.is_bootstrap else Stage.JOINING, _in_words(start))
        if start.is_bootstrap and start.position is None:
            self._initialise()
        start = recovery.make_ready(settings.data_dir, start)
        if start.history:
            member.found_disk(disk.Disk(Directory.USABLE, start.position, safe_to_bootstrap=True, cluster_uuid=start.history))
        transfer = TransferWatch(member, settings.sst_method)
        first, last = options.common_arguments(settings, self._defaults, settings.data_dir)
        assert self._lock is not None
        server = Mariadbd(
            [*first, *last, *options.wsrep_arguments(settings, start, self._provider)],
            options.server_environment(os.environ),
            transfer.on_line,
            keep_fds=(self._lock.fd,),
        )
        transfer.leader, self._meter.transfer = server.pid, transfer
        return server, transfer

    def _initialise(self) -> None:
        started = time.monotonic()
        database.initialise(self._settings, self._defaults, self._member.stopping)
        log.info("initialised a new database in %.1f s", time.monotonic() - started)

    def _supervise(self, server: Mariadbd, transfer: TransferWatch, start: Start) -> int:
        member = self._member
        watcher = Watcher(member, self._client)
        watcher.start()
        drain: Drain | None = None
        try:
            while True:
                code = server.poll()
                if code is not None:
                    return self._ended(server, code)
                if member.stage in {Stage.JOINING, Stage.BOOTSTRAPPING}:
                    if member.wishes.stop:
                        return self._abort(server)
                    if transfer.has_given_up:
                        return self._give_up(server)
                    self._arrive(transfer, start)
                else:
                    drain = self._drain(drain)
                    self._forming.turn()
                    self._reads.turn()
                    if drain is None and self._member.is_writer and not self._accounts_seen:
                        self._ensure_accounts()
                    if member.wishes.stop and drain is not None and drain.is_finished and self._departure.may_begin():
                        return self._shut_down(server, drain)
                    if not start.is_bootstrap and drain is None:
                        member.admit_self()
                with member.changed:
                    member.changed.wait(TICK)
        except BaseException:
            server.terminate()  # a bug in the agent should not cost a crash recovery as well
            server.wait(JOIN_STOP_SECONDS)
            raise
        finally:
            watcher.ended.set()
            server.signal_all(signal.SIGKILL)

    def _arrive(self, transfer: TransferWatch, start: Start) -> None:
        wsrep = self._member.wsrep
        if wsrep is None or not wsrep.is_synced:
            return
        transfer.joined()
        self._member.found_disk(disk.Disk(Directory.USABLE, cluster_uuid=wsrep.state_uuid))
        note = f"Synced in a component of {wsrep.cluster_size}, waiting for admission"
        disk.forget_last_end(self._settings.data_dir)
        bootstrap_mark.remove(self._settings.data_dir)
        if start.is_bootstrap:
            self._ensure_accounts()
        self._member.enter(Stage.RUNNING, note)

    def _ensure_accounts(self) -> None:
        """Once in a life, by the seed before it is admitted, or by whoever is the writer."""
        self._accounts_seen = True
        refused = database.ensure_own_accounts(self._client, self._settings.token)
        if refused:
            log.warning("the SQL accounts of the agent and the operator could not be set: %s", refused)

    def _drain(self, drain: Drain | None) -> Drain | None:
        """Begin, continue, change or cancel the drain as the wishes say."""
        member, now = self._member, time.monotonic()
        with member.changed:
            stop, seconds, cancel = member.wishes.stop, member.wishes.drain, member.wishes.cancel_drain
            member.wishes.drain, member.wishes.cancel_drain = None, False
        if cancel and not stop:
            member.enter(Stage.RUNNING, "the drain was cancelled by an admission")
            return None
        if stop and (drain is None or not drain.for_exit):
            notice = self._settings.proxy_notice if drain is None and member.is_admitted else 0.0
            drain = Drain(now, member.terms.drain_seconds, notice, for_exit=True)
            member.enter(Stage.DRAINING, f"draining before the stop: {stop}")
        elif seconds is not None and drain is None:
            notice = self._settings.proxy_notice if member.is_admitted else 0.0
            drain = Drain(now, seconds, notice, for_exit=False)
            member.enter(Stage.DRAINING, f"draining for at most {seconds:.0f} s")
        if drain is None or drain.is_finished:
            return drain
        finished = drain.step(self._client, now)
        if drain.left >= 0:
            member.saw_sessions(drain.left + drain.newcomers, drain.busy)
        member.say(drain.note)
        if finished:
            member.saw_cut(drain.cut)
            member.enter(
                Stage.DRAINED,
                f"drained in {now - drain.started:.1f} s, {drain.ended} sessions ended, {drain.cut} cut",
            )
        return drain

    def _shut_down(self, server: Mariadbd, drain: Drain) -> int:
        member = self._member
        member.enter(Stage.STOPPING, f"shutting mariadbd down; {drain.cut} sessions were cut inside a transaction")
        started = time.monotonic()
        self._client.close()
        server.terminate()
        code = server.wait(self._settings.shutdown_timeout)
        if code is None:
            log.warning("mariadbd did not end within %.0f s; killing it", self._settings.shutdown_timeout)
            server.signal_all(signal.SIGKILL)
            server.wait(10)
        member.forget_server()
        log.info("mariadbd ended with %s after %.1f s; exit %d", code, time.monotonic() - started, STOPPED)
        return STOPPED

    def _abort(self, server: Mariadbd) -> int:
        """End a start in the middle: a joiner's transfer scripts do not end by themselves when mariadbd is asked to."""
        self._member.enter(Stage.STOPPING, f"ending the {self._member.stage} mariadbd: {self._member.wishes.stop}")
        self._end_now(server)
        return STOPPED

    @staticmethod
    def _end_now(server: Mariadbd) -> None:
        server.signal_all(signal.SIGTERM)
        if server.wait(JOIN_STOP_SECONDS) is None:
            server.signal_all(signal.SIGKILL)
            server.wait(10)

    def _give_up(self, server: Mariadbd) -> int:
        """End a mariadbd whose Galera has given the join up: it goes on without, and would never be in the group again."""
        words = f"Galera gave up {self._member.stage}: {server.last_words}"
        self._member.enter(Stage.STOPPING, words)
        disk.remember_last_end(self._settings.data_dir, words)
        self._end_now(server)
        return STOPPED if self._member.wishes.stop else FAILED

    def _ended(self, server: Mariadbd, code: int) -> int:
        exit_code = 128 - code if code < 0 else code or 1
        self._member.forget_server()
        words = f"mariadbd ended by itself with {code}: {server.last_words}"
        self._member.enter(Stage.STOPPING, words)
        disk.remember_last_end(self._settings.data_dir, words)
        return STOPPED if self._member.wishes.stop else exit_code

    def _pause(self, seconds: float) -> None:
        if self._member.stopping.wait(seconds):
            raise InterruptedError(self._member.wishes.stop)


def _in_words(start: Start) -> str:
    where = start.position or "nothing"
    if start.is_bootstrap:
        return f"bootstrapping a new Primary component from {where}" + (f" as {start.history}" if start.history else "")
    replaced = ", to be replaced by a copy of theirs" if start.copies_all else ""
    donors = f", donors {', '.join(start.donors)}" if start.donors else ""
    return f"joining {', '.join(start.peers)} from position {start.position or 'none'}{replaced}{donors}"
