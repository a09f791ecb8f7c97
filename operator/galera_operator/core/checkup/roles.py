"""Which service is what: database, operator, proxy; and which image people run as a Galera member."""

from __future__ import annotations

from enum import StrEnum

from galera_operator.core.checkup.setup import Mount, Service, Setup

PREFIX = "galera."
TOKEN = "galera_token"


class Image(StrEnum):
    """Kinds of images that run MariaDB with Galera."""

    MEMBER = "this project's member image"
    TOUGHIQ = "toughiq/mariadb-cluster"
    COLINMOLLENHOUR = "colinmollenhour/mariadb-galera-swarm"
    BITNAMI = "bitnami/mariadb-galera"
    OFFICIAL = "the official mariadb image"
    OTHER = "another image"


def repository(image: str) -> str:
    """``registry:5000/a/b:tag@sha256:...`` without tag, digest and Docker Hub's own names."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    name = f"{head}{slash}{last.partition(':')[0]}"
    return name.removeprefix("docker.io/").removeprefix("library/")


def kind_of(service: Service) -> Image:
    """Tell the image by its name; the member image, which people rename, also by its variables and its secret."""
    name = repository(service.image)
    tail = "/".join(name.split("/")[-2:])
    for kind in (Image.TOUGHIQ, Image.COLINMOLLENHOUR):
        if tail.startswith(kind.value):
            return kind
    if name.split("/")[-1] == "mariadb-galera" and "bitnami" in name:
        return Image.BITNAMI
    if name == "mariadb":
        return Image.OFFICIAL
    ours = any(key.startswith("GALERA_") and not key.startswith("GALERA_OPERATOR_") for key in service.environment)
    if tail == "galera-operator/member" or "galera-member" in tail or ours or TOKEN in service.secrets:
        return Image.MEMBER
    return Image.OTHER


def data_directory(database: Service) -> str:
    """Where the server keeps its data in the container."""
    if kind_of(database) is Image.BITNAMI:
        return "/bitnami/mariadb"
    return database.environment.get("GALERA_DATA_DIR") or "/var/lib/mysql"


def data_mount(database: Service) -> Mount | None:
    """The mount that holds the data directory, or None."""
    where = data_directory(database)
    holding = [mount for mount in database.mounts if f"{where}/".startswith(f"{mount.target.rstrip('/')}/")]
    return max(holding, key=lambda mount: len(mount.target), default=None)


def keeps_data(database: Service) -> bool:
    """True where a new task on the same node finds the data of the last one."""
    mount = data_mount(database)
    return mount is not None and mount.kind != "tmpfs" and bool(mount.source)


def is_member_image(service: Service) -> bool:
    return kind_of(service) is Image.MEMBER


def is_database(service: Service) -> bool:
    """True for a service of Galera members: labelled for the operator, named by its own variable, or known by what it runs."""
    if is_operator(service) or is_proxy(service):
        return False
    if any(key.startswith(PREFIX) for labels in (service.labels, service.container_labels) for key in labels):
        return True
    alias = service.environment.get("DB_SERVICE_NAME", "")
    if alias and (service.name == alias or service.name.endswith(f"_{alias}")):
        return True
    if kind_of(service) not in {Image.OTHER, Image.OFFICIAL}:
        return True
    words = " ".join((*service.command, *service.environment)).lower()
    return "wsrep" in words or "galera" in words


def is_operator(service: Service) -> bool:
    name = repository(service.image)
    return (
        name.endswith("galera-operator/operator")
        or name.split("/")[-1] == "galera-operator"
        or any(key.startswith("GALERA_OPERATOR_") for key in service.environment)
        or (mounts_socket(service) and service.name.split("_")[-1] == "operator")
    )


def is_proxy(service: Service) -> bool:
    """True for what stands between applications and a database."""
    last = repository(service.image).split("/")[-1]
    return any(word in last for word in ("haproxy", "proxysql", "maxscale"))


def mounts_socket(service: Service) -> bool:
    return any(mount.source.endswith("docker.sock") for mount in service.mounts)


def operators(setup: Setup) -> tuple[Service, ...]:
    """Those on a network of the examined databases; where there is none, all that there are."""
    found = tuple(service for service in setup.everything if is_operator(service))
    near = tuple(service for service in found if any(service.networks & database.networks for database in setup.databases))
    return near or found


def has_proxy(database: Service, setup: Setup) -> bool:
    """True where a proxy shares a network with the database."""
    return any(is_proxy(service) and service.networks & database.networks for service in setup.everything)
