"""A DNS server that knows no name: ``python -m galera_operator.sandbox.nxdomain ADDRESS``.

Docker's own DNS asks an upstream server about each name that it does not know. If that one does not answer, neither does
Docker's, and programs wait for their resolver's time-out, 5 s and more: mariadbd in the reverse look-up of each client,
``getent`` of ``tasks.<service>`` before the first task runs. The nodes have no way out, so this is their upstream.
"""

from __future__ import annotations

import socket
import sys

_HEADER = 12
_NXDOMAIN = 0x83  # recursion available, response code 3


def answer(query: bytes) -> bytes | None:
    """'No such name' to a DNS query; None for what is not one.

    The query's first question is repeated in the answer, as RFC 1035 wants it; nothing else is (EDNS, for one).
    """
    if len(query) < _HEADER + 5:
        return None
    end = _HEADER
    while end < len(query) and query[end]:
        end += query[end] + 1
    question = query[_HEADER : end + 5]
    if end + 5 > len(query):
        return None
    flags = bytes([0x80 | (query[2] & 0x79), _NXDOMAIN])  # a response, with the query's opcode and 'recursion desired'
    return query[:2] + flags + b"\0\1" + bytes(6) + question


def serve(address: str) -> None:
    """Answer on UDP port 53 of ``address`` until killed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 53))
        while True:
            query, client = server.recvfrom(4096)
            reply = answer(query)
            if reply is not None:
                server.sendto(reply, client)


if __name__ == "__main__":
    serve(sys.argv[1])
