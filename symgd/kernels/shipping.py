"""Makes the loops that travel with symgd; to be run when one of them has changed.

``python -m symgd.kernels.shipping`` writes ``kernels/shipped``, ``... shipping FOLDER``
another folder, ``... --only NAME`` some of them. ``tests/kernels`` says when that is
due.

numba translates a loop without optimising it. LLVM then simplifies it as far as that
can be done for all processors: no loop is made wider or longer. What is left is plain
text that every LLVM from 20 on can read, the oldest that symgd runs with: names, notes
and what LLVM finds out again are left out, and a word that isn't known to be understood
everywhere is an error.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import os
import re
from pathlib import Path
from typing import Any

from symgd.kernels.shared import LOOPS, SHIPPED, digest_of
from symgd.native import machine, store

_NAME = r'("[^"]+"|[-\w.$]+)'
_BRACKETS = r"\((?:[^()]|\([^()]*\))*\)"
# What LLVM finds out about arguments and functions, by names that differ by version.
_PROMISES = re.compile(
    rf" (?:(?:captures|range|initializes|dereferenceable(?:_or_null)?){_BRACKETS}"
    r"|align \d+|#\d+|noundef|nonnull|noalias|nocapture|nofree|readonly|writeonly"
    r"|readnone|returned|immarg|(?:local_)?unnamed_addr)(?=[ ,)]|$)"
)
_LEFT_OUT = re.compile(
    r"^(?:target |source_filename|attributes |[!;]).*\n"
    r"|^.*@llvm\.lifetime.*\n"  # memory on the stack: each version has its own way
    r"|, ![\w.]+ !\d+| +;.*",
    re.MULTILINE,
)
KNOWN = frozenset(
    # functions and their parts, types, constants
    "define declare internal fastcc begin to label x i1 i8 i32 i64 ptr double void"
    " true false null"
    # instructions, and what they promise
    " ret br switch phi call tail select freeze alloca load store align getelementptr"
    " add sub mul sdiv srem udiv urem shl lshr ashr and or xor trunc zext sext"
    " fadd fsub fmul fdiv fneg fptosi sitofp uitofp ptrtoint inttoptr icmp fcmp eq ne"
    " ugt uge ult ule sgt sge slt sle oeq ogt oge olt ole one ord uno ueq une"
    " nuw nsw nneg exact disjoint samesign inbounds"
    # functions of LLVM's and of the C library
    " llvm fabs sqrt log f64 is fpclass smin smax umin umax abs memset memcpy p0"
    " fma floor ceil copysign pow exp expm1 log1p sin cos tan asin acos atan sinh cosh"
    " tanh asinh acosh atanh erf erfc unreachable"
    f" {machine.ENTRY}".split()
)


def main() -> None:
    """Write loops to a folder."""
    # Before numba is loaded: what it optimises, it optimises for this processor.
    os.environ["NUMBA_OPT"] = "0"
    parser = argparse.ArgumentParser("python -m symgd.kernels.shipping")
    parser.add_argument("folder", nargs="?", type=Path, default=SHIPPED)
    parser.add_argument("--only", nargs="+", choices=LOOPS, default=LOOPS)
    given = parser.parse_args()
    folder = given.folder
    folder.mkdir(exist_ok=True)
    for name in given.only:
        packed = gzip.compress(text_of(name).encode(), mtime=0)
        (folder / f"{name}.ll.gz").write_bytes(packed)
        print(f"{name}: {len(packed)} bytes")


def text_of(name: str) -> str:
    """Return a loop as it is to travel."""
    loop = LOOPS[name]
    function = loop.built()
    inner = function.native_name.removeprefix("cfunc.")
    module = machine.with_entry(function.inspect_llvm(), inner, loop.signature)
    _simplify(module)
    machine.refuse_addresses(module)
    text = _plain(str(module))
    words = set(re.findall(r"\b(?![vf]\d+\b)[a-z]\w*", text))
    if unknown := sorted(words - KNOWN):
        raise ValueError(f"not every LLVM may understand {', '.join(unknown)}")
    machine.parsed(text)
    files = sources_of(f"symgd.kernels.{loop.module}")
    return f"; of {' '.join((digest_of(files), *files))}\n{text}"


def _simplify(module: Any) -> None:
    """Optimise as far as it doesn't depend on the processor."""
    import llvmlite.binding as llvm

    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    tuning.loop_vectorization = tuning.slp_vectorization = False
    tuning.loop_unrolling = tuning.loop_interleaving = False
    builder = llvm.create_pass_builder(machine.target("generic", ""), tuning)
    builder.getModulePassManager().run(module, builder)


def _plain(text: str) -> str:
    """Return a module without what isn't needed, or not understood everywhere."""
    text = _LEFT_OUT.sub("", text)
    calls = re.compile(r"^(?:define|declare|.* call ).*", re.MULTILINE)
    text = calls.sub(lambda line: _PROMISES.sub("", line[0]), text)
    inner = re.findall(rf"^define internal .*?@{_NAME}", text, re.MULTILINE)
    for number, name in enumerate(inner):
        text = text.replace(f"@{name}(", f"@f{number}(")
    functions = re.compile(r"^define.*?^}", re.MULTILINE | re.DOTALL)
    return functions.sub(lambda function: _numbered(function[0]), text)


def _numbered(function: str) -> str:
    """Return a function whose names are short, and the same however often made."""
    names: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        return match[1] + names.setdefault(match[2], f"v{len(names)}")

    return re.sub(rf"(%|^(?=\S+:)){_NAME}", number, function, flags=re.MULTILINE)


def sources_of(module: str) -> list[str]:
    """Return the files that a module is made of: its own, and all that it imports."""
    found: dict[str, None] = {}
    left = [module]
    while left:
        file = f"{left.pop().removeprefix('symgd.').replace('.', '/')}.py"
        if file not in found:
            found[file] = None
            left += _imported(ast.parse((store.PACKAGE / file).read_text("utf-8")))
    return sorted(found)


def _imported(tree: ast.Module) -> list[str]:
    """Return the modules of symgd that a file imports from."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return [n.module for n in nodes if n.module and n.module.startswith("symgd.")]


if __name__ == "__main__":
    main()
