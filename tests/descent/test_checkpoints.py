"""Checkpoints that lie: refused, or the run goes on as one that may have been there."""

import json
import os
import random
import tracemalloc
import zipfile
from ctypes import c_int64

import numpy as np
import pytest

from symgd import InputError, Objective, minimize
from symgd.descent import checkpoints
from symgd.native import records

RECORDS = {
    len(kind.kinds()): kind.kinds()
    for kind in (records.RunState, records.InteriorState)
}
PLACES = list(records.RunState.kinds())
ROSENBROCK = "(1 - x)**2 + 100*(y - x**2)**2"
CHAIN = "sum((x[i + 1] - x[i]**2)**2 + (1 - x[i])**2/9 for i in range(n - 1))"
LINE = Objective(
    "sum((y[i] - a*t[i])**2 for i in range(n))",
    data={"t": np.arange(6.0), "y": np.ones(6)},
)
PLAIN = {"objective": ROSENBROCK, "x0": [-1.2, 1.0], "gtol": 0.0}
RUNS = {
    "default method": PLAIN,
    "automatic steps": PLAIN | {"method": "gd", "step_size": "auto"},
    "rule": PLAIN | {"method": "adam"},
    "trace": PLAIN | {"method": "adam", "trace": 2},
    "gathering": PLAIN | {"objective": CHAIN, "x0": np.zeros(5), "method": "momentum"},
    "arrays": PLAIN
    | {"objective": CHAIN, "x0": np.zeros(5), "method": "momentum", "trace": True},
    "products": PLAIN
    | {
        "objective": "sum(exp(12*i/n)*x[i]**2*(1 + x[i]**2) for i in range(n))",
        "x0": np.exp(-np.arange(60) / 5),
    },
    "constraints": PLAIN | {"subject_to": ["x + y == 1", "x*y <= 1"]},
    "many constraints": PLAIN
    | {
        "objective": CHAIN,
        "x0": np.zeros(12),
        "subject_to": "x[i + 1] - x[i] <= 0.05 for i in range(n - 1)",
    },
    "batches": {"objective": LINE, "x0": [0.0], "method": "adam", "batch_size": 4},
}
HOSTILE = [-(10**9), -1, 1, 3, 2**62]
REFUSED = (
    r"is no checkpoint of symgd, or a damaged one: name another file, or delete it"
)


@pytest.fixture(params=RUNS)
def stored(request, tmp_path):
    """Return a run, and a function that forges the checkpoint it left."""
    file = tmp_path / "run.npz"
    run = RUNS[request.param] | {"checkpoint": file}
    minimize(maxiter=20, **run)
    facts, content = checkpoints._read(file)

    def forge(change):
        copy = json.loads(json.dumps(facts))
        arrays = {name: numbers.copy() for name, numbers in content.items()}
        changed = change(copy, arrays)
        write(file, copy if changed is None else changed, arrays)

    return run, forge


def write(file, facts, arrays):
    words = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    digest = np.frombuffer(checkpoints._digest(words.tobytes(), arrays), np.uint8)
    np.savez(file, facts=words, digest=digest, **arrays)


def goes_on(run):
    """Go on; return whether the checkpoint was accepted."""
    try:
        result = minimize(maxiter=30, **run)
    except InputError:
        return False
    assert result.nit <= 2**53
    assert np.isfinite(result.x).all()
    return True


def test_no_counter_makes_a_run_leave_its_arrays_or_never_end(stored):
    run, forge = stored
    refused = 0
    record = {}
    forge(lambda _, arrays: record.update(RECORDS[len(arrays["counters"])]))
    counts = [place for place, k in enumerate(record) if record[k] is c_int64]
    for place in counts:
        for number in HOSTILE:

            def change(_, arrays, place=place, number=number):
                arrays["counters"][place] = number

            forge(change)
            refused += not goes_on(run)
    assert refused > 75


@pytest.mark.parametrize("by", [-1, 1, 1000])
def test_arrays_of_other_lengths_or_types_are_refused(stored, by):
    run, forge = stored

    sizes = {}
    forge(lambda _, arrays: sizes.update({k: a.size for k, a in arrays.items()}))
    assert goes_on(run)
    for name, size in sizes.items():

        def longer(_, arrays, name=name, size=size):
            arrays[name] = np.resize(arrays[name], size + by if size else abs(by))

        def smaller(_, arrays, name=name):
            with np.errstate(over="ignore"):
                arrays[name] = arrays[name].astype("f4")

        for change in (longer, smaller):
            forge(change)
            assert not goes_on(run)


def test_numbers_that_are_not_finite_are_refused(stored):
    run, forge = stored
    for value in (np.nan, np.inf):
        for name in ("slots", "iterates", "start"):

            def change(_, arrays, name=name, value=value):
                arrays.get(name, arrays["start"])[:] = value

            forge(change)
            assert not goes_on(run)


STRANGE = [
    lambda facts, _: [facts],
    lambda facts, _: facts | {"plan": []},
    lambda facts, _: facts | {"status": 99},
    lambda facts, _: facts | {"status": None},
    lambda facts, _: {"format": facts["format"]},
    lambda facts, _: {k: v for k, v in facts.items() if k != "identity"},
    lambda facts, _: {k: v for k, v in facts.items() if k != "plan"},
    lambda facts, _: facts | {"identity": [1]},
    lambda _, arrays: arrays.pop("start").sort(),
    lambda _, arrays: arrays.update(more=arrays["start"]),
    lambda _, arrays: (
        arrays["counters"].view("f8").__setitem__(PLACES.index("gtol"), 1e9)
    ),
    lambda _, arrays: arrays.update(start=arrays["start"].reshape(1, -1)),
]


@pytest.mark.parametrize("change", STRANGE)
def test_strange_facts_are_refused(change, tmp_path):
    file = tmp_path / "run.npz"
    run = PLAIN | {"method": "adam", "checkpoint": file}
    minimize(maxiter=20, **run)
    facts, arrays = checkpoints._read(file)
    arrays = {name: numbers.copy() for name, numbers in arrays.items()}
    changed = change(facts, arrays)
    write(file, facts if changed is None else changed, arrays)
    with pytest.raises(InputError, match=REFUSED):
        minimize(maxiter=30, **run)


@pytest.mark.parametrize(
    "plan",
    [
        {"stages": [], "stage_end": -5, "stalled_at": -1},
        {"stages": [], "stage_end": 10**6, "stalled_at": -1},
        {"stages": [["newton", 3]], "stage_end": 2000, "stalled_at": -1},
        {"stages": 3, "stage_end": 2000, "stalled_at": -1},
        {"stages": []},
    ],
)
def test_stages_that_come_to_no_end_are_refused(plan, tmp_path):
    file = tmp_path / "run.npz"
    run = PLAIN | {"checkpoint": file}
    minimize(maxiter=20, **run)
    facts, arrays = checkpoints._read(file)
    write(file, facts | {"plan": plan}, arrays)
    with pytest.raises(InputError, match=REFUSED):
        minimize(maxiter=30, **run)


def test_an_order_that_repeats_rows_is_refused(tmp_path):
    run = RUNS["batches"] | {"checkpoint": tmp_path / "run.npz"}
    minimize(maxiter=20, **run)
    facts, arrays = checkpoints._read(run["checkpoint"])
    for order in ([0, 1, 2, 3, 4, 4], [1, 2, 3, 4, 5, 6], [-1, 0, 1, 2, 3, 4]):
        write(run["checkpoint"], facts, arrays | {"order": np.array(order)})
        with pytest.raises(InputError, match=REFUSED):
            minimize(maxiter=30, **run)


def test_what_is_compressed_is_not_read(tmp_path):
    file = tmp_path / "run.npz"
    run = PLAIN | {"checkpoint": file}
    minimize(maxiter=20, **run)
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match=REFUSED):
        minimize(maxiter=30, **run)


def test_any_flipped_bit_is_found_or_changes_nothing(tmp_path):
    file, draws = tmp_path / "run.npz", random.Random(0)
    run = PLAIN | {"method": "adam", "checkpoint": file}
    whole = minimize(maxiter=30, **PLAIN, method="adam")
    minimize(maxiter=20, **run)
    good, refused = file.read_bytes(), 0
    for _ in range(100):
        bad = bytearray(good)
        bad[draws.randrange(len(bad))] ^= 1 << draws.randrange(8)
        file.write_bytes(bad)
        try:
            result = minimize(maxiter=30, **run)
            assert result.x.tobytes() == whole.x.tobytes()
        except InputError:
            refused += 1
    assert refused > 50


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_nobody_waits_for_a_pipe(tmp_path):
    file = tmp_path / "run.npz"
    os.mkfifo(file)
    with pytest.raises(InputError, match="it is a pipe or a device, not a file"):
        minimize(**PLAIN, checkpoint=file)
    file.unlink()
    minimize(**PLAIN, maxiter=5, checkpoint=file)
    file.write_bytes(b"damaged")
    for name in ("run.npz.previous", ".run.npz.part", ".run.npz.previous.part"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=r"npz\.previous is no checkpoint"):
        minimize(**PLAIN, checkpoint=file)
    file.unlink()
    minimize(**PLAIN, maxiter=5, checkpoint=file)
    assert [each.name for each in tmp_path.iterdir()] == ["run.npz"]


@pytest.mark.parametrize("name", ["x" * 300, "x" * 250, "null\0null"])
def test_a_name_that_no_file_can_have_is_refused(name, tmp_path):
    with pytest.raises(
        InputError, match=r"can't be written: (File name too long|.*null)"
    ):
        minimize(**PLAIN, checkpoint=tmp_path / name)


def test_a_file_that_is_cut_short_anywhere_is_refused(tmp_path):
    file, draws = tmp_path / "run.npz", random.Random(1)
    run = PLAIN | {"method": "adam", "checkpoint": file}
    minimize(maxiter=20, **run)
    good = file.read_bytes()
    for length in (0, 1, 22, *draws.sample(range(len(good)), 40), len(good) - 1):
        file.write_bytes(good[:length])
        with pytest.raises(InputError, match=REFUSED):
            minimize(maxiter=30, **run)


@pytest.mark.parametrize("name", ["facts", "slots", "recorded", "digest", "more"])
def test_a_bomb_is_not_unpacked(name, tmp_path):
    file = tmp_path / "run.npz"
    run = PLAIN | {"method": "adam", "trace": True, "checkpoint": file}
    minimize(maxiter=20, **run)
    with zipfile.ZipFile(file) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for each, content in members.items():
            if each != f"{name}.npy":
                archive.writestr(each, content)
        how = {"compress_type": zipfile.ZIP_DEFLATED, "compresslevel": 9}
        archive.writestr(f"{name}.npy", bytes(2**28), **how)
    assert file.stat().st_size < 2**19
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=REFUSED):
            minimize(maxiter=30, **run)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
