"""A Python module of a formula and a rule that imports nothing but math and struct."""

from __future__ import annotations

from symgd.lowering.modules import functions_of, loop_of
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
    program = Written(PYTHON)
    about = functions_of(program, formula, rule)
    lines = [*described(formula, rule), "", *_TOLD, f"Written by symgd {__version__}."]
    constants = {
        "VARIABLES": tuple(formula.variables),
        "PARAMETERS": dict(formula.parameters),
        **({"HYPERPARAMETERS": dict(rule.hyperparameters)} if rule else {}),
        **{name.upper(): value for name, value in about.items()},
    }
    parts = [remark(lines, "#"), "\nimport math\nimport struct\n\n"]
    parts += [f"{name} = {value!r}\n" for name, value in constants.items()]
    parts += ["\n\n", helpers_of(program.text), program.text, _OF_POINT]
    if formula.curvature is not None:
        parts.append(_HESSIAN)
    if rule is not None:
        parts.append(loop_of(_LOOP, rule, _PARTS))
    return "".join(parts).rstrip() + "\n"


_TOLD = ("The bits are symgd's, but for gamma and loggamma, which are Python's.",)

_OF_POINT = '''\
def taken(known, given):
    for name in given or ():
        if name not in known:
            raise ValueError(f"unknown name {name!r}: {', '.join(known)}")
    return [float(value) for value in {**known, **(given or {})}.values()]


def evaluated(x, parameters):
    out = [0.0] * (1 + len(VARIABLES))
    evaluate([float(v) for v in x], taken(PARAMETERS, parameters), out)
    return out


def value(x, parameters=None):
    """Return f at x; parameters by name, such as {"a": 3}."""
    return evaluated(x, parameters)[0]


def gradient(x, parameters=None):
    """Return the gradient of f at x."""
    return evaluated(x, parameters)[1:]


'''
_HESSIAN = '''\
def hessian(x, parameters=None):
    """Return the Hessian of f at x, a list of rows."""
    n = len(VARIABLES)
    out = [0.0] * (n * n)
    second([float(v) for v in x], taken(PARAMETERS, parameters), out)
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
        row, place = WIDTH, totals
        r, parts, own = r + more, parts + more, [each + more for each in own]
""",
    "there": """\
                there[k] = parts[place] if place < len(parts) else 0.0
""",
    "evaluated": """\
            if ends and ends[stage]:
@confine@                out = [0.0] * (1 + n)
                evaluate(there, self.p, out)
                r[place] = out[0]
                place += 1
                if ends[stage] == 1:  # a value that isn't finite spoils the gradient
                    for k in range(n):
                        own[k][row] = out[1 + k] + (out[0] - out[0])
                    row += 1
""",
    "confine": "                inside(there, there)\n",
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
        self.p = taken(PARAMETERS, parameters)
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
