"""A port on this machine's loopback that leads to a port inside a container, for programs that know no network namespaces."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
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
            for source, target in ((outside, inside), (inside, outside)):
                threading.Thread(target=_pass, args=(source, target), daemon=True).start()


def _pass(source: socket.socket, target: socket.socket) -> None:
    receive: Callable[[int], bytes] = source.recv
    with contextlib.suppress(OSError):
        while data := receive(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
