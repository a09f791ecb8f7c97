"""What the services said and when, from the engines' log files on disk: also of containers that ended, also without a Swarm."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from faults.containers import Container, Containers
from galera_operator.demo.operator_log import Said, parse


@dataclass(frozen=True)
class Line:
    """One line. `at`: seconds since the epoch, by the engine."""

    at: float
    container: Container
    text: str

    def __str__(self) -> str:
        return f"{self.container.service}.{self.container.slot} on node{self.container.node}: {self.text}"


def seconds(stamp: str) -> float:
    """An engine's time, e.g. ``2026-01-31T12:00:00.123456789Z``, in seconds since the epoch."""
    match = re.fullmatch(r"(.+T[\d:]+)(\.\d+)?Z", stamp)
    if match is None:
        raise ValueError(f"no time of an engine: {stamp!r}")
    return datetime.fromisoformat(f"{match[1]}+00:00").timestamp() + float(match[2] or 0)


class Logs:
    """The logs of one sandbox."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers

    def since(self, service: str, at: float) -> list[Line]:
        """All lines of a service's tasks from a time on, in their order."""
        found = [line for one in self._containers.all(service) for line in self._of(one, at)]
        return sorted(found, key=lambda line: line.at)

    def said(self, operator: str, at: float) -> list[Said]:
        """The operator's decisions and deeds from a time on."""
        lines = self.since(operator, at)
        return [said for line in lines if (said := parse(line.text)) and said.at >= at]

    def last_word(self, operator: str) -> Said | None:
        """The newest decision of the operator that runs now; None before its first."""
        for one in reversed(self._containers.running(operator)):
            said = [said for line in self._of(one, 0.0) if (said := parse(line.text)) and "done" not in said.kind]
            if said:
                return said[-1]
        return None

    def keep(self, services: Sequence[str], at: float, file: Path) -> None:
        """Write all that was said from a time on into a file, for a person who wants to know what went wrong."""
        lines = sorted((line for service in services for line in self.since(service, at)), key=lambda line: line.at)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line.at - at:8.3f} {line}\n" for line in lines))

    def _of(self, container: Container, at: float) -> Iterator[Line]:
        file = self._containers.folder(container.node, container.id) / f"{container.id}-json.log"
        try:
            if file.stat().st_mtime < at:
                return
            raw = file.read_text(errors="replace").splitlines()
        except OSError:
            return  # the container has just been removed
        for text in raw:
            try:
                entry = json.loads(text)
                when = seconds(entry["time"])
            except (ValueError, KeyError):
                continue  # a lost node's last line may be half a line
            if when >= at:
                yield Line(when, container, entry["log"].rstrip())
