"""What can go wrong in the sandbox; each message says what was found and what to do."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


class SandboxError(Exception):
    """The sandbox cannot do what was asked; the message says what to do."""


class SandboxNotRunning(SandboxError):
    """There is no sandbox to attach to."""


class CommandFailed(SandboxError):
    """A command ended with an error or ran out of time.

    Attributes:
        argv: The command as it was run.
        returncode: Its exit code; None when it was cut off at its time limit.
        stdout: What it wrote until then.
        stderr: Its error output until then.
    """

    def __init__(self, argv: Sequence[str], returncode: int | None, stdout: str, stderr: str, limit: float | None) -> None:
        self.argv = tuple(argv)
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr
        ended = f"no end after {limit:g} s" if returncode is None and limit is not None else f"exit code {returncode}"
        said = (stderr.strip() or stdout.strip() or "(no output)")[-4000:]
        super().__init__(f"{shlex.join(self.argv)}: {ended}\n{said}")
