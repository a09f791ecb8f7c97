from __future__ import annotations

import json
from dataclasses import replace

import pytest
from builders import cluster, member, three_calm, unseen
from fakes import InlinePool, MemoryStore
from small_world import NAME, SmallWorld
from test_story import moment

from galera_operator.core.moment import Moment
from galera_operator.core.plan import Hold, Page
from galera_operator.core.strict_json import BadMessage
from galera_operator.core.verdict import decides_otherwise
from galera_operator.ports import Unreachable
from galera_operator.runtime import journal
from galera_operator.runtime.journal import Journal, NoJournal, Unreadable, read_cluster, read_file
from galera_operator.runtime.lease import Lease
from galera_operator.runtime.tick import ClusterTick, World


class Bench:
    """One operator that keeps a journal, before a small world."""

    def __init__(self, directory):
        self.directory = directory
        self.world, self.store, self.now = SmallWorld(), MemoryStore(), 0.0
        self.tick = self.another("first")

    def another(self, holder):
        ports = World(self.world, self.world, Journal(self.directory), InlinePool(), clock=lambda: self.now)
        return ClusterTick(NAME, Lease(self.store, NAME, holder, 15.0), ports)

    def turns(self, number):
        for _ in range(number):
            self.tick.turn(self.world.clusters()[0])
            self.world.step()
            self.now += 2.0

    def moments(self):
        return [moment for moment in read_cluster(self.directory, NAME) if isinstance(moment, Moment)]


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_there_is_a_line_for_each_turn_that_saw_decided_or_did_something_new(bench):
    bench.turns(12)
    lines = bench.moments()
    assert [type(line.plan).__name__ for line in lines] == ["Hold", "Act", "Act", "Act", "Hold"]
    assert [outcome.step for outcome in lines[1].outcomes] == ["grant slot 1 to bootstrap from an empty directory"]
    assert [line.epoch for line in lines] == [1, 2, 2, 2, 2]
    assert [line.tick for line in lines] == [1, 2, 3, 4, 5]
    assert {line.operator for line in lines} == {"first"}


def test_a_member_that_changes_its_phase_is_written_although_the_sentence_stays(tmp_path):
    book, same = Journal(tmp_path), Hold("as before")
    looks = [three_calm(), cluster(member(1), member(2), unseen(3)), cluster(member(1), member(2), unseen(3)), three_calm()]
    for second, seen in enumerate(looks):
        book.write(moment(second, same, seen))
    assert [line.tick for line in read_cluster(tmp_path, NAME)] == [0, 1, 3]


def test_a_turn_without_a_look_is_written_with_its_reason(bench):
    bench.turns(3)
    bench.store.fault = Unreachable("no manager")
    bench.now += 100
    bench.turns(2)
    last = bench.moments()[-1]
    assert (last.seen, last.memory, last.plan.name) == (None, None, "state-store")


def test_what_a_whole_incident_recorded_is_decided_again_alike(bench):
    bench.turns(12)
    bench.world.wish = 3
    bench.turns(30)
    bench.world.crash()
    bench.turns(30)
    bench.world.wish = 1
    bench.turns(30)
    moments = bench.moments()
    assert len(moments) > 20
    assert bench.world.harm == []
    assert [moment for moment in moments if decides_otherwise(moment)] == []


def test_a_decision_of_another_version_is_found(bench):
    bench.turns(12)
    moment = bench.moments()[-1]
    other = replace(moment, plan=Hold("something else"))
    assert decides_otherwise(other) == moment.plan


def test_a_full_file_is_put_aside_and_the_oldest_one_goes(bench, monkeypatch):
    monkeypatch.setattr(journal, "MAX_BYTES", 1)
    bench.turns(12)
    names = {file.name for file in bench.directory.iterdir()}
    assert names == {f"{NAME}.jsonl", *(f"{NAME}.jsonl.{age}" for age in (1, 2, 3))}
    assert [moment.tick for moment in bench.moments()] == [2, 3, 4, 5]


def test_a_line_that_was_cut_short_is_left_alone_and_the_next_one_begins_anew(bench):
    bench.turns(2)
    file = bench.directory / f"{NAME}.jsonl"
    file.write_bytes(file.read_bytes()[:-40])
    bench.tick = bench.another("second")
    bench.now += 100
    bench.turns(1)
    first, torn, second = list(read_file(file))
    assert isinstance(torn, Unreadable)
    assert torn.where == f"{NAME}.jsonl:2"
    assert "not JSON" in torn.fault
    assert (first.operator, second.operator) == ("first", "second")


def test_a_whole_line_that_this_version_does_not_understand_is_refused_by_its_place(bench):
    bench.turns(2)
    file = bench.directory / f"{NAME}.jsonl"
    lines = file.read_text().splitlines()
    raw = json.loads(lines[1])
    raw["seen"]["seats"][0]["task"]["colour"] = "red"
    file.write_text(f"{lines[0]}\n{json.dumps(raw)}\n")
    with pytest.raises(BadMessage, match=rf"{NAME}.jsonl:2: seen.seats\[0\].task: Task has no field 'colour'"):
        list(read_file(file))


def test_without_a_directory_nothing_is_written_and_reading_says_what_to_set():
    Journal(None).write(Moment.__new__(Moment))
    with pytest.raises(NoJournal, match="GALERA_OPERATOR_JOURNAL_DIR"):
        list(read_cluster(None, NAME))


def test_a_cluster_without_a_journal_is_refused_with_those_that_have_one(bench):
    bench.turns(1)
    with pytest.raises(NoJournal, match=f"has no journal of other_db; it has those of: {NAME}"):
        list(read_cluster(bench.directory, "other_db"))


def test_a_journal_that_cannot_be_written_is_told_and_stops_nothing(bench, said):
    (bench.directory / f"{NAME}.jsonl").mkdir()
    bench.turns(2)
    assert any("the journal could not be written" in line for line in said)
    assert [box.stage for box in bench.world.boxes.values()] != ["waiting"]


def test_a_page_in_the_journal_keeps_its_remedy(bench):
    bench.turns(12)
    bench.world.wish = 3
    bench.turns(30)
    bench.world.crash()
    bench.world.silent = {3}
    bench.turns(40)
    pages = [moment.plan for moment in bench.moments() if isinstance(moment.plan, Page)]
    assert pages
    assert all("galera-operator" in page.remedy for page in pages)
