"""A port on this machine's loopback that leads to a port inside a container, for programs that know no network namespaces."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from faults.containers import in_network_of


@contextmanager
def door(pid: int, port: int) -> Iterator[int]:
    """Connections to the returned port of 127.0.0.1 go to `port` of the loopback that the process `pid` sees."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_admit, args=(listener, pid, port), daemon=True).start()
        yield listener.getsockname()[1]


def _admit(listener: socket.socket, pid: int, port: int) -> None:
    with contextlib.suppress(OSError):  # closed: nobody else comes
        while True:
            outside, _ = listener.accept()
            try:
                inside = in_network_of(pid, lambda: socket.create_connection(("127.0.0.1", port)))
            except OSError:
                outside.close()
                continue
            threading.Thread(target=_pass_both_ways, args=(outside, inside), daemon=True).start()


def _pass_both_ways(outside: socket.socket, inside: socket.socket) -> None:
    """Until one end closes; then the other one is closed as well."""
    with outside, inside, contextlib.suppress(OSError), selectors.DefaultSelector() as ready:
        ready.register(outside, selectors.EVENT_READ, inside)
        ready.register(inside, selectors.EVENT_READ, outside)
        while True:
            for key, _ in ready.select():
                data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                if not data:
                    return
                key.data.sendall(data)
