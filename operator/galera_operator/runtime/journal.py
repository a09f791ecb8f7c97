"""The journal: one JSON line per tick that decided or did something new, so that `why` can answer later."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loguru import logger

from galera_operator.core.condition import condition_of
from galera_operator.core.model import Snapshot
from galera_operator.core.plan import Plan
from galera_operator.core.remembered import Memory
from galera_operator.runtime.act import Outcome

MAX_BYTES = 32 * 1024 * 1024
"""At this size the journal is renamed to ``.1`` (replacing an older one) and begun anew."""


class Journal:
    """Appends to one file per cluster below a directory; without a directory it writes nothing."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        if directory:
            directory.mkdir(parents=True, exist_ok=True)

    def write(self, seen: Snapshot, memory: Memory, plan: Plan, outcomes: Sequence[Outcome], epoch: int) -> None:
        """Append one moment: what was seen and remembered, what was decided, what became of it."""
        if self._directory is None:
            return
        try:
            self._append(self._directory / f"{seen.service.name}.jsonl", seen, memory, plan, outcomes, epoch)
        except OSError as error:
            # The record of what was done must not stop what has to be done.
            logger.warning("{}: the journal could not be written: {}", seen.service.name, error)

    def _append(self, path: Path, seen: Snapshot, memory: Memory, plan: Plan, outcomes: Sequence[Outcome], epoch: int) -> None:
        if path.exists() and path.stat().st_size > MAX_BYTES:
            path.replace(path.with_suffix(".jsonl.1"))
        moment = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "epoch": epoch,
            "condition": str(condition_of(seen, memory)),
            "plan": type(plan).__name__,
            "why": plan.why,
            "steps": [asdict(outcome) for outcome in outcomes],
            "seen": _plain(seen),
            "memory": _plain(memory),
        }
        with path.open("a") as file:
            file.write(json.dumps(moment, default=str) + "\n")


def _plain(value: Any) -> Any:
    """Dataclasses to JSON with the type's name, so that a moment can be read back into values."""
    if is_dataclass(value) and not isinstance(value, type):
        return {"": type(value).__name__} | {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
