"""The verdict after a fault can say no: each broken promise is noticed, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from faults.probe import Attempt, Probe
from faults.verdict import Copy, judge

from galera_operator.core.position import ZERO_UUID
from galera_operator.demo.tally import Result, Stall

UUID = "6a1c8d5e-0000-11f1-8000-000000000001"
VIEW = {
    "wsrep_cluster_state_uuid": UUID,
    "wsrep_cluster_conf_id": "7",
    "wsrep_cluster_size": "3",
    "wsrep_cluster_status": "Primary",
    "wsrep_local_state_comment": "Synced",
    "wsrep_ready": "ON",
}
GOOD = Copy(rows={(1, 1), (1, 2), (2, 1)}, probes={1, 2}, sums={"demo.writes": "42"}, view=VIEW)
SEEN = Result(
    begun=0.0, seconds=1.0, transactions=4, acknowledged=3, failed=1, unconnected=0, reconnects=0, stall=Stall(),
    latency=(0.0, 0.0, 0.0, 0.0), written={1: [[1, 2]], 2: [[1, 1]]}, unclear={2: [[2, 2]]},
)  # fmt: skip


def verdict(**changed: Copy) -> list[str]:
    copies = {1: GOOD, 2: GOOD, 3: GOOD} | {int(name[-1]): copy for name, copy in changed.items()}
    return judge(copies, SEEN, {1, 2})


def test_three_equal_members_with_every_acknowledged_write_are_fine() -> None:
    assert verdict() == []


def test_a_write_whose_outcome_the_client_could_not_know_may_be_there() -> None:
    there = replace(GOOD, rows=GOOD.rows | {(2, 2)})
    assert verdict(slot1=there, slot2=there, slot3=there) == []


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (replace(GOOD, rows={(1, 1), (2, 1)}), "slot 2 lacks 1 acknowledged writes of the load: ((1, 2),)"),
        (replace(GOOD, rows=GOOD.rows | {(2, 9)}), "slot 2 has 1 writes whose clients were told that they failed"),
        (replace(GOOD, probes={1}), "slot 2 lacks 1 acknowledged writes of the probe"),
        (replace(GOOD, sums={"demo.writes": "41"}), "table demo.writes differs"),
        (replace(GOOD, sums={}), "table demo.writes differs"),
        (replace(GOOD, view=VIEW | {"wsrep_cluster_status": "non-Primary"}), "slot 2: wsrep_cluster_status is 'non-Primary'"),
        (replace(GOOD, view=VIEW | {"wsrep_cluster_conf_id": "8"}), "not one Primary component"),
        (replace(GOOD, view=VIEW | {"wsrep_cluster_state_uuid": UUID.replace("1", "2")}), "not one Primary component"),
    ],
    ids=["lost write", "stray write", "lost probe", "other rows", "no table", "non-Primary", "other view", "other history"],
)
def test_each_broken_promise_is_named(spoilt: Copy, words: str) -> None:
    (told,) = verdict(slot2=spoilt)
    assert words in told


def test_a_state_uuid_of_zeros_on_all_members_is_no_primary_component() -> None:
    zeros = replace(GOOD, view=VIEW | {"wsrep_cluster_state_uuid": ZERO_UUID})
    (told,) = verdict(slot1=zeros, slot2=zeros, slot3=zeros)
    assert "not one Primary component" in told


def test_a_member_that_is_away_is_noticed() -> None:
    assert judge({1: GOOD, 2: GOOD}, SEEN, set()) == ["members are in slots [1, 2]"]


def test_an_interruption_lasts_from_the_last_success_to_the_next() -> None:
    probe = Probe([], "", 1)
    ends = [10.0, 10.1, 10.2, 13.4, 13.5]
    probe._attempts = [Attempt(number, end - 0.05, end, "") for number, end in enumerate(ends)]
    probe._attempts.append(Attempt(9, 11.0, 12.0, "OperationalError: refused"))
    probe._over.set()
    (gap,) = probe.gaps(since=9.95)
    assert (gap.begun, gap.ended) == (10.2, 13.4)
