"""What a recovery consists of, step by step, for tests of the agent on real mariadbd."""

from __future__ import annotations

import os
import signal

from galera_processes import DATABASE, Member, wait_for

from galera_operator.core.agent_api import AgentStatus, Fence, Grant, Stage
from galera_operator.core.position import ZERO_UUID, parse_grastate


def table(member: Member) -> None:
    member.query(f"CREATE TABLE {DATABASE}.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)")


def insert(member: Member, value: int) -> None:
    member.query(f"INSERT INTO {DATABASE}.t (v) VALUES ({value})")


def values(member: Member) -> list[int]:
    return sorted(row[0] for row in member.query(f"SELECT v FROM {DATABASE}.t"))


def fill(member: Member, megabytes: int) -> None:
    member.query(f"CREATE TABLE {DATABASE}.big (id INT PRIMARY KEY AUTO_INCREMENT, b LONGBLOB)")
    for _ in range(megabytes // 50):
        member.query(f"INSERT INTO {DATABASE}.big (b) SELECT REPEAT('x', 1000000) FROM information_schema.COLUMNS LIMIT 50")


def through_ddl(*members: Member) -> None:
    """While a member runs DDL its grastate.dat has no state UUID, and after a kill it comes back by a full copy."""

    def probe() -> bool:
        return all(parse_grastate((member.data / "grastate.dat").read_text()).uuid != ZERO_UUID for member in members)

    wait_for("no member is in the middle of DDL", probe)


def kill(*members: Member) -> None:
    """Kill -9 every mariadbd at once, none of them in the middle of DDL; their agents end."""
    through_ddl(*members)
    for process in [member.mariadbd() for member in members]:
        os.kill(process, signal.SIGKILL)
    for member in members:
        member.wait_exit()


def in_step(*members: Member) -> None:
    wait_for("all have committed the same", lambda: len({member.status().position for member in members}) == 1)


def view_is(member: Member, status: str) -> AgentStatus:
    def probe() -> AgentStatus | None:
        now = member.status()
        return now if now.wsrep and now.wsrep.cluster_status == status else None

    return wait_for(f"{member.name} is {status}", probe, 20, lambda: member.log[-2000:])


def fence(member: Member, epoch: int) -> tuple[int, str]:
    return member.send(Fence(epoch, member.status().incarnation))


def invite(member: Member, epoch: int, *peers: Member) -> tuple[int, str]:
    """Grant to join, and to give up the copy that the member says it has."""
    now = member.wait_stage(Stage.WAITING)
    where = tuple(peer.address for peer in peers)
    return member.send(Grant(epoch, now.incarnation, member.address, now.position, where, replaces=True))


def writer(*members: Member) -> Member:
    return wait_for("somebody is the writer", lambda: next((one for one in members if one.code("/writer") == 200), None), 10)
