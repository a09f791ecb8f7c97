"""What the member image's agent says to server options, by its own rules."""

from __future__ import annotations

from collections.abc import Sequence

from galera_operator.agent.options import user_provider_options
from galera_operator.agent.settings import BadSetting


def refused(command: Sequence[str]) -> str:
    """The reason for which a member would not start with this command; empty where it would."""
    try:
        user_provider_options(word for word in command if word.startswith("--"))
    except BadSetting as error:
        return str(error)
    return ""
