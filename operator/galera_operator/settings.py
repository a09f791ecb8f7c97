"""The operator's own settings, from the environment (``GALERA_OPERATOR_*``). What concerns one cluster is a label instead."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


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
    log_json: bool = Field(False, description="One JSON object per log line instead of text.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    def token(self) -> str:
        """The secret's content; empty where there is none. Read anew each time: a rotated secret comes with a new task."""
        try:
            return self.token_file.read_text().strip()
        except FileNotFoundError:
            return ""
