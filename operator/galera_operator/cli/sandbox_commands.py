"""``galera-operator sandbox``: a real multi-node Swarm on this machine."""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from galera_operator.sandbox import Sandbox, SandboxError, SandboxNotRunning
from galera_operator.sandbox.api import remove
from galera_operator.sandbox.layout import Layout
from galera_operator.sandbox.status import Status, look

app = typer.Typer(help="A real multi-node Swarm on this machine, to try things on.", no_args_is_help=True)
out = Console()


@contextmanager
def _explained() -> Iterator[None]:
    """Errors as one sentence on standard error; a SIGTERM cleans up like a Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        yield
    except SandboxError as error:
        print(f"galera-operator: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


@app.command()
def up(nodes: Annotated[int, typer.Option(min=1, max=9, help="How many nodes; all are managers.")] = 3) -> None:
    """Start the swarm; installs what is missing from Debian's packages and says so. Needs root.

    Example: galera-operator sandbox up --nodes 3
    """
    with _explained():
        Sandbox.up(nodes, say=typer.echo)


@app.command()
def down(*, purge: Annotated[bool, typer.Option("--purge", help="Delete the cached images as well.")] = False) -> None:
    """End everything that `up` started, also after a crash or an `up` that did not finish.

    Example: galera-operator sandbox down --purge
    """
    with _explained():
        remove(Layout.from_environment(), typer.echo, purge=purge)


@app.command()
def status(*, json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the nodes, how services are found here (IPVS or DNS), the cached images, and leftovers if there are any.

    Example: galera-operator sandbox status --json
    """
    with _explained():
        seen = look(Layout.from_environment())
    if json_:
        nodes = [dataclasses.asdict(row.node) | {"state": row.state, "manager": row.manager} for row in seen.nodes]
        out.print_json(json.dumps(dataclasses.asdict(seen) | {"nodes": nodes}))
    else:
        _print(seen)


@app.command()
def env() -> None:
    """Print what to `eval` so that the docker command speaks to the sandbox.

    Example: eval "$(galera-operator sandbox env)"
    """
    with _explained():
        nodes = Sandbox.attach().nodes
        alive = [node for node in nodes if node.pid is not None]
        if not alive:
            raise SandboxNotRunning("all nodes of the sandbox are down; start them with: galera-operator sandbox up")
        typer.echo(f"export DOCKER_HOST={alive[0].socket}")
        for node in nodes:
            typer.echo(f"# {node.name} {node.address} {node.socket}{'' if node.pid else ' (down)'}")


@app.command()
def images(
    repository: Annotated[Path, typer.Option(help="The repository of galera-operator.", file_okay=False, exists=True)] = Path(),
    only: Annotated[list[str] | None, typer.Option(help="Build only this image; may be given more than once.")] = None,
) -> None:
    """Build what has changed of the images and give it to the nodes, or to the cache while no sandbox is up.

    Example: galera-operator sandbox images --only galera-operator/member:dev
    """
    with _explained():
        try:
            sandbox = Sandbox.attach()
        except SandboxNotRunning:
            Sandbox.prepare_images(repository, typer.echo, only or ())
        else:
            sandbox.build_images(repository, typer.echo, only or ())


def _print(seen: Status) -> None:
    if seen.running:
        table = Table("node", "address", "in the swarm", "manager", "process", "DOCKER_HOST", box=None)
        for row in seen.nodes:
            node = row.node
            table.add_row(node.name, node.address, row.state, row.manager, str(node.pid or "down"), node.socket)
        out.print(table)
    else:
        out.print("not running; start it with: galera-operator sandbox up")
    if seen.ip_vs:
        out.print("The kernel has IPVS: services are deployed as their stack files say.")
    else:
        out.print(
            "The kernel has no IPVS: virtual addresses and the ingress mesh lead nowhere, so services are deployed with"
            " endpoint_mode: dnsrr and published ports with mode: host."
        )
    out.print(f"cached images: {', '.join(seen.cached_images) or 'none'}")
    for leftover in seen.leftovers:
        out.print(f"leftover: {leftover} (remove it with: galera-operator sandbox down)")
