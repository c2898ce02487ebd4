"""What texts with tensors mean: NumPy's own evaluation of the same text, and published examples."""

from __future__ import annotations

import contextlib
import json
import random
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
from naive import body_value, evaluate

import symgrad as sg
from symgrad.core.graph import Graph
from symgrad.errors import ReadError, SymgradWarning
from symgrad.readers.text import read_line


def read(text: str, shapes: Any = None) -> Graph:
    """A graph, with the warning about unused definitions put aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SymgradWarning)
        return sg.read(text, shapes)


# meaning: the same text by NumPy

LEAVES: Mapping[str, tuple[int, ...]] = {
    "s": (), "x": (3,), "y": (2,), "A": (2, 3), "B": (3, 2), "C": (3, 3), "R": (1, 3), "K": (2, 1), "U": (2, 3, 3),
    "V": (4, 1, 3, 2),
}  # fmt: skip
NUMPY: Mapping[str, Any] = {
    **{name: getattr(np, name) for name in ("sum", "mean", "var", "std", "prod", "tanh", "exp", "sin", "square")},
    **{name: getattr(np, name) for name in ("transpose", "dot", "matmul", "trace", "diag", "outer", "where")},
    **{name: getattr(np, name) for name in ("ones_like", "zeros_like", "newaxis", "arange")},
    "softmax": lambda x, axis=-1: scipy.special.softmax(x, axis=axis),
    "log_softmax": lambda x, axis=-1: scipy.special.log_softmax(x, axis=axis),
    "logsumexp": lambda x, axis=-1, keepdims=False: scipy.special.logsumexp(x, axis=axis, keepdims=keepdims),
    "norm": lambda x, axis=None, keepdims=False: np.sqrt(np.sum(x**2, axis=axis, keepdims=keepdims)),
    "max": lambda a, b=None, **options: np.max(a, **options) if b is None else np.maximum(a, b),
    "min": lambda a, b=None, **options: np.min(a, **options) if b is None else np.minimum(a, b),
    "det": np.linalg.det,
    "inv": np.linalg.inv,
    "solve": np.linalg.solve,
    "logdet": lambda A: np.linalg.slogdet(A)[1],
    "step": lambda x: np.where(x > 0, 1.0, 0.0),
    "relu": lambda x: np.maximum(x, 0.0),
}


def values(seed: int = 0) -> dict[str, Any]:
    """A value for every leaf of the comparison."""
    random_numbers = np.random.default_rng(seed)
    return {name: random_numbers.uniform(-1, 1, shape) if shape else 0.75 for name, shape in LEAVES.items()}


class ScalarError(Exception):
    """NumPy reduces scalars, which symgrad refuses on purpose: a shape is missing."""


def check_against_numpy(text: str, bare: bool = False) -> bool:
    """Compare with NumPy's own evaluation of the same text; False where both refuse it."""
    at = values()
    used = {name: shape for name, shape in LEAVES.items() if name in re.findall(r"\b[A-Za-z]\b", text)}
    try:
        expected = np.asarray(eval(text, {"__builtins__": {}}, {**NUMPY, **at}), dtype=float)  # our own text
    except (ValueError, IndexError, TypeError, AttributeError, np.exceptions.AxisError):
        with pytest.raises(ReadError):
            read(text, used)
        return False
    try:
        graph = read(text if bare else f"L = {text}", used)
    except ReadError as error:
        raise (ScalarError if "scalar" in error.message or "no axes" in error.message else AssertionError) from error
    found = evaluate(graph, at)[graph.output]
    assert np.shape(found) == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)
    return True


@pytest.mark.parametrize(
    "text",
    [
        "A @ x + y", "x @ B", "x @ x", "U @ C @ x", "V @ A", "x @ U", "(A @ B).T", "U.T", "sum(U, axis=(0, 2))",
        "mean(V, axis=-2, keepdims=True)", "var(A, axis=0)", "std(U)", "prod(A + 2, axis=1)", "max(U, axis=1)",
        "min(A)", "norm(C)", "norm(A, axis=1)", "softmax(A @ C)", "softmax(U, axis=1)", "log_softmax(2*x - 1)",
        "logsumexp(U, axis=0, keepdims=True)", "max(A, x)", "min(R, K)", "where(A > R, A**2, -x)", "R*K", "R @ B",
        "trace(A @ B)", "diag(x)", "diag(C)", "diag(x*2) @ C", "outer(x, y)", "transpose(U, (2, 0, 1))", "det(C)",
        "logdet(C)", "inv(C)", "inv(C @ C + diag(x)).T @ x", "solve(C, x)", "solve(C.T, B)", "tanh(A[0] + A[:, 1][0])",
        "x[:, None]*x[None, :]", "U[..., 0]", "U[1, :, 2]", "C[-1]", "V[:, 0]", "ones_like(A)*x", "step(A)*relu(-A)",
        "exp(C - max(C, axis=1, keepdims=True))/sum(exp(C - max(C, axis=1, keepdims=True)), axis=1, keepdims=True)",
        "(C - mean(C, axis=-1, keepdims=True))/std(C, axis=-1, keepdims=True)*x + x", "softmax(C @ C.T/s) @ B",
        "A @ y", "x + y", "A + B", "U[3]", "A @ A", "trace(x)", "sum(x, axis=1)", "transpose(U, (0, 0, 1))",
    ],
)  # fmt: skip
@pytest.mark.parametrize("bare", [False, True])
def test_numpy_style_means_what_numpy_computes(text: str, bare: bool) -> None:
    """Shape and value are NumPy's; what NumPy refuses for its shapes is refused."""
    check_against_numpy(text, bare)


def made_up(choose: random.Random, depth: int) -> str:
    """A text over the leaves, whose shapes may or may not fit."""
    kind = choose.random()
    one, other = (made_up(choose, depth - 1) for _ in "12") if depth else ("", "")
    if depth == 0 or kind < 0.12:
        return choose.choice([*LEAVES])
    if kind < 0.36:
        return f"({one} {choose.choice('+-*')} {other})"
    if kind < 0.54:
        return f"({one} @ {other})"
    if kind < 0.62:
        return f"{one}.T"
    if kind < 0.8:
        name = choose.choice(["sum", "mean", "var", "prod", "max", "min", "logsumexp", "softmax", "log_softmax"])
        axis = choose.choice(["", ", axis=0", ", axis=-1", ", axis=1"])
        return f"{name}({one}{axis})"
    if kind < 0.9:
        return f"{choose.choice(['tanh', 'sin', 'square'])}({one})"
    if kind < 0.95:
        return f"max({one}, {other})"
    return f"{one}{choose.choice(['[0]', '[:, None]', '[..., 0]', '[1, :]', '[-1]'])}"


def test_random_numpy_style() -> None:
    """Hundreds of made-up lines mean what NumPy computes, or are refused as by NumPy."""
    choose = random.Random(2)
    agreed = 0
    for _ in range(600):
        text = made_up(choose, choose.randint(1, 3))
        with contextlib.suppress(ScalarError):
            agreed += check_against_numpy(text)
    assert agreed > 150


ATTENTION = """
Q[h,i,c] = X[i,d]*Wq[h,d,c]
K[h,i,c] = X[i,d]*Wk[h,d,c]
V[h,i,c] = X[i,d]*Wv[h,d,c]
S[h,i,j] = Q[h,i,c]*K[h,j,c]/sqrt(3)
A[h,i,j] = softmax(where(j <= i, S[h,i,j], -1e9), j)
O[i,e] = A[h,i,j]*V[h,j,c]*Wo[h,c,e]
L = O[i,e]**2
"""


def test_attention_in_index_notation() -> None:
    """Causal attention with several heads is six lines, without any reshaping."""
    random_numbers = np.random.default_rng(0)
    graph = read(ATTENTION)
    shapes = {"X": (4, 5), "Wq": (2, 5, 3), "Wk": (2, 5, 3), "Wv": (2, 5, 3), "Wo": (2, 3, 5)}
    at = {name: random_numbers.normal(size=shapes[name]) for name in graph.leaves}
    q, k_, v = (np.einsum("id,hdc->hic", at["X"], at[name]) for name in ("Wq", "Wk", "Wv"))
    scores = np.einsum("hic,hjc->hij", q, k_) / np.sqrt(3)
    scores = np.where(np.tril(np.ones((4, 4))) > 0, scores, -1e9)
    out = np.einsum("hij,hjc,hce->ie", scipy.special.softmax(scores, axis=-1), v, at["Wo"])
    found = evaluate(graph, at)
    np.testing.assert_allclose(found["O"], out)
    np.testing.assert_allclose(found["L"], np.sum(out**2))
    assert [node.name for node in graph.nodes if node.inserted] == ["A_in", "A_lse"]


@pytest.mark.parametrize(
    ("text", "einsum"),
    [
        ("z[a] = C[a,b]*x[b]", lambda x, y, A, C: C @ x),
        ("L = C[a,b]*x[a]*x[b] - x[a]**2", lambda x, y, A, C: x @ C @ x - x @ x),
        ("L = (x[a] - 1)**2 + 3", lambda x, y, A, C: np.sum((x - 1) ** 2) + 3),
        ("z[a,b] = A[b,c]*C[c,a] + y[b]*x[a]", lambda x, y, A, C: (A @ C + np.outer(y, x)).T),
        ("z[a] = A[a,b]*x[b]/sum(x[b]**2, b)", lambda x, y, A, C: A @ x / np.sum(x**2)),
        ("z[b] = sum(A[a,b]*y[a], a)/mean(C[a,b], a)", lambda x, y, A, C: y @ A / C.mean(0)),
        ("z = var(C[a,b], a, b) + std(x[a], a)", lambda x, y, A, C: C.var() + x.std()),
        ("z[a] = max(A[a,b], b) - min(A[a,b], b)", lambda x, y, A, C: A.max(1) - A.min(1)),
        ("z[a] = prod(A[a,b] + 1, b)*norm(C[b,c], b, c)", lambda x, y, A, C: np.prod(A + 1, 1) * np.linalg.norm(C)),
        ("z[a,b] = log_softmax(A[a,b], b)", lambda x, y, A, C: scipy.special.log_softmax(A, axis=1)),
        ("z[a] = C[a,a] + C[0,a] + sum(C)", lambda x, y, A, C: np.diag(C) + C[0] + C.sum()),
        ("z[a,b] = where(a < b, C[a,b], x[b])", lambda x, y, A, C: np.where(np.tri(3, k=-1).T > 0, C, x)),
        ("z[a] = dot(A[a,:], x) + logsumexp(A)[a]", lambda x, y, A, C: A @ x + scipy.special.logsumexp(A, axis=1)),
        ("z[a] = inv(C)[a,b]*x[b] - solve(C, x)[a] + det(C)", lambda x, y, A, C: np.full(3, np.linalg.det(C))),
        ("z = max(x[a], a) + max(x[0], y[0])", lambda x, y, A, C: x.max() + max(x[0], y[0])),
    ],
)
def test_index_notation_means_what_it_says(text: str, einsum: Any) -> None:
    """Indices that are not on the left are summed, term by term."""
    at = values()
    graph = read(text, {name: LEAVES[name] for name in "xyAC" if name in text.partition("=")[2].replace("max", "")})
    expected = einsum(*(at[name] for name in "xyAC"))
    np.testing.assert_allclose(evaluate(graph, at)[graph.output], expected, atol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "L = sum(where(i == j, x[i], 0), i, j)",
        "L = sum(x[i]*where(i == k, 1, 0)*where(k == j, 1, 0), i, j, k)",
    ],
)
def test_an_index_that_is_only_compared(text: str) -> None:
    """It runs over what it is compared with: the sum of a diagonal matrix is that of its diagonal."""
    assert evaluate(sg.read(f"x: (n,)\n{text}"), {"x": [1.0, 2.0, 4.0]})["L"] == 7


def test_labels_select() -> None:
    """Cross-entropy by integer labels, in three spellings."""
    Z, t = np.random.default_rng(0).normal(size=(4, 3)), np.array([2, 0, 1, 1])
    expected = -scipy.special.log_softmax(Z, axis=1)[np.arange(4), t].mean()
    for line in ("-mean(log(P[arange(n), t]))", "-mean(select(log(P), t))", "-log(P[b, t[b]])/n"):
        graph = read(f"P = softmax(Z); L = {line}", {"Z": ("n", "c"), "t": ("n",)})
        assert set(graph.selectors) == {"t"}
        assert evaluate(graph, {"Z": Z, "t": t})["L"] == pytest.approx(expected)


# published examples

EXAMPLES = [
    entry
    for line in (Path(__file__).parent / "data" / "worked_examples.jsonl").read_text(encoding="utf-8").splitlines()
    if (entry := json.loads(line))["kind"] != "scalar"
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["id"])
def test_published_examples(example: dict[str, Any]) -> None:
    """Every example with tensors reads, has the published value, and its formulas have the shapes they should."""
    text = "\n".join(f"{name} = {line}" for name, line in example["definitions"])
    graph = read(text, {name: tuple(shape) for name, shape in example["shapes"].items()})
    random_numbers = np.random.default_rng(0)
    at = {name: random_numbers.uniform(0.5, 1.5, graph[name].shape) for name in graph.leaves} | example["inputs"]
    expected = example["expected"]
    if "value" in expected:
        digits = example["published_precision"]
        relative = 1e-12 if digits is None else 0.6 * 10.0 ** (1 - digits)
        assert evaluate(graph, at)[graph.output] == pytest.approx(expected["value"], rel=relative)
    for key, before in (("formula", ()), ("jacobian_formula", graph[graph.output].shape)):
        for name, formula in expected.get(key, {}).items():
            found = body_value(graph, *read_line(formula, graph), at)
            assert np.shape(found) == before + graph[name].shape
