"""Boards as ticks leave them: states of clusters for the metrics, the JSON and the status page to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from builders import A, cluster, joined_but_not_admitted, member, position, remembered, three_calm, unseen, waiting

from galera_operator.core.agent_api import Stage, Transfer
from galera_operator.core.memory import remember
from galera_operator.core.model import Seat, Snapshot
from galera_operator.core.moment import Moment, Outcome
from galera_operator.core.plan import Act, Hold, Plan
from galera_operator.core.remembered import Memory
from galera_operator.core.verdict import verdict
from galera_operator.runtime.board import Board

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RECEIVING = Transfer("joiner", "mariabackup", "receiving", 1_260_000_000, 2_000_000_000, 41e6, 0.4)
SENDING = Transfer("donor", "mariabackup", "sending", 1_260_000_000, 2_000_000_000, 41e6, 0.4)


def named(seen: Snapshot, name: str) -> Snapshot:
    return replace(seen, service=replace(seen.service, name=name))


def joining() -> Snapshot:
    """Two members, the third one in a state transfer from the second."""
    words = "receives the data of slot 2 by mariabackup"
    return cluster(
        member(1, sessions=23, in_flight=2, last_committed=48120, cluster_size=3),
        member(2, local_state=2, transfer=SENDING, sessions=4, last_committed=48118, queue=3, cluster_size=3, note="donor"),
        waiting(3, stage=Stage.JOINING, transfer=RECEIVING, note=words),
        wish=3,
    )


def copies_missing() -> Snapshot:
    """Nobody up, and the copy that was ahead is not seen: only a person can go on."""
    seats: Sequence[Seat] = (waiting(1, position(48120)), waiting(2, position(48118)), unseen(3, "no answer within 4 s"))
    return cluster(*seats, wish=3)


def post(board: Board, seen: Snapshot, memory: Memory | None = None, *, second: float = 0, plan: Plan | None = None) -> Moment:
    """One turn: what was seen is remembered and decided on as the tick does it; every step is done, but a second one refused."""
    known = remember(memory or remembered(A), seen)
    decided = plan or verdict(seen, known)
    steps = decided.steps if isinstance(decided, Act) else ()
    outcomes = tuple(Outcome(str(step), "another life" if at else "") for at, step in enumerate(steps))
    at = BEGIN + timedelta(seconds=second)
    moment = Moment(at, seen.service.name, "node1-1f2e", int(second) + 1, 4, seen, known, decided, outcomes, 0.02)
    board.hear(moment, {f"id-of-n{number}": f"n{number}" for number in range(1, 10)})
    return moment


def post_waiting(board: Board, name: str, second: float = 0) -> None:
    """One turn without a lease."""
    held = Hold("operator node2-77aa holds the lease (epoch 3); this one waits, and takes over after 15 s of its silence")
    board.hear(Moment(BEGIN + timedelta(seconds=second), name, "node1-1f2e", 1, 0, None, None, held), {})


def calm_board() -> Board:
    board = Board()
    post(board, named(three_calm(wish=3), "shop_db"))
    return board


def busy_board() -> Board:
    """One cluster that grows, one that needs a person, and one that serves."""
    board = Board()
    shop = [
        cluster(member(1, sessions=21), wish=3, replicas=1),
        cluster(member(1, sessions=21), joined_but_not_admitted(2), wish=3),
        cluster(member(1, sessions=22), member(2), wish=3, replicas=2),
        joining(),
    ]
    for second, seen in enumerate(shop):
        post(board, named(seen, "shop_db"), second=second * 3.0)
    ledger = remembered(A, ledger={1: 48120, 2: 48118, 3: 48203}, kept={"id-of-n4": 9120})
    for second, seen in enumerate((three_calm(wish=3), copies_missing())):
        post(board, named(seen, "wiki_db"), ledger, second=second * 4.0)
    post(board, named(three_calm(wish=3), "wordpress_dbcluster"))
    return board
