"""Primitives written as instructions: what they compute in lanes."""

from __future__ import annotations

import numpy as np
import pytest
from llvmlite import ir

from symgd.arithmetic.primitives import largest_size
from symgd.lowering.building import POINTER, WORD, function_of
from symgd.lowering.packs import Block
from symgd.lowering.tracing import writing
from symgd.native import machine

LANES = 8


def largest_of_rows(rows):
    function = function_of(machine.ENTRY, WORD, [POINTER, POINTER])
    build = ir.IRBuilder(function.append_basic_block())
    given, found = (Block(build, each, 1, LANES) for each in function.args)
    (packs,) = given.loaded(0, len(rows))
    found.store(0, [[writing(largest_size)(*packs)]])
    build.ret(WORD(0))
    kernel = machine.linked(machine.optimised(str(function.module)), "i:pp")
    result = np.empty(LANES)
    kernel(machine.address(rows), machine.address(result))
    return result


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_largest_size_in_lanes(monkeypatch, at_once, count):
    if not at_once:
        monkeypatch.setattr(machine, "has", lambda feature: False)
    rows = np.array(
        [
            [-3.0, 0.0, -0.0, 1e-320, 5.0, -np.inf, 2.0, -1e300],
            [2.0, -0.0, -5e-324, -3e-320, -5.0, 1.0, np.inf, 1e299],
            [-2.5, 0.0, 0.0, 2e-320, 5.5, -7.0, -9.0, 0.0],
        ]
    )[:count]
    found = largest_of_rows(rows)
    expected = [largest_size(*column) for column in rows.T.tolist()]
    assert found.tolist() == expected
    assert not np.signbit(found).any()


def test_nan_makes_no_size_larger():
    nan = np.full(LANES, np.nan)
    found = largest_of_rows(np.array([nan, np.full(LANES, -1e-9)]))
    assert not (found > 1e-9).any()
