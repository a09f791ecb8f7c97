"""The data directory: its lock, what is in it, and its position.

Data is never deleted here. What cannot be understood is reported, never trusted, never overwritten.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from galera_operator.core.position import Directory, Position, PositionNotFound, parse_grastate

SCRATCH = ".galera-init"
"""Where a first initialisation works; its content was never served to anybody until it is moved into place."""

_COMPLETE = "complete"
_LAST_END = ".galera-agent.last-end"
_HARMLESS = frozenset({"lost+found", "galera.cache", "gvwstate.dat", SCRATCH})
_TRANSFER_MARKS = (".sst", "sst_in_progress")


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
    """What a data directory holds. `needs_recovery`: the position is only known to InnoDB; `cluster_uuid`: whose it was."""

    directory: Directory
    position: Position | None = None
    safe_to_bootstrap: bool = False
    needs_recovery: bool = False
    cluster_uuid: str = ""
    note: str = ""


def read_disk(data_dir: Path) -> Disk:
    """Look at a data directory without changing anything."""
    names = {entry.name for entry in data_dir.iterdir()}
    content = {n for n in names - _HARMLESS if n in _TRANSFER_MARKS or not n.startswith(".")}
    if not content:
        return Disk(Directory.EMPTY)
    marks = [mark for mark in _TRANSFER_MARKS if mark in names]
    if marks:
        return Disk(
            Directory.INCOMPLETE,
            note=f"a state transfer into this directory was cut off ({', '.join(marks)} is there)",
        )
    if "mysql" not in names:
        some = ", ".join(sorted(content)[:3])
        return Disk(Directory.INCOMPLETE, note=f"the directory holds {some} but no system database")
    try:
        grastate = parse_grastate((data_dir / "grastate.dat").read_text())
    except FileNotFoundError:
        return Disk(Directory.INCOMPLETE, note="a database without grastate.dat: its position is unknown")
    except (OSError, UnicodeDecodeError, PositionNotFound) as error:
        return Disk(Directory.INCOMPLETE, note=f"grastate.dat is corrupt and not trusted: {error}")
    if grastate.position is not None:
        return Disk(Directory.USABLE, grastate.position, grastate.safe_to_bootstrap, cluster_uuid=grastate.uuid)
    return Disk(
        Directory.INCOMPLETE,
        safe_to_bootstrap=grastate.safe_to_bootstrap,
        needs_recovery=True,
        cluster_uuid=grastate.uuid,
        note="grastate.dat has no position",
    )


def after_recovery(disk: Disk, recovered: Position) -> Disk:
    """Combine what grastate.dat and InnoDB say. Only an agreement makes the directory usable."""
    if not recovered.is_usable:
        return Disk(Directory.INCOMPLETE, note=f"InnoDB knows no position either: it recovered {recovered}")
    if disk.cluster_uuid != recovered.uuid:
        return Disk(
            Directory.INCOMPLETE,
            note=f"grastate.dat says state UUID {disk.cluster_uuid}, InnoDB recovered {recovered}: neither is trusted",
        )
    return Disk(Directory.USABLE, recovered, disk.safe_to_bootstrap, cluster_uuid=recovered.uuid)


def set_safe_to_bootstrap(data_dir: Path) -> None:
    """Allow a bootstrap from this directory: mariadbd refuses ``--wsrep-new-cluster`` without it. After all checks only."""
    path = data_dir / "grastate.dat"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("safe_to_bootstrap:")]
    replace_file(path, "\n".join([*lines, "safe_to_bootstrap: 1", ""]), like=path)


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
    """Count the bytes in a data directory without Galera's own ring buffer; files that vanish meanwhile do not count."""
    total = 0
    pending = [data_dir]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))
                    elif entry.name != "galera.cache":
                        total += entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue  # a state transfer moves files while we count
    return total


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


def give_to_mysql(path: Path) -> None:
    """Make a directory mysql's. Where it belonged to somebody else (a volume from another image), all that is in it, too."""
    user = pwd.getpwnam("mysql")
    if path.stat().st_uid == user.pw_uid:
        return
    for entry in (path, *path.rglob("*")):
        os.chown(entry, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
