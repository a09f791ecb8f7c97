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
    def __init__(self, *names, workers=None, calls=None):
        self.engine, self.clockwork, self.inbox = Engine(*names), Clockwork(), Letters()
        self.turns = {}
        self.now = 0.0
        self.pulse = Pulse(2.0, lambda: self.now)
        rounds, calls = workers or InlinePool(), calls or workers or InlinePool()
        self.loop = Loop(self.engine, self.engine, self._make, self.inbox, self.clockwork, rounds, calls, self.pulse)

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
    assert under_way.set_running_or_notify_cancel()
    bench.loop.look_once({reason})
    under_way.set_result(Hold("calm"))
    assert (bench.inbox.take(within=0) == {"a"}) == follows


class Line:
    """A pool whose threads are all busy: what is given to it waits."""

    def __init__(self):
        self.waiting = []

    def submit(self, function, *arguments):
        turn = Future()
        self.waiting.append((turn, lambda: function(*arguments)))
        return turn

    def go_on(self):
        """The first in the line gets a thread."""
        turn, begin = self.waiting.pop(0)
        if turn.set_running_or_notify_cancel():
            turn.set_result(begin())


def test_a_cluster_that_a_reason_names_does_not_wait_behind_the_others_and_its_place_in_the_line_is_given_up():
    line = Line()
    bench = Bench("a", "b", workers=line, calls=InlinePool())
    bench.loop.look_once()
    assert [bench.turns[name].taken for name in ("a", "b")] == [0, 0]
    bench.loop.look_once({"b"})
    assert [bench.turns[name].taken for name in ("a", "b")] == [0, 1]
    line.go_on()
    line.go_on()
    assert [bench.turns[name].taken for name in ("a", "b")] == [1, 1]
    assert bench.inbox.take(within=0) == frozenset()


def test_a_cluster_that_is_called_again_and_again_keeps_its_place_among_those_that_are_called():
    line = Line()
    bench = Bench("a", "b", calls=line)
    bench.loop.look_once()
    for called in ("a", "b", "a"):
        bench.loop.look_once({called})
    line.go_on()
    assert [bench.turns[name].taken for name in ("a", "b")] == [2, 1]
    assert bench.inbox.take(within=0) == {"a"}


def test_a_periodic_look_waits_for_the_one_before_and_then_comes_at_once():
    line = Line()
    bench = Bench("a", "b", workers=line)
    bench.loop.look_once({"periodic look"})
    line.go_on()
    bench.loop.look_once({"periodic look"})
    assert len(line.waiting) == 1
    assert bench.inbox.take(within=0) == frozenset()
    line.go_on()
    assert bench.inbox.take(within=0) == {"periodic look"}
    bench.loop.look_once({"periodic look"})
    assert len(line.waiting) == 2


def test_a_loop_whose_periodic_look_waits_is_alive():
    bench = Bench("a", workers=Line())
    bench.loop.look_once({"periodic look"})
    bench.now = TURN_LIMIT / 2
    bench.loop.look_once({"periodic look"})
    assert bench.pulse.fault() == ""


def test_what_else_happened_is_looked_at_also_while_the_periodic_look_waits():
    line = Line()
    bench = Bench("a", "b", workers=line)
    bench.loop.look_once()
    line.go_on()
    bench.loop.look_once({"periodic look", "a new service"})
    assert len(line.waiting) == 2
    line.go_on()
    assert bench.inbox.take(within=0) == {"b"}


def test_a_turn_in_the_line_that_is_given_up_for_a_call_lets_the_next_periodic_look_come():
    bench = Bench("a", workers=Line(), calls=InlinePool())
    bench.loop.look_once({"periodic look"})
    bench.loop.look_once({"periodic look"})
    bench.loop.look_once({"a"})
    assert bench.inbox.take(within=0) == {"periodic look"}


def test_turns_that_have_not_begun_do_not_hold_up_the_end():
    line = Line()
    bench = Bench("a", workers=line)
    bench.engine.closed.set()
    bench.loop.look_once()
    bench.loop.stop()
    bench.loop.run()
    assert (bench.turns["a"].taken, bench.turns["a"].stopped) == (0, 1)


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
