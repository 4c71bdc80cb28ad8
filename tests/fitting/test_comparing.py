"""Information criteria, tests of nested models, tables: R's numbers, and SciPy's."""

import math

import numpy as np
import pytest
from scipy import stats

import symgd
from symgd import InputError
from symgd.fitting.comparing import compare
from symgd.fitting.curve_fit import fit
from symgd.fitting.quantiles import tail_of_chi_squared, tail_of_f

SPEED = np.repeat(
    [4, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25],
    [2, 2, 1, 1, 3, 2, 4, 4, 4, 3, 2, 3, 4, 3, 5, 1, 1, 4, 1],
)
DISTANCE = [
    *(2, 10, 4, 22, 16, 10, 18, 26, 34, 17, 28, 14, 20, 24, 28, 26, 34, 34, 46, 26),
    *(36, 60, 80, 20, 26, 54, 32, 40, 32, 40, 50, 42, 56, 76, 84, 36, 46, 68, 32, 48),
    *(52, 56, 64, 66, 54, 70, 92, 93, 120, 85),
]
CARS = {"speed": SPEED, "dist": DISTANCE}  # R's data set of M. Ezekiel (1930)


@pytest.fixture(scope="module")
def line():
    return fit("a + b*speed", CARS, "dist")


@pytest.fixture(scope="module")
def bent():
    return fit("a + b*speed + c*speed**2", CARS, "dist")


def test_the_criteria_are_those_of_r(line):
    """Return what R prints of ``lm(dist ~ speed, cars)``."""
    assert line.log_likelihood == pytest.approx(-206.5784, abs=1e-4)
    assert line.aic == pytest.approx(419.1569, abs=1e-4)
    assert line.bic == pytest.approx(424.8929, abs=1e-4)


def test_few_rows_cost_more(line):
    assert line.aicc == pytest.approx(line.aic + 2 * 3 * 4 / (50 - 3 - 1), rel=1e-12)
    few = fit("a + b*t", {"t": [0, 1, 2, 3.0], "y": [0, 1, 3, 2.0]}, "y")
    assert few.aicc == math.inf


def test_the_log_likelihood_is_that_of_normal_residuals():
    rng = np.random.default_rng(2)
    t, s = np.linspace(0, 3, 20), np.linspace(0.1, 0.4, 20)
    data = {"t": t, "y": 1 + t + s * rng.standard_normal(20), "s": s, "w": s**-2}
    known = fit("a + b*t", data, "y", sigma="s", absolute_sigma=True)
    exact = stats.norm.logpdf(known.residuals, scale=s).sum()
    assert known.log_likelihood == pytest.approx(exact, rel=1e-12)
    assert known.aic == pytest.approx(4 - 2 * exact, rel=1e-12)
    for given in ({"sigma": "s"}, {"weights": "w"}):
        found = fit("a + b*t", data, "y", **given)
        variance = np.mean((found.residuals / s) ** 2)
        exact = stats.norm.logpdf(found.residuals, scale=s * variance**0.5).sum()
        assert found.log_likelihood == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("above", [1, 2, 7])
@pytest.mark.parametrize("ratio", [0.0, 0.3, 4.0, 90.0])
def test_tails_are_scipys(ratio, above):
    for below in (1, 10, 997):
        exact = stats.f.sf(ratio, above, below)
        assert tail_of_f(ratio, above, below) == pytest.approx(exact, rel=1e-9)
    exact = stats.chi2.sf(ratio, above)
    assert tail_of_chi_squared(ratio, above) == pytest.approx(exact, rel=1e-9)


def test_the_f_test_is_that_of_r(line):
    """Return R's ``anova`` of a line: F = 89.57 on 1 and 48, p = 1.49e-12."""
    found = line.f_test(fit("a", CARS, "dist"))
    assert found.statistic == pytest.approx(89.567, abs=1e-3)
    assert found.freedom == (1, 48)
    assert found.p == pytest.approx(1.49e-12, rel=1e-3)


def test_likelihoods_tell_the_same_from_many_rows(line, bent):
    found = bent.likelihood_ratio_test(line)
    assert found.freedom == (1,)
    assert found.statistic == pytest.approx(50 * math.log(line.fun / bent.fun))
    assert found.p == pytest.approx(bent.f_test(line).p, abs=0.02)


def test_a_table_has_the_best_first(line, bent):
    flat = fit("a", CARS, "dist")
    table = symgd.compare([flat, bent, line])
    order = sorted([flat, bent, line], key=lambda each: each.aicc)
    assert [row.fit for row in table] == order
    assert table.best is order[0]
    assert [row.fit for row in table[:2]] == order[:2]
    assert sum(row.weight for row in table) == pytest.approx(1.0, rel=1e-12)
    assert table[1].delta == pytest.approx(order[1].aicc - order[0].aicc, rel=1e-12)
    share = math.exp((order[0].aicc - order[1].aicc) / 2)
    assert table[1].weight / table[0].weight == pytest.approx(share, rel=1e-12)
    assert table["a"].fit is flat
    lines = str(table).splitlines()
    assert lines[0].split() == [
        *("model", "parameters", "sum", "AIC", "AICc", "BIC", "delta", "weight")
    ]
    assert [each.split("  ")[0] for each in lines[1:]] == [row.name for row in table]


def test_fits_may_have_names_and_ends_are_told(line):
    lost = fit("a + b*speed + c*sin(d*speed)", CARS, "dist", [0, 1, 1, 9], maxiter=1)
    told = str(compare({"straight": line, "wavy": lost}))
    assert "wavy is no success: MAXITER" in told
    assert len(compare([line, line])) == 2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"dist": [*DISTANCE[:-1], 84]}, "no fits of the same data: target differs"),
        ({"speed": SPEED[:-1], "dist": DISTANCE[:-1]}, "target differs"),
    ],
)
def test_other_data_are_refused(line, change, problem):
    other = fit("a", {**CARS, **change}, "dist")
    with pytest.raises(InputError, match=problem):
        compare([line, other])


def test_what_can_not_be_compared_is_said(line, bent):
    flat = fit("a", CARS, "dist", loss="huber")
    with pytest.raises(InputError, match="different losses"):
        compare([line, flat])
    with pytest.raises(InputError, match="the loss 'huber' is no likelihood"):
        compare([flat])
    with pytest.raises(InputError, match="fewer free parameters than this one"):
        line.f_test(bent)
    other = fit("a + b*speed*10 + c*sin(speed)/1e9", CARS, "dist", fixed={"c": 0})
    with pytest.raises(InputError, match="fewer free parameters"):
        line.f_test(other)
    known = fit("a", CARS, "dist", absolute_sigma=True)
    with pytest.raises(InputError, match="estimated variance"):
        known.f_test(known)
    with pytest.raises(InputError, match="takes fits, not int"):
        compare([3])
    with pytest.raises(InputError, match="no fits to compare"):
        compare([])
