"""Bad input gets a clear error and changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from deployment import Deployment

from galera_operator.adapters.swarm_api import EngineApi
from galera_operator.adapters.swarm_store import DAMAGED, LABEL, SwarmStore
from galera_operator.ports import Conflict
from galera_operator.sandbox.errors import CommandFailed
from galera_operator.sandbox.waiting import NotYet, wait_until

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("replicas", ["banana", "-1", "0", "200"])
def test_an_impossible_number_of_members_is_refused_and_nothing_changes(galera: Deployment, replicas: str) -> None:
    before = set(galera.running())
    galera.label(replicas=replicas)
    plan = galera.wait_page("bad-label")
    assert f"galera.replicas is '{replicas}'; expected a whole number from 1 to 9" in plan["why"]
    assert galera.replicas() == 1
    assert set(galera.running()) == before
    galera.label(replicas="1")
    galera.wait_settled(1)


@pytest.mark.parametrize("replicas", ["banana", "-1", "0", "200"])
def test_the_scale_command_refuses_an_impossible_number_before_it_writes(galera: Deployment, replicas: str) -> None:
    with pytest.raises(CommandFailed, match="expected a whole number from 1 to 9"):
        galera.execute(galera.operator, "galera-operator", "scale", galera.database, replicas)
    assert galera.service()["Spec"]["Labels"]["galera.replicas"] == "1"


def test_an_unknown_label_is_named_with_the_known_ones(galera: Deployment) -> None:
    galera.label(replcas="3")
    plan = galera.wait_page("bad-label")
    assert "there is no label galera.replcas" in plan["why"]
    assert "galera.replicas" in plan["why"]
    galera.unlabel("replcas")
    galera.wait_settled(1)


def create_service(galera: Deployment, name: str, *options: str) -> None:
    """Something that only sleeps, on the database's network."""
    place = ("--endpoint-mode", "dnsrr", "--network", f"{galera.stack}_default", "--name", name)
    galera.docker("service", "create", "--detach", "--no-resolve-image", *place, *options, "debian:trixie-slim", "sleep", "300")


def page_of(galera: Deployment, service: str, name: str) -> dict[str, str]:
    def paged() -> dict[str, str] | NotYet:
        command = f"galera-operator status --json {service} || test $? = 3"
        plan = json.loads(galera.execute(galera.operator, "sh", "-c", command))["clusters"][0]["plan"]
        return plan if plan.get("page") == name else NotYet(plan)

    return wait_until(paged, 60, f"page {name} for {service}", every=0.5, ignoring=(CommandFailed,))


def test_labels_on_the_container_are_said_to_be_in_the_wrong_place(galera: Deployment) -> None:
    create_service(galera, "misplaced", "--container-label", "galera.replicas=3")
    try:
        plan = page_of(galera, "misplaced", "label-misplaced")
        assert "labels are read from the service only" in plan["why"]
        assert galera.service("misplaced")["Spec"]["Mode"]["Replicated"]["Replicas"] == 1
    finally:
        galera.docker("service", "rm", "misplaced")


def test_a_service_that_is_not_galera_is_left_alone(galera: Deployment) -> None:
    create_service(galera, "web", "--env", "MARIADB_ROOT_PASSWORD=x", "--label", "galera.replicas=3")
    try:
        plan = page_of(galera, "web", "not-galera")
        assert "nothing listens on the member agent's port" in plan["why"]
        assert galera.service("web")["Spec"]["Mode"]["Replicated"]["Replicas"] == 1
    finally:
        galera.docker("service", "rm", "web")


def test_a_missing_secret_is_named(galera: Deployment) -> None:
    create_service(galera, "nosecret", "--label", "galera.replicas=3")
    try:
        plan = page_of(galera, "nosecret", "missing-secret")
        assert "galera_token" in plan["why"]
        assert "docker secret create galera_token" in plan["remedy"]
    finally:
        galera.docker("service", "rm", "nosecret")


def swap_secret(galera: Deployment, old: str, new: str) -> None:
    """Give the operator another secret under the name galera_token."""
    change = ("--secret-rm", old, "--secret-add", f"source={new},target=galera_token")
    galera.docker("service", "update", "--detach", "--no-resolve-image", *change, galera.operator)


def test_a_wrong_secret_is_told_as_a_refused_login_and_nothing_changes(galera: Deployment) -> None:
    before = set(galera.running())
    wrong = galera.sandbox.layout.run / "secret-wrong"
    wrong.write_text("not the one")
    galera.docker("secret", "create", "wrong_token", str(wrong))
    swap_secret(galera, "galera_token", "wrong_token")
    try:
        plan = galera.wait_page("wrong-secret")
        assert "refused the login of galera_monitor" in plan["why"]
        wait_until(lambda: "PAGE wrong-secret" in galera.operator_log(), 30, "the operator itself to page", every=0.5)
        one_left = "the operator with the right secret to be gone"
        wait_until(lambda: len(galera.running(galera.operator)) == 1 and not galera.leaving(galera.operator), 30, one_left)
        galera.label(replicas="3")
        wait_until(lambda: galera.status()["wanted"] == 3, 30, "the wish to be seen")
        galera.wait_page("wrong-secret")
        assert galera.replicas() == 1
        assert set(galera.running()) == before
    finally:
        galera.label(replicas="1")
        swap_secret(galera, "wrong_token", "galera_token")
        galera.wait_settled(1)
        galera.docker("secret", "rm", "wrong_token")


def damage_record(galera: Deployment) -> str:
    """Cut the label that holds the cluster's record in half, as no command of docker's can, and return what is left."""
    api = EngineApi(galera.sandbox.nodes[0].socket)
    try:
        name = SwarmStore.config_name(galera.database)
        [config] = api.get("/configs", filters=json.dumps({"name": [name]}))
        labels = config["Spec"]["Labels"]
        labels[LABEL] = labels[LABEL][: len(labels[LABEL]) // 2]
        api.post(f"/configs/{config['ID']}/update", config["Spec"], version=str(config["Version"]["Index"]))
        return str(labels[LABEL])
    finally:
        api.close()


def test_a_damaged_record_pages_and_the_command_that_the_page_names_makes_it_anew(galera: Deployment) -> None:
    def damage() -> str | NotYet:
        try:
            return damage_record(galera)
        except Conflict:
            return NotYet("the operator wrote at the same time")

    left = wait_until(damage, 30, "the record to be damaged", every=0.1)
    plan = galera.wait_page("record-damaged")
    wait_until(lambda: "PAGE record-damaged" in galera.operator_log(), 30, "the operator itself to page", every=0.5)
    galera.label(replicas="2")
    wait_until(lambda: galera.status()["wanted"] == 2, 30, "the wish to be seen")
    galera.wait_page("record-damaged")
    assert galera.replicas() == 1, "nothing is done without the record"

    command = plan["remedy"].partition("galera-operator ")[2]
    told = galera.execute(galera.operator, "galera-operator", *command.split(), "--yes")
    assert left in told, "what is written over is shown"
    galera.wait_settled(2)
    [config] = json.loads(galera.docker("config", "inspect", SwarmStore.config_name(galera.database)))
    assert config["Spec"]["Labels"][DAMAGED] == left


def test_after_the_record_was_removed_the_members_obey_the_operator_all_the_same(galera: Deployment) -> None:
    """They have obeyed a higher epoch than the first one of a new record."""
    galera.label(replicas="2")
    galera.wait_settled(2)
    galera.docker("config", "rm", f"galera-operator.{galera.database}")
    galera.label(replicas="1")
    galera.wait_settled(1)


def test_a_second_operator_waits_for_the_lease_and_says_so(galera: Deployment) -> None:
    galera.docker("service", "scale", "--detach", f"{galera.operator}=2")
    try:
        wait_until(
            lambda: "holds the lease (epoch" in galera.operator_log(), 60, "the second operator to say it waits", every=0.5
        )
        galera.wait_settled(1)
    finally:
        galera.docker("service", "scale", "--detach", f"{galera.operator}=1")
    wait_until(lambda: len(galera.running(galera.operator)) == 1 or NotYet(galera.tasks(galera.operator)), 60, "one operator")


def test_an_engine_that_is_not_a_manager_is_refused(galera: Deployment) -> None:
    node3 = galera.sandbox.nodes[2]

    def manages() -> str:
        return galera.sandbox.docker(node3.index, "info", "--format", "{{.Swarm.ControlAvailable}}").strip()

    galera.docker("node", "demote", node3.name)
    try:
        # Before the demotion arrives there, an operator would find a manager, and run.
        wait_until(lambda: manages() == "false" or NotYet(manages()), 60, "node3 to be a worker")
        command = [str(Path(sys.executable).with_name("galera-operator")), "run"]
        environment = {**os.environ, "DOCKER_HOST": node3.socket}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 1
        assert "is not a Swarm manager" in ended.stderr
        assert "node.role == manager" in ended.stderr
    finally:
        galera.docker("node", "promote", node3.name)
        wait_until(lambda: manages() == "true" or NotYet(manages()), 60, "node3 to be a manager again")
