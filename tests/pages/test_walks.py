"""The loop of a page, run by node: every rule goes where symgd's own loops go."""

import json

import numpy as np
import pytest

import symgd
from symgd.pages.document import asset
from symgd.pages.programs import Scheduled, program
from tests.exporting.node import in_node, needs_node
from tests.exporting.table import RULES

FORMULA = "(x - 1)**2 + 3*(y + 2)**2 + sin(x*y)/4 + 1/(1 + x**2)"
START, STEPS = [2.0, 0.5], 60


@needs_node
@pytest.mark.parametrize("bounds", [None, [(-0.5, 1.5), (None, None)]])
def test_every_rule_walks_in_a_page_as_it_does_natively(bounds):
    objective = symgd.Objective(FORMULA)
    scheduled, hypers = [], []
    for rule in RULES.values():
        values = rule.hyperparameters.values()
        texts = tuple(v if isinstance(v, str) else None for v in values)
        scheduled.append(Scheduled(rule, texts))
        hypers.append([0.0 if isinstance(v, str) else float(v) for v in values])
    widths = [1 + len(rule.state) for rule in RULES.values()]
    problem = {"n": 2, "p": [], "bounds": bounds}
    told = in_node(
        f"{program(objective, scheduled)}\n{asset('descent.js')}\n"
        f"const PROBLEM = {json.dumps(problem)}, widths = {widths};\n"
        f"const hypers = {json.dumps(hypers)};",
        f"widths.map((w, k) => descend(PROBLEM, k, w, {START}, "
        f"new Float64Array(hypers[k]), {STEPS}))",
    )
    options = {"maxiter": STEPS, "gtol": 1e-8, "trace": True, "bounds": bounds}
    for rule, walked in zip(RULES.values(), told, strict=True):
        path = symgd.minimize(FORMULA, START, method=rule, **options).trace.x
        numbers = list(map(float, walked["xs"]))
        found = np.reshape(numbers, (-1, 2))[: walked["count"]]
        assert len(found) == len(path), rule.name
        np.testing.assert_allclose(found, path, 1e-9, 1e-9, err_msg=rule.name)
