from __future__ import annotations

from pathlib import Path

import pytest

from galera_operator.agent import options
from galera_operator.agent.database import account_statements, own_account_statements
from galera_operator.agent.options import Start
from galera_operator.agent.settings import BadSetting, Settings, read_settings
from galera_operator.agent.sql import identifier, quote
from galera_operator.core.agent_api import sql_password, token_from_root_password
from galera_operator.core.position import ZERO_UUID, Position

A = "aaaaaaaa-0000-4000-8000-000000000001"
NO_FILE = {"PATH": "/bin"}


def settings(*argv: str, **environ: str) -> Settings:
    return read_settings(environ, argv)


def test_swarm_names_the_member() -> None:
    made = settings(GALERA_SERVICE="wordpress_dbcluster", GALERA_SLOT="2", DB_SERVICE_NAME="dbcluster")
    assert (made.name, made.cluster_name) == ("wordpress_dbcluster.2", "wordpress_dbcluster")
    assert made.dns_names == ("tasks.wordpress_dbcluster", "tasks.dbcluster")


def test_a_name_that_galera_would_cut_is_shortened_so_that_slots_stay_apart() -> None:
    long = "mycompany-production-wordpress_dbcluster"
    names = [settings(GALERA_SERVICE=service, GALERA_SLOT=slot).name for service in (long, long + "2") for slot in ("1", "12")]
    assert len(set(names)) == 4
    assert all(len(name) <= 31 for name in names)
    assert [name.rpartition(".")[2] for name in names] == ["1", "12", "1", "12"]
    assert settings(GALERA_SERVICE="a" * 29, GALERA_SLOT="1").name == "a" * 29 + ".1"


def test_the_articles_stack_names_only_the_alias() -> None:
    made = settings(DB_SERVICE_NAME="dbcluster", MYSQL_ROOT_PASSWORD="p")
    assert made.dns_names == ("tasks.dbcluster",)
    assert made.cluster_name == "dbcluster"
    assert made.token == token_from_root_password("p", "dbcluster")


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"DB_SERVICE_NAME": "dbcluster", "GALERA_SERVICE": "wp_dbcluster"}, "dbcluster"),
        ({"GALERA_SERVICE": "wp_dbcluster"}, "wp_dbcluster"),
        ({}, ""),
    ],
    ids=["the alias first", "else the full name", "else nothing"],
)
def test_without_a_secret_the_token_comes_from_the_root_password(environ: dict[str, str], name: str) -> None:
    assert settings(MYSQL_ROOT_PASSWORD="p", **environ).token == token_from_root_password("p", name)
    both = settings(MARIADB_ROOT_PASSWORD="m", MYSQL_ROOT_PASSWORD="p", **environ)
    assert both.token == token_from_root_password("m", name)


def test_the_secret_is_the_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("  secret \n")
    assert settings(GALERA_TOKEN_FILE=str(tmp_path / "token"), MYSQL_ROOT_PASSWORD="p").token == "secret"
    (tmp_path / "token").write_text("gehe\u00efm")
    with pytest.raises(BadSetting, match="printable ASCII"):
        settings(GALERA_TOKEN_FILE=str(tmp_path / "token"))
    (tmp_path / "token").write_text("\n")
    with pytest.raises(BadSetting, match="is empty"):
        settings(GALERA_TOKEN_FILE=str(tmp_path / "token"))
    with pytest.raises(BadSetting, match="does not exist"):
        settings(GALERA_TOKEN_FILE=str(tmp_path / "none"), MYSQL_ROOT_PASSWORD="p")


def test_without_both_it_says_which_secret_is_missing(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("p")
    made = settings(MYSQL_ROOT_PASSWORD_FILE=str(tmp_path / "p"))
    assert made.token is None, "the operator cannot read a file in the member"
    assert "galera_token" in made.token_missing
    assert made.accounts.root_password == "p"


def test_passwords_come_from_variables_or_files_but_not_from_both(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("from a file\n")
    made = settings(MYSQL_USER="u", MARIADB_PASSWORD_FILE=str(tmp_path / "p"), MYSQL_DATABASE="d").accounts
    assert (made.user, made.password, made.database, made.root_password) == ("u", "from a file", "d", None)
    with pytest.raises(BadSetting, match="both set"):
        settings(MYSQL_PASSWORD="p", MYSQL_PASSWORD_FILE=str(tmp_path / "p"))
    with pytest.raises(BadSetting, match=r"MARIADB_PASSWORD_FILE is .*No such file"):
        settings(MARIADB_PASSWORD_FILE=str(tmp_path / "none"))
    with pytest.raises(BadSetting, match="both or neither"):
        settings(MARIADB_USER="u")


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    shown = repr(settings(MYSQL_ROOT_PASSWORD="hush1", MYSQL_USER="u", MYSQL_PASSWORD="hush2"))
    assert "hush" not in shown
    assert token_from_root_password("hush1", "") not in shown


@pytest.mark.parametrize(
    "environ",
    [
        {"GALERA_SST_METHOD": "mysqldump"},
        {"GALERA_DRAIN_TIMEOUT": "soon"},
        {"GALERA_DRAIN_TIMEOUT": "-1"},
        {"GALERA_OPERATOR_AWAY": "nan"},
        {"GALERA_SHUTDOWN_TIMEOUT": "inf"},
        {"GALERA_PEERS": "db1, 10.0.0.2"},
        {"GALERA_BIND_ADDRESS": "localhost"},
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_meant_is_named(environ: dict[str, str]) -> None:
    [(name, value)] = environ.items()
    with pytest.raises(BadSetting, match=f"{name} .*{value.split(',')[0]}"):
        settings(**environ)


def test_the_command_is_mariadbd_and_options() -> None:
    assert settings("mariadbd", "--max-connections=5").server_options == ("--max-connections=5",)
    assert settings("/usr/sbin/mysqld").server_options == ()
    assert settings("--a", "--b").server_options == ("--a", "--b")
    with pytest.raises(BadSetting, match="'bash'"):
        settings("bash", "-c", "true")


@pytest.mark.parametrize(
    "option",
    [
        "--wsrep-start-position=x:1",
        "--wsrep_new_cluster",
        "--loose-wsrep-on=OFF",
        "--skip-wsrep-on",
        "--WSREP-CLUSTER-ADDRESS=gcomm://",
        "--datadir=/tmp",
        "--binlog-format=STATEMENT",
        "--innodb-autoinc-lock-mode=1",
        "--wsrep-provider-options=pc.recovery=TRUE",
        "--wsrep-provider-options=gcache.size=1G;pc.bootstrap=1",
        "--skip-networking",
        "--bootstrap",
    ],
)
def test_safety_options_cannot_be_overridden(option: str) -> None:
    with pytest.raises(BadSetting):
        options.provider_options(settings(), options.user_provider_options([option]))


def test_ordinary_options_are_the_users() -> None:
    given = ["--max-connections=9", "--binlog-format=ROW", "--wsrep-slave-threads=8", '--wsrep-provider-options="gcache.size=1G"']
    merged = options.provider_options(settings(), options.user_provider_options(given))
    assert merged.startswith("gcache.size=1G;")
    assert merged.endswith("pc.recovery=FALSE")


def test_a_start_passes_its_position_and_its_donors() -> None:
    made = settings(GALERA_SERVICE="db", GALERA_SLOT="2", DB_SERVICE_NAME="")
    join = options.wsrep_arguments(made, Start("10.0.0.2", ("10.0.0.1", "10.0.0.3"), Position(A, 7), ("db.3",)), "x=y")
    assert f"--wsrep-start-position={A}:7" in join
    assert "--wsrep-cluster-address=gcomm://10.0.0.1,10.0.0.3" in join
    assert "--wsrep-sst-donor=db.3" in join
    assert "--wsrep-new-cluster" not in join
    seed = options.wsrep_arguments(made, Start("10.0.0.2", (), None), "x=y")
    assert "--wsrep-new-cluster" in seed
    assert not [argument for argument in seed if "start-position" in argument or "donor" in argument]
    zeros = options.wsrep_arguments(made, Start("10.0.0.2", (), Position(ZERO_UUID, -1)), "x=y")
    assert not [argument for argument in zeros if "start-position" in argument]


def test_no_password_is_in_mariadbds_environment() -> None:
    kept = options.server_environment({"MARIADB_ROOT_PASSWORD": "hush", "TZ": "UTC", "PATH": "/x"})
    assert "hush" not in kept.values()
    assert kept["TZ"] == "UTC"


def test_the_buffer_pool_follows_the_memory_limit(tmp_path: Path) -> None:
    assert options.memory_limit(tmp_path) is None
    (tmp_path / "memory.max").write_text("max\n")
    assert options.buffer_pool_bytes(options.memory_limit(tmp_path)) == 128 << 20
    (tmp_path / "memory.max").write_text(f"{4 << 30}\n")
    assert options.buffer_pool_bytes(options.memory_limit(tmp_path)) == 1 << 30


def test_literals_and_identifiers_cannot_be_left() -> None:
    assert quote("a'b\\c\nd") == r"'a\'b\\c\nd'"
    assert identifier("a`b") == "`a``b`"


def test_accounts_get_only_what_they_use() -> None:
    made = settings(MYSQL_ROOT_PASSWORD="r'p", MYSQL_USER="u", MYSQL_PASSWORD="p", MYSQL_DATABASE="my_db")
    statements = account_statements(made.accounts, "token")
    assert r"GRANT ALL PRIVILEGES ON `my\_db`.* TO 'u'@'%'" in statements
    own = own_account_statements("token")
    assert any(sql_password("token", "galera_monitor") in statement for statement in own)
    granted = [statement for statement in own if statement.startswith("GRANT")]
    assert granted == ["GRANT RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR ON *.* TO mysql@localhost"]
    assert not any("galera_monitor" in statement for statement in own_account_statements(None))


def test_the_users_files_come_after_the_defaults_and_the_containers_command_after_them(tmp_path: Path) -> None:
    made = settings(
        "mariadbd", "--max-connections=77", GALERA_CONF_DIR=f"{tmp_path}:{tmp_path}/none", GALERA_BUFFER_POOL_SIZE="64M"
    )
    text = options.defaults_file(made, 1)
    assert "innodb_buffer_pool_size = 64M" in text
    assert "/none" not in text
    assert text.index("innodb_buffer_pool_size") < text.index(f"!includedir {tmp_path}") < text.index('max-connections = "77"')


def test_the_containers_command_is_not_on_mariadbds_command_line(tmp_path: Path) -> None:
    made = settings("mariadbd", "--innodb-buffer-pool-size=64M")
    first, last = options.common_arguments(made, tmp_path / "my.cnf", tmp_path)
    assert not [argument for argument in (*first, *last) if "buffer" in argument], "mariadb-backup would end on it"
