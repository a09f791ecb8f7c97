"""The operator's own settings, from the environment (``GALERA_OPERATOR_*``). What concerns one cluster is a label instead."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from galera_operator.ports import Refused

OFF = "off"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="GALERA_OPERATOR_", extra="forbid", frozen=True)

    token_file: Path = Field(
        Path("/run/secrets/galera_token"), description="The cluster's one secret. May be absent where stacks use a root password."
    )
    look_every: float = Field(2.0, ge=0.2, le=60, description="Seconds between two periodic looks; events come in between.")
    lease_ttl: float = Field(
        15.0, ge=3, le=300, description="Seconds of silence after which another operator takes over. Renewed every third of it."
    )
    journal_dir: Path | None = Field(None, description="Directory of the journal; unset: no journal.")
    runbooks: Path | None = Field(None, description="Directory of your own runbooks; one of a shipped one's name replaces it.")
    listen: str = Field(
        "0.0.0.0:9300", description="Address and port of status page, `/metrics` and `/healthz`; `off`: none of them."
    )
    log_json: bool = Field(False, description="One JSON object per log line instead of text.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, text: str) -> str:
        host, colon, port = text.rpartition(":")
        if text != OFF and not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
            raise ValueError(f"GALERA_OPERATOR_LISTEN is {text!r}; expected ADDRESS:PORT, like 0.0.0.0:9300, or {OFF}")
        return text

    @property
    def listen_at(self) -> tuple[str, int] | None:
        """Address and port to listen at; None: nowhere."""
        host, _, port = self.listen.rpartition(":")
        return None if self.listen == OFF else (host.strip("[]"), int(port))

    def token(self) -> str:
        """The secret's content; empty where there is none. Read anew each time: a rotated secret comes with a new task.

        Raises:
            Refused: it is no token.
        """
        try:
            token = self.token_file.read_text().strip()
        except FileNotFoundError:
            return ""
        if not (token.isascii() and token.isprintable()):
            raise Refused(f"the secret {self.token_file} holds more than printable ASCII, which HTTP cannot carry")
        return token
