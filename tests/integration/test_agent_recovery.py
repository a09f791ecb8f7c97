"""Three members and what can befall them at once: a lost majority, a frozen one, two that leave together, all killed."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from galera_processes import DATABASE, Cluster, Member, wait_for
from recovery_steps import fence, in_step, insert, kill, table, values, view_is, writer

from galera_operator.core.agent_api import FormPrimary, Stage
from galera_operator.core.position import Directory, Position

pytestmark = pytest.mark.integration


@dataclass
class Trio:
    """Three members in service, for tests that leave them so: making them anew takes longer than most of these tests."""

    cluster: Cluster
    epoch: int = 1

    @property
    def members(self) -> tuple[Member, Member, Member]:
        return self.cluster.member(1), self.cluster.member(2), self.cluster.member(3)

    def rise(self) -> None:
        for slot, member in enumerate(self.members, start=1):
            if slot == 1:
                self.cluster.bootstrap()
                table(member)
            else:
                self.cluster.join(slot)

    def is_whole(self) -> bool:
        return all(m.agent is not None and m.exit_code is None and m.status().stage is Stage.RUNNING for m in self.members)


@pytest.fixture(scope="module")
def kept() -> Iterator[list[Trio]]:
    trios: list[Trio] = []
    yield trios
    for trio in trios:
        trio.cluster.destroy()


@pytest.fixture
def trio(kept: list[Trio]) -> Trio:
    """The three of the test before, their table emptied; new ones where that test left them otherwise."""
    if not kept or not kept[-1].is_whole():
        for old in kept:
            old.cluster.destroy()
        kept[:] = [Trio(Cluster())]
        kept[0].rise()
    made = kept[0]
    made.epoch += 10
    for member in made.members:
        assert member.admit(epoch=made.epoch)[0] == http.client.OK
    in_step(*made.members)
    writer(*made.members).query(f"DELETE FROM {DATABASE}.t")
    in_step(*made.members)
    return made


def test_the_last_of_three_forms_the_primary_component_again(trio: Trio) -> None:
    (one, two, three), epoch = trio.members, trio.epoch
    insert(writer(*trio.members), 1)
    in_step(*trio.members)
    assert fence(three, epoch + 9)[0] == 409, "it is in a Primary component"
    kill(one, two)
    lost = view_is(three, "non-Primary")
    assert lost.view_age < 2
    assert lost.wsrep is not None
    assert lost.position is not None
    assert lost.position == Position(lost.wsrep.state_uuid, lost.wsrep.last_committed)
    assert three.code("/ready") == 503

    other = Position(lost.position.uuid, lost.position.seqno + 1)
    assert three.send(FormPrimary(epoch + 2, lost.incarnation, other))[0] == 409
    assert fence(three, epoch + 2)[0] == 200
    status, body = three.send(FormPrimary(epoch + 1, lost.incarnation, lost.position))
    assert (status, f"epoch {epoch + 1} is over" in body) == (409, True)

    one.start().wait_stage(Stage.WAITING)
    assert fence(one, epoch + 2)[0] == 200
    asked = time.monotonic()
    assert three.send(FormPrimary(epoch + 2, lost.incarnation, lost.position))[0] == 200
    view_is(three, "Primary")
    assert time.monotonic() - asked < 5
    assert fence(three, epoch + 3)[0] == 409
    wait_for("it serves again", lambda: three.code("/writer") == 200, 10)
    insert(three, 2)
    two.start()
    for member in (one, two):
        member.wait_stage(Stage.RUNNING)
        assert "Receiving IST" in member.log
        assert "Proceeding with SST" not in member.log
    in_step(*trio.members)
    assert values(one) == values(two) == values(three) == [1, 2]
    assert "formed the Primary component" in three.log


def test_a_thawed_member_that_came_back_by_ist_is_in_no_transfer(trio: Trio) -> None:
    one, two, _ = trio.members
    frozen = two.mariadbd()
    os.kill(frozen, signal.SIGSTOP)
    wait_for("the others go on without it", lambda: (w := one.status().wsrep) is not None and w.cluster_size == 2, 20)
    insert(writer(one, trio.members[2]), 1)
    begun = len(two.log)
    os.kill(frozen, signal.SIGCONT)

    def is_back() -> bool:
        now = two.status().wsrep
        return "Receiving IST" in two.log[begun:] and now is not None and now.is_synced and now.cluster_size == 3

    wait_for("it is back", is_back, 30, lambda: two.log[-1500:])
    wait_for("the transfer is over", lambda: two.status().transfer is None, 8, two.status)
    assert two.status().stage is Stage.RUNNING
    in_step(*trio.members)
    assert values(two) == [1]


def test_two_that_are_told_to_stop_at_one_instant_leave_one_after_the_other(trio: Trio) -> None:
    one, two, three = trio.members
    sizes: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            wsrep = one.status().wsrep
            if wsrep is not None and wsrep.cluster_size not in sizes:
                assert wsrep.is_primary
                sizes.append(wsrep.cluster_size)

    watcher = threading.Thread(target=watch)
    watcher.start()
    three.sigterm()
    two.sigterm()
    assert two.wait_exit(20) == three.wait_exit(20) == 143
    wait_for("the last one is alone", lambda: 1 in sizes, 5, lambda: sizes)
    done.set()
    watcher.join(5)
    assert sizes == [3, 2, 1], "a view of its own for each departure"
    view_is(one, "Primary")
    for member in (two, three):
        member.start()
    for member in (two, three):
        member.wait_stage(Stage.RUNNING)


def test_of_three_that_were_killed_one_joins_after_the_other(trio: Trio) -> None:
    one, two, three = trio.members
    insert(writer(*trio.members), 1)
    in_step(*trio.members)
    kill(*trio.members)
    for member in trio.members:
        member.start()
    for member in trio.members:
        assert member.wait_stage(Stage.WAITING).directory is Directory.USABLE
    assert one.grant(epoch=trio.epoch + 1)[0] == 200
    joining: set[tuple[str, ...]] = set()

    def all_run() -> bool:
        now = [member.status() for member in trio.members]
        joining.add(tuple(status.name for status in now if status.stage is Stage.JOINING))
        return all(status.stage is Stage.RUNNING for status in now)

    wait_for("all are back", all_run, 60, lambda: joining)
    assert joining <= {(), ("db.2",), ("db.3",)}, "never two at once"
    in_step(*trio.members)
    assert values(one) == values(two) == values(three) == [1]
