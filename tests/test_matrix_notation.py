"""Matrix notation: what is recognised is right, whatever is not recognised stays as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from naive import body_value
from scipy.special import logsumexp, softmax

import symgrad as sg
from symgrad.calculus.matrices import matrix_form
from symgrad.core.graph import Graph
from symgrad.core.indices import Index, index_of
from symgrad.readers.text import read_line
from symgrad.renderers.formula import TextPrinter, UnicodePrinter
from symgrad.renderers.latex_formula import LatexPrinter

SHAPES: dict[str, tuple[str | int, ...]] = {
    "W": ("h", "d"), "V": ("k", "h"), "M": ("k", "d"), "X": ("n", "d"), "Z": ("n", "h"), "P": ("n", "k"),
    "S": ("n", "k"),
    "A": ("d", "d"), "B": ("d", "d"), "T": ("u", "n", "d"), "x": ("d",), "w": ("d",), "b": ("h",), "a": ("h",),
    "r": ("n",), "y": ("n",), "m": ("n", 1), "g": ("k",), "t": ("n",), "s": (), "c": (),
}  # fmt: skip
SIZES: dict[str, int] = {"h": 3, "d": 4, "k": 2, "n": 5, "u": 6}
INDICES = {
    "i": "h", "j": "d", "p": "d", "q": "d", "l": "n", "o": "n", "e": "k", "f": "k", "v": "u",
}  # fmt: skip

TABLE: tuple[tuple[str, str, str | None], ...] = (
    # products
    ("sum(W[i,j]*x[j], j) + b[i]", "i", "W @ x + b"),
    ("sum(g[e]*V[e,i], e)", "i", "V.T @ g"),
    ("sum(V[e,i]*g[e], e)", "i", "V.T @ g"),
    ("b[i]*x[j]", "i j", "outer(b, x)"),
    ("x[j]*b[i]", "i j", "outer(b, x)"),
    ("b[i]*x[j]", "j i", "outer(x, b)"),
    ("sum(Z[l,i]*X[l,j], l)", "i j", "Z.T @ X"),
    ("sum(Z[l,i]*X[l,j], l)", "j i", "X.T @ Z"),
    ("sum(X[l,p]*X[l,q], l)", "p q", "X.T @ X"),
    ("sum(X[l,p]*X[o,p], p)", "l o", "X @ X.T"),
    ("sum(b[i]*W[i,j]*M[e,j], i, j)", "e", "M @ W.T @ b"),
    ("-2*sum(X[l,j]*(y[l] - sum(X[l,p]*w[p], p)), l)", "j", "-2*(X.T @ (y - X @ w))"),
    ("sum(sum(X[l,p]*A[p,q], p)*X[o,q], q)", "l o", "X @ A @ X.T"),
    ("sum(W[i,j]*x[j], j)*s", "i", "s*(W @ x)"),
    ("sum(X[l,j]*r[l], l)/n", "j", "(X.T @ r)/n"),
    # sums along axes
    ("sum(Z[l,i], l)", "i", "sum(Z, axis=0)"),
    ("sum(Z[l,i], i)", "l", "sum(Z, axis=1)"),
    ("sum(Z[l,i], l, i)", "", "sum(Z)"),
    ("sum(W[i,j]*x[j], i, j)", "", "sum(W @ x)"),
    ("max(S[l,e], l)", "e", "max(S, axis=0)"),
    ("logsumexp(S[l,e], e)", "l", "logsumexp(S, axis=1)"),
    ("logsumexp(S[l,e], l, e)", "", "logsumexp(S, axis=(0, 1))"),
    ("sum(T[v,l,j], l)", "v j", "sum(T, axis=1)"),
    ("X[l,j] - sum(X[l,p], p)/d", "l j", "X - sum(X, axis=1, keepdims=True)/d"),
    # entry by entry
    ("b[i]*(1 - a[i]**2)", "i", "b*(1 - a**2)"),
    ("2*(b[i] - a[i])", "i", "2*(b - a)"),
    ("b[i]/a[i]", "i", "b/a"),
    ("1/a[i]", "i", "1/a"),
    ("b[i]*where(a[i] > 0, 1, 0)", "i", "b*where(a > 0, 1, 0)"),
    ("X[l,j]*w[j]", "l j", "X*w"),
    ("X[l,j]*w[j]", "j l", "(X*w).T"),
    ("X[l,j] - m[l,0]", "l j", "X - m"),
    ("X[l,j]*r[l]", "l j", "diag(r) @ X"),
    ("sum(X[l,p]*r[l]*X[l,q], l)", "p q", "X.T @ diag(r) @ X"),
    # numbers
    ("sum(x[j]**2, j)", "", "sum(x**2)"),
    ("sum(x[j]*w[j], j)", "", "x @ w"),
    ("sum(x[p]*A[p,q]*x[q], p, q)", "", "x @ A @ x"),
    ("sum(A[p,q]*A[q,p], p, q)", "", "trace(A @ A)"),
    ("sum(A[p,q]*B[p,q], p, q)", "", "sum(A*B)"),
    ("sum(A[p,p], p)", "", "trace(A)"),
    ("sum(W[i,j]*b[i]*x[j], i, j)", "", "b @ W @ x"),
    # diagonals
    ("A[p,p]", "p", "diag(A)"),
    ("x[p]*where(p == q, 1, 0)", "p q", "diag(x)"),
    ("x[p]*(where(p == q, 1, 0) - x[q])", "p q", "diag(x) - outer(x, x)"),
    # functions of whole tensors
    ("exp(S[l,e] - logsumexp(S[l,f], f))", "l e", "softmax(S)"),
    ("exp(S[l,e] - logsumexp(S[o,e], o))", "l e", "softmax(S, axis=0)"),
    ("S[l,e] - logsumexp(S[l,f], f)", "l e", "log_softmax(S)"),
    ("P[l,e]*(S[l,e] - sum(S[l,f]*P[l,f], f))", "l e", "P*(S - sum(S*P, axis=1, keepdims=True))"),
    ("P[l,t[l]]", "l", "select(P, t)"),
    ("inv(A)[p,q]", "q p", "inv(A).T"),
    ("sum(inv(A)[p,q]*x[q], q)", "p", "inv(A) @ x"),
    ("solve(A, x)[p]", "p", "solve(A, x)"),
    ("logdet(A)*s", "", "logdet(A)*s"),
    # leading axes
    ("sum(T[v,l,j]*W[i,j], j)", "v l i", "T @ W.T"),
    ("sum(T[v,l,j]*x[j], j)", "v l", "T @ x"),
    ("T[v,l,j]*x[j]", "v l j", "T*x"),
    # nothing usual
    ("1", "j", None),
    ("x[j]", "l j", None),
    ("x[0]", "", None),
    ("X[l,j] - r[l]", "l j", None),
    ("T[v,l,j]", "j l v", None),
    ("sum(T[v,l,j]*W[i,j], v, j)", "l i", "sum(T @ W.T, axis=0)"),
    ("where(p == q, 1, 0)", "p q", None),
    ("sum(W[i,j]*V[e,i]*b[i], i)", "j e", "W.T @ diag(b) @ V.T"),
    ("X[l,j]*Z[l,i]", "l j i", None),
)  # fmt: skip


@pytest.fixture(scope="module")
def graph() -> Graph:
    """Every name of the table as a leaf."""
    declared = [f"{name}: ({', '.join(map(str, shape))}{',' * (len(shape) == 1)})" for name, shape in SHAPES.items()]
    uses = " + ".join(f"sum({name})" if shape else name for name, shape in SHAPES.items() if name != "t")
    return sg.read("\n".join([*declared, f"L_all = {uses} + sum(select(P, t))"]))


@pytest.fixture(scope="module")
def at() -> dict[str, Any]:
    """A seeded value for each name; all sizes differ."""
    rng = np.random.default_rng(3)
    values: dict[str, Any] = {}
    for name, shape in SHAPES.items():
        sizes = tuple(SIZES[size] if isinstance(size, str) else size for size in shape)
        values[name] = rng.uniform(0.2, 1.5, size=sizes) if shape else float(rng.uniform(0.2, 1.5))
    values["A"] = values["A"] + 3 * np.eye(SIZES["d"])
    values["t"] = rng.integers(0, SIZES["k"], size=SIZES["n"])
    return values


def indices_of(names: str) -> tuple[Index, ...]:
    """Indices over the sizes of the table."""
    return tuple(index_of(name, INDICES[name]) for name in names.split())


@pytest.mark.parametrize(("entries", "index", "expected"), TABLE)
def test_recognised(entries: str, index: str, expected: str | None, graph: Graph, at: dict[str, Any]) -> None:
    """The form is the expected one, and reads back to the values of the entries."""
    own = indices_of(index)
    body, _ = read_line(entries, graph, own)
    form = matrix_form(body, own, {node.name: node.shape for node in graph.nodes})
    assert (form is None) == (expected is None)
    if form is None:
        return
    text = TextPrinter().print(form)
    assert text == expected
    read, axes = read_line(text, graph)
    np.testing.assert_allclose(body_value(graph, read, axes, at), body_value(graph, body, own, at), rtol=1e-12)


NUMPY: dict[str, Any] = {
    "outer": np.outer, "diag": np.diag, "trace": np.trace, "sum": np.sum, "max": np.max, "where": np.where,
    "exp": np.exp, "inv": np.linalg.inv, "solve": np.linalg.solve, "logdet": lambda a: np.linalg.slogdet(a)[1],
    "logsumexp": lambda x, axis=-1: logsumexp(x, axis=axis), "softmax": lambda x, axis=-1: softmax(x, axis=axis),
    "log_softmax": lambda x: np.log(softmax(x, axis=-1)),
    "select": lambda P, t: P[np.arange(len(t)), t],
}  # fmt: skip


@pytest.mark.parametrize(("entries", "index", "expected"), [row for row in TABLE if row[2] is not None])
def test_the_text_is_numpy(entries: str, index: str, expected: str, graph: Graph, at: dict[str, Any]) -> None:
    """What is printed is NumPy's own notation: NumPy gives the same values."""
    own = indices_of(index)
    body, _ = read_line(entries, graph, own)
    value = eval(expected, {}, {**NUMPY, **SIZES, **at})
    np.testing.assert_allclose(value, body_value(graph, body, own, at), rtol=1e-12)


PRINTED: tuple[tuple[str, str, str, str], ...] = (
    ("sum(g[e]*V[e,i], e)", "i", "Vᵀ g", r"V^{\top} g"),
    ("b[i]*x[j]", "i j", "b xᵀ", r"b x^{\top}"),
    ("b[i]*(1 - a[i]**2)", "i", "b ⊙ (1 − a ⊙ a)", r"b \odot \left(1 - a \odot a\right)"),
    ("2*(b[i] - a[i])", "i", "2(b − a)", r"2 \left(b - a\right)"),
    ("2*b[i]", "i", "2b", r"2 \, b"),
    ("-2*sum(X[l,j]*(y[l] - sum(X[l,p]*w[p], p)), l)", "j", "−2·Xᵀ (y − X w)", r"-2 \, X^{\top} \left(y - X w\right)"),
    ("a[i]*sum(W[i,j]*x[j], j)", "i", "a ⊙ (W x)", r"a \odot \left(W x\right)"),
    ("sum(V[e,i]*(a[i]*b[i]), i)", "e", "V (a ⊙ b)", r"V \left(a \odot b\right)"),
    ("sum(x[p]*A[p,q]*x[q], p, q)", "", "xᵀ A x", r"x^{\top} A x"),
    ("sum(X[l,j]*r[l], l)/n", "j", "(1/n)·Xᵀ r", r"\frac{1}{n} \, X^{\top} r"),
    ("b[i]/a[i]", "i", "b ⊘ a", r"b \oslash a"),
    ("(b[i] - a[i])**3", "i", "(b − a)^∘3", r"\left(b - a\right)^{\circ 3}"),
    ("sum(A[p,q]*A[q,p], p, q)", "", "tr(A A)", r"\operatorname{tr}\left(A A\right)"),
    ("inv(A)[p,q]", "q p", "inv(A)ᵀ", r"\left(A^{-1}\right)^{\top}"),
    ("X[l,j]*w[j]", "j l", "(X ⊙ w)ᵀ", r"\left(X \odot w\right)^{\top}"),
)


@pytest.mark.parametrize(("entries", "index", "unicode", "latex"), PRINTED)
def test_binding_strengths(entries: str, index: str, unicode: str, latex: str, graph: Graph) -> None:
    """Matrix products, ⊙, sums and transposes stand in parentheses exactly where they must."""
    own = indices_of(index)
    body, _ = read_line(entries, graph, own)
    form = matrix_form(body, own, {node.name: node.shape for node in graph.nodes})
    assert form is not None
    assert UnicodePrinter().print(form) == unicode
    assert LatexPrinter().print(form) == latex


WRITTEN: tuple[tuple[str, str, str], ...] = (
    ("sum(b[i]*W[i,j], i)", "j", "b @ W"),
    ("X[l,j]*r[l]", "l j", "X*r[:, None]"),
    ("X[l,j] - r[l]", "l j", "X - r[:, None]"),
    ("sum(X[l,j], l)/n", "j", "mean(X, axis=0)"),
    ("sum((X[l,j] - sum(X[o,j], o)/n)**2, l)/n", "j", "var(X, axis=0)"),
    ("sum(r[l]**2, l)/n", "", "sum(r**2)/n"),
)


@pytest.mark.parametrize(("entries", "index", "expected"), WRITTEN)
def test_definitions_as_users_write_them(
    entries: str, index: str, expected: str, graph: Graph, at: dict[str, Any]
) -> None:
    """A definition keeps a row vector where it stands, and means are told as means."""
    own = indices_of(index)
    body, _ = read_line(entries, graph, own)
    form = matrix_form(body, own, {node.name: node.shape for node in graph.nodes}, as_written=True)
    assert form is not None
    assert TextPrinter().print(form) == expected
    read, axes = read_line(expected, graph)
    np.testing.assert_allclose(body_value(graph, read, axes, at), body_value(graph, body, own, at), rtol=1e-12)
