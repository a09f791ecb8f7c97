"""An operator process: the real tick and lease on ports that can fail, and a body that can die or freeze at any call."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from threading import RLock
from typing import TYPE_CHECKING, Any

from galera_operator.core.condition import Condition as Named
from galera_operator.core.plan import Hold, Plan
from galera_operator.ports import Unreachable
from galera_operator.runtime.journal import Journal
from galera_operator.runtime.lease import Lease
from galera_operator.runtime.tick import ClusterTick
from galera_operator.runtime.tick import World as Ports
from galera_operator.sim.wires import OperatorKilled, Wires

if TYPE_CHECKING:
    from galera_operator.sim.world import World

RESTART_SECONDS = 3.0
LEASE_TTL = 15.0


class Answered(Future[Any]):
    """A future that has ended before anybody can wait for it: one lock for all of them will do."""

    _one_for_all = RLock()

    def __init__(self, result: Any, error: BaseException | None) -> None:  # no super().__init__(): it makes a lock for each
        self._condition = self._one_for_all  # type: ignore[assignment]
        self._state = "FINISHED"
        self._result, self._exception = result, error
        self._waiters: list[Any] = []
        self._done_callbacks: list[Any] = []

    def done(self) -> bool:
        return True

    def exception(self, timeout: float | None = None) -> BaseException | None:  # noqa: ARG002 - as the base class has it
        return self._exception

    def result(self, timeout: float | None = None) -> Any:  # noqa: ARG002 - as the base class has it
        if self._exception is not None:
            raise self._exception
        return self._result


class InlinePool(Executor):
    """Runs what it is given at once, in the caller's thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        try:
            return Answered(fn(*args, **kwargs), None)
        except Exception as error:
            return Answered(None, error)


_POOL = InlinePool()
_NO_JOURNAL = Journal(None)


class Operator:
    """One operator, through all its lives."""

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.world = world
        self.running = False
        self.frozen = False
        self.busy = False
        self.next_at = float("inf")
        self.offset = 0.0
        self.lives = 0
        self.calls = 0
        self.turns = 0
        self.was: Named | None = None
        self.plan: Plan = Hold("not started")
        self.looked_at = 0.0
        self.armed = False
        self.die_in = 0
        self.dies_before = False
        self.freeze_in = 0
        self.lose_answers = 0
        self.hold_commands = 0
        self.said: Callable[[Operator, Plan], None] = lambda _operator, _plan: None
        self.while_frozen: Callable[[Operator], None] = lambda _: None
        self._tick: ClusterTick | None = None
        self._wires = Wires(self)

    def begin(self, now: float) -> None:
        """Start a process."""
        self.lives += 1
        self.running, self.frozen, self.next_at = True, False, now
        wires, name = self._wires, self.world.swarm.name
        ports = Ports(wires, wires, _NO_JOURNAL, _POOL, clock=self.clock, names=wires)
        self._tick = ClusterTick(name, Lease(wires, name, f"{self.name}{self.lives}", LEASE_TTL), ports)

    def end(self, *, again_at: float | None) -> None:
        """The process dies; Swarm starts it again at `again_at`, if at all."""
        self.running, self.frozen, self._tick = False, False, None
        self.disarm()
        self.next_at = again_at if again_at is not None else float("inf")

    def disarm(self) -> None:
        """Nothing of what waits for one of its calls happens any more."""
        self.armed = False
        self.die_in = self.freeze_in = self.lose_answers = self.hold_commands = 0

    def stop_in_order(self) -> None:
        """SIGTERM between two turns: it gives its lease back."""
        if self._tick is not None and not self.busy:
            try:
                self._tick.stop()
            except OperatorKilled:
                pass
        self.end(again_at=None)

    def clock(self) -> float:
        return self.world.now + self.offset

    def jump(self, seconds: float) -> None:
        """Its clock is set ahead."""
        self.offset += seconds
        self.next_at = min(self.next_at, self.world.now) if self.running else self.next_at

    @property
    def condition(self) -> Named | None:
        """What it called the cluster in its last turn."""
        return self._tick._condition if self._tick is not None else None  # noqa: SLF001 - its log line only

    def is_due(self, now: float) -> bool:
        return now >= self.next_at and not self.frozen and not self.busy

    def turn(self, now: float) -> None:
        """Take one turn: list the clusters, give ours its turn. A process that died is started again instead."""
        if self._tick is None:
            self.begin(now)
        tick = self._tick
        assert tick is not None
        self.busy = True
        self.turns += 1
        try:
            self.looked_at = self.world.now
            clusters = self._wires.clusters()
            self.plan = tick.turn(clusters[0])
            self.next_at = self.world.now + self.plan.recheck
        except Unreachable as error:
            self.plan = Hold(f"the Swarm cannot be read: {error}")
            self.next_at = self.world.now + 2.0
        except Exception as error:
            self.world.truth.fault = error
            self.world.truth.broke(f"a turn of operator {self.name} failed: {type(error).__name__}: {error}")
            self.next_at = self.world.now + 2.0
        except OperatorKilled:
            self.end(again_at=self.world.now + RESTART_SECONDS)
            return
        finally:
            self.busy = False
        self.said(self, self.plan)
        self.world.truth.heard(self, self.plan)
