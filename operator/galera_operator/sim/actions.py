"""The alphabet of a history: each action is a value with a one-line text that reads back to it. A script is lines of these.

What an action does to a world is in perform.py. An action that has nothing to act on (a slot that is empty) does nothing, so
every part of a script is a script.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ALPHABET: Mapping[str, str] = {
    # time, and what users wish
    "pass": "pass {seconds} s",
    "wait": "nothing happens for {seconds} s",
    "wish": "wish for {count} members",
    "unwish": "remove the label galera.replicas",
    "parallel": "allow {count} joiners at once",
    "pause": "pause the operator by label",
    "unpause": "end the pause",
    "scale": "scale the service to {count} by hand",
    "deploy": "deploy the stack again, its file says {count} replicas",
    "rollout": "update the image of the service",
    "restart": "a person asks for a rolling restart",
    "restart-anyway": "a person asks for a rolling restart, also of an only member",
    "cancel-restart": "a person gives the rolling restart up",
    "move-writer": "a person asks for slot {slot} as the writer",
    "any-writer": "let every member take writes",
    "one-writer": "let one member take the writes",
    # members
    "kill": "kill the container of slot {slot}",
    "kill-database": "kill mariadbd of slot {slot}",
    "kill-all": "kill all containers at once",
    "kill-writer": "kill the writer",
    "stop": "stop the container of slot {slot} cleanly",
    "stop-all": "stop all containers cleanly at the same time",
    "freeze": "freeze slot {slot}",
    "freeze-database": "freeze mariadbd of slot {slot}",
    "freeze-all": "freeze all containers",
    "thaw": "thaw slot {slot}",
    "thaw-all": "thaw all containers",
    "slow": "slot {slot} applies nothing",
    "quick": "slot {slot} applies again",
    "desync": "a backup desynchronises slot {slot}",
    "resync": "the backup of slot {slot} ends",
    "unbind": "Swarm loses the binding of slot {slot}",
    "jump-member": "the clock of slot {slot} jumps {seconds} s ahead",
    # disks and transfers
    "empty": "empty the disk of node {node}",
    "corrupt": "corrupt grastate.dat on node {node}",
    "loose": "mariadbd on node {node} starts without its position next time",
    "big": "a transaction larger than gcache",
    "ddl": "the writer runs DDL",
    "stick": "the state transfer stands still",
    "unstick": "the state transfer moves again",
    "kill-joiner": "kill the joiner in its state transfer",
    "kill-donor": "kill the donor in the state transfer",
    # nodes and network
    "lose-node": "node {node} dies",
    "boot-node": "node {node} boots",
    "part": "part {nodes} from the rest",
    "part-members": "part {nodes} from the other nodes, not from the managers",
    "one-way": "no packet gets from {source} to {target}",
    "heal": "heal the network",
    # operators
    "turn": "operator {name} takes a turn",
    "die": "operator {name} dies {when} its call number {count}",
    "freeze-operator": "operator {name} freezes before its call number {count}",
    "thaw-operator": "operator {name} thaws",
    "start-operator": "operator {name} starts",
    "stop-operator": "operator {name} stops in order",
    "lose-answers": "operator {name} loses {count} answers",
    "hold": "the next {count} commands of operator {name} are held back",
    "deliver": "the commands held back arrive",
    "jump-operator": "the clock of operator {name} jumps {seconds} s ahead",
    "engine-away": "the Swarm managers do not answer",
    "engine-back": "the Swarm managers answer again",
    "lose-events": "events are lost",
    # people
    "by-hand": "somebody bootstraps slot {slot} by hand, past the operator",
    "lock-out": "the database of slot {slot} refuses the operator's account",
    "let-in": "the databases know the operator's account again",
    "person": "a person does what the page says",
}

_VALUES: Mapping[str, str] = {
    "seconds": r"\d+(?:\.\d+)?",
    "count": r"\d+",
    "slot": r"\d+",
    "node": r"\w+",
    "nodes": r"[\w, ]+?",
    "source": r"\w+",
    "target": r"\w+",
    "name": r"[AB]",
    "when": r"before|after",
}
_FIELD = re.compile(r"{(\w+)}")
_READERS = {
    kind: re.compile(
        _FIELD.sub(lambda found: f"(?P<{found[1]}>{_VALUES[found[1]]})", re.escape(text).replace(r"\{", "{").replace(r"\}", "}"))
    )
    for kind, text in ALPHABET.items()
}


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that happens. `values`: what the text's places are filled with, in their order."""

    kind: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        left = iter(self.values)
        return _FIELD.sub(lambda _: next(left), ALPHABET[self.kind])

    def number(self, index: int = 0) -> int:
        return int(self.values[index])

    def seconds(self, index: int = -1) -> float:
        return float(self.values[index])


class BadScript(ValueError):
    """A line that is no action; names the line, what it says, and what it takes."""


def action(kind: str, *values: object) -> Action:
    return Action(kind, tuple(f"{value:g}" if isinstance(value, float) else str(value) for value in values))


def parse_action(line: str) -> Action:
    """Read one line.

    Raises:
        BadScript: no action reads like this.
    """
    for kind, reader in _READERS.items():
        found = reader.fullmatch(line)
        if found:
            return Action(kind, tuple(found.groups()))
    raise BadScript(f"{line!r} is no action; expected one of: {'; '.join(ALPHABET.values())}")


@dataclass(frozen=True, slots=True)
class Script:
    """A history to play: how the world begins, and what happens in it.

    `obliging`: after the last action, a person does what pages say; else a page that stays is an end, too.
    """

    seed: int
    size: int
    nodes: int
    wish: int
    actions: tuple[Action, ...]
    obliging: bool = False

    def __str__(self) -> str:
        person = "; at the end a person does what pages say" if self.obliging else ""
        first = f"begin with seed {self.seed}, {self.size} members serving on {self.nodes} nodes, {self.wish} wished{person}"
        return "\n".join([first, *map(str, self.actions), ""])


_BEGIN = re.compile(
    r"begin with seed (\d+), (\d+) members serving on (\d+) nodes, (\d+) wished(; at the end a person does what pages say)?"
)


def parse_script(text: str) -> Script:
    """Read a script: its first line says how the world begins; empty lines and lines that begin with ``#`` do not count.

    Raises:
        BadScript: names the line that cannot be read.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    first = _BEGIN.fullmatch(lines[0]) if lines else None
    if first is None:
        found = repr(lines[0]) if lines else "nothing"
        raise BadScript(f"a script begins with 'begin with seed S, N members serving on M nodes, W wished'; found {found}")
    seed, size, nodes, wish = (int(first[index]) for index in range(1, 5))
    return Script(seed, size, nodes, wish, tuple(map(parse_action, lines[1:])), bool(first[5]))


def without(actions: Iterable[Action], indices: set[int]) -> tuple[Action, ...]:
    return tuple(one for index, one in enumerate(actions) if index not in indices)
