"""`make demo`. Exit codes: 0 nothing failed, 1 something did, 2 could not begin, 128 + signal when interrupted."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from rich.console import Console

from galera_operator.demo.load_process import LoadDied
from galera_operator.demo.report import faults, report
from galera_operator.demo.scenario import Demo
from galera_operator.demo.stack import DATABASE, REPOSITORY, Stack
from galera_operator.demo.swarm import NotAnswered
from galera_operator.demo.timeline import Timeline
from galera_operator.demo.voice import Voice
from galera_operator.sandbox import NotInTime, Sandbox, SandboxError, SandboxNotRunning

NODES = 3


class Interrupted(BaseException):
    """Somebody wants the demo to end. Not an Exception: nothing on the way may take it for a failure of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main() -> int:
    """Run the demo in a sandbox of its own, and take it down whatever happens (unless KEEP=1)."""
    console = Console()
    voice = Voice(console)
    keep = os.environ.get("KEEP", "") not in {"", "0"}
    _on_signals(_interrupt)
    try:
        return _refuse_what_is_up(voice) or _demo(voice, keep=keep)
    except Interrupted as end:
        voice.say(f"interrupted by {signal.Signals(end.number).name}", "yellow")
        return 128 + end.number
    except SandboxError as error:
        voice.say(str(error), "red")
        return 2


def _refuse_what_is_up(voice: Voice) -> int:
    """A sandbox that is up is somebody's: a demo kept with KEEP=1, or a test that runs."""
    try:
        Sandbox.attach()
    except SandboxNotRunning:
        return 0
    voice.say("a sandbox is up already, and the demo wants one of its own; first: galera-operator sandbox down", "red")
    return 2


def _demo(voice: Voice, *, keep: bool) -> int:
    timeline, sandbox = Timeline(), None
    try:
        with timeline.step("images"):
            Sandbox.prepare_images(REPOSITORY, voice.say)
        with timeline.step(f"sandbox: a swarm of {NODES} nodes"):
            sandbox = Sandbox.up(NODES, say=voice.say)
        return _run(sandbox, timeline, voice)
    finally:
        _on_signals(signal.SIG_IGN)  # the end has begun
        voice.hush()
        if sandbox is not None and keep:
            _say_how_to_look(sandbox, voice)
        elif sandbox is not None:
            voice.say("removing the sandbox")
            sandbox.down()
            voice.say("the sandbox is gone; its images stay cached")


def _run(sandbox: Sandbox, timeline: Timeline, voice: Voice) -> int:
    demo = Demo(sandbox, timeline, voice)
    try:
        outcome = demo.run()
    except (NotInTime, SandboxError, LoadDied, NotAnswered) as error:
        voice.say(f"FAILED: {error}", "red")
        voice.show(demo.stack.diagnose())
        return 1
    voice.show(report(outcome, timeline))
    return 1 if faults(outcome) else 0


def _say_how_to_look(sandbox: Sandbox, voice: Voice) -> None:
    stack, command = Stack(sandbox), Path(sys.executable).with_name("galera-operator")
    try:
        pages, status = " ".join(stack.pages()), stack.status_command()
    except (NotAnswered, IndexError) as error:
        pages = status = f"(not found: {error})"
    voice.say("KEEP=1: the sandbox stays up. To look at it from this machine:")
    for line in (
        f"WordPress: {pages}",
        status,
        f"export DOCKER_HOST={sandbox.nodes[0].socket}",
        "docker service logs --follow wordpress_operator",
        f"docker service ps {DATABASE}",
        f"docker service update --label-add galera.replicas=3 {DATABASE}",
        f"{command} sandbox status",
        f"at the end: {command} sandbox down",
    ):
        voice.say(f"  {line}")


def _interrupt(number: int, _: FrameType | None) -> None:
    _on_signals(signal.SIG_IGN)  # the first one counts
    raise Interrupted(number)


def _on_signals(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for what in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(what) is not signal.SIG_IGN:  # nohup has said that a hang-up means nothing
            signal.signal(what, handler)


if __name__ == "__main__":
    raise SystemExit(main())
