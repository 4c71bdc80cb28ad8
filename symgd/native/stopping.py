"""What is computed natively for long is told to stop: by Ctrl-C, and at a deadline.

Python's handlers of signals run in the main thread between two instructions of Python,
so never while native code runs there. A thread of its own waits for the signal instead,
and for deadlines, and raises flags: words that loops over arrays look at, block by
block. What was cut short returns NaN.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import select
import signal
import socket
import threading
import time
from array import array
from collections.abc import Iterator
from typing import Any

from symgd.native.interrupts import Interrupts

_mine = threading.local()
_all: list[array[int]] = []  # for ever: kernels know their addresses


def flag() -> array[int]:
    """Return the word that is not 0 where what this thread computes is to stop."""
    if not hasattr(_mine, "flag"):
        _mine.flag = array("q", [0])
        _all.append(_mine.flag)
    return _mine.flag


@contextlib.contextmanager
def stoppable(seconds: float = math.inf) -> Iterator[array[int]]:
    """Let Ctrl-C and a time limit stop what this thread computes; yield its flag."""
    own = flag()
    before = own[0]
    watcher = _watcher(os.getpid())
    entry = watcher.entered(own, time.monotonic() + seconds)
    try:
        with watcher.listening():
            yield own
    finally:
        watcher.left(entry)
        own[0] = before


@functools.lru_cache(maxsize=1)
def _watcher(_process: int) -> _Watcher:
    return _Watcher()  # a forked process has no threads


class _Watcher:
    """The thread that waits."""

    def __init__(self) -> None:
        self.ears, self.mouth = socket.socketpair()
        self.mouth.setblocking(False)
        self.forward = -1
        self.entries: dict[object, tuple[array[int], float]] = {}
        threading.Thread(target=self._wait, name="symgd stop", daemon=True).start()

    def entered(self, own: array[int], deadline: float) -> object:
        """Watch a flag until a deadline."""
        entry = object()
        self.entries[entry] = own, deadline
        if deadline < math.inf:
            self._say(0)  # it may be the next one
        return entry

    def left(self, entry: object) -> None:
        """Watch it no longer."""
        del self.entries[entry]

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Hear Ctrl-C, where Python or symgd would handle it."""
        handler: Any = None
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
        known = isinstance(getattr(handler, "__self__", None), Interrupts)
        if not known and handler is not signal.default_int_handler:
            yield
            return
        descriptor, before = self.mouth.fileno(), self.forward
        outer = signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
        self.forward = before if outer == descriptor else outer
        try:
            yield
        finally:
            signal.set_wakeup_fd(outer, warn_on_full_buffer=False)
            self.forward = before

    def _say(self, word: int) -> None:
        with contextlib.suppress(BlockingIOError):  # it is awake then
            self.mouth.send(bytes([word]))

    def _wait(self) -> None:
        while True:
            now = time.monotonic()
            ends = []
            for own, deadline in list(self.entries.values()):
                if deadline <= now:
                    own[0] = 1
                elif deadline < math.inf:
                    ends.append(deadline - now)
            heard = select.select([self.ears], [], [], min(ends, default=None))[0]
            words = self.ears.recv(4096) if heard else b""
            if self.forward >= 0 and any(words):
                with contextlib.suppress(OSError):
                    os.write(self.forward, bytes(filter(None, words)))
            if signal.SIGINT in words:
                for own, _ in list(self.entries.values()):
                    own[0] = 1
