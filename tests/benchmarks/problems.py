"""The four objectives with their data: each as symgrad, torch eager and C compute it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy
import torch
from scipy.special import multigammaln

import symgrad as sg

from . import eager, objectives
from .references import MISSING, Double, Float, Long, address, by_reference, compiled_c, sgemm

Run = Callable[[], Any]
Point = Mapping[str, Any]


@dataclass(frozen=True)
class Rival:
    """One way to compute an objective: its gradient, and itself alone."""

    gradient: Run
    objective: Run


@dataclass(frozen=True)
class Problem:
    """An objective at a point.

    Args:
        name: what it is called in results.
        derivation: symgrad's.
        at: a value for every leaf.
        dtype: of the numbers.
        eager: how torch computes it.
        c: how hand-written C computes it; None where gcc is missing.
    """

    name: str
    derivation: sg.Derivation
    at: Point
    dtype: str
    eager: Rival
    c: Rival | None

    def symgrad(self, backend: str) -> Rival:
        """How symgrad computes it."""
        program = sg.compile(self.derivation, backend, self.dtype)
        make = torch.as_tensor if backend == "torch" else numpy.asarray
        values = [make(self.at[leaf]) for leaf in program.leaves]
        alone = program._compiled(self.values).function
        return Rival(lambda: program._fast(*values), lambda: alone(*values))

    @cached_property
    def values(self) -> tuple[str, ...]:
        """The nodes that are the objective: both residuals of an observation, else the loss."""
        outputs = self.derivation.gradient.outputs
        return (self.derivation.output, *outputs[: len(outputs) % len(self.derivation.wrt)])


def _tensors(at: Point) -> dict[str, torch.Tensor]:
    return {name: torch.as_tensor(value) for name, value in at.items()}


def _eager(function: Callable[[eager.Tensors], torch.Tensor], at: Point, wrt: Sequence[str]) -> Rival:
    tensors = _tensors(at)
    return Rival(eager.gradient(function, tensors, wrt), eager.objective(function, tensors))


def logistic_regression(n: int = 10_000, d: int = 20) -> Problem:
    """Logistic regression with labels that a noisy plane gave."""
    draw = numpy.random.default_rng(0)
    x, true = draw.standard_normal((n, d)), draw.standard_normal(d)
    labels = (x @ true + draw.standard_normal(n) > 0).astype(float)
    at = {"X": x, "y": labels, "w": 0.1 * draw.standard_normal(d), "b": numpy.float64(0.1)}
    function = None if MISSING else compiled_c("logistic_regression").logistic_regression
    return Problem(
        "logistic regression",
        objectives.logistic_regression(),
        at,
        "float64",
        _eager(eager.logistic_regression, at, objectives.REGRESSION),
        function and _regression_in_c(function, at),
    )


def _regression_in_c(function: Any, at: Point) -> Rival:
    function.restype = Double
    slope, d_b = numpy.zeros(at["X"].shape[1]), Double()
    inputs = (
        Long(at["X"].shape[0]),
        at["X"].shape[1],
        *(address(at[name]) for name in ("X", "y", "w")),
        Double(at["b"]),
    )

    def gradient() -> tuple[Any, ...]:
        return function(*inputs, address(slope), by_reference(d_b)), slope, d_b.value

    return Rival(gradient, lambda: function(*inputs, None, None))


def gaussian_mixture(d: int, k: int, n: int = 1000) -> Problem:
    """ADBench's mixture, drawn as there: every parameter a normal number, the prior with gamma 1 and m 0."""
    draw = numpy.random.default_rng(1)
    at = {
        "X": draw.standard_normal((n, d)),
        "alpha": draw.standard_normal(k),
        "M": draw.standard_normal((k, d)),
        "Q": draw.standard_normal((k, d)),
        "T": numpy.tril(draw.standard_normal((k, d, d)), -1),
    }
    at |= prior(d)
    function = None if MISSING else compiled_c("gaussian_mixture").gaussian_mixture
    return Problem(
        f"Gaussian mixture, d={d}, k={k}",
        objectives.gaussian_mixture(d=d, k=k),
        at,
        "float64",
        _eager(eager.gaussian_mixture, at, objectives.MIXTURE),
        function and _mixture_in_c(function, at),
    )


def prior(d: int, gamma: float = 1.0, m: float = 0.0) -> dict[str, Any]:
    """The Wishart prior's two parameters, and the constant that normalises it."""
    freedom = d + m + 1
    constant = freedom * d * (numpy.log(gamma) - 0.5 * numpy.log(2)) - multigammaln(freedom / 2, d)
    return {name: numpy.float64(v) for name, v in (("gamma", gamma), ("m", m), ("constant", constant))}


def _mixture_in_c(function: Any, at: Point) -> Rival:
    function.restype = Double
    (n, d), (k,) = at["X"].shape, at["alpha"].shape
    slopes = [numpy.zeros_like(at[name]) for name in objectives.MIXTURE]
    work = numpy.zeros(k * (3 * d + 2))
    arrays = [address(at[name]) for name in ("X", *objectives.MIXTURE)]
    inputs = (n, d, k, *arrays, *(Double(at[name]) for name in ("gamma", "m", "constant")))
    outputs = (*map(address, slopes), address(work))
    return Rival(lambda: (function(*inputs, 1, *outputs), *slopes), lambda: function(*inputs, 0, *outputs))


def reprojection(n: int = 31_843) -> Problem:
    """Bundle adjustment with as many observations as ADBench's first problem, one of each camera and point."""
    draw = numpy.random.default_rng(2)
    camera = draw.standard_normal((n, 11))
    camera[:, 3:6] -= numpy.array([0.0, 0.0, 10.0])
    camera[:, :3] *= 0.1  # every point stays in front of its camera
    camera[:, 9:] *= 0.01
    packed = {
        "camera": camera,
        "point": draw.standard_normal((n, 3)),
        "weight": draw.uniform(0.5, 1.5, n),
        "measured": draw.standard_normal((n, 2)),
    }
    columns = numpy.concatenate([packed["camera"], packed["point"], packed["weight"][:, None], packed["measured"]], 1)
    names = (*objectives.OBSERVATION, *objectives.MEASURED)
    at = dict(zip(names, numpy.ascontiguousarray(columns.T), strict=True))
    tensors = _tensors(packed)
    function = None if MISSING else compiled_c("reprojection").reprojection
    return Problem(
        "bundle adjustment",
        objectives.reprojection(),
        at,
        "float64",
        Rival(eager.jacobian(tensors), eager.objective(eager.reprojection, tensors)),
        function and _reprojection_in_c(function, packed),
    )


def _reprojection_in_c(function: Any, at: Point) -> Rival:
    n = len(at["camera"])
    error, jacobian = numpy.zeros((n, 2)), numpy.zeros((n, 2, 15))
    inputs = (Long(n), *(address(at[name]) for name in ("camera", "point", "weight", "measured")), address(error))

    def gradient() -> tuple[Any, ...]:
        function(*inputs, address(jacobian))
        return error, jacobian

    def objective() -> numpy.ndarray:
        function(*inputs, None)
        return error

    return Rival(gradient, objective)


def perceptron(n: int = 128, d: int = 784, h: int = 256, c: int = 10) -> Problem:
    """A classifier of images, drawn at random, float32."""
    draw = numpy.random.default_rng(3)

    def normal(*shape: int) -> numpy.ndarray:
        return (draw.standard_normal(shape) / shape[0] ** 0.5).astype("float32")

    at = {
        "X": normal(n, d),
        "t": draw.integers(0, c, n),
        "W1": normal(d, h),
        "b1": normal(h),
        "W2": normal(h, c),
        "b2": normal(c),
    }
    function = None if MISSING else compiled_c("perceptron").perceptron
    return Problem(
        f"network {d}-{h}-{c}",
        objectives.perceptron(),
        at,
        "float32",
        _eager(eager.perceptron, at, objectives.NETWORK),
        function and _perceptron_in_c(function, at),
    )


def _perceptron_in_c(function: Any, at: Point) -> Rival:
    function.restype = Float
    (n, d), (h, c) = at["X"].shape, at["W2"].shape
    slopes = [numpy.zeros_like(at[name]) for name in objectives.NETWORK]
    work = numpy.zeros(n * (2 * h + c), "float32")
    inputs = (sgemm(), n, d, h, c, *(address(at[name]) for name in ("X", "t", *objectives.NETWORK)))
    outputs = (*map(address, slopes), address(work))
    return Rival(lambda: (function(*inputs, 1, *outputs), *slopes), lambda: function(*inputs, 0, *outputs))
