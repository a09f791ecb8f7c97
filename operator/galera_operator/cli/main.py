"""The commands. Exit codes: 0 done, 1 not reached or the world refused, 2 bad request (nothing changed), 3 a page is open."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live

from galera_operator import __version__, log
from galera_operator.cli.completing import galera_services
from galera_operator.cli.consent_commands import (
    NotAllowed,
    bootstrap_prospect,
    known_copies,
    record_bootstrap,
    record_replace,
    replace_prospect,
)
from galera_operator.cli.doctor_commands import doctor
from galera_operator.cli.journal_commands import history, replay, why
from galera_operator.cli.looking import looking
from galera_operator.cli.lookout import Lookout
from galera_operator.cli.member_commands import restart, writer
from galera_operator.cli.output import AsJson, Service, fail, out
from galera_operator.cli.present import as_table
from galera_operator.cli.record_commands import as_recorded, recorded_json, renew_record, renewal_prospect
from galera_operator.cli.runbook_commands import app as runbooks
from galera_operator.cli.sandbox_commands import app as sandbox
from galera_operator.cli.scale import BadRequest, NotReached, wait_for, write_wish
from galera_operator.cli.sim_commands import app as sim
from galera_operator.core.plan import Act, Page
from galera_operator.core.report import as_json
from galera_operator.ports import Refused, Unreachable
from galera_operator.runtime.runbooks import BadRunbook
from galera_operator.runtime.wiring import run_operator
from galera_operator.settings import Settings

app = typer.Typer(
    name="galera-operator",
    help="Operate MariaDB Galera clusters on Docker Swarm.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.add_typer(sandbox, name="sandbox", help="A real multi-node Swarm on this machine, to try things on.")
app.add_typer(runbooks, name="runbook", help="Planned work and the way out of an outage, in stages: list, show, run, follow.")
app.add_typer(sim, name="sim", help="The same operator on a simulated Swarm and Galera, with seeded faults.")
for command in (writer, restart, doctor, why, history, replay):
    app.command()(command)


@app.command()
def run() -> None:
    """Run the operator. Settings come from the environment, GALERA_OPERATOR_*; wishes come from service labels.

    Example: GALERA_OPERATOR_LOG_LEVEL=DEBUG galera-operator run
    """
    settings = Settings()
    log.configure(settings.log_level, as_json=settings.log_json)
    from galera_operator.web.server import CannotListen, serving  # noqa: PLC0415 - no other command needs a web server

    try:
        run_operator(settings, lambda *parts: serving(settings.listen_at, *parts))
    except BadRunbook as error:
        fail(error, 2)
    except (Unreachable, Refused, CannotListen) as error:
        fail(error, 1)


@app.command()
def status(
    service: Annotated[
        str | None, typer.Argument(help="One service; all of them without it.", autocompletion=galera_services)
    ] = None,
    *,
    json_: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every 2 s until interrupted.")] = False,
) -> None:
    """Show every member: slot, node, address, phase, wsrep state, queue, traffic; and what the operator does about it.

    Example: galera-operator status --watch
    """
    with looking() as lookout:
        if watch and not json_:
            _watch(lookout, service)
            return
        views = [lookout.view(service)] if service else lookout.views()
        if json_:
            out.print_json(json.dumps({"clusters": [as_json(view) for view in views]}))
        elif not views:
            out.print("No service has a label galera.replicas or galera.enable.")
        for view in views if not json_ else []:
            out.print(as_table(view))
        if any(isinstance(view.plan, Page) for view in views):
            raise typer.Exit(3)


@app.command()
def plan(service: Service, *, json_: AsJson = False) -> None:
    """Tell what the operator would do next and why, without doing it.

    Example: galera-operator plan wordpress_dbcluster
    """
    with looking() as lookout:
        view = lookout.view(service)
        if json_:
            out.print_json(json.dumps(as_json(view)["plan"]))
        else:
            decided = view.plan
            out.print(f"{type(decided).__name__.lower()}: {decided.why}", highlight=False)
            if isinstance(decided, Act):
                for step in decided.steps:
                    out.print(f"  next: {step}", highlight=False)
            if isinstance(decided, Page):
                out.print(f"  to do: {decided.remedy}", highlight=False)
        if isinstance(view.plan, Page):
            raise typer.Exit(3)


@app.command(context_settings={"ignore_unknown_options": True})
def scale(
    service: Service,
    replicas: Annotated[str, typer.Argument(help="The wished number of members, 1 to 9.")],
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is so, and tell what happens meanwhile.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most.")] = 900.0,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line as things happen.")] = False,
) -> None:
    """Wish for a number of members: sets the label galera.replicas; the operator does the rest, one safe step at a time.

    Example: galera-operator scale wordpress_dbcluster 3 --wait
    """

    def say(text: str, **facts: object) -> None:
        if json_:
            print(json.dumps({"service": service, **facts}), flush=True)
        else:
            out.print(text, highlight=False)

    with looking() as lookout:
        try:
            write_wish(lookout, service, replicas)
            say(f"{service}: galera.replicas={replicas}", event="wished", replicas=int(replicas))
            if wait:
                begun = time.monotonic()
                wait_for(lookout, service, int(replicas), timeout, lambda line: say(f"  {line}", event="plan", why=line))
                took = time.monotonic() - begun
                members = f"{replicas} member{'s' if int(replicas) > 1 else ''}"
                say(f"{service} has {members}, after {took:.0f} s", event="reached", seconds=round(took, 1))
        except BadRequest as error:
            fail(error, 2)
        except NotReached as error:
            fail(error, 1)


@app.command()
def bootstrap(
    service: Service,
    *,
    from_slot: Annotated[int, typer.Option(help="The slot whose copy the cluster goes on from.")],
    accept_loss_of: Annotated[
        list[int] | None, typer.Option(help="A slot whose data may be lost by that; give it once for each.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Decide, where the operator must not, to go on from one copy: shows what is known of each, asks, and records it.

    Only while no member is in a Primary component. The operator carries it out, and fences whoever comes late.

    Example: galera-operator bootstrap wordpress_dbcluster --from-slot 2 --accept-loss-of 3
    """
    accepted = accept_loss_of or []
    with looking() as lookout:
        view = lookout.view(service)
        try:
            _ask(known_copies(view), bootstrap_prospect(view, from_slot, accepted), sure=yes)
            consent = record_bootstrap(lookout, lookout.view(service), from_slot, accepted)
        except NotAllowed as error:
            fail(error, 2)
        out.print(f"recorded: {consent.by} decided to go on from slot {from_slot} as {consent.history}", highlight=False)


@app.command(name="replace")
def replace_copy(
    service: Service,
    *,
    slot: Annotated[int, typer.Option(help="The slot whose copy is given up.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Give up a copy that the operator keeps out because it is of another history or ahead: it is replaced by a full transfer.

    Example: galera-operator replace wordpress_dbcluster --slot 3
    """
    with looking() as lookout:
        view = lookout.view(service)
        try:
            _ask(known_copies(view), replace_prospect(view, slot), sure=yes)
            record_replace(lookout, lookout.view(service), slot)
        except NotAllowed as error:
            fail(error, 2)
        out.print(f"recorded: the copy of slot {slot} is given up", highlight=False)


@app.command()
def record(
    service: Service,
    *,
    renew: Annotated[bool, typer.Option("--renew", help="Make a damaged record anew from what every member says.")] = False,
    accept_loss_of: Annotated[
        list[int] | None, typer.Option(help="A slot that does not answer and whose data may be lost; give it once for each.")
    ] = None,
    accept_loss_elsewhere: Annotated[
        bool, typer.Option("--accept-loss-elsewhere", help="While nobody serves: what is in no present task may be lost.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json_: AsJson = False,
) -> None:
    """Show what is recorded about a cluster: its state UUID, where its copies are, what was decided.

    Example: galera-operator record wordpress_dbcluster --renew
    """
    accepted = accept_loss_of or []
    with looking() as lookout:
        view = lookout.view(service)
        if json_:
            if renew:
                fail("--renew asks a person and tells them what it does; without --json, please", 2)
            out.print_json(json.dumps(recorded_json(view)))
            return
        if not renew:
            for line in as_recorded(view):
                out.print(line, highlight=False, soft_wrap=True, markup=False)
            return
        try:
            _ask([], renewal_prospect(view, accepted, elsewhere=accept_loss_elsewhere), sure=yes)
            memory = renew_record(lookout, lookout.view(service), accepted, elsewhere=accept_loss_elsewhere)
        except NotAllowed as error:
            fail(error, 2)
        out.print(f"recorded anew: state UUID {memory.uuid or 'none yet'}", highlight=False)


def _ask(known: list[str], prospect: list[str], *, sure: bool) -> None:
    """Show what is known and what would come of it, and go on only after a yes."""
    for line in known:
        out.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)
    for line in prospect:
        out.print(line, highlight=False, soft_wrap=True, markup=False)
    if not sure and not typer.confirm("Go on?"):
        fail("nothing was recorded", 2)


@app.command()
def version(*, json_: AsJson = False) -> None:
    """Print the version.

    Example: galera-operator version --json
    """
    print(json.dumps({"version": __version__}) if json_ else __version__)


def _watch(lookout: Lookout, service: str | None) -> None:
    with Live(console=out, auto_refresh=False) as live:
        while True:
            views = [lookout.view(service)] if service else lookout.views()
            live.update(Group(*(as_table(view) for view in views)), refresh=True)
            time.sleep(2.0)


def main() -> None:
    """The entry point."""
    app()
