"""Ctrl-C ends a run between two slices, where everything about it is consistent.

The signal is SIGINT.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SOON = 1.0  # seconds


class Interrupts:
    """A context in which Ctrl-C is noted, to be looked at between two slices.

    One that nobody has ``answered`` by the end of the context, as the run had just
    ended by itself, is raised then. A second Ctrl-C, a second later, is raised as
    usual. Where signals can't be had, as in another thread than the main one, or where
    the user has a handler of their own, nothing changes.
    """

    _prompt = 0  # sections in which it is raised at once

    def __init__(self) -> None:
        self.noted = False
        self.answered = False
        self._flags: list[Any] = []
        self._before: Any = None
        self._sections = 0
        self._noted_at = 0.0

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            outer = getattr(before, "__self__", None)
            own = isinstance(outer, Interrupts)
            if own or before is signal.default_int_handler:
                signal.signal(signal.SIGINT, self._note)
                self._before = before
                self.noted = isinstance(outer, Interrupts) and outer.noted
                # What is in a section of the run around this one is not in one here.
                self._sections, Interrupts._prompt = Interrupts._prompt, 0
        return self

    def __exit__(self, failure: object, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            Interrupts._prompt = self._sections
            outer = getattr(self._before, "__self__", None)
            if self.noted and isinstance(outer, Interrupts):
                outer.noted = True  # a run within a callback of another one
            elif self.noted and not self.answered and failure is None:
                signal.raise_signal(signal.SIGINT)

    def shown_in(self, flag: Any) -> None:
        """Let the first number of an array become 1 with Ctrl-C, for kernels to see."""
        self._flags.append(flag)
        if self.noted:
            self._raise_flags()

    def _raise_flags(self) -> None:
        for flag in self._flags:
            flag[0] = 1

    def _note(self, number: int, frame: FrameType | None) -> None:
        # One Ctrl-C may arrive twice, for the process and for its group.
        again = self.noted and time.monotonic() - self._noted_at > SOON
        at_once = again or Interrupts._prompt > 0
        if not self.noted:
            self.noted, self._noted_at = True, time.monotonic()
        self._raise_flags()
        if at_once:
            signal.default_int_handler(number, frame)


def is_noted() -> bool:
    """Return whether a run in this thread still has to answer Ctrl-C."""
    noting = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
    if not (isinstance(noting, Interrupts) and noting.noted):
        return False
    return threading.current_thread() is threading.main_thread()


@contextmanager
def raised_at_once() -> Iterator[None]:
    """Let Ctrl-C stop what takes long and can be done again, such as compiling."""
    # It is the main thread that is interrupted, whatever other threads do.
    mine = int(threading.current_thread() is threading.main_thread())
    Interrupts._prompt += mine
    try:
        yield
    finally:
        Interrupts._prompt -= mine
