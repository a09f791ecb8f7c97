from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from fakes import InlinePool

from galera_operator.core.model import Service
from galera_operator.core.plan import LATER, Hold
from galera_operator.core.spec import Wish
from galera_operator.ports import Cluster, Refused, Unreachable
from galera_operator.runtime.inbox import Inbox
from galera_operator.runtime.loop import Loop
from galera_operator.runtime.pulse import TURN_LIMIT, Pulse
from galera_operator.runtime.schedule import Schedule

DEADLINE = 10.0


class Engine:
    """Lists the clusters that the test names; its event stream wakes once and then ends with the loop."""

    def __init__(self, *names):
        self.names = list(names)
        self.fault = None
        self.streams = 0
        self.closed = threading.Event()

    def clusters(self, only=()):
        if self.fault:
            raise self.fault
        wanted = [name for name in self.names if not only or name in only]
        return [Cluster(Service(f"id-of-{name}", name, 1, 1), Wish(), (), "") for name in wanted]

    def watch(self, wake, stop):
        self.streams += 1
        wake("a")
        self.closed.wait(DEADLINE)


class Turns:
    """One cluster's turns; `fault` makes them fail, `busy` makes them wait."""

    def __init__(self):
        self.taken = 0
        self.stopped = 0
        self.fault = None
        self.busy = None
        self.happened = threading.Event()

    def turn(self, cluster):
        self.taken += 1
        self.happened.set()
        if self.busy:
            self.busy.wait(DEADLINE)
        if self.fault:
            raise self.fault
        return Hold("calm", 1.25)

    def stop(self):
        self.stopped += 1


class Clockwork:
    """Takes down what the loop asks for."""

    def __init__(self):
        self.running = False
        self.every = 2.0

    def start(self):
        self.running = True

    def stop(self):
        self.running = False


class Letters(Inbox):
    """An inbox that keeps what it was asked for."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def put_later(self, reason, seconds):
        self.asked.append((reason, seconds))
        super().put_later(reason, seconds)


class Bench:
    def __init__(self, *names, workers=None):
        self.engine, self.clockwork, self.inbox = Engine(*names), Clockwork(), Letters()
        self.turns = {}
        self.now = 0.0
        self.pulse = Pulse(2.0, lambda: self.now)
        parts = self.engine, self.engine, self._make, self.inbox, self.clockwork, workers or InlinePool(), self.pulse
        self.loop = Loop(*parts)

    def _make(self, name):
        self.turns[name] = Turns()
        return self.turns[name]


def test_each_cluster_gets_a_turn_and_a_recheck_when_its_plan_says():
    bench = Bench("a", "b")
    bench.loop.look_once()
    assert [bench.turns[name].taken for name in ("a", "b")] == [1, 1]
    assert bench.inbox.asked == [("a", 1.25), ("b", 1.25)]


def test_a_recheck_that_the_periodic_look_comes_before_is_not_asked_for():
    bench = Bench("a")
    bench.clockwork.every = 1.25
    bench.loop.look_once()
    assert bench.inbox.asked == []


def test_only_the_clusters_that_the_reasons_name_are_looked_at():
    bench = Bench("a", "b", "c")
    bench.loop.look_once()
    bench.loop.look_once({"a", "c"})
    assert [bench.turns[name].taken for name in ("a", "b", "c")] == [2, 1, 2]
    assert [bench.turns[name].stopped for name in ("a", "b", "c")] == [0, 0, 0]


@pytest.mark.parametrize("reasons", [{"a", "periodic look"}, {"event"}, {"a", "a new service"}])
def test_a_reason_that_names_no_known_cluster_is_one_to_look_at_all(reasons):
    bench = Bench("a", "b")
    bench.loop.look_once()
    bench.loop.look_once(reasons)
    assert [bench.turns[name].taken for name in ("a", "b")] == [2, 2]


def test_a_cluster_keeps_its_turns_from_look_to_look():
    bench = Bench("a")
    bench.loop.look_once()
    bench.loop.look_once()
    assert bench.turns["a"].taken == 2


def test_a_turn_that_fails_is_told_as_a_bug_and_the_cluster_is_looked_at_again(said):
    bench = Bench("a", "b")
    bench.clockwork.every = 5.0
    bench.loop.look_once()
    bench.turns["a"].fault = RuntimeError("unforeseen")
    bench.loop.look_once()
    assert any("a: a turn failed; this is a bug" in line for line in said)
    assert ("a", LATER) in bench.inbox.asked
    assert bench.turns["b"].taken == 2


@pytest.mark.parametrize("fault", [Unreachable("no engine"), Refused("not a manager")])
def test_while_the_swarm_cannot_be_read_nothing_is_done_and_it_is_told_once(fault, said):
    bench = Bench("a")
    bench.loop.look_once()
    bench.engine.fault = fault
    bench.loop.look_once()
    bench.loop.look_once()
    assert bench.turns["a"].taken == 1
    assert bench.turns["a"].stopped == 0
    assert sum("cannot be read" in line for line in said) == 1
    bench.engine.fault = None
    bench.loop.look_once()
    assert bench.turns["a"].taken == 2
    assert any("can be read again" in line for line in said)


def test_a_loop_that_comes_round_is_alive_also_while_the_swarm_cannot_be_read():
    bench = Bench("a")
    bench.engine.fault = Unreachable("no engine")
    bench.now = 1000.0
    assert "has not come round for 1000 s; expected within 20 s" in bench.pulse.fault()
    bench.loop.look_once()
    assert bench.pulse.fault() == ""
    assert bench.pulse.swarm_fault == "no engine"
    bench.engine.fault = None
    bench.loop.look_once()
    assert bench.pulse.swarm_fault == ""


def test_a_failed_turn_is_counted_and_is_over():
    bench = Bench("a")
    bench.loop.look_once()
    bench.turns["a"].fault = RuntimeError("unforeseen")
    bench.loop.look_once()
    bench.turns["a"].fault = None
    bench.now = TURN_LIMIT + 1
    bench.loop.look_once()
    assert (bench.pulse.failed_turns, bench.pulse.fault()) == (1, "")


def test_a_turn_that_does_not_end_makes_the_loop_count_as_hung():
    with ThreadPoolExecutor(2) as workers:
        bench = Bench("a", workers=workers)
        bench.loop.look_once()
        assert bench.turns["a"].happened.wait(DEADLINE)
        bench.loop._turns["a"].result(DEADLINE)
        bench.turns["a"].busy = threading.Event()
        bench.loop.look_once()
        bench.now = TURN_LIMIT + 1
        bench.loop.look_once()
        try:
            assert bench.pulse.fault() == "the turn of a has been under way for 181 s; expected at most 180 s"
        finally:
            bench.turns["a"].busy.set()


def test_a_cluster_that_is_gone_gives_its_lease_back_and_comes_back_as_a_new_one():
    bench = Bench("a")
    bench.loop.look_once()
    old = bench.turns["a"]
    bench.engine.names = []
    bench.loop.look_once()
    assert old.stopped == 1
    bench.engine.names = ["a"]
    bench.loop.look_once()
    assert bench.turns["a"] is not old


def test_a_slow_cluster_keeps_only_itself_waiting():
    with ThreadPoolExecutor(4) as workers:
        bench = Bench("slow", "quick", workers=workers)
        busy = threading.Event()
        make = bench._make

        def make_slow(name):
            turns = make(name)
            turns.busy = busy if name == "slow" else None
            return turns

        bench.loop._make = make_slow
        bench.loop.look_once()
        bench.loop._turns["quick"].result(DEADLINE)
        bench.loop.look_once()
        bench.loop._turns["quick"].result(DEADLINE)
        taken = {name: turns.taken for name, turns in bench.turns.items()}
        busy.set()
    assert taken == {"slow": 1, "quick": 2}


@pytest.mark.parametrize(("reason", "follows"), [("periodic look", False), ("event", True), ("a", True)])
def test_what_happens_during_a_turn_is_looked_at_right_after_it(reason, follows):
    bench = Bench("a")
    bench.loop.look_once()
    bench.inbox.take(within=0)
    bench.loop._turns["a"] = under_way = Future()
    bench.loop.look_once({reason})
    under_way.set_result(Hold("calm"))
    assert (bench.inbox.take(within=0) == {"a"}) == follows


def test_a_cluster_that_is_gone_is_not_stopped_in_the_middle_of_its_turn():
    bench = Bench("a")
    bench.loop.look_once()
    bench.loop._turns["a"] = Future()
    bench.engine.names = []
    bench.loop.look_once()
    assert bench.turns["a"].stopped == 0


def test_the_loop_runs_until_it_is_stopped_and_then_gives_every_lease_back():
    bench = Bench("a")
    running = threading.Thread(target=bench.loop.run)
    running.start()
    try:
        deadline = threading.Event()
        while "a" not in bench.turns and not deadline.wait(0.01):
            assert running.is_alive()
        assert bench.turns["a"].happened.wait(DEADLINE)
        assert bench.clockwork.running
        assert bench.engine.streams == 1
    finally:
        bench.engine.closed.set()
        bench.loop.stop()
        running.join(DEADLINE)
    assert not running.is_alive()
    assert not bench.clockwork.running
    assert bench.turns["a"].stopped == 1


def test_the_clockwork_wakes_the_loop_periodically():
    inbox = Inbox()
    schedule = Schedule(inbox, every=0.05)
    schedule.start()
    try:
        assert inbox.take(within=DEADLINE) == {"periodic look"}
        assert inbox.take(within=DEADLINE) == {"periodic look"}
    finally:
        schedule.stop()
