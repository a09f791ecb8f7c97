"""``pc.bootstrap``: making the component of a member that lives without a Primary one the Primary component."""

from __future__ import annotations

import time
from collections.abc import Callable

from galera_operator.agent.member import Member
from galera_operator.agent.sql import Client, NoAnswer, SqlError

PATIENCE = 10.0
"""Seconds for the statement (measured: 0.03 to 0.06), and again for the view that follows it (0.2 to 0.3)."""
_HAS_VARIABLE = "SHOW GLOBAL VARIABLES LIKE 'wsrep_provider_pc_bootstrap'"
_BY_VARIABLE = ("SET GLOBAL wsrep_provider_pc_bootstrap=OFF", "SET GLOBAL wsrep_provider_pc_bootstrap=ON")
"""Where the plugin wsrep_provider is active (MariaDB 11.8), each option is a variable and wsrep_provider_options is read-only. A
variable stays ON after it was set; only a change does it again."""
_BY_OPTIONS = ("SET GLOBAL wsrep_provider_options='pc.bootstrap=YES'",)


class Forming:
    """Carries out what a command asked for; one `turn` after the other, in the thread of `Life`."""

    def __init__(self, member: Member, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._member = member
        self._client = client
        self._clock = clock
        self._known_by = 0.0

    def turn(self) -> None:
        """Form the Primary component if that was asked for since the last turn.

        `wishes.forming` stays true until the end of the attempt is known: who may yet become Primary promises nothing.
        """
        member = self._member
        with member.changed:
            asked, member.wishes.form_primary = member.wishes.form_primary and not member.wishes.stop, False
            member.wishes.forming = asked or (member.wishes.forming and not self._is_known())
        if asked:
            self._form()

    def _form(self) -> None:
        self._known_by = float("inf")
        try:
            for statement in _BY_VARIABLE if self._client.query(_HAS_VARIABLE, PATIENCE) else _BY_OPTIONS:
                self._client.query(statement, PATIENCE)
            self._known_by = self._clock() + PATIENCE
            self._member.say("formed the Primary component from this member's, as the operator asked", always=True)
        except SqlError as error:
            if not isinstance(error, NoAnswer):
                self._known_by = self._clock() + PATIENCE  # refused by mariadbd: not asked again at once
            self._member.say(f"could not form the Primary component: {error}", always=True)

    def _is_known(self) -> bool:
        wsrep = self._member.wsrep
        return wsrep is not None and (wsrep.is_primary or self._clock() > self._known_by)
