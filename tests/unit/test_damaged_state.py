"""The label that holds a cluster's state, damaged in every way: refused by name, paged, never trusted, never written over."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from builders import A, B, decided, position, remembered
from fakes import InlinePool
from small_world import NAME, SmallWorld
from test_swarm_store import FakeConfigs, label_of

from galera_operator.adapters.swarm_store import LABEL, SwarmStore
from galera_operator.core.plan import Page
from galera_operator.core.remembered import Fork, Memory, Shrink
from galera_operator.ports import Damaged, Record, Refused
from galera_operator.runtime.journal import Journal
from galera_operator.runtime.lease import Lease
from galera_operator.runtime.tick import ClusterTick, World

FULL = remembered(
    ledger={1: 100, 2: 99},
    shrink=Shrink(2, 3, "task3"),
    kept={"node": 7},
    consent=decided(1, position(5), 2, 3),
    fork=Fork(position(9, B), (4,)),
    given_up={3: B},
)
"""Everything that can be remembered at once, so that every key is there."""

Path = tuple[str | int, ...]


@pytest.fixture
def api() -> FakeConfigs:
    return FakeConfigs()


@pytest.fixture
def store(api: FakeConfigs) -> SwarmStore:
    made = SwarmStore(api)
    made.create(NAME, Record(0, "first", 3, FULL))
    return made


def refused(store: SwarmStore, api: FakeConfigs, text: str) -> str:
    """Load this text and return the refusal; empty where it was trusted."""
    label_of(api)[LABEL] = text
    try:
        store.load(NAME)
    except Refused as error:
        told = str(error)
    else:
        return ""
    assert f"(config galera-operator.{NAME}, label {LABEL}) is damaged: " in told
    return told


def parts(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every part of a JSON value with the way to it."""
    yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from parts(part, (*path, key))


def changed(whole: Any, path: Path, value: Any) -> str:
    """The whole as JSON, with another value there."""
    if not path:
        return json.dumps(value)
    made = copy.deepcopy(whole)
    part = made
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return json.dumps(made)


def test_cut_at_any_byte_it_is_refused(store: SwarmStore, api: FakeConfigs) -> None:
    text = label_of(api)[LABEL]
    trusted = [text[:length] for length in range(len(text)) if not refused(store, api, text[:length])]
    assert trusted == []
    assert not refused(store, api, text), "the whole is good"


WRONG: dict[type, list[Any]] = {
    int: [None, True, False, 1.0, 1.5, 1e308, -2, "1", "", "x", [], [1], {}, {"a": 1}],
    str: [None, True, 1, 1.0, [], ["x"], {}],
    list: [None, True, 1, "12", "", {}, ["1"], [1.0], [True], [None], [0], [-1], [[1]]],
    dict: [True, 1, 1.0, "x", "", "{}", [], [1]],
}
"""For each kind of value, what is none of it, or a number that none here can be."""


def test_any_value_of_another_kind_is_refused_and_named(store: SwarmStore, api: FakeConfigs) -> None:
    whole = json.loads(label_of(api)[LABEL])
    tried = 0
    for path, old in parts(whole):
        for new in WRONG[type(old)]:
            told = refused(store, api, changed(whole, path, new))
            assert told, (path, new)
            assert ".".join(map(str, path)) in told, (path, new, told)
            tried += 1
    assert tried > 250


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("uuid",), "banana"),
        (("uuid",), A.upper()),
        (("uuid",), f"{A}\n"),
        (("given_up", "3"), "banana"),
        (("consent", "history"), ""),
        (("consent", "slot"), 0),
        (("shrink", "to"), 0),
        (("shrink", "slot"), -1),
        (("epoch",), -1),
        (("beat",), -1),
        (("ledger", "1", "seqno"), 2**63),
        (("kept", "node"), 2**70),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_refused_and_named(store: SwarmStore, api: FakeConfigs, path: Path, value: object) -> None:
    whole = json.loads(label_of(api)[LABEL])
    assert ".".join(map(str, path)) in refused(store, api, changed(whole, path, value))


SHAPES: dict[Path, set[str]] = {
    (): {"schema_version", "holder", "epoch", "beat", "uuid", "ledger", "shrink"},
    ("ledger", "1"): {"node_id", "seqno"},
    ("shrink",): {"to", "slot", "task_id"},
    ("consent",): {"slot", "position", "accepted", "history", "by", "at"},
    ("fork",): {"origin", "accepted"},
}
"""What has to be there, in each part that has names of its own."""


@pytest.mark.parametrize("path", SHAPES, ids=lambda path: ".".join(path) or "the whole")
def test_a_key_too_many_or_too_few_is_refused_and_named(store: SwarmStore, api: FakeConfigs, path: Path) -> None:
    whole = json.loads(label_of(api)[LABEL])
    part = whole
    for key in path:
        part = part[key]
    assert ".".join([*map(str, path), "force"]) in refused(store, api, changed(whole, path, part | {"force": True}))
    for lacking in SHAPES[path]:
        less = {key: value for key, value in part.items() if key != lacking}
        assert f"{'.'.join([*map(str, path), lacking])}: Field required" in refused(store, api, changed(whole, path, less))


@pytest.mark.parametrize("slot", ["-1", "0", "", "x", "one", "1.5", "٣x"])
def test_a_slot_that_is_none_is_refused(store: SwarmStore, api: FakeConfigs, slot: str) -> None:
    whole = json.loads(label_of(api)[LABEL])
    for part in ("ledger", "given_up"):
        (some, *_) = whole[part].values()
        assert part in refused(store, api, changed(whole, (part,), {slot: some}))


TEXTS = {
    "empty": "",
    "blanks": " \n",
    "null": "null",
    "a list": "[]",
    "a number": "1",
    "a string of JSON": json.dumps("{}"),
    "an empty object": "{}",
    "lists 100,000 deep": "[" * 100_000,
    "objects 100,000 deep": '{"a":' * 100_000,
    "a megabyte of x": "x" * (1 << 20),
    "zero bytes": "\0" * 500,
    "a byte order mark": "\ufeff{}",
    "YAML": "schema_version: 1\nholder: first\n",
    "a comment": "// {}",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_what_is_no_state_is_refused(store: SwarmStore, api: FakeConfigs, text: str) -> None:
    assert len(refused(store, api, text)) < 1000


def test_twice_and_with_something_behind_it_is_refused(store: SwarmStore, api: FakeConfigs) -> None:
    text = label_of(api)[LABEL]
    for more in (text, "x", ",", "}", "\0"):
        assert refused(store, api, text + more)


@pytest.mark.parametrize("version", [0, 2, 10, -1, 1.0, "1", True, None])
def test_another_versions_state_is_not_half_understood(store: SwarmStore, api: FakeConfigs, version: object) -> None:
    whole = json.loads(label_of(api)[LABEL])
    assert "schema_version" in refused(store, api, changed(whole, ("schema_version",), version))


# What the operator does about it --------------------------------------------------------------------------------------


class Bench:
    """One operator that keeps its state in a config, before a small world that serves."""

    def __init__(self) -> None:
        self.world, self.api, self.now = SmallWorld(), FakeConfigs(), 0.0
        self.sent: list[object] = []
        self.tick = self.operator("first")
        while not self.world.served:
            self.turn()
        send = self.world.send
        self.world.send = lambda address, token, command: (self.sent.append(command), send(address, token, command))  # type: ignore[method-assign,func-returns-value,assignment]

    def operator(self, holder: str) -> ClusterTick:
        ports = World(self.world, self.world, Journal(None), InlinePool(), clock=lambda: self.now)
        return ClusterTick(NAME, Lease(SwarmStore(self.api), NAME, holder, 15.0), ports)

    def turn(self) -> object:
        plan = self.tick.turn(self.world.clusters()[0])
        self.world.step()
        self.now += 2.0
        return plan

    def somebody_writes(self, text: str) -> None:
        (config,) = self.api.configs.values()
        config["Version"]["Index"] += 1
        config["Spec"]["Labels"][LABEL] = text


DAMAGE = {"half of it": 0.5, "nothing": 0.0, "all but the last byte": 0.999}


@pytest.mark.parametrize("kept", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("who", ["the one that holds the lease", "a new one"])
def test_the_operator_pages_and_leaves_the_damage_as_it_is(kept: float, who: str) -> None:
    bench = Bench()
    whole = label_of(bench.api)[LABEL]
    damaged = whole[: int(len(whole) * kept)]
    bench.somebody_writes(damaged)
    if who == "a new one":
        bench.tick = bench.operator("second")
        assert isinstance(bench.turn(), Page)
    else:
        while not isinstance(bench.turn(), Page):  # it goes by what it knows itself, until it writes the next time
            assert bench.now < 60
    bench.sent.clear()
    bench.world.wish = 3  # there would be something to do
    for _ in range(20):
        page = bench.turn()
        assert isinstance(page, Page)
        assert page.name == "record-damaged"
        assert f"galera-operator record {NAME} --renew" in page.remedy
        assert f"config galera-operator.{NAME}, label {LABEL}) is damaged" in page.why
    assert label_of(bench.api)[LABEL] == damaged
    assert (bench.world.replicas, bench.sent) == (1, []), "nothing is commanded on the strength of it"

    bench.somebody_writes(whole)  # the person has put it right
    for _ in range(60):
        bench.turn()
    assert bench.world.replicas == 3
    assert bench.world.harm == []


def test_after_the_record_was_made_anew_the_operator_goes_on_and_every_member_obeys_it() -> None:
    bench = Bench()
    bench.world.wish = 3
    for _ in range(60):
        bench.turn()
    assert bench.world.replicas == 3
    bench.somebody_writes("{")
    while not isinstance(bench.turn(), Page):
        assert bench.now < 300
    store = SwarmStore(bench.api)
    with pytest.raises(Damaged) as damage:
        store.load(NAME)
    epoch = max(box.epoch for box in bench.world.boxes.values())
    store.renew(NAME, Record(damage.value.version, "", epoch, Memory()), damage.value.text)
    bench.world.wish = 1
    for _ in range(120):
        bench.turn()
    assert bench.world.replicas == 1
    assert bench.world.harm == []


def test_after_a_person_removed_the_record_the_members_obey_the_operator_all_the_same() -> None:
    bench = Bench()
    for number in range(3):  # each takes the lease over with the next epoch
        bench.tick.stop()
        bench.tick = bench.operator(f"operator {number}")
        bench.turn()
    bench.world.wish = 3
    for _ in range(60):
        bench.turn()
    assert bench.world.replicas == 3
    bench.api.configs.clear()
    bench.world.wish = 1  # both have obeyed a higher epoch than the first one of a new record
    for _ in range(120):
        bench.turn()
    assert bench.world.replicas == 1
    assert bench.world.harm == []
