"""Several threads: the same bits as one, for all kinds of steps."""

import os
import subprocess
import sys
import threading
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symgd import Objective
from symgd.calculus.program import PRODUCT, SUM
from symgd.native import threads
from symgd.objectives import parallel

rng = np.random.default_rng(0)
ROWS = 100_000
DATA = {
    "A": rng.normal(size=(ROWS, 4)),
    "y": np.sign(rng.normal(size=ROWS)),
    "key": rng.integers(0, 6, ROWS),
}
FORMULAS = {
    "rows": "sum(log(1 + exp(-y[i]*sum(A[i, j]*w[j] for j in range(4))))"
    " for i in range(n))",
    "a long inner sum": "sum(y[i]*sum(w[j]**2*(i + j) for j in range(99))"
    " for i in range(n))",
    "gathered": "sum(9*(x[i + 1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(n - 1))",
    "a sum in a function": "sqrt(1 + sum(x[i]**2 for i in range(n)))"
    " + log(sum(exp(x[i]) for i in range(n)))",
    "gathered and added": "sum((x[i] - w[key[i]])**2 for i in range(n))",
    "added": "sum((y[i] - w[key[i]])**2 for i in range(n))",
    "a product": "prod(1 + w[0]*y[i]/n for i in range(n)) + w[0]**2",
    "a plane": "sum((u[i + 1, j] - u[i, j])**2 for i in range(n - 1) for j in range(m))"
    " + sum((u[i, j + 1] - u[i, j])**2 for i in range(n) for j in range(m - 1))",
    "several": "sum(y[i]*w[0] for i in range(n))"
    " - sum(A[i, 1]*w[1]**2 for i in range(n))"
    " + sum(A[i, 2]*w[0]*w[1] for i in range(n//2))",
}


@pytest.fixture(autouse=True)
def _little_is_enough(monkeypatch):
    monkeypatch.setattr(parallel, "ENOUGH", 10_000)


def objective_of(name, workers):
    formula = FORMULAS[name]
    data = {k: v for k, v in DATA.items() if f"{k}[" in formula} or None
    objective = Objective(formula, data=data, workers=workers)
    if data is None:
        shape = (ROWS // 400, 400) if "u[" in formula else (ROWS + 77,)
        objective = objective.sized(np.zeros(shape))
    return objective


@pytest.mark.parametrize("name", FORMULAS)
def test_the_bits_do_not_depend_on_workers(name):
    results = []
    for workers in (1, 2, 3, 7):
        objective = objective_of(name, workers)
        assert objective.workers == workers
        x = np.random.default_rng(1).normal(size=len(objective.space))
        for _ in range(2):
            value, gradient = objective.value_and_grad(x)
            results.append((value, gradient.tobytes()))
    assert len(set(results)) == 1
    assert np.isfinite(results[0][0])


def test_little_work_is_done_in_one_thread():
    few = Objective("sum((x[i] - 1)**2 for i in range(n))", workers=5)
    assert few.sized(np.zeros(100)).workers == 1
    assert few.sized(np.zeros(parallel.ENOUGH)).workers == 5
    assert Objective("x**2", workers=5).workers == 1


def test_all_cores_are_used_by_default():
    objective = Objective("sum((x[i] - 1)**2 for i in range(n))")
    assert objective.sized(np.zeros(parallel.ENOUGH)).workers == threads.cores()
    assert threads.cores() == len(os.sched_getaffinity(0))


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=70), st.integers(0, 3))
def test_chunks_are_added_as_blocks_are(numbers, power):
    def blocks(part):
        return parallel.pairwise([array("d", [b, 1 + b / 1e10]) for b in part], kinds)

    kinds, size = [SUM, PRODUCT], 2**power
    chunks = [blocks(numbers[k : k + size]) for k in range(0, len(numbers), size)]
    assert parallel.pairwise(chunks, kinds) == blocks(numbers)


def test_two_threads_may_evaluate_at_once():
    objective = objective_of("rows", 2)
    points = np.random.default_rng(2).normal(size=(8, 4))
    expected = [objective.value(x) for x in points]
    found = [None] * 8

    def work(k):
        for _ in range(5):
            found[k] = objective.value(points[k])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


PROCESS = """
import numpy as np
from symgd import Objective
from symgd.objectives import parallel
parallel.ENOUGH = 1000
x = np.random.default_rng(1).normal(size=50_000)
f = Objective("prod(1 + x[i]/n for i in range(n)) + sum(x[i]**2 for i in range(n))",
    workers=2)
for _ in range(50):
    value = f.value(x)
    rubbish = [bytearray(24) for _ in range(300)]
print(value.hex())
"""


def test_memory_is_left_alone():
    command = [sys.executable, "-c", PROCESS]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
