"""Reading the members' audit logs while they write them: which client was let in where, and when."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from faults.containers import Container

from galera_bench.cluster import LOAD_USER, Bench
from galera_bench.reached import LOOK_EVERY, Accepted, State, log_lines, parse_audit, states

AUDIT_LOG = "run/mysqld/audit.log"
LOOK_FOR_MEMBERS_EVERY = 0.1


class Audit:
    """Looks at every member's audit log from `start` to `stop`, in a thread of its own."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._accepted: list[Accepted] = []
        self._members: dict[str, Container] = {}
        self._read: dict[str, int] = {}
        self._logs: dict[str, TextIO] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """From here on; what the logs already have is left out."""
        self._find_members()
        for member in self._members.values():
            self._read[member.id] = len(_content(member, 0))
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(10.0)

    @property
    def accepted(self) -> list[Accepted]:
        return list(self._accepted)

    def busiest(self, within: float = 2.0) -> Container:
        """The running member that most clients were let in at lately: the one that a fault of 'the writer' has to hit."""
        since = time.time() - within
        recent = [one.container for one in self._accepted if one.at >= since]
        running = self._bench.members()
        return max(running, key=lambda member: (recent.count(member.id), -member.slot))

    def histories(self) -> dict[str, Sequence[State]]:
        """Each member's states as its own error log has them, also of those that have ended and are removed."""
        found: dict[str, Sequence[State]] = {}
        for container, log in self._logs.items():
            log.seek(0)
            found[container] = states(log_lines(log))
        return found

    def close(self) -> None:
        for log in self._logs.values():
            log.close()

    def _run(self) -> None:
        looked = 0.0
        while not self._over.wait(LOOK_EVERY):
            now = time.time()
            if now - looked >= LOOK_FOR_MEMBERS_EVERY:
                self._find_members()
                looked = now
            for member in list(self._members.values()):
                self._look(member)

    def _find_members(self) -> None:
        for member in self._bench.members():
            self._members[member.id] = member
            if member.id not in self._logs:
                file = self._bench.containers.folder(member.node, member.id) / f"{member.id}-json.log"
                with contextlib.suppress(OSError):
                    self._logs[member.id] = file.open(errors="replace")  # stays readable when the container is removed

    def _look(self, member: Container) -> None:
        begin = self._read.get(member.id, 0)
        new = _content(member, begin)
        whole, newline, _ = new.rpartition(b"\n")
        if not newline:
            return
        self._read[member.id] = begin + len(whole) + 1
        now = time.time()
        for line in whole.decode(errors="replace").splitlines():
            one = parse_audit(line, now, member.id, LOAD_USER)
            if one:
                self._accepted.append(one)


def _content(member: Container, begin: int) -> bytes:
    """What the log has from an offset on; nothing where there is no log, or the member has ended."""
    try:
        with Path(f"/proc/{member.pids[0]}/root", AUDIT_LOG).open("rb") as file:
            file.seek(begin)
            return file.read()
    except (OSError, IndexError):
        return b""
