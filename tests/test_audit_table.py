"""The table of the audit is true: its rows are torch's operations, its derivatives derivatives, its points hard."""

from __future__ import annotations

import ast
import importlib.util
import random
import re
from collections.abc import Callable
from pathlib import Path

import mpmath
import numpy
import pytest
import torch
from flint import arb, ctx

from symgrad.audit import autograd, elementary, examine, special
from symgrad.audit.certify import certified
from symgrad.audit.kinks import on_kink
from symgrad.audit.points import drawn
from symgrad.audit.rows import Op
from symgrad.audit.table import OPS, selected
from symgrad.checks.balls import precision
from symgrad.errors import DataError


def ids(op: Op) -> str:
    """A test's name for a row."""
    return op.title


def test_there_are_enough_entries() -> None:
    """The table has far more than 120 derivatives, and no two rows of one title and arguments."""
    assert sum(len(op.active) for op in OPS) >= 200
    keys = [(op.title, op.arguments) for op in OPS]
    assert len(set(keys)) == len(keys)


NOT_AUDITED = {
    "constant or a cast": "bfloat16 bool byte cdouble cfloat chalf char double fill float half int long short",
    "of integers or truth values": "bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift "
    "bitwise_xor eq gcd ge gt isclose isfinite isinf isnan isneginf isposinf isreal lcm le logical_and logical_not "
    "logical_or logical_xor lt ne signbit __rand__ __ror__ __rxor__",
    "of complex numbers": "complex conj conj_physical imag polar real",
    "without a derivative in torch": "heaviside nextafter special.airy_ai special.bessel_j0 special.bessel_j1 "
    "special.bessel_y0 special.bessel_y1 special.modified_bessel_i0 special.modified_bessel_i1 "
    "special.modified_bessel_k0 special.modified_bessel_k1 special.scaled_modified_bessel_k0 "
    "special.scaled_modified_bessel_k1 special.spherical_bessel_j0 special.chebyshev_polynomial_t "
    "special.chebyshev_polynomial_u special.chebyshev_polynomial_v special.chebyshev_polynomial_w "
    "special.hermite_polynomial_h special.hermite_polynomial_he special.laguerre_polynomial_l "
    "special.legendre_polynomial_p special.shifted_chebyshev_polynomial_t special.shifted_chebyshev_polynomial_u "
    "special.shifted_chebyshev_polynomial_v special.shifted_chebyshev_polynomial_w",
    "the same as another, with its arguments turned": "__radd__ __rdiv__ __rmod__ __rmul__ __rpow__ __rsub__",
    "a mantissa and a whole exponent": "frexp",
    "torch's own tools": "jiterator_binary jiterator_binary_return_by_ref jiterator_unary",
}


def elementwise_operations() -> set[str]:
    """The names in torch's table of tests (`op_db`) that act entry by entry, read without running it."""
    folder = Path(importlib.util.find_spec("torch").submodule_search_locations[0]) / "testing" / "_internal"
    files = [folder / "common_methods_invocations.py", folder / "opinfo" / "definitions" / "special.py"]
    found = set()
    for tree in (ast.parse(file.read_text(encoding="utf-8")) for file in files):
        for node in ast.walk(tree):
            is_row = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args
            if is_row and node.func.id in ("UnaryUfuncInfo", "BinaryUfuncInfo", "SpecialUnaryUfuncInfo"):
                found.add(ast.literal_eval(node.args[0]))
    return found


def test_the_table_walks_torchs_own() -> None:
    """Every operation that torch's own tests count as elementwise has a row, or a reason to have none."""
    excluded = {name for names in NOT_AUDITED.values() for name in names.split()}
    names = elementwise_operations()
    assert len(names) > 120
    missing = []
    for name in sorted(names - excluded):
        try:
            assert selected([name])
        except DataError:
            missing.append(name)
    assert not missing
    assert excluded <= names


@pytest.mark.parametrize("op", OPS, ids=ids)
def test_a_row_is_what_torch_computes(op: Op) -> None:
    """The closed form equals torch's forward values at ordinary points, to float64's accuracy or nearly so."""
    truth = certified(op)
    points = drawn(op, "float64", seed=1)
    kept = [at for at, usual in zip(points.values.T, points.ordinary, strict=True) if usual and max(abs(at)) < 50][:40]
    kept = [at for at in kept if not on_kink(truth, at)]
    values = autograd.called(op, [torch.tensor(column) for column in numpy.array(kept).T]).flatten().tolist()
    compared = 0
    for at, value in zip(kept, values, strict=True):
        expected = truth.value(truth.formula, at)
        if expected is not None:
            compared += 1
            assert value == pytest.approx(expected, rel=1e-6, abs=1e-9), at
    assert compared >= 20


@pytest.mark.parametrize("op", OPS, ids=ids)
def test_a_derivative_is_one(op: Op) -> None:
    """What the rules derive is the limit of the difference quotient of the closed form, taken at 2,000 bits."""
    truth = certified(op)
    points = drawn(op, "float64", seed=2)
    kept = [at for at, usual in zip(points.values.T, points.ordinary, strict=True) if usual and max(abs(at)) < 50][:6]
    for at in kept:
        if on_kink(truth, at):
            continue
        for (name,), expression in truth.entries:
            slope = truth.value(expression, at)
            position = op.arguments.index(name)
            with precision(2000):
                step = arb(2) ** -600
                ends = [[arb(x) for x in at] for _ in range(2)]
                ends[0][position] -= step
                ends[1][position] += step
                low, high = (truth.ball(truth.formula, end) for end in ends)
                quotient = float(((high - low) / (2 * step)).mid())
            assert slope == pytest.approx(quotient, rel=1e-14, abs=1e-300), (name, at)


def test_second_derivatives_are_those_of_the_first() -> None:
    """The same, once more, for rows with functions given and mixed arguments."""
    for title in ("i1", "erfinv", "hypot", "gelu", "ndtri"):
        op = next(op for op in OPS if op.title == title)
        first, second = certified(op), certified(op, 2)
        at = [0.3, 0.7][: len(op.arguments)]
        for (name, other), expression in second.entries:
            slopes = dict(first.entries)
            with precision(2000):
                step = arb(2) ** -600
                moved = [arb(x) + (step if n == other else 0) for n, x in zip(op.arguments, at, strict=True)]
                here = [arb(x) for x in at]
                quotient = (first.ball(slopes[(name,)], moved) - first.ball(slopes[(name,)], here)) / step
            assert second.value(expression, at) == pytest.approx(float(quotient.mid()), rel=1e-14)


def by_mpmath(name: str) -> Callable[..., mpmath.mpf]:
    """An independent implementation of a function that a row gives."""
    if re.fullmatch(r"i\d", name):
        return lambda x: mpmath.besseli(int(name[1]), x)
    if name.startswith("zeta"):
        return lambda s, a: mpmath.zeta(s + int(name[4]), a)
    return {
        "lower": lambda a, x: mpmath.gammainc(a, 0, x, regularized=True),
        "upper": lambda a, x: mpmath.gammainc(a, x, mpmath.inf, regularized=True),
    }[name]


INVERSES = {"erfinv": mpmath.erf, "ndtri": mpmath.ncdf}


@pytest.mark.parametrize("op", [op for op in special.ROWS if op.given], ids=ids)
def test_given_functions_are_mpmaths(op: Op) -> None:
    """Functions from python-flint agree with mpmath's to 25 digits; inverses undo mpmath's."""
    points = drawn(op, "float64", seed=3)
    kept = [at for at, usual in zip(points.values.T, points.ordinary, strict=True) if usual and max(abs(at)) < 20][:8]
    with mpmath.workdps(40):
        for at in kept:
            for name, given in op.given.items():
                with precision(160):
                    ball = given.ball(*(arb(x) for x in at))
                    ours = mpmath.mpf(ball.mid().str(40, radius=False))
                if op.name in INVERSES:
                    assert mpmath.almosteq(INVERSES[op.name](ours), mpmath.mpf(float(at[0])), 1e-25)
                else:
                    assert mpmath.almosteq(ours, by_mpmath(name)(*(mpmath.mpf(float(x)) for x in at)), 1e-25), at


def test_certified_values_are_correctly_rounded() -> None:
    """A thousand certified derivatives of gelu, sinc and digamma equal mpmath's at 60 digits, rounded."""
    chance = random.Random(0)
    formulas = {
        "gelu": lambda x: mpmath.ncdf(x) + x * mpmath.npdf(x),
        "sinc": lambda x: (mpmath.cos(mpmath.pi * x) - mpmath.sin(mpmath.pi * x) / (mpmath.pi * x)) / x,
        "lgamma": mpmath.digamma,
    }
    with mpmath.workdps(60):
        for name, formula in formulas.items():
            truth = certified(selected([name])[0])
            for _ in range(350):
                x = chance.choice((-1, 1)) * 2 ** chance.uniform(-12, 3)
                assert truth.value(truth.entries[0][1], [x]) == float(formula(mpmath.mpf(x))), (name, x)


def test_precision_is_left_as_it_was() -> None:
    """An audit does not change flint's working precision for others."""
    before = ctx.prec
    examine(["abs"], ["float64"])
    assert ctx.prec == before


# the points


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_points_are_many_and_hard(dtype: str) -> None:
    """Points are numbers of the dtype: hundreds of ordinary ones, zero, denormals, the largest, a kink's neighbours."""
    op = selected(["hardsigmoid"])[0]
    points = drawn(op, dtype, seed=0)
    kind = numpy.dtype(dtype).type
    found = points.values[0]
    assert points.ordinary.sum() >= 200
    assert (found == found.astype(dtype)).all()
    assert len(set(found)) == len(found)
    limits = numpy.finfo(dtype)
    for needed in (
        0.0,
        limits.smallest_subnormal,
        limits.tiny,
        limits.max,
        numpy.nextafter(kind(3), kind(9)),
        kind(-3),
    ):
        assert float(needed) in found
    again = drawn(op, dtype, seed=0)
    assert (again.values == points.values).all()
    assert not numpy.array_equal(drawn(op, dtype, seed=1).values, points.values)


@pytest.mark.parametrize("op", OPS, ids=ids)
def test_points_stay_in_the_domain(op: Op) -> None:
    """Every coordinate lies within its argument's span."""
    for row, span in zip(drawn(op, "float32", seed=0).values, op.spans.values(), strict=True):
        assert all(span.holds(value) for value in row)


def test_elementary_rows_have_no_duplicates() -> None:
    """Names of the elementary rows are unique up to options, and aliases lead to one operation."""
    names: dict[str, set[str]] = {}
    for op in OPS:
        for name in (op.name, *(alias.rpartition(".")[2] for alias in op.aliases)):
            names.setdefault(name, set()).add(op.call)
    shared = {name: calls for name, calls in names.items() if len(calls) > 1}
    assert not shared
    assert len(elementary.ROWS) > 40
