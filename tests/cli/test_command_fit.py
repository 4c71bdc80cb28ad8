"""``symgd fit``: what it prints where, and how it exits."""

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import symgd
from symgd.cli import fit as command
from symgd.objectives.files import read_file

MODEL = "a*exp(-b*t) + c"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    t = np.linspace(0, 5, 30)
    y = 2 * np.exp(-t) + 0.5 + 0.01 * np.cos(50 * t)
    file = tmp_path_factory.mktemp("fit") / "decay.csv"
    lines = [f"{u},{v},{0.1 + u / 10}" for u, v in zip(t, y, strict=True)]
    file.write_text("\n".join(["t,y,s", *lines, "5,,1"]))
    return file


def run(*arguments):
    app = typer.Typer()
    app.command()(command.fit)
    return CliRunner().invoke(app, list(arguments))


def test_a_table_is_printed(table):
    done = run(MODEL, "--data", str(table), "--target", "y", "--missing", "drop")
    assert done.exit_code == 0
    assert done.stdout.startswith("fit of y by a*exp(-b*t) + c: 30 rows (1 dropped)")
    assert "standard error" in done.stdout
    assert "CONVERGED" in done.stdout
    assert done.stderr == ""


def test_json_is_alone(table):
    options = ("--data", str(table), "--target", "y", "--missing", "drop", "--json")
    done = run(MODEL, *options, "--loss", "huber", "--sigma", "s", "--progress")
    record = json.loads(done.stdout)
    assert record["success"] is True
    assert record["parameters"]["b"] == pytest.approx(1, abs=0.02)
    assert record["loss"] == "huber"
    done = run(MODEL, *options, "--start", "a=1,b=1,c=1", "--bounds", "c=0.7:")
    assert json.loads(done.stdout)["at_bound"] == ["c"]


def test_options_of_the_loss(table):
    options = ("--data", str(table), "--target", "y", "--missing", "drop", "--json")
    done = run(MODEL, *options, "--loss", "log(1 + (r/k)**2)", "--set", "k=0.1")
    assert done.exit_code == 0


def test_a_likelihood(tmp_path):
    file = tmp_path / "killed.csv"
    file.write_text("x,k,n\n0,1,20\n1,4,20\n2,9,20\n3,13,20\n4,18,20\n5,19,20\n")
    options = ("--data", str(file), "--target", "k", "--json")
    done = run("sigmoid(a + b*x)", *options, "--loss", "binomial", "--trials", "n")
    record = json.loads(done.stdout)
    assert record["loss"] == "binomial"
    assert record["aic"] > 0
    assert run("a + b*x", *options, "--loss", "poisson").exit_code == 0


def test_a_picture(table, tmp_path):
    file = tmp_path / "fit.png"
    options = ("--data", str(table), "--target", "y", "--missing", "drop")
    assert run(MODEL, *options, "--plot", str(file)).exit_code == 0
    assert file.stat().st_size > 1000


def test_parameters_that_are_not_free(table):
    options = ("--data", str(table), "--target", "y", "--missing", "drop", "--json")
    done = run(MODEL, *options, "--fix", "c=1/2", "--tie", "b=a/2")
    record = json.loads(done.stdout)
    assert record["names"] == ["a"]
    assert record["parameters"]["c"] == 0.5
    assert record["parameters"]["b"] == record["parameters"]["a"] / 2
    assert record["fixed"] == {"c": 0.5}
    assert record["tied"] == {"b": "a/2"}


@pytest.mark.parametrize(
    ("more", "status", "problem"),
    [
        ((), 2, "column 'y' is not finite"),
        (("--missing", "drop", "--target", "z"), 2, "column for the target 'z'"),
        (("--missing", "drop", "--start", "q=1"), 2, "'q'"),
        (("--missing", "drop", "--method", "adm"), 2, "adm"),
        (("--missing", "drop", "--fix", "c"), 2, "--fix expects name=formula"),
        (("--missing", "drop", "--fix", "c=0", "--fix", "c=1"), 2, "'c' twice"),
        (("--missing", "drop", "--tie", "q=a"), 2, "unknown tied parameter 'q'"),
        (("--missing", "drop", "--maxiter", "0", "--start", "1,9,1"), 1, ""),
    ],
)
def test_exit_status(table, more, status, problem):
    done = run(MODEL, "--data", str(table), "--target", "y", *more)
    assert done.exit_code == status
    assert problem in done.stderr
    assert "Traceback" not in done.output


def test_a_fit_in_two_commands_is_one_fit(table, tmp_path):
    options = ("--data", str(table), "--target", "y", "--missing", "drop", "--json")
    options = (MODEL, *options, "--start", "a=1,b=9,c=1")
    whole = json.loads(run(*options).stdout)
    assert whole["values"] == whole["parameters"]
    options = (*options, "--checkpoint", str(tmp_path / "fit.npz"))
    part = run(*options, "--maxiter", "2")
    assert (part.exit_code, json.loads(part.stdout)["status"]) == (1, "MAXITER")
    rest = json.loads(run(*options).stdout)
    assert (rest["values"], rest["nit"]) == (whole["values"], whole["nit"])
    other = run(*options, "--gtol", "1e-3")
    assert other.exit_code == 2
    assert "its --gtol is 1e-08, not 0.001" in other.stderr


def test_each_step_is_printed_and_written(table, tmp_path):
    file = tmp_path / "steps.csv"
    options = ("--data", str(table), "--target", "y", "--missing", "drop")
    options = (MODEL, *options, "--start", "a=1,b=9,c=1", "--trace", str(file))
    done = run(*options, "--verbose")
    assert done.stdout.startswith(">0 f([1. 9. 1.]) = ")
    header, *rows = file.read_text().splitlines()
    assert header == "t,a,b,c,fun,grad_norm,offset"
    assert len(rows) == done.stdout.count(">")


@pytest.fixture(scope="module")
def circuit(tmp_path_factory):
    w = np.geomspace(0.1, 10, 20)
    z = 5 + 20 / (1 + 1j * w) + 0.01 * np.cos(50 * w) + 0.01j * np.sin(40 * w)
    file = tmp_path_factory.mktemp("fit") / "circuit.csv"
    rows = zip(w, z.real, z.imag, strict=True)
    file.write_text(
        "\n".join(["w,re,im,s", *(f"{a},{b},{c},0.01" for a, b, c in rows)])
    )
    return file


PARTS = ("R0 + R1/(1 + (w*tau)**2)", "-R1*w*tau/(1 + (w*tau)**2)")


def test_several_targets_are_those_of_python(circuit):
    both = ("--data", str(circuit), "--target", "re", "--target", "im", "--json")
    done = run(*both, "--sigma", "s", "--sigma", "0.01", "--", *PARTS)
    found = json.loads(done.stdout)
    data = read_file(circuit)
    expected = symgd.fit(list(PARTS), data, ["re", "im"], sigma=["s", 0.01])
    assert found["parameters"] == dict(expected.parameters)
    assert found["standard_errors"] == expected.standard_errors


def test_what_a_fit_is_asked_comes_after_it(circuit):
    both = ("--data", str(circuit), "--target", "re", "--target", "im")
    asked = (
        "--profile",
        "tau",
        "--derive",
        "1/tau",
        "--bootstrap",
        "20",
        "--seed",
        "3",
    )
    fit = symgd.fit(list(PARTS), read_file(circuit), ["re", "im"], rng=3)
    profile, rate = fit.profile("tau"), fit.derive("1/tau")
    done = run(*both, *asked, "--", *PARTS)
    assert done.exit_code == 0
    ending = [str(profile), f"1/tau = {rate}", str(fit.bootstrap(20, rng=3))]
    assert done.stdout.endswith("\n".join([*ending, ""]))
    found = json.loads(run(*both, *asked, "--json", "--", *PARTS).stdout)
    assert found["profile"] == {"tau": list(profile.interval)}
    assert found["derive"]["1/tau"]["standard_error"] == rate.standard_error
    assert found["bootstrap"]["samples"] == 20


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a*w", "b*w", "--target", "re"], "2 models for 1 target"),
        (["a*w", "--target", "re", "--target", "im"], "1 model for 2 targets"),
        (["a*w", "--target", "re", "--profile", "c"], "unknown parameter 'c'"),
        (["a*w", "--target", "re", "--derive", "2*c"], "'c'"),
        (["a*w", "--target", "re", "--bootstrap", "1"], "--bootstrap"),
    ],
)
def test_what_can_not_be_asked_is_told(circuit, arguments, told):
    done = run(*arguments, "--data", str(circuit))
    assert done.exit_code == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
