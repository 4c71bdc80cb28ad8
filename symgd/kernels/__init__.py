"""Native loops: ordinary Python that numba compiles, with plain arrays for all state.

A kernel continues a run from its state, for a bounded number of iterations, and
returns a code; it allocates nothing and touches no Python object. The driver in
``descent.run`` calls it again and again, and between two calls a run can be watched,
interrupted and stopped. The kernels that are the same for all formulas travel with
symgd, so that a first run needs no numba: see ``shared``.
"""
