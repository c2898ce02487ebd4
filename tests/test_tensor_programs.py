"""Tensors: programs against torch, the gradient's cost, batching, transposition, second derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from tensor_models import BY_NAME, MODELS, Model, derived, point_of, sizes_of

import symgrad as sg
from symgrad.backends.numpy import compile_graph
from symgrad.calculus.batch import batch
from symgrad.errors import DataError

NAMES = [model.name for model in MODELS]


def _directional(function: Callable[[dict[str, Any]], float], at: dict[str, Any], name: str, along: Any) -> float:
    """A central difference of fourth order."""
    step = 1e-3

    def shifted(times: float) -> float:
        return function({**at, name: numpy.asarray(at[name]) + times * step * along})

    return (8 * (shifted(1) - shifted(-1)) - (shifted(2) - shifted(-2))) / (12 * step)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_is_the_slope(name: str) -> None:
    """Along random directions the gradient of every model equals the slope of its value."""
    derivation, model = derived(name), BY_NAME[name]
    at = point_of(model, derivation.primal, seed=3)
    program = sg.compile(derivation)
    gradient = program(at).gradient
    generator = numpy.random.default_rng(0)
    for leaf in derivation.wrt:
        along = generator.normal(size=numpy.shape(at[leaf]))
        slope = _directional(lambda point: program(point).value, at, leaf, along)
        told = float(numpy.sum(gradient[leaf] * along))
        assert told == pytest.approx(slope, rel=2e-5, abs=2e-5), leaf


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_backends_agree(name: str, dtype: str) -> None:
    """The torch program computes what the numpy program computes, in the precision asked for."""
    derivation = derived(name)
    at = point_of(BY_NAME[name], derivation.primal)
    ours, torchs = sg.compile(derivation, "numpy", dtype)(at), sg.compile(derivation, "torch", dtype)(at)
    tolerance = {"float32": 2e-4, "float64": 1e-11}[dtype]
    for node, value in ours.nodes.items():
        numpy.testing.assert_allclose(torchs.nodes[node], value, rtol=tolerance, atol=tolerance, err_msg=node)
    for node, value in ours.adjoints.items():
        numpy.testing.assert_allclose(torchs.adjoints[node], value, rtol=tolerance, atol=tolerance, err_msg=node)


@pytest.mark.parametrize("name", NAMES)
def test_float32_stays_float32(name: str) -> None:
    """No statement of a float32 program slips into float64, neither in NumPy nor in torch."""
    derivation = derived(name)
    program = sg.compile(derivation, "numpy", "float32")
    values = program.point(point_of(BY_NAME[name], derivation.primal))
    value, gradient = program.value_and_gradient(values)
    for leaf, result in (("value", value), *gradient.items()):
        assert numpy.asarray(result).dtype in (
            numpy.float32,
            numpy.asarray(1.0).dtype if _is_plain(result) else None,
        ), leaf
    tensors = {leaf: torch.as_tensor(v) for leaf, v in values.items()}
    value, gradient = sg.compile(derivation, "torch", "float32").value_and_gradient(tensors)
    for leaf, result in (("value", value), *gradient.items()):
        assert _is_plain(result) or result.dtype == torch.float32, leaf


def _is_plain(result: Any) -> bool:
    return isinstance(result, (int, float)) and not isinstance(result, numpy.generic)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("name", NAMES)
def test_source_stands_alone(name: str, backend: str) -> None:
    """The source that is shown runs without symgrad and gives the program's numbers."""
    derivation = derived(name)
    program = sg.compile(derivation, backend)
    assert "symgrad" not in program.source
    namespace: dict[str, Any] = {}
    exec(compile(program.source, "<taken away>", "exec"), namespace)
    made = {"numpy": numpy.asarray, "torch": torch.as_tensor}[backend]
    values = {k: made(v) for k, v in program.point(point_of(BY_NAME[name], derivation.primal)).items()}
    value, *gradient = namespace["gradient"](*(values[leaf] for leaf in program.leaves))
    told, expected = program.value_and_gradient(values)
    assert value == told
    for leaf, result in zip(derivation.wrt, gradient, strict=True):
        numpy.testing.assert_array_equal(result, expected[leaf])


class _Counted(numpy.ndarray):
    """An array that counts the operations done on it."""

    total = 0.0

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [numpy.asarray(i) if isinstance(i, _Counted) else i for i in inputs]
        result = getattr(ufunc, method)(*plain, **options)
        sizes = [numpy.size(part) for part in (*plain, result)]
        inner = plain[0].shape[-1] if ufunc is numpy.matmul else 0
        _Counted.total += 2 * numpy.size(result) * inner if inner else max(sizes)
        return numpy.asarray(result).view(_Counted)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        plain = [numpy.asarray(a) if isinstance(a, _Counted) else a for a in arguments]
        result = function(*plain, **options)
        if function is numpy.tensordot:
            inner = math.prod(plain[0].shape[axis] for axis in arguments[2][0])
            _Counted.total += 2 * numpy.size(result) * inner
        elif function is numpy.einsum:
            labels = {
                c: n
                for s, a in zip(plain[0].partition("->")[0].split(","), plain[1:], strict=True)
                for c, n in zip(s, a.shape, strict=True)
            }
            _Counted.total += 2 * math.prod(labels.values())
        elif function in (numpy.linalg.inv, numpy.linalg.solve, numpy.linalg.det, numpy.linalg.slogdet):
            _Counted.total += 2 * plain[-1].shape[0] ** 3
        else:
            _Counted.total += numpy.size(result[0] if isinstance(result, tuple) else result)
        return result if isinstance(result, tuple) else numpy.asarray(result).view(_Counted)


def _operations(derivation: sg.Derivation, outputs: tuple[str, ...], at: dict[str, Any]) -> float:
    """Scalar operations, roughly, of a program for some outputs."""
    leaves = derivation.gradient.leaves
    function = compile_graph(derivation.gradient, outputs, leaves, "float64").function
    arrays = [numpy.asarray(at[leaf]) for leaf in leaves]
    _Counted.total = 0.0
    function(*(a.view(_Counted) if a.dtype.kind == "f" else a for a in arrays))
    return _Counted.total


LARGE_JACOBIANS = {"product"}
"""The product of the others is quadratic in the length of the axis, the price of being right at zeros."""


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LARGE_JACOBIANS])
def test_cheap_gradient(name: str) -> None:
    """Value and gradient together cost at most five times the value (Baur and Strassen, 1983; Griewank 2008, 4.6).

    Where the value reads a few entries of a tensor alone, writing its gradient, mostly zeros, costs more than the
    value; the entries of the gradient count as part of the value's cost.
    """
    derivation, model = derived(name), BY_NAME[name]
    sizes = {size: 7 + 3 * position for position, size in enumerate(derivation.primal.sizes)}
    at = point_of(model, derivation.primal, sizes=sizes)
    primal = _operations(derivation, (derivation.output,), at)
    everything = _operations(derivation, (derivation.output, *derivation.gradient.outputs), at)
    assert primal > 0
    entries = sum(numpy.size(at[leaf]) for leaf in derivation.wrt)
    assert everything <= 5 * (primal + entries), f"{everything:.0f} operations against {primal:.0f}"


def _torch_value(name: str) -> Callable[..., torch.Tensor]:
    """Hand-written torch for three models: a referee that shares no code with ours."""
    return {
        "mlp_one_sample": lambda x, y, W1, b1, W2, b2: ((W2 @ torch.tanh(W1 @ x + b1) + b2 - y) ** 2).sum(),
        "attention": lambda Q, K, V, T: (torch.softmax(Q @ K.T / Q.shape[1] ** 0.5, dim=-1) @ V - T).square().sum(),
        "layer_norm": lambda X, g, s, T, eps: (
            (torch.nn.functional.layer_norm(X, X.shape[1:], g, s, float(eps)) - T).square().sum() / X.shape[0]
        ),
    }[name]


@pytest.mark.parametrize("name", ["mlp_one_sample", "attention"])
def test_hessians(name: str) -> None:
    """Hessians equal torch's, block by block, and are symmetric; a Hessian-vector product is their product."""
    derivation = derived(name)
    at = point_of(BY_NAME[name], derivation.primal)
    function, leaves = _torch_value(name), derivation.primal.leaves
    blocks = {p: sg.compile(rows)(at).gradient for p, rows in sg.hessian(derivation).items()}
    order = [*leaves]
    signature = function.__code__.co_varnames[: function.__code__.co_argcount]
    expected = torch.autograd.functional.hessian(function, tuple(torch.tensor(at[leaf]) for leaf in signature))
    generator = numpy.random.default_rng(5)
    vectors = {f"v_{p}": generator.normal(size=numpy.shape(at[p])) for p in derivation.wrt}
    product = sg.compile(sg.hvp(derivation))({**at, **vectors}).gradient
    for a, p in enumerate(signature):
        total = 0.0
        for b, q in enumerate(signature):
            numpy.testing.assert_allclose(blocks[p][q], expected[a][b], atol=1e-11, err_msg=f"{p}, {q}")
            rank = numpy.ndim(at[p])
            turned = numpy.moveaxis(blocks[q][p], range(numpy.ndim(at[q])), range(rank, rank + numpy.ndim(at[q])))
            numpy.testing.assert_allclose(blocks[p][q], turned, atol=1e-11, err_msg="not symmetric")
            total = total + numpy.tensordot(blocks[p][q], vectors[f"v_{q}"], numpy.ndim(at[q]))
        numpy.testing.assert_allclose(product[p], total, atol=1e-10, err_msg=p)
    assert set(order) == set(signature)


SECOND = [
    n for n in NAMES if n not in {"multi_head_attention", "bundle_adjustment", "extremes", "relu_network", "k_means"}
]


@pytest.mark.parametrize("name", SECOND)
def test_hessian_vector_products_are_slopes_of_the_gradient(name: str) -> None:
    """Along a direction the gradient changes as the Hessian says, for every smooth model."""
    derivation = derived(name)
    at = point_of(BY_NAME[name], derivation.primal, seed=1)
    generator = numpy.random.default_rng(2)
    along = {p: generator.normal(size=numpy.shape(at[p])) for p in derivation.wrt}
    product = sg.compile(sg.hvp(derivation))({**at, **{f"v_{p}": v for p, v in along.items()}}).gradient
    program, step = sg.compile(derivation), 1e-4

    def gradient(times: float) -> dict[str, Any]:
        return dict(program({**at, **{p: numpy.asarray(at[p]) + times * step * v for p, v in along.items()}}).gradient)

    outer, inner = (gradient(2), gradient(-2)), (gradient(1), gradient(-1))
    for p in derivation.wrt:
        slope = (8 * (inner[0][p] - inner[1][p]) - (outer[0][p] - outer[1][p])) / (12 * step)
        scale = 1 + numpy.max(numpy.abs(slope))
        numpy.testing.assert_allclose(product[p], slope, atol=1e-6 * scale, err_msg=p)


def test_jacobian_of_softmax() -> None:
    """A tensor output gives a Jacobian, its own axes first: diag(s) - s sᵀ for softmax."""
    derivation = sg.derive(sg.read("z: (n,)\ns = softmax(z)"), "z")
    found = sg.compile(derivation)({"z": [0.1, -0.4, 1.3, 0.2]})
    s = found.value
    numpy.testing.assert_allclose(found.gradient["z"], numpy.diag(s) - numpy.outer(s, s), atol=1e-15)


@pytest.mark.parametrize(
    ("rows", "columns"),
    [("X: (n, d)\nw: (d,)\nr = X @ w\nL = sum(tanh(r)**2)", "X: (d, n)\nw: (d,)\nr = w @ X\nL = sum(tanh(r)**2)")],
)
def test_transposing_names_transposes_gradients(rows: str, columns: str) -> None:
    """The same loss of the transposed matrix has the transposed gradient."""
    generator = numpy.random.default_rng(0)
    X, w = generator.normal(size=(4, 3)), generator.normal(size=3)
    straight = sg.compile(sg.derive(sg.read(rows)))({"X": X, "w": w})
    turned = sg.compile(sg.derive(sg.read(columns)))({"X": X.T, "w": w})
    numpy.testing.assert_allclose(straight.gradient["X"], turned.gradient["X"].T, atol=1e-14)
    numpy.testing.assert_allclose(straight.gradient["w"], turned.gradient["w"], atol=1e-14)


@pytest.mark.parametrize("reduce", ["mean", "sum"])
@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        (BY_NAME["mlp_one_sample"].text, ("x", "y")),
        ("x: (d,)\nW: (d, c)\nz = x @ W\nl = logsumexp(z) - select(z, t)", ("x", "t")),
        ("x: (d,)\nS: (d, d)\nl = dot(x, S @ x) + max(x)", ("x",)),
    ],
)
def test_batching_by_an_index_equals_a_loop(text: str, inputs: tuple[str, ...], reduce: Any) -> None:
    """The derivation with a sample index gives what a loop over the samples adds up to."""
    graph = sg.read(text)
    derivation = sg.derive(graph, [leaf for leaf in graph.leaves if leaf not in inputs])
    samples = 5
    model = Model("batched", text, {"t": "labels:c"})
    points = [point_of(model, graph, seed=s) for s in range(samples)]
    fixed = {leaf: points[0][leaf] for leaf in derivation.wrt}
    program = sg.compile(derivation)
    results = [program({**point, **fixed}) for point in points]
    batched, count = batch(derivation, inputs, reduce)
    function = compile_graph(batched, batched.outputs, batched.leaves, "float64").function
    stacked = {leaf: numpy.stack([numpy.asarray(p[leaf]) for p in points]) for leaf in inputs}
    values = {**fixed, **stacked, count: float(samples)}
    value, *gradient = function(*(values[leaf] for leaf in batched.leaves))
    scale = samples if reduce == "mean" else 1
    assert value == pytest.approx(sum(r.value for r in results) / scale, rel=1e-13)
    for leaf, told in zip(derivation.wrt, gradient, strict=True):
        numpy.testing.assert_allclose(told, sum(r.gradient[leaf] for r in results) / scale, atol=1e-12, err_msg=leaf)


def test_softmax_of_large_scores_is_finite() -> None:
    """Scores of 1e4 neither overflow nor lose the gradient."""
    derivation = sg.derive(sg.read("z: (n,)\nP = softmax(z)\nL = -log(P[0]) + logsumexp(z)"), "z")
    for backend in ("numpy", "torch"):
        found = sg.compile(derivation, backend)({"z": [1e4, 1e4 - 1, -1e4]})
        assert math.isfinite(found.value)
        assert numpy.isfinite(found.gradient["z"]).all()
    infinite = sg.compile(sg.derive(sg.read("z: (n,)\nL = logsumexp(z)")))({"z": [-math.inf, 0.0, 1.0]})
    assert infinite.value == pytest.approx(math.log(1 + math.e))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"W": numpy.zeros((3, 3))}, "the size 'd' is 2 in 'x', but 3 in 'W'"),
        ({"x": 1.0}, r"'x' has shape \(d,\), but its value has shape \(\)"),
        ({"x": "abc"}, "no array of numbers"),
        ({"x": [1.0, [2.0]]}, "no array of numbers"),
        ({"u": [1.0]}, "'u', which is not in the graph"),
        ({"t": 1.5}, "not whole numbers"),
        ({"t": -1}, "not whole numbers from 0"),
        ({"t": 3}, "'t' holds the label 3, but there are 3 to select from, 0 to 2"),
    ],
)
def test_bad_points_are_refused(change: dict[str, Any], message: str) -> None:
    """Values of the wrong shape or kind get an error that names the leaf."""
    derivation = sg.derive(sg.read("x: (d,)\nW: (c, d)\nt: ()\nz = W @ x\nL = logsumexp(z) - select(z, t)"), "W")
    good: dict[str, Any] = {"x": [1.0, 2.0], "W": numpy.ones((3, 2)), "t": 1}
    sg.compile(derivation)(good)
    with pytest.raises(DataError, match=message):
        sg.compile(derivation)({**good, **change})


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_singular_matrices_and_empty_tensors_are_refused(backend: str) -> None:
    """Where there is no inverse, and no entry to be the largest, a sentence says so."""
    inverse = sg.compile(sg.derive(sg.read("A: (n, n)\nL = logdet(A) + sum(inv(A))")), backend)
    with pytest.raises(DataError, match="a matrix is singular at this point"):
        inverse({"A": [[1.0, 1.0], [1.0, 1.0]]})
    if backend == "numpy":
        with pytest.raises(DataError, match="'x' has no entries"):
            sg.compile(sg.derive(sg.read("x: (n,)\nL = max(x)")))({"x": []})


def test_no_product_sum_is_materialised() -> None:
    """A matrix product never makes the array of all its products."""
    derivation = derived("mlp_classifier")
    sizes = {"n": 64, "d": 200, "h": 150, "c": 10}
    graph = derivation.primal
    at = point_of(BY_NAME["mlp_classifier"], graph, sizes=sizes)
    largest = 0

    class Watched(numpy.ndarray):
        def __array_finalize__(self, _: Any) -> None:
            nonlocal largest
            largest = max(largest, self.size)

    program = sg.compile(derivation)
    program.value_and_gradient({k: v.view(Watched) if v.dtype.kind == "f" else v for k, v in program.point(at).items()})
    assert 0 < largest <= max(numpy.size(v) for v in at.values())
    assert sizes_of(graph).keys() == sizes.keys()
