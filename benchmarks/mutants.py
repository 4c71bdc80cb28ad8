"""Do tests see what goes wrong? ``python -m benchmarks.mutants --each 30 --seed 0``.

Small changes are made to symgd, one at a time: another comparison, another operator,
another number, a condition turned round, a branch left out. Tests of the changed file
are to fail; changes with which they pass are listed. They may be equivalent: whoever
reads the list decides.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SECONDS = 600  # for the tests of one change
HEAVY = ("numba", "sympy", "scipy.optimize", "pandas")
SUMS = "symgd/objectives/scattered"
ENDS = ("tests/kernels/test_ends_of_iterations.py",)
FAR = tuple(f"tests/objectives/test_{n}.py" for n in ("scattered", "far_batches"))
RULES = tuple(
    f"tests/rules/test_{name}.py"
    for name in ("rule", "reductions", "evaluations", "noise", "of_arrays")
)
TARGETS: dict[str, dict[str, tuple[str, ...]]] = {
    "rules": {
        f"symgd/rules/{name}.py": RULES
        for name in ("rule", "equations", "evaluations", "reductions", "staging")
    },
    "projected gradient": {
        "symgd/lowering/projection.py": ENDS,
        "symgd/kernels/common.py:is_held,mark_free,largest_of,dot": ENDS,
        "symgd/descent/run.py:is_held,projected_norm": ENDS,
    },
    "stopping": {"symgd/kernels/common.py:judged,commit,begin": ENDS},
    "row sums": {
        f"{SUMS}/{name}.py": FAR for name in ("row_sums", "split_sums", "far_batches")
    }
    | {f"{SUMS}/partitions.py:added": FAR},
}
PAIRS = (
    *((ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq)),
    *((ast.Is, ast.IsNot), (ast.In, ast.NotIn)),
)
COMPARED = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}  # fmt: skip


def changes(tree: ast.Module, names: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Make each change in turn; yield its line, and what it is.

    Between two of them the tree is as it was. With names, only in functions called so.
    """
    own = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    roots = [n for n in own if n.name in names] if names else [tree]
    says_types = {id(part) for n in ast.walk(tree) for part in _types_of(n)}
    for root in roots:
        for node in ast.walk(root):
            if id(node) not in says_types:
                yield from _changed(node)


def _types_of(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is in the annotations of a node: nobody runs it."""
    for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
        yield from () if part is None else ast.walk(part)


def _changed(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARED:
        kept = node.ops[0]
        node.ops[0] = COMPARED[type(kept)]()
        yield node.lineno, f"{type(kept).__name__} to {type(node.ops[0]).__name__}"
        node.ops[0] = kept
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in OPERATORS:
        kind = node.op
        node.op = OPERATORS[type(kind)]()
        yield node.lineno, f"{type(kind).__name__} to {type(node.op).__name__}"
        node.op = kind
    elif isinstance(node, ast.BoolOp):
        whole = node.op
        node.op = ast.Or() if isinstance(whole, ast.And) else ast.And()
        yield node.lineno, f"{type(whole).__name__} to {type(node.op).__name__}"
        node.op = whole
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        value = node.value
        node.value = not value if isinstance(value, bool) else value + 1
        yield node.lineno, f"{value} to {node.value}"
        node.value = value
    elif isinstance(node, (ast.If, ast.IfExp)):
        test = node.test
        node.test = ast.UnaryOp(ast.Not(), test)
        yield node.lineno, "the condition turned round"
        node.test = test
    elif isinstance(node, ast.Return) and node.value is not None:
        value = node.value
        node.value = ast.Constant(None)
        yield node.lineno, "nothing returned"
        node.value = value


def drawn(
    targets: Mapping[str, Mapping[str, tuple[str, ...]]], each: int, seed: int
) -> Iterator[tuple[str, str, tuple[str, ...], str, str]]:
    """Return group, file, tests, changed text and description of some changes."""
    for group, files in targets.items():
        found = []
        for target, tests in files.items():
            file, _, names = target.partition(":")
            tree = ast.parse((ROOT / file).read_text())
            wanted = frozenset(names.split(",")) if names else frozenset()
            for line, what in changes(tree, wanted):
                text = ast.unparse(ast.fix_missing_locations(tree))
                found.append((group, file, tests, text, f"{file}:{line}: {what}"))
        random.Random(seed).shuffle(found)
        print(f"{group}: {min(each, len(found))} of {len(found)} changes", flush=True)
        yield from found[:each]


def is_seen(copy: Path, tests: tuple[str, ...], store: Path) -> bool:
    """Return whether some test of a copy of symgd fails.

    The process is a fork of this one, which has imported what takes long, and its store
    is a copy of one that has the kernels of symgd without changes.
    """
    if not (child := os.fork()):
        os.chdir(copy)
        sys.path[0] = str(copy)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        signal.alarm(SECONDS)
        tempfile.mkdtemp = _with_store(tempfile.mkdtemp, store)
        import pytest

        options = ["-x", "-q", "-p", "no:cacheprovider"]
        os._exit(int(pytest.main([*options, *tests]) != 0))
    return os.waitpid(child, 0)[1] != 0


def _with_store(usual: Any, store: Path) -> Any:
    def made(suffix: Any = None, prefix: Any = None, dir: Any = None) -> str:
        folder: str = usual(suffix, prefix, dir)
        if prefix == "symgd-tests-":
            shutil.rmtree(folder)
            os.symlink(store, folder)
        return folder

    return made


def main() -> None:
    """Make changes, and list those that no test sees."""
    parser = argparse.ArgumentParser("python -m benchmarks.mutants")
    parser.add_argument("--each", type=int, default=30, help="changes of a group")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="a group")
    parser.add_argument("--minutes", type=float, default=600.0)
    options = parser.parse_args()
    seen: dict[str, list[bool]] = {}
    end = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("symgd", "tests"):
            skipped = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, copy / part, ignore=skipped)
        shutil.copy(ROOT / "pyproject.toml", copy)
        asked = {g: f for g, f in TARGETS.items() if options.only in ("", g)}
        used = [tests for files in asked.values() for tests in files.values()]
        for module in HEAVY:
            importlib.import_module(module)
        warm, store = copy / "warm", copy / "store"
        warm.mkdir(mode=0o700)
        for tests in dict.fromkeys(used):
            if is_seen(copy, tests, warm):
                raise SystemExit(f"without any change, {' '.join(tests)} fail")
        for group, file, tests, text, what in drawn(asked, options.each, options.seed):
            if time.monotonic() > end:
                break
            (copy / file).write_text(text)
            shutil.copytree(warm, store)
            found = is_seen(copy, tests, store)
            shutil.rmtree(store)
            seen.setdefault(group, []).append(found)
            print("" if found else f"  not seen: {what}\n", end="", flush=True)
            shutil.copy(ROOT / file, copy / file)
    for group, each in seen.items():
        share = 100 * sum(each) / len(each)
        print(f"{group}: {sum(each)} of {len(each)} seen, {share:.0f} %")


if __name__ == "__main__":
    main()
