"""A lookout that sees one cluster, always the same, over a store in memory: for the commands that record what a person wishes."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module

from builders import cluster, remembered
from click.testing import Result
from fakes import MemoryStore
from typer.testing import CliRunner

from galera_operator.core.decide import decide
from galera_operator.core.memory import remember
from galera_operator.core.model import Snapshot
from galera_operator.core.remembered import Memory
from galera_operator.core.report import View
from galera_operator.ports import Record

main = import_module("galera_operator.cli.main")
looking = import_module("galera_operator.cli.looking")

NAME = "shop_db"


@dataclass
class Eyes:
    seen: Snapshot
    store: MemoryStore

    def view(self, service: str) -> View:
        assert service == NAME
        memory = remember(self.store.records[NAME].memory, self.seen)
        return View(self.seen, decide(self.seen, memory), "first", {}, memory)

    @property
    def memory(self) -> Memory:
        """What is recorded."""
        return self.store.records[NAME].memory


def eyes(*seats, memory: Memory | None = None, **changes) -> Eyes:
    store = MemoryStore()
    store.create(NAME, Record(0, "first", 3, memory or remembered()))
    return Eyes(cluster(*seats, **changes), store)


def run_on(monkeypatch, lookout: Eyes, *arguments: str, answer: str = "") -> Result:
    """Run a command that looks through these eyes."""

    @contextmanager
    def open_lookout():
        yield lookout

    monkeypatch.setattr(looking, "open_lookout", open_lookout)
    return CliRunner().invoke(main.app, [*arguments], input=answer)
