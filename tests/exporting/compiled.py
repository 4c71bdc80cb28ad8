"""Exported C, compiled by the system's compiler and called from here."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

CC = shutil.which("cc")
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
needs_cc = pytest.mark.skipif(CC is None, reason="there is no C compiler")


def built(sources, target, *options, strict=True):
    """Compile files of C, without a single warning; return the target."""
    command = [CC, *(STRICT if strict else ()), *options, *sources, "-o", target, "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return target


def ran(program):
    done = subprocess.run([program], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


class Library:
    """A shared library of functions of doubles."""

    def __init__(self, sources, folder, *options):
        file = folder / "library.so"
        built(sources, file, "-shared", "-fPIC", *options)
        self.code, self.file = ctypes.CDLL(str(file)), file

    def of(self, prefix, objective):
        """Return what an exported formula gives at a point, as ``native`` does."""
        n = len(objective.variables)
        value, gradient, hessian = (
            getattr(self.code, f"{prefix}_{name}")
            for name in ("value", "gradient", "hessian")
        )
        value.restype = gradient.restype = ctypes.c_double

        def at(x, given=objective):
            p = np.array([*given.parameters.values()])
            x, g, h = np.array(x, dtype=float), np.empty(n), np.empty(n * n)
            taken = (x, p) if p.size else (x,)
            *taken, g_at, h_at = map(np.ctypeslib.as_ctypes, (*taken, g, h))
            f = gradient(*taken, g_at)
            hessian(*taken, h_at)
            return np.array([value(*taken), f, *g, *h])

        return at

    def descent(self, prefix, objective, states):
        """Return the loop: (x, h, gtol, maxiter) -> how it ended."""
        n = len(objective.variables)
        kept = [("state", ctypes.c_double * (n * states))] if states else []

        class Run(ctypes.Structure):
            _fields_ = [
                *[(name, ctypes.c_double * n) for name in "xg"],
                *kept,
                *[(name, ctypes.c_double) for name in ("f", "norm")],
                ("t", ctypes.c_int64),
            ]

        minimize = getattr(self.code, f"{prefix}_minimize")
        p = np.array([*objective.parameters.values()])

        def descend(x, h, gtol, maxiter):
            run = Run()
            arrays = [np.array(each, dtype=float) for each in (x, p, h) if len(each)]
            taken = map(np.ctypeslib.as_ctypes, arrays)
            limits = ctypes.c_double(gtol), ctypes.c_int64(maxiter)
            run.status = minimize(ctypes.byref(run), *taken, *limits)
            return run

        return descend


def native(objective, x):
    f = objective.value(x)
    return np.array([f, f, *objective.grad(x), *objective.hess(x).ravel()])


def same_bits(a, b):
    """Return where two arrays have the same bits; one NaN is as good as another."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return (a.view(np.int64) == b.view(np.int64)) | (np.isnan(a) & np.isnan(b))
