"""Lines that are read once, and summed: they are summed before they are multiplied."""

from __future__ import annotations

import numpy
import pytest
import torch
from naive import evaluate
from tensor_models import MODELS, Model, derived, point_of

import symgrad as sg
from symgrad.backends.sums import summed_early
from symgrad.core.graph import Graph

LAYER = "X: (n, d); M: (d,); W: (h, d); D[i,j] = X[i,j] - M[j]; V[i,a] = W[a,j]*D[i,j]; L = sum(V**2)"


def names(graph: Graph) -> set[str]:
    """Of all nodes."""
    return {node.name for node in graph.nodes}


def test_the_sum_comes_first() -> None:
    """The adjoint of D is never made: the samples are summed first, and one vector is multiplied."""
    derivation = sg.derive(sg.read(LAYER), ["M"])
    gradient = derivation.gradient
    early = summed_early(gradient, (derivation.output, *gradient.outputs))
    assert names(gradient) - names(early) == {"dL_dD"}
    source = sg.compile(derivation).source
    assert "part = V.sum(axis=0)" in source
    assert "dL_dM = -2*(W.T @ " in source


def test_what_is_asked_for_stays() -> None:
    """A node that is an output, or that two lines read, is made."""
    derivation = sg.derive(sg.read(LAYER), ["M"])
    gradient = derivation.gradient
    assert summed_early(gradient, (derivation.output, *gradient.outputs, "dL_dD")) is gradient
    both = sg.derive(sg.read(LAYER), ["M", "X"])
    assert summed_early(both.gradient, (both.output, *both.gradient.outputs)) is both.gradient


@pytest.mark.parametrize(
    ("text", "wrt"),
    [
        ("X: (n, d); M: (d,); D[i,j] = X[i,j] - M[j]; L = sum(D**2)", "M"),  # no factor lacks the samples
        ("X: (n, n); v: (n,); D[i,j] = v[i]*X[i,j]; t = sum(D[i,i]*v[i], i); L = t**2", "v"),  # entries of a diagonal
    ],
)
def test_what_does_not_pay_stays(text: str, wrt: str) -> None:
    """Where nothing is gained no line is touched."""
    derivation = sg.derive(sg.read(text), [wrt])
    gradient = derivation.gradient
    assert summed_early(gradient, (derivation.output, *gradient.outputs)) is gradient


@pytest.mark.parametrize("line", ["q[j] = P[k,j]", "q[j,k] = sum(P[i,j] + X[i,k], i)"])
def test_no_letter_is_captured(line: str) -> None:
    """A letter bound in the line that is written in keeps clear of the letters around it."""
    graph = sg.read(f"X: (n, n); W: (n, n); P[i,j] = W[j,k]*X[i,k]; {line}; L = sum(q**2)")
    early = summed_early(graph, ("q",))
    assert names(graph) - names(early) == {"P", "L"}
    draw = numpy.random.default_rng(0)
    at = {"X": draw.normal(size=(3, 3)), "W": draw.normal(size=(3, 3))}
    numpy.testing.assert_allclose(evaluate(early, at)["q"], evaluate(graph, at)["q"], rtol=1e-12)


def by_one(model: Model) -> list[sg.Derivation]:
    """A model derived by each of its leaves alone, so that the adjoints of the others are read nowhere else."""
    whole = derived(model.name)
    return [sg.derive(whole.primal, [leaf], output=whole.output) for leaf in whole.wrt]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_no_value_changes(model: Model) -> None:
    """Evaluated entry by entry by plain loops, every output keeps its value."""
    for derivation in by_one(model):
        outputs = (derivation.output, *derivation.gradient.outputs)
        early = summed_early(derivation.gradient, outputs)
        if early is derivation.gradient:
            continue
        at = point_of(model, derivation.primal, seed=3)
        before, after = evaluate(derivation.gradient, at), evaluate(early, at)
        for name in outputs:
            numpy.testing.assert_allclose(after[name], before[name], rtol=1e-10, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        # one sum takes in a line whose own letters run over other sizes than those beside it
        ("V: (n, m); K: (m,); H = V @ K; L = sum((V - mean(V, axis=0)).T) + sum(H)", {"H"}),
        # what has taken in a line is taken in itself
        ("B: (n, n); z = (B + 2) @ (B - B); y: (n,); L = mean(mean(z, axis=0) + B @ y)", {"z"}),
    ],
)
def test_several_sums_in_one_line(text: str, gone: set[str]) -> None:
    """The merged line is a line: one letter for one size, and it reads nothing that is gone."""
    graph = sg.read(text)
    early = summed_early(graph, ("L",))
    assert gone <= names(graph) - names(early)
    draw = numpy.random.default_rng(0)
    sizes = {"n": 3, "m": 4}
    at = {leaf: draw.normal(size=[sizes[str(size)] for size in graph[leaf].shape]) for leaf in graph.leaves}
    numpy.testing.assert_allclose(evaluate(early, at)["L"], evaluate(graph, at)["L"], rtol=1e-12)


def test_leaves_stay() -> None:
    """A leaf that the output does not depend on is an argument still, and its derivative is 0."""
    derivation = sg.derive(sg.read("u: (k,); V: (n, n); L = sum(-(V @ V))"), ["V", "u"])
    at = sg.compile(derivation)({"u": [1.0, 2.0, 3.0], "V": [[1.0, 2.0], [3.0, 4.0]]})
    assert at.gradient["u"].tolist() == [0, 0, 0]


def test_signs_and_bound_letters() -> None:
    """A line within a line within a sum: signs multiply, and a letter that is bound inside is not captured outside."""
    text = """
    X: (n, d); M: (d,); W: (d, d); U: (d, d)
    D[i,j] = X[i,j] - M[j]
    P = D @ W.T
    R = D @ U.T
    V = tanh(D - P - R)
    L = sum(V**2)
    """
    derivation = sg.derive(sg.read(text), ["M"])
    gradient = derivation.gradient
    early = summed_early(gradient, (derivation.output, *gradient.outputs))
    assert {"dL_dD", "dL_dD_via_P", "dL_dD_via_R"} <= names(gradient) - names(early)
    draw = numpy.random.default_rng(0)
    at = {"X": draw.normal(size=(5, 3)), "M": draw.normal(size=3), "W": draw.normal(size=(3, 3)), "U": numpy.eye(3)}
    expected = evaluate(gradient, at)["dL_dM"]
    numpy.testing.assert_allclose(evaluate(early, at)["dL_dM"], expected, rtol=1e-12)
    for backend in ("numpy", "torch", "jit"):
        own = {name: torch.as_tensor(value) for name, value in at.items()} if backend == "torch" else at
        _, found = sg.compile(derivation, backend).value_and_gradient(own)
        numpy.testing.assert_allclose(numpy.asarray(found["M"]), expected, rtol=1e-12)


def test_the_pass_is_not_idle() -> None:
    """It merges lines in a model that the test of values looks at."""
    (model,) = (m for m in MODELS if m.name == "gaussian_nll")
    merged = [
        derivation.wrt
        for derivation in by_one(model)
        if summed_early(derivation.gradient, (derivation.output, *derivation.gradient.outputs))
        is not derivation.gradient
    ]
    assert merged == [("mu",)], merged
