"""What the operator must not decide: it pages with a command, the command shows what it knows, and then does it."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest
from deployment import Deployment

from galera_operator.sandbox.errors import CommandFailed
from galera_operator.sandbox.waiting import NotYet, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def three(galera: Deployment) -> Deployment:
    galera.label(replicas="3")
    galera.wait_settled(3)
    galera.sql("CREATE DATABASE kept; CREATE TABLE kept.rows_ (id INT PRIMARY KEY)", slot=1)
    return galera


def rows(deployment: Deployment, slot: int) -> list[str]:
    return deployment.sql("SELECT id FROM kept.rows_ ORDER BY id", slot=slot).split()


def state_uuid(status: dict) -> str:
    (found,) = {member["state_uuid"] for member in status["members"]}
    return found


def decide(deployment: Deployment, command: str) -> str:
    """Run one of the operator's commands as a person would, in its container; returns what it says."""
    words = command.split()
    return deployment.execute(deployment.operator, *words)


def test_a_lost_majority_pages_with_a_command_that_brings_service_back_and_the_lost_members_join_anew(three: Deployment) -> None:
    before = state_uuid(three.status())
    three.sql("INSERT INTO kept.rows_ VALUES (1)", slot=1)
    place = {int(member["node"].removeprefix("node")): member["slot"] for member in three.status()["members"]}
    operated_from = three.container(three.operator)[0]
    gone = next(index for index in (3, 2) if index != operated_from)
    lost, killed = place.pop(gone), place.pop(next(index for index in place if index not in {gone, operated_from}))
    node, container = three.container(three.database, killed)
    three.sandbox.kill_node(gone)
    three.sandbox.docker(node, "kill", "--signal", "KILL", container)

    page = three.wait_page("no-primary", within=180)
    commands = re.findall(r"galera-operator bootstrap \S+(?: --\S+ \d+)+", page["remedy"])
    assert len(commands) == 1
    # Swarm may have put the lost slot's next task onto the node of the killed one: what is lost is what was on the lost node.
    assert re.search(rf"--from-slot \d+ --accept-loss-of {lost}$", commands[0]), commands[0]

    without_consent = commands[0].partition(" --accept-loss-of")[0]
    with pytest.raises(CommandFailed, match=f"data of slot {lost} may be lost"):
        decide(three, f"{without_consent} --yes")
    assert three.status()["plan"]["page"] == "no-primary", "what was not accepted by name changes nothing"

    told = decide(three, f"{commands[0]} --yes")
    assert "two clusters take writes" in told

    def serving(status: dict) -> list[int]:
        return [one["slot"] for one in status["members"] if one["admitted"] and one["cluster_status"] == "Primary"]

    def serve() -> dict | NotYet:
        status = three.status()
        return status if len(serving(status)) == 2 else NotYet(status)

    status = wait_until(serve, 180, "the two that are left to serve", every=0.5, ignoring=(CommandFailed, LookupError))
    assert status["condition"] == "degraded"
    three.sql("INSERT INTO kept.rows_ VALUES (2)", slot=serving(status)[-1])

    three.sandbox.start_node(gone)
    after = three.wait_settled(3)
    assert state_uuid(after) != before, "a new name, so that no copy from before can slip in with its own rows"
    assert [rows(three, slot) for slot in (1, 2, 3)] == [["1", "2"]] * 3
    assert "decided on" in three.operator_log()


def test_a_copy_of_another_history_is_kept_out_until_a_person_gives_it_up(three: Deployment) -> None:
    member = next(member for member in three.status()["members"] if member["node"] == "node3")
    slot, foreign = member["slot"], str(uuid.uuid4())
    node, container = three.container(three.database, slot)
    three.docker("service", "update", "--detach", "--no-resolve-image", "--label-add=galera.pause=true", three.database)
    volume = three.sandbox.docker(
        node,
        "inspect",
        "--format",
        '{{range .Mounts}}{{if eq .Destination "/var/lib/mysql"}}{{.Source}}{{end}}{{end}}',
        container,
    ).strip()
    three.sandbox.docker(node, "stop", container, timeout=120)
    grastate = Path(volume) / "grastate.dat"
    content = grastate.read_text()
    grastate.write_text(re.sub(r"uuid:.*", f"uuid:    {foreign}", re.sub(r"seqno:.*", "seqno:   7", content)))
    three.unlabel("pause")

    page = three.wait_page("foreign-history", within=120)
    assert f"{foreign}:7" in page["why"]
    command = f"galera-operator replace {three.database} --slot {slot}"
    assert command in page["remedy"]
    serving = next(one["slot"] for one in three.status()["members"] if one["slot"] != slot)
    with pytest.raises(CommandFailed, match="nothing has to be replaced"):
        decide(three, f"galera-operator replace {three.database} --slot {serving} --yes")
    three.sql("INSERT INTO kept.rows_ VALUES (3)", slot=serving)

    decide(three, f"{command} --yes")
    three.wait_settled(3)
    assert [rows(three, one) for one in (1, 2, 3)] == [["1", "2", "3"]] * 3
