"""Reading tensors: shapes, NumPy's style, index notation, what is split off, and what is refused."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import scipy.special
import sympy
from naive import body_value

import symgrad as sg
from symgrad.core.expression import Expr, add, divide, mul, negative, power, symbol, where
from symgrad.core.graph import Graph
from symgrad.core.indices import (
    Extent,
    Index,
    LogSumExpOver,
    MaxOver,
    ProductOver,
    SumOver,
    delta,
    entry,
    extent,
    index_of,
    matrix_function,
)
from symgrad.errors import ReadError, SymgradWarning
from symgrad.functions import BY_NAME
from symgrad.readers.json import read_json
from symgrad.readers.text import extend, read_expression, read_line

Shapes = Mapping[str, tuple[Extent, ...]]


def i(size: Extent = "n") -> Index:
    return index_of("i", size)


def j(size: Extent = "n") -> Index:
    return index_of("j", size)


def k(size: Extent = "n") -> Index:
    return index_of("k", size)


def read(text: str, shapes: Shapes | None = None) -> Graph:
    """A graph, with the warning about unused definitions put aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SymgradWarning)
        return sg.read(text, shapes)


def body(text: str, shapes: Shapes | None = None) -> Expr:
    """The body of the output."""
    graph = read(text, shapes)
    return graph[graph.output].body


def tanh(x: Expr) -> Expr:
    return BY_NAME["tanh"](x)


def exp(x: Expr) -> Expr:
    return BY_NAME["exp"](x)


# shapes and sizes


def test_declared_shapes() -> None:
    """A declaration in the text is a leaf where it stands; one beside the text is a leaf where it is first read."""
    graph = read("x: (d,)\nW: (h, d)\nc: ()\nn3: (3, 1, d)\nz = W @ x + b", {"b": ("h",)})
    assert graph.leaves == ("x", "W", "c", "n3", "b")
    assert [graph[name].shape for name in (*graph.leaves, "z")] == [
        ("d",), ("h", "d"), (), (3, 1, "d"), ("h",), ("h",)
    ]  # fmt: skip
    assert graph.sizes == ("d", "h")


def test_a_declaration_may_follow_its_use_and_may_stand_beside_the_text_too() -> None:
    """Shapes are looked for in the whole text first, and declaring one twice alike is harmless."""
    assert read("L = sum(x)\nx: (n,)", {"x": ("n",)})["x"].shape == ("n",)


def test_a_declared_definition() -> None:
    """A definition may have its shape declared, which gives a constant its size, and is not a leaf for it."""
    graph = read("o: (n, m); o[i,j] = 2; L = sum(o)/n")
    assert graph.leaves == ()
    assert (graph["o"].shape, graph["o"].body) == (("n", "m"), sympy.Integer(2))
    assert read("z: (4,); z = W @ x", {"W": ("h", "d"), "x": ("d",)})["W"].shape == (4, "d")


@pytest.mark.parametrize(
    ("text", "shapes", "found"),
    [
        ("z = W @ x", {"W": ("h", "d"), "x": (3,)}, {"W": ("h", 3), "z": ("h",)}),
        ("z = x + y", {"x": ("n",), "y": (4,)}, {"x": (4,), "z": (4,)}),
        ("z[i] = W[i,j]*x[j]", {"W": ("h", 3)}, {"x": (3,), "z": ("h",)}),
        ("u = a @ x; z = W @ x", {"a": ("d",), "x": ("d",), "W": (2, 5)}, {"a": (5,), "x": (5,), "z": (2,)}),
        ("T = trace(A)", {"A": ("n", 3)}, {"A": (3, 3)}),
        ("z[i] = W[i,j]*x[j] + b[i]", {}, {"W": ("n_i", "n_j"), "x": ("n_j",), "b": ("n_i",), "z": ("n_i",)}),
        ("z[i] = x[i]; L = x[j]*y[j]", {}, {"x": ("n_i",), "y": ("n_i",)}),
        ("z = a[i]*b[i]; L = z + c[i]*d[i]", {}, {"a": ("n_i",), "c": ("n_i_1",), "d": ("n_i_1",)}),
        ("L = x[0] + x[1]", {}, {"x": ("n_x",)}),
        ("z[i] = x[i]*n_i", {}, {"x": ("n_i_1",), "n_i": ()}),
        ("y[n] = X[n,d]*w[d]", {"X": ("n", "d")}, {"w": ("d",), "y": ("n",)}),
    ],
)
def test_sizes_unify(text: str, shapes: Shapes, found: Shapes) -> None:
    """A number settles a declared name everywhere; unknown sizes take whatever they meet, and else get a name."""
    graph = read(text, shapes)
    assert {name: graph[name].shape for name in found} == found


def test_a_settled_size_is_a_number_in_every_body() -> None:
    """Where a size has become a number, formulas that used its name have that number."""
    graph = read("L = sum(r**2)/n; z = r + s", {"r": ("n",), "s": (4,)})
    assert graph["L"].body == divide(SumOver(power(entry("r", (i(4),)), 2), i(4)), sympy.Integer(4))


def test_a_size_is_a_number_in_a_formula() -> None:
    """A declared size name stands for the size."""
    assert body("L = sum(r**2)/n", {"r": ("n",)}) == divide(SumOver(power(entry("r", (i(),)), 2), i()), extent("n"))


# bodies


W, X = ("h", "d"), ("n", "d")
A_IJ, A_JI = entry("A", (i(), j())), entry("A", (j(), i()))


@pytest.mark.parametrize(
    ("text", "shapes", "index", "expected"),
    [
        (
            "z = W @ x + b",
            {"W": W, "x": ("d",), "b": ("h",)},
            (i("h"),),
            add(SumOver(mul(entry("W", (i("h"), j("d"))), entry("x", (j("d"),))), j("d")), entry("b", (i("h"),))),
        ),
        (
            "z[p] = W[p,q]*x[q] + b[p]",
            {"W": W},
            (index_of("p", "h"),),
            add(
                SumOver(
                    mul(entry("W", (index_of("p", "h"), index_of("q", "d"))), entry("x", (index_of("q", "d"),))),
                    index_of("q", "d"),
                ),
                entry("b", (index_of("p", "h"),)),
            ),
        ),
        ("z = -x", {"x": ("n",)}, (i(),), negative(entry("x", (i(),)))),
        ("Z = A.T", {"A": ("n", "n")}, (i(), j()), A_JI),
        ("L = trace(A)", {"A": ("n", "n")}, (), SumOver(entry("A", (i(), i())), i())),
        ("d = diag(A)", {"A": ("n", "n")}, (i(),), entry("A", (i(), i()))),
        ("D = diag(x)", {"x": ("n",)}, (i(), j()), mul(entry("x", (i(),)), delta(i(), j()))),
        ("E = eye_like(A)", {"A": ("n", "n")}, (i(), j()), delta(i(), j())),
        ("o = ones_like(x)", {"x": ("n",)}, (i(),), sympy.Integer(1)),
        ("L = sum(A)", {"A": ("n", "n")}, (), SumOver(A_IJ, i(), j())),
        ("s = sum(A, axis=0)", {"A": ("n", "n")}, (i(),), SumOver(A_JI, j())),
        ("s = prod(A, axis=-1)", {"A": ("n", "n")}, (i(),), ProductOver(A_IJ, j())),
        ("s[i] = sum(A[i,j]*b[j], j)", {"A": ("n", 1)}, (i(),), mul(entry("A", (i(), 0)), entry("b", (0,)))),
        ("L = max(x)", {"x": ("n",)}, (), MaxOver(entry("x", (i(),)), i())),
        ("L = max(x[p], p)", {"x": ("n",)}, (), MaxOver(entry("x", (index_of("p", "n"),)), index_of("p", "n"))),
        ("L = mean(x)", {"x": ("n",)}, (), divide(SumOver(entry("x", (i(),)), i()), extent("n"))),
        ("L = mean(x)", {"x": (4,)}, (), divide(SumOver(entry("x", (i(4),)), i(4)), sympy.Integer(4))),
        ("l = logsumexp(A)", {"A": ("n", "n")}, (i(),), LogSumExpOver(A_IJ, j())),
        ("L = sum(sum(A, axis=0))", {"A": ("n", "n")}, (), SumOver(A_JI, i(), j())),
        ("L = -2*sum(x)", {"x": ("n",)}, (), mul(sympy.Integer(-2), SumOver(entry("x", (i(),)), i()))),
        ("C = A*b", {"A": ("n", 1), "b": ("n",)}, (i(), j()), mul(entry("A", (i(), 0)), entry("b", (j(),)))),
        ("s = sum(A, axis=1, keepdims=True)", {"A": ("n", "n")}, (i(), j(1)), SumOver(entry("A", (i(), k())), k())),
        ("y = x[:, None]", {"x": ("n",)}, (i(), j(1)), entry("x", (i(),))),
        ("y = A[0]", {"A": ("n", "n")}, (i(),), entry("A", (0, i()))),
        ("y = A[..., -1]", {"A": ("n", 3)}, (i(),), entry("A", (i(), 2))),
        ("g = P[arange(n), t]", {"P": ("n", "c"), "t": ("n",)}, (i(),), entry("P", (i(), entry("t", (i(),))))),
        ("g = select(P, t)", {"P": ("n", "c"), "t": ("n",)}, (i(),), entry("P", (i(), entry("t", (i(),))))),
        ("g = select(p, t)", {"p": ("c",), "t": ()}, (), entry("p", (symbol("t"),))),
        ("H = E[t]", {"E": ("v", "d"), "t": ("n",)}, (i(), j("d")), entry("E", (entry("t", (i(),)), j("d")))),
        (
            "g[b] = P[b, t[b]]",
            {"P": ("n", "c")},
            (index_of("b", "n"),),
            entry("P", (index_of("b", "n"), entry("t", (index_of("b", "n"),)))),
        ),
        ("M = inv(A)", {"A": ("n", "n")}, (i(), j()), matrix_function("inv", ("A",), (i(), j()))),
        ("M[i,j] = inv(A)[j,i]", {"A": ("n", "n")}, (i(), j()), matrix_function("inv", ("A",), (j(), i()))),
        ("L = logdet(A)", {"A": ("n", "n")}, (), matrix_function("logdet", ("A",))),
        ("s[i] = solve(A, b)[i]", {"A": ("n", "n"), "b": ("n",)}, (i(),), matrix_function("solve", ("A", "b"), (i(),))),
        (
            "D[i,j] = where(i == j, x[i], 0)",
            {"x": ("n",), "D": ("n", "n")},
            (i(), j()),
            where(sympy.Eq(i(), j(), evaluate=False), entry("x", (i(),)), sympy.Integer(0)),
        ),
    ],
)  # fmt: skip
def test_bodies(text: str, shapes: Shapes, index: tuple[Index, ...], expected: Expr) -> None:
    """Each line is the formula of one entry."""
    graph = read(text, shapes)
    node = graph[graph.output]
    assert (node.index, node.body) == (index, expected)
    assert not any(node.inserted for node in graph.nodes)


def sum_x(name: str = "x") -> Expr:
    return SumOver(entry(name, (i(),)), i())


# one line at a time, and JSON


def test_read_line_in_index_notation() -> None:
    """A right-hand side with given indices keeps them, and nests what it nests."""
    graph = read("z[i] = W[i,j]*x[j]; L = z[i]**2", {"W": W})
    own = (i("h"), j("d"))
    assert read_line("2*z[i]*x[j]", graph, own) == (
        mul(sympy.Integer(2), entry("z", (i("h"),)), entry("x", (j("d"),))), own,
    )  # fmt: skip
    nested, _ = read_line("z[i]*sum(z[k]**2, k)", graph, (i("h"),))
    assert nested == mul(entry("z", (i("h"),)), SumOver(power(entry("z", (k("h"),)), 2), k("h")))
    assert read_expression("W[i,j]*x[j]", graph, (i("h"),)) == graph["z"].body


def test_read_line_in_numpy_style() -> None:
    """A right-hand side in NumPy's style tells its own indices."""
    graph = read("L = sum(softmax(x))*dot(x, y)", {"x": ("n",), "y": ("n",)})
    assert read_line("outer(x, y)", graph) == (mul(entry("x", (i(),)), entry("y", (j(),))), (i(), j()))
    assert read_line("ones_like(x)", graph) == (sympy.Integer(1), (i(),))
    assert read_line("zeros_like(x)", graph) == (sympy.Integer(0), (i(),))
    soft, own = read_line("softmax(2*x)", graph)
    at = {"x": np.array([0.5, 1.0, 2.0]), "y": np.ones(3)}
    np.testing.assert_allclose(body_value(graph, soft, own, at), scipy.special.softmax(2 * at["x"]))
    with pytest.raises(ReadError, match="this has 1 axes, where 0 are expected"):
        read_expression("2*x", graph)
    with pytest.raises(ReadError, match="the axes n and 3 differ"):
        read_line("x + ones_like(w)", extend(read("L = sum(w)", {"w": (3,)}), "x: (n,); s = sum(x)"))


def test_extend() -> None:
    """Further definitions may use a graph's names, and share its inserted nodes."""
    graph = read("p = softmax(z)", {"z": ("n",)})
    longer = extend(graph, "q = log_softmax(z); L = -dot(p, q)")
    assert longer.nodes[: len(graph.nodes)] == graph.nodes
    assert [node.name for node in longer.nodes] == ["z", "p_lse", "p", "q", "L"]
    with pytest.raises(ReadError, match="'p' is already defined"):
        extend(graph, "p = 2*z")


def as_json(graph: Graph, formulas: Mapping[str, str]) -> str:
    """A document as the JSON renderer writes it, its formulas given."""
    nodes = [
        {
            "name": node.name,
            "index": [index.name for index in node.index],
            "shape": list(node.shape),
            "body": formulas.get(node.name),
            **({"inserted": True} if node.inserted else {}),
        }
        for node in graph.nodes
    ]
    return json.dumps({"schema": 1, "nodes": nodes, "output": graph.output})


def test_json_reads_back() -> None:
    """Index, shape and body of every node, those of inserted nodes too, and axes the body does not mention."""
    text = "P = softmax(X @ W); s = sum(P, axis=1, keepdims=True); o = ones_like(s)*3; L = sum(P/s) + sum(o)/n"
    graph = read(text, {"X": ("n", "d"), "W": ("d", 3)})
    formulas = {
        "P_in": "sum(X[i,k]*W[k,j], k)", "P_lse": "logsumexp(P_in[i,j], j)", "P": "exp(P_in[i,j] - P_lse[i])",
        "s": "sum(P[i,k], k)", "o": "1*3", "L": "sum(P[i,j]/s[i,0], i, j) + sum(o[k,0], k)/n",
    }  # fmt: skip
    again = read_json(as_json(graph, formulas))
    assert again == graph
    assert [node.inserted for node in again.nodes] == [node.inserted for node in graph.nodes]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": ["n", 0]}, "the shape of node 'z' is not a list of sizes"),
        ({"shape": "n"}, "the shape of node 'z' is not a list of sizes"),
        ({"shape": ["n)"]}, "the shape of node 'z' is not a list of sizes"),
        ({"index": ["i", "j"]}, "node 'z' has 2 indices, but its shape is"),
        ({"index": ["i] = 2; l[j"]}, "the index of node 'z' is not a list of names"),
        ({"index": 3}, "the index of node 'z' is not a list of names"),
        ({"body": "W[i,j]*x[i]"}, "The index i runs over both"),
    ],
)
def test_damaged_json(change: dict[str, Any], message: str) -> None:
    """A damaged document is refused with the node's name."""
    graph = read("z = W @ x", {"W": W, "x": ("d",)})
    document = json.loads(as_json(graph, {"z": "sum(W[i,j]*x[j], j)"}))
    assert read_json(json.dumps(document)) == graph
    document["nodes"][-1] |= change
    with pytest.raises(ReadError) as caught:
        read_json(json.dumps(document))
    assert message in caught.value.message


# speed


def test_reading_is_fast() -> None:
    """A network of 48 layers is read in a fraction of a second."""
    lines = [f"h{n} = tanh(W{n} @ h{n - 1} + b{n})" for n in range(1, 49)]
    shapes = {f"W{n}": ("d", "d") for n in range(1, 49)} | {f"b{n}": ("d",) for n in range(1, 49)} | {"h0": ("d",)}
    began = time.perf_counter()
    graph = read("\n".join([*lines, "L = sum(h48**2)"]), shapes)
    assert time.perf_counter() - began < 1.0
    assert len(graph.nodes) == 4 * 48 + 2
