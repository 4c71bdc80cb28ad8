"""Connections beside Dask's: who may ask, and what there is where nobody can."""

import multiprocessing.connection as connection
import socket
import threading

import numpy as np
import pytest

from symgd.objectives.scattered import links

HERE = "tcp://127.0.0.1:1"


def thread_of(door):
    """Return the thread that answers at a door."""
    (found,) = (
        each
        for each in threading.enumerate()
        if door in getattr(each, "_args", ()) and each is not threading.current_thread()
    )
    return found


def test_questions_of_all_sizes_are_answered_in_order():
    doors = [links.answering(HERE, lambda asked: asked[::-1]) for _ in range(3)]
    lines = links.links_to(doors)
    for size in (0, 1, 100, 20_000, 3_000_000):
        asked = np.random.default_rng(size).bytes(size)
        found = {}
        for line in lines:
            line.send_bytes(asked)
        while len(found) < 3:
            waiting = {line: k for k, line in enumerate(lines) if k not in found}
            found |= links.answers(waiting, 1.0)
        assert found == dict.fromkeys(range(3), asked[::-1])


def test_it_ends_with_the_one_who_asks():
    door = links.answering(HERE, bytes)
    answerer = thread_of(door)
    (line,) = links.links_to([door])
    line.close()
    answerer.join(60)
    assert not answerer.is_alive()
    with pytest.raises(OSError, match=r"refused|reset|abort"):
        socket.create_connection((door.host, door.port), timeout=5)


def test_a_stranger_is_told_nothing():
    asked = []
    door = links.answering(HERE, lambda question: asked.append(question) or b"")
    answerer = thread_of(door)
    assert links.links_to([door._replace(key=bytes(32))]) == []
    answerer.join(60)
    assert not answerer.is_alive()
    assert asked == []


def test_who_answers_proves_that_it_knows_the_key():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def pretend():
            line = links._over(server.accept()[0])
            with line, pytest.raises((connection.AuthenticationError, EOFError)):
                connection.deliver_challenge(line, b"another")

        pretender = threading.Thread(target=pretend)
        pretender.start()
        door = links.Door("127.0.0.1", server.getsockname()[1], b"the key")
        assert links.links_to([door]) == []
        pretender.join(60)


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("tls://127.0.0.1:80", id="encrypted"),
        pytest.param("inproc://127.0.0.1/1/2", id="no socket"),
        pytest.param("tcp://192.0.2.1:80", id="of another machine"),
    ],
)
def test_no_door_is_made(address):
    assert links.answering(address, bytes) is None
    assert links.links_to([None]) == []


def test_all_are_linked_or_none(monkeypatch):
    monkeypatch.setattr(links, "SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        door = links.Door(*gone.getsockname(), b"the key")
    doors = [links.answering(HERE, bytes), door]
    answerer = thread_of(doors[0])
    assert links.links_to(doors) == []
    answerer.join(60)
    assert not answerer.is_alive()


def test_nobody_comes(monkeypatch):
    monkeypatch.setattr(links, "SECONDS", 0.01)
    answerer = thread_of(links.answering(HERE, bytes))
    answerer.join(60)
    assert not answerer.is_alive()
