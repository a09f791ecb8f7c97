"""Make mutants of a module from its syntax tree: each one is the module with one safety condition taken out or moved."""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

BOUNDARIES: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}

WORDS = 110
"""Characters of source in a mutant's name; the rest is cut, and a number tells alike ones apart."""


Place = tuple[tuple[str, int | None], ...]
"""The way from the module to a node: names of fields, with an index where the field is a list."""


@dataclass(frozen=True)
class Mutant:
    """One change at one place. `owner`: the outermost function or method, empty at module level."""

    file: str
    line: int
    owner: str
    what: str
    original: ast.Module
    place: Place
    replacement: ast.AST
    number: int

    def tree(self) -> ast.Module:
        """The whole module with the change."""
        mutated = copy.deepcopy(self.original)
        parent = _at(mutated, self.place[:-1])
        field, index = self.place[-1]
        replacement = ast.copy_location(copy.deepcopy(self.replacement), _at(mutated, self.place))
        if index is None:
            setattr(parent, field, replacement)
        else:
            getattr(parent, field)[index] = replacement
        return ast.fix_missing_locations(mutated)

    @property
    def source(self) -> str:
        """The changed statement or expression, for a person."""
        return _cut(ast.unparse(ast.fix_missing_locations(copy.deepcopy(self.replacement))))

    @property
    def name(self) -> str:
        """Stable as long as the condition and its function are: no line numbers."""
        again = f" ({self.number})" if self.number > 1 else ""
        return f"{self.file} {self.owner or 'module'}: {self.what}{again}"


def mutants_of(path: Path, file: str, outside: Collection[str] = ()) -> list[Mutant]:
    """Every mutant of one file, in the order of its lines.

    Args:
        file: how names call it, e.g. ``core/veto.py``.
        outside: functions and classes that are left out.
    """
    tree = ast.parse(path.read_text())
    found: list[Mutant] = []
    seen: Counter[tuple[str, str]] = Counter()
    for place, owner in _places(tree):
        if owner.split(".")[0] in outside:
            continue
        node = _at(tree, place)
        for what, replacement in _changes(node):
            seen[owner, what] += 1
            found.append(Mutant(file, _line(node), owner, what, tree, place, replacement, seen[owner, what]))
    return sorted(found, key=lambda mutant: mutant.line)


def _places(tree: ast.Module) -> Iterator[tuple[Place, str]]:
    def walk(node: ast.AST, place: Place, owner: tuple[str, ...], *, inside: bool) -> Iterator[tuple[Place, str]]:
        yield place, ".".join(owner)
        for field, value in ast.iter_fields(node):
            if field in {"annotation", "returns", "decorator_list"} or isinstance(node, ast.JoinedStr):
                continue  # types and sentences are no conditions
            for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(child, ast.AST):
                    continue
                is_scope = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                names = (*owner, child.name) if is_scope and not inside else owner
                deeper = inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
                yield from walk(child, (*place, (field, index)), names, inside=deeper)

    for place, owner in walk(tree, (), (), inside=False):
        if place:
            yield place, owner


def _line(node: ast.AST) -> int:
    return min((inner.lineno for inner in ast.walk(node) if hasattr(inner, "lineno")), default=0)


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What to put in this node's place, each with its name."""
    match node:
        case ast.If(test=test):
            without = copy.deepcopy(node)
            without.test = ast.Constant(value=False)
            yield f"without `if {_text(test)}`", without
        case ast.AugAssign(op=ast.Add() | ast.BitOr()) if not isinstance(node.value, ast.Constant | ast.JoinedStr):
            yield f"without `{_text(node)}`", ast.Pass()
        case ast.comprehension(ifs=ifs):
            for index, test in enumerate(ifs):
                without_it = copy.deepcopy(node)
                del without_it.ifs[index]
                yield f"without filter `{_text(test)}`", without_it
        case ast.match_case(guard=ast.expr() as guard):
            unguarded = copy.deepcopy(node)
            unguarded.guard = None
            yield f"without guard `{_text(guard)}`", unguarded
        case ast.BoolOp(op=ast.Or(), values=[*_, ast.Constant()]):
            return  # a word for what is empty
        case ast.BoolOp(values=values):
            word = "and" if isinstance(node.op, ast.And) else "or"
            for index, value in enumerate(values):
                rest = [other for number, other in enumerate(values) if number != index]
                less = copy.deepcopy(rest[0] if len(rest) == 1 else ast.BoolOp(op=node.op, values=rest))
                yield f"without `{_text(value)}` in {word}", less
        case ast.BinOp(left=left, op=ast.BitOr() | ast.Add() | ast.Sub(), right=right) if _is_collection(left, right):
            yield f"without `{_text(right)}` in `{_text(node)}`", copy.deepcopy(left)
            if not isinstance(node.op, ast.Sub):
                yield f"without `{_text(left)}` in `{_text(node)}`", copy.deepcopy(right)
        case ast.Call(func=ast.Name(id="min" | "max"), args=[_, _, *_] as bounds):
            for index, bound in enumerate(bounds):
                less = copy.deepcopy(node)
                del less.args[index]
                only = less.args[0] if len(less.args) == 1 and not node.keywords else less
                yield f"without `{_text(bound)}` in `{_text(node)}`", only
        case ast.Compare(ops=ops):
            for index, op in enumerate(ops):
                moved = BOUNDARIES.get(type(op))
                if moved:
                    other = copy.deepcopy(node)
                    other.ops[index] = moved()
                    yield f"`{_text(other)}`", other
        case ast.Set(elts=members) if not any(isinstance(member, ast.Starred) for member in members):
            for index, member in enumerate(members):
                rest = [copy.deepcopy(other) for number, other in enumerate(members) if number != index]
                empty = ast.Call(func=ast.Name(id="set", ctx=ast.Load()), args=[], keywords=[])
                yield f"without `{_text(member)}` in `{_text(node)}`", ast.Set(elts=rest) if rest else empty


def _is_collection(left: ast.expr, right: ast.expr) -> bool:
    """True for `found + more(...)`, `{...} | {...}` and `set(a) - set(b)`; not for numbers, texts and types."""
    both = (left, right)
    makes = (ast.Set, ast.SetComp, ast.ListComp, ast.DictComp)
    if any(isinstance(side, makes) for side in both):
        return True
    return any(isinstance(side, ast.Call) and _makes_collection(side) for side in both)


def _makes_collection(call: ast.Call) -> bool:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    return name in {"set", "dict", "list"} or name.startswith("_")


def _text(node: ast.AST) -> str:
    return _cut(ast.unparse(node))


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= WORDS else f"{flat[: WORDS - 3]}..."


def _at(tree: ast.AST, place: Place) -> ast.AST:
    node = tree
    for field, index in place:
        value = getattr(node, field)
        node = value if index is None else value[index]
    return node
