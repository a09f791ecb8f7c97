"""The commands of runbooks: what is refused changes nothing, what is said can be read by programs, exit codes tell the end."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module

import pytest
from builders import cluster, member, remembered, three_calm
from fakes import MemoryStore
from typer.testing import CliRunner

from galera_operator.cli.lookout import NotFound, View
from galera_operator.core.decide import decide
from galera_operator.core.planned import Run, RunState
from galera_operator.core.running import advance, request
from galera_operator.core.spec import Wish
from galera_operator.core.timetable import read_schedule, read_windows
from galera_operator.ports import Record
from galera_operator.runtime.runbooks import load, shipped

NAME = "shop_db"
BOOKS = load()
main = import_module("galera_operator.cli.main")
looking = import_module("galera_operator.cli.looking")
commands = import_module("galera_operator.cli.runbook_commands")


@dataclass
class Eyes:
    """A lookout that sees one cluster. Each time the record is read, the operator takes a turn first, where one is there."""

    seen: object
    store: MemoryStore
    books: object = None
    operator: bool = False

    def view(self, service: str) -> View:
        if service != NAME:
            raise NotFound(f"there is no Galera service {service}; known are {NAME}")
        memory = self.store.records[NAME].memory
        return View(self.seen, decide(self.seen, memory), "first", {}, memory)

    def turn(self) -> None:
        self.store.edit(NAME, lambda memory: advance(self.seen, memory, self.books, 1_000_000.0))


@pytest.fixture
def eyes():
    store = MemoryStore()
    store.create(NAME, Record(0, "first", 3, remembered()))
    return Eyes(three_calm(wish=3), store, BOOKS)


@pytest.fixture
def run(monkeypatch, eyes):
    def on(*arguments: str):
        @contextmanager
        def open_lookout():
            yield eyes

        monkeypatch.setattr(looking, "open_lookout", open_lookout)
        monkeypatch.setattr(commands, "POLL", 0.0)
        if eyes.operator:
            load_record = eyes.store.load
            monkeypatch.setattr(eyes.store, "load", lambda name: (eyes.turn(), load_record(name))[1])
        return CliRunner().invoke(main.app, ["runbook", *arguments])

    return on


def planned(eyes):
    return eyes.store.records[NAME].memory.planned


def test_list_tells_every_runbook_and_its_pages(run):
    done = run("list")
    assert all(name in done.output for name in BOOKS)
    assert "copy-missing" in done.output
    assert {one["name"] for one in json.loads(run("list", "--json").output)} == set(BOOKS)


def test_show_tells_parameters_and_stages_in_words(run):
    done = run("show", "node-maintenance")
    assert "--set node=...  host name of the node to be emptied; a node's host name" in done.output
    assert "1. empty: drain the member on this node and keep the node out by a constraint node: {node}" in done.output
    assert "until no member is on this node, and another one serves, within 600 s; else stop" in done.output
    assert json.loads(run("show", "scale", "--json").output)["name"] == "scale"


def test_a_runbook_that_is_not_there_is_refused_with_those_that_are(run):
    done = run("show", "nothing")
    assert done.exit_code == 2
    assert "there is no runbook nothing; there are change-server-option" in done.stderr


def test_check_passes_the_shipped_ones_and_names_the_line_of_a_fault(run, tmp_path):
    for file in shipped().glob("*.yaml"):
        assert run("check", str(file)).exit_code == 0
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: bad\npurpos: x\n")
    done = run("check", str(bad))
    assert done.exit_code == 2
    assert "bad.yaml:2: unknown key purpos; did you mean purpose?" in done.stderr


def test_run_puts_a_request_into_the_record(run, eyes):
    done = run("run", "scale", NAME, "--set", "replicas=5")
    assert done.exit_code == 0
    (asked,) = planned(eyes).requests
    assert (asked.runbook, asked.arguments, asked.digest) == ("scale", {"replicas": "5"}, BOOKS["scale"].digest)
    assert "scale: waiting, stage 1 of 1 (wish): waits for the operator" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("scale", NAME), "replicas is missing"),
        (("scale", NAME, "--set", "replicas=77"), "expected a whole number from 1 to 9"),
        (("scale", NAME, "--set", "replicas"), "--set takes name=value"),
        (("scale", NAME, "--set", "replica=3"), "has no parameter replica"),
        (("scal", NAME), "there is no runbook scal"),
        (("scale", "other_db", "--set", "replicas=3"), "there is no Galera service other_db"),
    ],
)
def test_a_bad_request_changes_nothing(run, eyes, arguments, said):
    done = run("run", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert planned(eyes).requests == ()


def test_a_dry_run_tells_the_stages_and_the_first_step_and_changes_nothing(run, eyes):
    done = run("run", "scale", NAME, "--set", "replicas=5", "--dry-run")
    assert done.exit_code == 0
    assert "1. wish: scale replicas: 5" in done.output
    assert "not now: 3 members are wished by now, this run was to see to 5" in done.output
    assert "the operator would then: act: runbook scale" in done.output
    assert eyes.store.saves == 1


def test_a_run_that_is_followed_ends_with_zero_when_it_is_done(run, eyes):
    eyes.operator = True
    done = run("run", "scale", NAME, "--set", "replicas=3", "--wait", "--json")
    assert done.exit_code == 0
    lines = [json.loads(line) for line in done.output.splitlines()]
    assert lines[-1]["state"] == "done"
    keys = {"time", "service", "run", "runbook", "arguments", "by", "begun", "state", "stage", "stages", "stage_name", "note"}
    assert all(line.keys() == keys for line in lines)


def test_a_run_that_asks_ends_with_four_and_the_command_to_answer(run, eyes):
    eyes.operator = True
    eyes.seen = cluster(member(1), member(2), wish=2)
    done = run("run", "node-maintenance", NAME, "--set", "node=n1", "--wait", "--timeout", "0")
    assert done.exit_code == 1
    assert "not over within 0 s; it goes on" in done.stderr
    done = run("run", "wrong-setup", NAME, "--wait", "--timeout", "0")
    assert done.exit_code == 1
    eyes.store.edit(NAME, lambda memory: replace(memory, planned=type(memory.planned)()))
    eyes.seen = cluster(member(1), member(2), wish=3)
    done = run("run", "wrong-setup", NAME, "--wait")
    assert done.exit_code == 4
    assert f"galera-operator runbook answer {NAME} yes|no" in done.output


def test_a_run_that_failed_ends_with_one_and_with_three_where_it_calls_a_person(run, eyes):
    eyes.operator = True
    eyes.seen = cluster(member(1), wish=1)
    assert run("run", "node-maintenance", NAME, "--set", "node=n1", "--wait").exit_code == 1
    assert run("run", "replace-member", NAME, "--set", "slot=9", "--yes", "--wait").exit_code == 3


def asking(eyes) -> None:
    """A full outage's run, at its question."""
    run = Run("dddddddd-0000-4000-8000-000000000004", "wrong-setup", BOOKS["wrong-setup"].digest, {}, "ann@desk", 1.0)
    eyes.seen = cluster(member(1), member(2), wish=3)
    eyes.store.edit(NAME, lambda memory: request(memory, run))
    eyes.turn()


def test_an_answer_is_recorded(run, eyes):
    asking(eyes)
    assert run("answer", NAME, "yes").exit_code == 0
    assert planned(eyes).run.answer == "yes"


def test_an_answer_is_yes_or_no_and_only_to_a_question(run, eyes):
    assert "no runbook asks anything" in run("answer", NAME, "yes").stderr
    asking(eyes)
    done = run("answer", NAME, "maybe")
    assert (done.exit_code, planned(eyes).run.answer) == (2, "")


def test_what_is_said_with_an_answer_is_checked(run, eyes):
    asking(eyes)
    done = run("answer", NAME, "yes", "--set", "slot=3")
    assert done.exit_code == 2
    assert "wrong-setup has no parameter slot" in done.stderr
    assert planned(eyes).run.answer == ""


def test_abort_ends_the_run(run, eyes):
    assert run("abort", NAME).exit_code == 2
    asking(eyes)
    assert run("abort", NAME).exit_code == 0
    assert planned(eyes).run.state is RunState.ABORTED


def test_status_tells_the_run_those_that_wait_and_the_schedules(run, eyes):
    asking(eyes)
    wish = Wish(3, schedules=(read_schedule("day", "0 8 * * * -> 5"),), maintenance=read_windows("Sun 02:00-02:01"))
    eyes.seen = replace(eyes.seen, wish=wish)
    run("run", "scale", NAME, "--set", "replicas=5")
    told = json.loads(run("status", NAME, "--json").output)
    assert [(one["runbook"], one["state"]) for one in told["runs"]] == [("wrong-setup", "asking"), ("scale", "waiting")]
    assert told["schedules"][0]["next"].endswith("T08:00:00+00:00")
    words = run("status", NAME).output
    assert "wrong-setup: asking, stage 1 of 2 (put it right)" in words
    assert "schedule day: 0 8 * * * -> 5; next 20" in words


def test_status_of_nothing_says_so(run):
    assert f"{NAME}: no runbook was run, nothing is scheduled" in run("status", NAME).output


def test_every_command_has_an_example(run):
    for command in ("list", "show", "check", "run", "status", "answer", "abort"):
        assert "Example: galera-operator runbook" in " ".join(run(command, "--help").output.split())
