"""Hypothesis chooses what happens; the same alphabet, the invariants after every action, a good end or a page at last."""

from __future__ import annotations

from collections import deque

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from galera_operator.sim.actions import Action, Script, action
from galera_operator.sim.history import History, Over

SLOTS = st.integers(1, 4)
NODES = st.sampled_from(["n1", "n2", "n3", "n4"])
PLACES = st.sampled_from(["n1", "n2", "n3", "n4", "m1"])
NAMES = st.sampled_from(["A", "B"])
CALLS = st.integers(1, 14)
PAUSES = st.sampled_from([0.3, 0.5, 1.0, 2.0, 4.0])


def of(kind: str, *values: st.SearchStrategy) -> st.SearchStrategy[Action]:
    return st.tuples(*values).map(lambda drawn: action(kind, *drawn))


SIZES = of("wish", st.integers(1, 4)) | of("scale", st.integers(0, 4)) | of("deploy", st.just(1)) | of("rollout")
DEATHS = (
    of("kill", SLOTS) | of("kill-database", SLOTS) | of("kill-all") | of("kill-writer") | of("stop", SLOTS) | of("stop-all")
    | of("kill-joiner") | of("kill-donor") | of("lose-node", NODES)
)  # fmt: skip
STILLNESS = (
    of("freeze", SLOTS)
    | of("freeze-database", SLOTS)
    | of("freeze-all")
    | of("slow", SLOTS)
    | of("desync", SLOTS)
    | of("stick")
    | of("unbind", SLOTS)
)
NETWORK = of("part", NODES) | of("part", st.just("n1, n2")) | of("part-members", NODES) | of("one-way", NODES, PLACES)
DISKS = of("empty", NODES) | of("corrupt", NODES) | of("loose", NODES) | of("big")
OPERATORS = (
    of("die", NAMES, st.sampled_from(["before", "after"]), CALLS) | of("lose-answers", NAMES, st.integers(1, 3))
    | of("hold", st.integers(1, 3), NAMES) | of("deliver") | of("start-operator", st.just("B")) | of("stop-operator", NAMES)
    | of("start-operator", st.just("A")) | of("jump-operator", NAMES, st.sampled_from([20.0, 3600.0])) | of("engine-away")
    | of("jump-member", SLOTS, st.sampled_from([5.0, 40.0]))
)  # fmt: skip
REPAIRS = (
    of("heal") | of("thaw-all") | of("thaw", SLOTS) | of("boot-node", NODES) | of("engine-back") | of("quick", SLOTS)
    | of("resync", SLOTS) | of("unstick") | of("let-in")
)  # fmt: skip
PLANNED = (
    of("restart") | of("restart-anyway") | of("cancel-restart") | of("move-writer", SLOTS) | of("any-writer") | of("one-writer")
)
PEOPLE = of("person") | of("pause") | of("unpause") | of("lock-out", SLOTS)
ANYTHING = SIZES | DEATHS | STILLNESS | NETWORK | DISKS | OPERATORS | REPAIRS | PEOPLE | of("pass", PAUSES)


class Cluster(RuleBasedStateMachine):
    """One history. `feed` lets actions happen; an operator that freezes among them stands still until the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.history: History | None = None
        self.coming: deque[Action] = deque()

    @initialize(size=st.integers(0, 3), spare=st.integers(0, 1), wish=st.integers(1, 3), obliging=st.booleans())
    def begin(self, size: int, spare: int, wish: int, obliging: bool) -> None:
        nodes = max(size, wish) + spare
        script = Script(1, size, nodes, wish, (), obliging)
        self.history = History(script, lambda _: self.coming.popleft() if self.coming else None)

    def feed(self, *actions: Action) -> None:
        assert self.history is not None
        self.coming.extend(actions)
        try:
            while self.coming:
                self.history.act(self.coming.popleft())
        except Over:
            self.coming.clear()

    @rule(seconds=PAUSES)
    def time_passes(self, seconds: float) -> None:
        self.feed(action("pass", seconds))

    @rule(one=SIZES, seconds=PAUSES)
    def a_user_changes_the_size(self, one: Action, seconds: float) -> None:
        self.feed(one, action("pass", seconds))

    @rule(one=DEATHS, seconds=PAUSES)
    def something_dies(self, one: Action, seconds: float) -> None:
        self.feed(one, action("pass", seconds))

    @rule(one=STILLNESS | NETWORK, seconds=PAUSES)
    def something_is_cut_off(self, one: Action, seconds: float) -> None:
        self.feed(one, action("pass", seconds))

    @rule(one=DISKS)
    def a_disk_suffers(self, one: Action) -> None:
        self.feed(one)

    @rule(one=OPERATORS, seconds=PAUSES)
    def an_operator_suffers(self, one: Action, seconds: float) -> None:
        self.feed(one, action("pass", seconds))

    @rule(name=NAMES, at=CALLS, meanwhile=st.lists(ANYTHING, max_size=6))
    def an_operator_freezes_in_the_middle_of_its_turn(self, name: str, at: int, meanwhile: list[Action]) -> None:
        self.feed(action("freeze-operator", name, at), action("pass", 2.0), *meanwhile, action("thaw-operator", name))

    @rule(one=REPAIRS, seconds=PAUSES)
    def something_is_repaired(self, one: Action, seconds: float) -> None:
        self.feed(one, action("pass", seconds))

    @rule(one=PLANNED, seconds=PAUSES)
    def a_person_asks_for_planned_work(self, one: Action, seconds: float) -> None:
        self.feed(one, action("pass", seconds))

    @rule(one=PEOPLE)
    def a_person_does_something(self, one: Action) -> None:
        self.feed(one)

    @invariant()
    def nothing_is_broken(self) -> None:
        if self.history is not None:
            assert self.history.world.truth.broken == [], self._told()

    def teardown(self) -> None:
        if self.history is None or self.history.world.truth.broken:
            return
        try:
            self.history.rest()
        except Over:
            pass
        assert self.history.world.truth.broken == [], self._told()

    def _told(self) -> str:
        assert self.history is not None
        script = Script(
            1, self.history.script.size, self.history.script.nodes, self.history.script.wish, tuple(self.history.done)
        )
        return "\n".join([*self.history.world.truth.broken, "", str(script)])


TestCluster = Cluster.TestCase
