"""Formulas as MathML in the order in which they were typed: SymPy changes it."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from latex2mathml.converter import convert

from symgd.plotting.mathml import latex_of

SYMBOLS = {  # what papers call the usual hyperparameters
    "step_size": r"\eta",
    "momentum": r"\mu",
    "eps": r"\varepsilon",
    "weight_decay": r"\lambda",
    "decay": r"\rho",
}
LONGEST = 1000  # letters of a formula
_SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(5)
_NAMED = {
    *("sin", "cos", "tan", "sinh", "cosh", "tanh", "log", "exp", "arcsin", "arccos"),
    *("arctan", "max", "min"),
}
_USUAL = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "Max": "max"}
_USUAL |= {"Min": "min", "ln": "log"}
_SIGNS = {ast.Lt: "<", ast.LtE: r"\leq", ast.Gt: ">", ast.GtE: r"\geq"}
_AROUND = {
    "sqrt": (r"\sqrt{", "}"),
    "abs": (r"\left|", r"\right|"),
    "Abs": (r"\left|", r"\right|"),
    "norm": (r"\left\lVert ", r"\right\rVert"),
    "dot": (r"\left\langle ", r"\right\rangle"),
}


class NotTypeset(Exception):
    """A formula has something that isn't known here."""


def typeset(
    text: str, left: str = "", names: Mapping[str, str] | None = None
) -> str | None:
    """Return a formula's text as MathML; None where SymPy has to print it.

    Parameters
    ----------
    text : str
    left : str
        LaTeX of what stands before it, with its sign.
    names : mapping of name to LaTeX, optional

    Examples
    --------
    >>> "<mo>&#x0002B;</mo>" in typeset("b + a"), typeset("b +")
    (True, None)
    """
    if len(text) > LONGEST:
        return None
    try:
        body = ast.parse(text.strip(), mode="eval").body
        return convert(left + _Latex(names or {}).of(body, _SUM))
    except Exception:  # whatever it is, SymPy's way is left
        return None


class _Latex:
    """LaTeX of a syntax tree."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def of(self, node: ast.expr, binds: int) -> str:
        """Return a part, in parentheses if it binds less than what is around it."""
        text, own = getattr(self, f"_{type(node).__name__}", self._unknown)(node)
        return text if own >= binds else rf"\left({text}\right)"

    def _unknown(self, node: ast.expr) -> tuple[str, int]:
        raise NotTypeset

    def _Name(self, node: ast.Name) -> tuple[str, int]:
        known = {"pi": r"\pi", "E": "e"}
        name = node.id
        return self.names.get(name) or known.get(name) or latex_of(name), _ATOM

    def _Constant(self, node: ast.Constant) -> tuple[str, int]:
        if not isinstance(node.value, int | float) or isinstance(node.value, bool):
            raise NotTypeset
        digits, _, power = f"{node.value!r}".partition("e")
        if not power:
            return digits, _ATOM
        ten = rf"10^{{{int(power)}}}"
        return (ten, _POWER) if digits == "1" else (rf"{digits}\cdot {ten}", _PRODUCT)

    def _UnaryOp(self, node: ast.UnaryOp) -> tuple[str, int]:
        if isinstance(node.op, ast.Not):
            return rf"\lnot {self.of(node.operand, _ATOM)}", _SUM
        sign = {ast.USub: "-", ast.UAdd: ""}.get(type(node.op))
        if sign is None:
            raise NotTypeset
        return f"{sign}{self.of(node.operand, _PRODUCT)}", _SUM

    def _BinOp(self, node: ast.BinOp) -> tuple[str, int]:
        a, b = node.left, node.right
        match node.op:
            case ast.Add():
                return f"{self.of(a, _SUM)} + {self.of(b, _SUM)}", _SUM
            case ast.Sub():
                return f"{self.of(a, _SUM)} - {self.of(b, _PRODUCT)}", _SUM
            case ast.Mult():
                left, right = self.of(a, _PRODUCT), self.of(b, _PRODUCT)
                between = r" \cdot " if right[:1].isdigit() else r"\,"
                return f"{left}{between}{right}", _PRODUCT
            case ast.Div():
                return rf"\frac{{{self.of(a, _SUM)}}}{{{self.of(b, _SUM)}}}", _PRODUCT
            case ast.Pow():
                base = self.of(a, _ATOM)
                return f"{{{base}}}^{{{self.of(b, _SUM)}}}", _POWER
        raise NotTypeset

    def _Call(self, node: ast.Call) -> tuple[str, int]:
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise NotTypeset
        name = _USUAL.get(node.func.id, node.func.id)
        inner = ", ".join(self.of(argument, _SUM) for argument in node.args)
        if name in _AROUND:
            before, after = _AROUND[name]
            return f"{before}{inner}{after}", _ATOM
        if name == "exp":
            return f"e^{{{inner}}}", _POWER
        called = rf"\{name}" if name in _NAMED else rf"\mathrm{{{name}}}"
        return rf"{called}\left({inner}\right)".replace("_", r"\_"), _ATOM

    def _Compare(self, node: ast.Compare) -> tuple[str, int]:
        parts = [self.of(node.left, _SUM)]
        for sign, right in zip(node.ops, node.comparators, strict=True):
            equal = {ast.Eq: "=", ast.NotEq: r"\neq"}
            parts += [({**_SIGNS, **equal})[type(sign)], self.of(right, _SUM)]
        return " ".join(parts), _SUM

    def _BoolOp(self, node: ast.BoolOp) -> tuple[str, int]:
        sign = r" \land " if isinstance(node.op, ast.And) else r" \lor "
        return sign.join(self.of(value, _PRODUCT) for value in node.values), _SUM

    def _IfExp(self, node: ast.IfExp) -> tuple[str, int]:
        yes, no = self.of(node.body, _SUM), self.of(node.orelse, _SUM)
        test = self.of(node.test, _SUM)
        rows = rf"{yes} & \text{{if }} {test} \\ {no} & \text{{otherwise}}"
        return rf"\begin{{cases}} {rows} \end{{cases}}", _SUM
