"""What the commands say besides results."""

import io
import sys

import pytest

from symgd.cli import output
from symgd.native import compiled


class Stream(io.StringIO):
    """A stream that is a terminal, or isn't."""

    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.mark.parametrize("terminal", [True, False])
def test_on_a_terminal_it_is_said_once_that_compiling_takes_long(monkeypatch, terminal):
    monkeypatch.setattr(compiled, "when_long", None)
    monkeypatch.setattr(sys, "stderr", Stream(terminal))
    with output.errors_reported():
        said = compiled.when_long
        if terminal:
            said()
    assert compiled.when_long is None
    expected = "compiling, once for this formula ...\n" if terminal else ""
    assert sys.stderr.getvalue() == expected
