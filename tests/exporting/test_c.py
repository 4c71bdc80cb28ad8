"""Exported C has symgd's bits, and no compiler finds anything to say."""

import dataclasses
import re
import shutil
import subprocess

import numpy as np
import pytest

import symgd
from symgd.errors import InputError
from symgd.exporting.request import request
from symgd.lowering.c_file import c_file
from tests.exporting.compiled import Library, built, native, needs_cc, ran, same_bits
from tests.exporting.table import OWN, RULES, TRIG, every_function, points

VALLEY = "(1 - x)**2 + 100*(y - x**2)**2"
LIBRARY = {"fma", "sqrt", "rint", "floor", "copysign", "fabs", "fmod", "sin", "cos"}
LIBRARY |= {"tan", "tgamma", "lgamma", "memcpy", "memset"}
HARMLESS = {"_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    objective = every_function()
    source, _ = symgd.export(objective, folder / "table.c")
    return objective, source, folder


@needs_cc
def test_every_function_has_symgds_bits(everything):
    objective, source, folder = everything
    compiled = Library([source], folder, "-O1").of("table", objective)
    p = np.nan_to_num(points(objective, 20), posinf=1e9, neginf=-1e9)
    for k, x in enumerate(points(objective, 100)):
        names = objective.parameters
        given = objective.with_parameters(**dict(zip(names, p[k % 20], strict=False)))
        got, told = compiled(x, given), native(given, x)
        wrong = ~same_bits(got, told)
        assert not wrong.any(), (np.flatnonzero(wrong), got[wrong], told[wrong])


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    """Return one library of all rules on one formula, and its folder."""
    folder = tmp_path_factory.mktemp("rules")
    f = symgd.Objective(TRIG, parameters={"a": 0.1})
    files = [
        symgd.export(f, folder / f"{name}.c", method=rule)[0]
        for name, rule in RULES.items()
    ]
    whole = folder / "whole.c"
    whole.write_text("".join(f'#include "{file.name}"\n' for file in files))
    return f, Library([whole], folder, "-O2")


@needs_cc
@pytest.mark.parametrize("name", RULES)
def test_a_rule_has_symgds_bits(rules, name):
    f, library = rules
    rule = RULES[name]
    x = np.array([2.5, -3.0])
    h = [0.0 if isinstance(v, str) else v for v in rule.hyperparameters.values()]
    descent = library.descent(name, f, len(rule.state))
    for maxiter, gtol in ((1, 0.0), (333, 0.0), (2000, 1e-3)):
        run = descent(x, h, gtol, maxiter)
        told = symgd.minimize(f, x, method=rule, maxiter=maxiter, gtol=gtol)
        assert same_bits(run.x, told.x).all()
        assert same_bits(run.f, told.fun)
        assert (run.t, run.status) == (told.nit, told.status)


@needs_cc
@pytest.mark.parametrize("step", [0.9, 1e200])
def test_what_diverges_ends_at_its_last_finite_iterate(rules, step):
    f, library = rules
    run = library.descent("momentum", f, 1)([2.5, -3.0], [step, 0.99], 0.0, 10_000)
    told = symgd.minimize(
        f, [2.5, -3.0], method="momentum", step_size=step, momentum=0.99, gtol=0.0
    )
    assert (run.t, run.status) == (told.nit, told.status)
    assert same_bits(run.x, told.x).all()
    assert np.isfinite([run.f, *run.x]).all()


@needs_cc
def test_of_the_c_library_only_what_the_file_says_is_called(everything, rules):
    _, source, folder = everything
    told = re.search(r"Of the C library it calls ([^.]*)\.", source.read_text("utf-8"))
    assert {*re.findall(r"\w+", told[1])} <= LIBRARY
    for file in (source, rules[1].file.with_name("whole.c")):
        part = built([file], folder / "part.o", "-c", "-O1")
        found = subprocess.run(["nm", "-u", part], capture_output=True, text=True)
        names = {line.split()[-1] for line in found.stdout.splitlines()}
        assert names - HARMLESS <= LIBRARY


ALL_BELOW = """
#include "table.c"
#include <stdlib.h>
int main(void)
{
  static double x[TABLE_VARIABLES], g[TABLE_VARIABLES];
  static const double p[] = TABLE_PARAMETERS;
  double sum = 0.0;
  uint64_t word = 1;
  for (int i = 0; i < 100000; i++) {
    for (int k = 0; k < TABLE_VARIABLES; k++) {
      word = word * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
      /* every other point has numbers of any bits */
      const double any = table_from_bits((int64_t)(word ^ (word >> 29)));
      x[k] = i % 2 ? any : ((double)(word >> 12) / 2251799813685248.0 - 1.0) * 30.0;
    }
    sum += table_gradient(x, p, g);
  }
  return sum == 0.5;
}
"""


@needs_cc
def test_sanitizers_find_nothing_at_1e5_points(everything):
    _, _, folder = everything
    whole = folder / "points.c"
    whole.write_text(ALL_BELOW)
    checked = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1"]
    nothing = folder / "nothing.c"
    nothing.write_text("int main(void) { return 0; }\n")
    try:
        built([nothing], folder / "nothing", *checked)
    except AssertionError:
        pytest.skip("the compiler has no sanitizers")
    assert ran(built([whole], folder / "points", *checked)) == (0, "")


@needs_cc
@pytest.mark.parametrize("math", ["own", "libm"])
@pytest.mark.parametrize("method", [None, "amsgrad", OWN["staged"]])
def test_a_file_checks_itself(tmp_path, math, method):
    text = "exp(-x**2)*sin(y) + mod(a, 0.7)*erf(y) + abs(x)**1.5 + sigmoid(x*y)"
    formula = symgd.Objective(text, parameters={"a": -5.3})
    source, _ = symgd.export(
        formula, tmp_path / "self.c", method=method, math=math, name="my_f"
    )
    test = built([source], tmp_path / "test", "-DMY_F_SELF_TEST", "-O2")
    assert ran(test) == (0, "my_f: 8 points, 0 numbers differ\n")
    text = source.read_text("utf-8")
    assert ("fma(" in text) == (math == "own")
    # It can fail: a digit that is another one is found.
    numbers = re.search(r"_expected\[\]\[\d+\] = \{\n  \{(-?\d)", text)
    spoilt = text[: numbers.end(1)] + "7" + text[numbers.end(1) :]
    source.write_text(spoilt)
    test = built([source], tmp_path / "test", "-DMY_F_SELF_TEST", "-O2")
    assert ran(test)[0] == 1


@needs_cc
@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_it_is_cpp_too(rules):
    _, library = rules
    options = [*("-x", "c++", "-std=c++11", "-pedantic", "-Wall", "-Wextra"), "-Werror"]
    source = library.file.with_name("whole.c")
    target = library.file.with_name("whole.o")
    built([source], target, *options, "-Wconversion", "-c", strict=False)


def test_names_of_users_are_in_comments_only(tmp_path):
    rule = symgd.Rule("a*/b ??/", "vélo = vélo + g\nx = x - rate*vélo", rate=0.1)
    files = symgd.export("größe**2 + int**2", tmp_path / "2 names.c", method=rule)
    for file in files:
        code = re.sub(r"/\*.*?\*/", "", file.read_text("utf-8"), flags=re.DOTALL)
        assert not re.search("größe|vélo|rate|\bint\\*", code)
        assert "f_2_names_value" in code


def test_fast_math_is_refused_by_the_file(tmp_path):
    text = symgd.export(VALLEY, tmp_path / "f.c")[0].read_text("utf-8")
    assert "#ifdef __FAST_MATH__\n#error" in text


@needs_cc
def test_without_a_hessian_there_is_none(tmp_path):
    asked = request(symgd.Objective(VALLEY), tmp_path / "f.c", None, None, {})
    formula = dataclasses.replace(asked.formula, curvature=None, places=[])
    texts = c_file(formula, None, asked.checks(), "f", "f.h")
    for name, text in zip(("f.c", "f.h"), texts, strict=False):
        (tmp_path / name).write_text(text)
        assert "hessian" not in text.lower()
    test = built([tmp_path / "f.c"], tmp_path / "test", "-DF_SELF_TEST")
    assert ran(test) == (0, "f: 8 points, 0 numbers differ\n")


SUM = "sum(x[i]**2 for i in range(n))"


@pytest.mark.parametrize(
    ("formula", "file", "more", "problem"),
    [
        (VALLEY, "f.txt", {}, "the suffix says what is written: .c"),
        (VALLEY, "f.dll", {}, "a linker makes .dll of .o"),
        (VALLEY, "f", {}, "the suffix says what is written"),
        (VALLEY, "none/f.c", {}, "can't write .*: No such file"),
        (VALLEY, "f.c", {"name": "int main"}, "'int main' can't begin names"),
        (VALLEY, "f.c", {"name": "_f"}, "can't begin names"),
        (VALLEY, "f.c", {"math": "fast"}, "unknown math 'fast': own, libm"),
        (VALLEY, "f.c", {"method": "auto"}, "the default method can't be exported"),
        (VALLEY, "f.c", {"method": "adm"}, "unknown method 'adm' .did you mean 'adam'"),
        (VALLEY, "f.c", {"step_size": 0.1}, "'step_size' is for a method"),
        (
            *(VALLEY, "f.c", {"method": "gd", "step_size": "auto"}),
            "step_size='auto' can't be exported",
        ),
        (SUM, "f.c", {}, "the size n .* can.t be known"),
        (
            *(symgd.Objective("x**2*t", iteration="t"), "f.c", {"method": "gd"}),
            "it can be exported without a method only",
        ),
        (
            *(symgd.Objective("x**2", subject_to="x >= 1"), "f.c", {}),
            "an exported file can't keep to constraints",
        ),
    ],
)
def test_what_cant_be_written_is_refused(tmp_path, formula, file, more, problem):
    with pytest.raises(InputError, match=problem):
        symgd.export(formula, tmp_path / file, **more)
    assert not [*tmp_path.iterdir()]


@needs_cc
def test_a_file_of_many_variables_stays_small(tmp_path):
    terms = (f"(1 - x{k})**2 + 9*(x{k + 1} - x{k}**2)**2" for k in range(35))
    source, _ = symgd.export(" + ".join(terms), tmp_path / "f.c")
    assert source.stat().st_size < 60_000
    test = built([source], tmp_path / "test", "-DF_SELF_TEST")
    assert ran(test) == (0, "f: 8 points, 0 numbers differ\n")
