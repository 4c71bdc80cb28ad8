"""
A decay, and how sure its rate is
=================================

A decay fitted to measurements, with standard errors and a band. No start is given: it
is found. The same from a shell, in the folder of the data::

    symgd fit "a*exp(-b*t) + c" --data decay.csv --target y
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import symgd
from symgd.objectives.files import read_file

table = read_file(Path(sys.argv[0]).with_name("decay.csv"))
fit = symgd.fit("a*exp(-b*t) + c", data=table, target="y")
print(fit)

b, error = fit.parameters["b"], fit.standard_errors["b"]
print(f"\nthe decay rate is {b:.3f} ± {error:.3f}; the data were made with 0.7")
late = fit.predict({"t": [20.0]}, level=0.95)
low, high = late.lower[0], late.upper[0]
print(f"at t = 20 the curve is at {late.value[0]:.3f}, in [{low:.3f}, {high:.3f}]")

fit.plot()
plt.show()
