"""What a text is in the language: signs, products and habits of elsewhere, respelt.

Only for what errors suggest. A suggestion that isn't in the language is none.
"""

from __future__ import annotations

import ast
import itertools
import keyword
import re
import unicodedata
from dataclasses import dataclass

from symgd.language.functions import FUNCTIONS, REDUCING, RENAMED
from symgd.language.text import CONSTANT_NAMES

# Signs that look like an operator of the language, and the operator.
_SIGNS = {
    **dict.fromkeys("−‐‑‒–—―", "-"),
    **dict.fromkeys("×·∙⋅∗•", "*"),
    **dict.fromkeys("÷⁄∕", "/"),
    "∏": " prod ",
    "√": " sqrt ",
    "∛": " cbrt ",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "^": "**",
    "°": "*pi/180",
}
_FENCES = (
    *((r"\|\|", r"\|\|", "norm"), (r"\|", r"\|", "abs"), ("‖", "‖", "norm")),
    *(("⌊", "⌋", "floor"), ("⌈", "⌉", "ceiling")),
)
# As others write it, and as the language does; tried from top to bottom.
_HABITS = (
    (r"^\s*@\s*\([\w\s,]*\)|^\s*\(?[\w\s,]*\)?\s*(?:↦|→|->|=>)", ""),  # functions
    (r"^\s*\$(.*)\$\s*$", r"\1"),
    (r"^\s*=(?!=)|[;；]\s*$", ""),
    (r"^\s*['\"“”„«](.*)['\"“”«»]\s*$", r"\1"),
    (r"^\s*(?:arg)?(?:min|max)(?:imi[sz]e)?\s+(?![-+*/])", ""),
    (r"\bIF\s*\(|^\s*if\s*\((?=.*[;,])", "where("),
    (r";(?=[^()]*\))", ","),
    (r"(\d)\s*%(?=\s*(?:[-+*/)]|$))", r"\1/100"),
    (r"\^\s*T\b", ".T"),
    (r"\.\s*([*/^])", r"\1"),
    (r"&&", " and "),
    (r"\|\|", " or "),
    (r"(\b[^\W\d]\w*|\b\d+)!(?!=)", r"factorial(\1)"),
    (r"(\([^()]*\))!(?!=)", r"factorial\1"),
    (r"\bmod\b(?!\s*\()", "%"),
    (r"\bdiv\b(?!\s*\()", "//"),
    (r"^\s*if\s+(.*?)\s+then\s+(.*?)\s+else\s+(.*)$", r"\2 if \1 else \3"),
    (r"^([^?]*?)\s*\?\s*([^?:]*?)\s*:\s*([^?:]*)$", r"\2 if \1 else \3"),
)
_NAMED = frozenset({*FUNCTIONS, *REDUCING, *RENAMED, "Piecewise", "where", "range"})
_APPLIED = frozenset({*FUNCTIONS, *REDUCING})
_WORDS = frozenset({"then", "xor", "where", "with"})
_GRAMMAR = frozenset(keyword.kwlist)
_GREEK = CONSTANT_NAMES | {"mu", "nu", "xi", "eta", "chi", "phi", "psi", "rho", "tau"}
_TOKEN = re.compile(
    r"(?P<space>\s*)(?:(?P<number>(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<name>[^\W\d]\w*(?:\.T\b)?)|(?P<sign>\*\*|//|[<>=!]=|\S))"
)
_WIDTH = 72


def suggestion(source: str) -> str | None:
    """Return what to write for a text, or None if that can't be told.

    >>> suggestion("3x² + 2·y")
    'write 3*x**2 + 2*y'
    >>> suggestion("1/2x")
    'write 1/(2*x) or 1/2*x'
    """
    if len(source) > 2 * _WIDTH:  # nor would anybody read it
        return None
    found = [text for text in dict.fromkeys(retyped(source)) if in_language(text)]
    if not found or max(map(len, found)) > _WIDTH:
        return None
    return "write " + " or ".join(found)


def retyped(source: str) -> list[str]:
    """Return what a text may mean: where a product can be read in two ways, both."""
    if re.search(r"\bd\s*/\s*d\w", source):  # a derivative
        return []
    text = _without_fences(source)
    for pattern, better in _HABITS:
        text = re.sub(pattern, better, text)
    text = _numbers(" ".join(_plain_signs(text).split()))
    tokens = [
        _Token(m.lastgroup or "", m[m.lastgroup or 0], m["space"])
        for m in _TOKEN.finditer(text)
    ]
    try:
        return [_Products(tokens, grouped).text() for grouped in (True, False)]
    except IndexError:  # a parenthesis without its other, or what means nothing
        return []


def is_unknown(sign: str) -> bool:
    """Return whether a sign is none of Python's."""
    if sign.isascii() or sign.isspace():
        return sign == "^"
    named = sign.isalpha() or sign not in _SIGNS  # a middle dot may stand in a name
    return not (named and f"a{sign}".isidentifier())


def in_language(text: str) -> bool:
    """Return whether a text is one expression, of functions that formulas have."""
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    nodes = list(ast.walk(tree))
    other = (ast.Tuple, ast.Set, ast.Lambda)
    signs = (ast.BitOr, ast.BitAnd, ast.BitXor)
    if isinstance(tree, ast.Constant) or any(isinstance(n, signs) for n in nodes):
        return False
    parts = [(n.left, n.right) for n in nodes if isinstance(n, ast.BinOp)]
    for each in (tree, *itertools.chain.from_iterable(parts)):
        if isinstance(each, other) or getattr(each, "id", "") in FUNCTIONS:
            return False
    called = {_called_name(n.func) for n in nodes if isinstance(n, ast.Call)}
    return called <= _NAMED


def _called_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _without_fences(source: str) -> str:
    for opening, closing, name in _FENCES:
        inner = rf"(?<![\w)])(?<![\w)] ){opening}([^|‖⌋⌉]+){closing}"
        source = re.sub(inner, rf"{name}(\1)", source)
    return source


def _plain_signs(source: str) -> str:
    source = re.sub("[¼-¾⅐-⅞]", lambda m: f"({_folded(m[0])})", source)
    raised = "[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+"
    source = re.sub(raised, lambda m: "**" + _folded(m[0]), source)
    return "".join(_SIGNS.get(c, c if c.isascii() else _folded(c)) for c in source)


def _folded(text: str) -> str:
    """Return letters and digits without their form: ² is 2, ½ is 1/2."""
    return "".join(_SIGNS.get(c, c) for c in unicodedata.normalize("NFKC", text))


def _numbers(text: str) -> str:
    """Return a text with numbers as Python writes them.

    >>> _numbers("1.000,5*x + 1,234.5 + 1 000 + f(1,5)")
    '1000.5*x + 1234.5 + 1000 + f(1,5)'
    """
    alone, ends = r"(?<![\w.,])", r"(?![\w,]|\.\d)"
    spaced = rf"{alone}\d{{1,3}}(?:[ '’_\u202f]\d{{3}})+{ends}"
    text = re.sub(spaced, lambda m: re.sub(r"\D", "", m[0]), text)
    english = rf"{alone}(\d{{1,3}}(?:,\d{{3}})+)(\.\d+){ends}"
    text = re.sub(english, lambda m: m[1].replace(",", "") + m[2], text)
    german = rf"{alone}(\d{{1,3}}(?:\.\d{{3}})+),(\d+){ends}"
    text = re.sub(german, lambda m: f"{m[1].replace('.', '')}.{m[2]}", text)
    depth, parts = 0, []
    for part in re.split(rf"([()\[\]]|{alone}\d+,\d+(?![\d.,]))", text):
        depth += (part in ("(", "[")) - (part in (")", "]"))
        comma = re.fullmatch(r"(\d+),(\d+)", part) if depth == 0 else None
        parts.append(f"{comma[1]}.{comma[2]}" if comma else part)
    return "".join(parts)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    space: str  # before it

    @property
    def begins(self) -> bool:
        """Whether it begins a factor."""
        if self.kind == "sign":
            return self.text == "("
        return self.text not in _GRAMMAR


class _Products:
    """Tokens with * where two factors stand side by side.

    Parameters
    ----------
    tokens : list
    grouped : bool
        Whether 1/2x is 1/(2*x), 3xy is 3*x*y, and sin x**2 is sin(x**2).
    """

    def __init__(self, tokens: list[_Token], grouped: bool) -> None:
        self.tokens, self.grouped = tokens, grouped

    def text(self, start: int = 0, end: int | None = None) -> str:
        """Return the text of some tokens."""
        end = len(self.tokens) if end is None else end
        place, out = start, ""
        while place < end:
            token = self.tokens[place]
            if not token.begins:
                out, place = out + token.space + token.text, place + 1
                continue
            factors, place = self._chain(place, end)
            space = token.space if out else ""
            out += space + self._joined(factors, out.rstrip().endswith("/"))
        return out

    def _chain(self, place: int, end: int) -> tuple[list[str], int]:
        """Return factors that stand side by side, and where they end."""
        factors: list[str] = []
        while place < end and self.tokens[place].begins:
            token, before = self.tokens[place], self.tokens[place - 1]
            numbers = token.kind == before.kind == "number"
            if factors and (numbers or token.text in _WORDS):
                raise IndexError
            glued = bool(factors) and not token.space
            after_number = glued and factors[-1].replace(".", "").isdigit()
            split = self._letters(token, after_number)
            factor, place = self._factor(place, end, split[-1])
            factors += [*split[:-1], factor]
        return factors, place

    def _joined(self, factors: list[str], divides: bool) -> str:
        product = factors[0]
        for left, right in itertools.pairwise(factors):
            product += f" @ {right}" if left.endswith(".T") else f"*{right}"
        return f"({product})" if divides and self.grouped and factors[1:] else product

    def _letters(self, token: _Token, after_number: bool) -> list[str]:
        """Return the names that a name may be made of: xy of 3xy, πx."""
        name = token.text
        if token.kind != "name" or name in _NAMED or name in _GREEK:
            return [name]
        if "π" in name and after_number:
            return [part for part in re.split("(π)", name) if part]
        short = after_number and 2 <= len(name) <= 3 and name.isalpha()
        return list(name) if short and self.grouped else [name]

    def _factor(self, place: int, end: int, name: str) -> tuple[str, int]:
        """Return a factor with its power, and where it ends."""
        token = self.tokens[place]
        if token.text in _APPLIED and not self._is(place + 1, "(", "[", "**"):
            return self._applied(place, end)
        if token.text in _APPLIED and self._is(place + 1, "**"):
            return self._raised(place, end, token.text)
        if token.kind == "sign":
            place, text = self._closed(place)
            return self._power(text, place, end)
        text, place = name, place + 1
        called = token.text in _NAMED or len(token.text) > 1
        if not called and self._is(place, "(") and self._is(place + 2, ")"):
            self._no_element(place + 1)
        signs = ("[", "(") if called else ("[",)
        while token.kind == "name" and self._is(place, *signs):
            place, inside = self._closed(place)
            text += inside
        return self._power(text, place, end)

    def _no_element(self, place: int) -> None:
        if self.tokens[place].kind == "number":  # x(1) is x[0], or x[1]
            raise IndexError

    def _power(self, text: str, place: int, end: int) -> tuple[str, int]:
        if not self._is(place, "**"):
            return text, place
        place, text = place + 1, text + "**"
        while self._is(place, "-", "+"):
            place, text = place + 1, text + self.tokens[place].text
        if place >= end or not self.tokens[place].begins:
            raise IndexError
        exponent, place = self._factor(place, end, self.tokens[place].text)
        return text + exponent, place

    def _applied(self, place: int, end: int) -> tuple[str, int]:
        """Return sin 2x as sin(2*x)."""
        name, place = self.tokens[place].text, place + 1
        factors: list[str] = []
        while place < end and self.tokens[place].begins:
            if self.tokens[place].text in _NAMED and factors:
                break
            factor, place = self._factor(place, end, self.tokens[place].text)
            factors.append(factor)
        if not factors:
            return name, place
        inner, sign, power = self._joined(factors, divides=False).partition("**")
        if self.grouped or not sign or factors[1:]:
            return f"{name}({inner}{sign}{power})", place
        return f"{name}({inner})**{power}", place

    def _raised(self, place: int, end: int, name: str) -> tuple[str, int]:
        """Return sin**2(x) and sin**2 x as sin(x)**2."""
        token, inner = self.tokens[place + 2], self.tokens[place + 3]
        if token.kind != "number" or not inner.begins:
            raise IndexError
        inside, place = self._factor(place + 3, end, inner.text)
        inside = inside if inside.startswith("(") else f"({inside})"
        return f"{name}{inside}**{token.text}", place

    def _closed(self, place: int) -> tuple[int, str]:
        """Return what is in parentheses or brackets, and the place behind them."""
        opening, depth, last = place, 0, place
        while True:
            sign = self.tokens[last].text
            depth += (sign in ("(", "[")) - (sign in (")", "]"))
            if depth == 0:
                break
            last += 1
        inner = self.text(opening + 1, last)
        return last + 1, f"{self.tokens[opening].text}{inner}{self.tokens[last].text}"

    def _is(self, place: int, *signs: str) -> bool:
        return place < len(self.tokens) and self.tokens[place].text in signs
