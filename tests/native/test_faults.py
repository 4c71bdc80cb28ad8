"""Whatever has become of the cache, the next process computes the same bits."""

import os
import random
import subprocess
import sys

import pytest

PROGRAM = """
import symgd
valley = "(1 - x)**2 + 100*(y - x**2)**2"
result = symgd.minimize(valley, [-1.2, 1], method="gd", step_size=1e-3, maxiter=60)
print(result.x.tobytes().hex(), result.status.name)
"""


def computed(place):
    environment = os.environ | {"SYMGD_CACHE_DIR": str(place)}
    command = [sys.executable, "-X", "faulthandler", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return what is computed, and the entries that it leaves in a cache."""
    place = tmp_path_factory.mktemp("whole") / "cache"
    told = computed(place)
    entries = {file.name: file.read_bytes() for file in place.iterdir()}
    assert len(entries) > 1
    return told, entries


def each(change):
    """Return what changes every entry of a cache."""

    def damage(place):
        for file in place.iterdir():
            file.write_bytes(change(file.read_bytes()))

    return damage


def flipped(content):
    draws, bad = random.Random(len(content)), bytearray(content)
    bad[draws.randrange(len(bad))] ^= 1 << draws.randrange(8)
    return bytes(bad)


def exchanged(place):
    """Give each entry the content of the next one."""
    files = sorted(place.iterdir())
    contents = [file.read_bytes() for file in files]
    for file, content in zip(files, [*contents[1:], contents[0]], strict=True):
        file.write_bytes(content)


def a_file_instead(place):
    for file in place.iterdir():
        file.unlink()
    place.rmdir()
    place.write_text("not a folder")


FAULTS = {  # one of each kind; tests/native/test_store.py has the others
    "a bit of each is flipped": each(flipped),
    "each has the content of another": exchanged,
    "a file is in its place": a_file_instead,
    "others may write to the entries": each(lambda content: content),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_same_bits_are_computed(fault, whole, tmp_path):
    told, entries = whole
    place = tmp_path / "cache"
    place.mkdir(mode=0o700)
    for name, content in entries.items():
        (place / name).write_bytes(content)
        (place / name).chmod(0o666 if "others may write to the e" in fault else 0o600)
    FAULTS[fault](place)
    assert computed(place) == told


def test_no_entry_that_is_damaged_stays(whole, tmp_path):
    told, entries = whole
    place = tmp_path / "cache"
    place.mkdir(mode=0o700)
    for name, content in entries.items():
        (place / name).write_bytes(flipped(content))
        (place / name).chmod(0o600)
    assert computed(place) == told
    mended = {file.name: file.read_bytes() for file in place.iterdir()}
    assert mended == entries
