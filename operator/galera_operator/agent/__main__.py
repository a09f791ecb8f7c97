"""``python3 -m galera_operator.agent [mariadbd] [--server-option ...]``: PID 1 of a MariaDB task."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import sys
import threading

from galera_operator.agent.life import BAD_SETTING, Life
from galera_operator.agent.log import start_logging
from galera_operator.agent.member import Member
from galera_operator.agent.peers import Peers
from galera_operator.agent.process import reap_orphans
from galera_operator.agent.server import Server
from galera_operator.agent.settings import BadSetting, read_settings

log = logging.getLogger("galera_operator.agent")

BROKEN = 70
"""The agent itself failed: a bug, or a port that is taken."""
GIVE_UP_SECONDS = 15.0


class _Threads:
    """The two threads of work, and what they left: an exit code, or a failure."""

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self.serving = threading.Event()

    def live(self, life: Life) -> None:
        try:
            if self.serving.wait(GIVE_UP_SECONDS):
                self.exit_code = life.run()
            else:
                self.exit_code = BROKEN
        except BaseException:
            log.exception("the agent failed")
            self.exit_code = BROKEN
        finally:
            os.kill(os.getpid(), signal.SIGUSR1)  # wakes the main thread

    def serve(self, member: Member, peers: Peers) -> None:
        async def everything() -> None:
            settings = member.settings
            await Server(member, settings.bind_address, settings.http_port, settings.haproxy_port).start()
            log.info(
                "listening on ports %d (HTTP) and %d (HAProxy agent-check)",
                settings.http_port,
                settings.haproxy_port,
            )
            self.serving.set()
            await peers.poll()

        try:
            asyncio.run(everything())
        except BaseException:
            log.exception("the agent's ports failed")
            self.exit_code = BROKEN
            os.kill(os.getpid(), signal.SIGUSR1)


def main() -> int:
    """Run the agent until its member has ended; returns the exit code."""
    try:
        settings = read_settings(os.environ, sys.argv[1:])
    except BadSetting as error:
        start_logging("?")
        log.error("%s", error)  # noqa: TRY400 - a person's mistake: the sentence says it, a traceback would hide it
        return BAD_SETTING
    start_logging(settings.name)
    log.info("incarnation %s of %s, cluster %s", settings.incarnation, settings.name, settings.cluster_name)
    if settings.token is None:
        log.warning("%s", settings.token_missing)
    peers = Peers(settings.incarnation, settings.peers, settings.dns_names)
    member = Member(settings, peers)
    life = Life(member, settings.accounts.root_password)
    threads = _Threads()
    wakeups = _catch_signals()
    peers.start_dns()
    threading.Thread(target=threads.serve, args=(member, peers), name="ports", daemon=True).start()
    threading.Thread(target=threads.live, args=(life,), name="life", daemon=True).start()
    while threads.exit_code is None:
        select.select([wakeups], [], [], 1.0)
        for number in _drain_pipe(wakeups):
            if number in {signal.SIGTERM, signal.SIGINT}:
                member.request_stop(signal.Signals(number).name)
        reap_orphans()
    log.info("exit %d", threads.exit_code)
    return threads.exit_code


def _catch_signals() -> int:
    """Route signals into a pipe: a handler that took a lock could meet a thread that holds it."""
    readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGUSR1):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return readable


def _drain_pipe(readable: int) -> list[int]:
    try:
        return list(os.read(readable, 4096))
    except BlockingIOError:
        return []


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)  # no waiting for daemon threads in a hanging look-up
