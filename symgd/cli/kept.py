"""Answers that are kept from one process to the next: what is known needs no SymPy.

This is memoisation on disk, beside the compiled kernels.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from symgd.cli.output import note
from symgd.insight import deadlines
from symgd.native import compiled


def print_kept(key: Sequence[str] | None, compose: Callable[[], str]) -> None:
    """Print an answer, with the notes that belong to it.

    What a deadline cut short is composed again the next time, and so are errors.

    Parameters
    ----------
    key : sequence of str, or None
        All that it depends on, beside symgd and the packages; None keeps nothing.
    compose : callable
        Returns the text; called only if it isn't known.
    """
    name = None if key is None else ("answer", *key, *sys.warnoptions)
    known = None if name is None else compiled.recalled(name)
    if known is not None:
        for each in known["notes"]:
            note(each)
    else:
        with deadlines.watched() as passed, _noted() as notes:
            known = {"text": compose(), "notes": notes}
        if name is not None and not passed:
            compiled.remember(name, known)
    print(known["text"])


@contextmanager
def _noted() -> Iterator[list[str]]:
    """Collect warnings that are shown meanwhile."""
    notes: list[str] = []
    with warnings.catch_warnings():
        show = warnings.showwarning

        def shown(message: Warning | str, *more: Any, **named: Any) -> None:
            notes.append(str(message))
            show(message, *more, **named)

        warnings.showwarning = shown
        yield notes
