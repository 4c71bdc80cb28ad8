"""The loops that are the same for all formulas, and that travel with symgd.

``kernels/shipped`` has each of them as LLVM's text, made by ``kernels.shipping`` from
what numba compiles: for no processor in particular, so that only the last steps are
left to the machine where it runs. The text says of which sources it was made. Where
they have changed since, and wherever else it is of no use, numba compiles the loop.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from symgd.native import compiled, machine, store
from symgd.native.machine import Kernel, NotPortable
from symgd.native.records import (
    ANALYSIS,
    BLOCKS,
    DESCENT,
    EACH,
    EXAMINATION,
    EXAMINATION_EACH,
    INITIAL_LOOP,
    LARGE,
    TRAJECTORY_LOOP,
)

SHIPPED = Path(__file__).with_name("shipped")


class SharedLoop(NamedTuple):
    """Where a loop is written, and how it is called."""

    module: str
    signature: str
    entry: str = "entry"

    def built(self) -> Any:
        """Compile it with numba."""
        from symgd.lowering.entries import native

        module = importlib.import_module(f"symgd.kernels.{self.module}")
        return native(getattr(module, self.entry), self.signature)


LOOPS = {
    "solver": SharedLoop("solver", DESCENT),
    "truncated": SharedLoop("truncated", DESCENT),
    "spectral": SharedLoop("spectral", DESCENT),
    "interior": SharedLoop("interior", DESCENT),
    "elimination": SharedLoop("elimination", ANALYSIS),
    "grouping": SharedLoop("grouping", ANALYSIS),
    "each": SharedLoop("each", EACH),
    "examination": SharedLoop("examination", EXAMINATION),
    "examination_each": SharedLoop("examination", EXAMINATION_EACH, "each_entry"),
    "trust_region": SharedLoop("trust_region", DESCENT),
    "blocks": SharedLoop("blocks", BLOCKS),
    "large": SharedLoop("large", LARGE),
    "trajectory": SharedLoop("trajectory", TRAJECTORY_LOOP),
    "initial": SharedLoop("initial", INITIAL_LOOP),
    "intervals": SharedLoop("intervals", "i:iiippppp"),
    "dense": SharedLoop("dense", "i:iiipppppp"),
    "bowl": SharedLoop("bowl", "i:iiiiiddddppppppp"),
    "neighbours": SharedLoop("neighbours", "i:iipppp"),
    "lanczos": SharedLoop("lanczos", "i:iiippppppppp"),
}


@functools.cache
def shared(name: str) -> Kernel:
    """Return a loop, one of LOOPS."""
    loop = LOOPS[name]
    return compiled.shipped((name,), loop.signature, lambda: text_of(name), loop.built)


def specialised(name: str, parts: Mapping[str, str], form: Sequence[Any]) -> bytes:
    """Return the machine code of a loop for known sizes and functions: see joined."""
    return machine.specialised(joined(name, parts, form))


def joined(name: str, parts: Mapping[str, str], form: Sequence[Any]) -> Any:
    """Return the module of a loop with its functions, for known sizes.

    Parameters
    ----------
    name : str
        Of LOOPS; the last argument of the loop is the address of its form.
    parts : mapping of str to str
        LLVM's text of functions, whose entries get these names.
    form : sequence of int and str
        The names of functions stand for their addresses.
    """
    return machine.joined(module_of(name, True), LOOPS[name].signature, parts, form)


def module_of(name: str, inlined: bool = False) -> Any:
    """Return the module of a loop, which numba compiles where it isn't at hand."""
    loop = LOOPS[name]
    try:
        return machine.parsed(text_of(name), inlined)
    except NotPortable:
        with compiled.numbas_lock():
            function = loop.built()
            inner = function.native_name.removeprefix("cfunc.")
            text = function.inspect_llvm()
        return machine.with_entry(text, inner, loop.signature, inlined)


def text_of(name: str) -> str:
    """Return a loop as it travels with symgd.

    Raises
    ------
    NotPortable
        If it isn't there, is of other sources than those here, or is for machines of
        another kind than this one.
    """
    import gzip
    import zlib

    try:
        packed = (SHIPPED / f"{name}.ll.gz").read_bytes()
        text = gzip.decompress(packed).decode()
        digest, *files = text[: text.index("\n")].removeprefix("; of ").split()
        fresh = digest == digest_of(files)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise NotPortable(f"the loop {name!r} can't be read: {error}") from None
    if not fresh:
        raise NotPortable(f"the loop {name!r} is of other sources")
    if sys.byteorder != "little" or sys.maxsize < 2**32:
        raise NotPortable("numbers lie in memory in another way here")
    return text


def digest_of(files: Iterable[str]) -> str:
    """Return a digest of some of symgd's sources, however their lines end."""
    texts = ((store.PACKAGE / file).read_text("utf-8") for file in files)
    return store.digest(texts)
