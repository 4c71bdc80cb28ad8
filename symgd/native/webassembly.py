"""WebAssembly: one object of LLVM's is a module but for the names that it exports.

The object has all sections of a module, and two kinds more, of which a linker would
make use: ``linking``, the symbols, and ``reloc``, where addresses stand. Of one object
alone all addresses are right already, if its data begin at address 0; what is missing
is the section of exports. See the WebAssembly specification, 5.5, and "WebAssembly
Object File Linking" of its tool conventions.
"""

from __future__ import annotations

from collections.abc import Iterator

_EXPORTS, _START, _NAMED = 7, 8, 0
_AFTER_EXPORTS = range(_START, 14)
_SYMBOLS = 8  # the part of a linking section that lists them
_FUNCTION, _DATA, _GLOBAL, _SECTION, _EVENT, _TABLE = range(6)
_LOCAL, _UNDEFINED, _EXPLICIT_NAME = 0x02, 0x10, 0x40


def module_of(code: bytes) -> bytes:
    """Return an object file as a module that exports its global functions."""
    sections = list(_sections(code))
    names = _functions(dict(_named(sections))["linking"])
    entries = b"".join(
        _sized(name.encode()) + b"\0" + _leb(index) for name, index in names.items()
    )
    exports = _section(_EXPORTS, _leb(len(names)) + entries)
    parts, written = [code[:8]], False
    for kind, content in sections:
        if kind in _AFTER_EXPORTS and not written:
            parts.append(exports)
            written = True
        if kind != _NAMED:
            parts.append(_section(kind, content))
    return b"".join(parts if written else [*parts, exports])


def _sections(code: bytes) -> Iterator[tuple[int, bytes]]:
    place = 8
    while place < len(code):
        size, begin = _number(code, place + 1)
        yield code[place], code[begin : begin + size]
        place = begin + size


def _named(sections: list[tuple[int, bytes]]) -> Iterator[tuple[str, bytes]]:
    for kind, content in sections:
        if kind == _NAMED:
            name, place = _text(content, 0)
            yield name, content[place:]


def _functions(linking: bytes) -> dict[str, int]:
    """Return the functions that others may call, with their places."""
    found: dict[str, int] = {}
    _, place = _number(linking, 0)  # the version
    while place < len(linking):
        part = linking[place]
        size, begin = _number(linking, place + 1)
        place = begin + size
        if part == _SYMBOLS:
            count, at = _number(linking, begin)
            for _ in range(count):
                at = _symbol(linking, at, found)
    return found


def _symbol(linking: bytes, place: int, found: dict[str, int]) -> int:
    """Enter a symbol if it is a global function; return where the next one begins."""
    kind = linking[place]
    flags, place = _number(linking, place + 1)
    if kind == _DATA:
        _, place = _text(linking, place)
        for _ in range(0 if flags & _UNDEFINED else 3):
            _, place = _number(linking, place)
        return place
    index, place = _number(linking, place)
    if kind == _SECTION or (flags & _UNDEFINED and not flags & _EXPLICIT_NAME):
        return place
    name, place = _text(linking, place)
    if kind == _FUNCTION and not flags & (_UNDEFINED | _LOCAL):
        found[name] = index
    return place


def _number(code: bytes, place: int) -> tuple[int, int]:
    """Return a number in LEB128, and what comes after it."""
    value = shift = 0
    while True:
        byte = code[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def _text(code: bytes, place: int) -> tuple[str, int]:
    size, place = _number(code, place)
    return code[place : place + size].decode(), place + size


def _leb(value: int) -> bytes:
    """Return a number in LEB128.

    >>> _leb(300).hex()
    'ac02'
    """
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _sized(content: bytes) -> bytes:
    return _leb(len(content)) + content


def _section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + _sized(content)
