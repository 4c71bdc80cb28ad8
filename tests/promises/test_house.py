"""The house: rooms in one order, imports that point down, names that are told apart."""

import ast
import functools
from collections import Counter
from pathlib import Path

import pytest

import symgd

ROOT = Path(symgd.__file__).parent
ORDER = (
    *("errors", "arithmetic", "native", "language", "calculus", "rules"),
    *("lowering", "kernels", "objectives", "insight", "descent", "many"),
    *("fitting", "plotting", "pages", "exporting", "sklearn", "cli", "testing"),
)
DOORS = ("__init__", "__main__")  # of symgd itself: they load what is asked for
FILES_AT_TOP = ("errors", "sklearn")  # what users import by these names
FACES = ("cli", "testing")  # rooms that are such a name themselves
ENTRIES = 22  # in symgd/, all told
FLOORS = 13  # of rooms above each other
FILES = [f for f in sorted(ROOT.rglob("*.py")) if f.parent != ROOT or f.stem in ORDER]


def name_of(file):
    """Return the name of a file's module."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(("symgd", *(part for part in parts if part != "__init__")))


def room_of(module):
    return module.split(".")[1]


MODULES = {name_of(file): file for file in FILES}


@functools.cache
def imported(module):
    """Return the modules that a file imports, inside of functions and for types too."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("symgd"):
            wholes = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {w if w in MODULES else node.module for w in wholes}
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.startswith("symgd")}
    return frozenset(found - {module})


def heights(uses):
    """Return the height of each node above the ground; what is in a circle has none."""
    known, left = {}, dict(uses)
    while ground := {m for m, others in left.items() if not others & left.keys()}:
        floor = {m: 1 + max((known[o] for o in left[m] & known.keys()), default=0)
                 for m in ground}  # fmt: skip
        known |= floor
        left = {m: others for m, others in left.items() if m not in ground}
    return known


def test_every_entry_is_a_room_or_a_door():
    entries = {e.name for e in ROOT.iterdir() if not e.name.startswith("__pycache__")}
    files = {f"{name}.py" for name in (*DOORS, *FILES_AT_TOP)} | {"py.typed"}
    assert entries == files | {*ORDER} - {*FILES_AT_TOP}
    assert len(entries) <= ENTRIES


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    below = {*ORDER[: ORDER.index(room_of(module)) + 1]}
    others = imported(module)
    assert "symgd" not in others, "the door above all rooms"
    assert not {m for m in others if room_of(m) not in below}


def test_no_circle_among_files():
    uses = {module: imported(module) for module in MODULES}
    assert uses.keys() - heights(uses).keys() == set()


@pytest.mark.parametrize("room", [room for room in ORDER if (ROOT / room).is_dir()])
def test_no_circle_within_a_room_whose_folders_are_one_thing(room):
    def part_of(module):
        return ".".join(module.split(".")[:3])

    uses = {part_of(module): set() for module in MODULES if room_of(module) == room}
    for module in MODULES:
        if room_of(module) == room:
            others = {part_of(o) for o in imported(module) if room_of(o) == room}
            uses[part_of(module)] |= others - {part_of(module)}
    assert uses.keys() - heights(uses).keys() == set()


def test_no_room_names_another_one_in_text():
    """An arrow up that is hidden in a string is one, too."""
    for module, file in MODULES.items():
        above = {*ORDER[ORDER.index(room_of(module)) + 1 :]}
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in ("import_module", "__import__"):
                    text = ast.unparse(node.args[0])
                    assert not {r for r in above if f"symgd.{r}" in text}, module


def test_the_house_is_not_too_high():
    uses = {room: set() for room in ORDER}
    for module in MODULES:
        uses[room_of(module)] |= {*map(room_of, imported(module))} - {room_of(module)}
    assert max(heights(uses).values()) <= FLOORS


def test_a_room_says_what_it_is_and_loads_nothing():
    for face in ROOT.glob("*/__init__.py"):
        if face.parent.name not in FACES:
            (only,) = ast.parse(face.read_text("utf-8")).body
            assert isinstance(only, ast.Expr), face


def test_no_two_modules_have_the_same_name():
    counted = Counter(file.stem for file in FILES if file.stem != "__init__")
    assert [name for name, count in counted.items() if count > 1] == []


def test_no_two_public_classes_have_the_same_name():
    """Aliases of types count as classes: their names are read in the same places."""
    counted = Counter()
    for file in FILES:
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                counted[node.name] += 1
            elif isinstance(node, ast.AnnAssign) and "TypeAlias" in ast.dump(node):
                counted[node.target.id] += not _stands_for_any(node)
    twice = [n for n, count in counted.items() if count > 1 and not n.startswith("_")]
    assert twice == []


def _stands_for_any(node):
    """Return whether a name stands for a class of a room above."""
    return isinstance(node.value, ast.Name) and node.value.id == "Any"


@pytest.mark.parametrize("package", ["numba", "matplotlib", "hypothesis"])
def test_what_is_slow_to_import_is_imported_in_its_room_only(package):
    at_home = {"numba": ("lowering", "kernels"), "matplotlib": ("plotting",)}
    at_home["hypothesis"] = ("testing",)
    for module, file in MODULES.items():
        if room_of(module) in at_home.get(package, ()):
            continue
        for node in ast.parse(file.read_text("utf-8")).body:
            names = [alias.name for alias in getattr(node, "names", [])]
            names.append(getattr(node, "module", None) or "")
            assert package not in {name.split(".")[0] for name in names}, module
