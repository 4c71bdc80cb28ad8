"""Other spellings of what formulas have: np.exp(x), where(c, a, b), Ne(x, 0), a & b.

Normalisation of a syntax tree: names in modules are read as what they mean.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TypeAlias

from symgd.language.functions import RENAMED

MODULES = frozenset(
    {
        *("np", "numpy", "onp", "anp", "cp", "jnp", "jax", "nn", "lax", "math"),
        *("torch", "F", "functional", "linalg", "scipy", "special", "sp", "sympy"),
    }
)
_CONSTANTS = {"pi": "pi", "e": "E", "E": "E", "inf": "inf"}
# Of SciPy's normal distribution; where the second is None, the function itself.
_OF_NORMAL = {
    "cdf": ("normal_cdf", None),
    "pdf": ("normal_pdf", None),
    "logcdf": ("normal_cdf", "log"),
    "logpdf": ("normal_pdf", "log"),
}
_LOOPING = ("sum", "prod", "max", "min")
_WITH_AXIS = ("max", "min", "amax", "amin")  # as the second argument

# Returns the error for a node, with what is wrong and what to write.
Refuse: TypeAlias = Callable[[ast.expr, str, "str | None"], Exception]

# Returns the tree that a call of arguments means; None if that isn't known.
_Made: TypeAlias = Callable[[list[ast.expr]], "ast.expr | None"]


def root_of(node: ast.expr) -> str | None:
    """Return the name at the front of a dotted one; None if there is none."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def module_of(node: ast.expr) -> str | None:
    """Return the module of a dotted name, as np.linalg of np.linalg.norm; or None."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    if not (parts and isinstance(node, ast.Name) and node.id in MODULES):
        return None
    return ".".join([node.id, *parts[:-1]]) if MODULES.issuperset(parts[:-1]) else None


def respelt(tree: ast.expr, refuse: Refuse) -> ast.expr:
    """Return a tree in which everything is called as formulas call it."""
    changed: ast.expr = _Respelt(refuse).visit(tree)
    return changed


class _Respelt(ast.NodeTransformer):
    def __init__(self, refuse: Refuse) -> None:
        self.refuse = refuse

    def visit_Call(self, node: ast.Call) -> ast.expr:
        module = module_of(node.func)
        self.generic_visit(node)
        if (normal := _of_normal(node)) is not None:
            return normal
        if module is not None and isinstance(node.func, ast.Attribute):
            node = self._plain(node, node.func, module)
        elif isinstance(node.func, ast.Name) and node.func.id in RENAMED:
            plain = ast.Name(RENAMED[node.func.id], ast.Load())
            node.func = ast.copy_location(plain, node.func)
        self._unbracketed(node)
        made = _CALLS.get(node.func.id) if isinstance(node.func, ast.Name) else None
        if made is None or node.keywords:
            return node
        changed = made(node.args)
        return node if changed is None else ast.copy_location(changed, node)

    def _unbracketed(self, node: ast.Call) -> None:
        """Take sum([... for ...]) for a sum over the index."""
        if isinstance(node.func, ast.Name) and node.func.id in _LOOPING and node.args:
            first = node.args[0]
            if isinstance(first, ast.ListComp):
                loop = ast.GeneratorExp(first.elt, first.generators)
                node.args[0] = ast.copy_location(loop, first)

    def _plain(self, node: ast.Call, function: ast.Attribute, module: str) -> ast.Call:
        name, keywords, given = function.attr, list(node.keywords), list(node.args)
        if name in _WITH_AXIS and len(given) == 2 and _is_axis(node, module):
            keywords.insert(0, ast.keyword("axis", given.pop()))
        if name == "log" and module != "math" and len(given) > 1:
            problem = f"{module}.log has no base"
            raise self.refuse(node, problem, "write log(x)/log(b), or log(x, b)")
        if name == "sinc" and module in ("sp", "sympy"):
            problem = "the sinc of SymPy is sin(x)/x, that of formulas sin(pi*x)/(pi*x)"
            raise self.refuse(node, problem, "write sin(x)/x")
        if module == "torch" and name in ("var", "std") and not keywords:
            one = ast.copy_location(ast.Constant(1), node)  # of a sample there
            keywords.append(ast.keyword("correction", one))
        known = ast.Name(RENAMED.get(name, name), ast.Load())
        plain = ast.Call(ast.copy_location(known, function), given, keywords)
        return ast.copy_location(plain, node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        chain: list[ast.BinOp] = [node]  # which may be long
        while isinstance(left := chain[-1].left, ast.BinOp):
            chain.append(left)
        chain[-1].left = self.visit(chain[-1].left)
        changed: ast.expr = chain[-1].left
        for each in chain[::-1]:
            each.left, each.right = changed, self.visit(each.right)
            changed = self._joined(each)
        return changed

    def _joined(self, node: ast.BinOp) -> ast.expr:
        sides = [node.left, node.right]
        if type(node.op) not in _JOINED or not all(map(_is_condition, sides)):
            return node
        both = ast.BoolOp(_JOINED[type(node.op)](), sides)
        return ast.copy_location(both, node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.Invert) and _is_condition(node.operand):
            return ast.copy_location(ast.UnaryOp(ast.Not(), node.operand), node)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        column = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if isinstance(column, str):
            problem = "a column is a name of its own in formulas"
            advice = f"write {column}" if column.isidentifier() else None
            raise self.refuse(node, problem, advice)
        self.generic_visit(node)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if module_of(node) is None or node.attr not in _CONSTANTS:
            self.generic_visit(node)
            return node
        return ast.copy_location(ast.Name(_CONSTANTS[node.attr], ast.Load()), node)


def _of_normal(node: ast.Call) -> ast.expr | None:
    """Return what norm.cdf(x) and the like mean; None for other calls."""
    func = node.func
    if not isinstance(func, ast.Attribute) or func.attr not in _OF_NORMAL:
        return None
    if ast.unparse(func.value) not in ("norm", "stats.norm", "scipy.stats.norm"):
        return None
    name, outer = _OF_NORMAL[func.attr]
    given = [*node.args, *(word.value for word in node.keywords)]
    words = [word.arg for word in node.keywords]
    if words != ["loc", "scale"][len(node.args) - 1 :][: len(words)]:
        return None
    made: ast.expr = ast.copy_location(ast.Name(name, ast.Load()), func)
    made = ast.copy_location(ast.Call(made, given, []), node)
    if outer is None:
        return made
    logarithm = ast.copy_location(ast.Name(outer, ast.Load()), func)
    return ast.copy_location(ast.Call(logarithm, [made], []), node)


_JOINED: dict[type, type[ast.boolop]] = {ast.BitAnd: ast.And, ast.BitOr: ast.Or}


def _is_condition(node: ast.expr) -> bool:
    negated = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    return negated or isinstance(node, (ast.Compare, ast.BoolOp))


def _compared(op: type[ast.cmpop]) -> _Made:
    def made(given: list[ast.expr]) -> ast.expr | None:
        return ast.Compare(given[0], [op()], given[1:]) if len(given) == 2 else None

    return made


def _all_of(op: type[ast.boolop]) -> _Made:
    return lambda given: ast.BoolOp(op(), given) if len(given) > 1 else None


def _choice(given: list[ast.expr]) -> ast.expr | None:
    return ast.IfExp(*given) if len(given) == 3 else None


def _ratio(given: list[ast.expr]) -> ast.expr | None:
    return ast.BinOp(given[0], ast.Div(), given[1]) if len(given) == 2 else None


def _written(text: str) -> _Made:
    """Return what writes arguments into a formula, for A, B, ... in it."""
    form = ast.parse(text, mode="eval").body
    names = sorted(
        {n.id for n in ast.walk(form) if isinstance(n, ast.Name) and n.id.isupper()}
    )

    def made(given: list[ast.expr]) -> ast.expr | None:
        if len(given) != len(names):
            return None
        return _Filled(dict(zip(names, given, strict=True))).visit(_copied(form, given))

    return made


def _copied(form: ast.expr, given: list[ast.expr]) -> ast.expr:
    """Return a new tree, at the place of what is written into it."""
    copy = ast.parse(ast.unparse(form), mode="eval").body
    for node in ast.walk(copy):
        if isinstance(node, ast.expr):
            ast.copy_location(node, given[0])
    return copy


class _Filled(ast.NodeTransformer):
    def __init__(self, parts: dict[str, ast.expr]) -> None:
        self.parts = parts

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.parts.get(node.id, node)


def _opposite(given: list[ast.expr]) -> ast.expr | None:
    return ast.UnaryOp(ast.Not(), given[0]) if len(given) == 1 else None


_CALLS: dict[str, _Made] = {
    "where": _choice,
    "Rational": _ratio,
    "divide": _ratio,
    "logaddexp": _written("log(exp(A) + exp(B))"),
    "logsigmoid": _written("log(sigmoid(A))"),
    "heaviside": _written("0 if A < 0 else 1 if A > 0 else B"),
    "mse_loss": _written("mean((A - B)**2)"),
    **dict.fromkeys(("sum_squares", "sumsqr"), _written("sum((A)**2)")),
    "Ne": _compared(ast.NotEq),
    "Eq": _compared(ast.Eq),
    "Lt": _compared(ast.Lt),
    "Le": _compared(ast.LtE),
    "Gt": _compared(ast.Gt),
    "Ge": _compared(ast.GtE),
    **dict.fromkeys(("And", "logical_and"), _all_of(ast.And)),
    **dict.fromkeys(("Or", "logical_or"), _all_of(ast.Or)),
    **dict.fromkeys(("Not", "logical_not"), _opposite),
}


def _is_axis(node: ast.Call, module: str) -> bool:
    """Return whether a second argument is an axis, and no second number."""
    second = node.args[1]
    return module != "torch" or isinstance(second, (ast.Constant, ast.UnaryOp))
