"""Every page that the operator can raise is explained in runbooks/README.md, and nothing is explained that it cannot raise."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]


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


def explained() -> set[str]:
    lines = (ROOT / "runbooks" / "README.md").read_text().splitlines()
    return {line.split("`")[1] for line in lines if line.startswith("| `")}


def test_every_page_is_explained_and_every_explained_page_can_be_raised() -> None:
    assert raised() == explained()
    assert len(raised()) > 10
