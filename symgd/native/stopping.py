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

from symgd.native.interrupts import Interrupts

TIME, SIGNAL = 1, 2  # why a word isn't 0
_mine = threading.local()
_all: list[array[int]] = []  # for ever: kernels know their addresses


def flag() -> array[int]:
    """Return the word that is not 0 where what this thread computes is to stop."""
    if not hasattr(_mine, "flag"):
        _mine.flag = array("q", [0])
        _all.append(_mine.flag)
    return _mine.flag


class stoppable:
    """A context in which Ctrl-C and a time limit stop what this thread computes.

    Its value is the thread's flag. Entered for every run and evaluation over arrays, it
    costs some microseconds.
    """

    __slots__ = (
        *("before", "forward", "listens", "outer"),
        *("own", "raised", "seconds", "watcher"),
    )

    def __init__(self, seconds: float = math.inf) -> None:
        self.seconds, self.raised = seconds, 0

    def __enter__(self) -> array[int]:
        self.own = own = flag()
        self.before = own[0]
        self.watcher = watcher = _watcher(os.getpid())
        watcher.enter(self, self.seconds)
        self.listens = _may_listen()
        if self.listens:
            descriptor, self.forward = watcher.descriptor, watcher.forward
            self.outer = signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
            if self.outer != descriptor:
                watcher.forward = self.outer
        return own

    def __exit__(self, *_: object) -> None:
        if self.listens:
            signal.set_wakeup_fd(self.outer, warn_on_full_buffer=False)
            self.watcher.forward = self.forward
        self.watcher.leave(self)


def _may_listen() -> bool:
    """Return whether Python or symgd would handle Ctrl-C, in this thread."""
    if threading.current_thread() is not threading.main_thread():
        return False
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        return True
    return isinstance(getattr(handler, "__self__", None), Interrupts)


@functools.lru_cache(maxsize=1)
def _watcher(_process: int) -> _Watcher:
    return _Watcher()  # a forked process has no threads


class _Watcher:
    """The thread that waits."""

    def __init__(self) -> None:
        self.ears, self.mouth = socket.socketpair()
        self.mouth.setblocking(False)
        self.descriptor = self.mouth.fileno()
        self.forward = -1  # who else waits for signals
        self.entries: dict[stoppable, float] = {}
        self.lock = threading.Lock()
        threading.Thread(target=self._wait, name="symgd stop", daemon=True).start()

    def enter(self, context: stoppable, seconds: float) -> None:
        """Watch the flag of a context, for so long."""
        self.entries[context] = time.monotonic() + seconds
        if seconds < math.inf:
            self._say(0)  # it may be the next one

    def leave(self, context: stoppable) -> None:
        """Watch it no longer; its flag is as it was, or as it became around it."""
        with self.lock:  # nobody raises it afterwards
            del self.entries[context]
            others = (each for each in list(self.entries) if each.own is context.own)
            reasons = (each.raised for each in others)
            context.own[0] = context.before or max(reasons, default=0)

    def _say(self, word: int) -> None:
        with contextlib.suppress(BlockingIOError):  # it is awake then
            self.mouth.send(bytes([word]))

    def _wait(self) -> None:
        while True:
            ends = self._raised()
            heard = select.select([self.ears], [], [], min(ends, default=None))[0]
            words = self.ears.recv(4096) if heard else b""
            if self.forward >= 0 and any(words):
                with contextlib.suppress(OSError):
                    os.write(self.forward, bytes(filter(None, words)))
            if signal.SIGINT in words:
                self._raised(SIGNAL)

    def _raised(self, why: int = TIME) -> list[float]:
        """Raise all flags, or those whose time is over; return in how long others'."""
        with self.lock:
            now = time.monotonic()
            left = {each: end - now for each, end in list(self.entries.items())}
            for context, seconds in left.items():
                if why == SIGNAL or seconds <= 0.0:
                    context.raised = context.own[0] = why
        return [seconds for seconds in left.values() if 0.0 < seconds < math.inf]
