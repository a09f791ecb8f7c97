"""Runs inside the operator's container, fed to its Python: one JSON line several times a second with what can be seen there.

``{"dns": [addresses of tasks.<service>], "members": [...], "replicas": n}``; `members` as ``status --json`` has them.
SERVICE is set by whoever feeds this.
"""

import json
import socket

from galera_operator.cli.lookout import open_lookout
from galera_operator.core.report import as_json

with open_lookout() as lookout:
    while True:
        view = as_json(lookout.view(SERVICE))  # noqa: F821
        try:
            found = socket.getaddrinfo(f"tasks.{SERVICE}", None, socket.AF_INET, socket.SOCK_STREAM)  # noqa: F821
            dns = sorted({str(entry[4][0]) for entry in found})
        except socket.gaierror:
            dns = []
        print(json.dumps({"dns": dns, **view}), flush=True)
