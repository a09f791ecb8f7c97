"""How members are stopped, checked, restarted and updated."""

from __future__ import annotations

from collections.abc import Iterator

from galera_operator.core.checkup.change import command, finding, lines, period, setting
from galera_operator.core.checkup.finding import Finding, Severity
from galera_operator.core.checkup.roles import Image, is_member_image, kind_of
from galera_operator.core.checkup.setup import DEFAULT_GRACE, Service
from galera_operator.core.spec import STOP_MARGIN

SHUTDOWN = 70.0
"""Seconds suggested past the drain: what is left of a transaction, then mariadbd's own shutdown with a full buffer pool."""

LONG_START = 3600.0
"""Seconds of start period below which a full state transfer of a big database may be counted as failure."""

ASKS_FOR_SYNCED = ("galera_online", "wsrep_local_state", "wsrep_ready", "wsrep_cluster_status", "synced")
"""What stands in the test of a health check that a donor, or a member without a Primary component, fails."""


def stop_grace(database: Service) -> Iterator[Finding]:
    grace = DEFAULT_GRACE if database.stop_grace is None else database.stop_grace
    drain = database.settings.drain_timeout
    if grace >= drain + STOP_MARGIN:
        return
    value = period(drain + SHUTDOWN)
    whose = ", Swarm's default" if database.stop_grace is None else ""
    needs = (
        f"ending its sessions may take {drain:g} s, and mariadbd's shutdown follows."
        if is_member_image(database)
        else "mariadbd with a full buffer pool takes longer."
    )
    yield finding(
        database,
        "stop-grace",
        Severity.WARNING,
        f"A member has {grace:g} s to stop{whose}; {needs}",
        "At the end of the grace period Swarm sends SIGKILL: transactions in flight are cut, and the next start begins with "
        "crash recovery.",
        setting(database, "stop_grace_period", value, f"--stop-grace-period {value}"),
        ("stop_grace_period",),
    )


def health_check_kills_donor(database: Service) -> Iterator[Finding]:
    words = _asks_for_synced(database)
    if not words:
        return
    yield finding(
        database,
        "health-check-kills-donor",
        Severity.DANGER,
        f"The health check asks for {words}.",
        "A donor, and a member that has lost its majority, is not Synced; Swarm shuts an unhealthy task down, so one joiner "
        "costs the member that feeds it, and a lost majority costs the rest.",
        _harmless(database),
        ("healthcheck", "test"),
    )


def health_check_kills_joiner(database: Service) -> Iterator[Finding]:
    check = database.health
    if check is None or check.disabled or check.start_period >= LONG_START:
        return
    yield finding(
        database,
        "health-check-kills-joiner",
        Severity.DANGER,
        f"The health check counts failures {check.start_period:g} s after the start.",
        "A joiner does not answer until its state transfer is done, which takes as long as copying the database; then Swarm "
        "kills it, and its next task begins the copy again, for ever.",
        _harmless(database)
        if is_member_image(database)
        else setting(database, "healthcheck start_period", "720h", "--health-start-period 720h"),
        ("healthcheck", "start_period"),
    )


def health_check_replaced(database: Service) -> Iterator[Finding]:
    check = database.health
    if check is None or not is_member_image(database):
        return
    if not check.disabled and (_asks_for_synced(database) or check.start_period < LONG_START):
        return  # said already, and worse
    yield finding(
        database,
        "health-check-replaced",
        Severity.WARNING,
        "The health check of the member image is " + ("switched off." if check.disabled else "replaced."),
        "Swarm gives a task its place in DNS and behind the virtual address when it is healthy, and with this image healthy "
        "means admitted; without that, clients reach members that are not Synced yet (17 % of connects failed in a test).",
        _harmless(database),
        ("healthcheck",),
    )


def restart_never(database: Service) -> Iterator[Finding]:
    if database.restart.condition != "none":
        return
    yield finding(
        database,
        "restart-never",
        Severity.DANGER,
        "Swarm never starts a member again (restart_policy: none).",
        "Each crash and each reboot of a node takes one member away for good, until the last one is gone.",
        setting(database, "deploy restart_policy condition", "any", "--restart-condition any"),
        ("deploy", "restart_policy", "condition"),
    )


def restart_on_failure(database: Service) -> Iterator[Finding]:
    if database.restart.condition != "on-failure":
        return
    severity = {Image.MEMBER: Severity.NOTE, Image.COLINMOLLENHOUR: Severity.DANGER}.get(kind_of(database), Severity.WARNING)
    why = "A task that ends with exit code 0 is complete and never started again" + {
        Image.MEMBER: "; this image never ends with 0, another one does.",
        Image.COLINMOLLENHOUR: "; the entrypoint of this image always ends with 0.",
    }.get(kind_of(database), "; mariadbd ends with 0 whenever it is stopped in order, as at the reboot of its node.")
    yield finding(
        database,
        "restart-on-failure",
        severity,
        "Swarm starts a member again only after a failure (restart_policy: on-failure).",
        why,
        setting(database, "deploy restart_policy condition", "any", "--restart-condition any"),
        ("deploy", "restart_policy", "condition"),
    )


def restart_attempts(database: Service) -> Iterator[Finding]:
    attempts = database.restart.max_attempts
    if not attempts or database.restart.condition == "none":
        return
    yield finding(
        database,
        "restart-attempts",
        Severity.WARNING,
        f"Swarm gives a member up after {attempts} restarts (max_attempts).",
        "A member that waits for a donor, a disk or the others may end a few times in a row; given up, it stays away until a "
        "person comes.",
        "Remove this line." if database.is_from_file else command(database, "--restart-max-attempts 0"),
        ("deploy", "restart_policy", "max_attempts"),
    )


def update_parallelism(database: Service) -> Iterator[Finding]:
    for key, rollout in (("update_config", database.update), ("rollback_config", database.rollback)):
        if rollout.parallelism == 1:
            continue
        what = key.partition("_")[0]
        how_many = f"{rollout.parallelism} members" if rollout.parallelism else "all members"
        yield finding(
            database,
            "update-parallelism",
            Severity.DANGER,
            f"A{'n' if what == 'update' else ''} {what} stops {how_many} at once ({key}: parallelism).",
            "Two members less at once can be the majority, and what comes back needs a donor: with none left the database is "
            "down until the copies are compared.",
            setting(database, f"deploy {key} parallelism", "1", f"--{what}-parallelism 1", restarts=False),
            ("deploy", key, "parallelism"),
        )


def update_order(database: Service) -> Iterator[Finding]:
    if not any(mount.kind in {"volume", "bind"} for mount in database.mounts):
        return
    for key, rollout in (("update_config", database.update), ("rollback_config", database.rollback)):
        if rollout.order != "start-first":
            continue
        what = key.partition("_")[0]
        yield finding(
            database,
            "update-order",
            Severity.DANGER,
            f"A{'n' if what == 'update' else ''} {what} starts the new task before the old one has ended ({key}: start-first).",
            "Both would run mariadbd on the same volume: where nothing locks the directory, that ruins the data; where something "
            "does, the new task waits for ever and the rollout never ends.",
            setting(database, f"deploy {key} order", "stop-first", f"--{what}-order stop-first", restarts=False),
            ("deploy", key, "order"),
        )


def update_goes_on(database: Service) -> Iterator[Finding]:
    if database.update.failure_action != "continue":
        return
    yield finding(
        database,
        "update-goes-on",
        Severity.DANGER,
        "An update goes on to the next member when one did not come back (failure_action: continue).",
        "An image that cannot start then takes down one member after the other, all of them in the end.",
        setting(database, "deploy update_config failure_action", "pause", "--update-failure-action pause", restarts=False),
        ("deploy", "update_config", "failure_action"),
    )


def _asks_for_synced(database: Service) -> str:
    check = database.health
    if check is None or check.disabled:
        return ""
    test = " ".join(check.test)
    return next((word for word in ASKS_FOR_SYNCED if word in test.lower()), "")


def _harmless(database: Service) -> str:
    """The check to have instead: the member image's own, or one that a donor passes."""
    if is_member_image(database):
        return "Remove `healthcheck:` from the stack file; the image has its own, which fails only when the member is dead."
    test = '["CMD-SHELL", "mariadb-admin ping || mysqladmin ping"]'
    if database.is_from_file:
        return lines(database, "healthcheck start_period", f"test: {test}", "start_period: 720h")
    return command(database, "--health-cmd 'mariadb-admin ping || mysqladmin ping' --health-start-period 720h")
