"""A pytest plugin that runs the collected tests against mutants, each in a forked process, and stops at the first failure.

Which tests concern a mutant is measured: one run without any mutant notes which functions each test calls. Property tests
come last: they are slow, and most mutants are dead by then.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any, TypeGuard

import pytest
from _pytest.runner import runtestprotocol
from mutants import Mutant
from swap import functions_of, swap

PACKAGE = "galera_operator"

THE_TOOL = "the tool"
"""How the fate of a mutant begins that failed by a fault of this tool, not by a test."""

SLOW = 0.5
"""Seconds of one test beyond which it is not tried on a mutant that is expected to survive."""


@dataclass
class Fate:
    """What became of a mutant. `by`: the test that failed, or that it computed too long; empty: it survived."""

    mutant: Mutant
    by: str


@dataclass
class Measured:
    """What the run without a mutant found: per test its seconds and the functions it called, and which tests failed."""

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, list[str]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


class Harness:
    """The plugin.

    `patience`: seconds of computing for all tests of one mutant. `expected`: names of mutants that are known to survive; the slow
    ways to kill are not tried on them. `last_resort`: run in the mutant's process when every test has passed; returns what
    went wrong, or "".
    """

    def __init__(
        self,
        mutants: list[Mutant],
        jobs: int,
        patience: int,
        tell: Callable[[str], None],
        expected: frozenset[str] = frozenset(),
        last_resort: Callable[[], str] | None = None,
    ) -> None:
        self.fates: list[Fate] = []
        self.measured = Measured()
        self._mutants = mutants
        self._jobs = jobs
        self._patience = patience
        self._tell = tell
        self._expected = expected
        self._last_resort = last_resort

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        started = time.monotonic()
        self.measured = self._measure(session.items)
        self._tell(f"{len(session.items)} tests in {time.monotonic() - started:.0f} s without a mutant")
        items = [item for item in session.items if item.nodeid not in self.measured.failed]
        self.fates = list(self._all(self._without_flukes(items)))
        return True

    def _without_flukes(self, items: list[pytest.Item]) -> list[pytest.Item]:
        """The control: with nothing changed every test has to pass here too; one that does not would kill whatever it meets."""
        while True:
            ordered = self._in_order(items)
            fluke = in_a_child(lambda ordered=ordered: first_failure(ordered)).decode()
            if not fluke:
                return items
            self.measured.failed.append(fluke)
            items = [item for item in items if item.nodeid != fluke]

    def _in_order(self, items: list[pytest.Item]) -> list[pytest.Item]:
        return sorted(items, key=lambda item: (is_property(item), self.measured.seconds[item.nodeid]))

    def _measure(self, items: list[pytest.Item]) -> Measured:
        modules = {name_of(mutant) for mutant in self._mutants}
        return Measured(**json.loads(in_a_child(lambda: json.dumps(_measured(items, modules)))))

    def _all(self, items: list[pytest.Item]) -> Iterator[Fate]:
        waiting = list(reversed(self._mutants))
        running: dict[int, tuple[Mutant, int]] = {}
        while waiting or running:
            while waiting and len(running) < self._jobs:
                mutant = waiting.pop()
                pid, pipe = self._begin(mutant, self._concerned(mutant, items))
                running[pid] = (mutant, pipe)
            fate = self._end_one(running)
            if not fate.by:
                self._tell(f"survives so far: {fate.mutant.name}")
            yield fate

    def _concerned(self, mutant: Mutant, items: list[pytest.Item]) -> list[pytest.Item]:
        function = f"{name_of(mutant)}:{mutant.owner}"
        anywhere = f"{name_of(mutant)}:"
        at_module_level = mutant.owner not in functions_of(importlib.import_module(name_of(mutant)))
        calls, seconds = self.measured.calls, self.measured.seconds
        concerned = [
            item
            for item in items
            if any(called == function or (at_module_level and called.startswith(anywhere)) for called in calls[item.nodeid])
            and not (mutant.name in self._expected and (is_property(item) or seconds[item.nodeid] > SLOW))
        ]
        return self._in_order(concerned)

    def _begin(self, mutant: Mutant, items: list[pytest.Item]) -> tuple[int, int]:
        def kill() -> str:
            resource.setrlimit(resource.RLIMIT_CPU, (self._patience, self._patience))
            signal.alarm(5 * self._patience)  # for one that waits for ever without computing
            swap(mutant, importlib.import_module(name_of(mutant)))
            return first_failure(items) or self._slowly(mutant)

        return begin(kill)

    def _slowly(self, mutant: Mutant) -> str:
        if self._last_resort is None or mutant.name in self._expected:
            return ""
        return self._last_resort()

    def _end_one(self, running: dict[int, tuple[Mutant, int]]) -> Fate:
        """Wait for the first one to end."""
        pid, status = os.waitpid(-1, 0)
        mutant, pipe = running.pop(pid)
        by = told_through(pipe).decode(errors="replace")
        return Fate(mutant, f"time: more than {self._patience} s of computing, or for ever" if os.WIFSIGNALED(status) else by)


def is_property(item: pytest.Item) -> bool:
    """Property tests come last, and not at all for what is expected to survive."""
    return "tests/property/" in item.nodeid


def begin(what: Callable[[], str]) -> tuple[int, int]:
    """Do it in a forked process; its id, and the pipe through which it will tell what came of it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    os.close(reading)
    told = ""
    try:
        told = what()
    except BaseException as error:
        told = f"{THE_TOOL}: {type(error).__name__}: {error}"
    finally:
        with os.fdopen(writing, "wb") as out:
            out.write(told.encode())
        os._exit(0)


def told_through(pipe: int) -> bytes:
    with os.fdopen(pipe, "rb") as answer:
        return answer.read()


def in_a_child(what: Callable[[], str]) -> bytes:
    """Do it in a forked process and wait for what it tells."""
    child, pipe = begin(what)
    told = told_through(pipe)
    os.waitpid(child, 0)
    return told


def name_of(mutant: Mutant) -> str:
    """The module's name: ``galera_operator.core.veto`` for ``core/veto.py``."""
    return f"{PACKAGE}.{mutant.file.removesuffix('.py').replace('/', '.')}"


def first_failure(items: list[pytest.Item]) -> str:
    """Run the tests in this order; the id of the first that fails, else empty."""
    return next((item.nodeid for item in items if not _passes(item)), "")


def _passes(item: pytest.Item) -> bool:
    """Whether the test passes. One without fixtures is simply called: pytest's own ceremony costs more than most of them."""
    if _needs_no_fixture(item):
        return _returns(item)
    return all(report.passed or report.skipped for report in runtestprotocol(item, nextitem=None, log=False))


def _needs_no_fixture(item: pytest.Item) -> TypeGuard[pytest.Function]:
    if not isinstance(item, pytest.Function):
        return False
    given = item.callspec.params if hasattr(item, "callspec") else {}
    return set(item.fixturenames) <= given.keys() and all(
        mark.name in {"parametrize", "hypothesis"} for mark in item.iter_markers()
    )


def _returns(item: pytest.Function) -> bool:
    given = item.callspec.params if hasattr(item, "callspec") else {}
    try:
        item.obj(**given)
    except pytest.skip.Exception:
        return True
    except (Exception, pytest.fail.Exception):
        return False
    return True


def _measured(items: list[pytest.Item], modules: set[str]) -> dict[str, Any]:
    names: dict[CodeType, str] = {
        function.__code__: f"{module}:{name}"
        for module in modules
        for name, function in functions_of(importlib.import_module(module)).items()
    }
    called: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        """A trace function that returns None is told of calls only."""
        if frame.f_code in names:
            called.add(names[frame.f_code])

    found = Measured()
    for item in items:
        called.clear()
        threading.settrace(note)
        sys.settrace(note)
        started = time.monotonic()
        try:
            passed = _passes(item)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
        found.seconds[item.nodeid] = time.monotonic() - started
        found.calls[item.nodeid] = sorted(called)
        if not passed:
            found.failed.append(item.nodeid)
    return vars(found)
