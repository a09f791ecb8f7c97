"""`ports.Names` on Docker's embedded DNS server: one question over UDP, one answer, within half a second.

Not `getaddrinfo`: that goes on for many seconds where Docker asks an upstream server for a name that it does not know, and gives
the same error for 'no such name' and for 'no answer'.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
import struct

from galera_operator.core.model import Listed, NamesUnknown

SERVER = ("127.0.0.11", 53)
"""Where every container of a Swarm asks."""
TIMEOUT = 0.5

_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_A, _IN = 1, 1
_RECURSE, _ANSWER, _CUT = 0x0100, 0x8000, 0x0200
_NO_ERROR, _NO_SUCH_NAME = 0, 3
_MAX_LABEL = 63


class DockerNames:
    def __init__(self, server: tuple[str, int] = SERVER, timeout: float = TIMEOUT) -> None:
        self._server = server
        self._timeout = timeout

    def tasks(self, service: str) -> Listed | NamesUnknown:
        """`ports.Names.tasks`."""
        number = secrets.randbelow(1 << 16)
        where = f"Docker's DNS at {self._server[0]}"
        try:
            question = _question(number, f"tasks.{service}")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.settimeout(self._timeout)
                asking.connect(self._server)
                asking.send(question)
                return _answer(number, asking.recv(4096))
        except OSError as error:
            return NamesUnknown(f"{where} does not answer: {type(error).__name__}")
        except (ValueError, struct.error, IndexError) as error:
            return NamesUnknown(f"{where} answers what is no answer: {error}")


def _question(number: int, name: str) -> bytes:
    labels = name.encode("idna" if not name.isascii() else "ascii").split(b".")
    if not all(0 < len(label) <= _MAX_LABEL for label in labels):
        raise ValueError(f"{name} is no name that DNS can hold")
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return _HEADER.pack(number, _RECURSE, 1, 0, 0, 0) + encoded + struct.pack("!HH", _A, _IN)


def _answer(number: int, message: bytes) -> Listed | NamesUnknown:
    """Read the addresses. Raises for a message that is cut short or is not the answer to this question."""
    got, flags, questions, answers, _, _ = _HEADER.unpack_from(message)
    if got != number or not flags & _ANSWER:
        raise ValueError("it belongs to another question")
    if flags & _CUT:
        raise ValueError("it is cut")
    code = flags & 0xF
    if code == _NO_SUCH_NAME:
        return Listed(())
    if code != _NO_ERROR:
        return NamesUnknown(f"Docker's DNS could not answer (code {code})")
    at, found = _HEADER.size, set()
    for _ in range(questions):
        at = _past_name(message, at) + 4
    for _ in range(answers):
        at = _past_name(message, at)
        kind, _, _, length = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        if kind == _A:
            found.add(str(ipaddress.IPv4Address(message[at : at + length])))
        at += length
    return Listed(tuple(sorted(found)))


def _past_name(message: bytes, at: int) -> int:
    """Where the name that begins here ends: after its last label, or after a pointer to an earlier one."""
    while (length := message[at]) != 0:
        if length >= 0xC0:
            return at + 2
        at += 1 + length
    return at + 1
