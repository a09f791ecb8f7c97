"""The Tab key, as a shell asks for it: by running the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def completed(typed: str) -> set[str]:
    """What the Tab key offers in bash, from the installed command."""
    environment = {
        **os.environ,
        "_GALERA_OPERATOR_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split(" ")) - 1),
        "DOCKER_HOST": "unix:///nowhere/docker.sock",
    }
    command = Path(sys.executable).with_name("galera-operator")
    done = subprocess.run([str(command)], capture_output=True, text=True, timeout=60, env=environment, check=False)
    return set(done.stdout.split())


def test_the_tab_key_completes_commands_and_options() -> None:
    assert completed("galera-operator do") == {"doctor"}
    assert {"up", "down", "status"} <= completed("galera-operator sandbox ")
    assert "--json" in completed("galera-operator status --j")


def test_the_tab_key_is_silent_where_no_engine_answers() -> None:
    assert completed("galera-operator plan w") == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_completion_script_for_each_common_shell(shell: str) -> None:
    environment = {**os.environ, "_GALERA_OPERATOR_COMPLETE": f"source_{shell}"}
    command = Path(sys.executable).with_name("galera-operator")
    done = subprocess.run([str(command)], capture_output=True, text=True, timeout=60, env=environment, check=True)
    assert "galera-operator" in done.stdout
    assert f"complete_{shell}" in done.stdout
