"""The sandbox's small parts: waiting, names and addresses, the DNS answer."""

import subprocess
from itertools import count
from pathlib import Path

import pytest

from galera_operator.sandbox.engine import Engine
from galera_operator.sandbox.errors import SandboxError
from galera_operator.sandbox.layout import Layout
from galera_operator.sandbox.nxdomain import answer
from galera_operator.sandbox.waiting import NotInTime, NotYet, wait_until


def test_waiting_returns_the_first_true_answer():
    asked = count()

    assert wait_until(lambda: next(asked) > 2 and "done", 5, "the third asking", every=0) == "done"


def test_waiting_in_vain_says_what_was_last_seen():
    with pytest.raises(NotInTime, match=r"waited 0 s for three nodes; last seen: \['node1'\]"):
        wait_until(lambda: NotYet(["node1"]), 0, "three nodes")


def test_waiting_ignores_only_the_errors_it_is_told_to():
    def refuses() -> bool:
        raise ConnectionRefusedError("port 80")

    with pytest.raises(NotInTime, match="last seen: ConnectionRefusedError: port 80"):
        wait_until(refuses, 0, "the page", ignoring=(OSError,))
    with pytest.raises(ConnectionRefusedError):
        wait_until(refuses, 0, "the page")


def test_two_folders_make_two_sets_of_names_and_the_usual_one_the_plain_names():
    usual = Layout.from_environment({})
    other = Layout.from_environment({"GALERA_SANDBOX_DIR": "/srv/other", "GALERA_SANDBOX_NET": "10.99.0.0/24"})

    assert (usual.node(2).namespace, usual.node(2).address) == ("gsb-node2", "10.78.0.12")
    assert usual.switch != other.switch
    assert (other.node(1).address, other.switch_address, other.host_address) == ("10.99.0.11", "10.99.0.1", "10.99.0.254")
    assert len(other.host_interface) <= 15, "the kernel's limit for an interface's name"


@pytest.mark.parametrize(
    "setting",
    [
        {"GALERA_SANDBOX_DIR": "relative"},
        {"GALERA_SANDBOX_DIR": "/run/sandbox"},
        {"GALERA_SANDBOX_DIR": "/" + "x" * 80},
        {"GALERA_SANDBOX_NET": "10.78.0.0/30"},
        {"GALERA_SANDBOX_NET": "10.78.0.1/24"},
        {"GALERA_SANDBOX_NET": "here"},
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_by_name(setting):
    with pytest.raises(SandboxError, match=next(iter(setting))):
        Layout.from_environment(setting)


def test_the_name_server_repeats_the_question_and_knows_no_name():
    question = b"\x02db\x04test\0" + b"\0\1\0\1"
    query = b"\xab\xcd" + b"\x01\x00" + b"\0\1\0\0\0\0\0\1" + question + b"\0\0\x29\x10\0\0\0\0\0\0\0"

    assert answer(query) == b"\xab\xcd" + b"\x81\x83" + b"\0\1\0\0\0\0\0\0" + question


@pytest.mark.parametrize("garbage", [b"", b"x" * 12, b"x" * 12 + b"\x3fabc", b"x" * 12 + b"\x02db\0\0"])
def test_the_name_server_says_nothing_to_garbage(garbage):
    assert answer(garbage) is None


def engine_in(folder: Path) -> Engine:
    return Engine("node1", folder, folder / "data", "/gsb-none", None)


def test_an_engine_that_has_not_written_its_number_down_yet_has_not_ended(tmp_path):
    (tmp_path / "pid").write_text("")

    with pytest.raises(SandboxError) as told:
        engine_in(tmp_path).wait_until_ready(within=0)
    assert "ended right after its start" not in str(told.value)


def test_an_engine_that_ended_is_not_waited_for(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / "pid").write_text(f"{ended.pid}\n")
    (tmp_path / "dockerd.log").write_text("failed to start daemon\n")

    with pytest.raises(SandboxError, match=r"(?s)ended right after its start.*failed to start daemon"):
        engine_in(tmp_path).wait_until_ready(within=30)
