"""A GLOBAL variable of mariadbd that the agent keeps at what it should be."""

from __future__ import annotations

import logging

from galera_operator.agent.sql import Client, SqlError

log = logging.getLogger(__name__)


class Variable:
    """Read and set; a server that does not take it is complained about once, and asked again by the caller's next turn."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name
        self._trouble = ""

    def read(self) -> str | None:
        """Its value; None: no answer."""
        rows = self._ask(f"SELECT @@GLOBAL.{self._name}")
        return rows[0][0] if rows else None

    def set(self, value: str) -> bool:
        """Args: `value`: as SQL has it, quoted where it is text. False: it is not set."""
        return self._ask(f"SET GLOBAL {self._name}={value}") is not None

    def _ask(self, sql: str) -> list[list[str]] | None:
        try:
            rows = self._client.query(sql)
        except SqlError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.warning("%s is not as it should be: %s", self._name, error)
            return None
        self._trouble = ""
        return rows
