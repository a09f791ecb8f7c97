from __future__ import annotations

import ast
import operator
from pathlib import Path

import pytest

import galera_operator

PACKAGE = Path(galera_operator.__file__).parent
CORE = sorted((PACKAGE / "core").rglob("*.py"))


def test_the_folder_operator_is_no_package_because_it_would_shadow_the_standard_library():
    assert PACKAGE.parent.name == "operator"
    assert not (PACKAGE.parent / "__init__.py").exists()
    assert operator.add(1, 1) == 2


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_a_module_of_the_core_is_short_enough_to_be_read(path):
    assert len(path.read_text().splitlines()) <= 350


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_a_module_of_the_core_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text()))
