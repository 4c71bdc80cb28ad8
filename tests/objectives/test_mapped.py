"""A file that became shorter is an error, not the end of the process."""

import os

import numpy as np
import pytest

import symgd
from symgd import InputError
from symgd.objectives import arrays


@pytest.fixture
def column(tmp_path):
    file = tmp_path / "y.bin"
    np.arange(20_000.0).tofile(file)
    return file, np.memmap(file, mode="r", dtype="f8", offset=800)


@pytest.mark.parametrize("part", [slice(None), slice(None, None, -1), slice(5, 5000)])
@pytest.mark.parametrize("use", ["value", "grad", "hess", "minimize"])
def test_a_shorter_file_is_refused(column, part, use):
    file, y = column
    text = "sum((a - y[i])**2 for i in range(n))"
    objective = symgd.Objective(text, data={"y": y[part]})
    assert objective.value([0.0]) > 0.0
    os.truncate(file, 4096)
    evaluate = getattr(objective, use, lambda x: symgd.minimize(objective, x))
    with pytest.raises(InputError, match="'y' has become shorter: it has 4,096"):
        evaluate([0.0])


def test_a_longer_file_is_no_matter(column):
    file, y = column
    text = "sum((a - y[i])**2 for i in range(n))"
    objective = symgd.Objective(text, data={"y": y})
    before = objective.value([0.0])
    with open(file, "ab") as more:
        more.write(bytes(8000))
    assert objective.value([0.0]) == before


def test_too_much_memory_is_named(monkeypatch):
    monkeypatch.setattr(arrays, "memory", lambda: 3.0 * 2**30)
    text = "sum(x[i]**2 for i in range(n))"
    with pytest.raises(InputError, match="1,000,000,000 elements, of 8,000,000,000 b"):
        symgd.Objective(text, sizes={"n": 10**9})
