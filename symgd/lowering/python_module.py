"""A Python module of a formula and a rule.

It imports nothing but math and struct; of a formula of arrays also NumPy.
"""

from __future__ import annotations

from typing import Any

from symgd.calculus.program import Program
from symgd.lowering.array_words import ArrayWords
from symgd.lowering.modules import functions_of, loop_of
from symgd.lowering.numpy_language import HELPERS as OF_ARRAYS
from symgd.lowering.numpy_language import NUMPY
from symgd.lowering.numpy_loops import loops_in_numpy
from symgd.lowering.python_language import PYTHON, helpers_of
from symgd.lowering.textual import Written
from symgd.lowering.travelling import (
    TravellingFormula,
    TravellingRule,
    described,
    remark,
)
from symgd.native.version import __version__


def python_module(formula: TravellingFormula, rule: TravellingRule | None) -> str:
    """Return the text of a module."""
    program, of_arrays, words = Written(PYTHON), Written(NUMPY), formula.words
    about = functions_of(program, formula, rule)
    told, imported = [*_TOLD], ""
    if words is not None:
        _add_loops(of_arrays, formula, words)
        told = [*_TOLD_OF_ARRAYS, *words.told_of()]
        imported = "from types import SimpleNamespace\n\nimport numpy as np\n"
    lines = [*described(formula, rule), "", *told, f"Written by symgd {__version__}."]
    constants = {
        "VARIABLES": tuple(formula.variables),
        "PARAMETERS": dict(formula.parameters),
        **({"HYPERPARAMETERS": dict(rule.hyperparameters)} if rule else {}),
        **{name.upper(): value for name, value in about.items()},
        **({} if words is None else _data_constants(words)),
    }
    code = program.text + of_arrays.text
    parts = [remark(lines, "#"), f"\nimport math\nimport struct\n{imported}\n"]
    parts += [f"{name} = {value!r}\n" for name, value in constants.items()]
    parts += ["\n\n", helpers_of(code, OF_ARRAYS), code, _TAKEN]
    parts.append(_CONSTANTS if words is None else _CONSTANTS_OF_DATA)
    parts.append(_OF_POINT)
    if formula.product is not None:
        parts.append(_HESSP)
    if formula.curvature is not None:
        parts.append(_HESSIAN)
    if rule is not None:
        parts.append(loop_of(_LOOP, rule, _PARTS))
    return "".join(parts).rstrip() + "\n"


def _add_loops(program: Written, formula: TravellingFormula, words: ArrayWords) -> None:
    """Write ``evaluate`` and ``product`` of a formula of arrays."""
    for name, loops, given in (
        ("evaluate", formula.program, "x"),
        ("product", formula.product, "x, v"),
    ):
        if isinstance(loops, Program):
            lines = loops_in_numpy(loops, words, program)
            text = "".join(f"{line}\n" for line in lines)
            vector = ", array_of(v)" if name == "product" else ""
            program.parts[name] = _LOOPS.format(
                name=name, given=given, vector=vector, lines=text
            )


def _data_constants(words: ArrayWords) -> dict[str, Any]:
    """Return what a module is told of data: their kinds and shapes, and what counts."""
    counted = {name for data in words.rows.values() for name in data}
    shapes = {name: tuple(words.shapes[name]) for name in words.columns}
    return {
        "NAMES": words.names,
        "DATA": {
            name: (kind, (None, *shapes[name][1:]) if name in counted else shapes[name])
            for name, kind in words.columns.items()
        },
        "ROWS": {size: tuple(names) for size, names in words.rows.items()},
    }


_TOLD = ("The bits are symgd's, but for gamma and loggamma, which are Python's.",)
_TOLD_OF_ARRAYS = (
    "It needs NumPy, whose elementary functions and order of sums it has: the last",
    "digits aren't symgd's. Data are given with the parameters, by name, as what NumPy",
    "makes arrays of; those of the kind that data had when this was written aren't",
    "copied.",
)
_LOOPS = """\
def {name}_loops({given}, d, g):
{lines}

def {name}({given}, d, out):
    g = np.zeros(len(VARIABLES))
    with np.errstate(all="ignore"):
        out[0] = {name}_loops(array_of(x){vector}, d, g)
    out[1:] = g.tolist()


"""

_TAKEN = """\
def taken(known, given):
    for name in given or ():
        if name not in known:
            raise ValueError(f"unknown name {name!r}: {', '.join(known)}")
    return [float(value) for value in {**known, **(given or {})}.values()]


"""
_CONSTANTS = """\
def constants(given):
    return taken(PARAMETERS, given)


"""
_CONSTANTS_OF_DATA = '''\
def array_of(x):
    x = np.asarray(x, float).ravel()
    if x.size != len(VARIABLES):
        raise ValueError(f"{x.size} numbers: there are {len(VARIABLES)} variables")
    return x


def constants(given):
    """Return parameters, data and numbers of rows, as the loops call them."""
    given, d = dict(given or {}), {}
    for name, (kind, shape) in DATA.items():
        if name not in given:
            raise ValueError(f"data {name!r} are missing")
        array = np.asarray(given.pop(name))
        whole = tuple(a if b is None else b for a, b in zip(array.shape, shape))
        if array.ndim != len(shape) or array.shape != whole:
            raise ValueError(f"{name!r} has shape {array.shape}, not {shape}")
        d[NAMES[name]] = array.astype(kind, casting="same_kind", copy=False)
    for size, names in ROWS.items():
        d[NAMES[size]], *others = (len(d[NAMES[name]]) for name in names)
        if any(count != d[NAMES[size]] for count in others):
            raise ValueError(f"{', '.join(names)} differ in their numbers of rows")
    for name, value in zip(PARAMETERS, taken(PARAMETERS, given)):
        d[NAMES[name]] = np.float64(value)
    return SimpleNamespace(**d)


'''
_OF_POINT = '''\
def evaluated(x, parameters):
    out = [0.0] * (1 + len(VARIABLES))
    evaluate([float(v) for v in x], constants(parameters), out)
    return out


def value(x, parameters=None):
    """Return f at x; parameters by name, such as {"a": 3}."""
    return evaluated(x, parameters)[0]


def gradient(x, parameters=None):
    """Return the gradient of f at x."""
    return evaluated(x, parameters)[1:]


'''
_HESSP = '''\
def hessp(x, v, parameters=None):
    """Return the product of the Hessian of f at x with v."""
    out = [0.0] * (1 + len(VARIABLES))
    product([float(e) for e in x], [float(e) for e in v], constants(parameters), out)
    return out[1:]


'''
_HESSIAN = '''\
def hessian(x, parameters=None):
    """Return the Hessian of f at x, a list of rows."""
    n = len(VARIABLES)
    out = [0.0] * (n * n)
    second([float(v) for v in x], constants(parameters), out)
    return [out[k : k + n] for k in range(0, n * n, n)]


'''
_PARTS = {
    "project": "        inside(self.x, self.x)\n",
    "slopes": "        slopes(self.x, self.gradient, free)\n",
    "first": """\
        if self.status != "DIVERGED":
            self._move(first_slots, first_summands, FIRST_TOTALS, FIRST_STAGES, 1.0)
            self._look()
""",
    "ends": ", ends=()",
    "more": ", UPDATE_ENDS",
    "points": """\
        there, more = [0.0] * n, [0.0] * POINTS
        row, place, point = WIDTH, totals, totals
        r, parts, own = r + more, parts + more, [each + more for each in own]
""",
    "there": """\
                there[k] = parts[place] if place < len(parts) else 0.0
""",
    "evaluated": """\
            if ends and ends[stage]:  # 1: a gradient, 2: a value alone, 3: a product
                out = [0.0] * (1 + n)
                if ends[stage] != 3:
@confine@                    evaluate(there, self.p, out)
                    r[point] = out[0]
                    point += 1
@multiplied@                place += 1
                if ends[stage] != 2:  # a value that isn't finite spoils the gradient
                    for k in range(n):
                        own[k][row] = out[1 + k] + (out[0] - out[0])
                    row += 1
""",
    "multiplied": """\
                else:
                    product(self.x, there, self.p, out)
""",
    "confine": "                    inside(there, there)\n",
    "spoilt": """\
            for slope in own[k][WIDTH:]:
                after[k][0] += slope - slope
""",
}
_LOOP = '''\
class Run:
    """A descent from x.

    Its x, f, gradient, norm (the gradient's largest component), state and t, the
    updates so far, all describe the same point. Its status is RUNNING, CONVERGED
    (norm <= gtol), or DIVERGED: x is the last iterate where all was finite.
    """

    def __init__(self, x, gtol=1e-8, parameters=None, hyperparameters=None):
        self.gtol = gtol
        self.p = constants(parameters)
        self.h = taken(HYPERPARAMETERS, hyperparameters)
        self.x = [float(v) for v in x]
        self.state = [[0.0] * len(self.x) for _ in range(WIDTH - 1)]
        self.t = 0
@project@        self._look()
@first@
    def _look(self):
        out = [0.0] * (1 + len(self.x))
        evaluate(self.x, self.p, out)
        self.f, self.gradient = out[0], out[1:]
        free = self.gradient.copy()
@slopes@        everything, self.norm = self.f, 0.0
        for k, g in enumerate(self.gradient):
            self.norm = abs(free[k]) if abs(free[k]) > self.norm else self.norm
            everything += g
            everything += self.x[k]
            for row in self.state:
                everything += row[k]
        small = self.norm <= self.gtol
        self.status = "CONVERGED" if small else "RUNNING"
        if not abs(everything) < math.inf:
            self.status = "DIVERGED"

    def _move(self, slots, summands, totals, stages, t@ends@):
        n = len(self.x)
        h, r, parts = [0.0] * len(self.h), [0.0] * totals, [0.0] * totals
        schedule(t, self.h, h)
        own = [[self.x[k], *(row[k] for row in self.state)] for k in range(n)]
@points@        for stage in range(stages):
            sums = [0.0] * totals
            for k, g in enumerate(self.gradient):
                summands(t, g, self.f, own[k], float(k), h, r, parts)
                sums = [a + b for a, b in zip(sums, parts)]
@there@            r[:totals] = sums
@evaluated@        after = [[0.0] * WIDTH for _ in range(n)]
        for k, g in enumerate(self.gradient):
            slots(t, g, self.f, own[k], float(k), h, r, after[k])
@spoilt@        self.x, *self.state = map(list, zip(*after))

    def update(self):
        """Update once; return the status."""
        before = dict(vars(self))
        self.t += 1
        t = float(self.t)
        self._move(update_slots, update_summands, UPDATE_TOTALS, UPDATE_STAGES, t@more@)
@project@        self._look()
        if self.status == "DIVERGED":
            vars(self).update(before, status="DIVERGED")
        return self.status


def minimize(x, maxiter=10_000, **more):
    """Return a Run that has ended; its status is MAXITER if nothing else ended it."""
    run = Run(x, **more)
    while run.status == "RUNNING" and run.t < maxiter:
        run.update()
    if run.status == "RUNNING":
        run.status = "MAXITER"
    return run
'''
