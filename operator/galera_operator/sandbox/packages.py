"""``python -m galera_operator.sandbox.packages mariadb haproxy`` installs what the integration tests run."""

from __future__ import annotations

import sys

from galera_operator.sandbox.errors import SandboxError
from galera_operator.sandbox.installing import make_ready

if __name__ == "__main__":
    try:
        make_ready(sys.argv[1:], print)
    except SandboxError as error:
        sys.exit(f"galera-operator: {error}")
