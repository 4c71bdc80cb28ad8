"""From SymPy expressions to native functions: the only place that generates code.

Every generated function is straight-line and scalar: ``sympy.lambdify`` with the
printer and the elimination of common subexpressions below, then ``numba.njit``. What
is generated keeps four promises that SymPy's own printers don't:

* numbers are exact: a constant becomes the nearest float64;
* a branch that is not taken is not evaluated, its common subexpressions included;
* products and sums are fused (``fma``) where, and only where, the source says so, so
  that the same formula has the same bits in every loop that it is inlined into;
* sums wait for their slowest term last, which shortens the chain of dependent
  operations from one iterate to the next.
"""
