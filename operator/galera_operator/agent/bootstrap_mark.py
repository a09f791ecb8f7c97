"""A mark in the data directory from before a bootstrap until the member is Synced.

mariadbd clears InnoDB's position when it starts from one, and writes it again with the first view. Killed in between, all rows
are there and nothing says how far they go: the best copy of a cluster would be taken for a broken one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from galera_operator.agent.small_file import read_small
from galera_operator.core.position import Directory, Position

_NAME = ".galera-agent.bootstrap"
_LONGEST = 200
"""Bytes: more than two positions are."""


@dataclass(frozen=True, slots=True)
class Mark:
    """`was`: the position that the bootstrap set out from; `begins`: the same data under the state UUID it goes on with.

    `mid_ddl`: a DDL statement may be in the data although its position is before it.
    """

    was: Position
    begins: Position
    mid_ddl: bool = False

    @property
    def is_sound(self) -> bool:
        return self.was.is_usable and self.begins.is_usable and self.was.seqno == self.begins.seqno

    def __str__(self) -> str:
        return f"{self.was} {self.begins}{f' {Directory.MID_DDL}' if self.mid_ddl else ''}\n"


class DamagedMark(ValueError):
    """The mark cannot be understood; says what stands there."""


def path_of(data_dir: Path) -> Path:
    return data_dir / _NAME


def read(data_dir: Path) -> Mark | None:
    """Read the mark; None: no bootstrap was begun here that did not arrive.

    Raises:
        DamagedMark: half-written or altered; not to be trusted.
    """
    try:
        text = read_small(path_of(data_dir), _LONGEST)
        was, begins, *more = text.split()
        mark = Mark(Position.parse(was), Position.parse(begins), mid_ddl=more == [Directory.MID_DDL])
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DamagedMark(f"the mark of a bootstrap, {_NAME}, is damaged and not trusted: {error}") from error
    if not mark.is_sound or str(mark) != text:
        raise DamagedMark(f"the mark of a bootstrap, {_NAME}, is damaged and not trusted: it says {text!r}")
    return mark


def remove(data_dir: Path) -> None:
    """The position is InnoDB's business again, or other data is to come here."""
    path_of(data_dir).unlink(missing_ok=True)
    fd = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
