"""Functions as people write them, which the tests read, and call."""

import functools
import math
from dataclasses import dataclass

import numpy as np

# ------------------------------------------------------------- Rosenbrock's valley


def rosenbrock_by_index(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def rosenbrock_of_scalars(x, y):
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def rosenbrock_unpacked(v):
    """The same, with names for what is in it."""
    x, y = v
    a = 1.0 - x
    b = y - x * x
    return a * a + b * b * 100.0


def rosenbrock_in_a_loop(x):
    total = 0.0
    for i in range(len(x) - 1):
        total += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return total


def rosenbrock_in_a_generator(x):
    n = x.size
    return sum(
        100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(n - 1)
    )


rosenbrock_lambda = lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2


# ------------------------------------------------------------------ test functions


def himmelblau(p):
    x, y = p[0], p[1]
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def beale(x, y):
    terms = [1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3]
    return sum(t**2 for t in terms)


def ackley(x):
    n = len(x)
    squares = 0
    waves = 0
    for xi in x:
        squares += xi**2
        waves += math.cos(2 * math.pi * xi)
    first = -20 * math.exp(-0.2 * math.sqrt(squares / n))
    return first - math.exp(waves / n) + 20 + math.e


def _wave(z, amplitude=10, *, frequency=2):
    return amplitude * np.cos(frequency * np.pi * z)


def rastrigin(x):
    value = 10 * len(x)
    for i in range(x.shape[0]):
        value = value + x[i] ** 2 - _wave(x[i])
    return value


def griewank(x):
    total, product = 0.0, 1.0
    for i, xi in enumerate(x):
        total += xi**2 / 4000
        product *= np.cos(xi / np.sqrt(i + 1))
    return total - product + 1


def styblinski_tang(x):
    return 0.5 * sum([v**4 - 16 * v**2 + 5 * v for v in x])


def booth(x):
    r = np.array([x[0] + 2 * x[1] - 7, 2 * x[0] + x[1] - 5])
    return np.sum(r**2)


def powell(x):
    a, b, c, d = x
    r = np.array([a + 10 * b, c - d])
    return r @ (r * np.array([1.0, 5.0])) + (b - 2 * c) ** 4 + 10 * (a - d) ** 4


def goldstein_price(x, y):
    s = x + y + 1
    t = 2 * x - 3 * y
    one = 1 + s**2 * (19 - 14 * x + 3 * x**2 - 14 * y + 6 * x * y + 3 * y**2)
    return one * (
        30 + t**2 * (18 - 32 * x + 12 * x**2 + 48 * y - 36 * x * y + 27 * y**2)
    )


# ---------------------------------------------------------------- data and closures

T = np.linspace(0.0, 2.0, 9)
Y = 2.5 * np.exp(-1.3 * T) + 0.1 * np.cos(7 * T)
SCALE = 3.0


def residuals_by_zip(p):
    s = 0
    for t, y in zip(T, Y, strict=True):
        r = y - p[0] * np.exp(-p[1] * t)
        s += r**2
    return s / len(T)


def residuals_by_index(a, b):
    return sum((Y[i] - a * np.exp(-b * T[i])) ** 2 for i in range(len(Y)))


def made(data, weight):
    def loss(p):
        def model(t):
            return p[0] + p[1] * t + SCALE * p[2] * t**2

        total = 0.0
        for k in range(len(data)):
            total += weight * (model(T[k]) - data[k]) ** 2
        return total

    return loss


closure = made(Y, 0.5)


@dataclass
class Spring:
    stiffness: float
    length: float = 1.0

    def energy(self, x):
        stretch = math.hypot(x[0], x[1]) - self.length
        return self.stiffness * stretch**2 / 2 + self._weight(x[1])

    def _weight(self, height):
        return 9.81 * height


spring = Spring(stiffness=40.0).energy
partially = functools.partial(rosenbrock_of_scalars, 0.25)


MATRIX = np.array([[2.0, 0.5], [0.5, 1.0]])


def quadratic(x, matrix=MATRIX):
    total = 0
    for i in range(2):
        row = matrix[i]
        for j in range(2):
            total += x[i] * row[j] * x[j]
    return total


# ------------------------------------------------------------------------ choices


def by_branches(x, y):
    if x > 0:
        value = x**2
    elif y > 0:
        value = 3 * x
    else:
        value = -x * y
    return value + y**2


def by_early_returns(x, y):
    if x < -1:
        return (x + 1) ** 2 + y**2
    if x > 1 and y > 0:
        return (x - 1) ** 2 + y
    z = x * y
    return z if z > 0 else z**2


def penalty(x):
    f = x[0] ** 2 + x[1] ** 2
    g = 1 - x[0] - x[1]
    if g > 0:
        f += 100 * g**2
    return f + 10 * max(0, x[0] - 2) ** 2


def huber(x, delta=1.0):
    total = 0
    for v in x:
        if abs(v) <= delta:
            total += 0.5 * v**2
        else:
            total += delta * (abs(v) - 0.5 * delta)
    return total


def skipping(x):
    total = 1.0
    for i in range(len(x)):
        if i % 2 == 1:
            continue
        if x[i] < 0:
            total -= x[i]
            continue
        total += x[i] ** 2
    return total


# -------------------------------------------------------------------------- loops


def pairs(x):
    total = 0.0
    for i in range(len(x)):
        for j in range(i):
            total += np.exp(-((x[i] - x[j]) ** 2))
    return total


def newton_steps(x):
    root = 1.0
    for _ in range(4):
        root = 0.5 * (root + (1 + x**2) / root)
    return root


def horner(x):
    value = 0
    for c in (2, -3, 0.5, 1):
        value = value * x + c
    return value


def stops_early(x):
    total = 0
    for i in range(3):
        if x[i] > 1:
            break
        total += x[i] ** 2
    return total


def collected(x):
    gaps = []
    for i in range(3):
        gaps.append(x[i + 1] - x[i] ** 2)
    gaps.append(1 - x[0])
    return sum(g**2 for g in gaps)


def running_sums(x):
    s = t = 0
    for i in range(4):
        s += x[i]
        t += s**2
    return t


def extremes(x):
    most, least = -np.inf, float("inf")
    for i in range(4):
        most = max(most, x[i] ** 2)
        least = min(x[i], least)
    return most - least + max(x[i] for i in range(4) if i != 2)


ROWS = np.linspace(-1, 1, 300).reshape(100, 3) ** 3


def minimax(x):
    worst = 0
    for i in range(len(ROWS)):
        worst = max(worst, abs(ROWS[i] @ x - 0.7))
    return worst + np.linalg.norm(x, np.inf) + max(abs(r @ x) for r in ROWS)


class Table:
    """What a data frame has: columns by name, also as attributes."""

    def __init__(self, **columns):
        self.columns = tuple(columns)
        vars(self).update(columns)

    def __getitem__(self, name):
        return vars(self)[name]


TABLE = Table(u=np.array([1.0, 2.0, 3.0]), v=np.array([2.0, 4.0, 7.0]))


def of_a_table(x):
    residuals = TABLE["u"] * x[0] - TABLE.v + x[1]
    return (residuals**2).sum()


def of_a_list(x):
    r = np.array([x[0] - 1, 2 * x[1], x[2]])
    gaps = r - np.array([0.5, x[0], 1.0])
    return np.linalg.norm(r) + (gaps**2).mean() + max(gaps) - np.prod(r[:2])


def last_ones(x):
    return (x[-1] - x[-2]) ** 2 + sum(x[i] for i in range(len(x)))


VECTORS = {  # how many elements they take
    rosenbrock_by_index: 2,
    rosenbrock_unpacked: 2,
    rosenbrock_in_a_loop: 4,
    rosenbrock_in_a_generator: 3,
    himmelblau: 2,
    ackley: 3,
    rastrigin: 3,
    griewank: 3,
    styblinski_tang: 4,
    booth: 2,
    powell: 4,
    residuals_by_zip: 2,
    closure: 3,
    spring: 2,
    quadratic: 2,
    penalty: 2,
    huber: 3,
    skipping: 4,
    pairs: 4,
    stops_early: 3,
    collected: 4,
    running_sums: 4,
    extremes: 4,
    minimax: 3,
    of_a_table: 2,
    of_a_list: 3,
    last_ones: 4,
}
SCALARS = {
    rosenbrock_of_scalars: 2,
    rosenbrock_lambda: 2,
    beale: 2,
    goldstein_price: 2,
    residuals_by_index: 2,
    partially: 1,
    by_branches: 2,
    by_early_returns: 2,
    newton_steps: 1,
    horner: 1,
}
