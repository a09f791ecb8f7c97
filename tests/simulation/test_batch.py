"""Many histories of faults, and nothing that may never happen does."""

from __future__ import annotations

import os
from time import process_time

import pytest

from galera_operator.sim.campaign import run, shrink

NOT_HERE = {
    "not-galera",  # every task has an agent here; tests/unit and tests/e2e have the other kind
    "wrong-victim",  # Swarm keeps its own rule here, too; tests/unit has the Swarm that does not
    "newest-copy-missing",  # the ledger names the copy's node first: copy-missing; tests/unit has the rest
    "copy-ahead",  # seldom: somebody has to bootstrap an older copy by hand
    "diverged-histories",
    "foreign-history",
    "split-brain",
    "no-usable-copy",
    "record-damaged",  # the simulated store keeps what it was given; tests/unit damages a real one's labels
}
"""Pages that a batch of this size need not come to."""

HISTORIES = int(os.environ.get("SIM_HISTORIES", "10000"))
STEPS = 60
PER_SECOND = float(os.environ.get("SIM_PER_SECOND", "100"))


@pytest.fixture(scope="module")
def batch():
    begun = process_time()
    report = run(HISTORIES, seed=1, steps=STEPS)
    spent = process_time() - begun
    print(
        f"\n{report.histories} histories of {STEPS} actions in {spent:.0f} s of one core: {report.histories / spent:.0f} a second"
    )
    return report, spent


def test_no_invariant_breaks_in_any_history(batch):
    report, _ = batch
    if report.failures:
        short = shrink(report.failures[0])
        pytest.fail(f"{short.broken[0]}\n\n{short.script}")
    assert report.histories == HISTORIES
    assert report.actions >= HISTORIES * STEPS


def test_the_histories_are_worth_something(batch):
    """A simulator in which little happens finds nothing."""
    report, _ = batch
    missing = report.coverage.missing()
    assert missing["actions"] == []
    assert missing["steps"] == []
    assert missing["conditions"] == []
    assert set(missing["pages"]) <= NOT_HERE
    assert report.acknowledged > 100 * HISTORIES
    assert report.coverage.ends["whole"] > HISTORIES / 2


def test_it_is_quick_enough_to_be_run_often(batch):
    report, spent = batch
    assert report.histories / spent >= PER_SECOND
