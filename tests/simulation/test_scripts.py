"""A history is a script: it reads back, and it plays the same each time."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from galera_operator.cli.main import app
from galera_operator.sim.actions import ALPHABET, BadScript, action, parse_action, parse_script
from galera_operator.sim.campaign import Failure, shrink
from galera_operator.sim.history import History, random_history

FOUND = sorted((Path(__file__).parent / "found").glob("*.sim"))


def trace(history: History) -> list[str]:
    """Everything that was done and decided, with the data at each moment."""
    lines = []

    def hear(world, who, text):
        copies = [f"{container.name} {container.stage} {container.volume.seqno}" for container in world.containers]
        lines.append(f"{world.now:.3f} {who}: {text} | {copies}")

    history._hear = hear
    for operator in history.world.operators.values():
        operator.said = history._said
    outcome = history.play()
    return [*lines, outcome.end, *outcome.broken]


@pytest.mark.parametrize("seed", range(100, 112))
def test_the_same_seed_gives_the_same_trace_twice_and_so_does_its_script(seed):
    first = trace(random_history(seed, 60))
    assert trace(random_history(seed, 60)) == first
    script = parse_script(str(random_history(seed, 60).play().script))
    assert trace(History(script)) == first
    assert len(first) > 60


def test_every_action_reads_back_what_it_writes():
    samples = {"seconds": "2.5", "count": "3", "slot": "2", "node": "n1", "nodes": "n1, n2", "source": "n1", "target": "m1"}
    samples |= {"name": "A", "when": "after"}
    for kind, text in ALPHABET.items():
        names = [part.split("}")[0] for part in text.split("{")[1:]]
        one = action(kind, *(samples[name] for name in names))
        assert parse_action(str(one)) == one, kind
        assert "{" not in str(one)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing"),
        ("pass 1 s", "begins with"),
        ("begin with seed 1, 3 members serving on 3 nodes, 3 wished\nkill slot two", "'kill slot two' is no action"),
    ],
)
def test_a_script_that_cannot_be_read_says_which_line(text, said):
    with pytest.raises(BadScript, match=said):
        parse_script(text)


@pytest.mark.parametrize("path", FOUND, ids=[path.stem for path in FOUND])
def test_what_was_broken_once_is_not_any_more(path):
    outcome = History(parse_script(path.read_text())).play()
    assert outcome.broken == []


def test_the_shortest_script_keeps_what_it_takes_to_break():
    """Breaks on purpose: any history in which slot 2 and then slot 1 were killed."""
    history = random_history(7, 60)
    script = history.play().script
    wanted = (action("kill", 2), action("pass", 1.0), action("kill", 1))
    actions = (*script.actions[:20], wanted[0], *script.actions[20:40], *wanted[1:], *script.actions[40:])

    class Played:
        def __init__(self, script):
            kills = [str(one) for one in script.actions if one.kind == "kill"]
            both = "kill the container of slot 2" in kills and "kill the container of slot 1" in kills
            self.broken = ["both were killed"] if both else []

    short = shrink(Failure(type(script)(7, 3, 3, 3, actions), ["both were killed"]), Played)
    assert [one.kind for one in short.script.actions] == ["kill", "kill"]


def test_the_commands_run_and_replay(tmp_path):
    runner = CliRunner()
    ran = runner.invoke(app, ["sim", "run", "--histories", "20", "--seed", "1", "--script", str(tmp_path / "broken.sim")])
    assert ran.exit_code == 0, ran.output
    assert "20 histories of 60 actions" in ran.output
    assert "not covered, pages" in ran.output
    file = tmp_path / "one.sim"
    file.write_text(str(random_history(3, 20).play().script))
    replayed = runner.invoke(app, ["sim", "replay", str(file)])
    assert replayed.exit_code == 0, replayed.output
    assert "operator A: Hold: as wished" in replayed.output or "operator A: " in replayed.output
    file.write_text("nonsense\n")
    refused = runner.invoke(app, ["sim", "replay", str(file)])
    assert refused.exit_code == 2
    assert "begins with" in refused.output
