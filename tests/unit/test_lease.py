from __future__ import annotations

import pytest
from builders import A, remembered
from fakes import MemoryStore

from galera_operator.core.remembered import Memory
from galera_operator.ports import Record, Unreachable
from galera_operator.runtime.lease import Lease, LeaseElsewhere

TTL = 15.0


@pytest.fixture
def store():
    return MemoryStore()


def lease(store, holder="first"):
    return Lease(store, "shop_db", holder, TTL)


def test_the_first_operator_gets_the_lease_with_epoch_1_and_remembers_nothing(store):
    mine = lease(store)
    assert mine.hold(now=0.0) == Memory()
    assert mine.epoch == 1
    assert store.records["shop_db"].holder == "first"


def test_a_second_operator_waits_and_says_for_whom_and_how_long(store):
    lease(store).hold(now=0.0)
    second = lease(store, "second")
    with pytest.raises(LeaseElsewhere, match=r"operator first holds the lease \(epoch 1\); this one waits"):
        second.hold(now=100.0)
    with pytest.raises(LeaseElsewhere, match="takes over after 15 s of its silence"):
        second.hold(now=114.0)
    assert second.epoch == 0


def test_a_second_operator_takes_over_after_the_silence_with_the_next_epoch_and_the_same_memory(store):
    first, second = lease(store), lease(store, "second")
    first.hold(now=0.0)
    first.remember(remembered(ledger={1: 5}), now=1.0)
    with pytest.raises(LeaseElsewhere):
        second.hold(now=1000.0)
    assert second.hold(now=1000.0 + TTL) == remembered(ledger={1: 5})
    assert second.epoch == 2


def test_each_beat_of_the_holder_starts_the_silence_anew(store):
    first, second = lease(store), lease(store, "second")
    for now in range(0, 60, 10):
        first.hold(now=now)
        with pytest.raises(LeaseElsewhere, match="this one waits"):
            second.hold(now=now)


def test_the_holder_beats_every_third_of_the_time_limit_and_not_more_often(store):
    mine = lease(store)
    for now in range(16):
        mine.hold(now=now)
    assert store.saves == 1 + 3  # made at 0, then at 5, 10 and 15


def test_an_operator_that_was_frozen_finds_out_before_it_is_told_anything(store):
    first, second = lease(store), lease(store, "second")
    first.hold(now=0.0)
    with pytest.raises(LeaseElsewhere):
        second.hold(now=1.0)
    second.hold(now=1.0 + TTL)
    with pytest.raises(LeaseElsewhere, match="written by somebody else"):
        first.hold(now=2.0 + TTL)
    with pytest.raises(LeaseElsewhere, match="operator second holds the lease"):
        first.hold(now=3.0 + TTL)


def test_nothing_can_be_remembered_on_a_lease_that_is_gone(store):
    first, second = lease(store), lease(store, "second")
    first.hold(now=0.0)
    with pytest.raises(LeaseElsewhere):
        second.hold(now=1.0)
    second.hold(now=1.0 + TTL)
    with pytest.raises(LeaseElsewhere):
        first.remember(remembered(), now=2.0)
    assert store.records["shop_db"].memory == Memory()


def test_a_release_hands_over_at_once(store):
    first, second = lease(store), lease(store, "second")
    first.hold(now=0.0)
    first.release()
    second.hold(now=0.1)
    assert second.epoch == 2


def test_releasing_what_is_not_held_or_is_gone_does_no_harm(store):
    first, second = lease(store), lease(store, "second")
    first.release()
    first.hold(now=0.0)
    with pytest.raises(LeaseElsewhere):
        second.hold(now=0.0)
    second.hold(now=TTL)
    first.release()
    assert store.records["shop_db"].holder == "second"


def test_of_two_operators_that_start_at_once_one_gets_the_lease(store):
    store.create("shop_db", Record(0, "somebody", 1, Memory()))
    with pytest.raises(LeaseElsewhere):
        lease(store).hold(now=0.0)


def test_what_changed_in_kind_is_written_at_once(store):
    mine = lease(store)
    mine.hold(now=0.0)
    mine.remember(remembered(), now=0.1)
    assert store.records["shop_db"].memory.uuid == A


def test_a_ledger_that_merely_grew_is_written_with_the_next_beat(store):
    mine = lease(store)
    mine.hold(now=0.0)
    mine.remember(remembered(ledger={1: 5}), now=0.1)
    mine.remember(remembered(ledger={1: 6}), now=0.2)
    assert store.records["shop_db"].memory.ledger[1].seqno == 5
    assert mine.hold(now=0.3).ledger[1].seqno == 6
    mine.hold(now=6.0)
    assert store.records["shop_db"].memory.ledger[1].seqno == 6


def test_the_epoch_stays_with_each_beat(store):
    mine = lease(store)
    for now in (0.0, 10.0, 20.0):
        mine.hold(now=now)
    assert mine.epoch == store.records["shop_db"].epoch == 1


def test_while_the_store_does_not_answer_the_lease_does_not_hold_beyond_a_beat(store):
    mine = lease(store)
    mine.hold(now=0.0)
    store.fault = Unreachable("no manager")
    mine.hold(now=4.9)
    with pytest.raises(Unreachable):
        mine.hold(now=5.0)


def test_an_operator_whose_write_arrived_and_whose_answer_was_lost_does_not_wait_for_itself(store):
    mine = lease(store)
    mine.hold(now=0.0)
    store.lost = True
    with pytest.raises(Unreachable):
        mine.hold(now=5.0)
    with pytest.raises(LeaseElsewhere):
        mine.hold(now=5.5)
    mine.hold(now=6.0)
    assert mine.epoch == 1


def test_each_advance_stores_the_memory_under_the_next_epoch_at_once(store):
    mine = lease(store)
    mine.hold(now=0.0)
    mine.advance(remembered(), now=0.1)
    mine.advance(remembered(ledger={1: 5}), now=0.2)
    assert mine.epoch == store.records["shop_db"].epoch == 3
    assert store.records["shop_db"].memory == remembered(ledger={1: 5})


def test_an_operator_goes_beyond_what_members_have_obeyed_and_stores_that_first(store):
    mine = lease(store)
    mine.hold(now=0.0)
    mine.remember(remembered(), now=0.0)
    mine.outbid(7, now=0.0)
    assert (mine.epoch, store.records["shop_db"].epoch) == (8, 8)
    assert store.records["shop_db"].memory == remembered()


@pytest.mark.parametrize("obeyed", [0, 1])
def test_an_epoch_that_members_obey_already_stays(store, obeyed):
    mine = lease(store)
    mine.hold(now=0.0)
    saves = store.saves
    mine.outbid(obeyed, now=0.0)
    assert (mine.epoch, store.saves) == (1, saves)


def test_an_operator_that_lost_the_lease_does_not_outbid_the_one_that_has_it(store):
    first, second = lease(store), lease(store, "second")
    first.hold(now=0.0)
    with pytest.raises(LeaseElsewhere):
        second.hold(now=0.0)
    second.hold(now=TTL)
    with pytest.raises(LeaseElsewhere):
        first.outbid(2, now=1.0)
    assert store.records["shop_db"].holder == "second"


def test_an_advance_is_a_beat(store):
    mine = lease(store)
    mine.hold(now=0.0)
    mine.advance(Memory(), now=4.0)
    saves = store.saves
    mine.hold(now=8.9)
    assert store.saves == saves
    mine.hold(now=9.0)
    assert store.saves == saves + 1


def test_an_operator_that_lost_the_lease_does_not_advance(store):
    first, second = lease(store), lease(store, "second")
    first.hold(now=0.0)
    with pytest.raises(LeaseElsewhere):
        second.hold(now=1.0)
    second.hold(now=1.0 + TTL)
    with pytest.raises(LeaseElsewhere, match="written by somebody else"):
        first.advance(Memory(), now=2.0)
    assert store.records["shop_db"].epoch == second.epoch == 2


def test_an_advance_whose_answer_was_lost_is_not_advanced_from(store):
    mine = lease(store)
    mine.hold(now=0.0)
    store.lost = True
    with pytest.raises(Unreachable):
        mine.advance(Memory(), now=1.0)
    assert mine.epoch == 1
    with pytest.raises(LeaseElsewhere):
        mine.advance(Memory(), now=1.5)
    mine.hold(now=2.0)
    assert mine.epoch == 2
