"""Numbers that scale a line leave the sums that read it."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from naive import evaluate

import symgrad as sg
from symgrad.backends.scales import unscaled
from symgrad.core.graph import Graph
from symgrad.core.indices import SumOver

SIZES = {"n": 7, "d": 3, "h": 2}


def point(graph: Graph) -> dict[str, Any]:
    draw = numpy.random.default_rng(0)
    return {leaf: draw.normal(size=tuple(SIZES[s] for s in graph[leaf].shape)) for leaf in graph.leaves}


@pytest.mark.parametrize(
    "text",
    [
        "x: (n,); y: (n,); w: (); L = mean((w*x - y)**2)",
        "X: (n, d); y: (n,); w: (d,); b: (); L = mean((X @ w + b - y)**2)",
        "X: (n, d); y: (n,); w: (d,); c: (); L = -c*sum((X @ w - y)**2)/2",
    ],
)
def test_no_pass_for_a_number(text: str) -> None:
    """The residual itself is summed, block by block, and the sum is multiplied once."""
    graph = sg.read(text)
    source = sg.compile(sg.derive(graph, [leaf for leaf in "wbc" if leaf in graph])).source
    sums = [line for line in source.splitlines() if "part = " in line]
    assert len(sums) >= 2
    assert not any("2*" in line or "/n" in line or "c*" in line for line in sums)


TEXTS = [
    "x: (n,); y: (n,); w: (); L = mean((w*x - y)**2)",
    "X: (n, d); y: (n,); w: (d,); b: (); L = mean((X @ w + b - y)**2)",
    "X: (n, d); y: (n,); w: (d,); c: (); L = -c*sum((X @ w - y)**2)/2",
    "a: (n,); b: (n,); c: (); p[i] = -c*a[i]; q[i] = 2*p[i]; L = sum(q[i]*b[i], i)",  # one within another, and a sign
    "a: (n,); b: (n,); c: (); p[i] = -c*a[i]; q[i] = -3*b[i]; L = sum(p[i]*q[i], i)",  # two, and two signs
    "A: (n, n); c: (); p[i,j] = c*A[i,j]; L = sum(p[i,j]*p[j,i], i, j)",  # turned
    "A: (n, n); c: (); p[i,j] = c*A[i,j]; L = sum(p[i,i]**2, i)",  # a square is no such factor, a diagonal may be
    "a: (n,); b: (n,); c: (n,); p[i] = a[i]/c[i]; L = sum(p[i]*b[i], i)",  # nothing scales the whole line
    "a: (n,); b: (n,); p[i] = 2/a[i]; L = sum(p[i]*b[i], i)",
    "X: (n, d); w: (d,); b: (d,); p[i] = 2*sum(X[i,k]*w[k], k); L = sum(p[i]*b[k], i, k)",  # a sum within
    "a: (n,); B: (n, d); c: (); p[i] = a[i]*c; L = sum(p[i]*B[i,j]**2, i, j) + sum(p)",
]


@pytest.mark.parametrize("backend", ["numpy", "torch", "jit"])
@pytest.mark.parametrize("text", TEXTS)
def test_the_values_are_those_of_the_graph(text: str, backend: str) -> None:
    """Value and gradient are what plain loops over the graph's own lines give."""
    if backend == "jit":
        pytest.importorskip("llvmlite")
    derivation = sg.derive(sg.read(text))
    at = point(derivation.primal)
    wanted = evaluate(derivation.gradient, at)
    found = sg.compile(derivation, backend)(at)
    assert found.value == pytest.approx(float(wanted[derivation.output]), rel=1e-12)
    for step in derivation.steps:
        numpy.testing.assert_allclose(found.adjoints[step.node], wanted[step.adjoint], rtol=1e-11, atol=1e-13)


def test_what_is_taken_apart() -> None:
    """The numbers come first, the sign before them, and no line of two factors with an index is multiplied again."""
    graph = sg.read(
        "a: (n,); b: (n,); c: (); p[i] = -c*a[i]; q[i] = 2*p[i]; r[i] = 2*a[i]*b[i]; "
        "L = sum(q[i]*b[i], i) + sum(r[i]*b[i], i)"
    )
    sums = [part for part in graph["L"].body.args if isinstance(part, SumOver)]
    assert [str(unscaled(part.body, graph)) for part in sums] == ["-2*c*a[i]*b[i]", "b[j]*r[j]"]


def test_a_fixed_entry_stays() -> None:
    """`p[0]` is read as it is."""
    graph = sg.read("a: (n,); b: (n,); c: (); p[i] = c*a[i]; L = sum(p[0]*b[i], i)")
    body = graph["L"].body
    assert isinstance(body, SumOver)
    assert unscaled(body.body, graph) is body.body
