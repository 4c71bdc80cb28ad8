"""A decay fitted to measurements: parameters, how sure they are, and a picture.

The same from a shell, in the folder of the data:

    symgd fit "a*exp(-b*t) + c" --data decay.csv --target y

Run: python examples/decay_fit.py [picture.png]
"""

import sys
from pathlib import Path

import symgd
from symgd.objectives.files import read_file
from symgd.plotting.fitted_curve import save

table = read_file(Path(__file__).with_name("decay.csv"))
fit = symgd.fit("a*exp(-b*t) + c", data=table, target="y")
print(fit)

b, error = fit.parameters["b"], fit.standard_errors["b"]
print(f"\nthe decay rate is {b:.3f} ± {error:.3f}; the data were made with 0.7")
late = fit.predict({"t": [20.0]}, level=0.95)
low, high = late.lower[0], late.upper[0]
print(f"at t = 20 the curve is at {late.value[0]:.3f}, in [{low:.3f}, {high:.3f}]")

if len(sys.argv) > 1:
    save(fit, sys.argv[1])
