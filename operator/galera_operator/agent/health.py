"""HEALTHCHECK: healthy at the moment of admission, afterwards while the agent and mariadbd live.

Run as ``python3 -I -S health.py``: it imports nothing but the socket module, because it starts for every check. The agent
holds its answer back until there is something to say, so a check is nearly always waiting and an admission is seen at once.
"""

import os
import socket
import sys

HOLD_SECONDS = 50
"""Below the image's HEALTHCHECK --timeout of 60 s."""


def main() -> int:
    """Ask the agent once. 0: healthy."""
    address = os.environ.get("GALERA_BIND_ADDRESS") or "127.0.0.1"
    try:
        with socket.create_connection((address, 9200), HOLD_SECONDS + 5) as connection:
            connection.sendall(b"GET /live?wait=%d HTTP/1.0\r\n\r\n" % HOLD_SECONDS)
            answer = b""
            while chunk := connection.recv(4096):
                answer += chunk
    except OSError as error:
        print(f"the agent does not answer: {error}")
        return 1
    print(answer.partition(b"\r\n\r\n")[2].decode(errors="replace")[:200])
    return 0 if b" 200 " in answer.split(b"\r\n", 1)[0] else 1


if __name__ == "__main__":
    sys.exit(main())
