"""Ball arithmetic: enclosures hold the truth, conforming sets hold what libraries return, ULPs are counted right."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable, Mapping
from typing import Any

import mpmath
import numpy
import pytest
from flint import arb

import symgrad as sg
from symgrad.checks.autograd import evaluate_with_torch
from symgrad.checks.balls import PRECISION, Balls, certified, distance_in_ulps, enclose, precision
from symgrad.checks.points import is_ordinary
from symgrad.core.derivation import Derivation
from symgrad.functions import BY_NAME, LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE, Row

DIGITS = 50
POINTS = 300

Reference = Callable[..., mpmath.mpf]


def _sign(x: mpmath.mpf) -> mpmath.mpf:
    return mpmath.sign(x)


def _elu(x: mpmath.mpf) -> mpmath.mpf:
    return x if x > 0 else mpmath.expm1(x)


def _selu(x: mpmath.mpf) -> mpmath.mpf:
    scale, alpha = mpmath.mpf(float(SELU_SCALE)), mpmath.mpf(float(SELU_ALPHA))
    return scale * (x if x > 0 else alpha * mpmath.expm1(x))


def _lgamma(x: mpmath.mpf) -> mpmath.mpf:
    return mpmath.log(abs(mpmath.gamma(x)))


def _softplus(x: mpmath.mpf) -> mpmath.mpf:
    return mpmath.log1p(mpmath.exp(x))


VALUES: Mapping[str, Reference] = {
    **{name: getattr(mpmath, name) for name in ("exp", "log", "log1p", "expm1", "erf", "erfc", "digamma")},
    **{name: getattr(mpmath, name) for name in ("sin", "cos", "tan", "sec", "csc", "cot", "asin", "acos", "atan")},
    **{name: getattr(mpmath, name) for name in ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "atan2", "hypot")},
    "abs": abs,
    "lgamma": _lgamma,
    "polygamma": lambda x: mpmath.psi(2, x),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": _softplus,
    "relu": lambda x: max(x, mpmath.mpf(0)),
    "leaky_relu": lambda x: x if x > 0 else mpmath.mpf(float(LEAKY_SLOPE)) * x,
    "elu": _elu,
    "selu": _selu,
    "gelu": lambda x: x * mpmath.ncdf(x),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "mish": lambda x: x * mpmath.tanh(_softplus(x)),
    "sign": _sign,
    "max": max,
    "min": min,
}
"""Each function by mpmath, which shares no code with the balls."""

EVERYWHERE = (-6.0, 6.0)
DOMAINS: Mapping[str, tuple[float, float]] = {
    "log": (1e-3, 50.0),
    "log1p": (-0.99, 50.0),
    "asin": (-0.999, 0.999),
    "acos": (-0.999, 0.999),
    "atanh": (-0.999, 0.999),
    "acosh": (1.001, 50.0),
    "lgamma": (-4.9, 30.0),
    "digamma": (-4.9, 30.0),
    "polygamma": (0.05, 30.0),
}
"""Where a function is defined, if not everywhere."""

ROWS = tuple({row.name: row for row in BY_NAME.values()}.values())

every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
every_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


def derivation_of(row: Row) -> Derivation:
    """The row's function as a graph of its own, derived by every argument."""
    if row.name == "polygamma":
        return sg.derive(sg.read("l = polygamma(2, x)"))
    return sg.derive(sg.read(f"l = {row.name}({', '.join(('x', 'y')[: row.arity])})"))


def points_of(
    row: Row, count: int, seed: int, dtype: str = "float64", ends: tuple[float, float] | None = None
) -> list[dict[str, float]]:
    """Random points in the row's domain, off its kinks and poles, with all the digits of `dtype`."""
    generator = random.Random(f"{row.name} {seed}")
    derivation = derivation_of(row)
    points: list[dict[str, float]] = []
    low, high = ends or DOMAINS.get(row.name, EVERYWHERE)
    exact = single if dtype == "float32" else float
    while len(points) < count:
        at = {leaf: exact(generator.uniform(low, high)) for leaf in derivation.primal.leaves}
        if is_ordinary(derivation, at):
            points.append(at)
    return points


def single(value: float) -> float:
    """The nearest float32."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def in_mpmath(ball: arb) -> tuple[mpmath.mpf, mpmath.mpf]:
    """A ball's middle and radius, exactly enough: rounding to 60 digits is far below a radius of 113 bits."""
    return mpmath.mpf(ball.mid().str(60, radius=False)), mpmath.mpf(float(ball.rad()))


def test_every_function_has_a_reference() -> None:
    """No row of the table goes unchecked."""
    assert set(VALUES) == {row.name for row in ROWS}


@every_row
def test_certified_is_mpmaths_value_and_derivative(row: Row) -> None:
    """The certified value and each derivative of a function are mpmath's at fifty digits, anywhere in its domain."""
    derivation, reference = derivation_of(row), VALUES[row.name]
    with mpmath.workdps(DIGITS):
        for at in points_of(row, POINTS, 0):
            balls = certified(derivation.gradient, at)
            arguments = [mpmath.mpf(value) for value in at.values()]
            truth = reference(*arguments)
            middle, radius = in_mpmath(balls["l"])
            assert radius <= abs(middle) * mpmath.mpf(2) ** -58, at
            assert abs(middle - truth) <= radius + abs(truth) * mpmath.mpf(10) ** -32, at
            step = mpmath.mpf(10) ** -17  # the difference's error: step² times a third derivative, digits/step
            for position, name in enumerate(derivation.wrt):
                ends = [
                    reference(*(a + sign * step if i == position else a for i, a in enumerate(arguments)))
                    for sign in (1, -1)
                ]
                slope = (ends[0] - ends[1]) / (2 * step)
                middle, radius = in_mpmath(balls[derivation.adjoints[name]])
                assert abs(middle - slope) <= radius + max(1, abs(slope)) * mpmath.mpf(10) ** -18, (at, name)


@every_row
def test_enclosures_shrink_around_one_truth(row: Row) -> None:
    """At twice the precision the enclosure lies within reach of the first: both hold the same true value."""
    derivation = derivation_of(row)
    for at in points_of(row, 30, 1):
        enclosures = []
        for bits in (PRECISION, 2 * PRECISION):
            with precision(bits):
                enclosures.append(enclose(derivation.gradient, at, Balls.exact()))
        for name, ball in enclosures[0].items():
            assert ball.overlaps(enclosures[1][name]), (name, at)


@every_dtype
@every_row
def test_the_conforming_ball_holds_numpys_results(row: Row, dtype: str) -> None:
    """What the numpy program returns for a value and its derivatives lies in the conforming ball."""
    derivation = derivation_of(row)
    program = sg.compile(derivation, dtype=dtype)
    for at in points_of(row, POINTS, 2, dtype):
        ours = program(at)
        with precision(PRECISION):
            room = enclose(derivation.gradient, at, Balls.conforming(dtype))
        assert room["l"].contains(arb(ours.value)), at
        for name in derivation.wrt:
            assert room[derivation.adjoints[name]].contains(arb(ours.gradient[name])), (at, name)


TORCH_DOMAINS: Mapping[str, tuple[float, float]] = {"gelu": (-2.0, 6.0)}
"""Where torch keeps its digits, if not in the whole domain; beyond, see the tests of its findings."""

DERIVATIVE_OFF_IN_TORCH = ("digamma",)
"""Rows whose derivative torch computes with a wrong number of digits; see the test of its trigamma."""


@every_dtype
@every_row
def test_the_conforming_ball_holds_torchs_results(row: Row, dtype: str) -> None:
    """What torch and its autograd return for a value and its derivatives lies in the conforming ball."""
    derivation = derivation_of(row)
    for at in points_of(row, POINTS, 3, dtype, TORCH_DOMAINS.get(row.name)):
        theirs = evaluate_with_torch(derivation, at, dtype)
        with precision(PRECISION):
            room = enclose(derivation.gradient, at, Balls.conforming(dtype))
        assert room["l"].contains(arb(theirs.value)), at
        for name in derivation.wrt:
            if row.name not in DERIVATIVE_OFF_IN_TORCH:
                assert room[derivation.adjoints[name]].contains(arb(theirs.gradient[name])), (at, name)


def test_torchs_trigamma_is_named_as_inaccurate() -> None:
    """Torch's derivative of digamma loses digits that float64 has; verify says so, and blames autograd alone."""
    derivation = sg.derive(sg.read("l = digamma(x)"))
    failures = [v for n in range(1, 40) for v in sg.verify(derivation, {"x": n / 8}).failures]
    assert failures, "this torch computes trigamma accurately: take 'digamma' out of DERIVATIVE_OFF_IN_TORCH"
    assert {v.judged for v in failures if v.referee == "step"} == {"autograd"}
    assert {v.note for v in failures if v.referee == "autograd"} == {"autograd lies outside what rounding explains"}
    assert {(v.of, v.by) for v in failures} == {("l", "x")}


def test_torchs_gelu_is_named_as_inaccurate() -> None:
    """Torch's gelu cancels in its left tail, as 1 + erf; verify says so, and blames autograd's value alone."""
    derivation = sg.derive(sg.read("l = gelu(x)"))
    failures = [v for n in range(32, 48) for v in sg.verify(derivation, {"x": -n / 8}).failures]
    assert failures, "this torch computes gelu accurately: take it out of TORCH_DOMAINS"
    assert {(v.kind, v.of, v.referee, v.judged) for v in failures} == {("value", "l", "step", "autograd")}


# the conforming set is not so wide that it holds anything


@every_dtype
@every_row
def test_the_conforming_ball_is_narrow(row: Row, dtype: str) -> None:
    """At a middling point of its domain a function's conforming ball leaves no room for a relative error of 1000 u."""
    derivation = derivation_of(row)
    ends = DOMAINS.get(row.name, (0.2, 1.4))
    at = {
        leaf: ends[0] + (ends[1] - ends[0]) * part
        for leaf, part in zip(derivation.primal.leaves, (0.4, 0.7), strict=False)
    }
    with precision(PRECISION):
        room = enclose(derivation.gradient, at, Balls.conforming(dtype))
    unit = 2.0**-24 if dtype == "float32" else 2.0**-53
    for name in ("l", *(derivation.adjoints[leaf] for leaf in derivation.wrt)):
        assert float(room[name].rad()) <= 1000 * unit * float(abs(room[name]).mid()) + 4 * 2.0**-126, name


def test_exact_balls_do_not_widen() -> None:
    """Without a unit roundoff, exact operations stay points; with one, each leaves the room of its rounding."""
    graph = sg.read("l = (x + y)*x - 3")
    at = {"x": 1.5, "y": -0.25}
    with precision(PRECISION):
        exact, wide = enclose(graph, at, Balls.exact())["l"], enclose(graph, at, Balls.conforming("float32"))["l"]
    assert exact.is_exact()
    assert exact == arb(-1.125)
    assert wide.contains(exact)
    assert 2.0**-24 <= float(wide.rad()) <= 100 * 2.0**-24


@pytest.mark.parametrize(
    "text", ["l = (x**2 - x**2) + y", "l = sin(x)**2 + cos(x)**2 - 1 + y", "l = (x + 1e10) - 1e10 - x + y"]
)
def test_cancellation_stays_enclosed(text: str) -> None:
    """A value that vanishes by cancellation is enclosed, not guessed: what remains is y exactly."""
    for y in (0.0, 0.5, 1e-9):
        assert certified(sg.read(text), {"x": 0.3, "y": y})["l"].contains(arb(y))


def test_certified_separates_values_that_double_precision_merges() -> None:
    """The first enclosure too wide to round is refined until it is not."""
    graph = sg.read("a = x + 1; b = a - 1; l = b*1e300*1e-300")
    ball = certified(graph, {"x": 2.0**-300})["b"]
    assert ball.rel_accuracy_bits() >= 60
    assert ball.overlaps(arb(2.0**-300))


@pytest.mark.parametrize("base", [-1.5, -2.0, 0.0, 3.0])
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 7])
def test_integer_powers_of_balls_around_zero(base: float, exponent: int) -> None:
    """A power of any number, zero and negative ones too, is finite and holds the exact result."""
    ball = certified(sg.read(f"l = x**{exponent} + 0*y"), {"x": base, "y": 1.0})["l"]
    assert ball.is_finite()
    assert ball.contains(arb(base**exponent))


# distance in units in the last place


@pytest.mark.parametrize(
    ("value", "reference", "dtype", "ulps"),
    [
        (1.0, 1.0, "float64", 0.0),
        (1.0 + 2**-52, 1.0, "float64", 1.0),
        (1.0 - 2**-53, 1.0, "float64", 0.5),  # below a power of two the neighbours are half as far
        (1.0, 1.0 - 2**-53, "float64", 1.0),
        (1.0 + 2**-52, 1.0 - 2**-53, "float64", 3.0),
        (2.0, 1.0, "float64", 2.0**52),
        (-1.0, 1.0, "float64", 2.0**53),
        (-1.0 - 2**-52, -1.0, "float64", 1.0),
        (1.0 + 2**-23, 1.0, "float32", 1.0),
        (1.0 - 2**-24, 1.0, "float32", 0.5),
        (3.0 + 2**-22, 3.0, "float32", 1.0),
        (5e-324, 0.0, "float64", 1.0),
        (0.0, 5e-324, "float64", 1.0),
        (1.5e-323, 5e-324, "float64", 2.0),
        (-5e-324, 5e-324, "float64", 2.0),
        (2.0**-149, 0.0, "float32", 1.0),
        (2.0**-148, 2.0**-149, "float32", 1.0),
        (2.0**-126, 2.0**-126 - 2.0**-149, "float32", 1.0),
        (2.0**-1022, 2.0**-1022 - 5e-324, "float64", 1.0),
        (0.0, -0.0, "float64", 0.0),
        (math.inf, math.inf, "float64", 0.0),
        (-math.inf, math.inf, "float64", math.inf),
        (math.inf, 1.0, "float64", math.inf),
        (1.0, math.inf, "float64", math.inf),
        (math.nan, math.nan, "float64", 0.0),
        (math.nan, 1.0, "float64", math.inf),
        (1.0, math.nan, "float32", math.inf),
    ],
)
def test_distance_in_ulps(value: float, reference: float, dtype: str, ulps: float) -> None:
    """The distance is in units of the reference's last place, also across a power of two and among denormals."""
    assert distance_in_ulps(value, reference, dtype) == ulps


@every_dtype
def test_neighbours_are_one_ulp_apart(dtype: str) -> None:
    """The next float away from zero is one unit away, over the whole range of the format."""
    real: Any = getattr(numpy, dtype)
    generator = random.Random(0)
    low, high = (-149, 127) if dtype == "float32" else (-1074, 1023)
    for _ in range(2000):
        reference = real(generator.choice([-1, 1]) * math.ldexp(1 + generator.random(), generator.randrange(low, high)))
        neighbour = numpy.nextafter(reference, real(math.copysign(math.inf, reference)))
        assert distance_in_ulps(float(neighbour), float(reference), dtype) == 1.0, reference


def test_the_largest_distances_do_not_overflow() -> None:
    """Opposite ends of the range are a finite number of units apart, or infinitely many, but never an error."""
    largest = 1.7976931348623157e308
    assert distance_in_ulps(largest, -largest, "float64") > 2.0**53
    assert distance_in_ulps(0.0, largest, "float64") > 2.0**52
    assert distance_in_ulps(1.0, 0.0, "float64") == math.inf
