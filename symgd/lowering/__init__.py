"""From SymPy expressions to native code: the only place that generates code.

Every generated function is straight-line: ``sympy.lambdify`` with the printer and the
elimination of common subexpressions below, then written out as LLVM's instructions by
calling it (``tracing``). What is generated keeps four promises that SymPy's own
printers don't:

* numbers are exact: a constant becomes the nearest float64;
* a branch that is not taken has no part in the result, its NaN and infinities included;
* products and sums are fused (``fma``) where, and only where, the source says so, so
  that the same formula has the same bits in every loop, for one number or in lanes;
* sums wait for their slowest term last, which shortens the chain of dependent
  operations from one iterate to the next.
"""
