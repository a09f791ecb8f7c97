"""A bounded load of many connections that knows what was acknowledged to it.

As a class, and as a process of its own (`python -m galera_operator.demo.load`), so that nothing but the load itself slows
the load's clock. The process writes JSON lines: `progress` every second, `failure` at each, `result` at the end. It ends at
``stop`` or end of file on its standard input (so also when whoever started it dies), at SIGTERM, or after its longest time.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from galera_operator.demo.client import CONNECT_SECONDS, READ_SECONDS, Account, Broken, Client
from galera_operator.demo.tally import Attempt, Failure, Result, Step, Tally, classify, is_read, next_due

PASSWORD_VARIABLE = "GALERA_DEMO_PASSWORD"
"""The process takes the password from its environment: arguments can be read by everybody."""

PROGRESS_SECONDS = 1.0

GIVE_UP_SECONDS = CONNECT_SECONDS + READ_SECONDS + 5.0
"""How long `Load.stop` waits for a transaction in flight: the longest silence that the driver allows, and a little."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a load does. `accounts`: the workers take turns over them, so that every proxy gets its share.

    `rate`: transactions a second of all connections together. 32 leave two slow cores to the databases.
    `run`: tells this load's rows from those of others in the same table.
    `reads`: the share of transactions that only read.
    `keeps_all`: an open loop: also after a failure every transaction that was due is tried, however late, so that a stall counts
    for each that waited. Without it, those that a failing one held up are dropped.
    """

    accounts: Sequence[Account]
    run: int = 1
    connections: int = 8
    rate: float = 32.0
    seconds_max: float = 600.0
    reads: float = 0.0
    keeps_all: bool = False


class Load:
    """Connections that write on a schedule. The even half open one per transaction, the odd half are a pool's."""

    def __init__(
        self,
        plan: Plan,
        on_failure: Callable[[Failure], None] = lambda _: None,
        on_attempt: Callable[[Attempt], None] = lambda _: None,
    ) -> None:
        """`on_failure` and `on_attempt` are called from the workers' threads, one at a time."""
        self._plan = plan
        self._on_failure = on_failure
        self._on_attempt = on_attempt
        self._tally = Tally()
        self._lock = threading.Lock()
        self._busy: dict[int, tuple[int, float]] = {}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(plan.connections)]
        self._begun = self._ended = 0.0

    def start(self) -> None:
        self._begun = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> Result:
        """Let each worker end its transaction and return what they all saw. One that does not end counts as unclear."""
        self._stop.set()
        deadline = time.monotonic() + GIVE_UP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            for worker, (seq, since) in list(self._busy.items()):
                hung = Broken(Step.COMMIT, None, "no end, no error")
                self._add(worker, seq, since, since, hung, wrote=not is_read(seq, self._plan.reads))
            self._ended = self._ended or self._now()
            return self._tally.result(self._begun, self._ended, {})

    @property
    def is_over(self) -> bool:
        """Whether its longest time has passed."""
        return not any(thread.is_alive() for thread in self._threads)

    def snapshot(self) -> Result:
        """What was seen until now, without lists. A stall that goes on is in it."""
        with self._lock:
            busy = {worker: since for worker, (_, since) in self._busy.items()}
            return self._tally.result(self._begun, self._now(), busy, whole=False)

    def _now(self) -> float:
        return time.monotonic() - self._begun

    def _work(self, worker: int) -> None:
        plan = self._plan
        account = plan.accounts[worker // 2 % len(plan.accounts)]
        client = Client(account, plan.run, worker, pooled=worker % 2 == 1)
        interval = plan.connections / plan.rate
        due = interval * worker / plan.connections
        last_end, seq = 0.0, 0
        while due < plan.seconds_max and not self._stop.wait(max(0.0, due - self._now())):
            seq += 1
            begun = max(due, last_end)
            reconnects, broken = client.reconnects, None
            with self._lock:
                self._busy[worker] = (seq, begun)
            reads = is_read(seq, plan.reads)
            try:
                client.read(seq) if reads else client.write(seq)
            except Broken as error:
                broken = error
            with self._lock:
                last_end = self._add(worker, seq, due, begun, broken, wrote=not reads)
                if client.reconnects > reconnects:
                    self._tally.add_reconnect()
            due = next_due(due, interval, last_end, failed=broken is not None and not plan.keeps_all)
        client.close()

    def _add(self, worker: int, seq: int, due: float, begun: float, broken: Broken | None, *, wrote: bool) -> float:
        self._busy.pop(worker, None)
        now, failure = self._now(), None
        if broken is not None:
            kind = classify(broken.step, broken.code)
            failure = Failure(now, worker, seq, broken.step, kind, broken.code, broken.text)
            self._on_failure(failure)
        attempt = Attempt(worker, seq, due, begun, now, failure, wrote)
        self._tally.add(attempt)
        self._on_attempt(attempt)
        return now


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a process; exit code 1 when a transaction was not acknowledged."""
    options = _arguments(argv)
    accounts = [Account(host, options.port, options.user, os.environ.get(PASSWORD_VARIABLE, "")) for host in options.host]
    plan = Plan(accounts, options.run, options.connections, options.rate, options.seconds_max, options.reads, options.keep_all)
    attempts: list[Attempt] = []
    over = threading.Event()
    for what in (signal.SIGTERM, signal.SIGINT):
        signal.signal(what, lambda *_: over.set())
    threading.Thread(target=_listen, args=(over,), daemon=True).start()
    load = Load(plan, lambda failure: _tell("failure", asdict(failure)), attempts.append if options.attempts else lambda _: None)
    load.start()
    while not over.wait(PROGRESS_SECONDS) and not load.is_over:
        _tell("progress", asdict(load.snapshot()))
    result = load.stop()
    if options.attempts:
        options.attempts.write_text("".join(json.dumps(asdict(attempt)) + "\n" for attempt in list(attempts)))
    _tell("result", asdict(result))
    return 1 if result.failed or result.unconnected else 0


def _listen(over: threading.Event) -> None:
    for line in sys.stdin:
        if line.strip() == "stop":
            break
    over.set()


_TELLING = threading.Lock()


def _tell(event: str, body: dict[str, object]) -> None:
    line = json.dumps({"event": event, "body": body})
    with _TELLING:
        print(line, flush=True)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m galera_operator.demo.load",
        description=f"Write to demo.writes on a schedule. The password comes from {PASSWORD_VARIABLE}.",
    )
    parser.add_argument("--host", action="append", required=True, help="again for each further one")
    parser.add_argument("--port", type=int, default=3306)
    parser.add_argument("--user", default="demo")
    parser.add_argument("--run", type=int, default=1, help="number of this load's rows")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rate", type=float, default=32.0, help="transactions a second, all together")
    parser.add_argument("--seconds-max", type=float, default=600.0)
    parser.add_argument("--reads", type=float, default=0.0, help="share of transactions that only read, 0 to 1")
    parser.add_argument("--keep-all", action="store_true", help="drop none that was due, also not after a failure")
    parser.add_argument("--attempts", type=Path, help="file that takes every transaction at the end, a JSON object a line")
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())
