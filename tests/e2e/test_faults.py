"""Nothing that fails may cost data: each fault on a real Swarm, under load, with what must hold after it."""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from faults.by_hand import Hand, all_killed_until_whole
from faults.catalogue import FAULTS
from faults.cluster import Cluster
from faults.containers import send
from faults.scene import Fault, command_in, suffer
from faults.table import TABLE
from faults.transfers import empty

from galera_operator.core.moment import Moment
from galera_operator.core.story import Kind, events_of
from galera_operator.runtime.journal import read_file
from galera_operator.sandbox.api import Sandbox
from galera_operator.sandbox.waiting import NotInTime, NotYet, wait_until

pytestmark = pytest.mark.e2e

ROUNDS = 3
SLOWER_AT_MOST = 1.3
SOON = 30.0
"""A cluster that the last fault left whole is so at once; one that it broke is made anew."""


@pytest.fixture(scope="module")
def deployed(sandbox: Sandbox) -> Iterator[Cluster]:
    cluster = Cluster(sandbox)
    try:
        cluster.deploy()
        yield cluster
    finally:
        cluster.deployment.remove()


@pytest.fixture
def cluster(deployed: Cluster) -> Cluster:
    """Three healthy members, also after a test that failed."""
    try:
        deployed.wait_whole(SOON)
    except NotInTime:
        deployed.start_over()
    return deployed


SUFFERED: dict[str, tuple[datetime, datetime]] = {}
"""When each fault began and was over, for the journal's sake."""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_after_it_no_acknowledged_write_is_lost_and_all_members_are_back_and_alike(cluster: Cluster, fault: Fault) -> None:
    begun = datetime.now(UTC)
    outcome = suffer(cluster, fault, run=1 + FAULTS.index(fault))
    SUFFERED[fault.name] = begun, datetime.now(UTC)
    TABLE.rows.append(outcome.row)
    TABLE.remarks += [f"{fault.name}: {page}" for page in outcome.pages]
    TABLE.remarks += [f"{fault.name}: ran `{command}`" for command in outcome.obeyed]
    print(outcome.row, outcome.interrupted_at, outcome.load.stall, *outcome.load.failures[:10], sep="\n")
    assert not outcome.broken, "\n".join(outcome.broken)


def test_all_members_killed_at_once_are_back_about_as_fast_as_by_a_person_who_knows_the_answer(cluster: Cluster) -> None:
    alone, by_hand = [], []
    for _ in range(ROUNDS):  # in turns: whatever else slows this machine slows both
        alone.append(all_killed_until_whole(cluster, None))
        cluster.wait_whole(SOON)
        with cluster.without_operator():
            by_hand.append(all_killed_until_whole(cluster, Hand(cluster, seed=1)))
        cluster.wait_whole(SOON)
    figures = f"{_figures(alone)} by the operator, {_figures(by_hand)} by a person's own script that knows the newest member"
    TABLE.remarks.append(f"All members killed at once, without load, until all are Synced and admitted: {figures}.")
    assert statistics.median(alone) <= SLOWER_AT_MOST * statistics.median(by_hand), figures


def test_a_copy_lost_with_all_members_down_is_a_page_whose_command_brings_the_rest_back(cluster: Cluster) -> None:
    rows = "SELECT * FROM demo.writes ORDER BY run, worker, seq"
    before, lost, at = cluster.sql(1, rows), cluster.member(3), time.time()
    for member in cluster.containers.running(cluster.database):
        send(member.pids, signal.SIGKILL)
    empty(cluster, lost)

    def paged() -> str | NotYet:
        word = cluster.logs.last_word(cluster.operator)
        if word is None or not word.kind.startswith("PAGE") or word.at < at:
            return NotYet(word)
        return command_in(word) or NotYet(word)

    command = wait_until(paged, 120, "a page that names a command", every=0.2)
    # Swarm deals the slots anew when all are killed at once: the lost copy is that of whoever is on its node now.
    gone = next(one.slot for one in cluster.containers.running(cluster.database) if one.node == lost.node)
    seed = 2 if gone == 1 else 1
    assert command == f"galera-operator bootstrap {cluster.database} --from-slot {seed} --accept-loss-of {gone}"
    assert not any(status.wsrep for status in cluster.statuses().values() if status), "somebody serves without a person's word"
    cluster.deployment.execute(cluster.operator, *command.split(), "--yes")
    cluster.wait_whole(120)
    assert cluster.sql_everywhere(f"SET SESSION wsrep_sync_wait = 15; {rows}") == dict.fromkeys((1, 2, 3), before)


def journals(cluster: Cluster) -> list[Path]:
    """What operators have written, on every node that one of them lived on."""
    volumes = [cluster.containers.volume(node.index, "db_journal") for node in cluster.sandbox.nodes]
    return [file for volume in volumes for file in sorted(volume.glob(f"{cluster.database}.jsonl*"))]


def test_the_journal_tells_of_each_fault_and_every_decision_in_it_is_made_again(cluster: Cluster) -> None:
    """`why` and `history` are made of these moments; `replay` decides each of them anew."""
    files = journals(cluster)
    assert files
    command = [str(Path(sys.executable).with_name("galera-operator")), "replay", "--json"]
    for file in files:
        done = subprocess.run([*command, str(file)], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    moments = sorted(
        (moment for file in files for moment in read_file(file) if isinstance(moment, Moment)), key=lambda moment: moment.at
    )
    untold = []
    for name, (begun, ended) in SUFFERED.items():
        kinds = {event.kind for event in events_of(moments) if begun <= event.until and event.at <= ended}
        if not {Kind.SEEN, Kind.OPERATOR} & kinds and "proxy" not in name:
            untold.append(f"{name}: {sorted(kinds)}")
    assert untold == []
    print(f"{len(moments)} moments in {len(files)} journals, all decided alike")


def _figures(seconds: list[float]) -> str:
    rounds = ", ".join(f"{one:.1f}" for one in seconds)
    return f"{statistics.median(seconds):.1f} s (median of {rounds})"
