"""Put a mutant in the place of the imported module's own code, without importing anything again.

Everybody who imported a function holds the function object: giving that object the mutant's code changes it for all of them.
Sets and dicts at module level are changed in place for the same reason. Done in a forked process, so nothing is put back.
"""

from __future__ import annotations

import ast
import sys
from functools import cached_property
from types import CodeType, FunctionType, ModuleType
from typing import Any

from mutants import Mutant


class CannotSwap(Exception):
    """A change that cannot be put into a running program; a fault of the tool, not of a test."""


def swap(mutant: Mutant, module: ModuleType) -> None:
    """Make the imported module behave like the mutant."""
    code = compile(mutant.tree(), str(module.__file__), "exec")
    functions = functions_of(module)
    if mutant.owner in functions:
        functions[mutant.owner].__code__ = _code_named(code, mutant.owner)
    else:
        _swap_values(mutant, module)


def functions_of(module: ModuleType) -> dict[str, FunctionType]:
    """The functions and methods that the module defines itself, by qualified name."""
    found: dict[str, FunctionType] = {}
    for value in vars(module).values():
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            found[value.__qualname__] = value
        elif isinstance(value, type) and value.__module__ == module.__name__:
            for inner in vars(value).values():
                function = _unwrap(inner)
                if function is not None and function.__code__.co_filename == module.__file__:
                    found[function.__qualname__] = function
    return found


def _unwrap(value: Any) -> FunctionType | None:
    match value:
        case property(fget=function) | cached_property(func=function) | staticmethod(__func__=function):
            return function if isinstance(function, FunctionType) else None
        case classmethod(__func__=function):
            return function if isinstance(function, FunctionType) else None
        case FunctionType():
            return value
        case _:
            return None


def _code_named(code: CodeType, qualname: str) -> CodeType:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_qualname == qualname:
                return constant
            if qualname.startswith(f"{constant.co_qualname}."):
                return _code_named(constant, qualname)
    raise CannotSwap(f"no function {qualname} in the mutant")


def _swap_values(mutant: Mutant, module: ModuleType) -> None:
    """Evaluate the assignments at module level anew and change what came out different, wherever it is known by name."""
    for statement in mutant.tree().body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
            name, value = statement.targets[0].id, statement.value
            old = getattr(module, name, None)
            if not isinstance(old, set | frozenset | dict):
                continue
            new = eval(compile(ast.Expression(value), str(module.__file__), "eval"), dict(vars(module)))
            if new == old:
                continue
            if isinstance(old, frozenset):
                _rebind(old, new)
            else:
                old.clear()
                old.update(new)
            return
    raise CannotSwap(f"{mutant.name}: no set or dict at module level is different in it")


def _rebind(old: object, new: object) -> None:
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()) if isinstance(module, ModuleType) else []:
            if value is old:
                setattr(module, name, new)
