"""Reading tensors: shapes, NumPy's style, index notation, what is split off, and what is refused."""

from __future__ import annotations

import json
import re
import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import scipy.special
import sympy
from naive import body_value, evaluate

import symgrad as sg
from symgrad.calculus.elementary import elementary
from symgrad.core.expression import Expr, add, divide, mul, negative, power, square_root, subtract, symbol, where
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


# what is split off


def inserted(graph: Graph) -> dict[str, Expr]:
    """The bodies of the nodes the reader inserted."""
    return {node.name: node.body for node in graph.nodes if node.inserted}


@pytest.mark.parametrize(
    ("text", "shapes", "found", "last"),
    [
        ("L = sum(x)**2", {"x": ("n",)}, {"L_sum": sum_x()}, power(symbol("L_sum"), 2)),
        ("L = a*sum(x)", {"x": ("n",)}, {"L_sum": sum_x()}, mul(symbol("a"), symbol("L_sum"))),
        ("L = -max(x)", {"x": ("n",)}, {"L_max": MaxOver(entry("x", (i(),)), i())}, negative(symbol("L_max"))),
        (
            "L = sum(a*sum(x))",
            {"x": ("n",), "a": ("m",)},
            {"L_sum": sum_x()},
            SumOver(mul(entry("a", (i("m"),)), symbol("L_sum")), i("m")),
        ),
        (
            "L = norm(x)",
            {"x": ("n",)},
            {"L_sum": SumOver(power(entry("x", (i(),)), 2), i())},
            square_root(symbol("L_sum")),
        ),
        (
            "p = softmax(z)",
            {"z": ("n",)},
            {"p_lse": LogSumExpOver(entry("z", (i(),)), i())},
            exp(subtract(entry("z", (i(),)), symbol("p_lse"))),
        ),
        (
            "P = log_softmax(A, axis=0)",
            {"A": ("n", "n")},
            {"P_lse": LogSumExpOver(A_JI, j())},
            subtract(A_IJ, entry("P_lse", (j(),))),
        ),
        (
            "v = var(x)",
            {"x": ("n",)},
            {"v_mean": divide(sum_x(), extent("n"))},
            divide(SumOver(power(subtract(entry("x", (i(),)), symbol("v_mean")), 2), i()), extent("n")),
        ),
        (
            "a = tanh(W @ x + b)",
            {"W": W, "x": ("d",), "b": ("h",)},
            {
                "a_lin": add(
                    SumOver(mul(entry("W", (i("h"), j("d"))), entry("x", (j("d"),))), j("d")), entry("b", (i("h"),))
                )
            },
            tanh(entry("a_lin", (i("h"),))),
        ),
        (
            "y = (x - mean(x))/sqrt(var(x) + eps)",
            {"x": ("n",)},
            {
                "y_mean": divide(sum_x(), extent("n")),
                "y_var": divide(
                    SumOver(power(subtract(entry("x", (i(),)), symbol("y_mean")), 2), i()), extent("n")
                ),
            },
            divide(
                subtract(entry("x", (i(),)), symbol("y_mean")), square_root(add(symbol("y_var"), symbol("eps")))
            ),
        ),
        (
            "p[a] = exp(z[a])/sum(exp(z[b]), b)",
            {"z": ("n",)},
            {"p_sum": SumOver(exp(entry("z", (i(),))), i())},
            divide(exp(entry("z", (index_of("a", "n"),))), symbol("p_sum")),
        ),
        (
            "f = trace(inv(A + A.T))",
            {"A": ("n", "n")},
            {"f_in": add(A_IJ, A_JI)},
            SumOver(matrix_function("inv", ("f_in",), (i(), i())), i()),
        ),
        (
            "Y = A @ A @ A",
            {"A": ("n", "n")},
            {"Y_dot": SumOver(mul(entry("A", (i(), k())), entry("A", (k(), j()))), k())},
            SumOver(mul(entry("Y_dot", (i(), k())), entry("A", (k(), j()))), k()),
        ),
    ],
)  # fmt: skip
def test_nested_reductions_become_nodes(text: str, shapes: Shapes, found: dict[str, Expr], last: Expr) -> None:
    """A sum stays where the line is linear in it, another reduction as a whole line; others get a line of their own."""
    graph = read(text, shapes)
    assert inserted(graph) == found
    assert graph[graph.output].body == last


def test_equal_reductions_are_one_node() -> None:
    """The same operand reduced the same way is one node, within a definition and across the graph."""
    graph = read("p = softmax(z); q = softmax(z)*sum(z)**2; L = dot(p, q)/sum(z)", {"z": ("n",)})
    assert list(inserted(graph)) == ["p_lse", "q_sum", "L_dot"]
    assert graph["L"].parents == ("L_dot", "q_sum")


def test_inserted_names_step_aside() -> None:
    """An inserted node's name is new even to what is defined later, and to leaves and sizes."""
    text = "p = softmax(z); p_lse = 2*s; p_lse_1 = p_lse; L = sum(p)*p_lse_1 + p_lse_2"
    assert list(inserted(read(text, {"z": ("p_lse_3",)}))) == ["p_lse_4", "L_sum"]


def test_index_letters_step_aside() -> None:
    """The reader's letters are neither nodes nor sizes; the user's own stay."""
    graph = read("C = A @ B; L = sum(C)*i*m", {"A": ("k", "j"), "B": ("j", "n")})
    assert [index.name for index in (*graph["C"].index, *graph["C"].summed)] == ["p", "q", "r"]
    assert [index.name for index in read("C[u,v] = A[u,w]*B[w,v]")["C"].index] == ["u", "v"]


def test_bound_letters_are_distinct() -> None:
    """One letter in two terms, or within a reduction and outside it, is several indices; the first keeps the letter."""
    graph = read("L = a[i]*b[i] - c[i]*d[i]; p[i] = sum(A[i,j], j) + sum(A[j,i], j)")
    assert [index.name for index in graph["L"].summed] == ["i", "j"]
    assert graph["L"].body == add(
        SumOver(mul(entry("a", (i("n_i"),)), entry("b", (i("n_i"),))), i("n_i")),
        negative(SumOver(mul(entry("c", (j("n_i_1"),)), entry("d", (j("n_i_1"),))), j("n_i_1"))),
    )
    assert [index.name for index in graph["p"].summed] == ["j", "k"]


# bare expressions and elementary steps


def test_a_bare_expression_is_split() -> None:
    """Products with a sum, elementwise operations and reductions are one step each."""
    graph = read("sum((W @ x - y)**2)", {"W": W, "x": ("d",), "y": ("h",)})
    a, b = i("h"), j("d")
    assert [(node.name, node.index, node.body) for node in graph.nodes if node.body is not None] == [
        ("v1", (a,), SumOver(mul(entry("W", (a, b)), entry("x", (b,))), b)),
        ("v2", (a,), subtract(entry("v1", (a,)), entry("y", (a,)))),
        ("v3", (a,), power(entry("v2", (a,)), 2)),
        ("l", (), SumOver(entry("v3", (a,)), a)),
    ]
    assert graph.leaves == ("W", "x", "y")
    assert not inserted(graph)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("softmax(C @ x)", 4), ("mean(tanh(x))", 2), ("(x[a] - y[a])**2", 3), ("trace(inv(C + C.T))", 3),
        ("-sum(x*log(x))/3", 2), ("C", 1), ("norm(x)", 3),
    ],
)  # fmt: skip
def test_number_of_steps(text: str, steps: int) -> None:
    """A bare expression has one node an operation."""
    graph = read(
        text,
        {name: (3, 3) if name == "C" else (3,) for name in ("x", "C") if re.search(rf"\b{name}\b(?!\[)", text)},
    )
    assert len(graph.nodes) - len(graph.leaves) == steps


def test_a_bare_name_is_the_output() -> None:
    """A tensor that has a definition may be named as the output."""
    assert read("z = 2*x; s = sum(z); z", {"x": ("n",)}).output == "z"


@pytest.mark.parametrize("text", ["L = sum(softmax(C @ x)*x)", "L = det(C + C.T)*norm(x)**3", "z = tanh(C @ x + x)"])
def test_elementary_keeps_the_value(text: str) -> None:
    """Splitting every definition changes no value."""
    graph = read(text, {"C": (3, 3), "x": (3,)})
    at = {"C": np.random.default_rng(0).uniform(-1, 1, (3, 3)), "x": np.array([0.5, -1.0, 2.0])}
    whole, parts = evaluate(graph, at), evaluate(elementary(graph), at)
    assert len(parts) > len(whole)
    for name, value in whole.items():
        np.testing.assert_allclose(parts[name], value)


def test_a_line_by_itself_inserts_nothing() -> None:
    """An operand that needs a name must have one in the graph."""
    graph = read("L = sum(A)", {"A": (3, 3)})
    with pytest.raises(ReadError, match=r"\(A \+ A\) has no name here at .* Give it a line, as in A = \(A \+ A\)"):
        read_line("inv(A + A)", graph)
    assert read_line("inv(A + A)", read("Y = A + A; L = sum(Y)", {"A": (3, 3)}))[0] == matrix_function(
        "inv", ("Y",), (i(3), j(3))
    )


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
