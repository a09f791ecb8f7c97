"""The doctor on a real Swarm: silent on the running chart, with a member measured; a fault is found and its command mends it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from deployment import Deployment

pytestmark = pytest.mark.e2e


def doctor(galera: Deployment, *arguments: str, code: int) -> dict[str, Any]:
    """What the command in the operator's container says, as JSON; it has to end with this code."""
    command = f"galera-operator doctor {' '.join(arguments)} --json; test $? = {code}"
    return json.loads(galera.execute(galera.operator, "sh", "-c", command))


def found(told: dict[str, Any]) -> list[str]:
    return [finding["id"] for finding in told["findings"]]


def test_the_doctor_is_silent_on_the_running_chart_and_has_measured_a_member(galera: Deployment) -> None:
    told = doctor(galera, galera.database, code=0)
    assert found(told) == []
    assert not [sentence for sentence in told["not_checked"] if "gcache" in sentence]


def test_without_a_name_it_looks_at_every_cluster_of_the_swarm(galera: Deployment) -> None:
    assert found(doctor(galera, code=0)) == []


def test_a_fault_of_the_running_service_is_found_with_the_command_that_mends_it(galera: Deployment) -> None:
    before = set(galera.running())
    galera.docker("service", "update", "--detach", "--no-resolve-image", "--update-parallelism", "2", galera.database)
    told = doctor(galera, galera.database, code=3)
    assert found(told) == ["update-parallelism"]
    command = told["findings"][0]["change"].split()
    assert command[:3] == ["docker", "service", "update"]
    galera.docker("service", "update", "--detach", "--no-resolve-image", *command[3:])
    assert found(doctor(galera, galera.database, code=0)) == []
    assert set(galera.running()) == before, "neither change restarts a member"
