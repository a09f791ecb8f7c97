"""The member's life, from the lock on its directory to the exit code. One thread, one stage after the other."""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path

from galera_operator.agent import database, disk, options
from galera_operator.agent.drain import Drain
from galera_operator.agent.member import Member
from galera_operator.agent.options import Start
from galera_operator.agent.peers import Component, own_address_towards
from galera_operator.agent.process import Mariadbd, run
from galera_operator.agent.settings import BadSetting
from galera_operator.agent.sql import Client
from galera_operator.agent.watch import TransferWatch, Watcher
from galera_operator.core.agent_api import Stage
from galera_operator.core.position import Directory, PositionNotFound, recovered_position

log = logging.getLogger(__name__)

STOPPED = 143
"""After SIGTERM: never 0, since Swarm's on-failure policy does not restart a task that ended with 0."""
BAD_SETTING = 2
FAILED = 1
RECOVER_SECONDS = 3600.0
TURN_SECONDS = 60.0
"""How long a waiting member lets another one's state transfer go first."""
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

    def run(self) -> int:
        try:
            self._prepare()
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

    def _prepare(self) -> None:
        """Make the directories and the configuration; check the user's options before anything is touched."""
        settings = self._settings
        for path in (settings.run_dir, settings.data_dir):
            path.mkdir(parents=True, exist_ok=True)
            disk.give_to_mysql(path)
        pool = options.buffer_pool_bytes(options.memory_limit())
        self._defaults.write_text(options.defaults_file(settings, pool))
        code, output = run(
            ["my_print_defaults", f"--defaults-file={self._user_files()}", "--mysqld"],
            10, options.server_environment(os.environ), self._member.stopping,
        )  # fmt: skip
        if code != 0:
            raise BadSetting(f"the configuration files cannot be read: {output.strip()[-300:]}")
        given = [line for line in output.splitlines() if line.startswith("--")]
        user = options.user_provider_options([*given, *settings.server_options])
        self._provider = options.provider_options(settings, user)

    def _user_files(self) -> Path:
        """A file that includes only the user's own configuration, to check what they set."""
        path = self._settings.run_dir / "user-options.cnf"
        includes = [f"!includedir {directory}" for directory in self._settings.conf_dirs if directory.is_dir()]
        path.write_text("\n".join(["[mariadbd]", *includes, ""]))
        return path

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
            found = self._recover(found)
        self._member.found_disk(found)
        words = {Directory.EMPTY: "empty directory", Directory.USABLE: f"position {found.position}"}
        note = words.get(found.directory, f"incomplete directory: {found.note}")
        last_end = disk.read_last_end(self._settings.data_dir)
        self._member.say(f"{note}; in its last life {last_end}" if last_end else note)

    def _recover(self, found: disk.Disk) -> disk.Disk:
        first, last = options.common_arguments(self._settings, self._defaults, self._settings.data_dir)
        started = time.monotonic()
        try:
            code, output = run(
                ["mariadbd", *first, *options.recover_arguments(), *last],
                RECOVER_SECONDS, options.server_environment(os.environ), self._member.stopping,
            )  # fmt: skip
            position = recovered_position(output)
        except (TimeoutError, PositionNotFound) as error:
            return disk.Disk(Directory.INCOMPLETE, note=f"the position could not be recovered: {error}")
        if code != 0:
            return disk.Disk(Directory.INCOMPLETE, note=f"mariadbd --wsrep-recover ended with {code}")
        log.info("recovered position %s in %.1f s", position, time.monotonic() - started)
        return disk.after_recovery(found, position)

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
                    if not found.busy or time.monotonic() - turn_since > TURN_SECONDS:
                        start = self._join(found)
                        member.wishes.start = start
                        return start
                    note = f"{words}; found the component {found.state_uuid}; {found.busy}, waiting for its end"
                else:
                    turn_since, note = None, f"{words}; {found}"
                member.say(note)
                member.changed.wait(TICK)

    def _join(self, found: Component) -> Start:
        address = self._settings.bind_address or own_address_towards(found.addresses[0])
        return Start(address, found.addresses, self._member.disk.position, found.donors)

    # With mariadbd ----------------------------------------------------------------------------------------------------

    def _start(self, start: Start) -> tuple[Mariadbd, TransferWatch]:
        member, settings = self._member, self._settings
        if start.is_bootstrap:
            member.enter(
                Stage.BOOTSTRAPPING,
                f"bootstrapping a new Primary component from {start.position or 'nothing'}",
            )
            if start.position is None:
                self._initialise()
            else:
                disk.set_safe_to_bootstrap(settings.data_dir)
        else:
            donors = f", donors {', '.join(start.donors)}" if start.donors else ""
            member.enter(
                Stage.JOINING,
                f"joining {', '.join(start.peers)} from position {start.position or 'none'}{donors}",
            )
        transfer = TransferWatch(member, settings.sst_method)
        first, last = options.common_arguments(settings, self._defaults, settings.data_dir)
        assert self._lock is not None
        server = Mariadbd(
            [*first, *last, *options.wsrep_arguments(settings, start, self._provider)],
            options.server_environment(os.environ),
            transfer.on_line,
            keep_fds=(self._lock.fd,),
        )
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
                    transfer.sample(time.monotonic())
                    self._arrive(transfer, start)
                else:
                    drain = self._drain(drain)
                    if drain is None and self._member.is_writer and not self._accounts_seen:
                        self._ensure_accounts()
                    if member.wishes.stop and drain is not None and drain.is_finished:
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
            drain = Drain(now, member.drain_seconds, notice, for_exit=True)
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
        server.signal_all(signal.SIGTERM)
        if server.wait(JOIN_STOP_SECONDS) is None:
            server.signal_all(signal.SIGKILL)
            server.wait(10)
        return STOPPED

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
