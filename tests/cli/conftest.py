"""A rule in a file, for all tests of the command line."""

import pytest

HEAVY = """# Me 2026
m = beta*m + g
x = x - rate*m
  with rate=0.001, beta=0.8
"""


@pytest.fixture
def heavy(tmp_path):
    file = tmp_path / "heavy.rule"
    file.write_text(HEAVY)
    return file
