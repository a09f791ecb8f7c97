"""A runbook is refused with file, line and what was probably meant; the shipped ones are read as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from galera_operator.core.plan import Hold, Page
from galera_operator.core.runbook import Kind, OnFailure, Parameter, runbook_for
from galera_operator.runtime.runbooks import BadRunbook, load, read, shipped

GOOD = """\
name: work
purpose: For the test.
planned: true
answers: [wrong-victim]
conditions: [degraded]
parameters:
  replicas: {kind: integer, least: 1, most: 9, about: "how many"}
  node:
    kind: node
    default: n1
    about: which node
stages:
  - name: wish
    do: scale
    with: {replicas: "{replicas}"}
    until: size
    within: 10m
    on_failure: page
  - name: say
    do: notify
    with: {text: "{node} was looked at"}
"""


def written(directory: Path, text: str, name: str = "work") -> Path:
    path = directory / f"{name}.yaml"
    path.write_text(text)
    return path


def refusal(directory: Path, before: str, after: str) -> str:
    """What is said about the good runbook with this one change."""
    assert before in GOOD
    with pytest.raises(BadRunbook) as error:
        read(written(directory, GOOD.replace(before, after, 1)))
    return str(error.value).replace(f"{directory}/", "")


def test_a_good_one_is_read_as_it_is(tmp_path):
    book = read(written(tmp_path, GOOD))
    assert (book.name, book.planned, book.answers, book.conditions) == ("work", True, ("wrong-victim",), ("degraded",))
    assert book.parameters[0] == Parameter("replicas", Kind.INTEGER, "how many", None, 1, 9)
    first, second = book.stages
    assert (first.do, first.until, first.within, first.on_failure) == ("scale", "size", 600.0, OnFailure.PAGE)
    assert (second.until, second.within, second.on_failure) == ("", 600.0, OnFailure.STOP)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("purpose:", "purpos:", "work.yaml:2: unknown key purpos; did you mean purpose?"),
        ("    within: 10m", "    withing: 10m", "work.yaml:17: unknown key withing; did you mean within?"),
        ("    default: n1", "    defalt: n1", "work.yaml:10: unknown key defalt; did you mean default?"),
        ("do: scale", "do: scal", "work.yaml:14: there is no step scal; did you mean scale?"),
        ("until: size", "until: sized", "work.yaml:16: there is no condition sized; did you mean size?"),
        ("{node} was", "{nod} was", "work.yaml:21: there is no parameter nod; did you mean node?"),
        ('with: {replicas: "{replicas}"}', 'with: {replica: "{replicas}"}', "work.yaml:15: nothing in stage wish takes replica"),
        ('    with: {replicas: "{replicas}"}\n', "", "work.yaml:13: stage wish has to say with: replicas"),
        ("{node} was", "{node was", "work.yaml:21: '{node was looked at'"),
        ("within: 10m", "within: soon", "work.yaml:17: within is 'soon'"),
        ("within: 10m", "within: 0", "work.yaml:17: within is 0"),
        ("on_failure: page", "on_failure: panic", "work.yaml:18: on_failure is 'panic'; expected 'stop', 'page' or 'continue'"),
        ("kind: node", "kind: nod", "work.yaml:9: kind is 'nod'; expected"),
        ("conditions: [degraded]", "conditions: [sad]", "work.yaml:5: 0 is 'sad'; expected"),
        ("name: work", "name: other", "work.yaml:1: the file is work.yaml, so the name has to be work"),
        ("planned: true\n", "", "work.yaml:1: planned is missing"),
        ("default: n1", "default: 'a b'", "work.yaml:10: node is 'a b'; expected a node's host name"),
        ("planned: true", "planned: [", "work.yaml:5: not YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_what_was_meant(tmp_path, before, after, said):
    assert said in refusal(tmp_path, before, after)


def test_a_stage_does_something_or_waits_for_something(tmp_path):
    stage = '    do: scale\n    with: {replicas: "{replicas}"}\n    until: size\n'
    assert "work.yaml:13: stage wish has neither do nor until" in refusal(tmp_path, stage, "")


def test_every_fault_is_said_at_once(tmp_path):
    said = refusal(tmp_path, "purpose: For the test.\nplanned: true", "purpos: x\nplaned: true")
    assert said.count("\n") == 3
    assert "purpos;" in said
    assert "planed;" in said


def test_a_file_that_is_not_there_is_no_runbook(tmp_path):
    with pytest.raises(BadRunbook, match="No such file"):
        read(tmp_path / "nothing.yaml")


def test_a_file_that_is_no_mapping_is_no_runbook(tmp_path):
    with pytest.raises(BadRunbook):
        read(written(tmp_path, "just words"))
    with pytest.raises(BadRunbook):
        read(written(tmp_path, ""))


def test_a_comment_does_not_make_another_definition_and_a_change_does(tmp_path):
    digest = read(written(tmp_path, GOOD)).digest
    assert read(written(tmp_path, f"# a comment\n{GOOD}")).digest == digest
    assert read(written(tmp_path, GOOD.replace("10m", "11m"))).digest != digest


def test_a_runbook_of_one_s_own_takes_the_place_of_a_shipped_one(tmp_path):
    own = GOOD.replace("name: work", "name: scale", 1)
    written(tmp_path, own, "scale")
    books = load(tmp_path)
    assert books["scale"].purpose == "For the test."
    assert "full-outage" in books
    assert load(None)["scale"].purpose != "For the test."


def test_every_bad_file_of_a_directory_is_named(tmp_path):
    written(tmp_path, "name: 1", "a")
    written(tmp_path, "name: 2", "b")
    with pytest.raises(BadRunbook) as error:
        load(tmp_path)
    assert "a.yaml:1" in str(error.value)
    assert "b.yaml:1" in str(error.value)


def test_the_shipped_ones_are_all_there():
    assert set(load()) >= {
        "scale",
        "node-maintenance",
        "replace-member",
        "full-outage",
        "quorum-lost",
        "split-brain",
        "stuck-state-transfer",
        "move-writer",
        "rolling-restart",
        "rolling-update",
        "change-server-option",
    }
    assert {path.stem for path in shipped().glob("*.yaml")} == set(load())


def test_a_page_is_answered_by_the_runbook_that_names_it():
    assert runbook_for(Page("copy-missing", "why", "remedy"), load()) == "full-outage"
    assert runbook_for(Page("no-such-page", "why", "remedy"), load()) == ""
    assert runbook_for(Hold("why"), load()) == ""


# Parameters


def told(**given: str):
    return load()["scale"].arguments(given)


def test_parameters_are_checked_before_anything_is_asked_for():
    assert told(replicas="3") == ({"replicas": "3"}, ())
    for wrong in ("0", "10", "many", "-1", "3.0", "", "\uff19"):
        assert told(replicas=wrong)[1] == (f"replicas is {wrong!r}; expected a whole number from 1 to 9",)


def test_the_limits_themselves_are_allowed():
    assert told(replicas="1")[1] == told(replicas="9")[1] == ()
    assert Parameter("it", Kind.INTEGER, "x").fault_in("1" * 9) is None


def test_what_is_expected_names_the_limits_that_there_are():
    def expected(**limits: int) -> str:
        return Parameter("it", Kind.INTEGER, "x", None, **limits).expected

    assert expected() == "a whole number"
    assert expected(least=2) == "a whole number from 2"
    assert expected(most=5) == "a whole number to 5"
    assert expected(least=2, most=5) == "a whole number from 2 to 5"


def test_a_parameter_that_is_missing_or_unknown_is_said():
    assert told()[1] == ("replicas is missing: how many members are wished (--set replicas=...; a whole number from 1 to 9)",)
    assert told(replicas="3", replica="4")[1] == ("scale has no parameter replica; it has replicas",)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Kind.SLOT, ["1", "12"], ["0", "x", "1,2"]),
        (Kind.SLOTS, ["1", "1,2"], ["1,", "1 2", "0,1"]),
        (Kind.NODE, ["node1", "node-1.example.org", "n_1"], ["", "a b", "x;y", "n1!=n2"]),
        (Kind.INTEGER, ["0", "77"], ["-1", "x", "1" * 10]),
        (Kind.TEXT, ["", "anything at all"], []),
    ],
)
def test_each_kind_of_parameter_takes_its_own(kind, good, bad):
    parameter = Parameter("it", kind, "for the test")
    assert [parameter.fault_in(value) for value in good] == [None] * len(good)
    for value in bad:
        assert "it is " in (parameter.fault_in(value) or "")


def test_a_default_is_taken_as_it_is():
    values, faults = load()["full-outage"].arguments({})
    assert values == {"from_slot": "", "accept_loss_of": ""}
    assert faults == ()
