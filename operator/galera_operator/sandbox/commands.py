"""Running other programs, and knowing and ending the processes that the sandbox started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from galera_operator.sandbox.errors import CommandFailed, SandboxError
from galera_operator.sandbox.waiting import wait_until

# A user's shell may point the docker command at another engine; every command here names its engine itself.
_ENGINE_VARIABLES = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION")

# Debian's sbin folders hold dockerd and ip, and are missing from an ordinary user's PATH.
_SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for child processes: ours, without a choice of engine, with the sbin folders on PATH."""
    kept = {name: value for name, value in os.environ.items() if name not in _ENGINE_VARIABLES}
    return kept | {"PATH": _SEARCH} | dict(extra or {})


def find(program: str) -> str | None:
    """Full path of a program, also from the sbin folders; None if it is not installed."""
    return shutil.which(program, path=_SEARCH)


def docker_command() -> str:
    """The docker client to use.

    Debian's own, if it is there: it has BuildKit built in, while another one earlier on PATH may need a plugin for it.

    Raises:
        SandboxError: No docker client is installed.
    """
    found = next((path for path in ("/usr/bin/docker", find("docker")) if path and os.access(path, os.X_OK)), None)
    if found is None:
        raise SandboxError("no docker client found; expected the command 'docker'; install Debian's docker.io")
    return found


def run(
    argv: Sequence[str],
    *,
    check: bool = True,
    timeout: float | None = 60,
    stdin: str | None = None,
    extra_env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return its exit code and its output as text.

    Args:
        argv: The program and its arguments.
        check: Raise when the exit code is not 0.
        timeout: Seconds; None: no limit. The program is killed at the limit.
        stdin: Text for its standard input; without it, the standard input is empty.
        extra_env: Variables added to the environment.

    Raises:
        CommandFailed: It failed (with ``check``), ran out of time, or is not installed.
    """
    try:
        done = subprocess.run(
            list(argv),
            input="" if stdin is None else stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=environment(extra_env),
            check=False,
        )
    except subprocess.TimeoutExpired as cut:
        raise CommandFailed(argv, None, _text(cut.stdout), _text(cut.stderr), timeout) from None
    except FileNotFoundError:
        raise CommandFailed(argv, 127, "", f"{argv[0]}: not installed", None) from None
    if check and done.returncode != 0:
        raise CommandFailed(argv, done.returncode, done.stdout, done.stderr, None)
    return done


def spawn(argv: Sequence[str], log: Path) -> int:
    """Start a program that outlives this one, in a session of its own (a Ctrl-C does not reach it).

    Args:
        argv: The program and its arguments.
        log: Takes its output; appended to.

    Returns:
        Its process id.
    """
    program = find(argv[0])
    if program is None:
        raise CommandFailed(argv, 127, "", f"{argv[0]}: not installed", None)
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    # posix_spawn, not Popen: a Popen object complains when it is forgotten while its program lives on.
    return os.posix_spawn(
        program,
        list(argv),
        environment(),
        setsid=True,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended and waits to be collected does not."""
    try:
        # Ours if this very process started it: then it stays a zombie until it is collected here.
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def command_line(pid: int) -> str:
    """The command line of a process, '' when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def send(pid: int, what: signal.Signals) -> None:
    """Send a signal; a process that is gone already is fine."""
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        pass


def kill_and_wait(pids: Sequence[int], within: float = 20) -> None:
    """Kill (SIGKILL) the processes and wait until the kernel has them ended.

    Raises:
        SandboxError: One is still there after ``within`` seconds (stuck in the kernel).
    """
    for pid in pids:
        send(pid, signal.SIGKILL)
    try:
        wait_until(lambda: not [pid for pid in pids if is_alive(pid)], within, f"the end of processes {pids}", every=0.02)
    except AssertionError as late:
        raise SandboxError(f"{late}; they got SIGKILL, so see 'ps -o pid,stat,wchan,args' for what holds them") from None


def python_module(module: str, *args: str) -> list[str]:
    """The command that runs a module of this package with this very Python."""
    return [sys.executable, "-m", module, *args]


def _text(output: bytes | str | None) -> str:
    # On a time-out, subprocess hands over bytes even in text mode.
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
