"""What is kept for each formula has a bound, or is freed."""

import functools
import gc
import importlib
import pkgutil
import weakref

from llvmlite.binding.newpassmanagers import ModulePassManager, NewPassManager

import symgd
from symgd import minimize
from symgd.native import machine

# These have no argument, or one of a few: a name, a number of parameters or threads.
OF_FEW = {
    "_address_of",
    "_asked_once",
    "_is_known",
    "_lower",
    "_own_features",
    "_places",
    "_pool",
    "_rounded",
    "_setting",
    "_smooth",
    "_template",
    "family",
    "loop_for_code",
    "shared",
}
MODULE = "define double @symgd_entry(double %x) {\n  ret double %x\n}\n"


def caches():
    """Yield the name and the size of each cache of a function."""
    for found in pkgutil.walk_packages(symgd.__path__, "symgd."):
        if not found.name.endswith("__main__"):
            module = importlib.import_module(found.name)
            for name, thing in vars(module).items():
                if isinstance(thing, functools._lru_cache_wrapper):
                    yield name, thing.cache_parameters()["maxsize"]


def test_caches_have_a_bound():
    sizes = dict(caches())
    assert len(sizes) > 10
    unbounded = {name for name, size in sizes.items() if size is None}
    assert unbounded <= OF_FEW, unbounded - OF_FEW


def test_passes_are_freed(monkeypatch):
    living = [0]
    created, freed = ModulePassManager.__init__, NewPassManager._dispose

    def create(self, *arguments):
        living[0] += 1
        created(self, *arguments)

    def free(self):
        living[0] -= 1
        freed(self)

    monkeypatch.setattr(ModulePassManager, "__init__", create)
    monkeypatch.setattr(NewPassManager, "_dispose", free)
    for _ in range(3):
        machine.optimised(MODULE)
    gc.collect()
    assert living[0] == 0


def test_an_objective_is_forgotten_with_what_it_holds():
    objective = symgd.Objective("(x - 3.25)**2 + exp(x)")
    result = minimize(objective, 1.0)
    known = [weakref.ref(objective), weakref.ref(result)]
    del objective, result
    gc.collect()
    assert [reference() for reference in known] == [None, None]
