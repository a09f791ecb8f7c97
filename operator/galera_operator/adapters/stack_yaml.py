"""Read YAML so that every value knows its line, with variables filled in; merge files as ``docker stack deploy`` does."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from galera_operator.adapters.stack_values import BadValue, fill
from galera_operator.core.checkup.finding import Place


class BadStack(Exception):
    """A file that cannot be read as a stack file; names file, line, what was found and what is expected."""


@dataclass(frozen=True, slots=True)
class Item:
    """A value and where it stands: for a value behind a key, the key's line.

    `value`: a scalar, a dict of `Item` by key, or a list of `Item`.
    """

    value: Any
    place: Place

    def get(self, *path: str) -> Item | None:
        """The item at a path of keys, or None where one of them is missing."""
        at: Item | None = self
        for key in path:
            if at is None or not isinstance(at.value, dict):
                return None
            at = at.value.get(key)
        return at

    def plain(self) -> Any:
        """Without places."""
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value

    def mapping(self, what: str) -> dict[str, Item]:
        """Its keys; none for nothing. Raises `BadStack` when it is something else."""
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            raise BadStack(f"{self.place}: {what} is {self.value!r:.60}; expected keys with values")
        return self.value

    def elements(self, what: str) -> list[Item]:
        """Its entries; none for nothing. Raises `BadStack` when it is something else."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            raise BadStack(f"{self.place}: {what} is {type(self.value).__name__}; expected a list")
        return self.value

    def walk(self, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Place]]:
        """Every path of keys below, with its place."""
        yield path, self.place
        if isinstance(self.value, dict):
            for key, item in self.value.items():
                yield from item.walk((*path, str(key)))


def read(path: Path, environ: Mapping[str, str] = os.environ, unset: Callable[[str], None] = lambda _: None) -> Item:
    """Read one file; `unset` as for `fill`. Raises `BadStack`."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadStack(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise BadStack(f"{path}:1: expected a stack file: keys such as version and services")
        return _Reader(loader, str(path), environ, unset).item(node, node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise BadStack(f"{where}: no YAML: {getattr(error, 'problem', None) or error}") from error
    finally:
        loader.dispose()


@dataclass(frozen=True, slots=True)
class _Reader:
    loader: yaml.SafeLoader
    file: str
    environ: Mapping[str, str]
    unset: Callable[[str], None]

    def item(self, node: yaml.Node, stands: yaml.Node) -> Item:
        """Turn a node into an item; `stands` is the node whose line is its place."""
        place = Place(self.file, stands.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            self.loader.flatten_mapping(node)
            return Item({self._scalar(key, place): self.item(value, key) for key, value in node.value}, place)
        if isinstance(node, yaml.SequenceNode):
            return Item([self.item(entry, entry) for entry in node.value], place)
        return Item(self._scalar(node, place), place)

    def _scalar(self, node: yaml.Node, place: Place) -> Hashable:
        value = self.loader.construct_object(node, deep=True)
        try:
            filled: Hashable = fill(value, self.environ, self.unset)
        except BadValue as error:
            raise BadStack(f"{place}: {error}") from error
        return filled


def merge(base: Item, override: Item) -> Item:
    """Keys are merged, lists grow by what is new, other values are replaced."""
    if isinstance(base.value, dict) and isinstance(override.value, dict):
        merged = dict(base.value)
        for key, item in override.value.items():
            merged[key] = merge(merged[key], item) if key in merged else item
        return Item(merged, base.place)
    if isinstance(base.value, list) and isinstance(override.value, list):
        have = [item.plain() for item in base.value]
        return Item([*base.value, *(item for item in override.value if item.plain() not in have)], base.place)
    return base if override.value is None else override
