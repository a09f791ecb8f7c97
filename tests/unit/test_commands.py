"""Every command of the command line explains itself, shows an example, speaks JSON where it prints data, and can be completed."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from importlib import import_module

import click
import pytest
import typer
from loguru import logger
from typer.testing import CliRunner

from galera_operator import __version__

main = import_module("galera_operator.cli.main")
completing = import_module("galera_operator.cli.completing")

PRINTS_NO_DATA = {
    "run": "it is the operator; its log has GALERA_OPERATOR_LOG_JSON",
    "bootstrap": "it asks a person; what it shows of each copy is in status --json",
    "replace": "it asks a person; what it shows of each copy is in status --json",
    "runbook answer": "it records an answer; where the run stands is in runbook status --json",
    "runbook abort": "it ends a run; where it stood is in runbook status --json",
    "sandbox up": "it tells what it does; the nodes are in sandbox status --json",
    "sandbox down": "it tells what it does",
    "sandbox images": "it tells what it does",
    "sandbox env": "it prints what a shell evaluates; the nodes are in sandbox status --json",
    "sim replay": "it tells a story; what broke is its exit code",
}
"""Commands without --json, each with the reason."""


def commands(group: click.Group | None = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command with its words, groups left out."""
    group = group or typer.main.get_command(main.app)
    for name, command in group.commands.items():
        words = (*path, name)
        if hasattr(command, "commands"):
            yield from commands(command, words)
        else:
            yield " ".join(words), command


COMMANDS = dict(commands())


def test_the_walk_finds_commands_of_every_level() -> None:
    assert {"status", "doctor", "version", "sandbox status", "sim run"} <= COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_does_and_shows_an_example_of_itself(name: str) -> None:
    shown = CliRunner().invoke(main.app, [*name.split(), "--help"], terminal_width=120)
    assert shown.exit_code == 0
    assert re.search(r"Examples?:", shown.output)
    told = COMMANDS[name].help or ""
    assert len(told.split("Example")[0].strip()) > 15
    for example in examples(told):
        assert f"galera-operator {name}" in example


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_explained(name: str) -> None:
    for parameter in COMMANDS[name].params:
        assert getattr(parameter, "help", None), parameter.name


@pytest.mark.parametrize("name", COMMANDS)
def test_an_example_can_be_typed_as_it_stands(name: str) -> None:
    """Every option in it exists, and there are as many arguments as the command takes."""
    for example in examples(COMMANDS[name].help or ""):
        words = shlex.split(example.split(f"galera-operator {name}")[1].rstrip(')"'))
        given, left, _ = COMMANDS[name].make_parser(click.Context(COMMANDS[name])).parse_args(list(words))
        assert left == []
        assert {parameter.name for parameter in COMMANDS[name].params if parameter.required} <= given.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_prints_data_speaks_json(name: str) -> None:
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert ("--json" in options) is (name not in PRINTS_NO_DATA)


def examples(told: str) -> list[str]:
    lines = re.findall(r"^\s*Examples?: (.*)$", told, re.MULTILINE)
    assert lines, told
    return [example for line in lines for example in line.split("; ")]


def test_the_version_is_printed_as_text_and_as_json() -> None:
    assert CliRunner().invoke(main.app, ["version"]).output == f"{__version__}\n"
    assert json.loads(CliRunner().invoke(main.app, ["version", "--json"]).output) == {"version": __version__}


@pytest.fixture
def _logging_again() -> Iterator[None]:
    """A campaign switches the log of its process off; other tests read theirs."""
    yield
    logger.enable("galera_operator")


@pytest.mark.usefixtures("_logging_again")
def test_a_simulated_campaign_is_told_as_json() -> None:
    done = CliRunner().invoke(main.app, ["sim", "run", "--histories", "2", "--steps", "5", "--json"])
    assert done.exit_code == 0
    told = json.loads(done.output)
    assert (told["histories"], told["actions"], told["broken"]) == (2, 10, [])


def test_the_tab_key_offers_the_galera_services_that_begin_so(monkeypatch) -> None:
    def engine(timeout: float) -> object:
        return type("Engine", (), {"get": staticmethod(answers.__getitem__)})()

    spec = {"TaskTemplate": {"ContainerSpec": {"Image": "toughiq/mariadb-cluster"}}}
    names = ("shop_db", "shop_archive", "wiki_db")
    web = {"Spec": {"Name": "shop_web", "TaskTemplate": {"ContainerSpec": {"Image": "nginx"}}}}
    answers = {"/networks": [], "/services": [*({"Spec": {"Name": name, **spec}} for name in names), web]}
    monkeypatch.setattr(completing, "EngineApi", engine)
    assert completing.galera_services("shop_") == ["shop_archive", "shop_db"]
