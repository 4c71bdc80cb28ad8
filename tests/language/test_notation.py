"""Whole arrays in formulas: they are read as the same formula with indices."""

import pytest

from symgd import minimize
from symgd.errors import FormulaError
from symgd.language.formula import Shapes, read, text_of, without_arrays

A, X, S, T = (3, 2), (4, 2), (3, 3), (2, 2)
b, x, y, w = (3,), (3,), (3,), (2,)

# What is written, what it is with indices, and what is known of shapes.
NOTATIONS = [
    ("sum(x**2)", "sum(x[i]**2 for i in range(n))", {}),
    ("np.sum((x - 1)**2)", "sum((x[i] - 1)**2 for i in range(n))", {}),
    ("(x**2).sum()", "sum(x[i]**2 for i in range(n))", {}),
    ("mean(exp(x))", "sum(exp(x[i]) for i in range(n))/n", {}),
    ("prod(x + 1)", "prod(x[i] + 1 for i in range(n))", {}),
    ("norm(x)", "sqrt(sum(x[i]**2 for i in range(n)))", {}),
    ("norm(x)**2", "sum(x[i]**2 for i in range(n))", {}),
    ("norm(x, 1)", "sum(abs(x[i]) for i in range(n))", {}),
    ("np.linalg.norm(x, ord=2)", "sqrt(sum(x[i]**2 for i in range(n)))", {}),
    ("norm(x, 3)", "sum(abs(x[i])**3 for i in range(n))**(1/3)", {}),
    (
        "norm(A @ x - b)**2",
        "sum((sum(A[i, j]*x[j] for j in range(m)) - b[i])**2 for i in range(n))",
        {"A": A, "b": b},
    ),
    (
        "0.5*norm(A @ x - b)**2 + lam*norm(x, 1)",
        "0.5*sum((sum(A[i, j]*x[j] for j in range(m)) - b[i])**2 for i in range(n))"
        "+ lam*sum(abs(x[i]) for i in range(m))",
        {"A": A, "b": b},
    ),
    (
        "(A @ x - b).T @ (A @ x - b)",
        "sum((sum(A[i, j]*x[j] for j in range(m)) - b[i])**2 for i in range(n))",
        {"A": A, "b": b},
    ),
    ("w.T @ S @ w", "sum(w[i]*sum(S[i, j]*w[j] for j in range(n)) for i in range(n))",
     {"S": S}),
    ("np.dot(a, x)", "sum(a[i]*x[i] for i in range(n))", {"a": b}),
    ("a.dot(x)", "sum(a[i]*x[i] for i in range(n))", {"a": b}),
    ("x @ x", "sum(x[i]**2 for i in range(n))", {}),
    ("sum(A)", "sum(A[i, j] for i in range(n) for j in range(m))", {"A": A}),
    (
        "sum(A.sum(axis=0)**2)",
        "sum(sum(A[j, i] for j in range(m))**2 for i in range(n))",
        {"A": A},
    ),
    (
        "norm(A - mean(A, axis=1, keepdims=True))**2",
        "sum((A[i, j] - sum(A[i, k] for k in range(m))/m)**2"
        " for i in range(n) for j in range(m))",
        {"A": A},
    ),
    (
        "norm(Y - U @ V.T)**2",
        "sum((Y[i, j] - sum(U[i, k]*V[j, k] for k in range(p)))**2"
        " for i in range(n) for j in range(m))",
        {"Y": X, "U": (None, None), "V": (None, None)},
    ),
    ("trace(S @ T)", "sum(S[i, j]*T[j, i] for i in range(n) for j in range(m))",
     {"S": T, "T": T}),
    ("sum((y - m*x - c)**2)", "sum((y[i] - m*x[i] - c)**2 for i in range(n))",
     {"x": x, "y": y}),
    (
        "sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)",
        "sum(100*(x[i + 1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(n - 1))",
        {},
    ),
    ("sum(x[::2])", "sum(x[2*i] for i in range((n + 1)//2))", {}),
    ("sum(x[1::2])", "sum(x[2*i + 1] for i in range(n//2))", {}),
    ("sum(x*x[::-1])", "sum(x[i]*x[n - 1 - i] for i in range(n))", {}),
    ("sum(x[2:k])", "sum(x[i + 2] for i in range(k - 2))", {}),
    ("sum(x[-3:])", "sum(x[i + n - 3] for i in range(3))", {}),
    ("x[-1]**2 + sum(x)", "x[n - 1]**2 + sum(x[i] for i in range(n))", {}),
    ("sum(A[:, j])", "sum(A[i, j] for i in range(n))", {"A": A}),
    ("sum(A[0]**2)", "sum(A[0, i]**2 for i in range(n))", {"A": A}),
    ("A[-1, 0] + sum(A)",
     "A[n - 1, 0] + sum(A[i, j] for i in range(n) for j in range(m))", {"A": A}),
    ("sum(x[k])", "sum(x[k[i]] for i in range(n))", {"k": (5,), "x": x}),
    ("sum(x[i]**2 for i in range(len(x)))", "sum(x[i]**2 for i in range(n))", {}),
    ("sum(x[i]**2 for i in range(x.shape[0]))", "sum(x[i]**2 for i in range(n))", {}),
    ("sum((a - b)**2 for a, b in zip(x, y))", "sum((x[i] - y[i])**2 for i in range(n))",
     {}),
    ("sum(k*v**2 for k, v in enumerate(x))", "sum(i*x[i]**2 for i in range(n))", {}),
    ("sum(v**2 for v in x if v > 0)",
     "sum(x[i]**2 for i in range(n) if x[i] > 0)", {}),
    ("sum(v @ v for v in A)",
     "sum(sum(A[i, j]**2 for j in range(m)) for i in range(n))", {"A": A}),
    ("sum([x[i]**2 for i in range(n)])", "sum(x[i]**2 for i in range(n))", {}),
    ("mean(x[i]**2 for i in range(n))", "sum(x[j]**2 for j in range(n))/n", {}),
    ("norm([x - 1, y - 2])", "sqrt((x - 1)**2 + (y - 2)**2)", {}),
    ("np.array([x, y]) @ np.array([[2, 1], [1, 3]]) @ np.array([x, y])",
     "x*(2*x + y) + y*(x + 3*y)", {}),
    ("logsumexp(x)", "log(sum(exp(x[i]) for i in range(n)))", {}),
    ("sum(softmax(x)**2)",
     "sum(exp(x[i] - log(sum(exp(x[j]) for j in range(n))))**2 for i in range(n))", {}),
    ("sum(np.where(x > 0, x, 0))",
     "sum(x[i] if x[i] > 0 else 0 for i in range(n))", {}),
    ("sum(where((x > 0) & (x < 1), x, -x))",
     "sum(x[i] if x[i] > 0 and x[i] < 1 else -x[i] for i in range(n))", {}),
    ("sum(maximum(0, 1 - y*x))", "sum(max(0, 1 - x[i]*y[i]) for i in range(n))",
     {"y": y, "x": x}),
    ("sum(abs(np.diff(x)))", "sum(abs(x[i + 1] - x[i]) for i in range(n - 1))", {}),
    ("mean((X - mu)**2)",
     "sum((X[i, j] - mu[j])**2 for i in range(n) for j in range(m))/(m*n)",
     {"X": X, "mu": w}),
    ("sum((x - c)**2)", "sum((x[i] - c[0])**2 for i in range(n))", {"x": x, "c": (1,)}),
    ("sum((x[:, None] - y[None, :])**2)",
     "sum((x[i] - y[j])**2 for i in range(n) for j in range(m))", {"x": x, "y": w}),
    ("norm(outer(x, y))**2",
     "sum((x[i]*y[j])**2 for i in range(n) for j in range(m))", {"x": x, "y": w}),
    ("det([[x, y], [y, z]])", "x*z - y**2", {}),
    ("sum(inv([[x, 0], [0, y]]) @ [a, b])", "a/x + b/y", {}),
    ("log(det(A))", "log(A[0, 0]*A[1, 1] - A[0, 1]*A[1, 0])", {"A": T}),
    ("len(x)*sum(x)", "n*sum(x[i] for i in range(n))", {}),
    ("len(x)*z", "3*z", {"x": x}),
    ("x.size*sum(x)", "n*sum(x[i] for i in range(n))", {}),
    ("sum((arange(n) - x)**2)", "sum((i - x[i])**2 for i in range(n))", {"x": x}),
    ("np.exp(z) + math.pi*torch.sin(z) + np.e", "exp(z) + pi*sin(z) + E", {}),
    ("np.where(z > 0, z, 0)", "z if z > 0 else 0", {}),
    ("Rational(1, 2)*z", "z/2", {}),
    ("Piecewise((z, Ne(z, 1)), (0, True))", "z if z != 1 else 0", {}),
    ("z if z != 1 or not z > 2 else 0", "z if (z != 1) | ~(z > 2) else 0", {}),
]  # fmt: skip


def whole(text, shapes=None, **more):
    return read(text, arrays=True, shapes=Shapes(shapes or {}, **more))


@pytest.mark.parametrize(("text", "indexed", "shapes"), NOTATIONS)
def test_a_whole_array_is_read_as_the_same_with_indices(text, indexed, shapes):
    expression = whole(text, shapes)
    assert expression == read(indexed, arrays=True)
    assert read(text_of(expression), arrays=True) == expression


@pytest.mark.parametrize(
    "text",
    [
        "sum(x[i]**2 for i in range(n))",
        "prod(x[i] + A[i, j] for i in range(n) for j in range(m) if i < j)",
        "Sum(x[i], (i, 0, n - 1)) + max(a, b)",
        "x[k[0]] + x[n - 1]",
        "sqrt(x**2 + y**2)",
        "1 if x > 1 and y > 2 else np.exp(x)",
    ],
)
def test_what_has_indices_stays_as_it_is(text):
    assert without_arrays(text, {}, Shapes()) is None


@pytest.mark.parametrize(
    ("text", "shapes", "problem", "advice"),
    [
        ("norm(A @ x - b)", {"A": A, "b": (4,)}, "the shapes don't fit",
         "A @ x has shape (3,), b has shape (4,)"),
        ("norm(A @ x)", {"A": A, "x": (3,)}, "the shapes don't fit",
         "A has shape (3, 2), x has shape (3,)"),
        ("sum(x[1:] - y)", {"x": x, "y": y}, "the shapes don't fit",
         "x[1:] has shape (2,), y has shape (3,)"),
        ("norm(A @ x - b)", {}, "which of A and x are arrays", "sizes="),
        ("sum((y - m*x)**2)", {}, "which of m, x and y are arrays", "a start x0 by"),
        ("norm(x)", {"x": ()}, "norm is of an array", "if x is an array"),
        ("A @ x", {"A": A}, "an array of shape (3,), not a number", "sum(A @ x)"),
        ("sum(y - x[i] for i in range(n))", {"y": y}, "an array of shape (3,)", "y[i]"),
        ("trace(A)", {"A": A}, "A has shape (3, 2)", None),
        ("norm(A, 2)", {"A": A}, "only the Frobenius norm", "write norm(A)"),
        ("sum(A, axis=2)", {"A": A}, "there is no axis 2", None),
        ("A[0, 0, :]", {"A": A}, "A has shape (3, 2): no 3 indices", None),
        ("sum(x[x > 0])", {"x": x}, "a condition can't choose", "where(x > 0"),
        ("sum(x[::0])", {"x": x}, "the step of a slice", None),
        ("x[-4]*1", {"x": x}, "there are 3 elements", None),
        ("solve(A.T @ A, b)[0]", {"A": (9, 7), "b": (9,)}, "the shapes don't fit",
         "A.T @ A has shape (7, 7), b has shape (9,)"),
        ("det(A[i, j] for i in range(n) for j in range(m))", {}, "a square matrix",
         "write det(A[i, j]"),
        ("sum(det(k*A[i, j] for i in range(n) for j in range(n)) for k in range(3))",
         {}, "the matrix varies with 'k'", "up to 4 rows"),
        ("inv(A)[0, 0]", {"A": A}, "of a square matrix, not of shape (3, 2)", None),
        ("x.cumsum()", {"x": x}, "arrays have no cumsum", "there are sum, mean"),
        ("np.linalg.svd(A)", {"A": A}, "unknown function 'svd'", None),
        ("np.random.randn(3)", {}, "np.random.randn", None),
        ("np.log(z, 2)", {}, "np.log has no base", "log(x)/log(b)"),
        ("sum(x, start=1)", {"x": x}, "there is no start here", None),
        ("len(z)*z", {"z": ()}, "len is of an array", None),
        ("sum(a*b for a, b, c in zip(x, y))", {"x": x, "y": y}, "a loop over 2", "zip"),
        ("y0(z)", {}, "whose accuracy is known", None),
    ],
)  # fmt: skip
def test_what_can_not_be_read_says_why_and_what_to_write(text, shapes, problem, advice):
    with pytest.raises(FormulaError) as caught:
        whole(text, shapes)
    assert problem in caught.value.problem
    assert caught.value.start is not None
    assert advice is None or advice in caught.value.suggestion


def test_a_start_without_names_tells_that_a_variable_is_an_array():
    shapes = {"c": (3,)}
    assert whole("norm(x - c)**2", shapes, start=1) == read(
        "sum((x[i] - c[i])**2 for i in range(n))", arrays=True
    )
    assert whole("norm(x - c)**2", shapes) == read(
        "sum((x - c[i])**2 for i in range(n))", arrays=True
    )


def test_names_of_lengths_are_free_ones():
    expression = whole("n*sum(x) + m*z", {"x": x})
    assert expression == read("n*sum(x[i] for i in range(p)) + m*z", arrays=True)
    taken = frozenset({"n"})
    assert whole("sum(x)", taken=taken) == read(
        "sum(x[i] for i in range(m))", arrays=True
    )


def test_a_formula_that_grows_with_its_indices_is_refused():
    nested = "x"
    for _ in range(40):
        nested = f"softmax({nested})"
    with pytest.raises(FormulaError, match=r"operations|nested"):
        whole(f"sum({nested})", {"x": x})


def test_a_product_of_three_vectors_is_refused_with_how_to_declare_a_matrix():
    with pytest.raises(FormulaError, match="of three vectors there is no product @"):
        minimize("x.T @ v @ x", [1.0, 2.0, 3.0])
