"""The operator as it is shipped: its image, laid out as a folder to run it in, with the image's own Python."""

from __future__ import annotations

import subprocess
from pathlib import Path

from deployment import ROOT

from galera_operator.sandbox import commands, image_store
from galera_operator.sandbox.api import Sandbox
from galera_operator.sandbox.builder import builder_engine
from galera_operator.sandbox.layout import Layout

IMAGE = "galera-operator/operator:dev"
SHARED = "run/footprint"
"""Below the image's root: the folder where it and this machine see the same files."""
ENVIRONMENT = {
    "PATH": "/opt/galera-operator/bin:/usr/bin:/bin",
    "PYTHONUNBUFFERED": "1",
    "GALERA_OPERATOR_JOURNAL_DIR": "/var/lib/galera-operator",
}
"""What the Dockerfile sets."""


def prepare() -> None:
    """Build the image where it is not as the source is."""
    Sandbox.prepare_images(ROOT, only=[IMAGE])


def lay_out(folder: Path) -> Path:
    """Mount the image, writable, and return its root. In a mount namespace of the caller's own: it goes with that."""
    layers = image_store.layers(builder_engine(Layout.from_environment()).data_root, IMAGE)
    commands.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)])
    places = {name: folder / name for name in ("upper", "work", "root")}
    for place in places.values():
        place.mkdir()
    options = f"lowerdir={':'.join(map(str, layers))},upperdir={places['upper']},workdir={places['work']}"
    commands.run(["mount", "-t", "overlay", "overlay", "-o", options, str(places["root"])])
    commands.run(["mount", "--bind", "/dev", str(places["root"] / "dev")])
    (places["root"] / SHARED).mkdir(parents=True)
    return places["root"]


def start(root: Path, settings: dict[str, str], output: Path) -> subprocess.Popen[bytes]:
    """Start the image's command in its root."""
    with output.open("wb") as log:
        command = ["unshare", f"--root={root}", "galera-operator", "run"]
        return subprocess.Popen(command, env=ENVIRONMENT | settings, stdout=log, stderr=log)
