"""A connection to each keeper, beside those that Dask has.

A round trip over it takes 0.05 ms; a call of an actor takes 2, most of it Python of
either side. Both ends prove that they know a key, which Dask has brought. There is none
where a cluster encrypts what it sends, or where a worker can't be reached.

Elsewhere: sockets, remote procedure calls.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import AuthenticationError, connection
from typing import Any, NamedTuple

SECONDS = 2.0  # until a connection is given up
MOST = 256  # connections of a client
KEY_BYTES = 32
PROTOCOL = "tcp://"  # of Dask's addresses: others are encrypted, or no sockets


class Door(NamedTuple):
    """Where somebody answers, and who may ask."""

    host: str
    port: int
    key: bytes


def answering(address: str, answer: Callable[[bytes], bytes]) -> Door | None:
    """Answer the first who asks, in a thread; return the door, if one can be made.

    Parameters
    ----------
    address : str
        Of this worker, as Dask has it.
    answer : callable
        It raises nothing.
    """
    if not address.startswith(PROTOCOL):
        return None
    host = address.removeprefix(PROTOCOL).rpartition(":")[0].strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = socket.create_server((host, 0), family=family, backlog=1)
    except OSError:
        return None
    door = Door(host, server.getsockname()[1], os.urandom(KEY_BYTES))
    threading.Thread(target=_answer, args=(server, door, answer), daemon=True).start()
    return door


def _answer(
    server: socket.socket, door: Door, answer: Callable[[bytes], bytes]
) -> None:
    try:
        with server:
            server.settimeout(SECONDS)
            line = _over(server.accept()[0])
        with line:
            connection.deliver_challenge(line, door.key)
            connection.answer_challenge(line, door.key)
            while True:
                line.send_bytes(answer(line.recv_bytes()))
    except (OSError, EOFError, AuthenticationError):
        return  # nobody came, a stranger, or the one who asked has gone


def _reached(door: Door) -> Any:
    reached = socket.create_connection((door.host, door.port), timeout=SECONDS)
    line = _over(reached)
    connection.answer_challenge(line, door.key)
    connection.deliver_challenge(line, door.key)
    return line


def _over(reached: socket.socket) -> Any:
    """Return a connection that sends and receives whole messages over a socket."""
    reached.settimeout(None)
    reached.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection.Connection(reached.detach())


def links_to(doors: Sequence[Door | None]) -> list[Any]:
    """Return connections to all doors, or none where one of them can't be reached."""
    links: list[Any] = []
    for door in doors:
        try:
            links += [] if door is None else [_reached(door)]
        except (OSError, EOFError, AuthenticationError):
            break
    return links if len(links) == len(doors) else []


def answers(links: Mapping[Any, int], seconds: float) -> dict[int, bytes]:
    """Return the answers that come within some time, by the numbers of their links."""
    ready: list[Any] = connection.wait([*links], seconds)
    return {links[link]: link.recv_bytes() for link in ready}
