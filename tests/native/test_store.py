"""The store: shared by processes, bounded, private, and never in the way."""

import builtins
import errno
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import platformdirs
import pytest

import symgd
from symgd.native import store

KEY, OTHER = store.digest(["a key"]), store.digest(["another key"])
KIB = 1024
POSIX = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="users as POSIX has them")


@pytest.fixture
def place(tmp_path, monkeypatch):
    place = tmp_path / "nested" / "store"
    monkeypatch.setenv("SYMGD_CACHE_DIR", str(place))
    monkeypatch.delenv("SYMGD_CACHE_SIZE", raising=False)
    return place


def file_of(key):
    return store.folder() / f"{key}.symgd"


def keys(count, first=""):
    """Return keys; with the first digit "0" each makes room when it is put."""
    return [first + store.digest([str(i)])[len(first) :] for i in range(count)]


def aged(file, seconds):
    then = time.time() - seconds
    os.utime(file, (then, then))


def python(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


# ------------------------------------------------------------------- entries


@pytest.mark.parametrize("payload", [b"", b"x", bytes(range(256)) * 1000])
def test_an_entry_is_read_as_it_was_written(place, payload):
    assert store.get(KEY) is None
    assert store.put(KEY, payload)
    assert store.get(KEY) == payload
    assert store.get(OTHER) is None


def test_an_entry_is_replaced(place):
    store.put(KEY, b"old")
    store.put(KEY, b"new")
    assert store.get(KEY) == b"new"
    assert store.contents().entries == 1


def test_digests_differ_wherever_the_parts_do():
    parts = [[], [""], ["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["\ud800"]]
    assert len({store.digest(each) for each in parts}) == len(parts)


def _flipped(content, index):
    changed = bytearray(content)
    changed[index] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:10],
        lambda content: content[:32],
        lambda content: content[:-1],
        lambda content: content + b"x",
        lambda content: _flipped(content, 0),
        lambda content: _flipped(content, -1),
    ],
)
def test_a_damaged_entry_is_refused_and_then_replaced(place, damage):
    store.put(KEY, b"the code")
    file_of(KEY).write_bytes(damage(file_of(KEY).read_bytes()))
    assert store.get(KEY) is None
    assert store.put(KEY, b"the code")
    assert store.get(KEY) == b"the code"


def test_an_entry_under_the_name_of_another_is_refused_and_then_replaced(place):
    store.put(KEY, b"the code")
    file_of(KEY).rename(file_of(OTHER))
    assert store.get(OTHER) is None
    assert store.put(OTHER, b"the other code")
    assert store.get(OTHER) == b"the other code"


# ----------------------------------------------------- where nothing can be kept


def _nothing_is_kept():
    return not store.put(KEY, b"x") and store.get(KEY) is None and not store.clear()


def test_a_file_in_the_place_of_the_folder(place):
    place.parent.mkdir()
    place.write_text("not a folder")
    assert _nothing_is_kept()
    assert store.contents().entries == 0
    assert place.read_text() == "not a folder"


def test_a_file_above_the_folder(place):
    place.parent.write_text("not a folder")
    assert _nothing_is_kept()


def test_a_folder_in_the_place_of_an_entry(place):
    place.mkdir(parents=True, mode=0o700)
    file_of(KEY).mkdir()
    assert _nothing_is_kept()
    assert os.listdir(place) == [file_of(KEY).name]


def test_a_folder_that_cannot_be_written(place, monkeypatch):
    store.put(KEY, b"x")

    def refuse(path, flags, *rest, real=os.open):
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "no")
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", refuse)
    assert not store.put(OTHER, b"y")
    assert store.get(KEY) == b"x"


def test_a_full_disk_leaves_nothing(place, monkeypatch):
    def full(path, *rest, real=builtins.open, **named):
        file = real(path, *rest, **named)
        if "x" not in rest[0]:
            return file
        file.close()
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(builtins, "open", full)
    assert not store.put(KEY, b"x")
    assert os.listdir(place) == []


def test_an_interruption_leaves_nothing_and_is_not_swallowed(place, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.put(KEY, b"x")
    assert os.listdir(place) == []


def test_an_entry_on_a_read_only_disk_is_read(place, monkeypatch):
    store.put(KEY, b"x")

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "read only")

    monkeypatch.setattr(os, "utime", refuse)
    assert store.get(KEY) == b"x"


def _raises(*_):
    raise RuntimeError("could not determine the home directory")


@pytest.mark.parametrize(
    "told", [_raises, lambda *_: Path("~/.cache/symgd")], ids=["raises", "tilde"]
)
def test_where_no_home_is_known_entries_are_among_temporary_files(
    monkeypatch, tmp_path, told
):
    monkeypatch.delenv("SYMGD_CACHE_DIR")
    monkeypatch.setattr(platformdirs, "user_cache_path", told)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert store.put(KEY, b"x")
    assert store.get(KEY) == b"x"
    assert store.folder().parent == tmp_path
    assert os.listdir(tmp_path) == [store.folder().name]


def test_a_tilde_in_the_variable_is_the_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("SYMGD_CACHE_DIR", "~/kept")
    assert store.folder() == tmp_path / "kept"


# ------------------------------------------------------------------- privacy


@POSIX
def test_what_is_written_is_private_whatever_the_umask(place):
    before = os.umask(0)
    try:
        store.put(KEY, b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE(file_of(KEY).stat().st_mode) == 0o600


@POSIX
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_folder_that_others_can_write_is_left_alone(place, mode):
    store.put(KEY, b"x")
    place.chmod(mode)
    assert store.get(KEY) is None
    assert not store.put(OTHER, b"y")
    assert os.listdir(place) == [file_of(KEY).name]
    assert not store.contents().private
    place.chmod(0o755)
    assert store.get(KEY) == b"x"
    assert store.contents().private


@POSIX
@pytest.mark.parametrize("mode", [0o660, 0o606])
def test_a_file_that_others_can_write_is_not_read(place, mode):
    store.put(KEY, b"x")
    file_of(KEY).chmod(mode)
    assert store.get(KEY) is None
    store.put(KEY, b"y")
    assert store.get(KEY) == b"y"


@POSIX
def test_the_folder_of_another_user_is_left_alone(place, monkeypatch):
    store.put(KEY, b"x")
    monkeypatch.setattr(os, "geteuid", lambda: place.stat().st_uid + 1)
    assert store.get(KEY) is None
    assert not store.put(OTHER, b"y")
    assert os.listdir(place) == [file_of(KEY).name]


@POSIX
def test_who_runs_counts_not_who_started(place, monkeypatch):
    # In a program with the rights of its owner, the one who starts it names the folder.
    store.put(KEY, b"x")
    monkeypatch.setattr(os, "geteuid", lambda: place.stat().st_uid + 1)
    monkeypatch.setattr(os, "getuid", lambda: place.stat().st_uid)
    assert store.get(KEY) is None


@POSIX
def test_the_file_of_another_user_is_not_read(place, monkeypatch):
    store.put(KEY, b"x")

    def of_another(descriptor, real=os.fstat):
        fields = list(real(descriptor))
        fields[stat.ST_UID] += 1
        return os.stat_result(fields)

    monkeypatch.setattr(os, "fstat", of_another)
    assert store.get(KEY) is None


def test_a_system_without_users(place, monkeypatch):
    monkeypatch.delattr(os, "geteuid", raising=False)
    monkeypatch.delattr(os, "getuid", raising=False)
    assert store.put(KEY, b"x")
    place.chmod(0o777)  # as every folder looks there
    file_of(KEY).chmod(0o666)
    assert store.get(KEY) == b"x"


@POSIX
def test_a_link_in_the_place_of_an_entry_is_not_followed(place, tmp_path):
    store.put(KEY, b"x")
    elsewhere = tmp_path / "elsewhere"
    file_of(KEY).rename(elsewhere)
    file_of(KEY).symlink_to(elsewhere)
    assert store.get(KEY) is None
    assert store.contents().entries == 0
    assert store.put(KEY, b"y")
    assert store.get(KEY) == b"y"
    assert elsewhere.read_bytes().endswith(b"x")


@POSIX
def test_a_link_to_the_folder_is_followed(place, tmp_path):
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    place.parent.mkdir()
    place.symlink_to(real)
    assert store.put(KEY, b"x")
    assert store.get(KEY) == b"x"
    real.chmod(0o777)
    assert store.get(KEY) is None


@POSIX
def test_a_pipe_in_the_place_of_an_entry_is_not_waited_for(place):
    place.mkdir(parents=True, mode=0o700)
    os.mkfifo(file_of(KEY), 0o600)
    answers = []
    reader = threading.Thread(target=lambda: answers.append(store.get(KEY)))
    reader.start()
    reader.join(60)  # a safety net: nothing is to be waited for
    if reader.is_alive():  # let it go on, so that the test can end
        os.close(os.open(file_of(KEY), os.O_WRONLY))
        reader.join()
        pytest.fail("it was waited for")
    assert answers == [None]


# ---------------------------------------------------------------------- size


def test_what_was_not_used_for_longest_goes_first(place, monkeypatch):
    monkeypatch.setenv("SYMGD_CACHE_SIZE", "1")
    names = keys(8)
    for age, key in enumerate(names):
        store.put(key, bytes(120 * KIB))
        aged(file_of(key), 1000 - age)
    assert store.get(names[0]) is not None  # now it is the one used last
    store.put(KEY, bytes(300 * KIB))
    kept = [store.get(key) is not None for key in names]
    assert kept == [True, False, False, *[True] * 5]
    assert store.get(KEY) is not None
    assert store.contents().size <= store.contents().capacity == 1024 * KIB


def test_what_was_just_written_stays_even_if_it_is_too_large(place, monkeypatch):
    monkeypatch.setenv("SYMGD_CACHE_SIZE", "1")
    store.put(OTHER, b"x")
    assert store.put(KEY, bytes(2048 * KIB))
    assert store.get(KEY) is not None
    assert store.get(OTHER) is None


def test_what_was_just_written_stays_even_if_others_are_of_tomorrow(place, monkeypatch):
    monkeypatch.setenv("SYMGD_CACHE_SIZE", "1")
    store.put(OTHER, bytes(600 * KIB))
    aged(file_of(OTHER), -100_000)
    store.put(KEY, bytes(600 * KIB))
    assert store.get(KEY) is not None
    assert store.get(OTHER) is None


def test_small_entries_do_not_look_at_all_others_each_time(place, monkeypatch):
    monkeypatch.setenv("SYMGD_CACHE_SIZE", "0.5")
    looks = []

    def scandir(path, real=os.scandir):
        looks.append(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    for key in keys(400):
        assert store.put(key, bytes(4 * KIB))
    assert 0 < len(looks) < 100
    held = store.contents()
    assert held.capacity // 2 < held.size < 2 * held.capacity


def test_what_another_process_removes_makes_room_too(place, monkeypatch):
    monkeypatch.setenv("SYMGD_CACHE_SIZE", "1")
    for age, key in enumerate(keys(8)):
        store.put(key, bytes(120 * KIB))
        aged(file_of(key), 1000 - age)

    def overtaken(file):
        file.unlink()
        return False

    monkeypatch.setattr(store, "_removed", overtaken)
    store.put(KEY, bytes(120 * KIB))
    assert store.contents().entries == 8


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, 256 * 1024 * KIB),
        ("", 256 * 1024 * KIB),
        ("1", 1024 * KIB),
        ("0.5", 512 * KIB),
        ("0", 0),
        ("-3", 0),
        ("plenty", 256 * 1024 * KIB),
        ("inf", 256 * 1024 * KIB),
        ("nan", 256 * 1024 * KIB),
    ],
)
def test_the_size_is_given_in_mebibytes(place, monkeypatch, given, expected):
    if given is not None:
        monkeypatch.setenv("SYMGD_CACHE_SIZE", given)
    assert store.capacity() == store.contents().capacity == expected


def test_a_store_without_room_is_off(place, monkeypatch):
    store.put(KEY, b"x")
    monkeypatch.setenv("SYMGD_CACHE_SIZE", "0")
    assert store.get(KEY) is None
    assert not store.put(OTHER, b"x")
    assert os.listdir(place) == [file_of(KEY).name]


# --------------------------------------------------------- only its own files


def test_only_its_own_files_are_counted_and_removed(place):
    for key in (KEY, OTHER):
        store.put(key, b"four")
    foreign = [KEY, f"{KEY.upper()}.symgd", f"{KEY}x.symgd", ".new-abc", "a.txt"]
    for name in foreign:
        (place / name).write_text("not the store's")
    (place / f"{store.digest(['folder'])}.symgd").mkdir()
    held = store.contents()
    assert held.folder == place
    assert (held.entries, held.size) == (2, 2 * (32 + 4))
    assert store.clear() == 2
    assert store.contents().entries == 0
    assert set(foreign) < set(os.listdir(place))
    assert len(os.listdir(place)) == len(foreign) + 1


def test_a_store_that_was_never_used(place):
    held = store.contents()
    assert (held.folder, held.entries, held.size, held.private) == (place, 0, 0, True)
    assert store.clear() == 0
    assert not place.exists()


CRASHING = """
import os, sys
from symgd.native import store
os.replace = lambda *_: os._exit(7)
store.put(sys.argv[1], b"never there")
"""


def test_what_a_crash_leaves_is_no_entry_and_goes_when_it_is_old(place):
    crashed = python(CRASHING, KEY)
    crashed.communicate()
    assert crashed.returncode == 7
    (left,) = place.iterdir()
    assert store.get(KEY) is None
    assert store.contents().entries == 0
    (first, second) = keys(2, first="0")
    store.put(first, b"x")
    assert store.clear() == 1
    assert left.exists()  # another process may still be writing it
    aged(left, store.ABANDONED + 100)
    store.put(second, b"x")
    assert not left.exists()


def test_clear_takes_what_is_abandoned_but_does_not_count_it(place):
    store.put(KEY, b"x")
    left = place / f"{KEY}.0123456789abcdef.new"
    left.write_bytes(b"")
    aged(left, store.ABANDONED + 100)
    assert store.clear() == 1
    assert os.listdir(place) == []


# ------------------------------------------------------------ many processes

BUSY = """
import sys
from symgd.native import store
which = int(sys.argv[1])
shared = [store.digest([str(i)]) for i in range(4)]
for turn in range(60):
    for i, key in enumerate(shared):
        payload = bytes([65 + i]) * (1000 * (1 + (which + turn) % 50))
        assert store.put(key, payload)
        got = store.get(key)
        assert got is not None, "half a file"
        assert set(got) == {65 + i}
    own = store.digest([f"{which} {turn}"])
    assert store.put(own, own.encode())
    assert store.get(own) == own.encode()
print("done")
"""


def test_many_processes_write_the_same_and_others(place):
    running = [python(BUSY, which) for which in range(4)]
    answers = [each.communicate()[0] for each in running]
    assert answers == ["done\n"] * 4
    assert store.contents().entries == 4 + 4 * 60
    assert len(os.listdir(place)) == 4 + 4 * 60  # and nothing else is left


EVICTING = """
import sys
from symgd.native import store
for turn in range(60):
    key = store.digest([f"{sys.argv[1]} {turn}"])
    assert store.put(key, bytes(100 * 1024))
    assert store.get(key) in (None, bytes(100 * 1024))
    store.contents()
    if turn == 30:
        store.clear()
print("done")
"""


def test_many_processes_make_room_at_once(place, monkeypatch):
    monkeypatch.setenv("SYMGD_CACHE_SIZE", "1")
    running = [python(EVICTING, which) for which in range(4)]
    answers = [each.communicate()[0] for each in running]
    assert answers == ["done\n"] * 4
    store.put(KEY, bytes(100 * KIB))
    held = store.contents()
    assert held.capacity // 2 < held.size <= held.capacity
    assert len(os.listdir(place)) == held.entries


# ------------------------------------------------------------------- sources


@pytest.fixture
def package(tmp_path, monkeypatch):
    package = tmp_path / "package"
    (package / "inner").mkdir(parents=True)
    (package / "a.py").write_text("one")
    (package / "inner" / "b.py").write_text("two")
    monkeypatch.setattr(store, "PACKAGE", package)
    return package


def test_other_sources_have_another_digest(package):
    seen = [store.sources()]
    (package / "inner" / "b.py").write_text("2.0")
    seen.append(store.sources())
    (package / "inner" / "b.py").rename(package / "inner" / "c.py")
    seen.append(store.sources())
    (package / "d.py").touch()
    seen.append(store.sources())
    assert len(set(seen)) == 4
    assert store.sources() == seen[-1]


def test_the_sources_are_those_of_all_rooms():
    assert Path(symgd.__file__).parent == store.PACKAGE


def test_sources_that_are_not_there_have_none(package):
    (package / "a.py").unlink()
    (package / "inner" / "b.py").unlink()
    assert store.sources() is None


def test_the_sources_are_read_once_each(package, monkeypatch):
    read, seen = Path.read_bytes, []
    monkeypatch.setattr(Path, "read_bytes", lambda f: seen.append(f.name) or read(f))
    assert store.sources()
    assert sorted(seen) == ["a.py", "b.py"]
