"""Exported loops are projected onto bounds as symgd's own are, bit for bit."""

import runpy

import pytest

import symgd
from symgd.errors import InputError
from tests.exporting.compiled import Library, built, needs_cc, ran, same_bits
from tests.exporting.node import in_node, needs_node, of_module, of_wasm
from tests.exporting.table import RULES, TRIG

NAMES = (
    "gd",
    "momentum",
    "amsgrad",
    "lion",
    "staged",
    "plain",
    "ahead",
    "searching",
    "products",
)
START = [2.5, -3.0]
BOUNDS = {  # what each holds, and where the start is moved to
    "both": {"x": (-0.5, 1.25), "y": (0.75, 2.0)},
    "one_side": {"x": (0.5, None), "y": (None, -2.0)},
    "one_variable": {"y": (-0.0, 0.25)},
    "a_point": {"x": (0.3, 0.3)},
}
ENDS = ((1, 0.0), (40, 0.0), (300, 1e-3))


@pytest.fixture(scope="module")
def f():
    return symgd.Objective(TRIG, parameters={"a": 0.1})


def told(f, rule, bounds, maxiter, gtol):
    limits = {"maxiter": maxiter, "gtol": gtol}
    return symgd.minimize(f, START, method=rule, bounds=bounds, **limits)


@pytest.fixture(scope="module")
def in_c(f, tmp_path_factory):
    """Return a library of all rules with all bounds."""
    folder = tmp_path_factory.mktemp("bounded")
    files = [
        symgd.export(f, folder / f"{rule}_{box}.c", method=RULES[rule], bounds=bounds)
        for rule in NAMES
        for box, bounds in BOUNDS.items()
    ]
    whole = folder / "whole.c"
    whole.write_text("".join(f'#include "{source.name}"\n' for source, _ in files))
    return Library([whole], folder, "-O2")


@needs_cc
@pytest.mark.parametrize("box", BOUNDS)
@pytest.mark.parametrize("name", NAMES)
def test_c_has_symgds_bits(f, in_c, name, box):
    rule = RULES[name]
    h = [0.0 if isinstance(v, str) else v for v in rule.hyperparameters.values()]
    descent = in_c.descent(f"{name}_{box}", f, len(rule.state))
    for maxiter, gtol in ENDS:
        run, own = (
            descent(START, h, gtol, maxiter),
            told(f, rule, BOUNDS[box], maxiter, gtol),
        )
        assert same_bits(run.x, own.x).all()
        assert same_bits([run.f, run.norm], [own.fun, own.grad_norm]).all()
        assert (run.t, run.status) == (own.nit, own.status)


@needs_cc
def test_a_file_with_bounds_checks_itself(f, tmp_path):
    bounds = BOUNDS["both"]
    source, _ = symgd.export(f, tmp_path / "f.c", method="adam", bounds=bounds)
    assert "with x in [-0.5, 1.25], y in [0.75, 2.0]" in source.read_text("utf-8")
    test = built([source], tmp_path / "test", "-DF_SELF_TEST", "-O2")
    assert ran(test) == (0, "f: 8 points, 0 numbers differ\n")


@pytest.mark.parametrize("box", BOUNDS)
@pytest.mark.parametrize("name", NAMES)
def test_python_has_symgds_bits(f, tmp_path, name, box):
    more = {"method": RULES[name], "bounds": BOUNDS[box]}
    (file,) = symgd.export(f, tmp_path / "f.py", **more)
    minimize = runpy.run_path(str(file))["minimize"]
    for maxiter, gtol in ENDS[:2]:
        run = minimize(START, maxiter=maxiter, gtol=gtol)
        own = told(f, RULES[name], BOUNDS[box], maxiter, gtol)
        assert same_bits(run.x, own.x).all()
        assert (run.f, run.norm) == (own.fun, own.grad_norm)
        assert (run.t, run.status) == (own.nit, own.status.name)


@needs_node
@pytest.mark.parametrize("box", BOUNDS)
def test_javascript_has_symgds_bits_where_all_is_exact(tmp_path, box):
    # Few updates by powers of 2: nothing is rounded, fused or not.
    f, rule = "x**2/2 + y**2 + x*y/4 - x", RULES["momentum"]
    h = {"step_size": 0.25, "momentum": 0.5}
    more = {"bounds": BOUNDS[box], **h}
    (file,) = symgd.export(f, tmp_path / "f.mjs", method=rule, **more)
    given = f"f.minimize({START}, {{maxiter: 6, gtol: 0}})"
    run = f"(r => [r.status, r.t, r.f, r.norm, r.x])({given})"
    status, t, value, norm, x = in_node(of_module(file), run)
    own = symgd.minimize(f, START, method=rule, maxiter=6, gtol=0.0, **more)
    assert same_bits([float(v) for v in x], own.x).all()
    assert (status, t) == (own.status.name, own.nit)
    assert (value, float(norm)) == (own.fun, own.grad_norm)


SHIM = """
#include "{name}.h"
int s_{name}_minimize({name}_run *run, const double *x, const double *p,
    const double *h, double gtol, int64_t maxiter)
{{ return {name}_minimize(run, x, p, h, gtol, maxiter); }}
"""


@needs_cc
@pytest.mark.parametrize("name", ["amsgrad", "staged"])
def test_machine_code_has_symgds_bits(f, tmp_path, name):
    rule, shim, files = RULES[name], "", []
    for box, bounds in BOUNDS.items():
        more = {"method": rule, "bounds": bounds}
        files.append(symgd.export(f, tmp_path / f"{box}.o", **more)[0])
        shim += SHIM.format(name=box)
    (tmp_path / "shim.c").write_text(shim)
    library = Library([tmp_path / "shim.c", *files], tmp_path, "-O1")
    h = [0.0 if isinstance(v, str) else v for v in rule.hyperparameters.values()]
    for box, bounds in BOUNDS.items():
        descent = library.descent(f"s_{box}", f, len(rule.state))
        for maxiter, gtol in ENDS:
            run = descent(START, h, gtol, maxiter)
            own = told(f, rule, bounds, maxiter, gtol)
            assert same_bits(run.x, own.x).all()
            assert (run.t, run.status, run.f) == (own.nit, own.status, own.fun)


@needs_node
@pytest.mark.parametrize("name", ["amsgrad", "staged"])
@pytest.mark.parametrize("box", BOUNDS)
def test_webassembly_has_symgds_bits(f, tmp_path, name, box):
    more = {"method": RULES[name], "bounds": BOUNDS[box]}
    file, _ = symgd.export(f, tmp_path / "f.wasm", **more)
    given = f"f.minimize({START}, {{maxiter: 40, gtol: 0}})"
    status, t, value, x = in_node(
        of_wasm(file), f"(r => [r.status, r.t, r.f, r.x])({given})"
    )
    own = told(f, RULES[name], BOUNDS[box], 40, 0.0)
    assert same_bits([float(v) for v in x], own.x).all()
    assert (status, t, value) == (own.status.name, own.nit, own.fun)


@pytest.mark.parametrize(
    ("file", "more", "problem"),
    [
        ("f.c", {}, "bounds are for a method, and none is given"),
        ("f.o", {"method": "auto"}, "are arguments of the function that is written"),
        ("f.c", {"method": "auto"}, "the default method can't be exported as text"),
        ("f.c", {"method": "gd", "bounds": {"z": (0, 1)}}, "unknown variable in bou"),
        ("f.c", {"method": "gd", "bounds": {"x": (1, 0)}}, "above"),
    ],
)
def test_bounds_that_mean_nothing_are_refused(f, tmp_path, file, more, problem):
    with pytest.raises(InputError, match=problem):
        symgd.export(f, tmp_path / file, **{"bounds": {"x": (0, 1)}, **more})
    assert not [*tmp_path.iterdir()]


def test_open_bounds_are_none(f, tmp_path):
    texts = []
    for bounds in (None, {"x": (None, None)}):
        file, _ = symgd.export(f, tmp_path / "f.c", method="gd", bounds=bounds)
        texts.append(file.read_text("utf-8"))
    assert texts[0] == texts[1]
    assert "_inside" not in texts[0]


def test_a_page_has_the_bounds(f, tmp_path):
    more = {"method": "adam", "bounds": BOUNDS["both"]}
    (file,) = symgd.export(f, tmp_path / "f.html", **more)
    text = file.read_text("utf-8").replace(" ", "")
    assert '"bounds":[[-0.5,1.25],[0.75,2.0]]' in text
