"""SQL connections between two looks, to a real server."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from galera_processes import ROOT_PASSWORD, TOKEN, Cluster, Member, wait_for

from galera_operator.adapters.members import RealMembers
from galera_operator.core.agent_api import MONITOR_USER, Stage
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


def test_a_killed_member_is_heard_of_at_once_and_a_living_one_keeps_one_connection(member: Member) -> None:
    members, stopping, heard = RealMembers(), threading.Event(), threading.Event()
    listener = threading.Thread(target=members.watch, args=(heard.set, stopping.is_set))
    listener.start()
    try:
        for _ in range(3):
            assert members.wsrep(member.address, TOKEN, ()).is_synced
        assert connections_to(member) == 1
        assert not heard.is_set()
        begun = time.monotonic()
        os.kill(member.mariadbd(), signal.SIGKILL)
        assert heard.wait(5)
        assert time.monotonic() - begun < 1
        with pytest.raises(Unreachable):
            members.wsrep(member.address, TOKEN, ())

        heard.clear()
        wait_for("the agent to end", lambda: member.wait_exit() != 0)
        member.start()
        member.wait_stage(Stage.WAITING)
        assert not heard.is_set(), "of a member that nobody is connected to nothing is heard"
    finally:
        stopping.set()
        listener.join(10)
        members.close()
    assert not listener.is_alive()
