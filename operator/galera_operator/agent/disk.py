"""The data directory: its lock, what is in it, and its position.

Data is never deleted here. What cannot be understood is reported, never trusted, never overwritten.
"""

from __future__ import annotations

import fcntl
import logging
import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from galera_operator.agent import bootstrap_mark
from galera_operator.agent.bootstrap_mark import Mark
from galera_operator.agent.small_file import read_small
from galera_operator.core.position import ZERO_UUID, Directory, Position, PositionNotFound, parse_grastate

log = logging.getLogger(__name__)

SCRATCH = ".galera-init"
"""Where a first initialisation works; its content was never served to anybody until it is moved into place."""

_COMPLETE = "complete"
_LAST_END = ".galera-agent.last-end"
_LONGEST = 4096
"""Bytes. Galera's own limit for grastate.dat is 256."""
_HARMLESS = frozenset({"lost+found", "galera.cache", "gvwstate.dat"})
_TRANSFER_MARKS = (".sst", "sst_in_progress")
_GALERAS_FILES = ("grastate.dat", "gvwstate.dat", "galera.cache")
_NOTHING = Position(ZERO_UUID, -1)
_MADE_BY_EACH = ("galera.cache", "gcache.page.", "ib_logfile", "ibtmp")


class DirectoryLock:
    """An exclusive lock on the data directory.

    On the directory itself, not on a file in it: a state transfer deletes the files, and a lock on a deleted file locks
    nothing. mariadbd inherits the descriptor, so the lock holds as long as anybody writes there, also when the agent died.
    """

    def __init__(self, data_dir: Path) -> None:
        self.fd = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)

    def try_lock(self) -> bool:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Disk:
    """What a data directory holds.

    `needs_recovery`: the position is only known to InnoDB; `cluster_uuid`: whose it was; `mark`: of a bootstrap from this
    directory that did not arrive; `only_marked`: InnoDB has no position, the mark has.
    """

    directory: Directory
    position: Position | None = None
    safe_to_bootstrap: bool = False
    needs_recovery: bool = False
    cluster_uuid: str = ""
    note: str = ""
    mark: Mark | None = None
    only_marked: bool = False


def read_disk(data_dir: Path) -> Disk:
    """Look at a data directory without changing anything."""
    names = {entry.name for entry in data_dir.iterdir()}
    content = {n for n in names - _HARMLESS if n in _TRANSFER_MARKS or not n.startswith(".")}
    if not content:
        return Disk(Directory.EMPTY)
    marks = [mark for mark in _TRANSFER_MARKS if mark in names]
    if marks:
        return Disk(
            Directory.HALF_COPIED,
            note=f"a state transfer into this directory was cut off ({', '.join(marks)} is there)",
        )
    if "mysql" not in names:
        some = ", ".join(ascii(name) for name in sorted(content)[:3])
        return Disk(Directory.INCOMPLETE, note=f"the directory holds {some} but no system database")
    if "gvwstate.dat" in names:
        log.warning("gvwstate.dat, which an agent's mariadbd does not write, is there and is not used: pc.recovery is off")
    try:
        grastate = parse_grastate(read_small(data_dir / "grastate.dat", _LONGEST))
    except FileNotFoundError:
        return Disk(Directory.INCOMPLETE, note="a database without grastate.dat: its position is unknown")
    except (OSError, UnicodeDecodeError, PositionNotFound) as error:
        return Disk(Directory.INCOMPLETE, note=f"grastate.dat is corrupt and not trusted: {error}")
    if grastate.position is not None:
        return Disk(Directory.USABLE, grastate.position, grastate.safe_to_bootstrap, cluster_uuid=grastate.uuid)
    note, mark = "grastate.dat has no position", None
    try:
        mark = bootstrap_mark.read(data_dir)
    except bootstrap_mark.DamagedMark as error:
        log.warning("%s", error)
        note += f"; {error}"
    return Disk(
        Directory.INCOMPLETE,
        safe_to_bootstrap=grastate.safe_to_bootstrap,
        needs_recovery=True,
        cluster_uuid=grastate.uuid,
        note=note,
        mark=mark,
    )


def after_recovery(disk: Disk, recovered: Position) -> Disk:
    """Combine what grastate.dat, InnoDB and the mark of a bootstrap say. Only an agreement makes the directory usable.

    What InnoDB says is the truth. Where it says nothing, a bootstrap from here was killed before its first view: nothing was
    written since, so the data is where the mark says.
    """
    mark = disk.mark if disk.mark and disk.mark.begins.uuid == disk.cluster_uuid else None
    if mark and recovered == _NOTHING:
        return Disk(
            Directory.USABLE, mark.begins, disk.safe_to_bootstrap, cluster_uuid=mark.begins.uuid, mark=mark, only_marked=True
        )
    if not recovered.is_usable:
        return Disk(Directory.INCOMPLETE, note=f"{disk.note}; InnoDB knows no position either: it recovered {recovered}")
    if disk.cluster_uuid == ZERO_UUID or (mark and mark.mid_ddl and recovered == mark.was):
        # Galera writes a state UUID of zeros before DDL and the right one after it: DDL is not rolled back with its position.
        note = f"it was killed while it ran DDL: InnoDB recovered {recovered}, and the statement may be in it or not"
        return Disk(Directory.MID_DDL, recovered, cluster_uuid=recovered.uuid, note=note)
    if recovered.uuid not in {disk.cluster_uuid, mark.was.uuid if mark else ""}:
        return Disk(
            Directory.INCOMPLETE,
            note=f"grastate.dat says state UUID {disk.cluster_uuid}, InnoDB recovered {recovered}: neither is trusted",
        )
    return Disk(Directory.USABLE, recovered, disk.safe_to_bootstrap, cluster_uuid=recovered.uuid)


def begin_bootstrap(data_dir: Path, was: Position, begins: Position, *, mid_ddl: bool = False) -> None:
    """Make a bootstrap from `was` possible, under the state UUID of `begins`. After all checks only.

    mariadbd refuses ``--wsrep-new-cluster`` without ``safe_to_bootstrap: 1``, and takes the position from its command line
    only where grastate.dat has the same state UUID and no seqno.
    """
    like = data_dir / "grastate.dat"
    replace_file(bootstrap_mark.path_of(data_dir), str(Mark(was, begins, mid_ddl)), like=like)
    _set_grastate(data_dir, uuid=begins.uuid, seqno="-1", safe_to_bootstrap="1")


def begin_join(data_dir: Path, position: Position | None) -> None:
    """Leave a bootstrap behind that was begun here: its mark may not meet other data, nor its state UUID this position."""
    bootstrap_mark.remove(data_dir)
    if position is not None and parse_grastate((data_dir / "grastate.dat").read_text()).uuid != position.uuid:
        _set_grastate(data_dir, uuid=position.uuid, seqno="-1")


def forget_position(data_dir: Path) -> None:
    """Leave the position to InnoDB, as a running mariadbd does: Galera then copies everything, and a recovery finds it.

    Its ring buffer goes. It only repeats what is in the database, and where the component has other write-sets under the same
    numbers, the joiner would mix them ('Unsupported CC action version').
    """
    (data_dir / "galera.cache").unlink(missing_ok=True)
    try:
        _set_grastate(data_dir, seqno="-1")
    except (OSError, UnicodeDecodeError):
        return  # there is none, or none that Galera could read: it finds no position either


def _set_grastate(data_dir: Path, **values: str) -> None:
    """Change lines of ``grastate.dat``, all at once; what is not named stays."""
    path = data_dir / "grastate.dat"
    kept = [line for line in path.read_text().splitlines() if line.partition(":")[0].strip() not in values]
    replace_file(path, "\n".join([*kept, *(f"{key}: {value}" for key, value in values.items()), ""]), like=path)


def replace_file(path: Path, text: str, like: Path | None = None) -> None:
    """Write a file so that a crash leaves the old or the new content, never half of it. Owner and mode as of `like`."""
    new = path.with_name(f".{path.name}.new")
    with new.open("w") as file:
        file.write(text)
        file.flush()
        if like is not None:
            stat = like.stat()
            os.fchown(file.fileno(), stat.st_uid, stat.st_gid)
            os.fchmod(file.fileno(), stat.st_mode & 0o777)
        os.fsync(file.fileno())
    new.replace(path)
    _sync_directory(path.parent)


def fresh_scratch(data_dir: Path) -> Path:
    """Make an empty scratch directory for a first initialisation; what an interrupted one left is ours and never served."""
    scratch = data_dir / SCRATCH
    if scratch.exists():
        shutil.rmtree(scratch)
    scratch.mkdir(mode=0o750)
    return scratch


def finish_scratch(data_dir: Path) -> None:
    """Mark the scratch directory as complete and move its content into place; repeatable after a crash at any point."""
    scratch = data_dir / SCRATCH
    (scratch / _COMPLETE).touch()
    _sync_directory(scratch)
    resume_scratch(data_dir)


def resume_scratch(data_dir: Path) -> bool:
    """Finish the move that a crash interrupted, if there is one. True if there was."""
    scratch = data_dir / SCRATCH
    if not (scratch / _COMPLETE).exists():
        return False
    for entry in sorted(scratch.iterdir()):
        if entry.name != _COMPLETE:
            entry.replace(data_dir / entry.name)
    _sync_directory(data_dir)
    (scratch / _COMPLETE).unlink()
    scratch.rmdir()
    return True


def bytes_in(data_dir: Path) -> int:
    """Count the bytes in a data directory that a state transfer copies; files that vanish meanwhile do not count.

    Without Galera's ring buffer and pages, InnoDB's redo log and its temporary tablespace: each member makes its own.
    """
    total = 0
    pending = [data_dir]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))
                    elif not entry.name.startswith(_MADE_BY_EACH):
                        total += _size(entry)
        except OSError:
            continue  # a state transfer moves directories while we count
    return total


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0  # it has just vanished


def remember_last_end(data_dir: Path, words: str) -> None:
    """Leave a word for the next life: Swarm throws this container, and with it the log, away. Hidden from `read_disk`."""
    replace_file(data_dir / _LAST_END, words[:1000])


def read_last_end(data_dir: Path) -> str:
    try:
        return (data_dir / _LAST_END).read_text(errors="replace")
    except FileNotFoundError:
        return ""


def forget_last_end(data_dir: Path) -> None:
    (data_dir / _LAST_END).unlink(missing_ok=True)


def give_to_mysql(path: Path, name: str = "mysql") -> None:
    """Make a directory mysql's, with all that is in it where it belonged to somebody else (a volume from another image).

    Else only the files that Galera opens: a grastate.dat that a person edited as root would end every start of mariadbd.

    Args:
        name: the account that mariadbd runs as.
    """
    user = pwd.getpwnam(name)
    if path.stat().st_uid != user.pw_uid:
        entries = [path, *path.rglob("*")]
    else:
        entries = [entry for name in _GALERAS_FILES if (entry := path / name).is_file()]
    for entry in entries:
        os.chown(entry, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
