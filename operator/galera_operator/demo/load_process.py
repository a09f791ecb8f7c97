"""The load as a process of its own, seen from whoever started it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from galera_operator.demo.load import GIVE_UP_SECONDS, PASSWORD_VARIABLE
from galera_operator.demo.tally import Failure, Result, failure_from


class LoadDied(Exception):
    """The load's process ended without a result; says with which exit code and last words."""


class LoadProcess:
    """A running load. End it with `stop`, or with `kill` when its result is of no interest."""

    def __init__(
        self,
        hosts: Sequence[str],
        password: str,
        *,
        enter: Sequence[str] = (),
        arguments: Sequence[str] = (),
        on_failure: Callable[[Failure], None] = lambda _: None,
    ) -> None:
        """Start it.

        Args:
            hosts: Addresses of proxies; the connections take turns over them.
            password: Of the load's user.
            enter: Put before the command, e.g. ``nsenter --net=...``.
            arguments: Further ones of ``python -m galera_operator.demo.load``.
            on_failure: Called from another thread, at each transaction that was not acknowledged.
        """
        given = [word for host in hosts for word in ("--host", host)]
        self._on_failure = on_failure
        self._lock = threading.Lock()
        self._progress: Result | None = None
        self._result: Result | None = None
        self._process = subprocess.Popen(
            [*enter, sys.executable, "-m", "galera_operator.demo.load", *given, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {PASSWORD_VARIABLE: password},
            start_new_session=True,  # a Ctrl-C is for the one that asked for the load
        )
        self._words: list[str] = []
        self._readers = [threading.Thread(target=reader, daemon=True) for reader in (self._read, self._read_words)]
        for reader in self._readers:
            reader.start()

    @property
    def progress(self) -> Result | None:
        """The last that it told: at most about a second old."""
        with self._lock:
            return self._result or self._progress

    def check(self) -> None:
        """Raise `LoadDied` when it ended, of itself or by its longest time."""
        if self._process.poll() is not None:
            raise self._death("the load ended before it was stopped")

    def stop(self) -> Result:
        """Let it end and return its result.

        Raises:
            LoadDied: it has none.
        """
        self._ask_to_stop()
        try:
            self._process.wait(GIVE_UP_SECONDS + 10.0)
        except subprocess.TimeoutExpired:
            self.kill()
        for reader in self._readers:
            reader.join(5.0)
        if self._result is None:
            raise self._death("the load gave no result")
        return self._result

    def kill(self) -> None:
        """End it at once. Nothing happens when it has ended."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10.0)

    def _ask_to_stop(self) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                told = json.loads(line)
                if told["event"] == "failure":
                    self._on_failure(failure_from(told["body"]))
                    continue
                result = Result.from_json(json.dumps(told["body"]))
                with self._lock:
                    if told["event"] == "result":
                        self._result = result
                    else:
                        self._progress = result

    def _read_words(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self._words = [*self._words, line.rstrip()][-20:]

    def _death(self, what: str) -> LoadDied:
        words = "\n".join(self._words) or "(it said nothing)"
        return LoadDied(f"{what}; exit code {self._process.returncode}\n{words}")
