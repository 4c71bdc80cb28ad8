"""Formulas of rules as LaTeX, in the order in which they are written."""

import ast
import re

GREEK = ("alpha", "beta", "gamma", "delta", "lambda", "mu", "rho", "tau")
AROUND = {
    "sqrt": r"\sqrt{%s}",
    "Abs": r"\left|%s\right|",
    "norm": r"\left\|%s\right\|",
    "dot": r"\left\langle %s\right\rangle",
    "Max": r"\max\left(%s\right)",
    "Min": r"\min\left(%s\right)",
}
COMPARED = {ast.Gt: ">", ast.Lt: "<", ast.NotEq: r"\neq", ast.Eq: "="}
COMPARED |= {ast.GtE: r"\geq", ast.LtE: r"\leq"}
SUM, SIGN, PRODUCT, QUOTIENT, POWER, ATOM = range(
    6
)  # how tightly a text holds together


def latex(formula: str) -> str:
    r"""Return a formula as LaTeX.

    >>> latex("m/(sqrt(vhat) + eps)*beta1**t")
    '\\frac{m}{\\sqrt{\\hat{v}} + \\epsilon}\\,{\\beta_{1}}^{t}'
    """
    return _of(ast.parse(formula.strip(), mode="eval").body)[0]


def name(text: str) -> str:
    """Return a name: Greek where it is, upright where it is a word."""
    if match := re.fullmatch(r"([a-z])hat", text):
        return rf"\hat{{{match[1]}}}"
    letters, digits = re.fullmatch(r"(.*?)(\d*)", text).groups()
    if letters == "eps":
        letters = r"\epsilon"
    elif letters in GREEK:
        letters = "\\" + letters
    elif match := re.fullmatch(r"([a-z])_(\w+)", letters):
        return rf"{match[1]}_{{\text{{{match[2]}}}}}"
    elif len(letters) > 1:
        letters = rf"\text{{{letters.replace('_', ' ')}}}"
    return f"{letters}_{{{digits}}}" if digits else letters


def _of(node: ast.expr) -> tuple[str, int]:
    """Return the text of a node, and how tightly it holds together."""
    match node:
        case ast.Name(text):
            return name(text), ATOM
        case ast.Constant(value):
            return str(value), ATOM
        case ast.UnaryOp(ast.USub(), inner):
            return f"-{_held(inner, PRODUCT)}", SIGN
        case ast.BinOp(left, ast.Div(), right):
            return rf"\frac{{{_of(left)[0]}}}{{{_of(right)[0]}}}", QUOTIENT
        case ast.BinOp(left, ast.Pow(), right):
            return f"{{{_held(left, ATOM)}}}^{{{_of(right)[0]}}}", POWER
        case ast.BinOp(left, ast.Mult(), right):
            factors = _held(left, SIGN), _held(right, QUOTIENT)
            words = any(r"\text" in each for each in factors)
            return (r" \cdot " if words else r"\,").join(factors), PRODUCT
        case ast.BinOp(left, ast.Add(), right):
            return f"{_of(left)[0]} + {_held(right, PRODUCT)}", SUM
        case ast.BinOp(left, ast.Sub(), right):
            return f"{_of(left)[0]} - {_held(right, PRODUCT)}", SUM
        case ast.IfExp(test, then, other):
            first, when, second = (_of(each)[0] for each in (then, test, other))
            rows = rf"{first} & \text{{if }} {when} \\ {second} & \text{{else}}"
            return rf"\begin{{cases}} {rows} \end{{cases}}", ATOM
        case ast.Compare(left, [sign], [right]):
            return f"{_of(left)[0]} {COMPARED[type(sign)]} {_of(right)[0]}", SUM
        case ast.Call(ast.Name(function), arguments):
            inside = ", ".join(_of(each)[0] for each in arguments)
            usual = rf"\mathrm{{{function}}}\left(%s\right)"
            return AROUND.get(function, usual) % inside, ATOM
    raise ValueError(f"{ast.unparse(node)} has no LaTeX yet")


def _held(node: ast.expr, tightly: int) -> str:
    text, holds = _of(node)
    return text if holds >= tightly else rf"\left({text}\right)"
