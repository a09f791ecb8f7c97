"""The image ``debian:trixie-slim`` where no image registry can be reached: made with debootstrap, under the same name.

So the Dockerfiles stay the ordinary ones. What a build needs on this machine to reach Debian's packages and Python's (package
mirror, proxy, trusted certificates) is taken from the machine's own settings and put into the image, not into any Dockerfile.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import re
import ssl
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from galera_operator.sandbox import commands, host
from galera_operator.sandbox.errors import SandboxError

NAME = "debian:trixie-slim"
SUITE = "trixie"

# Raise it when the making below changes, so that cached images are made anew.
_RECIPE = 1

# As in the public image: no documentation, no package files kept, no services started; and no fsync per file.
_FILES = {
    "etc/dpkg/dpkg.cfg.d/docker-apt-speedup": "force-unsafe-io\n",
    "etc/dpkg/dpkg.cfg.d/docker": (
        "path-exclude /usr/share/doc/*\npath-include /usr/share/doc/*/copyright\npath-exclude /usr/share/man/*\n"
        "path-exclude /usr/share/locale/*/LC_MESSAGES/*.mo\npath-exclude /usr/share/info/*\n"
    ),
    "etc/apt/apt.conf.d/docker": (
        # Plain lists and a package cache until the packages are in: half the processor time of each apt-get install.
        'Acquire::Languages "none";\nAPT::Install-Suggests "false";\n'
        'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };\n'
    ),
    "usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
}

_SOURCES = "etc/apt/sources.list.d/debian.sources"

# In mount and process namespaces of their own: when it is cut off, its mounts and its processes go with it.
_MAKE = """
set -e
mkdir -p "$1/root"
mount -t tmpfs -o size=2g tmpfs "$1/root"
root=$1/root/fs
debootstrap --variant=minbase "$2" "$root" "$3" >"$1/debootstrap.log" 2>&1
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/etc/apt/sources.list
rm -rf "$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/usr/share/locale/*
find "$root/usr/share/doc" ! -type d ! -name copyright -delete
find "$root/usr/share/doc" -depth -type d -empty -delete
cp -r "$1/files/." "$root/"
chmod 755 "$root/usr/sbin/policy-rc.d"
mkdir -p "$root/var/cache/apt/archives/partial" "$root/var/lib/apt/lists/partial"
tar -C "$root" --exclude=./proc/* --exclude=./sys/* --exclude=./dev/* -cf "$1/rootfs.tar" .
"""

_ONE_LINE = re.compile(r"^\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Mirror:
    """Where Debian's packages come from: base addresses; ``security`` is None when there is no such archive."""

    main: str
    security: str | None


def mirror_from_sources(texts: Iterator[str] | list[str]) -> Mirror | None:
    """The Debian mirror that apt's source files name (both of apt's formats); None if they name none."""
    found: list[tuple[str, str]] = []
    for text in texts:
        found += _ONE_LINE.findall(text)
        for stanza in re.split(r"\n\s*\n", text):
            fields = dict(re.findall(r"^(URIs|Suites|Enabled):[ \t]*(.+)$", stanza, re.MULTILINE | re.IGNORECASE))
            if fields.get("Enabled", "yes").strip().lower() != "no":
                found += [(uri, suite) for uri in fields.get("URIs", "").split() for suite in fields.get("Suites", "").split()]
    debian = [(uri.rstrip("/"), suite) for uri, suite in found if "debian" in uri and uri.startswith("http")]
    main = next((uri for uri, suite in debian if "security" not in uri and "-" not in suite.replace("/", "-")), None)
    security = next((uri for uri, suite in debian if "security" in suite or "/updates" in suite), None)
    return Mirror(main, security) if main else None


def settings() -> dict[str, str]:
    """Files of the image that carry this machine's settings: path (without the leading /) to content.

    Asks nobody: unchanged images are recognized with the network away, too.

    Raises:
        SandboxError: This machine names no Debian mirror.
    """
    files = dict(_FILES)
    files[_SOURCES] = _sources(_mirror())
    files["etc/apt/apt.conf.d/sandbox"] = _apt_settings()
    files |= _trusted_certificates()
    files |= _python_settings(bundle="etc/ssl/certs/ca-certificates.crt" in files)
    return {path: text for path, text in files.items() if text}


def fingerprint(files: dict[str, str]) -> str:
    """Changes when the image would: settings, suite, recipe."""
    return hashlib.sha256(json.dumps([_RECIPE, SUITE, sorted(files.items())]).encode()).hexdigest()


def make(workshop: Path, files: dict[str, str]) -> Path:
    """Make the image's root file system; about 30 s.

    Args:
        workshop: Folder to work in; emptied first. Its owner removes it.
        files: See `settings`.

    Returns:
        A tar file in ``workshop``, for ``docker import``.

    Raises:
        SandboxError: debootstrap failed; with the end of its log.
    """
    host.remove_tree(workshop)
    for path, text in files.items():
        target = workshop / "files" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_existing(text) if path == _SOURCES else text)
    isolate = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
    # Debian's own debootstrap knows the keys; the mirror is the one that this machine's apt uses.
    one = ["sh", "-c", _MAKE, "sandbox-base-image", str(workshop), SUITE, _mirror().main]
    done = commands.run([*isolate, *one], check=False, timeout=600)
    if done.returncode != 0:
        log = workshop / "debootstrap.log"
        said = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
        raise SandboxError("\n".join([f"cannot make {NAME} with debootstrap: {done.stderr.strip()}", *said]))
    return workshop / "rootfs.tar"


def _mirror() -> Mirror:
    if given := os.environ.get("GALERA_SANDBOX_MIRROR"):
        return Mirror(given.rstrip("/"), None)
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    texts = [f.read_text(errors="replace") for f in files if f.suffix in (".list", ".sources") and f.is_file()]
    texts = ["\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")) for text in texts]
    mirror = mirror_from_sources(texts)
    if mirror is None:
        raise SandboxError(
            "no Debian mirror found in /etc/apt; set GALERA_SANDBOX_MIRROR to the address of one,"
            " the folder that has 'dists' in it"
        )
    return mirror


def _sources(mirror: Mirror) -> str:
    keys = "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    archives = [(mirror.main, SUITE), (mirror.main, f"{SUITE}-updates"), (mirror.security, f"{SUITE}-security")]
    return "\n".join(f"Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\n{keys}" for uri, suite in archives if uri)


def _existing(sources: str) -> str:
    """Only the archives that the mirror has: apt takes a missing one for an error."""
    stanzas = sources.split("\n\n")
    asked = [(stanza, re.findall(r"^(?:URIs|Suites): (.+)$", stanza, re.MULTILINE)) for stanza in stanzas]
    return "\n\n".join(stanza for stanza, (uri, suite) in asked if suite == SUITE or _exists(uri, suite))


def _exists(uri: str, suite: str) -> bool:
    try:
        # `mirror_from_sources` lets only http(s) addresses through.
        ask = urllib.request.Request(f"{uri}/dists/{suite}/InRelease", method="HEAD")  # noqa: S310
        with urllib.request.urlopen(ask, timeout=20) as reply:  # noqa: S310
            return bool(reply.status == 200)
    except OSError:
        return False


def _apt_settings() -> str:
    """The machine's settings for reaching the mirror: a proxy, and whether the lists' dates are checked."""
    dump = commands.run(["apt-config", "dump"], check=False).stdout
    kept = re.compile(r'^Acquire::(https?::(Proxy|Verify-\w+)\b|Proxy\b|Check-(Valid-Until|Date)) "', re.IGNORECASE)
    return "".join(f"{line}\n" for line in dump.splitlines() if kept.match(line))


def _trusted_certificates() -> dict[str, str]:
    bundle = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    if not Path(bundle).is_file():
        return {}
    files = {"etc/ssl/certs/ca-certificates.crt": Path(bundle).read_text()}
    # Installing ca-certificates writes the bundle anew, from the package's and these.
    own = Path("/usr/local/share/ca-certificates")
    for certificate in sorted(own.rglob("*.crt")):
        files[str(certificate.relative_to("/"))] = certificate.read_text()
    return files


def _python_settings(*, bundle: bool) -> dict[str, str]:
    """Settings of pip and uv: the machine's package index, if it has one of its own, and the trusted certificates."""
    config = configparser.ConfigParser(interpolation=None, strict=False)
    config.read(["/etc/pip.conf", Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf"])
    chosen: dict[str, str] = {}
    for key in ("index-url", "extra-index-url", "trusted-host", "timeout"):
        name = f"PIP_{key.replace('-', '_').upper()}"
        value = os.environ.get(name) or config.get("global", key, fallback="") or ""
        # An index in a folder of this machine is not there inside a build.
        words = [word for word in value.split() if not word.startswith(("file:", "/"))]
        if words:
            chosen[key] = " ".join(words)
    uv = "".join(f'{key} = "{chosen[key]}"\n' for key in ("index-url",) if key in chosen)
    if bundle:
        chosen["cert"] = "/etc/ssl/certs/ca-certificates.crt"
        uv += "native-tls = true\n"
    pip = "".join(f"{key} = {value}\n" for key, value in chosen.items())
    return {"etc/pip.conf": f"[global]\n{pip}" if pip else "", "etc/uv/uv.toml": uv}
