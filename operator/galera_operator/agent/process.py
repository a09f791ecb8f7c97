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
from dataclasses import dataclass
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
    for pid in _session(leader):
        try:
            os.kill(pid, number)
            hit += 1
        except ProcessLookupError:
            continue  # ended between listing and killing
    return hit


@dataclass(frozen=True, slots=True)
class Work:
    """What a process has done since it was started. Bytes are 0 where the kernel does not let us read them."""

    name: str
    ticks: int
    """Of the processor, its own: not of children that ended."""
    read: int = 0
    written: int = 0


def session_work(leader: int) -> dict[int, Work]:
    """What each process has done in the session that `leader` leads, the leader included."""
    done = {}
    for pid, (name, fields) in _session(leader).items():
        read, written = _bytes_of(pid)
        done[pid] = Work(name, int(fields[11]) + int(fields[12]), read, written)
    return done


def _session(leader: int) -> dict[int, tuple[str, list[str]]]:
    """Name and ``/proc/<pid>/stat`` fields (from the state on) of every living process of a session."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            head, _, rest = (entry / "stat").read_text(errors="replace").rpartition(")")
        except OSError:
            continue  # ended between listing and looking
        fields = rest.split()
        if int(fields[3]) == leader and fields[0] != "Z":
            found[int(entry.name)] = (head.partition("(")[2], fields)
    return found


def _bytes_of(pid: int) -> tuple[int, int]:
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except OSError:
        return 0, 0  # ended, or another user's and we may not trace: a container without SYS_PTRACE
    counted = dict(line.split(": ") for line in lines)
    return int(counted.get("rchar", 0)), int(counted.get("wchar", 0))


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
        self.last_lines: deque[str] = deque(maxlen=200)
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
            try:
                self._on_line(line)
            except Exception:  # whoever watches may fail; a log that nobody reads any more would stop mariadbd
                log.exception("a line of mariadbd's log could not be followed")

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
