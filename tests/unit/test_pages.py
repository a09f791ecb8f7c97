"""Every page that the operator can raise is explained in runbooks/README.md and answered by a runbook, and nothing else is."""

from __future__ import annotations

import ast
from pathlib import Path

from galera_operator.core.condition import Condition
from galera_operator.core.conditions import CONDITIONS
from galera_operator.core.verbs import VERBS
from galera_operator.runtime.runbooks import load

ROOT = Path(__file__).parents[2]
README = (ROOT / "runbooks" / "README.md").read_text()


def raised() -> set[str]:
    """First arguments of every `Page(...)` and `BadWish(...)` in the source, and every `page="..."` handed to what makes one."""
    names = set()
    for file in (ROOT / "operator" / "galera_operator").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "page" and isinstance(node.value, ast.Constant):
                names.add(str(node.value.value))
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"Page", "BadWish"}
            if called and node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
                names.add(node.args[0].value)
    return names


def explained() -> dict[str, str]:
    """Page to runbook, as the table has them."""
    _, _, pages = README.partition("## Pages")
    rows = [line.split("`") for line in pages.splitlines() if line.startswith("| `")]
    return {row[1]: row[3] for row in rows}


def answered() -> dict[str, str]:
    """Page to runbook, as the runbooks have them."""
    return {page: book.name for book in load().values() for page in book.answers}


def test_every_page_is_explained_and_every_explained_page_can_be_raised() -> None:
    assert raised() == set(explained())
    assert len(raised()) > 10


def test_every_page_is_answered_by_a_runbook_and_every_answered_page_can_be_raised() -> None:
    assert raised() == set(answered())


def test_no_page_is_answered_by_two_runbooks() -> None:
    pages = [page for book in load().values() for page in book.answers]
    assert len(pages) == len(set(pages))


def test_the_table_names_the_runbook_that_answers_the_page() -> None:
    assert explained() == answered()


def test_every_bad_condition_of_a_cluster_has_a_runbook_that_names_it() -> None:
    named = {condition for book in load().values() for condition in book.conditions}
    assert named == {str(condition) for condition in Condition} - {Condition.SERVING, Condition.FIRST_START}


def test_the_readme_lists_every_step_and_every_condition_of_a_stage() -> None:
    for one in (*VERBS.values(), *CONDITIONS.values()):
        takes = ", ".join(f"`{name}`" for name in one.takes)
        assert f"| `{one.name}` | {takes} | {one.about[0].upper()}{one.about[1:]}. |" in README
