"""``galera-operator why``, ``history`` and ``replay`` on journals of a small world."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module

import pytest
from small_world import NAME
from test_journal import Bench
from typer.testing import CliRunner

from galera_operator.core.plan import Hold

main = import_module("galera_operator.cli.main")


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setenv("GALERA_OPERATOR_JOURNAL_DIR", str(tmp_path))
    return Bench(tmp_path)


@pytest.fixture
def grown(bench):
    """One member, then three."""
    bench.turns(12)
    bench.world.wish = 3
    bench.turns(30)
    return bench


def run(*args):
    return CliRunner().invoke(main.app, args)


def file_of(bench):
    return bench.directory / f"{NAME}.jsonl"


def test_why_tells_the_present_sentence_and_the_chain_from_the_last_calm_moment_on(grown):
    told = run("why", NAME)
    lines = told.stdout.splitlines()
    assert told.exit_code == 0
    assert lines[0] == f"{NAME}: hold: as wished: all 3 members are Synced and admitted"
    assert not any("grant slot 1 to bootstrap" in line for line in lines)
    steps = [line.split(" -> ", 1)[1] for line in lines if "  done " in line]
    assert steps[:3] == ["set replicas 1 -> 2", "invite slot 2 to join 10.0.0.1", "admit slot 2"]


def test_why_a_slot_tells_only_what_concerns_it(grown):
    told = run("why", NAME, "3")
    lines = told.stdout.splitlines()
    assert lines[1] == "slot 3 is admitted"
    events = lines[3:]
    assert events
    assert all("slot 3" in line for line in events)
    assert any("is synced (was waiting)" in line for line in events)
    assert any(line.endswith("-> admit slot 3") for line in events)


def test_why_for_programs_has_the_plan_and_every_event_with_its_times(grown):
    told = json.loads(run("why", NAME, "3", "--json").stdout)
    assert told["plan"] == {"is": "Hold", "why": "as wished: all 3 members are Synced and admitted", "recheck": 2.0}
    assert {"at", "until", "times", "kind", "text"} == told["events"][0].keys()
    assert {event["kind"] for event in told["events"]} >= {"seen", "act", "done"}


def test_why_about_a_page_tells_what_to_do(grown):
    grown.world.crash()
    grown.world.silent = {3}
    grown.turns(40)
    assert any(line.startswith("  to do: ") for line in run("why", NAME).stdout.splitlines())


def test_why_about_a_slot_that_there_is_not_says_so(grown):
    told = run("why", NAME, "7")
    assert told.exit_code == 2
    assert f"{NAME} has no slot 7" in told.stderr


def test_history_tells_everything_and_can_be_cut_to_the_newest(grown):
    whole = run("history", NAME).stdout.splitlines()
    assert "operator first looks after shop_db" in whole[0]
    assert run("history", NAME, "--last", "2").stdout.splitlines() == whole[-2:]
    assert len(json.loads(run("history", NAME, "--json").stdout)["events"]) == len(whole)


def test_a_line_that_was_cut_short_is_told_and_the_rest_is_read(grown):
    with file_of(grown).open("a") as file:
        file.write('{"format":1,"is":"Mom')
    told = run("history", NAME)
    assert told.exit_code == 0
    assert "was cut short and is left out" in told.stderr


@pytest.mark.parametrize("command", ["why", "history"])
def test_without_a_journal_of_that_service_the_command_says_which_there_are(bench, command):
    bench.turns(1)
    told = run(command, "other_db")
    assert told.exit_code == 1
    assert f"it has those of: {NAME}" in told.stderr


def test_replay_of_what_this_version_recorded_finds_no_difference(grown):
    told = run("replay", str(file_of(grown)))
    assert told.exit_code == 0
    assert told.stdout.splitlines() == [f"{len(grown.moments())} moments decided again: 0 differ"]


def test_replay_shows_each_decision_that_is_another_one_and_fails(grown):
    moments = grown.moments()
    moments[2] = replace(moments[2], plan=Hold("leave it"))
    file_of(grown).write_text("".join(f"{moment.to_json()}\n" for moment in moments))
    told = run("replay", str(file_of(grown)))
    assert told.exit_code == 1
    assert "  then: hold: leave it" in told.stdout
    assert "  now:  act: " in told.stdout
    assert told.stdout.splitlines()[-1].endswith(": 1 differ")
    as_json = json.loads(run("replay", str(file_of(grown)), "--json").stdout)
    assert as_json["decided"] == len(moments)
    assert [difference["then"]["why"] for difference in as_json["differences"]] == ["leave it"]


@pytest.mark.parametrize(
    ("content", "told_"), [("", "holds no moment"), ('{"format": 9}\n', "1: format is 9; this version reads 1")]
)
def test_replay_of_what_is_no_journal_is_refused(tmp_path, content, told_):
    file = tmp_path / "odd.jsonl"
    file.write_text(content)
    told = run("replay", str(file))
    assert told.exit_code == 2
    assert told_ in told.stderr
