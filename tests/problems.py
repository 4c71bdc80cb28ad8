"""Test functions: formula, standard start, minima, and a value away from them.

Sources: Moré, Garbow and Hillstrom 1981, "Testing unconstrained optimization
software" (numbers in brackets); Charalambous and Bandler 1976 (the maximum of three).
"""

from dataclasses import dataclass

ROSENBROCK = "(1 - x)**2 + 100*(y - x**2)**2"


@dataclass(frozen=True)
class Problem:
    formula: str
    start: tuple[float, ...]
    minima: tuple[float, ...]  # values; any of them counts
    at_start: float


PROBLEMS = {
    "rosenbrock (1)": Problem(ROSENBROCK, (-1.2, 1), (0.0,), 24.2),
    "freudenstein-roth (2)": Problem(
        "(-13 + x + ((5 - y)*y - 2)*y)**2 + (-29 + x + ((y + 1)*y - 14)*y)**2",
        (0.5, -2),
        (0.0, 48.98425367924),
        400.5,
    ),
    "powell badly scaled (3)": Problem(
        "(1e4*x*y - 1)**2 + (exp(-x) + exp(-y) - 1.0001)**2", (0, 1), (0.0,), 1.1352618
    ),
    "brown badly scaled (4)": Problem(
        "(x - 1e6)**2 + (y - 2e-6)**2 + (x*y - 2)**2", (1, 1), (0.0,), 999998000003.0
    ),
    "beale (5)": Problem(
        "(1.5 - x*(1 - y))**2 + (2.25 - x*(1 - y**2))**2 + (2.625 - x*(1 - y**3))**2",
        (1, 1),
        (0.0,),
        14.203125,
    ),
    "helical valley (7)": Problem(
        "100*((z - 10*theta)**2 + (sqrt(x**2 + y**2) - 1)**2) + z**2".replace(
            "theta", "((atan(y/x) + (pi if x < 0 else 0))/(2*pi))"
        ),
        (-1, 0, 0),
        (0.0,),
        2500.0,
    ),
    "wood (14)": Problem(
        "100*(b - a**2)**2 + (1 - a)**2 + 90*(d - c**2)**2 + (1 - c)**2"
        " + 10*(b + d - 2)**2 + (b - d)**2/10",
        (-3, -1, -3, -1),
        (0.0,),
        19192.0,
    ),
    "rosenbrock, 10 variables": Problem(
        "+".join(f"100*(x{i + 1} - x{i}**2)**2 + (1 - x{i})**2" for i in range(1, 10)),
        (-1.2, 1) * 5,
        (0.0, 3.98657911),
        2057.0,
    ),
    "booth": Problem("(x + 2*y - 7)**2 + (2*x + y - 5)**2", (0, 0), (0.0,), 74.0),
    "himmelblau": Problem(
        "(x**2 + y - 11)**2 + (x + y**2 - 7)**2", (0, 0), (0.0,), 170.0
    ),
    "matyas": Problem("0.26*(x**2 + y**2) - 0.48*x*y", (1, 2), (0.0,), 0.34),
    "quadratic, condition 1e8": Problem(
        "1e8*(x - 1)**2 + (x + y - 3)**2 + 5", (10, -7), (5.0,), 8100000005.0
    ),
    "maximum of three": Problem(
        "max(x**2 + y**4, (2 - x)**2 + (2 - y)**2, 2*exp(y - x))",
        (1, -0.1),
        (1.9522244939,),
        5.41,
    ),
}
