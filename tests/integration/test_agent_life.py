from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest
from galera_processes import DATABASE, PASSWORD, ROOT_PASSWORD, TOKEN, USER, Cluster, Member, wait_for
from recovery_steps import kill, through_ddl

from galera_operator.core.agent_api import MONITOR_USER, Admission, Grant, Stage, sql_password
from galera_operator.core.position import Directory, Position, parse_grastate

pytestmark = pytest.mark.integration


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.destroy()


def test_an_empty_member_bootstraps_only_by_a_grant_and_a_second_joins_by_sst(cluster: Cluster) -> None:
    one = cluster.member(1).start()
    waiting = one.wait_stage(Stage.WAITING)
    assert (waiting.directory, waiting.position) == (Directory.EMPTY, None)
    assert one.code("/ready") == one.code("/writer") == 503
    assert one.haproxy().startswith("down#")

    assert one.grant()[0] == 200
    running = one.wait_stage(Stage.RUNNING)
    assert running.wsrep is not None
    assert running.wsrep.is_synced
    assert running.wsrep.members == ("db.1",)
    assert one.code("/ready") == one.code("/writer") == 503, "Synced, but not admitted"
    assert one.http("GET", "/live")[0] == 503

    assert one.admit()[0] == 200
    assert one.code("/ready") == one.code("/writer") == 200
    assert one.http("GET", "/live?wait=50")[0] == 200
    assert one.haproxy(b"write\n") == "up ready 100%\n"

    two = cluster.member(2).start()
    joined = two.wait_stage(Stage.RUNNING)
    assert joined.admission is Admission.NONE
    assert "wsrep_sst_mariabackup" in two.log
    assert two.code("/ready") == 503
    assert two.admit()[0] == 200
    assert (two.code("/ready"), two.code("/writer")) == (200, 404)
    assert two.haproxy(b"write\n") == "drain\n"
    assert two.haproxy() == "up ready 100%\n"

    one.query(f"CREATE TABLE {DATABASE}.t (id INT PRIMARY KEY)")
    one.query(f"INSERT INTO {DATABASE}.t VALUES (1)")
    assert two.query(f"SET STATEMENT wsrep_sync_wait=1 FOR SELECT id FROM {DATABASE}.t") == [(1,)]


def test_the_accounts_have_only_what_they_use(cluster: Cluster) -> None:
    one = cluster.bootstrap()
    assert one.query("SELECT 1", "root", ROOT_PASSWORD) == [(1,)]
    monitor = sql_password(TOKEN, MONITOR_USER)
    assert one.query("SHOW GLOBAL STATUS LIKE 'wsrep_local_state'", MONITOR_USER, monitor) == [("wsrep_local_state", "4")]
    [(grant,)] = one.query("SHOW GRANTS", MONITOR_USER, monitor)
    assert grant.startswith(f"GRANT USAGE ON *.* TO `{MONITOR_USER}`@`%`")
    grants = [row[0] for row in one.query("SHOW GRANTS FOR mysql@localhost", "root", ROOT_PASSWORD)]
    assert grants == [
        "GRANT RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR ON *.* TO `mysql`@`localhost` IDENTIFIED VIA unix_socket"
    ]
    assert {row[0] for row in one.query("SHOW DATABASES")} == {DATABASE, "information_schema"}
    for secret in (ROOT_PASSWORD, PASSWORD, TOKEN, monitor):
        assert secret not in one.log
        for process in one.processes(""):
            assert secret.encode() not in Path(f"/proc/{process}/cmdline").read_bytes()
        environ = Path(f"/proc/{one.mariadbd()}/environ").read_bytes()
        assert secret.encode() not in environ


def test_user_scripts_run_once_at_the_first_initialisation(cluster: Cluster) -> None:
    one = cluster.member(1)
    scripts = one.home / "initdb"
    scripts.mkdir()
    (scripts / "1.sql").write_text("CREATE TABLE made (id INT PRIMARY KEY);\nDELIMITER $$\nINSERT INTO made VALUES (7)$$\n")
    (scripts / "2.sh").write_text("mariadb -uroot --socket=$SOCKET -e 'INSERT INTO app.made VALUES (8)'\n")
    cluster.bootstrap()
    assert one.query(f"SELECT id FROM {DATABASE}.made ORDER BY id") == [(7,), (8,)]


def test_a_broken_user_script_leaves_an_empty_directory(cluster: Cluster) -> None:
    one = cluster.member(1)
    scripts = one.home / "initdb"
    scripts.mkdir()
    (scripts / "1.sql").write_text("CREATE TABEL oops;\n")
    one.start()
    one.grant()
    assert one.wait_exit() == 1
    assert "1.sql" in one.log
    (scripts / "1.sql").unlink()
    assert one.start().wait_stage(Stage.WAITING).directory is Directory.EMPTY


def test_a_killed_mariadbd_ends_the_agent_and_the_next_one_rejoins_by_ist(cluster: Cluster) -> None:
    one, two, _ = cluster.bootstrap(), cluster.join(2), cluster.join(3)
    one.query(f"CREATE TABLE {DATABASE}.t (id INT PRIMARY KEY)")
    wait_for("the table is on 2", lambda: two.status().position == one.status().position)
    through_ddl(two)
    os.kill(two.mariadbd(), signal.SIGKILL)
    assert two.wait_exit() == 128 + signal.SIGKILL
    assert "mariadbd ended by itself" in two.log
    one.query(f"INSERT INTO {DATABASE}.t VALUES (1), (2), (3)")

    two.start()
    two.wait_stage(Stage.RUNNING)
    assert "recovered position" in two.log
    assert "--wsrep-start-position" in Path(f"/proc/{two.mariadbd()}/cmdline").read_text().replace("\0", " ")
    assert "Receiving IST" in two.log
    assert "Proceeding with SST" not in two.log
    assert "donors db.3" in two.log, "the writer is not asked to donate"
    assert two.query("SELECT COUNT(*) FROM app.t") == [(3,)]


def test_all_killed_members_wait_with_their_positions_and_form_no_group_by_themselves(cluster: Cluster) -> None:
    one, two = cluster.bootstrap(), cluster.join(2)
    one.query(f"CREATE TABLE {DATABASE}.t (id INT PRIMARY KEY)")
    state = one.status().wsrep
    assert state is not None
    kill(one, two)

    positions = {}
    for member in (one, two):
        member.start()
        waiting = member.wait_stage(Stage.WAITING)
        assert waiting.directory is Directory.USABLE
        positions[member.slot] = waiting.position
    assert all(position is not None and position.uuid == state.state_uuid for position in positions.values())
    # Long enough for two joiners to have found each other, if they looked: both polled each other several times.
    wait_for("both have waited", lambda: min(one.status().since, two.status().since) > 4)
    assert {one.status().stage, two.status().stage} == {Stage.WAITING}
    assert not one.processes()
    assert not two.processes()

    assert all("in its last life mariadbd ended by itself with -9" in member.status().note for member in (one, two))

    newest, other = (one, two) if positions[1].seqno >= positions[2].seqno else (two, one)  # type: ignore[union-attr]
    assert newest.grant(epoch=2)[0] == 200
    assert newest.wait_stage(Stage.RUNNING).wsrep.state_uuid == state.state_uuid  # type: ignore[union-attr]
    other.wait_stage(Stage.RUNNING)
    assert other.query("SHOW TABLES FROM app") == [("t",)]


def test_a_grant_whose_premise_does_not_hold_changes_nothing(cluster: Cluster) -> None:
    one = cluster.bootstrap()
    one.query(f"CREATE TABLE {DATABASE}.t (id INT PRIMARY KEY)")
    one.sigterm()
    assert one.wait_exit() == 143
    before = (one.data / "grastate.dat").read_text()
    saved = parse_grastate(before)
    assert saved.seqno > 0

    one.start()
    now = one.wait_stage(Stage.WAITING)
    position = now.position
    assert position == saved.position
    assert position is not None
    older = Position(position.uuid, position.seqno - 1)
    foreign = Position("11111111-1111-4111-8111-111111111111", position.seqno)
    assert one.send(Grant(5, now.incarnation, one.address, older, ()))[0] == 409
    assert one.send(Grant(5, now.incarnation, one.address, foreign, ()))[0] == 409
    assert one.send(Grant(5, now.incarnation, one.address, None, ()))[0] == 409
    assert one.send(Grant(5, "another-life", one.address, position, ()))[0] == 409
    assert one.send(Grant(5, now.incarnation, "not an address", position, ()))[0] == 409
    assert one.send(Grant(5, now.incarnation, one.address, position, ()), token="wrong")[0] == 401
    assert one.http("POST", "/grant", "{}", TOKEN)[0] == 400
    assert one.status().epoch == 0, "a refused command is not obeyed"
    assert one.status().stage is Stage.WAITING
    assert (one.data / "grastate.dat").read_text() == before
    assert not one.processes()

    assert one.send(Grant(5, now.incarnation, one.address, position, ()))[0] == 200
    one.wait_stage(Stage.RUNNING)
    status, body = one.admit(epoch=4)
    assert (status, "epoch 4 is over" in body) == (409, True)
    assert one.status().admission is Admission.NONE
    assert one.send(Grant(5, now.incarnation, one.address, position, ()))[0] == 409, "it runs already"
    assert one.query("SHOW TABLES FROM app") == [("t",)]


def test_data_of_another_history_is_not_given_up_for_a_live_component(cluster: Cluster) -> None:
    two = cluster.bootstrap(2)
    two.sigterm()
    assert two.wait_exit() == 143
    cluster.bootstrap(1)
    two.start()
    wait_for("it says so", lambda: "joining would erase this data" in two.status().note, seen=two.status)
    assert two.status().stage is Stage.WAITING
    status, body = two.grant(epoch=2)
    assert (status, "would split the cluster" in body) == (409, True)


def is_synced(member: Member) -> bool:
    wsrep = member.status().wsrep
    return wsrep is not None and wsrep.is_synced


def test_a_joiner_that_was_cut_off_is_half_copied_and_may_not_seed(cluster: Cluster) -> None:
    # Three: a joiner that is killed before it could leave takes its vote with it, and one of two would be no majority.
    one, two, three = cluster.bootstrap(), cluster.member(2), cluster.join(3)
    one.query(f"CREATE TABLE {DATABASE}.big (id INT PRIMARY KEY AUTO_INCREMENT, b LONGBLOB)")
    one.query(f"INSERT INTO {DATABASE}.big (b) SELECT REPEAT('x', 1000000) FROM information_schema.COLUMNS LIMIT 60")
    two.launch()
    wait_for("the data comes", (two.data / ".sst").exists, seen=lambda: two.log[-500:])
    two.sigterm()
    assert two.wait_exit(15) == 143
    assert not two.processes("")
    two.environ["GALERA_PEERS"] = ""
    two.start()
    now = two.wait_stage(Stage.WAITING)
    assert now.directory is Directory.HALF_COPIED
    assert now.position is None
    status, body = two.grant()
    assert (status, "may never seed" in body) == (409, True)
    # It may join, though: told where the others are, it does. Not while the old donor still knocks at its port.
    wait_for("the old donor has given up", lambda: is_synced(one) and is_synced(three))
    assert two.send(Grant(2, now.incarnation, two.address, None, (one.address,)))[0] == 200
    two.wait_stage(Stage.RUNNING)
    assert two.query(f"SELECT COUNT(*) FROM {DATABASE}.big") == one.query(f"SELECT COUNT(*) FROM {DATABASE}.big")


def test_a_second_agent_on_the_same_directory_waits_for_its_lock(cluster: Cluster) -> None:
    one = cluster.bootstrap()
    other = cluster.member(2)
    other.start(GALERA_DATA_DIR=str(one.data))
    wait_for("it says so", lambda: "in use by another task" in other.status().note, seen=other.status)
    assert other.status().stage is Stage.STARTING
    one.sigterm()
    assert one.wait_exit() == 143
    assert other.wait_stage(Stage.WAITING).directory is Directory.USABLE


def test_a_member_that_joined_admits_itself_when_the_operator_is_away_and_a_seed_does_not(cluster: Cluster) -> None:
    one = cluster.member(1).start(GALERA_OPERATOR_AWAY="1.5")
    one.grant()
    one.wait_stage(Stage.RUNNING)
    two = cluster.member(2).start(GALERA_OPERATOR_AWAY="1.5")
    two.wait_stage(Stage.RUNNING)
    two.wait_code("/ready", 200)
    assert two.status().admission is Admission.SELF
    assert one.status().since > 1.5
    assert one.status().admission is Admission.NONE
    three = cluster.member(3).start(GALERA_OPERATOR_AWAY="6")

    def operator_looks() -> bool:
        assert three.http("GET", "/status", token=TOKEN)[0] == 200
        now = three.status()
        return now.stage is Stage.RUNNING and now.since > 7

    wait_for("the operator has looked for longer than it may be away", operator_looks)
    assert three.status().admission is Admission.NONE, "the operator's authenticated look is a sign of life"


def test_as_pid_1_it_reaps_orphans_and_ends_with_143(cluster: Cluster) -> None:
    one = cluster.member(1)
    one.launch(before=["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"])
    wait_for("it answers", one.answers, 15, lambda: one.log)
    assert one.agent is not None
    children = Path(f"/proc/{one.agent.pid}/task/{one.agent.pid}/children")
    pid1 = int(wait_for("unshare has started it", lambda: children.read_text().split())[0])
    of_pid1 = Path(f"/proc/{pid1}/task/{pid1}/children")
    # The shell ends at once; what it started becomes a child of PID 1, ends later, and has nobody else to reap it.
    shell = ["nsenter", "--target", str(pid1), "--pid", "--mount", "sh", "-c", "sleep 0.5 & exit 0"]
    subprocess.run(shell, check=True, timeout=10)
    wait_for("an orphan", lambda: of_pid1.read_text().split())
    wait_for("it is reaped", lambda: not of_pid1.read_text().split(), 5, of_pid1.read_text)
    os.kill(pid1, signal.SIGTERM)
    assert one.wait_exit() == 143


def test_a_new_token_becomes_the_sql_password_without_a_restart_of_everything(cluster: Cluster) -> None:
    one, two = cluster.bootstrap(), cluster.join(2)
    for member in (two, one):
        (member.home / "token").write_text("another token")
        member.sigterm()
        assert member.wait_exit() == 143
        member.start().wait_stage(Stage.RUNNING)
        member.admit(token="another token")
    monitor = sql_password("another token", MONITOR_USER)

    def works() -> bool:
        try:
            return bool(one.query("SELECT 1", MONITOR_USER, monitor) and two.query("SELECT 1", MONITOR_USER, monitor))
        except pymysql.err.OperationalError:
            return False

    wait_for("the operator can log in with the new token everywhere", works, 10, lambda: two.log[-2000:])
    assert "the token is a new one" in two.log, "the writer did it"
    assert "the token is a new one" not in one.log


def test_bad_settings_are_said_and_nothing_is_touched(cluster: Cluster) -> None:
    one = cluster.member(1)
    one.launch("mariadbd", "--wsrep-start-position=aaaa:1")
    assert one.wait_exit() == 2
    assert "wsrep-start-position belongs to the agent" in one.log
    one.launch(GALERA_SST_METHOD="carrier-pigeon")
    assert one.wait_exit() == 2
    assert "it takes mariabackup or rsync" in one.log
    (one.home / "conf" / "bad.cnf").write_text("[mysqld]\nwsrep_provider_options='pc.recovery=TRUE'\n")
    one.launch()
    assert one.wait_exit() == 2
    assert "pc.recovery" in one.log
    assert not list(one.data.iterdir())


def test_server_options_of_the_user_win_over_the_defaults(cluster: Cluster) -> None:
    one = cluster.member(1)
    (one.home / "conf" / "mine.cnf").write_text("[mysqld]\nmax_connections = 77\nwsrep_provider_options = 'gcs.fc_limit=99'\n")
    one.start("mariadbd", "--max-allowed-packet=3M", "--character-set-server=utf8mb4")
    one.grant()
    one.wait_stage(Stage.RUNNING)
    assert one.query("SELECT @@max_connections, @@max_allowed_packet", USER) == [(77, 3 << 20)]
    [(options,)] = one.query("SELECT @@wsrep_provider_options")
    assert "gcs.fc_limit = 99" in options
    assert "pc.recovery = false" in options
    assert "evs.suspect_timeout = PT2S" in options
