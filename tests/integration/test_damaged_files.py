"""Damaged grastate.dat and gvwstate.dat on real data directories: reported, never trusted, and no acknowledged row lost by it.

What each kind of damage reads as is told by tests/unit/test_damaged_grastate.py.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from galera_processes import DATABASE, Cluster, Member, wait_for
from operator_turns import Operator
from writes import checksums

from galera_operator.core.agent_api import Stage
from galera_operator.core.plan import Act, Bootstrap, Page, Plan
from galera_operator.core.position import Directory, parse_grastate

pytestmark = pytest.mark.integration

Damage = Callable[[Path], object]


def cut_in_the_seqno(path: Path) -> None:
    """Half-written: what is left of the seqno is a number, too, and a smaller one."""
    text = path.read_text()
    seqno = parse_grastate(text).seqno
    assert seqno >= 10
    cut = text[: text.index("seqno:") + len("seqno:   ")] + str(seqno)[:-1]
    path.write_text(cut)


def without(line: str) -> Damage:
    return lambda path: path.write_text(
        "".join(f"{kept}\n" for kept in path.read_text().splitlines() if not kept.startswith(line))
    )


def replaced_by(make: Callable[[Path], object]) -> Damage:
    def damage(path: Path) -> None:
        path.unlink()
        make(path)

    return damage


DAMAGES: dict[str, Damage] = {
    "cut in the seqno": cut_in_the_seqno,
    "cut in the UUID": lambda path: os.truncate(path, path.read_text().index("uuid:") + 20),
    "without its UUID": without("uuid"),
    "without its seqno": without("seqno"),
    "two seqnos": lambda path: path.write_text(path.read_text() + "seqno: 5\n"),
    "emptied": lambda path: path.write_bytes(b""),
    "zero bytes in its place": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "binary": lambda path: path.write_bytes(bytes(range(256))),
    "a terabyte": lambda path: os.truncate(path, 1 << 40),
    "a directory": replaced_by(Path.mkdir),
    "a pipe": replaced_by(os.mkfifo),
    "a link to itself": replaced_by(lambda path: path.symlink_to(path.name)),
    "gone": replaced_by(lambda _: None),
}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.destroy()


def table(member: Member, count: int) -> None:
    member.query(f"CREATE TABLE {DATABASE}.t (id INT PRIMARY KEY)")
    insert(member, range(count))


def insert(member: Member, ids: range) -> None:
    with member.connect(database=DATABASE, autocommit=True) as connection, connection.cursor() as cursor:
        for number in ids:
            cursor.execute("INSERT INTO t VALUES (%s)", (number,))


def count(member: Member) -> int:
    [(number,)] = member.query(f"SET STATEMENT wsrep_sync_wait=1 FOR SELECT COUNT(*) FROM {DATABASE}.t")
    return int(number)


def stop(member: Member) -> None:
    member.sigterm()
    assert member.wait_exit() == 143


def saved(member: Member) -> Path:
    """A copy of the data directory, with its owners."""
    copy = member.home / "saved"
    shutil.copytree(member.data, copy)
    for path in (copy, *copy.rglob("*")):
        shutil.chown(path, "mysql", "mysql")
    return copy


def is_as_wished(plan: Plan) -> bool:
    return plan.why.startswith("as wished")


def test_the_only_copy_with_a_damaged_grastate_never_seeds_and_a_person_is_called(cluster: Cluster) -> None:
    one = cluster.member(1).start()
    with Operator([one]) as operator:
        operator.turns_until("it serves", is_as_wished, 30)
        table(one, 50)
        stop(one)
        grastate = one.data / "grastate.dat"
        good = grastate.read_bytes()
        position = parse_grastate(good.decode()).position
        for name, damage in DAMAGES.items():
            damage(grastate)
            kind = grastate.lstat().st_mode if os.path.lexists(grastate) else None
            one.start()
            now = one.wait_stage(Stage.WAITING)
            assert (now.directory, now.position, now.safe_to_bootstrap) == (Directory.INCOMPLETE, None, False), name
            assert "grastate.dat" in now.note, name
            status, body = one.grant(epoch=9)
            assert (status, "may never seed" in body, "grastate.dat" in body) == (409, True, True), name
            page = operator.turn()
            assert isinstance(page, Page), name
            assert page.name == "data-gone", name
            assert not one.processes(), f"{name}: nothing was started on it"
            stop(one)
            assert (grastate.lstat().st_mode if os.path.lexists(grastate) else None) == kind, f"{name}: it is evidence"
            if grastate.is_dir():
                grastate.rmdir()
            grastate.unlink(missing_ok=True)
            grastate.write_bytes(good)
        one.start()
        assert one.wait_stage(Stage.WAITING).position == position, "with the file right again, all is as before"
        operator.turns_until("it serves again", is_as_wished, 30)
        assert count(one) == 50


def test_the_newest_copy_with_a_damaged_grastate_is_not_passed_over_for_an_older_one(cluster: Cluster) -> None:
    one, two = cluster.member(1).start(), cluster.member(2).start()
    with Operator([one, two]) as operator:
        operator.turns_until("both serve", is_as_wished, 60)
        table(one, 20)
        operator.turn()
        stop(two)
        insert(one, range(20, 60))  # acknowledged, and only here
        stop(one)
        grastate = one.data / "grastate.dat"
        good = grastate.read_text()
        cut_in_the_seqno(grastate)
        one.start().wait_stage(Stage.WAITING)
        assert two.start().wait_stage(Stage.WAITING).directory is Directory.USABLE
        begun = len(operator.plans)
        operator.turns_until("a person is called", lambda plan: isinstance(plan, Page), 60)
        wait_for("a while has passed", lambda: isinstance(operator.turn(), Page) and len(operator.plans) - begun > 20, 30)
        granted = [step for plan in operator.plans[begun:] if isinstance(plan, Act) for step in plan.steps]
        assert not [step for step in granted if isinstance(step, Bootstrap)]
        page = operator.plans[-1]
        assert "slot 1" in page.why
        assert {one.status().stage, two.status().stage} == {Stage.WAITING}

        stop(one)
        grastate.write_text(good)  # what a person found out
        one.start()
        operator.turns_until("both serve again", is_as_wished, 60)
        assert count(one) == count(two) == 60


def killed(cluster: Cluster, rows: int) -> Member:
    """A single member, killed with -9: only InnoDB knows its position."""
    one = cluster.bootstrap()
    table(one, rows)
    os.kill(one.mariadbd(), signal.SIGKILL)
    assert one.wait_exit() == 128 + signal.SIGKILL
    assert parse_grastate((one.data / "grastate.dat").read_text()).seqno == -1
    return one


def test_after_a_crash_innodb_is_believed_only_where_grastate_agrees(cluster: Cluster) -> None:
    one = killed(cluster, rows=30)
    grastate = one.data / "grastate.dat"
    good = grastate.read_text()
    uuid = parse_grastate(good).uuid

    grastate.write_text(good.replace(uuid, "11111111-1111-4111-8111-111111111111"))
    now = one.start().wait_stage(Stage.WAITING)
    assert (now.directory, now.position) == (Directory.INCOMPLETE, None)
    assert f"grastate.dat says state UUID 11111111-1111-4111-8111-111111111111, InnoDB recovered {uuid}:" in now.note
    assert one.grant()[0] == 409
    stop(one)

    grastate.write_text(good[: good.index("seqno")])
    now = one.start().wait_stage(Stage.WAITING)
    assert (now.directory, now.position) == (Directory.INCOMPLETE, None)
    assert "grastate.dat has no line seqno" in now.note
    stop(one)

    grastate.write_text(good)
    now = one.start().wait_stage(Stage.WAITING)
    assert now.directory is Directory.USABLE
    assert now.position is not None
    assert (now.position.uuid, now.position.seqno >= 31) == (uuid, True), "the table and its rows"
    assert one.grant()[0] == 200
    one.wait_stage(Stage.RUNNING)
    assert count(one) == 30


INNODB: dict[str, Callable[[Path], object]] = {
    "the system tablespace is cut": lambda data: os.truncate(data / "ibdata1", 100_000),
    "the system tablespace is zeros": lambda data: (data / "ibdata1").write_bytes(bytes((data / "ibdata1").stat().st_size)),
    "the redo log is garbage": lambda data: (data / "ib_logfile0").write_bytes(b"garbage!" * 1000),
}


def test_after_a_crash_a_damaged_innodb_is_reported_and_never_seeds(cluster: Cluster) -> None:
    one = killed(cluster, rows=30)
    copy = saved(one)
    for name, damage in INNODB.items():
        damage(one.data)
        now = one.start().wait_stage(Stage.WAITING)
        assert (now.directory, now.position) == (Directory.INCOMPLETE, None), name
        assert any(words in now.note for words in ("wsrep-recover", "could not be recovered", "InnoDB knows no position")), (
            now.note
        )
        assert one.grant()[0] == 409, name
        stop(one)
        shutil.rmtree(one.data)
        shutil.copytree(copy, one.data)
        for path in (one.data, *one.data.rglob("*")):
            shutil.chown(path, "mysql", "mysql")
    one.start()
    assert one.grant()[0] == 200
    one.wait_stage(Stage.RUNNING)
    assert count(one) == 30


# Beside a component that serves; last, since the pair lives until the end of the file ---------------------------------------


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Member, Member]]:
    """Two members that serve; the second is the one whose files are damaged."""
    cluster = Cluster()
    try:
        one = cluster.bootstrap()
        table(one, 100)
        yield one, cluster.join(2)
    finally:
        cluster.destroy()


def same_rows(one: Member, two: Member) -> bool:
    return count(one) == count(two) and checksums(one) == checksums(two)


@pytest.mark.parametrize("name", ["cut in the seqno", "binary", "emptied"])
def test_beside_a_component_a_damaged_grastate_costs_a_whole_copy_and_nothing_else(
    pair: tuple[Member, Member], name: str
) -> None:
    one, two = pair
    stop(two)
    insert(one, range(count(one), count(one) + 5))
    DAMAGES[name](two.data / "grastate.dat")
    two.start().wait_stage(Stage.RUNNING)
    assert "incomplete directory: grastate.dat is corrupt and not trusted" in two.log
    assert "from position none" in two.log
    assert "Proceeding with SST" in two.log, "a half-known position would have brought a part of the rows, or them twice"
    assert same_rows(one, two)
    wait_for("grastate.dat is Galera's again", lambda: parse_grastate((two.data / "grastate.dat").read_text()).uuid, 5)


def test_a_grastate_that_mariadbd_cannot_write_ends_the_start_with_words_and_touches_nothing(pair: tuple[Member, Member]) -> None:
    one, two = pair
    stop(two)
    grastate = two.data / "grastate.dat"
    good = grastate.read_text()
    replaced_by(Path.mkdir)(grastate)
    two.start()
    assert two.wait_exit() == 1
    assert "grastate.dat is not a file" in two.log
    assert "mariadbd ended by itself with 1" in two.log
    assert grastate.is_dir()
    assert one.code("/ready") == one.code("/writer") == 200
    grastate.rmdir()
    grastate.write_text(good)  # by root: mariadbd, which is not, could not write to it
    two.start().wait_stage(Stage.RUNNING)
    assert "Proceeding with SST" not in two.log
    assert same_rows(one, two)


def gcomm_uuid(member: Member) -> str:
    [(_, uuid)] = member.query("SHOW GLOBAL STATUS LIKE 'wsrep_gcomm_uuid'")
    return str(uuid)


GVWSTATES: dict[str, Callable[[Member, Member], bytes]] = {
    "garbage": lambda *_: bytes(range(256)) * 4,
    "empty": lambda *_: b"",
    "half-written": lambda one, _: f"my_uuid: {gcomm_uuid(one)[:20]}".encode(),
    "of the other member, alive": lambda one, _: gvwstate(gcomm_uuid(one), gcomm_uuid(one)),
    "of a view of its own": lambda *_: gvwstate("11111111-1111-4111-8111-111111111111", "11111111-1111-4111-8111-111111111111"),
}


def gvwstate(own: str, *members: str) -> bytes:
    """The file as Galera writes it for a view of these members."""
    lines = "".join(f"member: {uuid} 0\n" for uuid in members)
    return f"my_uuid: {own}\n#vwbeg\nview_id: 3 {own} 7\nbootstrap: 0\n{lines}#vwend\n".encode()


@pytest.mark.parametrize("content", GVWSTATES.values(), ids=GVWSTATES.keys())
def test_a_gvwstate_from_somewhere_keeps_no_member_from_joining_as_itself(
    pair: tuple[Member, Member], content: Callable[[Member, Member], bytes]
) -> None:
    one, two = pair
    stop(two)
    insert(one, range(count(one), count(one) + 5))
    (two.data / "gvwstate.dat").write_bytes(content(one, two))
    two.start()
    joined = two.wait_stage(Stage.RUNNING).wsrep
    assert joined is not None
    assert (joined.cluster_size, joined.members) == (2, ("db.1", "db.2"))
    assert joined.state_uuid == one.status().wsrep.state_uuid  # type: ignore[union-attr]
    assert "gvwstate.dat" in two.log.partition("joining")[0], "said before mariadbd is started"
    assert "Proceeding with SST" not in two.log
    assert gcomm_uuid(one) != gcomm_uuid(two)
    assert same_rows(one, two)
    (two.data / "gvwstate.dat").unlink(missing_ok=True)
