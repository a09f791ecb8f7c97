"""Building the images with an engine of their own, which lives only as long as a build and whose images are the cache.

It uses this machine's network as it is (builds fetch packages), with neither bridge nor firewall rules of its own. Its data
root stays in the cache; a new node gets its images from there by hard links (see `image_store`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from galera_operator.sandbox import base_image, cgroups, commands, host, image_store
from galera_operator.sandbox.engine import Engine
from galera_operator.sandbox.errors import CommandFailed, SandboxError
from galera_operator.sandbox.images import ALL_NAMES, Image, chosen, content_hash
from galera_operator.sandbox.installing import Say
from galera_operator.sandbox.layout import Layout

# Seconds. The base image is small, and whether it comes says whether an image registry can be reached at all.
_PULL_TRY = 60
_PULL_LIMIT = 600
_BUILD_LIMIT = 900


class Builder:
    """The images of one sandbox folder."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.engine = builder_engine(layout)
        self._memory_lock = threading.Lock()

    def build(self, root: Path, say: Say, only: Sequence[str] = ()) -> dict[str, str]:
        """Build what has changed, several images at a time.

        Args:
            root: The repository.
            say: Takes a line at each step.
            only: Names of the images to build; none: all.

        Returns:
            Image name to image id, the base image first.
        """
        files = base_image.settings()
        print_of_base = base_image.fingerprint(files)
        images = chosen(only)
        there = image_store.named_images(self.engine.data_root)
        base_id = there.get(base_image.NAME, "")
        if not self._is_fresh(base_image.NAME, print_of_base, there):
            base_id = ""
        stale = [image for image in images if not self._is_fresh(image.name, content_hash(root, image, base_id), there)]
        if base_id and not stale:
            return {name: there[name] for name in (base_image.NAME, *(image.name for image in images))}
        with self.running():
            if not base_id:
                base_id = self._make_base(print_of_base, files, say)
            self._build_all(root, stale, base_id, say)
            self._tidy()
            ids = {name: self.engine.image_id(name) for name in (base_image.NAME, *(image.name for image in images))}
        return {name: found for name, found in ids.items() if found}

    def load(self, names: Sequence[str], targets: Sequence[Engine]) -> None:
        """Copy images into running engines, all at the same time."""
        with self.running(), ThreadPoolExecutor(max_workers=len(targets) or 1) as pool:
            tar = self._layout.run / "images.tar"
            try:
                self.engine.docker("save", "--output", str(tar), *names, timeout=300)
                list(pool.map(lambda engine: engine.docker("load", "--quiet", "--input", str(tar), timeout=300), targets))
            finally:
                tar.unlink(missing_ok=True)

    @contextmanager
    def running(self) -> Iterator[Engine]:
        """The builder's engine, running; it ends with the block, also when that fails."""
        self.engine.kill()
        host.remove_tree(self.engine.folder)
        self.engine.folder.mkdir(parents=True)
        self.engine.prepare(resolv_conf=_name_servers())
        try:
            self.engine.start()
            self.engine.wait_until_ready()
            yield self.engine
            self.engine.stop()
        finally:
            self.engine.kill()
            if self.engine.log.exists():
                self._logs.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.engine.log, self._logs / "dockerd.log")
            host.remove_tree(self.engine.folder)
            cgroups.remove(self.engine.cgroup_parent.strip("/"))

    @property
    def _logs(self) -> Path:
        return self._layout.cache / "logs"

    def _make_base(self, print_of_base: str, files: dict[str, str], say: Say) -> str:
        """Pull the base image, or make it where that is not possible."""
        if not self._pull(base_image.NAME, _PULL_TRY):
            say(f"{base_image.NAME}: no image registry answers; making it with debootstrap, about 30 s")
            workshop = self._layout.run / "base-image"
            try:
                tar = base_image.make(workshop, files)
                self.engine.docker("import", "--change", 'CMD ["bash"]', str(tar), base_image.NAME, timeout=300)
            finally:
                host.remove_tree(workshop)
        self._remember(base_image.NAME, print_of_base)
        found = self.engine.image_id(base_image.NAME)
        if found is None:
            raise SandboxError(f"{base_image.NAME}: made, but the builder does not have it; see {self.engine.log}")
        return found

    def _build_all(self, root: Path, stale: list[Image], base_id: str, say: Say) -> None:
        with ThreadPoolExecutor(max_workers=len(stale) or 1) as pool:
            try:
                for done in [pool.submit(self._build_one, root, image, base_id, say) for image in stale]:
                    done.result()
            except BaseException:
                # The clients in the other threads end when their engine does; the pool waits for them.
                self.engine.kill()
                raise

    def _build_one(self, root: Path, image: Image, base_id: str, say: Say) -> None:
        expected = content_hash(root, image, base_id)
        if image.public and self._registry_answers() and self._pull(image.name, _PULL_LIMIT):
            say(f"{image.name}: pulled")
        else:
            say(f"{image.name}: building")
            log = self._logs / f"{image.name.replace('/', '_').replace(':', '_')}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            command = [commands.docker_command(), "-H", self.engine.socket, "build", "--network=host", "--progress=plain"]
            command += ["--file", str(root / image.dockerfile), "--tag", image.name]
            command += ["--target", image.target] if image.target else []
            for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
                command += ["--build-arg", name] if name in os.environ else []
            _logged([*command, str(root / image.context)], log)
            say(f"{image.name}: built")
        self._remember(image.name, expected)

    def _pull(self, name: str, limit: float) -> bool:
        """Whether an image registry gave the image within ``limit`` seconds."""
        try:
            self.engine.docker("pull", "--quiet", name, timeout=limit)
        except CommandFailed:
            return False
        self._remember(f"pulled {name}", "yes")
        return True

    def _registry_answers(self) -> bool:
        return f"pulled {base_image.NAME}" in self._memory()

    def _tidy(self) -> None:
        """Drop what earlier builds left: images that lost their name, build steps beyond 4 GB."""
        self.engine.docker("image", "prune", "--force", check=False, timeout=120)
        self.engine.docker("builder", "prune", "--force", "--keep-storage=4GB", check=False, timeout=120)

    def _is_fresh(self, name: str, expected: str, there: dict[str, str]) -> bool:
        return name in there and self._memory().get(name) == expected

    @property
    def _memory_file(self) -> Path:
        return self._layout.cache / "built.json"

    def _memory(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._memory_file.read_text()))
        except (OSError, ValueError):
            return {}

    def _remember(self, name: str, value: str) -> None:
        with self._memory_lock:
            fresh = self._memory() | {name: value}
            self._memory_file.parent.mkdir(parents=True, exist_ok=True)
            self._memory_file.write_text(json.dumps(fresh, indent=1) + "\n")


def builder_engine(layout: Layout) -> Engine:
    """The engine that builds."""
    return Engine(
        name="builder",
        folder=layout.run / "builder",
        data_root=layout.cache / "builder",
        cgroup_parent=f"/{layout.tag}-builder",
        namespace=None,
        options=("--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"),
    )


def seed(layout: Layout, data_root: Path) -> list[str]:
    """Give a new node the cached images; returns their names."""
    return image_store.share(builder_engine(layout).data_root, data_root, ALL_NAMES)


def _name_servers() -> str:
    """Name servers of this machine. Where it asks a server on its own loopback (systemd-resolved), that one's servers."""
    real = Path("/run/systemd/resolve/resolv.conf")
    usual = Path("/etc/resolv.conf").read_text() if Path("/etc/resolv.conf").exists() else ""
    return real.read_text() if "127.0.0.53" in usual and real.exists() else usual


def _logged(command: Sequence[str], log: Path) -> None:
    with log.open("w") as output:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=commands.environment({"DOCKER_BUILDKIT": "1"}),
            timeout=_BUILD_LIMIT,
            check=False,
        )
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        raise CommandFailed(command, done.returncode, "", f"{tail}\n(all of it: {log})", None)
