"""Giving an engine the images of another one by hard links: no copy, no load, no second of waiting.

Layers never change once they are made, so all nodes can share their files: what a container writes goes to a layer of its
own. This knows how the engine's ``overlay2`` storage driver keeps images on disk, which is the same from 20.10 to 29.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from galera_operator.sandbox import commands
from galera_operator.sandbox.errors import SandboxError

_IMAGES = Path("image/overlay2")
_LAYERS = Path("overlay2")


def named_images(data_root: Path) -> dict[str, str]:
    """Image name, like ``debian:trixie-slim``, to image id, of an engine that need not run."""
    try:
        repositories: dict[str, Any] = json.loads((data_root / _IMAGES / "repositories.json").read_text())
    except (OSError, ValueError):
        return {}
    names = (tags for tags in repositories.get("Repositories", {}).values())
    return {name: image for tags in names for name, image in tags.items() if "@" not in name}


def share(source: Path, target: Path, wanted: Iterable[str]) -> list[str]:
    """Give the engine with data root ``target`` images of the one with data root ``source``.

    Neither engine may be running. Both must be on one file system.

    Args:
        source: Data root that has the images.
        target: Data root that gets them.
        wanted: Image names; those that the source does not have are left out.

    Returns:
        The names of the images that the target has now.
    """
    there = named_images(source)
    images = {name: there[name] for name in wanted if name in there}
    images = {name: image for name, image in images.items() if _config(source, image).exists()}
    if not images:
        return []
    links = target / _LAYERS / "l"
    links.mkdir(parents=True, exist_ok=True)
    for image in images.values():
        config = _config(source, image)
        copy = _config(target, image)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(config.read_bytes())
        for chain in chain_ids(json.loads(config.read_text())["rootfs"]["diff_ids"]):
            if not (target / _record(chain)).exists():
                _share_layer(source, target, chain)
    repositories: dict[str, dict[str, str]] = {}
    for name, image in (named_images(target) | images).items():
        repositories.setdefault(name.rpartition(":")[0], {})[name] = image
    (target / _IMAGES / "repositories.json").write_text(json.dumps({"Repositories": repositories}))
    return sorted(images)


def layers(data_root: Path, name: str) -> list[Path]:
    """The folders of an image's layers, the topmost first, as an overlay mount takes them.

    Raises:
        SandboxError: the engine has no such image.
    """
    image = named_images(data_root).get(name)
    if image is None:
        raise SandboxError(f"{data_root} has no image {name}; it has {', '.join(sorted(named_images(data_root))) or 'none'}")
    chains = chain_ids(json.loads(_config(data_root, image).read_text())["rootfs"]["diff_ids"])
    return [data_root / _folder(data_root, chain) / "diff" for chain in reversed(chains)]


def chain_ids(diff_ids: list[str]) -> list[str]:
    """Ids of the layers as the engine files them: each stands for a layer together with all those below it.

    Source: OCI image specification, config.md, Layer ChainID.
    """
    chains: list[str] = []
    for diff in diff_ids:
        chains.append(f"sha256:{hashlib.sha256(f'{chains[-1]} {diff}'.encode()).hexdigest()}" if chains else diff)
    return chains


def _config(data_root: Path, image: str) -> Path:
    return data_root / _IMAGES / "imagedb/content/sha256" / image.removeprefix("sha256:")


def _record(chain: str) -> Path:
    return _IMAGES / "layerdb/sha256" / chain.removeprefix("sha256:")


def _folder(data_root: Path, chain: str) -> Path:
    return _LAYERS / (data_root / _record(chain) / "cache-id").read_text()


def _share_layer(source: Path, target: Path, chain: str) -> None:
    record = _record(chain)
    (target / record).parent.mkdir(parents=True, exist_ok=True)
    folder = _folder(source, chain)
    short = _LAYERS / "l" / (source / folder / "link").read_text()
    # cp, because it also links device nodes (they mark deleted files) and keeps the folders' extended attributes.
    commands.run(["cp", "-a", "--link", str(source / folder), str(target / folder)], timeout=300)
    commands.run(["cp", "-a", str(source / short), str(target / short)])
    commands.run(["cp", "-a", str(source / record), str(target / record)])
