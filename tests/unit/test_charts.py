"""What the stack files promise: numbers that must agree across files, names that must exist, secrets that must be mounted."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from galera_operator.agent.settings import read_settings
from galera_operator.core.agent_api import HAPROXY_PORT, HTTP_PORT
from galera_operator.sandbox.compose import without_ip_vs
from galera_operator.sandbox.images import IMAGES

CHARTS = Path(__file__).parents[2] / "charts"
GALERA, WORDPRESS, ARTICLE, MONITORING = (
    CHARTS / name / "stack.yml" for name in ("galera", "wordpress", "article", "monitoring")
)
STACKS = [GALERA, WORDPRESS, ARTICLE, MONITORING]
HAPROXY = (CHARTS / "galera" / "haproxy.cfg").read_text()
SLOTS = (CHARTS / "galera" / "slots.lua").read_text()
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def stack(file: Path) -> dict[str, Any]:
    """A stack file as deployed with no variable set."""
    return yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)}", r"\1", file.read_text()))


def services(file: Path) -> dict[str, Any]:
    return stack(file)["services"]


def seconds(text: str) -> float:
    """Read ``2m``, ``150s``, ``250ms`` or ``1m30s``."""
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|[smh])", text))


def haproxy(setting: str) -> str:
    """The one value that haproxy.cfg gives to a setting, wherever it gives it."""
    values = set(re.findall(rf"^\s*{re.escape(setting)} (\S+)", HAPROXY, re.MULTILINE))
    assert len(values) == 1, f"{setting}: {values}"
    return values.pop()


def secret_files(service: dict[str, Any]) -> set[str]:
    return {Path(value).name for key, value in service.get("environment", {}).items() if key.endswith("_FILE")}


# --- the database -----------------------------------------------------------------------------------------------------


def test_the_wish_and_the_replicas_are_one_number_so_that_a_deploy_does_not_scale_by_itself() -> None:
    text = GALERA.read_text()
    wish = re.search(r'galera.replicas: "(.+?)"', text)
    replicas = re.search(r"^      replicas: (\S+)", text, re.MULTILINE)
    assert wish
    assert replicas
    assert wish[1] == replicas[1]


@pytest.mark.parametrize("file", STACKS, ids=lambda file: file.parent.name)
def test_labels_stand_on_services_and_not_on_containers(file: Path) -> None:
    assert not [name for name, service in services(file).items() if "labels" in service]


def test_a_member_is_killed_only_after_its_drain_and_a_minute_for_mariadbd() -> None:
    drain = read_settings({}, []).drain_timeout
    assert seconds(services(GALERA)["dbcluster"]["stop_grace_period"]) >= drain + 60


def test_there_is_one_member_per_node_and_it_keeps_its_data() -> None:
    member = services(GALERA)["dbcluster"]
    assert member["deploy"]["placement"]["max_replicas_per_node"] == 1
    assert member["volumes"] == ["data:/var/lib/mysql"]
    assert "data" in stack(GALERA)["volumes"]


# --- the proxy --------------------------------------------------------------------------------------------------------


CONFIGS = [
    (GALERA, "proxy", "/usr/local/etc/haproxy", "haproxy.cfg"),
    (GALERA, "proxy", "/usr/local/etc/haproxy", "slots.lua"),
    (MONITORING, "prometheus", "/etc/prometheus", "prometheus.yml"),
    (MONITORING, "prometheus", "/etc/prometheus", "alerts.yml"),
]


@pytest.mark.parametrize(("file", "service", "folder", "name"), CONFIGS, ids=lambda value: value if "." in str(value) else "")
def test_a_config_is_named_after_its_content_because_swarm_cannot_change_one(
    file: Path, service: str, folder: str, name: str
) -> None:
    digits = hashlib.sha256((file.parent / name).read_bytes()).hexdigest()[:8]
    config = f"{name.replace('.', '_')}_{digits}"
    assert stack(file)["configs"].get(config) == {"file": f"./{name}"}, f"stack.yml: call the config of {name} {config}"
    mounted = {entry["source"]: entry["target"] for entry in services(file)[service]["configs"]}
    assert mounted[config] == f"{folder}/{name}"


def test_the_proxy_remembers_an_address_for_longer_than_a_member_may_take_to_stop() -> None:
    before_sigterm = 2  # Swarm's pause between leaving DNS and SIGTERM
    stopping = before_sigterm + seconds(services(GALERA)["dbcluster"]["stop_grace_period"])
    for reason in ("obsolete", "nx", "other", "refused", "timeout"):
        assert seconds(haproxy(f"hold {reason}")) > stopping, reason


def test_a_stopping_proxy_is_killed_only_after_it_has_ended_its_sessions_itself() -> None:
    assert seconds(services(GALERA)["proxy"]["stop_grace_period"]) > seconds(haproxy("hard-stop-after"))


def test_a_connection_waits_about_ten_seconds_for_a_member() -> None:
    assert int(haproxy("retries")) * seconds(haproxy("timeout connect")) == pytest.approx(10)


def test_sessions_of_a_member_that_is_down_are_cut_only_when_no_connection_attempt_to_it_can_be_left() -> None:
    poll, polls = (int(re.findall(rf"{name} = (\d+)", SLOTS)[0]) for name in ("POLL_MS", "POLLS_DOWN"))
    assert poll * polls / 1000 > seconds(haproxy("timeout connect"))


def test_the_proxy_asks_the_agents_where_they_answer() -> None:
    assert int(haproxy("default-server check port")) == HTTP_PORT
    assert int(haproxy("default-server agent-check agent-port")) == HAPROXY_PORT


def test_the_proxy_looks_for_the_service_of_the_stack() -> None:
    name = services(GALERA)["proxy"]["environment"]["DB_SERVICE_NAME"]
    assert name in services(GALERA)
    assert haproxy("presetenv DB_SERVICE_NAME") == name


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_every_secret_is_made_outside_and_every_password_file_is_a_mounted_secret() -> None:
    for file in (GALERA, WORDPRESS):
        assert set(map(str, stack(file)["secrets"].values())) == {"{'external': True}"}
        for name, service in services(file).items():
            mounted = set(service.get("secrets", []))
            assert secret_files(service) <= mounted, name
            assert mounted <= set(stack(file)["secrets"]), name


def test_only_agent_and_operator_hold_the_token() -> None:
    holders = {
        name for file in STACKS for name, service in services(file).items() if "galera_token" in service.get("secrets", [])
    }
    assert holders == {"dbcluster", "operator"}


def test_the_secrets_to_make_are_the_ones_that_the_readme_names() -> None:
    named = re.search(r"for name in ([\w ]+);", (CHARTS / "README.md").read_text())
    assert named
    assert set(named[1].split()) == {*stack(GALERA)["secrets"], *stack(WORDPRESS)["secrets"]}


# --- WordPress --------------------------------------------------------------------------------------------------------


def test_wordpress_and_its_database_agree_on_the_account_and_meet_at_the_proxy() -> None:
    wordpress = services(WORDPRESS)["wordpress"]["environment"]
    database = services(WORDPRESS)["dbcluster"]["environment"]
    assert wordpress["WORDPRESS_DB_HOST"] in services(GALERA)
    assert wordpress["WORDPRESS_DB_NAME"] == database["MARIADB_DATABASE"]
    assert wordpress["WORDPRESS_DB_USER"] == database["MARIADB_USER"]
    assert wordpress["WORDPRESS_DB_PASSWORD_FILE"] == database["MARIADB_PASSWORD_FILE"]


def test_files_of_one_stack_say_the_same_version_because_the_client_wants_it() -> None:
    assert stack(GALERA)["version"] == stack(WORDPRESS)["version"]


def test_the_articles_stack_is_as_it_was_but_for_images_and_the_operator() -> None:
    ours = stack(ARTICLE)
    ours["services"].pop("operator")
    images = [service.pop("image") for service in ours["services"].values()]
    rollout = {"update_config": {"parallelism": 2, "delay": "10s"}, "restart_policy": {"condition": "on-failure"}}
    account = {"name": "wordpress", "user": "wp", "password": "changemetoo"}
    assert ours == {
        "version": "3",
        "services": {
            "wordpress": {
                "ports": ["8080:80"],
                "networks": ["common"],
                "depends_on": ["dbcluster"],
                "deploy": {"replicas": 2, **rollout},
                "environment": {
                    "WORDPRESS_DB_HOST": "dbcluster",
                    "WORDPRESS_DB_NAME": account["name"],
                    "WORDPRESS_DB_USER": account["user"],
                    "WORDPRESS_DB_PASSWORD": account["password"],
                },
            },
            "dbcluster": {
                "networks": ["common"],
                "deploy": {"replicas": 1, **rollout},
                "environment": {
                    "DB_SERVICE_NAME": "dbcluster",
                    "MYSQL_ROOT_PASSWORD": "changeme",
                    "MYSQL_DATABASE": account["name"],
                    "MYSQL_USER": account["user"],
                    "MYSQL_PASSWORD": account["password"],
                },
            },
        },
        "networks": {"common": None},
    }
    assert images == ["wordpress:6-apache", "galera-operator/member:dev"]


# --- all of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", STACKS, ids=lambda file: file.parent.name)
def test_every_image_of_a_stack_can_be_made_in_the_sandbox(file: Path) -> None:
    images = {service["image"] for service in services(file).values() if "image" in service}
    assert images <= {image.name for image in IMAGES}


@pytest.mark.parametrize("file", STACKS, ids=lambda file: file.parent.name)
def test_the_sandbox_can_deploy_a_stack_without_ipvs(file: Path) -> None:
    override = without_ip_vs(yaml.safe_load(file.read_text()), {})
    assert {service["deploy"]["endpoint_mode"] for service in override["services"].values()} == {"dnsrr"}


@pytest.mark.parametrize("file", [GALERA, ARTICLE], ids=lambda file: file.parent.name)
def test_the_operator_runs_on_a_manager_beside_its_socket_and_on_the_members_network(file: Path) -> None:
    operator, member = services(file)["operator"], services(file)["dbcluster"]
    assert operator["deploy"]["placement"]["constraints"] == ["node.role == manager"]
    assert operator["volumes"][0] == "/var/run/docker.sock:/var/run/docker.sock"
    assert operator["deploy"]["replicas"] == 1
    assert operator.get("networks") == member.get("networks")


def test_the_journal_is_on_a_volume_where_the_image_writes_it() -> None:
    written = re.search(r"GALERA_OPERATOR_JOURNAL_DIR=(\S+)", (CHARTS.parent / "Dockerfile").read_text())
    assert written
    assert f"journal:{written[1]}" in services(GALERA)["operator"]["volumes"]
    assert "journal" in stack(GALERA)["volumes"]


def test_the_readme_lists_the_charts_that_exist() -> None:
    named = re.findall(r"^\| \[?(\w+)]?", (CHARTS / "README.md").read_text(), re.MULTILINE)
    folders = {folder.name for folder in CHARTS.iterdir() if folder.is_dir()}
    assert folders <= set(named)
