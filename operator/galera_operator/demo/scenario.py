"""The demo itself: WordPress on one member, then 1 -> 3 -> 1 by its label under load, then the count."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from galera_operator.demo import verify
from galera_operator.demo.load_process import LoadProcess
from galera_operator.demo.operator_log import Follower, Said
from galera_operator.demo.pages import Visitor, fault, fetch, install_where_asked
from galera_operator.demo.report import Outcome
from galera_operator.demo.stack import DATABASE, OPERATOR, PROXY, WORDPRESS, WRITE_PORT, Stack
from galera_operator.demo.swarm import NotAnswered, TaskSeen, Watch
from galera_operator.demo.tally import Failure, Result
from galera_operator.demo.timeline import Timeline
from galera_operator.demo.voice import Voice
from galera_operator.sandbox import CommandFailed, NotYet, Sandbox, commands, wait_until

RUN = 1
POLL = 0.25
MOST_TOLD = 20
"""Failed transactions told one by one while the demo works."""
CALM_SECONDS = 5.0
"""How long the load runs before the first change and with three members."""
LOAD_SECONDS_MAX = 600.0
IN_SERVICE_WITHIN = 180.0
GROWN_WITHIN = 240.0
SHRUNK_WITHIN = 180.0


class Demo:
    """One run in a sandbox that is up."""

    def __init__(self, sandbox: Sandbox, timeline: Timeline, voice: Voice) -> None:
        self.stack = Stack(sandbox)
        self._sandbox, self._timeline, self._voice = sandbox, timeline, voice
        self._watch = Watch(self.stack.eyes, DATABASE, self._swarm_news)
        self._load: LoadProcess | None = None
        self._visitor: Visitor | None = None
        self._failures = 0
        self._epoch = time.time() - time.monotonic()

    def run(self) -> Outcome:
        """All of it.

        Raises:
            NotInTime: a step did not end within its time; with what was last seen.
            SandboxError, LoadDied: something broke.
        """
        with ExitStack() as undo:
            undo.callback(self._voice.hush)
            self._prepare(undo)
            member = self._first_member()
            self._open_wordpress()
            load, visitor = self._clients(member, undo)
            self._stay("load on 1 member", CALM_SECONDS)
            wished = len(self._watch.ever) + 2
            self._change("1 -> 3", 3, GROWN_WITHIN)
            self._show_status()
            self._stay("load on 3 members", CALM_SECONDS)
            self._change("3 -> 1", 1, SHRUNK_WITHIN)
            with self._timeline.step("end of the load, count"):
                result = load.stop()
                pages = visitor.stop()
                self._voice.hush()
                survivor = self._member()
                found = verify.rows_from(self.stack.sql(survivor, verify.query(RUN)))
            return Outcome(result, pages, verify.verify(result, found), max(0, len(self._watch.ever) - wished))

    def _prepare(self, undo: ExitStack) -> None:
        with self._timeline.step("stack deployed"):
            self.stack.deploy()
        self._watch.start()
        undo.callback(self._watch.stop)
        address = self._sandbox.nodes[0].socket
        command = [commands.docker_command(), "-H", address, "service", "logs", "--follow", "--raw", OPERATOR]
        undo.callback(Follower(command, commands.environment(), self._operator_said).stop)

    def _first_member(self) -> TaskSeen:
        with self._timeline.step("first member in service"):
            wait_until(lambda: self._is_size(1), IN_SERVICE_WITHIN, "the first member", every=POLL, ignoring=(NotAnswered,))
        return self._member()

    def _open_wordpress(self) -> None:
        with self._timeline.step("WordPress serves"):
            wait_until(self._pages_are_served, IN_SERVICE_WITHIN, "WordPress", every=POLL, ignoring=(NotAnswered,))
        self._voice.say(f"WordPress serves: {' '.join(self.stack.pages())}", "green")

    def _pages_are_served(self) -> bool | NotYet:
        for service in (PROXY, WORDPRESS):
            seen = self.stack.eyes.service(service)
            if len(seen.serving) < seen.replicas:
                return NotYet(f"{service}: {seen}")
        for url in self.stack.pages():
            page = fetch(url)
            install_where_asked(page, self.stack.secrets.wordpress_password)
            why = fault(page)
            if why is not None:
                return NotYet(f"{url}: {why}")
        return True

    def _clients(self, member: TaskSeen, undo: ExitStack) -> tuple[LoadProcess, Visitor]:
        self.stack.make_load_account(member)
        proxies = self.stack.proxies()
        arguments = ["--port", str(WRITE_PORT), "--run", str(RUN), "--seconds-max", str(LOAD_SECONDS_MAX)]
        password = self.stack.secrets.load_password
        load = LoadProcess(proxies, password, arguments=arguments, on_failure=self._transaction_failed)
        undo.callback(load.kill)
        visitor = Visitor(self.stack.pages())
        undo.callback(visitor.abandon)
        visitor.start()
        self._load, self._visitor = load, visitor
        self._voice.say(f"8 connections write through the proxies at {', '.join(proxies)}, port {WRITE_PORT}")
        return load, visitor

    def _change(self, name: str, replicas: int, within: float) -> None:
        self._voice.say(f"$ docker service update --label-add galera.replicas={replicas} {DATABASE}", "bold")
        with self._timeline.step(name):
            self.stack.wish(replicas)
            self._timeline.mark(f"label galera.replicas={replicas} written")
            self._wait(lambda: self._is_size(replicas), within, f"{replicas} members in service")
        self._voice.say(f"{name}: done", "green")

    def _is_size(self, members: int) -> bool | NotYet:
        """So many tasks and none on its way out, each found by Swarm, and each member itself says that it is so."""
        seen = self.stack.eyes.service(DATABASE)
        if not seen.replicas == len(seen.tasks) == len(seen.serving) == members:
            return NotYet(seen)
        why = self.stack.disagreement(seen.serving)
        return NotYet(why) if why else True

    def _stay(self, name: str, seconds: float) -> None:
        until = time.monotonic() + seconds
        with self._timeline.step(name):
            self._wait(lambda: time.monotonic() >= until or NotYet("the clock"), seconds + 5, name)

    def _wait(self, condition: Callable[[], bool | NotYet], within: float, what: str) -> None:
        """Wait while the clients work: tell how they do, and give up at once when the load has ended."""

        def look() -> bool | NotYet:
            assert self._load is not None
            self._load.check()
            self._voice.progress(self._progress())
            return condition()

        wait_until(look, within, what, every=POLL, ignoring=(NotAnswered, CommandFailed))

    def _progress(self) -> str:
        load = self._load.progress if self._load else None
        pages = self._visitor.snapshot() if self._visitor else None
        return f"{transactions_line(load)}; {pages.fetched if pages else 0} pages, {pages.failed if pages else 0} failed"

    def _show_status(self) -> None:
        told = self.stack.status()
        if told:
            self._voice.hush()
            self._voice.say("$ galera-operator status", "bold")
            self._voice.show(told.rstrip())

    def _member(self) -> TaskSeen:
        return self.stack.eyes.service(DATABASE).serving[0]

    def _swarm_news(self, line: str) -> None:
        self._timeline.mark(line)
        self._voice.say(f"swarm: {line}")

    def _operator_said(self, said: Said) -> None:
        if said.is_milestone:
            self._timeline.mark(f"operator: {said.text}", said.at - self._epoch)
        self._voice.say(f"operator: {said}", "red" if said.kind.startswith("PAGE") else "cyan")

    def _transaction_failed(self, failure: Failure) -> None:
        self._failures += 1
        if self._failures > MOST_TOLD:
            return
        self._voice.say(f"FAILED transaction: {failure}", "red")


def transactions_line(load: Result | None) -> str:
    """How the load does, in a line."""
    if load is None:
        return "load: starting"
    failed = load.failed + load.unconnected
    return f"load: {load.transactions} transactions, {failed} failed, longest stall {load.stall.seconds:.2f} s"
