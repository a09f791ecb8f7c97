"""``galera-operator record``: what is shown of a record, and how a damaged one is made anew."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module

import pytest
from builders import A, B, cluster, decided, member, position, remembered, unseen, waiting
from test_swarm_store import FakeConfigs, label_of
from typer.testing import CliRunner

from galera_operator.adapters.swarm_store import DAMAGED, LABEL, SwarmStore
from galera_operator.core.decide import decide
from galera_operator.core.doubt import record_damaged
from galera_operator.core.memory import remember
from galera_operator.core.remembered import DamagedRecord, Fork, Memory, Restart, Shrink, WriterMove
from galera_operator.core.renewal import renewed
from galera_operator.core.report import View
from galera_operator.ports import Conflict, Damaged, Record

main = import_module("galera_operator.cli.main")
looking = import_module("galera_operator.cli.looking")

NAME = "shop_db"
BROKEN = '{"uuid": "[/bold] half of'


@dataclass
class Eyes:
    """A lookout that sees one cluster, always the same, and its record in a config."""

    seen: object
    api: FakeConfigs
    store: SwarmStore

    def view(self, service: str) -> View:
        try:
            record = self.store.load(NAME)
        except Damaged as damage:
            return View(
                self.seen,
                record_damaged(NAME, str(damage)),
                "",
                {},
                remember(Memory(), self.seen),
                DamagedRecord(str(damage), damage.version, damage.text),
            )
        return View(self.seen, decide(self.seen, record.memory), record.holder, {}, record.memory)


def eyes(*seats, memory: Memory | None = None, broken: str | None = BROKEN) -> Eyes:
    api = FakeConfigs()
    store = SwarmStore(api)
    store.create(NAME, Record(0, "first", 3, memory or remembered()))
    if broken is not None:
        label_of(api)[LABEL] = broken
    return Eyes(cluster(*seats), api, store)


@pytest.fixture
def run(monkeypatch):
    def on(lookout: Eyes, *arguments: str, answer: str = ""):
        @contextmanager
        def open_lookout():
            yield lookout

        monkeypatch.setattr(looking, "open_lookout", open_lookout)
        return CliRunner().invoke(main.app, ["record", NAME, *arguments], input=answer)

    return on


def test_everything_that_is_recorded_is_shown(run):
    memory = remembered(
        ledger={1: 100, 2: 99},
        shrink=Shrink(2, 3, "task3"),
        kept={"n7": 7},
        consent=decided(1, position(5), 2),
        fork=Fork(position(9, B), (4,)),
        given_up={3: B},
        move=WriterMove(2, "life1", "bob@desk", "2026-01-02"),
        restart=Restart({1: "life1", 2: "life2"}, "eve@desk", "2026-01-03"),
        rebound={3: "task3"},
    )
    done = run(eyes(member(1), memory=memory, broken=None))
    assert done.exit_code == 0
    for part in (A, "seqno 100", "seqno 99", "slot 3 leaves", "node n7", "ann@desk", f"left {B} at seqno 9", f"{B} in slot 3"):
        assert part in done.output
    for part in ("bob@desk on 2026-01-02: slot 2", "eve@desk on 2026-01-03: a restart of slot 1, 2", "slot 3 was restarted"):
        assert part in done.output
    told = json.loads(run(eyes(member(1), memory=memory, broken=None), "--json").stdout)
    assert (told["state_uuid"], told["damage"], told["copies"][1]["seqno"]) == (A, None, 99)
    assert (told["consent"]["by"], told["fork"]["origin"], told["given_up"]) == (
        "ann@desk",
        f"{B}:9",
        [{"slot": 3, "state_uuid": B}],
    )
    assert (told["writer_wished"]["slot"], told["restart"]["by"], told["restarted_for_dns"]) == (2, "eve@desk", [3])


def test_a_program_is_told_of_a_damaged_record_and_may_not_renew_it(run):
    lookout = eyes(member(1))
    told = json.loads(run(lookout, "--json").stdout)
    assert "is damaged" in told["damage"]
    assert (told["state_uuid"], told["copies"]) == (None, [])
    assert run(lookout, "--renew", "--yes", "--json").exit_code == 2
    assert label_of(lookout.api)[LABEL] == BROKEN


def test_of_a_damaged_record_the_fault_and_the_text_are_shown(run):
    lookout = eyes(member(1))
    done = run(lookout)
    assert done.exit_code == 0
    assert "is damaged" in done.output
    assert BROKEN in done.output
    assert label_of(lookout.api)[LABEL] == BROKEN


@pytest.mark.parametrize("answer", ["y\n", None], ids=["a yes", "--yes"])
def test_after_a_yes_the_record_is_made_anew_without_a_holder_and_the_damaged_text_stays(run, answer):
    lookout = eyes(member(1, epoch=7), member(2, epoch=9))
    done = run(lookout, "--renew", *([] if answer else ["--yes"]), answer=answer or "")
    assert done.exit_code == 0
    made = lookout.store.load(NAME)
    assert (made.holder, made.epoch, made.memory) == ("", 9, renewed(lookout.seen))
    assert label_of(lookout.api)[DAMAGED] == BROKEN
    assert BROKEN in done.output, "it is shown before it is written over"
    assert A in done.output


@pytest.mark.parametrize("answer", ["n\n", "\n"], ids=["a no", "no answer"])
def test_without_a_yes_nothing_is_written(run, answer):
    lookout = eyes(member(1))
    assert run(lookout, "--renew", answer=answer).exit_code == 2
    assert label_of(lookout.api) == {LABEL: BROKEN}


def test_a_record_that_can_be_read_is_not_made_anew(run):
    lookout = eyes(member(1), broken=None)
    before = dict(label_of(lookout.api))
    assert run(lookout, "--renew", "--yes").exit_code == 2
    assert label_of(lookout.api) == before


@pytest.mark.parametrize(
    ("seats", "losses"),
    [
        ((member(1), unseen(2)), ["--accept-loss-of", "2"]),
        ((waiting(1, position(90)), waiting(2, position(80))), ["--accept-loss-elsewhere"]),
    ],
    ids=["not seen", "nobody serves"],
)
def test_what_may_be_lost_has_to_be_named_and_is_told(run, seats, losses):
    lookout = eyes(*seats)
    refused = run(lookout, "--renew", "--yes")
    assert refused.exit_code == 2
    assert f"galera-operator record {NAME} --renew {' '.join(losses)}" in refused.output
    assert label_of(lookout.api) == {LABEL: BROKEN}
    done = run(lookout, "--renew", *losses, "--yes")
    assert done.exit_code == 0
    assert "may be lost" in done.output
    assert lookout.store.load(NAME).memory.uuid == A


def test_what_somebody_else_wrote_meanwhile_is_not_written_over(run, monkeypatch):
    lookout = eyes(member(1))
    renew = SwarmStore.renew

    def late(self, cluster, record, damaged):
        (config,) = lookout.api.configs.values()
        config["Version"]["Index"] += 1
        return renew(self, cluster, record, damaged)

    monkeypatch.setattr(SwarmStore, "renew", late)
    done = run(lookout, "--renew", "--yes")
    assert done.exit_code == 1
    assert not isinstance(done.exception, Conflict)
    assert label_of(lookout.api) == {LABEL: BROKEN}
