"""Texts of strangers: nothing is run, read or started, and nobody waits for long."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.promises import hostile

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="limits are those of Linux"
)


@pytest.mark.parametrize("kind", hostile.CORPUS)
def test_no_text_does_harm(kind, tmp_path):
    environment = os.environ | {"SYMGD_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.promises.hostile", kind],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_the_corpus_is_large():
    assert sum(map(len, hostile.CORPUS.values())) >= 200


def test_what_does_harm_is_seen(monkeypatch, capsys):
    def harmful(kind, text):
        if text == "print":
            hostile.watched("os.system", ("id",))
        if text == "help(x)":
            raise MemoryError

    monkeypatch.setattr(hostile, "given", harmful)
    monkeypatch.setattr(hostile.resource, "setrlimit", lambda *_: None)
    monkeypatch.setattr(hostile.sys, "addaudithook", lambda _: None)
    hostile.main("code")
    wrong = json.loads(capsys.readouterr().out)
    assert wrong == ["'help(x)' raised MemoryError: ", "'print' did os.system"]
