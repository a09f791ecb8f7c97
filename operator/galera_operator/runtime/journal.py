"""The journal: one JSON line per tick in which something was new, so that `why` can answer later and `replay` can check.

One file per cluster, ``<service>.jsonl``; when it is full it becomes ``<service>.jsonl.1``, the one before it ``.2``, and so on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from galera_operator.core.moment import Moment
from galera_operator.core.story import told
from galera_operator.core.strict_json import BadMessage

MAX_BYTES = 16 * 1024 * 1024
"""A file that is larger is put aside. Three members take 3 to 5 kB a line: a file holds some thousand moments."""

KEPT = 3
"""Files put aside; the oldest one goes when there is one more."""


class NoJournal(Exception):
    """There is no journal to read; says where it was looked for and how to get one."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that holds no moment, and why: the end of one that was cut short when the operator or its node died."""

    where: str
    fault: str


class Journal:
    """Appends to one file per cluster below a directory; without a directory it writes nothing."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._last: dict[str, Moment] = {}

    def write(self, moment: Moment) -> None:
        """Append the moment if it has anything that the last one of its cluster had not."""
        if self._directory is None:
            return
        before = self._last.get(moment.cluster)
        if not told(before, moment):
            return
        self._last[moment.cluster] = moment
        try:
            _append(journal_file(self._directory, moment.cluster), moment.to_json(), fresh=before is None)
        except (OSError, BadMessage) as error:
            # The record of what was done must not stop what has to be done.
            logger.warning("{}: the journal could not be written: {}", moment.cluster, error)


def journal_file(directory: Path, cluster: str) -> Path:
    """The file that is being written for this cluster."""
    return directory / f"{cluster}.jsonl"


def read_cluster(directory: Path | None, cluster: str) -> Iterator[Moment | Unreadable]:
    """All moments of a cluster that are kept, the oldest first.

    Raises:
        NoJournal: no journal is configured, or this cluster has none here.
        BadMessage: a whole line is not one that this version understands; names the file and the line.
    """
    if directory is None:
        raise NoJournal("no journal is kept: set GALERA_OPERATOR_JOURNAL_DIR to a directory, best on a volume")
    newest = journal_file(directory, cluster)
    files = [file for file in (*(_aside(newest, age) for age in range(KEPT, 0, -1)), newest) if file.exists()]
    if not files:
        known = ", ".join(sorted(file.name.removesuffix(".jsonl") for file in directory.glob("*.jsonl"))) or "none"
        raise NoJournal(f"{directory} has no journal of {cluster}; it has those of: {known}")
    for file in files:
        yield from read_file(file)


def read_file(file: Path) -> Iterator[Moment | Unreadable]:
    """The moments of one file. Raises like `read_cluster`."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            where = f"{file.name}:{number}"
            try:
                yield Moment.from_json(line)
            except BadMessage as error:
                if line.rstrip().endswith(b"}") and line.startswith(b"{"):
                    raise BadMessage(f"{where}: {error}") from error
                yield Unreadable(where, str(error))


def _append(file: Path, line: str, *, fresh: bool) -> None:
    """Args: `fresh`: the first line of this process; the one before may have been cut short."""
    if file.exists() and file.stat().st_size > MAX_BYTES:
        for age in range(KEPT - 1, 0, -1):
            if _aside(file, age).exists():
                _aside(file, age).replace(_aside(file, age + 1))
        file.replace(_aside(file, 1))
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as out:
        if fresh and out.tell() and not _ends_a_line(file):
            out.write(b"\n")
        out.write(line.encode() + b"\n")


def _ends_a_line(file: Path) -> bool:
    with file.open("rb") as content:
        content.seek(-1, 2)
        return content.read(1) == b"\n"


def _aside(file: Path, age: int) -> Path:
    return file.with_name(f"{file.name}.{age}")
