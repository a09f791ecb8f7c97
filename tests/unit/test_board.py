from __future__ import annotations

import pytest
from builders import cluster, joined_but_not_admitted, member, three_calm, unseen
from fakes import InlinePool, MemoryStore
from shown import BEGIN, busy_board, calm_board, post, post_waiting
from small_world import NAME, SmallWorld

from galera_operator.core.plan import Hold, Page
from galera_operator.core.report import as_json
from galera_operator.ports import Unreachable
from galera_operator.runtime.board import BUCKETS, EVENTS, Board
from galera_operator.runtime.journal import Journal
from galera_operator.runtime.lease import Lease
from galera_operator.runtime.tick import ClusterTick, World


def only(board):
    (posted,) = board.posted()
    return posted


def test_clusters_are_posted_by_name_and_the_last_turn_counts():
    board = busy_board()
    assert [one.moment.cluster for one in board.posted()] == ["shop_db", "wiki_db", "wordpress_dbcluster"]
    assert len(board.posted()[0].view.seen.seats) == 3


def test_what_left_is_shown_by_the_names_of_its_nodes():
    assert busy_board().posted()[1].view.kept == {"n4": 9120}


def test_the_real_ticks_post_themselves_and_a_cluster_that_is_given_up_goes():
    board, world, store = Board(), SmallWorld(), MemoryStore()
    tick = ClusterTick(NAME, Lease(store, NAME, "first", 15.0), World(world, world, Journal(None), InlinePool(), audience=board))
    for _ in range(12):
        tick.turn(world.clusters()[0])
        world.step()
    assert as_json(only(board).view)["plan"]["why"] == "as wished: the only member is Synced and admitted"
    assert only(board).tally.turns == 12
    tick.stop()
    assert board.posted() == ()


def test_a_turn_without_a_look_keeps_what_was_seen_last_and_says_that_nobody_here_acts():
    board = calm_board()
    post_waiting(board, "shop_db", 9)
    one = only(board)
    assert not one.leads
    assert one.view.operator == ""
    assert "holds the lease" in one.view.plan.why
    assert len(one.view.seen.seats) == 3


def test_a_cluster_that_was_never_looked_at_has_no_view():
    board = Board()
    post_waiting(board, "shop_db")
    assert only(board).view is None


def test_a_page_of_the_state_store_is_a_turn_without_a_look():
    board, world, store = Board(), SmallWorld(), MemoryStore()
    store.fault = Unreachable("no manager")
    tick = ClusterTick(NAME, Lease(store, NAME, "first", 15.0), World(world, world, Journal(None), InlinePool(), audience=board))
    tick.turn(world.clusters()[0])
    assert isinstance(only(board).moment.plan, Page)


def test_events_are_kept_with_the_newest_last_and_only_so_many():
    board = Board()
    for second in range(EVENTS):
        post(board, three_calm() if second % 2 else cluster(member(1), member(2), unseen(3)), second=second)
    events = only(board).events
    assert len(events) == EVENTS
    assert events[-1].at > events[0].at > BEGIN


def test_a_sentence_that_only_counts_on_stays_one_event():
    board = calm_board()
    before = len(only(board).events)
    for second in range(5):
        post(board, three_calm(wish=3), second=second + 1, plan=Hold(f"slot 3 (n3) is draining: {9 - second} sessions"))
    events = only(board).events
    assert len(events) == before + 1
    assert (events[-1].text, events[-1].times) == ("slot 3 (n3) is draining: 5 sessions", 5)


def test_turns_decisions_steps_and_looks_are_counted():
    board = Board()
    post(board, three_calm())
    post(board, cluster(member(1), joined_but_not_admitted(2)), second=1)
    post(board, three_calm(), second=2, plan=Page("split-brain", "two", "decide"))
    tally = only(board).tally
    assert tally.turns == 3
    assert tally.decisions == {("hold", ""): 1, ("act", ""): 1, ("page", "split-brain"): 1}
    assert tally.steps == {("AdmitMember", "done"): 1}
    assert dict(zip(BUCKETS, tally.looks, strict=False)) == dict.fromkeys(BUCKETS, 0) | {0.025: 3}
    assert tally.look_seconds == pytest.approx(0.06)


def test_whoever_listens_is_told_of_everything_posted():
    board, heard = calm_board(), []
    board.listen(lambda: heard.append(board.version))
    post(board, three_calm(), second=1)
    board.forget("shop_db")
    assert heard == [2, 3]
