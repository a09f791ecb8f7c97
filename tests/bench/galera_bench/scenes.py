"""The scenarios: what is done to a system under load, and what is measured about it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from faults.containers import Container

from galera_bench.audit import Audit
from galera_bench.cluster import CONNECTIONS, RATE, Bench
from galera_bench.outcome import Felt, Point, felt, read_attempts, series
from galera_bench.reached import first_routed, misrouted
from galera_operator.demo.swarm import NotAnswered
from galera_operator.sandbox.errors import CommandFailed
from galera_operator.sandbox.waiting import NotInTime, NotYet, wait_until

CALM_SECONDS = 3.0
"""How long the load runs before anything happens, and after all is well again."""
WITHIN = 75.0
"""Seconds after which a system that is not whole again is left as it is; the table says so."""
FROZEN_SECONDS = 15.0

_RUNS = itertools.count(1)


@dataclass
class Scene:
    """What a scenario has at hand while it acts."""

    bench: Bench
    audit: Audit
    begun: float = 0.0
    """When the deed began, seconds since the epoch."""

    def act(self) -> None:
        """To be called right before the deed."""
        self.begun = time.time()

    def wait_whole(self, members: int) -> None:
        """Raises NotInTime."""
        left = max(1.0, WITHIN - (time.time() - self.begun))
        wait_until(
            lambda: self.bench.whole(members),
            left,
            f"{members} whole members",
            every=0.2,
            ignoring=(NotAnswered, CommandFailed),
        )

    def victim(self, *, writer: bool) -> Container:
        """The member that the clients are let in at; or, the first one that is not it."""
        target = self.audit.busiest()
        return target if writer else next(one for one in self.bench.members() if one.id != target.id)


@dataclass(frozen=True, slots=True)
class Scenario:
    """`before`, `after`: members. `deed` returns when the system is whole again, or raises NotInTime."""

    key: str
    title: str
    before: int
    after: int
    deed: Callable[[Scene], None]
    planned: bool = True
    only_operator: bool = False


@dataclass(frozen=True)
class Measured:
    """One scenario on one system.

    `whole_after`: seconds from the deed until every member was in service again; None: not within `WITHIN`.
    `missing`: acknowledged writes that a member lacks at the end, by member; None: it does not answer.
    `misrouted`: client connections by the state of the member that took them, where that was not Synced and Primary.
    """

    system: str
    scenario: str
    felt: Felt
    deed_at: float
    whole_after: float | None
    missing: dict[str, int | None]
    misrouted: dict[str, int]
    accepted: int
    first_routed: list[float]
    failures: list[str]
    points: list[Point] = field(default_factory=list)
    note: str = ""


def measure(bench: Bench, scenario: Scenario, attempts: Path) -> Measured:
    """Run one scenario on a system that has the members it starts from."""
    run = next(_RUNS)
    audit = Audit(bench)
    audit.start()
    load = bench.load(run, attempts)
    scene = Scene(bench, audit)
    whole_after, note = None, ""
    try:
        wait_until(lambda: load.progress and load.progress.acknowledged > 20, 30, "the load to work", every=0.05)
        _stay(CALM_SECONDS)
        try:
            scenario.deed(scene)
            whole_after = time.time() - scene.begun
        except (NotInTime, CommandFailed) as error:
            note = str(error).splitlines()[0]
        _stay(CALM_SECONDS)
        result = load.stop()
    except BaseException:
        load.kill()
        raise
    finally:
        audit.stop()
    told = read_attempts(attempts.read_text().splitlines())
    histories = audit.histories()
    measured = Measured(
        system=bench.system.key,
        scenario=scenario.key,
        felt=felt(told, RATE, CONNECTIONS, result.seconds),
        deed_at=scene.begun - (time.time() - time.monotonic()) - result.begun,
        whole_after=whole_after,
        missing=bench.missing(result.rows(), run),
        misrouted=misrouted(audit.accepted, histories),
        accepted=len(audit.accepted),
        first_routed=first_routed(audit.accepted, histories, scene.begun),
        failures=sorted({f"{one.step}: {one.code} {one.text}"[:160] for one in result.failures})[:8],
        points=series(told, result.seconds),
        note=note,
    )
    audit.close()
    return measured


def _stay(seconds: float) -> None:
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until or NotYet("the clock"), seconds + 5, "the time to pass", every=0.05)


# -- deeds ----------------------------------------------------------------------------------------------------------------


def _to(*sizes: int) -> Callable[[Scene], None]:
    def deed(scene: Scene) -> None:
        scene.act()
        for size in sizes:
            scene.bench.scale(size)
            scene.wait_whole(size)

    return deed


def _parallel(scene: Scene) -> None:
    scene.bench.deployment.label(join_parallel="2")
    try:
        scene.act()
        scene.bench.scale(5)
        scene.wait_whole(5)
    finally:
        scene.bench.deployment.unlabel("join.parallel")


def _restart(scene: Scene) -> None:
    before = {one.id for one in scene.bench.members()}
    scene.act()
    scene.bench.restart()

    def renewed() -> bool | NotYet:
        left = before & {one.id for one in scene.bench.members()}
        return (not left and scene.bench.whole(3)) or NotYet(f"not restarted yet: {len(left)}")

    wait_until(renewed, WITHIN, "every member restarted and whole", every=0.2, ignoring=(NotAnswered, CommandFailed))


def _move_writer(scene: Scene) -> None:
    """To each reader, and back."""
    bench, writer = scene.bench, scene.audit.busiest()
    readers = [one.slot for one in bench.members() if one.id != writer.id]
    scene.act()
    for slot in (*readers, writer.slot):
        bench.deployment.execute(bench.operator, "galera-operator", "writer", bench.database, "--to", str(slot), "--wait")
    scene.wait_whole(3)


def _killed(*, writer: bool) -> Callable[[Scene], None]:
    def deed(scene: Scene) -> None:
        victim = scene.victim(writer=writer)
        scene.act()
        scene.bench.kill(victim)
        gone = lambda: victim.id not in {one.id for one in scene.bench.members()}  # noqa: E731
        wait_until(gone, 20, "the killed member to end", every=0.05)
        scene.wait_whole(3)

    return deed


def _frozen(scene: Scene) -> None:
    victim = scene.victim(writer=True)
    scene.act()
    scene.bench.freeze(victim)
    try:
        _stay(FROZEN_SECONDS)
    finally:
        scene.bench.thaw(victim)
    scene.wait_whole(3)


SCENARIOS = (
    Scenario("1-3", "1 -> 3", 1, 3, _to(3)),
    Scenario("kill-writer", "kill -9 of the writer", 3, 3, _killed(writer=True), planned=False),
    Scenario("kill-reader", "kill -9 of a reader", 3, 3, _killed(writer=False), planned=False),
    Scenario("frozen", f"the writer frozen for {FROZEN_SECONDS:.0f} s", 3, 3, _frozen, planned=False),
    Scenario("restart", "rolling restart", 3, 3, _restart),
    Scenario("move-writer", "the writer moved three times", 3, 3, _move_writer, only_operator=True),
    Scenario("3-5-3", "3 -> 5 -> 3", 3, 3, _to(5, 3)),
    Scenario("3-5", "3 -> 5", 3, 5, _to(5), only_operator=True),
    Scenario("3-5-parallel", "3 -> 5, `galera.join.parallel=2`", 3, 5, _parallel, only_operator=True),
    Scenario("3-1", "3 -> 1", 3, 1, _to(1)),
)
"""In this order each one mostly starts from where the one before ended."""
