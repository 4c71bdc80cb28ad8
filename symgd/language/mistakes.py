"""Common mistakes in formulas, and what to write instead.

Diagnostics of syntax errors.
"""

from __future__ import annotations

import ast
import keyword
import re

from symgd.errors import FormulaError, shortened
from symgd.language.functions import FUNCTIONS, REDUCING
from symgd.language.retyping import is_unknown, suggestion

# Signs for what formulas don't have, and what to do.
_MEANT_BY = {
    **dict.fromkeys(
        "∂∇", "derivatives are taken for you: write what is differentiated"
    ),
    **dict.fromkeys("Σ∑", "write sum(x[i]**2 for i in range(n)), or sum(x**2)"),
    "∞": "a formula has no infinity: leave that side of a bound open",
}

OBJECTIVES_ONLY = "sums and indexed names are for objectives only"
_A_SUM = "write sum(x[i] for i in range(n))"

_GRAMMAR = ("and", "or", "not", "if", "else", "for", "in", "True", "False", "None")
_BETWEEN = r"(?!(?:if|else|and|or|for|in|not)\b)"

# What is wrong where Python's grammar refuses a text; what it means says ``retyping``.
_SLIPS = (
    (r"^\s*(?:arg)?(?:min|max)(?:imi[sz]e)?(?=\s+[\w(])", "a formula has no verb"),
    (r"^\s*if\b", "a choice begins with what holds if the condition does"),
    (r"\?", "'?' is not part of a formula"),
    (r"\bd\s*/\s*d\w+", "derivatives are taken for you"),
    (r"\.[*/]", "operators have no dot here"),
    (r"\b(?:mod|div)\b(?!\s*\()", "an operator is a sign here"),
    (
        rf"\b(?:{'|'.join([*FUNCTIONS, *sorted(REDUCING)])})\s++\w++",
        "a function needs parentheses",
    ),
    (r"\d\s*%(?=\s*(?:[-+*/)]|$))", "'%' is the remainder of a division"),
    (r"(?<![\w.])\d++(?:[ ']\d{3})++(?!\w)", "a number has no spaces"),
    (
        rf"(?<![\w.])(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?\s*+{_BETWEEN}[^\W\d]\w*+",
        "a '*' is missing",
    ),
    (rf"\)\s*+(?:{_BETWEEN}\w++|\()", "a '*' is missing"),
    (rf"\b{_BETWEEN}\w++\s++{_BETWEEN}\w++", "a '*' is missing"),
    (r"!(?!=)", "'!' is not known"),
)


def lookalike(text: str, source: str) -> FormulaError | None:
    """Return the error for a sign that the language doesn't have."""
    if source.isascii() and "^" not in source:
        return None
    place = next((i for i, sign in enumerate(source) if is_unknown(sign)), None)
    if place is None:
        return None
    sign = source[place]
    problem = "'^' is not a power here" if sign == "^" else f"{sign!r} is not known"
    advice = _MEANT_BY.get(sign) or suggestion(source)
    return FormulaError(problem, text, place, place + 1, advice)


def refusal(node: ast.AST, source: str) -> tuple[str, str | None]:
    """Return why a node is not part of the language, and what to write instead."""
    if isinstance(node, ast.Constant):
        kind = {str: "text", bytes: "text", complex: "a complex number"}
        what = kind.get(type(node.value), repr(node.value))
        is_complex = isinstance(node.value, complex)
        advice = "write real and imaginary parts, as numbers" if is_complex else None
        if isinstance(node.value, str):
            advice = suggestion(source)
        return f"{what} is not part of a formula", advice
    if isinstance(node, ast.Compare) and source.count("==") == len(node.ops) == 1:
        left, _, right = map(str.strip, source.partition("=="))
        return "an equation is not a number", _equation(left, right)
    if isinstance(node, (ast.Compare, ast.BoolOp)):
        tests = (type(op) for n in ast.walk(node) for op in getattr(n, "ops", ()))
        other = {ast.Is, ast.IsNot, ast.In, ast.NotIn}.intersection(tests)
        advice = None if other else f"write 1 if {source} else 0"
        return "a condition is not a number", advice
    if isinstance(node, ast.Lambda):
        body = source.partition(":")[2].strip()
        return "lambda makes a function, not a formula", f"write {body} alone"
    if isinstance(node, ast.Tuple):
        return "a formula is one expression, not several", suggestion(source)
    if isinstance(node, ast.Subscript):
        several = isinstance(node.value, ast.Subscript)
        return "only a name can have an index", "write A[i, j]" if several else None
    if isinstance(node, ast.Slice):
        return "a slice is not part of a formula", _A_SUM
    if isinstance(node, ast.GeneratorExp):
        return "'for' belongs in sum(...), prod(...), max(...) or min(...)", _A_SUM
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return "products of arrays are for objectives only", None
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitOr, ast.BitAnd)):
        sign, word = ("|", "or") if isinstance(node.op, ast.BitOr) else ("&", "and")
        advice = f"between conditions it is {word!r}"
        return f"{sign!r} is not part of a formula", advice
    if isinstance(node, (ast.List, ast.Set)):
        return "brackets are not part of a formula", "use parentheses (...)"
    what = re.sub(r"(?<!^)(?=[A-Z])", " ", type(node).__name__).lower()
    return f"{shortened(source)!r} is not part of a formula ({what})", None


def no_generator(name: str) -> tuple[str, str | None]:
    """Return why a function takes no 'for', and what does."""
    problem = f"{name} takes no 'for': only sum, prod, max and min do"
    if name in ("max", "min"):
        problem = f"{name} with 'for' takes nothing else"
        return problem, f"write {name}(a, {name}(x[i] for i in range(n)))"
    return problem, _PREFIXED[name] if name in ("mean", "average") else None


def no_condition(name: str) -> tuple[str, str]:
    """Return why an extreme has no condition, and what to write instead."""
    bound = "at most" if name == "max" else "at least"
    advice = f"write {name}(x[i] if condition else c for i in range(n))"
    return f"{name} takes no 'if' at its end", f"{advice}, c being {bound} the {name}"


_PREFIXED = {  # of NumPy and others, without parentheses
    "sum": f"a sum has an index: {_A_SUM}",
    "prod": "a product has an index: write prod(x[i] for i in range(n))",
    "mean": "write sum(x[i] for i in range(n))/n",
    "average": "write sum(x[i] for i in range(n))/n",
    "dot": "write sum(a[i]*x[i] for i in range(n))",
    "norm": "write sqrt(sum(x[i]**2 for i in range(n))), or hypot(x, y)",
    "where": "write a if condition else b",
    "select": "write a if condition else b if other else c",
    "logsumexp": "write log(sum(exp(x[i]) for i in range(n)))",
    **dict.fromkeys(
        (
            "sort",
            "sorted",
            "argsort",
            "argmax",
            "argmin",
            "partition",
            "quantile",
            "percentile",
        ),
        "formulas don't sort: max, min and sums of abs have a derivative",
    ),
    "median": "formulas don't sort: sum(abs(x - m)) is least where m is the median",
    **dict.fromkeys(
        ("cumsum", "cumprod", "accumulate", "convolve", "fft"),
        "write the sum that each element is: sum(x[j] for j in range(i + 1))",
    ),
    "interp": "write its pieces: where(x < a, one, other)",
    **dict.fromkeys(
        ("round", "rint", "trunc", "int"),
        "whole numbers have no derivative: leave it out, and round the result",
    ),
    **dict.fromkeys(
        ("quad", "integral", "trapz", "trapezoid", "simpson", "integrate", "dblquad"),
        "write sum(w[k]*f(x, t[k]) for k in range(n)), with the points t and the "
        "weights w of a quadrature as data",
    ),
    **dict.fromkeys(
        ("odeint", "solve_ivp", "ode", "fsolve", "minimize"),
        "what is computed step by step is no formula; a solution that is one may be",
    ),
    **dict.fromkeys(
        ("eig", "eigh", "eigvals", "eigvalsh", "svd", "qr", "lstsq", "pinv"),
        "let NumPy factor what is constant, and give that as data",
    ),
    **dict.fromkeys(
        ("cholesky", "cho_factor", "cho_solve", "solve_triangular", "lu"),
        "write logdet(K) and solve(K, y): symgd factors K itself",
    ),
    **dict.fromkeys(
        ("concatenate", "hstack", "vstack", "stack", "append"),
        "write a list: [a, b]; a sum over two arrays is one of two sums",
    ),
    **dict.fromkeys(
        ("random", "randn", "rand", "normal", "uniform"),
        "a formula has no random numbers: draw them before, as data",
    ),
    "einsum": "write the sum: sum(A[i, j]*x[j] for i in range(n) for j in range(m))",
    "print": "a formula is computed as machine code: trace=True shows each iterate",
    "float": "leave it out: all numbers are float64",
}


# Functions by the names that they have elsewhere.
_ELSEWHERE = {
    "lg": "log10(x), or log2(x)",
    "ld": "log2(x)",
    "tg": "tan(x)",
    "ctg": "cot(x)",
    "arctg": "atan(x)",
    "sen": "sin(x)",
    "arcsen": "asin(x)",
    "sgn": "sign(x)",
    "sqr": "x**2, or sqrt(x)",
    "step": "Heaviside(x)",
    "logistic": "sigmoid(x)",
    "IF": "where(condition, a, b)",
    **dict.fromkeys(("root", "nthroot"), "x**(1/3)"),
    **dict.fromkeys(("gauss", "gaussian"), "normal_pdf(x, mean, deviation)"),
}

_NOT_PROMISED = frozenset({"bessely", "yn", "y0", "y1", "iv", "kv", "zeta"})
_OTHERS = "write it by other functions, or as a series"


def prefixed(name: str, source: str) -> tuple[str, str | None]:
    """Return why a function of a module isn't one here, and what to write instead."""
    return f"{source!r} is not a function of formulas", _PREFIXED.get(name)


def whole_order(name: str) -> str:
    """Return why a function has no such order."""
    return f"the order of {name} is a whole number to 20"


def unknown_function(name: str) -> tuple[str, str] | None:
    """Return what to write for a function that others have, or Python."""
    if name == "len":
        length = "a length is a name, as n is in sum(x[i] for i in range(n))"
        return "formulas have no len", f"{length}; a start x0 tells it"
    if name in _NOT_PROMISED:
        return f"{name} has no derivative here whose accuracy is known", _OTHERS
    if name in _ELSEWHERE:
        return f"unknown function {name!r}", f"write {_ELSEWHERE[name]}"
    if name in _PREFIXED and name not in ("sum", "prod"):
        return f"unknown function {name!r}", _PREFIXED[name]
    return None


def form_of_sum(node: ast.Call) -> tuple[str, str] | None:
    """Return what is wrong with the form of a sum or product, and the right one."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    lower = {"Sum": "sum", "Product": "prod"}.get(name, name)
    inner = node.args[0] if node.args else None
    advice = f"write {lower}({_term(inner)} for i in range(n))"
    if isinstance(inner, ast.ListComp):
        return f"{name} takes no brackets", advice
    if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
        return f"{name} takes no keywords and no stars", advice
    if isinstance(inner, ast.GeneratorExp):
        if all(map(_is_clause, inner.generators)) and len(node.args) == 1:
            return None
        return f"{name} goes over indices, each of them in a range", advice
    if name in ("Sum", "Product") and node.args[1:]:
        if all(map(_is_limit, node.args[1:])):
            return None
        return f"{name} needs limits", f"write {name}(x[i], (i, 0, n - 1))"
    return f"{name} goes over an index", advice


def _term(node: ast.expr | None) -> str:
    """Return what a sum without an index may have been meant to be of: x[i]**2."""
    if node is None or isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.Starred)):
        return "x[i]"
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - set(FUNCTIONS)
    text = re.sub(r" (\*\*|\*|/) ", r"\1", ast.unparse(node))
    if indices := [p.slice for p in ast.walk(node) if isinstance(p, ast.Subscript)]:
        known = all(isinstance(each, ast.Name) and each.id == "i" for each in indices)
        return text if known else "x[i]"
    pattern = rf"\b{min(names, default='')}\b"
    return re.sub(pattern, lambda m: f"{m[0]}[i]", text) if len(names) == 1 else "x[i]"


def _is_clause(clause: ast.comprehension) -> bool:
    call = clause.iter
    return (
        not clause.is_async
        and isinstance(clause.target, ast.Name)
        and isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "range"
        and not call.keywords
        and 1 <= len(call.args) <= 3
    )


def _is_limit(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Tuple)
        and len(node.elts) == 3
        and isinstance(node.elts[0], ast.Name)
    )


def unbound_index(name: str, formula: str) -> FormulaError:
    """Return the error for an index that no sum goes over: x[k], Exp[x]."""
    place = re.search(rf"(\b\w+)\[[^]]*?\b({re.escape(name)})\b[^]]*\]", formula)
    problem = f"{name!r} is not the index of a sum"
    if place is None:
        return FormulaError(problem, formula)
    if (function := place[1].lower()) in FUNCTIONS and function != place[1]:
        inner = place[0].partition("[")[2][:-1]
        problem = "a function has parentheses, not brackets"
        return FormulaError(
            problem, formula, *place.span(), f"write {function}({inner})"
        )
    advice = f"write sum(... for {name} in range(n)), or give sizes={{{name!r}: 3}}"
    return FormulaError(problem, formula, *place.span(2), advice)


def explained(text: str, source: str, error: Exception) -> FormulaError:
    """Return what is wrong with a text that Python's grammar refuses.

    The commonest slips have an explanation of their own; Python's message is the last
    resort. ``source`` is ``text`` with comments blanked, place for place.
    """
    return (
        _constrained(text, source)
        or _tilde(text, source)
        or _statement(text, source)
        or _assignment(text, source)
        or _keyword(text, source)
        or _half_a_choice(text, source)
        or _loop_outside(text, source)
        or _prime(text, source)
        or _slip(text, source)
        or _unknown_sign(text, source)
        or _python_says(text, source, error)
    )


def _constrained(text: str, source: str) -> FormulaError | None:
    pattern = r"\b(s\.\s*t\.|subject\s+to\b|such\s+that\b|st\b(?=[^=]*[<>]))"
    if (match := re.search(pattern, source)) is None:
        return None
    problem = "constraints are no part of a formula"
    advice = "give them beside it: subject_to=['x + y <= 1', 'x >= 0']"
    return FormulaError(problem, text, *match.span(), advice)


def latex(text: str, source: str) -> FormulaError | None:
    """Return what is wrong with a text in LaTeX, of which Python reads some."""
    if (match := re.search(r"\\[A-Za-z]+|[\^_]\{", source)) is None:
        return None
    advice = (
        "write (1/2)*x**2 for \\frac{1}{2}x^{2}, sqrt(x), x[i], sum(... for i in ...)"
    )
    return FormulaError("this is LaTeX", text, *match.span(), advice)


def _loop_outside(text: str, source: str) -> FormulaError | None:
    """Return what is wrong with sum(x[i]) for i in range(n)."""
    pattern = r"\b(sum|prod|max|min)\((.*)\)\s*(for\s+\w+\s+in\s+.+)$"
    if (match := re.search(pattern, source.strip())) is None:
        return None
    problem = "'for' stands inside of the parentheses"
    better = f"write {match[1]}({match[2]} {match[3].strip()})"
    place = source.find(match[3])
    return FormulaError(problem, text, place, place + 3, shortened(better, 72))


def _prime(text: str, source: str) -> FormulaError | None:
    """Return what is wrong with x'*x."""
    if (
        source.count("'") != 1
        or (match := re.search(r"(?:[^\W\d]|\))(')", source)) is None
    ):
        return None
    return FormulaError("' is no transpose here", text, *match.span(1), "write x.T")


def _tilde(text: str, source: str) -> FormulaError | None:
    if (place := source.find("~")) < 0:
        return None
    right = source[place + 1 :].strip() or "the right-hand side"
    problem = "'~' does not belong in a formula: an expression is expected"
    left = source[:place].strip()
    target = f", with target={left!r}" if left.isidentifier() else ""
    return FormulaError(problem, text, place, place + 1, f"write {right} alone{target}")


def _assignment(text: str, source: str) -> FormulaError | None:
    match = re.search(r"(?<![<>=!])=(?!=)", source)
    if match is None:
        return None
    left, right = source[: match.start()].strip(), source[match.end() :].strip()
    problem = "'=' does not belong in a formula: an expression is expected"
    named = re.fullmatch(r"[^\W\d]\w*(\s*\([\w\s,]*\))?", left) is not None
    if _parts(left) == _parts(right) == 1 and not named:
        return FormulaError(problem, text, *match.span(), _equation(left, right))
    advice = f"write {right} alone" if named and _parts(right) == 1 else None
    return FormulaError(problem, text, *match.span(), advice or suggestion(source))


def _equation(left: str, right: str) -> str:
    """Return what to minimise so that two sides are equal."""
    subtracted = right if right.isalnum() else f"({right})"
    both = f"({left} - {subtracted})**2"
    return f"minimise {both}: it is least, 0, where both sides are equal"


def _parts(text: str) -> int:
    """Return of how many expressions a text is; 0 if it is none."""
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return 0
    return len(tree.elts) if isinstance(tree, ast.Tuple) else 1


def _statement(text: str, source: str) -> FormulaError | None:
    match = re.match(r"\s*(def\s+\w+\s*\(|return\b)", source)
    if match is None:
        return None
    problem = "a statement is not a formula: an expression is expected"
    result = re.search(r"\breturn\b(.*)", source)
    body = result[1].strip() if result else ""
    advice = f"write {body} alone" if _parts(body) == 1 else "write what it returns"
    return FormulaError(problem, text, *match.span(), advice)


def _keyword(text: str, source: str) -> FormulaError | None:
    for match in re.finditer(r"[^\W\d]\w*", source):
        name = match[0]
        if name in keyword.kwlist and name not in _GRAMMAR:
            problem = f"{name!r} is a Python keyword and can't be a name"
            instead = f"use another name, such as {name}_"
            return FormulaError(problem, text, *match.span(), instead)
    return None


def _half_a_choice(text: str, source: str) -> FormulaError | None:
    words = re.findall(r"\b(?:if|else|for)\b", source)
    if "for" in words or words.count("if") <= words.count("else"):
        return None
    match = re.search(r"\bif\b", source)
    assert match is not None
    advice = "write a if condition else b"
    return FormulaError("a choice has an else", text, *match.span(), advice)


def _slip(text: str, source: str) -> FormulaError | None:
    for pattern, problem in _SLIPS:
        if match := re.search(pattern, source):
            return FormulaError(problem, text, *match.span(), suggestion(source))
    return None


def _unknown_sign(text: str, source: str) -> FormulaError | None:
    for pattern, problem, instead in (
        (r"&&", "'&&' is not part of a formula", suggestion(source)),
        (r"\|", "'|' is not part of a formula", suggestion(source)),
        (r"\[\s*\]", "the index is missing", "write x[0] or x[i]"),
        (r"^\s*(?:\*\*?|//?|%)", "something is missing before it", None),
        (r"(?:\*\*?|//?|[-+%,<>=])(?=\s*$)", "something is missing after it", None),
    ):
        if match := re.search(pattern, source):
            return FormulaError(problem, text, *match.span(), instead)
    return None


def _python_says(text: str, source: str, error: Exception) -> FormulaError:
    margin = len(source) - len(source.lstrip())
    offset = getattr(error, "offset", None) or 1
    place = min(len(text) - 1, max(0, offset - 1 + margin))
    message = getattr(error, "msg", None) or str(error)
    if "digits" in message:  # Python's advice is about its own settings
        message = "the number has too many digits"
    return FormulaError(
        f"not a formula: {message}", text, place, None, suggestion(source)
    )
