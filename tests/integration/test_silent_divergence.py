"""What a crash of all members at once does to the data: without the recovered position, and with it.

FACTS-GALERA, first section. The first test is the reason why the agent recovers the position, always passes it on, and keeps
`pc.recovery` off; the second one shows that with it the same crash costs nothing.
"""

from __future__ import annotations

import http.client
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from galera_processes import Cluster, Member, wait_for
from operator_turns import Operator
from plain_mariadbd import AgentBeside, PlainMariadbd
from writes import TABLE, Writes, checksums, rows

from galera_operator.core.agent_api import Admission, Stage
from galera_operator.core.plan import Page, Plan
from galera_operator.core.position import ZERO_UUID
from galera_operator.core.serving import Terms

pytestmark = pytest.mark.integration

SLOTS = (1, 2, 3)
WITHOUT_RECOVERY_ROUNDS = 6
"""FACTS: 5 of 6 rounds diverged. Six that all agree would happen once in 46,000 times."""
WITH_RECOVERY_ROUNDS = 3
ROWS = 600
"""Per round, before the kill: write-sets are in flight on every member by then."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.destroy()


def differing(members: Sequence[Member]) -> set[int]:
    """The rows that are on some members and not on all."""
    held = [rows(member) for member in members]
    return held[0].union(*held) - held[0].intersection(*held)


class ByHand:
    """Three members with the accounts that an agent makes, none of them under an agent any more."""

    def __init__(self, cluster: Cluster) -> None:
        self.members = [cluster.member(slot) for slot in SLOTS]
        self.servers: list[PlainMariadbd] = []
        one = cluster.bootstrap()
        one.sigterm()
        assert one.wait_exit() == 143
        owner = one.data.stat()
        for joiner in self.members[1:]:
            for name in ("data", "run"):
                (joiner.home / name).mkdir()
                os.chown(joiner.home / name, owner.st_uid, owner.st_gid)

    def form(self) -> None:
        """The first one starts a component, the others get its data."""
        for size, member in enumerate(self.members, 1):
            self.servers.append(PlainMariadbd(member, self.members[:size] if size > 1 else ()))
            self.servers[-1].wait_synced(size)

    def kill(self) -> None:
        """Kill -9 of all at once."""
        for server in self.servers:
            server.kill()
        for server in self.servers:
            server.wait_end()

    def start_again(self) -> None:
        """All of them, as they are: `pc.recovery` brings the component back."""
        self.servers = [PlainMariadbd(member, self.members) for member in self.members]
        for server in self.servers:
            server.wait_synced(len(self.members))


@pytest.fixture
def by_hand(cluster: Cluster) -> Iterator[ByHand]:
    made = ByHand(cluster)
    yield made
    made.kill()


def test_without_the_recovered_position_members_that_say_synced_hold_different_rows(by_hand: ByHand) -> None:
    members = by_hand.members
    by_hand.form()
    differ: set[int] = set()
    for round_ in range(1, WITHOUT_RECOVERY_ROUNDS + 1):
        with Writes(members, clients=3, round_=round_) as load:
            load.wait_for(ROWS)
            by_hand.kill()
        by_hand.start_again()
        differ = differing(members)
        print(f"crash {round_}: {len(differ)} rows are not on every member")
        if differ:
            break
    assert differ, f"{WITHOUT_RECOVERY_ROUNDS} crashes, and every member had every row each time"
    assert len({tuple(checksums(member)) for member in members}) > 1
    for server in by_hand.servers:
        says = server.wait_synced(len(SLOTS), 5)
        assert says.state_uuid == ZERO_UUID, "and nothing else gives it away"

    agents = [AgentBeside(member) for member in members]
    with agents[0], agents[1], agents[2], Operator(members) as operator:
        for member, agent in zip(members, agents, strict=True):
            status, body = member.admit()
            assert (status, "the state UUID is zeros" in body) == (http.client.CONFLICT, True)
            assert not agent.state.admit_self(), "nor by itself, with the operator away"
            with agent.state.changed:
                agent.state.let_in(
                    Admission.OPERATOR, Terms(5.0, allow_donor=False, causal_reads=False)
                )  # as if it had been admitted all the same
            assert (member.code("/ready"), member.code("/writer")) == (503, 503)
            assert member.haproxy(b"read\n") == member.haproxy(b"write\n") == "down#the state UUID is zeros\n"
            assert member.status().writer == "", "neither it nor another one is taken for the writer"
        page = operator.turn()
        assert isinstance(page, Page), page
        assert page.name == "state-uuid-zeros"
        assert "Synced with a state UUID of zeros" in page.why


def start_together(members: Sequence[Member]) -> None:
    for member in members:
        member.launch()
    for member in members:
        wait_for(f"{member.name} answers", member.answers, 30)


def calm(members: Sequence[Member]) -> bool:
    """Every member is Synced, admitted and in one component with all the others."""
    return all(member.code("/ready") == http.client.OK and len(member_names(member)) == len(members) for member in members)


def member_names(member: Member) -> tuple[str, ...]:
    wsrep = member.status().wsrep
    return wsrep.members if wsrep else ()


def test_with_the_recovered_position_every_member_has_every_acknowledged_row_after_each_crash(cluster: Cluster) -> None:
    members = [cluster.member(slot) for slot in SLOTS]
    start_together(members)
    acknowledged: set[int] = set()
    with Operator(members) as operator:

        def all_back(plan: Plan) -> bool:
            assert not isinstance(plan, Page), plan
            return calm(members)

        operator.turns_until("the cluster is made", all_back, 60)
        state = members[0].status().wsrep
        assert state is not None
        for round_ in range(1, WITH_RECOVERY_ROUNDS + 1):
            with Writes(members, clients=3, round_=round_) as load:
                load.wait_for(ROWS)
                for process in [member.mariadbd() for member in members]:
                    os.kill(process, signal.SIGKILL)
                assert [member.wait_exit() for member in members] == [128 + signal.SIGKILL] * 3
            acknowledged |= load.numbers
            start_together(members)
            operator.turns_until(f"all are back after crash {round_}", all_back, 60)

            for member in members:
                assert "recovered position" in member.log
                command = Path(f"/proc/{member.mariadbd()}/cmdline").read_text().split("\0")
                assert any(word.startswith(f"--wsrep-start-position={state.state_uuid}:") for word in command)
                now = member.wait_stage(Stage.RUNNING).wsrep
                assert now is not None
                assert now.state_uuid == state.state_uuid
            assert differing(members) == set()
            assert acknowledged - rows(members[0]) == set(), "acknowledged and lost"
            assert len({tuple(checksums(member)) for member in members}) == 1
    members[0].query(f"DELETE FROM {TABLE}")
    for member in members:
        assert member.query(f"SET STATEMENT wsrep_sync_wait=1 FOR SELECT COUNT(*) FROM {TABLE}") == [(0,)]
