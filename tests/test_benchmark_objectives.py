"""The objectives of the benchmarks: symgrad, hand-written C and torch agree on values and gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest
import sympy
from benchmarks import problems
from benchmarks.problems import Problem

from symgrad.backends.lower import lower
from symgrad.backends.numpy import is_native

PROBLEMS: dict[str, Callable[[], Problem]] = {
    "regression": lambda: problems.logistic_regression(n=40, d=7),
    "mixture in the plane": lambda: problems.gaussian_mixture(d=2, k=5, n=30),
    "mixture in ten dimensions": lambda: problems.gaussian_mixture(d=10, k=3, n=30),
    "network": lambda: problems.perceptron(n=12, d=9, h=5, c=4),
}
TOLERANCE = {"float64": 1e-11, "float32": 2e-5}
"""Beside 1: far above the rounding of these sums, far below any wrong factor."""


def arrays(results: Any) -> Iterator[numpy.ndarray]:
    """Every array of a result, in order."""
    if isinstance(results, (tuple, list)):
        for part in results:
            yield from arrays(part)
    else:
        yield numpy.asarray(results)


def assert_close(ours: Any, theirs: Any, dtype: str) -> None:
    """Entries equal to rounding."""
    for found, expected in zip(arrays(ours), arrays(theirs), strict=True):
        numpy.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("backend", ["numpy", "torch", "jit"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_symgrad_agrees_with_torch(name: str, backend: str) -> None:
    """Value and gradients of every backend are autograd's."""
    if backend == "jit":
        pytest.importorskip("llvmlite", reason="the extra jit is not installed")
    problem = PROBLEMS[name]()
    ours = problem.symgrad(backend)
    assert_close(ours.gradient(), problem.eager.gradient(), problem.dtype)
    assert_close(next(iter(arrays(ours.objective()))), problem.eager.objective(), problem.dtype)


@pytest.mark.skipif(bool(problems.MISSING), reason=problems.MISSING)
@pytest.mark.parametrize("name", PROBLEMS)
def test_c_agrees_with_torch(name: str) -> None:
    """Value and gradients of the hand-written C are autograd's, and stay so when it runs again."""
    problem = PROBLEMS[name]()
    assert problem.c is not None
    for _ in range(2):
        assert_close(problem.c.gradient(), problem.eager.gradient(), problem.dtype)
    assert_close(problem.c.objective(), problem.eager.objective(), problem.dtype)


def expected_jacobian(problem: Problem) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Residuals (n, 2) and Jacobians (n, 2, 15) by autograd."""
    errors, *rows = problem.eager.gradient()
    stacked = [numpy.concatenate([c, p, numpy.asarray(w)[:, None]], 1) for c, p, w in rows]
    return numpy.asarray(errors), numpy.stack(stacked, 1)


@pytest.mark.parametrize("backend", ["numpy", "torch", "jit"])
def test_reprojection(backend: str) -> None:
    """Both residuals and their Jacobian, column by column."""
    if backend == "jit":
        pytest.importorskip("llvmlite", reason="the extra jit is not installed")
    problem = problems.reprojection(n=25)
    errors, jacobian = expected_jacobian(problem)
    u, v, *columns = arrays(problem.symgrad(backend).gradient())
    assert_close([u, v], [errors[:, 0], errors[:, 1]], "float64")
    found = numpy.stack([numpy.broadcast_to(column, 25) for column in columns], 1)
    assert_close(found.reshape(25, 2, 15), jacobian, "float64")


def passes(operation: sympy.Basic, inside: bool = False) -> int:
    """How many times NumPy goes through arrays; `inside` a product, `1/b` is no operation of its own."""
    match operation:
        case sympy.Add() | sympy.Mul():
            own = len(operation.args) - 1
        case sympy.Piecewise():
            own = 2  # the comparison, and the choice
        case sympy.Pow():
            own = int(not inside)
        case _:
            own = int(isinstance(operation, sympy.Function))
    return own + sum(passes(part, isinstance(operation, sympy.Mul)) for part in operation.args)


def test_passes_of_a_jacobian() -> None:
    """Two rows of the Jacobian take nearly four times as many operations as the residuals, as the page says."""
    problem = problems.reprojection(n=25)
    graph = problem.derivation.gradient
    both, alone = (
        sum(passes(s.expression) for s in lower(graph, outputs, graph.leaves, is_native).statements)
        for outputs in ((problem.derivation.output, *graph.outputs), problem.values)
    )
    assert 3.5 < both / alone < 4


@pytest.mark.skipif(bool(problems.MISSING), reason=problems.MISSING)
def test_reprojection_in_c() -> None:
    """The same by hand."""
    problem = problems.reprojection(n=25)
    assert problem.c is not None
    assert_close(problem.c.gradient(), expected_jacobian(problem), "float64")
