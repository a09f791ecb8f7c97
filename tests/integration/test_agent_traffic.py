from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from galera_processes import DATABASE, Cluster, Member, wait_for

from galera_operator.agent.drain import LAST_THRESHOLD
from galera_operator.core.agent_api import Admission, AppointWriter, Stage
from galera_operator.core.position import parse_grastate

pytestmark = pytest.mark.integration


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.destroy()


def table(member: Member) -> None:
    member.query(f"CREATE TABLE {DATABASE}.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)")


def is_open(connection: Any) -> bool:
    """Whether the server still holds the session; looks at the socket, sends nothing."""
    sock = connection._sock
    sock.setblocking(False)
    try:
        return sock.recv(1) != b""
    except BlockingIOError:
        return True
    finally:
        sock.settimeout(20)


def writers(*members: Member) -> list[str]:
    return [member.name for member in members if member.code("/writer") == 200]


def test_a_drain_ends_idle_sessions_and_lets_transactions_commit(cluster: Cluster) -> None:
    one = cluster.bootstrap()
    table(one)
    idle = one.connect()
    busy = one.connect(database=DATABASE)
    cursor = busy.cursor()
    cursor.execute("INSERT INTO t (v) VALUES (1)")

    assert one.drain(20)[0] == 200
    assert one.code("/ready") == one.code("/writer") == 404
    assert one.haproxy() == "drain\n"
    wait_for("the idle session is ended", lambda: not is_open(idle), 10)
    wait_for("one is left", lambda: (one.status().sessions, one.status().in_flight) == (1, 1), 5, one.status)
    assert one.status().stage is Stage.DRAINING
    newcomer = one.connect()
    cursor.execute("INSERT INTO t (v) VALUES (2)")
    busy.commit()
    drained = one.wait_stage(Stage.DRAINED, seconds=10)
    assert drained.cut == 0
    assert not is_open(busy), "it sleeps outside a transaction now"
    assert is_open(newcomer), "opened after the drain began: it bypasses the proxy, and is told of, not ended"
    wait_for("newcomers are counted", lambda: one.status().sessions == 1)
    assert one.code("/ready") == 404
    assert one.http("GET", "/live")[0] == 200, "a drained member is healthy"
    assert one.query(f"SELECT COUNT(*) FROM {DATABASE}.t") == [(2,)]

    assert one.admit()[0] == 200
    one.wait_stage(Stage.RUNNING)
    assert one.code("/ready") == one.code("/writer") == 200, "an admission ends the drain"
    newcomer.close()


def test_at_the_drain_limit_open_transactions_are_cut_and_counted(cluster: Cluster) -> None:
    one = cluster.bootstrap()
    table(one)
    busy = one.connect(database=DATABASE)
    busy.cursor().execute("INSERT INTO t (v) VALUES (1)")
    assert one.drain(2.5)[0] == 200
    assert one.wait_stage(Stage.DRAINED, seconds=10).cut == 1
    assert "cut 1 sessions inside a transaction" in one.log
    assert not is_open(busy)


def test_sigterm_waits_for_a_transaction_and_exits_143_with_a_position(cluster: Cluster) -> None:
    one, two = cluster.bootstrap(), cluster.join(2)
    table(one)
    busy = one.connect(database=DATABASE)
    busy.cursor().execute("INSERT INTO t (v) VALUES (1)")
    one.sigterm()
    one.wait_code("/ready", 404)
    wait_for("another one takes the writes", lambda: two.code("/writer") == 200, 5)
    wait_for("one session is left", lambda: one.status().in_flight == 1)
    assert one.exit_code is None
    busy.commit()
    assert one.wait_exit(15) == 143
    assert parse_grastate((one.data / "grastate.dat").read_text()).seqno >= 0
    assert not one.processes("")
    wait_for("the survivor is alone and Primary", lambda: two.status().wsrep and two.status().wsrep.cluster_size == 1, 5)
    assert (two.code("/ready"), two.code("/writer")) == (200, 200)
    assert two.query(f"SELECT COUNT(*) FROM {DATABASE}.t") == [(1,)]


def test_a_drained_member_without_sessions_stops_at_once(cluster: Cluster) -> None:
    one = cluster.bootstrap(GALERA_PROXY_NOTICE="3")
    one.drain(20)
    one.wait_stage(Stage.DRAINED, seconds=15)
    since = time.monotonic()
    one.sigterm()
    assert one.wait_exit(10) == 143
    assert time.monotonic() - since < 3, "it does not wait for proxies again"


def test_a_pool_that_pings_before_use_loses_no_transaction_to_a_drain(cluster: Cluster) -> None:
    one = cluster.bootstrap()
    table(one)
    failed: list[str] = []
    done: list[int] = []
    ended = threading.Event()

    def work(seed: int) -> None:
        pause = random.Random(seed)
        connection = one.connect(database=DATABASE)
        while not ended.wait(pause.uniform(0.0, 0.3)):
            begun = time.monotonic()
            try:
                connection.ping(reconnect=False)
            except pymysql.Error:
                return  # the pool would take another connection, elsewhere
            slept = time.monotonic() - begun
            try:
                with connection.cursor() as cursor:
                    cursor.execute("INSERT INTO t (v) VALUES (1)")
                    cursor.execute("UPDATE t SET v = v + 1 WHERE id = LAST_INSERT_ID()")
                connection.commit()
                done.append(1)
            except pymysql.Error as error:
                if slept < LAST_THRESHOLD:  # else this thread got no processor between its ping and its statement
                    failed.append(str(error))
                return

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    wait_for("the pool works", lambda: len(done) > 40)
    one.sigterm()
    assert one.wait_exit(30) == 143
    ended.set()
    for thread in threads:
        thread.join(10)
    assert failed == []
    assert "0 sessions were cut" in one.log
    one.start().grant()
    one.wait_stage(Stage.RUNNING)
    assert one.query(f"SELECT COUNT(*), COALESCE(MIN(v), 2) FROM {DATABASE}.t") == [(len(done), 2)]


def test_exactly_one_member_is_the_writer_also_after_a_crash_and_a_return(cluster: Cluster) -> None:
    one, two, three = cluster.bootstrap(), cluster.join(2), cluster.join(3)
    wait_for("one writer, by itself the first", lambda: writers(one, two, three) == ["db.1"])
    for member in (one, two, three):
        assert member.send(AppointWriter(1, member.status().incarnation, "db.3"))[0] == 200
    wait_for("the appointed one", lambda: writers(one, two, three) == ["db.3"], 3)
    assert one.send(AppointWriter(1, one.status().incarnation, "db.9"))[0] == 409

    os.kill(three.mariadbd(), signal.SIGKILL)
    three.wait_exit()
    wait_for("the component is smaller", lambda: one.status().wsrep and one.status().wsrep.cluster_size == 2, 10)
    wait_for("the next writer", lambda: writers(one, two) == ["db.1"], 1.0, lambda: (one.status(), two.status()))
    three.start().wait_stage(Stage.RUNNING)
    assert three.admit()[0] == 200
    assert writers(one, two, three) == ["db.1"]
    wait_for("all agree", lambda: {m.status().writer for m in (one, two, three)} == {"db.1"}, 5)
    # The donor of the third takes a moment to be Synced again.
    wait_for("all serve", lambda: [member.code("/ready") for member in (one, two, three)] == [200, 200, 200], 10, two.status)

    assert one.drain(10)[0] == 200
    wait_for("a draining writer hands over", lambda: writers(one, two, three) == ["db.2"], 3)


def test_the_only_member_stays_in_service_while_it_donates(cluster: Cluster) -> None:
    one = cluster.bootstrap()
    one.query(f"CREATE TABLE {DATABASE}.big (id INT PRIMARY KEY AUTO_INCREMENT, b LONGBLOB)")
    one.query(f"INSERT INTO {DATABASE}.big (b) SELECT REPEAT('x', 1000000) FROM information_schema.COLUMNS LIMIT 60")
    two = cluster.member(2).start()
    codes: set[tuple[int, int]] = set()
    states: set[str] = set()
    roles: set[str] = set()

    def joined() -> bool:
        now = one.status()
        codes.add((one.code("/ready"), one.code("/writer")))
        states.add(now.wsrep.local_state_comment if now.wsrep else "unknown")
        for status in (now, two.status()):
            if status.transfer:
                roles.add(status.transfer.role)
        return two.status().stage is Stage.RUNNING

    wait_for("the second has joined", joined, 40, lambda: two.log[-2000:])
    assert codes == {(200, 200)}
    assert "Donor/Desynced" in states
    assert roles == {"donor", "joiner"}
    assert two.status().transfer is None
    wait_for("the donor is Synced again", lambda: one.status().transfer is None, 5, one.status)


def test_a_frozen_mariadbd_gets_no_traffic_and_comes_back_when_another_confirms_it(cluster: Cluster) -> None:
    one = cluster.bootstrap()
    cluster.join(2)
    cluster.join(3)
    process = one.mariadbd()
    os.kill(process, signal.SIGSTOP)
    try:
        one.wait_code("/ready", 503, 5)
        assert one.code("/writer") == 503
        assert one.http("GET", "/live")[0] == 200, "a frozen member is not killed by its health check"
        wait_for("another writer", lambda: writers(*cluster.members.values()) == ["db.2"], 8)
    finally:
        os.kill(process, signal.SIGCONT)
    seen = []

    def back() -> bool:
        seen.append(writers(*cluster.members.values()))
        return one.code("/ready") == 200

    wait_for("it is back", back, 30, lambda: one.log[-2000:])
    assert not [names for names in seen if "db.1" in names], "it never says again that it is the writer"


def test_a_member_without_a_majority_gets_no_traffic_but_lives_and_stops_quickly(cluster: Cluster) -> None:
    one, two = cluster.bootstrap(), cluster.join(2)
    os.kill(two.mariadbd(), signal.SIGKILL)
    wait_for("no majority", lambda: one.status().wsrep and not one.status().wsrep.is_primary, 15, one.status)
    assert (one.code("/ready"), one.code("/writer")) == (503, 503)
    assert one.http("GET", "/live")[0] == 200
    assert one.admit()[0] == 409
    assert one.status().admission is Admission.OPERATOR
    since = time.monotonic()
    one.sigterm()
    assert one.wait_exit(15) == 143
    assert time.monotonic() - since < 6


def test_answers_come_at_once_also_while_hundreds_of_clients_say_nothing(cluster: Cluster) -> None:
    one = cluster.bootstrap()
    silent = [socket.create_connection((one.address, 9200), 5) for _ in range(200)]
    for connection in silent[:100]:
        connection.sendall(b"POST /admit HTTP/1.1\r\nContent-Le")
    took = []
    for _ in range(100):
        since = time.monotonic()
        assert one.code("/ready") == 200
        took.append(time.monotonic() - since)
    assert sorted(took)[90] < 0.05
    wait_for("silent ones are sent away", lambda: all(_is_closed(connection) for connection in silent), 10)
    assert one.query("SELECT 1") == [(1,)]


def _is_closed(connection: socket.socket) -> bool:
    if connection.fileno() < 0:
        return True
    connection.settimeout(0.01)
    try:
        while connection.recv(4096):
            continue
    except TimeoutError:
        return False
    except ConnectionError:
        connection.close()
        return True
    connection.close()
    return True
