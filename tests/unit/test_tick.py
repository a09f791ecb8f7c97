from __future__ import annotations

from dataclasses import replace

import pytest
from builders import decided, position
from fakes import InlinePool, MemoryStore
from small_world import NAME, SmallWorld

from galera_operator.core.agent_api import Grant
from galera_operator.core.model import Listed
from galera_operator.core.plan import Act, Hold, Page
from galera_operator.core.remembered import Memory
from galera_operator.ports import Conflict, Record, Refused, Unreachable
from galera_operator.runtime.journal import Journal
from galera_operator.runtime.lease import Lease
from galera_operator.runtime.tick import ClusterTick, World


class Bench:
    """One operator before a small world; `now` is the only clock."""

    def __init__(self, directory=None):
        self.world, self.store, self.now = SmallWorld(), MemoryStore(), 0.0
        self.tick = self.another("first", directory)

    def another(self, holder, directory=None):
        ports = World(self.world, self.world, Journal(directory), InlinePool(), clock=lambda: self.now)
        return ClusterTick(NAME, Lease(self.store, NAME, holder, 15.0), ports)

    def turn(self, tick=None):
        return (tick or self.tick).turn(self.world.clusters()[0])

    def turns(self, number):
        plan = None
        for _ in range(number):
            plan = self.turn()
            self.world.step()
            self.now += 2.0
        return plan


@pytest.fixture
def bench():
    return Bench()


def test_a_turn_holds_the_lease_looks_decides_and_acts(bench):
    bench.turns(1)
    plan = bench.turn()
    assert isinstance(plan, Act)
    assert bench.store.records[NAME].holder == "first"
    assert [box.stage for box in bench.world.boxes.values()] == ["bootstrapping"]


def test_the_commands_carry_the_epoch_of_the_lease(bench):
    bench.store.create(NAME, Record(0, "", 41, Memory()))
    bench.turns(4)
    epoch = bench.store.records[NAME].epoch
    assert epoch > 41
    assert next(iter(bench.world.boxes.values())).epoch == epoch


def test_a_plan_that_forms_a_primary_component_gets_an_epoch_of_its_own_before_it_is_sent(bench):
    bench.turns(1)
    before, sent = bench.store.records[NAME].epoch, []
    bench.world.send = lambda address, token, command: sent.append((command.epoch, bench.store.records[NAME].epoch))
    bench.turn()
    bench.turn()
    assert sent == [(before + 1, before + 1), (before + 2, before + 2)]


def test_no_other_plan_changes_the_epoch(bench):
    bench.turns(3)
    epoch = bench.store.records[NAME].epoch
    bench.world.wish = 2
    bench.turns(10)
    assert len(bench.world.members()) == 2
    assert bench.store.records[NAME].epoch == epoch


def test_a_bootstrap_is_not_sent_when_its_epoch_could_not_be_stored(bench):
    bench.turns(1)
    bench.store.lost = True
    bench.world.send = lambda *_: pytest.fail("sent without its epoch")
    assert isinstance(bench.turn(), Page)


def test_an_operator_that_lost_the_lease_finds_out_before_it_sends_a_bootstrap(bench):
    bench.turns(1)
    stored = bench.store.records[NAME]
    bench.store.save(NAME, Record(stored.version, "second", stored.epoch + 1, stored.memory))
    bench.world.send = lambda *_: pytest.fail("sent without the lease")
    plan = bench.turn()
    assert isinstance(plan, Hold)
    assert "written by somebody else" in plan.why


def test_a_decision_that_a_person_recorded_meanwhile_is_not_written_over(bench):
    bench.turns(1)
    bench.store.edit(NAME, lambda memory: replace(memory, consent=decided(1, position(5))))
    bench.turn()
    bench.turn()
    assert bench.store.records[NAME].memory.consent == decided(1, position(5))


def test_without_the_lease_nothing_is_asked_and_nothing_is_done(bench):
    bench.turn()
    second = bench.another("second")
    plan = bench.turn(second)
    assert isinstance(plan, Hold)
    assert "operator first holds the lease" in plan.why
    bench.world.step()
    assert isinstance(bench.turn(second), Hold)
    assert [box.stage for box in bench.world.boxes.values()] == ["waiting"]


@pytest.mark.parametrize("fault", [Refused("the state of shop_db is damaged"), Unreachable("no manager"), Conflict("again")])
def test_a_state_store_that_cannot_be_trusted_or_reached_pages_and_nothing_is_done(bench, fault):
    bench.world.step()
    bench.store.fault = fault
    plan = bench.turn()
    assert isinstance(plan, Page)
    assert plan.name == "state-store"
    assert str(fault) in plan.why
    assert [box.stage for box in bench.world.boxes.values()] == ["waiting"]


def test_what_is_intended_is_stored_before_it_is_done(bench):
    bench.turns(12)
    bench.world.wish = 2
    bench.turns(12)
    bench.world.wish = 1
    stored = []
    bench.world.resize = lambda *_: stored.append(bench.store.records[NAME].memory.shrink)
    bench.turns(8)
    assert stored
    assert (stored[0].to, stored[0].slot) == (1, 2)


def test_a_lease_lost_between_look_and_act_stops_the_act(bench):
    bench.turns(12)
    bench.world.wish = 2
    bench.turns(12)
    bench.world.wish = 1
    bench.turns(1)
    bench.world.resize = lambda *_: pytest.fail("acted without the lease")
    ask = bench.world.ask

    def another_takes_over_meanwhile(address, token):
        stored = bench.store.records[NAME]
        bench.store.save(NAME, Record(stored.version, "second", stored.epoch + 1, stored.memory))
        return ask(address, token)

    bench.world.ask = another_takes_over_meanwhile
    plan = bench.turn()
    assert isinstance(plan, Hold)
    assert "written by somebody else" in plan.why


def test_a_step_that_is_refused_is_told_and_tried_again_from_a_new_look(bench, said):
    bench.turns(1)
    sent = []

    def refuse(address, token, command):
        sent.append(command)
        raise Refused("another life")

    bench.world.send = refuse
    bench.turn()
    bench.turn()
    assert [type(command) for command in sent] == [Grant, Grant]
    assert any("not done: grant slot 1 to bootstrap" in line and "another life" in line for line in said)


def test_the_same_decision_is_told_once(bench, said):
    bench.turns(12)
    said.clear()
    bench.turns(3)
    assert said == []


def test_a_member_that_dns_has_not_listed_for_a_while_is_restarted_once(bench):
    class Names:
        hidden = ()

        def tasks(self, service):
            return Listed(tuple(box.address for box in bench.world.boxes.values() if box.slot not in self.hidden))

    names = Names()
    ports = World(bench.world, bench.world, Journal(None), InlinePool(), clock=lambda: bench.now, names=names)
    bench.tick = ClusterTick(NAME, Lease(bench.store, NAME, "first", 15.0), ports)
    bench.world.wish = 2
    bench.turns(15)
    assert [box.serves for box in bench.world.boxes.values()] == [True, True]
    names.hidden, before = (2,), [box.id for box in bench.world.boxes.values()]
    bench.turns(40)
    after = [box.id for box in bench.world.boxes.values()]
    assert (after[0], after[1] != before[1]) == (before[0], True)
    assert bench.turn().name == "binding-lost"
    assert [box.id for box in bench.world.boxes.values()] == after
    names.hidden = ()
    bench.turns(2)
    assert bench.turn().why.startswith("as wished")
    assert len(bench.world.harm) == 1, "it was stopped once while it served, for a reason that this world does not know"


def test_a_grace_period_that_is_too_short_is_told_once(bench, said):
    bench.world.stop_grace = 10.0
    bench.turns(12)
    warnings = [line for line in said if "stop_grace_period" in line]
    assert len(warnings) == 1
    bench.world.stop_grace = 120.0
    bench.turns(2)
    bench.world.stop_grace = 10.0
    bench.turns(2)
    assert len([line for line in said if "stop_grace_period" in line]) == 2


def test_each_kind_of_plan_is_told_at_its_level(bench, said):
    bench.turns(2)
    bench.store.fault = Unreachable("no manager")
    bench.now += 100
    bench.turn()
    assert any(line.startswith("INFO shop_db: hold: no member is up, and slot 1 (n1) is starting") for line in said)
    assert any(line.startswith("INFO shop_db: act: nothing is recorded") for line in said)
    assert any(line.startswith("ERROR shop_db: PAGE state-store: ") for line in said)


def test_no_line_of_the_log_or_the_journal_has_the_token(bench, said, tmp_path):
    bench.tick = bench.another("first", tmp_path)
    bench.turns(12)
    assert "token" not in "\n".join(said)
    assert '"token"' not in (tmp_path / "shop_db.jsonl").read_text()


def test_stopping_gives_the_lease_back(bench):
    bench.turn()
    bench.tick.stop()
    assert bench.store.records[NAME].holder == ""


def test_stopping_while_the_store_is_away_is_told_and_does_no_harm(bench, said):
    bench.turn()
    bench.store.fault = Unreachable("no manager")
    bench.tick.stop()
    assert any("could not be given back" in line for line in said)
