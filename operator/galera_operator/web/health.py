"""HEALTHCHECK of the operator, run as ``python3 -I -S health.py``: it imports next to nothing, because it starts often."""

import os
import socket
import sys

SECONDS = 5
DEFAULT = "0.0.0.0:9300"


def main() -> int:
    """Ask ``/healthz`` once. 0: healthy, or there is no server to ask."""
    listen = os.environ.get("GALERA_OPERATOR_LISTEN") or DEFAULT
    if listen == "off":
        return 0
    host, _, port = listen.rpartition(":")
    address = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))  # noqa: S104 - compared, not bound
    try:
        with socket.create_connection((address, int(port)), SECONDS) as connection:
            connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            answer = b""
            while chunk := connection.recv(4096):
                answer += chunk
    except OSError as error:
        print(f"the operator does not answer: {error}")
        return 1
    print(answer.partition(b"\r\n\r\n")[2].decode(errors="replace")[:300])
    return 0 if b" 200 " in answer.split(b"\r\n", 1)[0] else 1


if __name__ == "__main__":
    sys.exit(main())
