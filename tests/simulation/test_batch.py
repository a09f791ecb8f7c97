"""Many histories of faults, and nothing that may never happen does."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor

import pytest
from pace import slowness, work

from galera_operator.sim.campaign import Report, run, shrink

NOT_HERE = {
    "not-galera",  # every task has an agent here; tests/unit and tests/e2e have the other kind
    "wrong-victim",  # Swarm keeps its own rule here, too; tests/unit has the Swarm that does not
    "newest-copy-missing",  # the ledger names the copy's node first: copy-missing; tests/unit has the rest
    "copy-ahead",  # seldom: somebody has to bootstrap an older copy by hand
    "diverged-histories",
    "foreign-history",
    "split-brain",
    "no-usable-copy",
    "runbook-failed",  # nobody runs one here
    "record-damaged",  # the simulated store keeps what it was given; tests/unit damages a real one's labels
}
"""Pages that a batch of this size need not come to."""

PLANNED_WORK = {"SetWish", "Exclude", "UpdateService", "RunSql"}
"""Steps of runbooks, which nobody runs here: test_interrupted.py plays them, tests/e2e runs them."""

HISTORIES = int(os.environ.get("SIM_HISTORIES", "10000"))
STEPS = 60
PER_SECOND = float(os.environ.get("SIM_PER_SECOND", "100"))
PART = 50
"""Histories between two readings of how quick the core is."""

PACE: list[float] = []
"""How quick the cores were, read in between the parts by whoever ran them."""


def part_from(seed: int) -> tuple[Report, float]:
    """Some histories, and how quick the core was that ran them."""
    pace = work()
    return run(min(PART, HISTORIES + 1 - seed), seed, STEPS), pace


@pytest.fixture(scope="module")
def batch() -> Report:
    whole = Report()
    with ProcessPoolExecutor() as pool:
        for part, pace in pool.map(part_from, range(1, HISTORIES + 1, PART)):
            whole.add(part)
            PACE.append(pace)
    rate, slow = whole.histories / whole.seconds, slowness(PACE)
    print(
        f"\n{whole.histories} histories of {STEPS} actions in {whole.seconds:.0f} s of one core: {rate:.0f} a second, on a core "
        f"{slow:.2f} times slower than the reference"
    )
    return whole


def test_no_invariant_breaks_in_any_history(batch):
    if batch.failures:
        short = shrink(batch.failures[0])
        pytest.fail(f"{short.broken[0]}\n\n{short.script}")
    assert batch.histories == HISTORIES
    assert batch.actions >= HISTORIES * STEPS


def test_the_histories_are_worth_something(batch):
    """A simulator in which little happens finds nothing."""
    missing = batch.coverage.missing()
    assert missing["actions"] == []
    assert set(missing["steps"]) == PLANNED_WORK
    assert missing["conditions"] == []
    assert set(missing["pages"]) <= NOT_HERE
    assert batch.acknowledged > 100 * HISTORIES
    assert batch.coverage.ends["whole"] > HISTORIES / 2


def test_it_is_quick_enough_to_be_run_often(batch):
    assert batch.histories / batch.seconds * slowness(PACE) >= PER_SECOND
