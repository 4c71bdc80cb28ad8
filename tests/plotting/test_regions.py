"""Constraints in a picture: what is shaded, and whose lines are strong."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from symgd import InputError, minimize
from symgd.plotting.path import plot
from symgd.plotting.regions import FAINT, STRONG

RELATIONS = {"disc": "x**2 + y**2 <= 1", "half": "x + 2*y >= -0.5"}


@pytest.fixture(scope="module")
def result():
    valley = "(1 - x)**2 + 100*(y - x**2)**2"
    return minimize(valley, [-1.2, 1], subject_to=RELATIONS, trace=True)


def lines(ax):
    """Return the widths of the constraints' lines, by where these are."""
    found = {}
    for each in ax.collections:
        paths = [p.vertices for p in each.get_paths() if len(p.vertices)]
        if each.get_zorder() == 2 and paths:
            x, y = np.concatenate(paths).T
            name = "disc" if np.allclose(x**2 + y**2, 1, atol=1e-2) else "half"
            found[name] = each.get_linewidths()[0]
    return found


def test_what_holds_the_end_has_a_strong_line(result):
    ax = plot(result, ax=Figure().subplots())
    assert lines(ax) == {"disc": STRONG, "half": FAINT}


def test_where_a_constraint_is_violated_is_shaded(result):
    ax = plot(result, ax=Figure().subplots())
    (shade,) = (each for each in ax.collections if each.get_zorder() == 1.5)
    for point, violated in (
        ((-1.2, 1.0), True),
        ((0.5, 0.5), False),
        ((-0.3, -0.3), True),
    ):
        assert any(p.contains_point(point) for p in shade.get_paths()) == violated


def test_the_violation_converges(result):
    ax = plot(result, ax=Figure().subplots(), quantity="violation", kind="convergence")
    assert ax.get_ylabel() == "largest violation of a constraint"
    np.testing.assert_array_equal(
        ax.lines[0].get_ydata()[1:], result.trace["violation"][1:]
    )


def test_without_constraints_there_is_no_violation():
    plain = minimize("x**2 + y**2", [1, 2], trace=True)
    with pytest.raises(InputError, match="there are no constraints"):
        plot(plain, ax=Figure().subplots(), quantity="violation", kind="convergence")
