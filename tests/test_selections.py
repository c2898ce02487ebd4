"""What labels select is gathered and added up; no array of zeros and ones has an entry for every pair."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy
import pytest
import torch
from naive import evaluate

import symgrad as sg
from symgrad.backends.selections import selection
from symgrad.core.graph import Graph
from symgrad.core.indices import SumOver
from symgrad.errors import DataError

SIZES = {"v": 7, "m": 2, "d": 3, "n": 9, "b": 4, "s": 5}
"""The labels `t` select of the `v`, the labels `u` of the `m`."""

TEXTS = {
    "rows": "E: (v, d); t: (n,); G: (n, d); l = sum(E[t[i],k]**2*G[i,k], i, k)",
    "tokens": "E: (v, d); t: (b, s); G: (b, s, d); l = sum(E[t[i,j],k]**2*G[i,j,k], i, j, k)",
    "turned tokens": "E: (v, d); t: (b, s); G: (s, b, d); l = sum(E[t[i,j],k]**2*G[j,i,k], j, i, k)",
    "numbers": "E: (v,); t: (n,); y: (n,); l = sum((E[t[i]] - y[i])**2, i)",
    "numbers of tokens": "E: (v,); t: (b, s); y: (b, s); l = sum((E[t[i,j]] - y[i,j])**2, i, j)",
    "a count": "E: (v,); t: (n,); l = sum(E[t[i]], i)",
    "matrices": "E: (v, m, d); t: (n,); l = sum(tanh(E[t[i],j,k]), i, j, k)",
    "columns": "E: (m, v); t: (n,); l = sum(tanh(E[j,t[i]]), i, j)",
    "the axis between": "E: (m, v, d); t: (n,); l = sum(tanh(E[j,t[i],k]), i, j, k)",
    "pairs": "E: (v, m); t: (n,); u: (n,); l = sum(tanh(E[t[i],u[i]]), i)",
    "a grid": "E: (v, m); t: (n,); u: (s,); l = sum(tanh(E[t[i],u[j]]), i, j)",
    "two ways": "E: (v, d); t: (n,); w: (d,); l = sum(E[t[i],k]*w[k], i, k) + sum(tanh(E))",
    "a sum within": "E: (v, d); t: (n,); W: (d, m); Y[i,c] = sum(E[t[i],k]*W[k,c], k); l = sum(Y**2)",
    "a label that is not summed": "E: (v, d); t: (n,); X: (n, d); Y: (n, v); "
    "Y[i,k] = sum(where(k == t[i], 1, 0)*X[i,j], j); l = sum(Y[i,k]*E[k,j], i, k, j)",
    "a place that is summed": "E: (n,); t: (n,); w: (v,); l = sum(where(k == t[i], 1, 0)*E[i]**2 + w[k]*E[i], i, k)",
    "a label of a label": "E: (v,); t: (v,); p[i] = sum(where(k == t[i], 1, 0)*E[t[k]], k); l = sum(p**2)",
    "its own row": "E: (v, v); t: (v,); l = sum(tanh(E[i,t[i]]), i)",
}


def point(graph: Graph) -> dict[str, Any]:
    """Normal numbers, and labels."""
    draw = numpy.random.default_rng(0)
    shapes = {leaf: tuple(SIZES[size] for size in graph[leaf].shape) for leaf in graph.leaves}
    below = {"t": SIZES["v"], "u": SIZES["m"]}
    return {
        leaf: draw.integers(0, below[leaf], shape) if leaf in below else draw.normal(size=shape)
        for leaf, shape in shapes.items()
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", ["numpy", "torch", "jit"])
@pytest.mark.parametrize("name", TEXTS)
def test_the_values_are_those_of_the_graph(name: str, backend: str, dtype: str) -> None:
    """Every node, adjoints included, is what plain loops over the graph's own lines give, in the program's dtype."""
    if backend == "jit":
        pytest.importorskip("llvmlite")
    derivation = sg.derive(sg.read(TEXTS[name]), ["E"])
    at = point(derivation.primal)
    wanted = evaluate(derivation.gradient, at)
    value, gradient = sg.compile(derivation, backend, dtype).value_and_gradient(
        {leaf: given(v, backend, dtype) for leaf, v in at.items()}
    )
    rtol = 1e-12 if dtype == "float64" else 2e-5
    numpy.testing.assert_allclose(numpy.asarray(value), wanted[derivation.output], rtol=rtol)
    found = numpy.asarray(gradient["E"])
    assert found.dtype == dtype
    numpy.testing.assert_allclose(found, wanted["dl_dE"], rtol=rtol, atol=rtol)


def given(value: Any, backend: str, dtype: str) -> Any:
    """A value as a program takes it."""
    array = value if value.dtype.kind == "i" else value.astype(dtype)
    return torch.as_tensor(array) if backend == "torch" else array


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("rows", ("v1 = E[t]\n", "shape=(E.shape[0], t.size)) @ v2")),
        ("columns", ("numpy.tanh(E.T[t])",)),
        ("the axis between", ("numpy.tanh(E.transpose(1, 0, 2)[t])",)),
        ("numbers", ("real(numpy.bincount(t, v2, minlength=E.shape[0]))",)),
        ("pairs", ("E[t, u]",)),
    ],
)
def test_the_source_gathers_and_adds(name: str, told: tuple[str, ...]) -> None:
    """Rows are taken whole, and nothing is compared with every row there is."""
    source = sg.compile(sg.derive(sg.read(TEXTS[name]), ["E"])).source
    for line in told:
        assert line in source
    assert "arange(E.shape[0])" not in source


@pytest.mark.parametrize("name", ["rows", "tokens", "turned tokens", "numbers", "a count"])
def test_native_code_adds_in_the_same_order(name: str) -> None:
    """Native code has the numpy backend's bits: what goes to one place is added in the order of the samples."""
    pytest.importorskip("llvmlite")
    derivation = sg.derive(sg.read(TEXTS[name]), ["E"])
    at = point(derivation.primal)
    native = sg.compile(derivation, "jit")
    found = native.value_and_gradient(at)[1]["E"]
    assert native.ir  # it was not left to NumPy
    numpy.testing.assert_array_equal(found, sg.compile(derivation).value_and_gradient(at)[1]["E"])


@pytest.mark.parametrize("name", ["rows", "tokens", "numbers", "matrices"])
def test_torch_has_one_call(name: str) -> None:
    """`index_add_`, as its own embeddings have."""
    source = sg.compile(sg.derive(sg.read(TEXTS[name]), ["E"]), "torch").source
    assert source.count(".index_add_(0, t") == 1
    assert "arange" not in source


@pytest.mark.parametrize(
    "text",
    [
        "P: (n, v); t: (n,); l = sum(log(P[i,t[i]]**2), i)",  # the label's row stays: nothing is added up
        "P: (v,); t: (n,); X: (n, v); Y[i,k] = where(k == t[i], X[i,k], 0); l = sum(P[k]*Y[i,k], i, k)",
    ],
)
def test_what_is_no_such_sum_stays(text: str) -> None:
    """Where the sum is not over the label's indices, or another factor has the place, the product stays one."""
    graph = sg.derive(sg.read(text), ["P"]).gradient
    bodies = [node.body for node in graph.nodes if isinstance(node.body, SumOver)]
    assert not any(selection(body.body, body.indices, graph) for body in bodies)


def test_a_computed_number_is_no_label() -> None:
    """What is computed may be no whole number, and selects nothing then."""
    graph = sg.read(
        "u: (n,); x: (n,); r[i] = 2*x[i]; p: (n,); p[k] = sum(where(k == r[i], 1, 0)*u[i], i); l = sum(p**2)"
    )
    body = graph["p"].body
    assert isinstance(body, SumOver)
    assert selection(body.body, body.indices, graph) is None


@pytest.mark.parametrize("backend", ["numpy", "torch", "jit"])
@pytest.mark.parametrize(("label", "told"), [(-1, "whole numbers from 0"), (7, "holds the label 7")])
def test_labels_out_of_range_are_refused(backend: str, label: int, told: str) -> None:
    """A label that selects nothing is named, and nothing is written beyond an array."""
    derivation = sg.derive(sg.read(TEXTS["rows"]), ["E"])
    at = point(derivation.primal)
    at["t"][3] = label
    with pytest.raises(DataError, match=told):
        sg.compile(derivation, backend)(at)


def test_a_large_table_costs_what_is_selected() -> None:
    """The gradient of a few rows of a table needs memory for the table, and not for each pair of a row and a label."""
    rows, labels = 20_000, 1_000
    program = sg.compile(sg.derive(sg.read(TEXTS["rows"]), ["E"]))
    draw = numpy.random.default_rng(0)
    at = {"E": draw.normal(size=(rows, 3)), "t": draw.integers(0, rows, labels), "G": draw.normal(size=(labels, 3))}
    program.value_and_gradient(at)
    tracemalloc.start()
    program.value_and_gradient(at)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * at["E"].nbytes


# softmax


@pytest.mark.parametrize(
    "text",
    [
        "Z: (n, v); t: (n,); l = mean(logsumexp(Z[i,k], k) - Z[i,t[i]], i)",
        "Z: (n, v); G: (n, v); A = softmax(Z); l = sum(G*A)",
        "Z: (v, n); G: (v, n); A = softmax(Z, axis=0); l = sum(G*A)",
        "Z: (n, v); t: (n,); A = softmax(Z); l = mean(A[i,t[i]]**2, i)",
    ],
)
def test_one_exponential_a_softmax(text: str) -> None:
    """A softmax is the exponentials that its logsumexp was made of, divided by their sum."""
    derivation = sg.derive(sg.read(text), ["Z"])
    program = sg.compile(derivation)
    assert program.source.count("numpy.exp") == 1
    at = point(derivation.primal)
    at["Z"][0] += 800.0
    wanted = evaluate(derivation.gradient, {**at, "Z": at["Z"] - at["Z"].max(axis=-1, keepdims=True)})["dl_dZ"]
    if "axis=0" not in text:  # moving a whole row changes nothing
        numpy.testing.assert_allclose(program(at).gradient["Z"], wanted, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("backend", ["numpy", "torch", "jit"])
@pytest.mark.parametrize(
    "text",
    [
        "Z: (n, v); X: (n, v); q = logsumexp(Z); l = sum(exp(X[i,k] - q[i]), i, k)",  # of another array
        "Z: (n, n); q[i] = logsumexp(Z[i,j], j); l = sum(exp(Z[i,j] - q[j])**2, i, j)",  # along the other axis
        "Z: (n, n); q[j] = logsumexp(Z[i,j], i); l = sum(exp(Z[i,j] - q[i])**2, i, j)",
        "Z: (n, n); q[i] = logsumexp(Z[i,j], j); l = sum(exp(Z[j,i] - q[i])**2, i, j)",  # turned
        "Z: (n, n); q[j] = logsumexp(Z[i,j], i); l = sum(exp(Z[i,j] - q[j])**2, i, j)",  # this one is
        "Z: (n, n, n); q[i] = logsumexp(Z[i,j,k], j, k); l = sum(exp(Z[i,j,k] - q[j])**2, i, j, k)",
    ],
)
def test_what_is_no_softmax_stays(text: str, backend: str) -> None:
    """exp(x - logsumexp(z)) is a softmax of z only where x is z and its sum is along the same axes."""
    if backend == "jit":
        pytest.importorskip("llvmlite")
    derivation = sg.derive(sg.read(text), ["Z"])
    at = point(derivation.primal)
    wanted, found = evaluate(derivation.gradient, at), sg.compile(derivation, backend)(at)
    assert found.value == pytest.approx(float(wanted["l"]), rel=1e-12)
    numpy.testing.assert_allclose(found.gradient["Z"], wanted["dl_dZ"], rtol=1e-11, atol=1e-13)


def test_a_softmax_of_nothing_but_minus_infinity() -> None:
    """A row without a finite entry has no softmax, as before; another row is not touched."""
    program = sg.compile(sg.derive(sg.read("Z: (n, v); G: (n, v); A = softmax(Z); l = sum(G*A)"), ["Z"]))
    rows = numpy.array([[-numpy.inf, -numpy.inf], [-numpy.inf, 1.0]])
    made = program({"Z": rows, "G": numpy.ones((2, 2))}).nodes["A"]
    assert numpy.isnan(made[0]).all()
    numpy.testing.assert_array_equal(made[1], [0.0, 1.0])
