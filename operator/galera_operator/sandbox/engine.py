"""One ``dockerd`` in namespaces of its own: a node of the swarm, or the builder of images."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from pathlib import Path

from galera_operator.sandbox import commands, network
from galera_operator.sandbox.errors import CommandFailed, SandboxError
from galera_operator.sandbox.waiting import NotInTime, wait_until

# Runs as process 1 of the engine's process namespace: the kernel ends all others in there when it ends, so one kill
# takes the engine, its containerd, its shims and its containers.
# /run: sockets of containerd's shims, the engine's runtime state; /etc: the engine's key, its hosts and resolv.conf.
# It stays as process 1, and does not become dockerd, to collect the shims, which dockerd does not.
_PROCESS_ONE = """
set -e
mount -t tmpfs -o mode=755 tmpfs /run
mount -t overlay -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/etc-work" overlay /etc
if [ -n "$2" ]; then
    hostname "$2"
    echo 1 >/proc/sys/net/ipv4/ip_forward   # it is per network namespace
fi
shift 2
"$@" &
trap "kill -TERM $!" TERM
set +e
while kill -0 $! 2>/dev/null; do wait $!; done
"""


@dataclass(frozen=True)
class Engine:
    """Where one engine keeps its things and how it is started.

    Attributes:
        name: Of the engine; also its folder's name in the control groups.
        folder: Its socket, its log, its own /etc.
        data_root: Its images, containers and volumes.
        cgroup_parent: Control group of its containers, from the hierarchy's root.
        namespace: Name of its network namespace; None: this machine's own network.
        options: Further options of dockerd.
    """

    name: str
    folder: Path
    data_root: Path
    cgroup_parent: str
    namespace: str | None
    options: tuple[str, ...] = ()

    @property
    def socket(self) -> str:
        """The engine's address, as for ``DOCKER_HOST``."""
        return f"unix://{self.folder / 'docker.sock'}"

    @property
    def log(self) -> Path:
        return self.folder / "dockerd.log"

    def prepare(self, *, hosts: str | None = None, resolv_conf: str) -> None:
        """Make its folders and what differs in its /etc. ``hosts`` None: this machine's."""
        own_etc = self.folder / "etc"
        for folder in (own_etc / "docker", self.folder / "etc-work", self.data_root):
            folder.mkdir(parents=True, exist_ok=True)
        (own_etc / "resolv.conf").write_text(resolv_conf)
        if hosts is not None:
            (own_etc / "hosts").write_text(hosts)
        # Not this machine's daemon.json: an option given both there and here is an error to dockerd.
        (self.folder / "daemon.json").write_text("{}\n")

    def start(self) -> None:
        """Start it; returns at once, see `wait_until_ready`."""
        (self.folder / "docker.sock").unlink(missing_ok=True)
        enter = ["nsenter", f"--net={network.NAMESPACES / self.namespace}"] if self.namespace else []
        isolate = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
        dockerd = [
            "dockerd",
            f"--host={self.socket}",
            "--host=unix:///run/docker.sock",  # private too: where a container on this node expects to find it
            f"--data-root={self.data_root}",
            "--exec-root=/run/docker",  # private, see above
            "--pidfile=/run/docker.pid",
            f"--config-file={self.folder / 'daemon.json'}",
            f"--cgroup-parent={self.cgroup_parent}",
            "--exec-opt=native.cgroupdriver=cgroupfs",  # systemd's driver would ask the machine's systemd for slices
            "--storage-driver=overlay2",
            *self.options,
        ]
        hostname = self.name if self.namespace else ""
        one = ["sh", "-c", _PROCESS_ONE, "sandbox-engine", str(self.folder), hostname, *dockerd]
        # The process writes its own id down before it does anything else: there is no moment when it runs unrecorded.
        record = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self._pid_file)]
        commands.spawn([*record, *enter, *isolate, *one], self.log)

    def wait_until_ready(self, within: float = 40) -> None:
        """Wait until it answers.

        Raises:
            SandboxError: It ended or did not answer in time; with the end of its log.
        """

        def answers() -> bool:
            recorded = self._recorded()
            if recorded is not None and not commands.is_alive(recorded):
                raise SandboxError(f"{self.name}: dockerd ended right after its start; the end of its log:\n{self.log_tail()}")
            return bool(self.docker("version", "--format", "{{.Server.Version}}", timeout=10))

        try:
            wait_until(answers, within, f"dockerd of {self.name} to answer", every=0.1, ignoring=(CommandFailed,))
        except NotInTime as late:
            raise SandboxError(f"{late}\nthe end of its log:\n{self.log_tail()}") from None

    @property
    def pid(self) -> int | None:
        """The recorded process, as this machine numbers it; None if it is gone (or its number is someone else's now)."""
        pid = self._recorded()
        return pid if pid is not None and commands.is_alive(pid) and str(self.folder) in commands.command_line(pid) else None

    def _recorded(self) -> int | None:
        """The number that the process wrote down; None before it has: the file is there a moment before its content."""
        try:
            return int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None

    def kill(self) -> None:
        """End it, its containerd, its shims and its containers without any notice. Nothing happens if it is down."""
        pid = self.pid
        if pid is not None:
            one = self._children(pid)
            # `unshare --kill-child`: its end kills process 1 of the namespace, and that one's end all the others.
            commands.kill_and_wait([*one, pid])
        self._pid_file.unlink(missing_ok=True)

    def stop(self, within: float = 20) -> None:
        """Ask it to end cleanly (its databases on disk stay whole), and kill what is left after ``within`` seconds."""
        pid = self.pid
        if pid is not None:
            for one in self._children(pid):
                commands.send(one, signal.SIGTERM)
            try:
                wait_until(lambda: self.pid is None, within, "the end", every=0.05)
            except NotInTime:
                pass
        self.kill()

    def docker(self, *args: str, check: bool = True, timeout: float | None = 60) -> str:
        """Run the docker command against this engine and return what it printed.

        Raises:
            CommandFailed: With the error output.
        """
        return commands.run([commands.docker_command(), "-H", self.socket, *args], check=check, timeout=timeout).stdout

    def image_id(self, name: str) -> str | None:
        """Id of an image that it has, None if it has none of this name."""
        found = self.docker("image", "inspect", name, check=False)
        images = json.loads(found or "[]")
        return str(images[0]["Id"]) if images else None

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError as error:
            return f"(no log: {error})"

    @property
    def _pid_file(self) -> Path:
        return self.folder / "pid"

    @staticmethod
    def _children(pid: int) -> list[int]:
        try:
            return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except OSError:
            return []
