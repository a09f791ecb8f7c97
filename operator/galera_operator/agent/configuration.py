"""Before anything is touched: make the directories and the configuration file, and check what the user set."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from galera_operator.agent import disk, options
from galera_operator.agent.process import run
from galera_operator.agent.settings import BadSetting, Settings


def configure(settings: Settings, defaults: Path, stop: threading.Event) -> str:
    """Write the configuration file at `defaults`; return Galera's provider options.

    Raises:
        BadSetting: the user's files cannot be read, or set what belongs to the agent.
        InterruptedError: the agent is to stop.
    """
    for path in (settings.run_dir, settings.data_dir):
        path.mkdir(parents=True, exist_ok=True)
        disk.give_to_mysql(path)
    pool = options.buffer_pool_bytes(options.memory_limit())
    defaults.write_text(options.defaults_file(settings, pool))
    code, output = run(
        ["my_print_defaults", f"--defaults-file={_user_files(settings)}", "--mysqld"],
        10, options.server_environment(os.environ), stop,
    )  # fmt: skip
    if code != 0:
        raise BadSetting(f"the configuration files cannot be read: {output.strip()[-300:]}")
    given = [line for line in output.splitlines() if line.startswith("--")]
    user = options.user_provider_options([*given, *settings.server_options])
    return options.provider_options(settings, user)


def _user_files(settings: Settings) -> Path:
    """A file that includes only the user's own configuration, to check what they set."""
    path = settings.run_dir / "user-options.cnf"
    includes = [f"!includedir {directory}" for directory in settings.conf_dirs if directory.is_dir()]
    path.write_text("\n".join(["[mariadbd]", *includes, ""]))
    return path
