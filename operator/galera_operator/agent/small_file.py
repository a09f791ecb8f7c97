"""Read a file of a few lines from the data directory, and nothing that is no such file."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISREG


def read_small(path: Path, longest: int) -> str:
    """Read a file of at most `longest` bytes whole. Never waits: a pipe would never end, a device neither.

    Raises:
        FileNotFoundError: it is not there.
        OSError: it cannot be read, is longer, or is not a file.
        UnicodeDecodeError: bytes that are no text.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not S_ISREG(os.fstat(fd).st_mode):
            raise OSError(f"{path.name} is not a file")
        raw = os.read(fd, longest + 1)
    finally:
        os.close(fd)
    if len(raw) > longest:
        raise OSError(f"{path.name} is longer than {longest} bytes")
    return raw.decode()
