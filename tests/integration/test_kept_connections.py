"""Connections between two looks, to a real server and its agent."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from galera_processes import ROOT_PASSWORD, TOKEN, Cluster, Member, wait_for

from galera_operator.adapters.members import MOMENTS, RealMembers
from galera_operator.core.agent_api import HTTP_PORT, MONITOR_USER, Stage
from galera_operator.ports import Unreachable

pytestmark = pytest.mark.integration


@pytest.fixture
def member() -> Iterator[Member]:
    made = Cluster()
    try:
        yield made.bootstrap()
    finally:
        made.destroy()


def connections_to(member: Member) -> int:
    asked = f"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = '{MONITOR_USER}'"
    return int(member.query(asked, "root", ROOT_PASSWORD)[0][0])


def sockets_to_its_agent(member: Member) -> int:
    """Of this process; also those whose other end has gone already."""
    there = f"{int.from_bytes(socket.inet_aton(member.address), 'little'):08X}:{HTTP_PORT:04X}"
    ours = {str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if os.path.lexists(entry)}
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return sum(1 for row in rows if row[2] == there and f"socket:[{row[9]}]" in ours)


def test_an_agent_that_has_closed_its_end_is_asked_anew(member: Member) -> None:
    members = RealMembers()
    try:
        first = members.ask(member.address, TOKEN)
        member.sigterm()  # nobody watches here: the end of the kept connection is found when it is used
        member.wait_exit()
        with pytest.raises(Unreachable, match="nothing listens"):
            members.ask(member.address, TOKEN)
        member.start()
        member.grant(epoch=2)
        again = members.ask(member.address, TOKEN)
        assert again.incarnation != first.incarnation
        member.sigterm()
        member.wait_exit()
        member.start()
        assert members.ask(member.address, TOKEN).incarnation not in {first.incarnation, again.incarnation}
    finally:
        members.close()


def test_all_at_once_says_what_asking_each_for_itself_says_and_leaves_out_who_is_not_well(member: Member) -> None:
    members, addresses = RealMembers(), [member.address, "127.7.7.7"]
    try:
        assert members.at_once(addresses, TOKEN) == {}, "nobody was asked before: no connection is kept"
        alone = members.ask(member.address, TOKEN), members.wsrep(member.address, TOKEN, (member.name,))
        for _ in range(3):
            told = members.at_once(addresses, TOKEN)
            assert told.keys() == {member.address}
            agent, database = told[member.address]
            assert (agent.incarnation, agent.stage, database.members) == (alone[0].incarnation, Stage.RUNNING, (member.name,))
            assert database.in_words == alone[1].in_words
        assert sockets_to_its_agent(member) == connections_to(member) == 1

        frozen = member.mariadbd()
        os.kill(frozen, signal.SIGSTOP)
        begun = time.monotonic()
        assert members.at_once(addresses, TOKEN) == {}
        assert time.monotonic() - begun < 10 * MOMENTS
        assert members.at_once(addresses, TOKEN) == {}, "it is asked for itself until it has answered again"
        os.kill(frozen, signal.SIGCONT)
        members.ask(member.address, TOKEN)
        wait_for("it answers", lambda: members.wsrep(member.address, TOKEN, ()).is_synced)
        assert members.at_once(addresses, TOKEN).keys() == {member.address}
    finally:
        members.close()
    assert sockets_to_its_agent(member) == 0


def test_a_killed_member_is_heard_of_at_once_and_a_living_one_keeps_one_connection(member: Member) -> None:
    members, stopping, heard = RealMembers(), threading.Event(), threading.Event()
    listener = threading.Thread(target=members.watch, args=(heard.set, stopping.is_set))
    listener.start()
    try:
        for _ in range(3):
            assert members.ask(member.address, TOKEN).stage is Stage.RUNNING
            assert members.wsrep(member.address, TOKEN, ()).is_synced
        assert connections_to(member) == 1
        assert sockets_to_its_agent(member) == 1
        assert not heard.is_set()
        begun = time.monotonic()
        os.kill(member.mariadbd(), signal.SIGKILL)
        assert heard.wait(5)
        assert time.monotonic() - begun < 1
        with pytest.raises(Unreachable):
            members.wsrep(member.address, TOKEN, ())

        wait_for("the agent to end", lambda: member.wait_exit() != 0)
        wait_for("its end is heard as well", lambda: sockets_to_its_agent(member) == 0, 5)
        heard.clear()
        member.start()
        member.wait_stage(Stage.WAITING)
        assert not heard.is_set(), "of a member that nobody is connected to nothing is heard"
        assert members.ask(member.address, TOKEN).stage is Stage.WAITING
    finally:
        stopping.set()
        listener.join(10)
        members.close()
    assert not listener.is_alive()
