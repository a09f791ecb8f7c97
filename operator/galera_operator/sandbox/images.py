"""The images that the demo and the end-to-end tests run, and when one of them must be built again."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from galera_operator.sandbox import base_image
from galera_operator.sandbox.errors import SandboxError


@dataclass(frozen=True)
class Image:
    """One image and how it comes about.

    Attributes:
        name: As the stack files call it.
        dockerfile: Path from the repository's root.
        context: Folder that the build sees, from the repository's root.
        target: Stage of the Dockerfile; None: the last one.
        public: Ours is a stand-in of Debian's packages: where an image registry can be reached, the real one is pulled.
        on_request: Only made where it is asked for by name.
    """

    name: str
    dockerfile: str
    context: str
    target: str | None = None
    public: bool = False
    on_request: bool = False


IMAGES = (
    Image("galera-operator/operator:dev", "Dockerfile", ".", target="operator"),
    Image("galera-operator/member:dev", "Dockerfile", ".", target="member"),
    Image("haproxy:3.0", "charts/sandbox/haproxy/Dockerfile", "charts/sandbox/haproxy", public=True),
    Image("wordpress:6-apache", "charts/sandbox/wordpress/Dockerfile", "charts/sandbox/wordpress", public=True),
    Image(
        "prom/prometheus:v2.53.3",
        "charts/sandbox/prometheus/Dockerfile",
        "charts/sandbox/prometheus",
        public=True,
        on_request=True,
    ),
)

ALL_NAMES = (base_image.NAME, *(image.name for image in IMAGES))

_NEVER_SENT = {".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}


def chosen(only: Iterable[str]) -> list[Image]:
    """The images named in ``only``; when it names none, all that are not made on request only.

    Raises:
        SandboxError: There is no image of such a name.
    """
    names = list(only)
    if unknown := [name for name in names if name not in ALL_NAMES]:
        raise SandboxError(f"no such image: {', '.join(unknown)}; expected of: {', '.join(ALL_NAMES)}")
    return [image for image in IMAGES if image.name in names or not (names or image.on_request)]


def content_hash(root: Path, image: Image, base: str) -> str:
    """Changes when the image would: its Dockerfile, the files that the Dockerfile copies, the image it starts from.

    Args:
        root: The repository.
        image: What to build.
        base: Id of the base image.

    Raises:
        SandboxError: There is no such Dockerfile.
    """
    dockerfile = root / image.dockerfile
    if not dockerfile.is_file():
        raise SandboxError(f"{dockerfile}: no such file; expected the Dockerfile of {image.name}")
    text = dockerfile.read_text()
    digest = hashlib.sha256(json.dumps([base, image.target, text]).encode())
    context = root / image.context
    for path in _files(context, copied(text)):
        digest.update(json.dumps([str(path.relative_to(context)), path.lstat().st_mode & 0o777]).encode())
        digest.update(os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes())
    return digest.hexdigest()


def copied(dockerfile: str) -> list[str]:
    """What a Dockerfile's COPY and ADD take from the build's context: paths and patterns, in their order."""
    found: list[str] = []
    for line in re.sub(r"\\\s*\n", " ", dockerfile).splitlines():
        match = re.match(r"\s*(?:COPY|ADD)\s+(.*)", line, re.IGNORECASE)
        if match is None or "--from=" in line:
            continue
        words = [word for word in match[1].split() if not word.startswith("--")]
        if words and words[0].startswith("["):
            words = json.loads(" ".join(words))
        found += [word for word in words[:-1] if "://" not in word and not word.startswith("<<")]
    return found


def _files(context: Path, patterns: list[str]) -> Iterator[Path]:
    seen: set[Path] = set()
    for pattern in patterns:
        plain = pattern.strip("/") or "."
        for start in sorted(context.glob(plain)) if plain != "." else [context]:
            if start.is_dir():
                for folder, folders, names in os.walk(start):
                    folders[:] = sorted(set(folders) - _NEVER_SENT)
                    seen |= {Path(folder, name) for name in names}
            else:
                seen.add(start)
    yield from sorted(seen)
