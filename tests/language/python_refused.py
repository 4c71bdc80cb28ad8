"""Functions that no formula says: each with the part of it that is to be shown.

They are as people write them, which no linter is to change.
"""

# ruff: noqa
import time
from math import inf

import numpy as np


def prints(x):
    print(x)  #! print(x)
    return x**2


def goes_on_while(x):
    while x > 1:  #! while x > 1
        x = x / 2
    return x


def tries(x):
    try:  #! try
        return 1 / x
    except ZeroDivisionError:
        return 0


def recurs(x):
    return x * recurs(x - 1)  #! recurs(x - 1)


def random_numbers(x):
    return x**2 + np.random.rand()  #! np.random.rand()


def changes_x(x):
    x[0] = 3  #! x[0]
    return x[0] ** 2


def changes_in_place(x):
    y = x
    y += 1  #! y += 1
    return y * x


def misspelt(x, y):
    return squared(x) + y  #! squared


def undefined(x):
    return x + undefined_number  #! undefined_number


def asks_the_clock(x):
    return x * time.time()  #! time.time


def walls(x):
    if x < 0:
        return inf  #! inf
    return x


def recurrence(x):
    s = 0
    for i in range(len(x)):
        s = s * x[i] + 1  #! s = s * x[i] + 1
    return s


def running_sums(x):
    s = t = 0
    for v in x:
        s += v
        t += s**2  #! t += s**2
    return t


def ends_early(x):
    s = 0
    for v in x:
        if v < 0:
            break  #! break
        s += v
    return s


def two_values(x):
    return x**2, 2 * x  #! x**2, 2 * x


def returns_nothing(x):
    y = x**2  #! y = x**2


def returns_sometimes(x):
    if x > 0:  #! x > 0
        return x**2


def one_way(x):
    if x > 0:
        z = 1
    return z * x  #! z


def last_pass(x):
    for v in x:
        d = v - 1
    return d**2  #! d


def asserts(x):
    assert x > 0  #! assert x > 0
    return x


def raises(x):
    if x < 0:
        raise ValueError  #! raise ValueError
    return x


def writes(x):
    global seen
    seen = x
    return x


writes.shown = "global seen"


def matches(x):
    match x:  #! match x
        case 0:
            return 1


def stars(x):
    return max(*x)  #! *x


def truth(x):
    return x if x else 1  #! x


def text(x):
    return x * f"{x}"  #! f"{x}"


def walrus(x):
    return (y := x**2) + y  #! y := x**2


def unknown_in_numpy(x):
    y = np.unheard_of(x)  #! np.unheard_of
    return y**2


def list_times(x):
    r = [x[0], x[1]]
    return (r * 2)[0]  #! r * 2


def too_few(x):
    def g(a, b):
        return a + b

    return g(x)  #! g(x)


def no_such_item(x):
    r = [x[0], x[1]]
    return r[2]  #! r[2]


def lambdas(x):
    return [lambda z: z * k for k in range(3)][0](x)  #! lambda z: z * k


def through_a_helper(x):
    return prints(x)


through_a_helper.shown = "print(x)"


def far_too_long(x):
    s = 0.0
    for _ in range(10**6):  #! range(10**6)
        s = s * x + 1
    return s
