"""The command line: what is compiled once, and stored."""

import json
import os
import subprocess
import sys

import pytest

from symgd.native import store
from tests.cli.running import run
from tests.problems import ROSENBROCK


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return the folder of an empty store."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SYMGD_CACHE_DIR", str(folder))
    return folder


def test_cache_info_and_clear(cache):
    assert "entries  0\n" in run("cache", "info").stdout
    assert store.put("a" * 64, b"x" * 1504)
    assert store.put("b" * 64, b"")
    shown = run("cache", "info").stdout
    assert f"folder   {cache}\nentries  2\nsize     1.53 KiB of at most" in shown
    record = json.loads(run("cache", "info", "--json").stdout)
    assert record == {
        "folder": str(cache),
        "entries": 2,
        "size": 1568,
        "capacity": store.CAPACITY,
        "private": True,
    }
    assert run("cache", "clear").stdout == f"removed 2 entries from {cache}\n"
    assert run("cache", "clear").stdout == f"removed 0 entries from {cache}\n"
    assert run("cache", "clear", "x").exit_code == 2


def test_cache_info_says_why_a_store_is_not_used(cache, monkeypatch):
    monkeypatch.setattr(store, "_is_private", lambda status: False)
    cache.mkdir()
    assert "not used: others may write" in run("cache", "info").stdout
    assert json.loads(run("cache", "info", "--json").stdout)["private"] is False


def test_entries_that_stay_are_an_error(cache, monkeypatch):
    store.put("a" * 64, b"")
    monkeypatch.setattr(store, "clear", lambda: 0)
    result = run("cache", "clear")
    assert result.exit_code == 2
    assert "1 entry can't be removed" in result.stderr


PROBE = """
import atexit, sys
heavy = {"sympy", "numba", "numpy", "matplotlib"}
atexit.register(lambda: print(*sorted(heavy & set(sys.modules)), file=sys.stderr))
from symgd.cli import main
main()
"""
BY_HAND = ("--method", "gd", "--set", "step_size=0.001", "--start", "x=-1,y=1")


def in_a_process(*arguments, folder=None):
    """Return what is printed, and the heavy modules that were imported."""
    place = {"SYMGD_CACHE_DIR": str(folder)} if folder else {}
    command = [sys.executable, "-c", PROBE, *arguments]
    settings = {"capture_output": True, "text": True, "env": {**os.environ, **place}}
    done = subprocess.run(command, **settings)
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr.split()


@pytest.mark.parametrize("options", [(), ("--json",), BY_HAND])
def test_a_formula_is_compiled_in_one_process_and_used_in_the_next(options):
    formula = f"(1 - x)**2 + 3*(y - x**2)**2 + {len(options)}"
    first, imported = in_a_process("minimize", formula, *options)
    assert "sympy" in imported
    second, imported = in_a_process("minimize", formula, *options)
    assert imported == []

    def told(printed):
        return [line for line in printed.splitlines() if '"seconds"' not in line]

    assert told(second) == told(first)


def test_a_rule_file_is_read_once(heavy):
    options = ("--rule-file", str(heavy), "--start", "x=-1,y=1")
    first, _ = in_a_process("minimize", ROSENBROCK, *options)
    second, imported = in_a_process("minimize", ROSENBROCK, *options)
    assert "method heavy" in first
    assert (second, imported) == (first, [])


def _truncated(folder):
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[:100])


def _emptied(folder):
    for file in folder.iterdir():
        file.write_bytes(b"")


def _garbled(folder):
    for file in folder.iterdir():
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)


def _made_a_file(folder):
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.write_bytes(b"")


def _opened_to_all(folder):
    folder.chmod(0o777)
    for file in folder.iterdir():
        file.chmod(0o666)


DAMAGES = (_truncated, _emptied, _garbled, _made_a_file, _opened_to_all)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Return a store that holds a run, and what that run printed."""
    folder = tmp_path_factory.mktemp("store") / "cache"
    printed, _ = in_a_process("minimize", ROSENBROCK, *BY_HAND, folder=folder)
    return {file.name: file.read_bytes() for file in folder.iterdir()}, printed


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_as_good_as_none(damage, filled, tmp_path):
    content, expected = filled
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    for name, data in content.items():
        (folder / name).write_bytes(data)
    damage(folder)
    printed, imported = in_a_process("minimize", ROSENBROCK, *BY_HAND, folder=folder)
    assert printed == expected
    assert "sympy" in imported  # the formula was read again
