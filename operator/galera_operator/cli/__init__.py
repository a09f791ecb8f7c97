"""The command line: ``galera-operator run | status | plan | scale | sandbox``."""

from galera_operator.cli.main import main

__all__ = ["main"]
