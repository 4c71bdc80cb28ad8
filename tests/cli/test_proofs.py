"""What is proven, at the command line: ``show --bounds`` and ``minimize --certify``."""

import json

from tests.cli.running import run

ROSENBROCK, BOX = "(1 - x)**2 + 100*(y - x**2)**2", "x=-2:2,y=-2:2"


def test_show_tells_what_is_proven_within_bounds():
    told = run("show", ROSENBROCK, "--bounds", BOX)
    assert told.exit_code == 0
    assert "\nproven\n  not convex within the bounds\n" in told.stdout
    assert "it comes from 100*(-x**2 + y)**2" in told.stdout
    assert "\n  L  in [5717.98" in told.stdout
    assert "\nproven" not in run("show", ROSENBROCK).stdout


def test_show_has_the_same_as_json():
    told = run("show", "x**2 + 10*y**2", "--bounds", "x=-1:1,y=-1:1", "--json")
    proven = json.loads(told.stdout)["analysis"]
    assert proven["curvature"] == "strongly convex"
    assert proven["L"] == [20, 20]
    assert proven["blocks"] == [["x"], ["y"]]


def test_minimize_certifies():
    told = run("minimize", ROSENBROCK, "--bounds", BOX, "--certify")
    assert told.exit_code == 0
    assert "global minimum\n  0 <= minimum <= " in told.stdout
    assert "(proven)" in told.stdout
    assert "elsewhere" not in told.stdout  # which is proven below
    told = run("minimize", ROSENBROCK, "--bounds", BOX, "--certify", "--json")
    assert json.loads(told.stdout)["certificate"]["status"] == "PROVEN"


def test_what_cannot_be_certified_is_an_error_without_a_traceback():
    for arguments, message in (
        (("minimize", "x**2 + y**2", "--certify"), "bounds of all variables"),
        (("maximize", "x**2", "--bounds", "x=0:1", "--certify"), "of minima"),
        (("show", "sum(x[i]**2 for i in range(n))", "--bounds", "x=0:1"), "the size n"),
    ):
        told = run(*arguments)
        assert told.exit_code == 2, told.output
        assert message in told.output
        assert "Traceback" not in told.output
