"""Data flows one way: the README's order of modules is the order of imports."""

import ast
import re
from pathlib import Path

import symgd

PACKAGE = Path(symgd.__file__).parent
README = Path(__file__).parent.parent / "README.md"


def order():
    text = README.read_text("utf-8").split("## How it is built")[1]
    start = text.index("`errors`")
    return re.findall(r"`(\w+)`", text[start : text.index("`cli`") + 5])


def modules():
    """Return each module, folders as one, with those that it imports at its top."""
    found = {}
    for file in PACKAGE.rglob("*.py"):
        name = file.relative_to(PACKAGE).with_suffix("").parts[0]
        if name in ("__init__", "__main__"):
            continue
        imported = found.setdefault(name, set())
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module == "symgd":
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module.startswith("symgd."):
                imported.add(node.module.split(".")[1])
    return {name: imported & set(found) - {name} for name, imported in found.items()}


def test_each_module_imports_only_what_comes_before_it():
    places = {name: place for place, name in enumerate(order())}
    known = modules()
    assert set(places) == set(known)
    wrong = [
        f"{name} imports {other}"
        for name, imported in known.items()
        for other in imported
        if places[other] > places[name]
    ]
    assert wrong == []


def test_only_what_generates_code_and_loops_import_numba():
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(PACKAGE).parts
        tree = ast.parse(file.read_text("utf-8"))
        names = {
            alias.name.split(".")[0]
            for node in tree.body
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        names |= {
            node.module.split(".")[0]
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and node.module
        }
        if parts[0] not in ("lowering", "kernels"):
            assert "numba" not in names, file
        if not parts[0].startswith("plotting"):
            assert "matplotlib" not in names, file
