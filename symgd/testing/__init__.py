"""Property tests for methods, objectives and models; they need the extra ``testing``.

Strategies for Hypothesis draw quadratics, objectives, formulas, rules and data; checks
for pytest try what a rule, a gradient or a model must keep, and tell the smallest run
that doesn't as lines to paste.
"""

from __future__ import annotations

try:
    import hypothesis as hypothesis
except ImportError:
    problem = 'symgd.testing needs Hypothesis: pip install "symgd[testing]"'
    raise ImportError(problem) from None

from symgd.testing.datasets import Dataset, datasets
from symgd.testing.drawn_formulas import formulas
from symgd.testing.drawn_objectives import smooth_objectives, starting_points
from symgd.testing.drawn_rules import rules, schedules
from symgd.testing.drawn_sums import sums
from symgd.testing.fit_checks import check_fit
from symgd.testing.gradient_checks import check_gradient
from symgd.testing.path_checks import (
    check_descent,
    check_equivalent,
    check_monotone,
    check_rate,
)
from symgd.testing.quadratics import (
    ConvexQuadratic,
    convex_quadratics,
    stable_step_sizes,
)
from symgd.testing.rule_checks import check_rule

__all__ = [
    "ConvexQuadratic",
    "Dataset",
    "check_descent",
    "check_equivalent",
    "check_fit",
    "check_gradient",
    "check_monotone",
    "check_rate",
    "check_rule",
    "convex_quadratics",
    "datasets",
    "formulas",
    "rules",
    "schedules",
    "smooth_objectives",
    "stable_step_sizes",
    "starting_points",
    "sums",
]
