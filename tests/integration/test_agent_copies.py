"""Copies of the data: going on under a new history, being given up for another, bootstraps cut short, transfers watched."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from galera_processes import DATABASE, Cluster, wait_for
from recovery_steps import fill, in_step, insert, invite, kill, table, values

from galera_operator.agent import bootstrap_mark, disk
from galera_operator.agent.process import session_work
from galera_operator.core.agent_api import Grant, Stage, Transfer
from galera_operator.core.position import Directory, Position

pytestmark = pytest.mark.integration

NEW = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.destroy()


def test_a_diverged_copy_goes_on_under_a_new_history_and_the_other_is_replaced_whole(cluster: Cluster) -> None:
    """Two have one copy, then each has rows that the other has not: a person chose the second."""
    one, two = cluster.bootstrap(), cluster.join(2)
    table(one)
    insert(one, 1)
    in_step(one, two)
    two.sigterm()
    assert two.wait_exit() == 143
    insert(one, 100)
    kill(one)

    two.start()
    now = two.wait_stage(Stage.WAITING)
    assert now.position is not None
    old = now.position.uuid
    grant = Grant(2, now.incarnation, two.address, now.position, (), history=NEW)
    assert two.send(grant)[0] == 200
    running = two.wait_stage(Stage.RUNNING)
    assert running.wsrep is not None
    assert (running.wsrep.state_uuid, running.wsrep.is_synced) == (NEW, True)
    assert not bootstrap_mark.path_of(two.data).exists(), "the mark has done its work"
    kill(two)
    now = two.start().wait_stage(Stage.WAITING)
    assert now.position == Position(NEW, grant.position.seqno + 1), "the first view; killed right after it, before any write"
    assert two.grant(epoch=3)[0] == 200
    two.wait_stage(Stage.RUNNING)
    two.admit(epoch=3)
    insert(two, 200)

    waiting = one.start().wait_stage(Stage.WAITING)
    assert waiting.position is not None
    assert waiting.position.uuid == old
    wait_for("it says why it does not join", lambda: "joining would erase this data" in one.status().note, seen=one.status)
    assert invite(one, 3, two)[0] == 200
    joined = one.wait_stage(Stage.RUNNING)
    assert "Proceeding with SST" in one.log
    assert joined.wsrep is not None
    assert joined.wsrep.state_uuid == NEW
    in_step(one, two)
    assert values(one) == values(two) == [1, 200]


def test_a_copy_of_the_same_history_that_is_ahead_is_replaced_whole(cluster: Cluster) -> None:
    """The wrong one was bootstrapped: its write-sets have the numbers of others that the given-up copy has."""
    one, two = cluster.bootstrap(), cluster.join(2)
    table(one)
    in_step(one, two)
    two.sigterm()
    assert two.wait_exit() == 143
    for value in range(10):
        insert(one, value)
    kill(one)
    two.start()
    assert two.grant(epoch=2)[0] == 200
    two.wait_stage(Stage.RUNNING)
    two.admit(epoch=2)
    insert(two, 77)

    one.start().wait_stage(Stage.WAITING)
    wait_for("it says why it does not join", lambda: "ahead of the live component" in one.status().note, seen=one.status)
    assert invite(one, 2, two)[0] == 200
    one.wait_stage(Stage.RUNNING)
    assert "Proceeding with SST" in one.log
    in_step(one, two)
    assert values(one) == values(two) == [77]


def test_a_bootstrap_that_is_killed_at_any_moment_loses_neither_rows_nor_position(cluster: Cluster) -> None:
    """Around the first view InnoDB has no position for some milliseconds; most of these kills hit them."""
    one = cluster.bootstrap()
    table(one)
    insert(one, 1)
    kill(one)
    moments = random.Random(20)
    for epoch, history in enumerate(["", NEW, "", "", ""], start=2):
        before = one.start().wait_stage(Stage.WAITING)
        assert before.directory is Directory.USABLE, before.note
        assert before.position is not None
        with one.logs[-1].open("rb") as log:
            log.seek(0, os.SEEK_END)
            assert one.send(Grant(epoch, before.incarnation, one.address, before.position, (), history=history))[0] == 200
            process, text = one.mariadbd(), b""
            while b"Server initialized" not in text:
                text += log.read()
        aimed = time.perf_counter() + moments.random() * 0.003
        while time.perf_counter() < aimed:
            pass
        os.kill(process, signal.SIGKILL)
        one.wait_exit()
    now = one.start().wait_stage(Stage.WAITING)
    assert now.directory is Directory.USABLE, now.note
    assert one.grant(epoch=9)[0] == 200
    one.wait_stage(Stage.RUNNING)
    assert values(one) == [1]


def test_a_copy_whose_bootstrap_never_began_keeps_its_position(cluster: Cluster) -> None:
    """Died between writing the mark and mariadbd's first view: grastate.dat has the new state UUID, InnoDB the old one."""
    one, two = cluster.bootstrap(), cluster.join(2)
    table(one)
    in_step(one, two)
    kill(one, two)
    now = one.start().wait_stage(Stage.WAITING)
    one.sigterm()
    one.wait_exit()
    assert now.position is not None
    disk.begin_bootstrap(one.data, now.position, Position(NEW, now.position.seqno))
    again = one.start().wait_stage(Stage.WAITING)
    assert (again.directory, again.position) == (Directory.USABLE, now.position)
    two.start()
    assert two.grant(epoch=2)[0] == 200
    two.wait_stage(Stage.RUNNING)
    insert(two, 5)
    one.wait_stage(Stage.RUNNING)
    assert "Proceeding with SST" not in one.log, "its history is the old one still, so it takes what it missed"
    in_step(one, two)
    assert values(one) == [5]


def signal_those_there(processes: list[int], number: signal.Signals) -> None:
    """A script's short-lived child may have ended since the look."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def test_a_transfer_that_stands_still_is_idle_and_goes_on(cluster: Cluster) -> None:
    one, two = cluster.bootstrap(), cluster.member(2)
    fill(one, 200)
    two.launch()

    def receiving() -> Transfer | None:
        told = two.status().transfer if two.answers() else None
        return told if told and told.role == "joiner" and told.moved > 1_000_000 else None

    def scripts() -> list[int]:
        server = two.mariadbd()
        return [process for process in session_work(server) if process != server]

    wait_for(
        "bytes arrive", lambda: (two.data / ".sst").exists() and disk.bytes_in(two.data) > 5_000_000, seen=lambda: two.log[-500:]
    )
    stopped = scripts()
    signal_those_there(stopped, signal.SIGSTOP)
    moved = wait_for("the agent has seen it", receiving).moved
    idle = {}

    def both_are_idle() -> bool:
        idle.update({member.name: member.status().transfer for member in (one, two)})
        return all(told is not None and told.idle > 5 for told in idle.values())

    wait_for("both sides say that nothing moves", both_are_idle, 20, lambda: idle)
    joiner, donor = idle["db.2"], idle["db.1"]
    assert joiner is not None
    assert donor is not None
    assert joiner.moved < moved + 64_000_000, "what was on the way"
    assert joiner.rate < 30_000_000
    assert joiner.total == one.status().data_bytes > 200_000_000
    assert (donor.role, donor.method, donor.stage) == ("donor", "mariabackup", "sending")
    assert two.exit_code is None
    signal_those_there(stopped, signal.SIGCONT)

    def moves() -> bool:
        told = two.status().transfer
        return told is None or (told.idle < 2 and told.moved > joiner.moved)

    wait_for("it goes on", moves, 10, lambda: two.status().transfer)
    two.wait_stage(Stage.RUNNING)
    assert one.status().transfer is two.status().transfer is None
    assert two.query(f"SELECT COUNT(*) FROM {DATABASE}.big") == [(200,)]


def test_a_full_transfer_works_with_server_options_in_the_containers_command(cluster: Cluster) -> None:
    """The stock script hands mariadbd's command line on to mariadb-backup, which ends on what it does not know."""
    command = ("mariadbd", "--innodb-buffer-pool-size=40M", "--max-connections=66", '--init-connect=SET @a = "x # y"')
    one = cluster.member(1).start(*command)
    assert one.grant()[0] == 200
    one.wait_stage(Stage.RUNNING)
    two = cluster.member(2).start(*command)
    two.wait_stage(Stage.RUNNING)
    assert "Proceeding with SST" in two.log
    for member in (one, two):
        assert member.query("SELECT @@innodb_buffer_pool_size, @@max_connections, @@init_connect") == [
            (40 << 20, 66, 'SET @a = "x # y"')
        ]
        arguments = Path(f"/proc/{member.mariadbd()}/cmdline").read_bytes()
        assert b"buffer-pool" not in arguments
