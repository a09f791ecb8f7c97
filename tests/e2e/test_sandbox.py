"""The sandbox itself: a swarm of three nodes that talk to each other, and nothing left of it afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from galera_operator.sandbox import CommandFailed, NotYet, Sandbox, SandboxError, SandboxNotRunning, wait_until
from galera_operator.sandbox.layout import Layout
from galera_operator.sandbox.teardown import leftovers

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and mounts need root")]

REPOSITORY = Path(__file__).parents[2]
NODES = {"node1", "node2", "node3"}

# Three tasks, one per node; each answers on port 8000 with the name of its node, and can ask the others.
STACK = """
version: "3.8"
services:
  echo:
    image: debian:trixie-slim
    hostname: "{{.Node.Hostname}}"
    command:
      - perl
      - -MIO::Socket::INET
      - -e
      - |
        $$SIG{TERM} = sub { exit };
        my $$s = IO::Socket::INET->new(LocalPort => 8000, Listen => 9, ReuseAddr => 1) or die $$!;
        while (my $$c = $$s->accept) { print $$c $$ENV{HOSTNAME}, "\\n"; close $$c }
    ports: ["8080:8000"]
    deploy: {replicas: 3, placement: {max_replicas_per_node: 1}}
"""
ASK_ALL = 'for a in $(getent ahostsv4 tasks.echo | cut -d" " -f1 | sort -u); do cat <"/dev/tcp/$a/8000"; done'


@pytest.fixture(scope="module")
def layout() -> Iterator[Layout]:
    """A sandbox folder and network of its own: a developer's sandbox beside it is not touched."""
    folder = tempfile.mkdtemp(prefix="gsb-test-", dir="/var/tmp")
    settings = {"GALERA_SANDBOX_DIR": folder, "GALERA_SANDBOX_NET": "10.87.0.0/24"}
    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings.items():
            environment.setenv(name, value)
        Sandbox.prepare_images(REPOSITORY, only=["debian:trixie-slim"])
        yield Layout.from_environment()
        command("down", "--purge")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def sandbox(layout: Layout) -> Sandbox:
    return Sandbox.up(3)


def command(*args: str) -> str:
    """The command line's `sandbox`, as a user runs it."""
    program = [sys.executable, "-c", "from galera_operator.cli.sandbox_commands import app; app()"]
    return subprocess.run([*program, *args], check=True, capture_output=True, text=True).stdout


def on_this_machine(layout: Layout) -> dict[str, set[str]]:
    """What a sandbox might leave behind, of all that there is on this machine; other sandboxes on it come and go."""

    def ours(names: Iterator[str]) -> set[str]:
        return {name for name in names if name != "/run/netns" and ("gsb" not in name or layout.tag in name)}

    return {
        "processes": set(processes_of(layout)),
        "mounts": ours(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        "namespaces": ours(entry.name for entry in Path("/run").glob("netns/*")),
        "interfaces": ours(entry.name for entry in Path("/sys/class/net").iterdir()),
        "control groups": {str(path) for path in Path("/sys/fs/cgroup").glob("**/") if layout.tag in path.name},
        "forwarding": {Path("/proc/sys/net/ipv4/ip_forward").read_text()},
        "folders": {str(path) for path in (Path("/run/docker"), Path("/run/containerd")) if path.exists()},
    }


def processes_of(layout: Layout) -> Iterator[str]:
    """Engines name the folder, the name server its address, and containers are in the sandbox's control groups."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_text().replace("\0", " ")
                groups = (entry / "cgroup").read_text()
            except OSError:
                continue
            if str(layout.root) in line or f"nxdomain {layout.switch_address} " in line or f"/{layout.tag}" in groups:
                yield f"{entry.name} {line}"


def rows_of(sandbox: Sandbox, *, node: int = 1) -> dict[str, str]:
    rows = sandbox.docker(node, "node", "ls", "--format", "{{.Hostname}} {{.Status}}")
    return dict(row.split() for row in rows.splitlines())


def answered(sandbox: Sandbox, node: int) -> set[str] | NotYet:
    """The names of the nodes whose tasks the task on ``node`` reaches over the overlay network."""
    container = sandbox.docker(node, "ps", "--quiet", "--filter", "name=reach_echo").strip()
    if not container:
        return NotYet(sandbox.docker(1, "service", "ps", "--no-trunc", "reach_echo"))
    names = set(sandbox.docker(node, "exec", container, "bash", "-c", ASK_ALL).split())
    return names if names == NODES else NotYet(names)


@pytest.mark.timeout(300)
def test_up_makes_three_ready_managers(sandbox: Sandbox):
    assert rows_of(sandbox) == dict.fromkeys(NODES, "Ready")
    managers = sandbox.docker(1, "node", "ls", "--filter", "role=manager", "--quiet").split()
    assert len(managers) == 3


def test_up_again_is_the_same_sandbox_and_another_number_of_nodes_is_refused(sandbox: Sandbox):
    assert Sandbox.up(3).nodes == sandbox.nodes == Sandbox.attach().nodes
    with pytest.raises(SandboxError, match="is up with 3 nodes, not 5"):
        Sandbox.up(5)


def test_tasks_on_three_nodes_reach_each_other_and_this_machine_reaches_them(sandbox: Sandbox, tmp_path: Path):
    stack = tmp_path / "reach.yml"
    stack.write_text(STACK)

    sandbox.deploy("reach", stack)

    for node in (1, 2, 3):
        wait_until(lambda node=node: answered(sandbox, node), 60, f"all tasks from node {node}", ignoring=(CommandFailed,))
    for node in sandbox.nodes:
        assert (
            subprocess.check_output(["bash", "-c", f"cat </dev/tcp/{node.address}/8080"], text=True, timeout=10).strip() in NODES
        )
    own_address = sandbox.inside(2, "ip", "-4", "-oneline", "address", "show", "eth0").stdout
    assert sandbox.nodes[1].address in own_address


def test_status_and_env_say_what_there_is(sandbox: Sandbox):
    assert f"export DOCKER_HOST={sandbox.nodes[0].socket}\n" in command("env")
    said = command("status")
    assert all(node.address in said for node in sandbox.nodes)
    assert ("IPVS: services are deployed as" in said) == (sandbox.endpoint_mode == "vip")


@pytest.mark.timeout(180)
def test_a_lost_node_is_down_to_the_others_and_comes_back_with_its_disk(sandbox: Sandbox):
    sandbox.kill_node(3)

    assert sandbox.nodes[2].pid is None
    wait_until(
        lambda: rows_of(sandbox)["node3"] == "Down" or NotYet(rows_of(sandbox)), 60, "node3 to be Down", ignoring=(CommandFailed,)
    )

    sandbox.start_node(3)

    wait_until(
        lambda: rows_of(sandbox, node=3) == dict.fromkeys(NODES, "Ready"), 60, "node3 to be back", ignoring=(CommandFailed,)
    )
    wait_until(lambda: answered(sandbox, 3), 60, "its task", ignoring=(CommandFailed,))


@pytest.mark.timeout(180)
def test_down_leaves_nothing_and_the_second_up_takes_less_than_a_minute(sandbox: Sandbox, layout: Layout):
    sandbox.down()
    before = on_this_machine(layout)

    started = time.monotonic()
    again = Sandbox.up(3)
    took = time.monotonic() - started
    again.docker(1, "run", "--detach", "--rm", "debian:trixie-slim", "sleep", "600")
    in_between = on_this_machine(layout)
    again.down()

    assert took < 60
    for what in ("processes", "namespaces", "interfaces", "control groups"):
        assert in_between[what] > before[what], f"the comparison would show {what} of a sandbox"
    assert any("sleep 600" in line for line in in_between["processes"])
    assert on_this_machine(layout) == before
    assert not list(processes_of(layout))
    assert leftovers(layout) == []
    with pytest.raises(SandboxNotRunning, match="galera-operator sandbox up"):
        Sandbox.attach()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("interrupted_by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("seen", ["node2/pid", "node1/docker.sock"])
def test_an_interrupted_up_leaves_nothing(layout: Layout, interrupted_by: signal.Signals, seen: str):
    before = on_this_machine(layout)
    program = [sys.executable, "-c", "from galera_operator.cli.sandbox_commands import app; app()", "up"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as starting:
        wait_until((layout.run / seen).exists, 30, f"{seen} to appear", every=0.01)
        starting.send_signal(interrupted_by)
        said, _ = starting.communicate(timeout=60)

    if interrupted_by == signal.SIGKILL:
        assert leftovers(layout), "it could not clean up"
        command("down")
    else:
        assert "removing what had been started" in said
    assert on_this_machine(layout) == before
    assert leftovers(layout) == []


@pytest.mark.timeout(180)
def test_down_removes_a_sandbox_whose_engines_crashed(layout: Layout):
    before = on_this_machine(layout)
    sandbox = Sandbox.up(3)
    sandbox.docker(2, "run", "--detach", "debian:trixie-slim", "sleep", "600")
    engines = [int(line.split()[0]) for line in processes_of(layout) if line.split()[1] == "dockerd"]
    assert len(engines) == 3
    for pid in engines:
        os.kill(pid, signal.SIGKILL)

    command("down")

    assert on_this_machine(layout) == before
    assert leftovers(layout) == []
