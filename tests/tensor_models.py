"""Named models on tensors: one table, crossed with renderers, backends and referees.

Each is a text, and for the leaves that ordinary random numbers do not suit a rule: `positive`, `spd` (symmetric and
positive definite), `labels:k` (whole numbers below the size k).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy

import symgrad as sg
from symgrad.core.graph import Graph


@dataclass(frozen=True)
class Model:
    """A loss on tensors."""

    name: str
    text: str
    rules: Mapping[str, str] = field(default_factory=dict)


def _model(name: str, text: str, **rules: str) -> Model:
    return Model(name, text.strip().replace("    ", ""), rules)


MODELS = (
    _model(
        "mlp_one_sample",
        """
    x: (d,)
    y: (k,)
    W1: (h, d)
    b1: (h,)
    W2: (k, h)
    b2: (k,)
    z1 = W1 @ x + b1
    a = tanh(z1)
    z2 = W2 @ a + b2
    L = sum((z2 - y)**2)
    """,
    ),
    _model(
        "mlp_in_indices",
        """
    x: (d,)
    y: (k,)
    z1[i] = W1[i,j]*x[j] + b1[i]
    a[i] = tanh(z1[i])
    z2[i] = W2[i,j]*a[j] + b2[i]
    L = (z2[i] - y[i])**2
    """,
    ),
    _model(
        "mlp_classifier",
        """
    X: (n, d)
    t: (n,)
    W1: (d, h)
    b1: (h,)
    W2: (h, c)
    b2: (c,)
    z1 = X @ W1 + b1
    a = tanh(z1)
    z2 = a @ W2 + b2
    L = sum(logsumexp(z2) - select(z2, t))/n
    """,
        t="labels:c",
    ),
    _model(
        "softmax_cross_entropy",
        """
    X: (n, d)
    W: (d, c)
    b: (c,)
    Y: (n, c)
    P = softmax(X @ W + b)
    L = -sum(Y*log(P))/n
    """,
        Y="positive",
    ),
    _model(
        "labels_in_indices",
        """
    P: (n, c)
    t: (n,)
    L = -sum(log(P[i,t[i]]), i)/n
    """,
        P="positive",
        t="labels:c",
    ),
    _model(
        "logistic_regression",
        """
    X: (n, d)
    w: (d,)
    b: ()
    y: (n,)
    z = X @ w + b
    L = mean(softplus(z) - y*z)
    """,
    ),
    _model(
        "ridge",
        """
    X: (n, d)
    w: (d,)
    y: (n,)
    r = X @ w - y
    L = sum(r**2)/n + lam*sum(w**2)
    """,
    ),
    _model(
        "gaussian_nll",
        """
    X: (n, d)
    mu: (d,)
    S: (d, d)
    R = X - mu
    L = n*logdet(S)/2 + sum(R*(R @ inv(S)))/2
    """,
        S="spd",
    ),
    _model(
        "gaussian_mixture",
        """
    X: (n, d)
    M: (k, d)
    alpha: (k,)
    s: (k,)
    D[i,j] = (X[i,c] - M[j,c])**2
    E[i,j] = alpha[j] - D[i,j]*exp(-2*s[j])/2 - d*s[j]
    L = n*logsumexp(alpha) - sum(logsumexp(E))
    """,
    ),
    _model(
        "batch_norm",
        """
    x: (n, d)
    g: (d,)
    s: (d,)
    T: (n, d)
    eps: ()
    mu = mean(x, axis=0)
    v = var(x, axis=0)
    xhat = (x - mu)/sqrt(v + eps)
    y = g*xhat + s
    L = mean((y - T)**2)
    """,
        eps="positive",
    ),
    _model(
        "layer_norm",
        """
    X: (n, d)
    g: (d,)
    s: (d,)
    T: (n, d)
    eps: ()
    mu = mean(X, axis=1, keepdims=True)
    v = mean((X - mu)**2, axis=1, keepdims=True)
    xhat = (X - mu)/sqrt(v + eps)
    Y = g*xhat + s
    L = sum((Y - T)**2)/n
    """,
        eps="positive",
    ),
    _model(
        "attention",
        """
    Q: (n, d)
    K: (m, d)
    V: (m, e)
    T: (n, e)
    S = Q @ K.T/sqrt(d)
    A = softmax(S)
    O = A @ V
    L = sum((O - T)**2)
    """,
    ),
    _model(
        "multi_head_attention",
        """
    X: (n, d)
    Wq: (h, d, e)
    Wk: (h, d, e)
    Wv: (h, d, e)
    Wo: (h, e, d)
    T: (n, d)
    Q[u,i,c] = X[i,a]*Wq[u,a,c]
    K[u,i,c] = X[i,a]*Wk[u,a,c]
    V[u,i,c] = X[i,a]*Wv[u,a,c]
    S = Q @ transpose(K, (0, 2, 1))/sqrt(e)
    A = softmax(S)
    O = A @ V
    Y[i,j] = O[u,i,c]*Wo[u,c,j]
    L = sum((Y - T)**2)
    """,
    ),
    _model(
        "recurrent_cell",
        """
    x1: (d,)
    x2: (d,)
    x3: (d,)
    h0: (h,)
    W: (h, d)
    U: (h, h)
    b: (h,)
    y: (h,)
    h1 = tanh(W @ x1 + U @ h0 + b)
    h2 = tanh(W @ x2 + U @ h1 + b)
    h3 = tanh(W @ x3 + U @ h2 + b)
    L = sum((h3 - y)**2)
    """,
    ),
    _model(
        "k_means",
        """
    X: (n, d)
    C: (k, d)
    D[i,j] = (X[i,c] - C[j,c])**2
    L = sum(min(D, axis=1))
    """,
    ),
    _model(
        "bundle_adjustment",
        """
    R: (3, 3)
    t: (3,)
    P: (n, 3)
    u: (n, 2)
    f: ()
    k: ()
    Y[i,j] = R[j,c]*P[i,c] + t[j]
    p[i] = Y[i,0]/(Y[i,2]**2 + 1)
    q[i] = Y[i,1]/(Y[i,2]**2 + 1)
    s = 1 + k*(p**2 + q**2)
    L = sum((f*s*p - u[:, 0])**2) + sum((f*s*q - u[:, 1])**2)
    """,
    ),
    _model("gram", "X: (n, d)\nG = X.T @ X\nL = sum(G**2)"),
    _model("trace_of_square", "A: (n, n)\nL = trace(A @ A)**2"),
    _model("quadratic_form", "x: (n,)\nA: (n, n)\nL = dot(x, A @ x)"),
    _model("bilinear", "a: (n,)\nX: (n, m)\nb: (m,)\nL = dot(a, X @ b)**2"),
    _model("matrix_power", "A: (n, n)\na: (n,)\nL = dot(a, A @ A @ A @ a)"),
    _model("inverse", "A: (n, n)\na: (n,)\nb: (n,)\nL = dot(a, inv(A) @ b)", A="spd"),
    _model("determinant", "A: (n, n)\nB: (n, n)\nL = det(A + B)", A="spd", B="spd"),
    _model("solution", "A: (n, n)\nB: (n, m)\nL = sum(solve(A, B)**2)", A="spd"),
    _model("vector_solution", "A: (n, n)\nb: (n,)\nx = solve(A, b)\nL = sum(x**2)", A="spd"),
    _model("norms", "A: (n, m)\nL = norm(A)*sum(norm(A, axis=1))"),
    _model("product", "A: (n, m)\nL = sum(prod(A, axis=1)**2)"),
    _model("extremes", "A: (n, m)\nL = sum(max(A, axis=1)*min(A, axis=1)) + max(A)"),
    _model("column_broadcast", "A: (n, m)\nc: (n, 1)\nr: (m,)\nB = A*c + r\nL = sum(B**2)"),
    _model("outer_and_diagonal", "a: (n,)\nb: (n,)\nM = outer(a, b) + diag(a)\nL = sum(M**2) + sum(diag(M))"),
    _model("standard_deviation", "A: (n, m)\nL = sum(std(A, axis=0)) + var(A)"),
    _model("fixed_entries", "A: (n, 3)\nL = sum(A[:, 0]*A[:, 2]) + A[1, 1]**2"),
    _model("relu_network", "X: (n, d)\nW: (d, h)\nv: (h,)\ny: (n,)\nu = relu(X @ W)\nL = mean((u @ v - y)**2)"),
    _model(
        "contraction_of_three", "A: (n, j)\nT: (m, j, k)\nB: (n, k)\nZ[a,b] = A[a,c]*T[b,c,e]*B[a,e]\nL = sum(Z**2)"
    ),
    _model(
        "own_index_unread",
        """
    A: (n, n)
    b: (n,)
    c: (m,)
    z = det(A) + b
    u = logdet(A) + c
    L = sum(z**2) + sum(u**3)
    """,
        A="spd",
    ),
    _model("product_of_a_column", "X: (n, m)\nc = max(X, axis=1, keepdims=True)\nL = sum(cos(prod(c, axis=0)))"),
    _model("diagonals", "x: (n,)\ny: (n,)\nL = sum(diag(x*y) @ diag(x)) + sum(softplus(tanh(diag(y))))"),
    _model("elementwise_table", "x: (n,)\nL = sum(sigmoid(x)*softplus(x) + exp(-x**2) + where(x > 0, x**3, sin(x)))"),
)

BY_NAME = {model.name: model for model in MODELS}


def sizes_of(graph: Graph) -> dict[str, int]:
    """A size for each name, all different."""
    return {name: 2 + position for position, name in enumerate(graph.sizes)}


def point_of(model: Model, graph: Graph, seed: int = 0, sizes: Mapping[str, int] | None = None) -> dict[str, Any]:
    """A seeded value for every leaf."""
    generator = numpy.random.default_rng(seed)
    known = {**sizes_of(graph), **(sizes or {})}
    point: dict[str, Any] = {}
    for leaf in graph.leaves:
        shape = tuple(known[s] if isinstance(s, str) else s for s in graph[leaf].shape)
        rule = model.rules.get(leaf, "")
        if rule.startswith("labels:"):
            point[leaf] = generator.integers(0, known[rule.partition(":")[2]], size=shape)
        elif rule == "spd":
            root = generator.normal(size=shape)
            point[leaf] = root @ root.T / shape[0] + numpy.eye(shape[0])
        else:
            values = generator.normal(size=shape)
            values = numpy.abs(values) + 0.2 if rule == "positive" else values
            point[leaf] = values if shape else float(values)
    return point


_DERIVED: dict[str, sg.Derivation] = {}


def derived(name: str) -> sg.Derivation:
    """The derivation of a model by every leaf, made once."""
    if name not in _DERIVED:
        _DERIVED[name] = sg.derive(sg.read(BY_NAME[name].text))
    return _DERIVED[name]
