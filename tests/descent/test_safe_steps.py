"""step_size="safe" is what is proven, or is refused with the reason."""

import itertools

import pytest

import symgd
from symgd import InputError


@pytest.mark.parametrize(
    ("text", "method", "bounds"),
    [
        ("x**2 + 10*y**2", "gd", None),
        ("x**2 + 10*y**2", "momentum", None),
        ("x**2 + 10*y**2", "nesterov", None),
        ("x**2 + y**2 + cos(x + y)/2", "nesterov", None),
        ("exp(x) + exp(-x) + y**2", "gd", [(-2, 2)] * 2),
    ],
)
def test_runs_with_a_safe_step_converge(text, method, bounds):
    result = symgd.minimize(
        *(text, [1.0, -0.5]), method=method, step_size="safe", bounds=bounds
    )
    assert result.success
    assert isinstance(result.hyperparameters["step_size"], float)


def test_f_never_increases_with_it_where_it_is_not_convex():
    text, box = "(1 - x)**2 + 100*(y - x**2)**2", [(-2, 2)] * 2
    options = {"method": "gd", "step_size": "safe", "bounds": box, "trace": True}
    result = symgd.minimize(text, [-1.2, 1.0], maxiter=300, **options)
    values = result.trace["fun"]
    assert all(b <= a for a, b in itertools.pairwise(values))


def test_a_maximum_is_found_with_it():
    result = symgd.maximize("3 - (x - 1)**2", [0.0], method="gd", step_size="safe")
    assert result.success
    assert result.x[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("x**4", {"method": "gd"}, "no L is proven; give bounds"),
        (
            "x**2 + cos(x)",
            {"method": "momentum"},
            "only; of gd there is one",
        ),
        ("x**2", {"method": "adam"}, "proven for gd, momentum, nesterov only"),
        ("x**2", {"method": "nesterov", "momentum": 0.5}, "leave momentum out"),
    ],
)
def test_what_is_not_proven_is_refused(text, options, message):
    with pytest.raises(InputError, match=message):
        symgd.minimize(text, [1.0], step_size="safe", **options)
