"""Child processes: starting them, knowing how they ended, ending them, and reaping what they left behind.

The agent is PID 1 of its container, so orphans of transfer scripts become its children.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

log = logging.getLogger(__name__)

_spawn_lock = threading.Lock()
_ours: set[int] = set()
"""Children that somebody in this process waits for; everything else that ends is an orphan."""


def spawn(arguments: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
    """Start a child that `reap_orphans` leaves to its owner."""
    with _spawn_lock:
        child: subprocess.Popen[bytes] = subprocess.Popen(list(arguments), **options)  # type: ignore[call-overload]
        _ours.add(child.pid)
    return child


def reap_orphans() -> int:
    """Collect the exit status of ended processes that nobody waits for. Returns how many."""
    reaped = 0
    while True:
        with _spawn_lock:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return reaped
            if ended is None or ended.si_pid in _ours:
                return reaped  # one of ours first has to be collected by its owner; orphans behind it wait that long
            os.waitpid(ended.si_pid, 0)
        reaped += 1


def forget(child: subprocess.Popen[bytes]) -> None:
    """After `child` was waited for: its number may come again as an orphan's."""
    with _spawn_lock:
        _ours.discard(child.pid)


def run(arguments: Sequence[str], timeout: float, env: Mapping[str, str], stop: threading.Event) -> tuple[int, str]:
    """Run a short-lived program in its own session and return its exit status and its whole output.

    Raises:
        TimeoutError: it did not end in `timeout` seconds.
        InterruptedError: `stop` was set meanwhile. In both cases it and its descendants are gone.
    """
    child = spawn(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env,
        start_new_session=True,
    )
    assert child.stdout is not None
    lines: list[bytes] = []
    stdout = child.stdout
    reader = threading.Thread(target=lambda: lines.extend(stdout), daemon=True)
    reader.start()
    deadline = time.monotonic() + timeout
    try:
        while (code := child.poll()) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{Path(arguments[0]).name} did not end within {timeout:.0f} s")
            if stop.wait(0.02):
                raise InterruptedError(f"{Path(arguments[0]).name} was stopped because the agent is to stop")
    finally:
        if child.poll() is None:
            kill_session(child.pid, signal.SIGKILL)
            child.wait(10)
        reader.join(5)
        forget(child)
    return code, b"".join(lines).decode(errors="replace")


def kill_session(leader: int, number: signal.Signals) -> int:
    """Signal every process of the session that `leader` leads: mariadbd and its transfer scripts. Returns how many."""
    hit = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                os.kill(int(entry.name), number)
                hit += 1
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended between listing and looking
    return hit


class Mariadbd:
    """One running mariadbd. Its log goes to our standard output; the last lines stay for the note."""

    def __init__(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str],
        on_line: Callable[[str], None],
        keep_fds: tuple[int, ...] = (),
    ) -> None:
        self._on_line = on_line
        self.last_lines: deque[str] = deque(maxlen=50)
        self._child = spawn(
            ["mariadbd", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
            pass_fds=keep_fds,
        )
        self.pid = self._child.pid
        self._reader = threading.Thread(target=self._read, name="mariadbd-log", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for raw in self._child.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            self.last_lines.append(line)
            sys.stdout.write(line + "\n")  # one write: other threads log to the same place
            sys.stdout.flush()
            self._on_line(line)

    def poll(self) -> int | None:
        """Its exit status (negative: the signal that ended it), None while it runs."""
        code = self._child.poll()
        if code is not None:
            self._reader.join(1)
            forget(self._child)
        return code

    def terminate(self) -> None:
        """Ask for a clean shutdown."""
        if self._child.poll() is None:
            self._child.terminate()

    def signal_all(self, number: signal.Signals) -> None:
        """Signal it and its transfer scripts: a joiner in the middle of a state transfer ends only so."""
        hit = kill_session(self.pid, number)
        if hit:
            log.info("sent %s to %d processes of mariadbd's session", number.name, hit)

    def wait(self, timeout: float) -> int | None:
        """Wait for its end at most `timeout` seconds."""
        try:
            self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        return self.poll()

    @property
    def last_words(self) -> str:
        """The lines that say why it ended: errors if there are any, else the last three."""
        lines = list(self.last_lines)
        errors = [line for line in lines if "[ERROR]" in line]
        return " | ".join(line[:300] for line in (errors or lines)[-3:])
