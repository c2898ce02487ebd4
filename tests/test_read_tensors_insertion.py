"""Reading tensors: what is split off into nodes of its own, and elementary steps."""

from __future__ import annotations

import re

import numpy as np
import pytest
from naive import evaluate
from test_read_tensors import A_IJ, A_JI, Shapes, W, exp, i, j, k, read, sum_x, tanh

from symgrad.calculus.elementary import elementary
from symgrad.core.expression import Expr, add, divide, mul, negative, power, square_root, subtract, symbol
from symgrad.core.graph import Graph
from symgrad.core.indices import (
    LogSumExpOver,
    MaxOver,
    SumOver,
    entry,
    extent,
    index_of,
    matrix_function,
)
from symgrad.errors import ReadError
from symgrad.readers.text import read_line

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
