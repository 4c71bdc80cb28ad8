"""Pictures of fits: what is drawn of the data, and how it is told apart."""

import matplotlib as mpl
import numpy as np
import pytest

import symgd

mpl.use("Agg")
T = np.linspace(0.0, 4.0, 12)
DATA = {"t": T, "y": 2 * np.exp(-T) + 0.1 * np.cos(9 * T), "s": 0.05 + 0.01 * T}


@pytest.mark.parametrize("sigma", [None, "s", 0.1])
def test_bars_are_as_long_as_sigma(sigma):
    fit = symgd.fit("a*exp(-b*t) + c", DATA, "y", sigma=sigma)
    ax = symgd.plot(fit)
    (data,) = ax.containers
    line, _, bars = data.lines
    np.testing.assert_array_equal(line.get_xydata(), np.column_stack([T, DATA["y"]]))
    if sigma is None:
        assert bars == ()
        return
    lengths = [np.ptp(each[:, 1]) / 2 for each in bars[0].get_segments()]
    told = DATA["s"] if sigma == "s" else np.full(12, 0.1)
    np.testing.assert_allclose(lengths, told, rtol=1e-12)
