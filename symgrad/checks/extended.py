"""Enclosures in extended precision: a middle in `longdouble` and a bound on its error, as whole arrays.

For graphs whose arithmetic would take too long in balls. The middle carries 64 bits where the processor has them, so
its own rounding is a two-thousandth of a double's; every bound counts it. Unlike a ball's the bounds are not proofs:
they trust the C library, and a function's error grows by its slope at the middle, to first order.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import scipy.special
import sympy

from symgrad.checks.enclosure import Arithmetic, Array, Enclosed, Enclosing
from symgrad.checks.entrywise import Labelled, einsum_word, joined
from symgrad.checks.scalar_balls import ARITHMETIC, Balls
from symgrad.checks.tensor_balls import UPWARDS, TensorBalls
from symgrad.core.expression import Expr, symbol
from symgrad.core.graph import Graph, Node
from symgrad.core.indices import Index
from symgrad.functions import Row

OWN = float(numpy.finfo(numpy.longdouble).eps)
"""Rounding of the middles themselves."""

DOUBLE = 2.0**-53

STEADY = frozenset({"abs", "relu", "max", "min"})
"""Functions that never spread an error, though their slope jumps."""


@dataclass(frozen=True)
class Spread:
    """Middles and the bounds on their errors, of one shape.

    Args:
        middle: in `longdouble`.
        radius: in `float64`; infinite where nothing is known.
    """

    middle: Array
    radius: Array

    @classmethod
    def of(cls, middle: Any, radius: Any) -> Spread:
        """A spread whose radius says so where nothing is known."""
        middle = numpy.asarray(middle, dtype=numpy.longdouble)
        radius = numpy.broadcast_to(numpy.asarray(radius, dtype=float), middle.shape)
        return cls(middle, numpy.where(numpy.isnan(radius) | ~numpy.isfinite(middle), numpy.inf, radius))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of both."""
        shape: tuple[int, ...] = self.middle.shape
        return shape

    @property
    def magnitude(self) -> Array:
        """No number enclosed exceeds it."""
        with numpy.errstate(all="ignore"):
            return numpy.asarray(numpy.abs(self.middle).astype(float) * UPWARDS + self.radius)

    def __getitem__(self, key: Any) -> Spread:
        return Spread(numpy.asarray(self.middle[key]), numpy.asarray(self.radius[key]))

    def transpose(self, order: Sequence[int]) -> Spread:
        """Axes in another order."""
        return Spread(self.middle.transpose(order), self.radius.transpose(order))

    def diagonal(self, offset: int, first: int, second: int) -> Spread:
        """The entries where two axes are equal, as a last axis."""
        return Spread(self.middle.diagonal(offset, first, second), self.radius.diagonal(offset, first, second))


def _quiet(method: Any) -> Any:
    """Overflow and the like give infinite bounds, which say enough."""

    @functools.wraps(method)
    def quietly(*arguments: Any) -> Any:
        with numpy.errstate(all="ignore"):
            return method(*arguments)

    return quietly


@dataclass(frozen=True)
class Extended(Arithmetic):
    """Arrays of middles and radii.

    Args:
        balls: says how far to widen.
        bounded: whether errors are followed through functions; without, a slope is computed as it is needed.
    """

    balls: Balls
    bounded: bool = True

    def _room(self, magnitude: Any, roundings: float, absolute: float = 0.0) -> Any:
        """Room for a conforming program's roundings, and for the middle's own."""
        own = magnitude * ((roundings * self.balls.unit + (roundings + 2) * OWN) * UPWARDS)
        return own + (absolute * (self.balls.unit + OWN) + self.balls.smallest)

    def exact(self, numbers: Any) -> Enclosed:
        """Enclosures of numbers as they are."""
        return Spread.of(numbers, 0.0)

    def number(self, expression: Expr) -> Enclosed:
        """A constant of a formula."""
        if expression == sympy.pi:
            value = numpy.longdouble("3.14159265358979323846264338327950288")
        elif isinstance(expression, sympy.Rational):
            value = numpy.longdouble(str(expression.p)) / numpy.longdouble(str(expression.q))
            if expression.q == 1:
                return Spread.of(value, abs(float(value)) * OWN if abs(value) > 2**53 else 0.0)
        else:
            value = numpy.longdouble(float(expression))
        return Spread.of(value, self._room(abs(float(value)), 1))

    @_quiet
    def sum(self, terms: Sequence[Enclosed]) -> Enclosed:
        """Terms added, in whatever order."""
        middle = functools.reduce(lambda a, b: a + b, (t.middle for t in terms))
        magnitude = functools.reduce(lambda a, b: a + b, (t.magnitude for t in terms))
        radius = functools.reduce(lambda a, b: a + b, (t.radius for t in terms))
        return Spread.of(middle, radius + self._room(magnitude, max(ARITHMETIC, len(terms))))

    @_quiet
    def product(self, factors: Sequence[Enclosed]) -> Enclosed:
        """Factors multiplied."""
        made = functools.reduce(_times, factors)
        return Spread.of(made.middle, made.radius + self._room(made.magnitude, ARITHMETIC + len(factors)))

    @_quiet
    def raised(self, base: Enclosed, exponent: sympy.Rational) -> Enclosed:
        """A whole power, or one with an exponent n/2."""
        if exponent.q == 2:
            middle = numpy.sqrt(numpy.maximum(base.middle, 0))
            lower = numpy.sqrt(numpy.maximum(base.middle - base.radius, 0)).astype(float)
            spread = numpy.where(base.radius > 0, base.radius / (lower + middle.astype(float)), 0.0)
            base = Spread.of(numpy.where(base.middle < -base.radius, numpy.nan, middle), spread)
        times = int(exponent * exponent.q)
        count = abs(times)
        middle, magnitude = base.middle**count, base.magnitude
        radius = count * magnitude ** (count - 1) * base.radius if count else 0.0 * base.radius
        if times < 0:
            lowest = numpy.maximum(numpy.abs(base.middle).astype(float) - base.radius, 0.0)
            middle = 1 / middle
            radius = numpy.where(base.radius > 0, count * base.radius / lowest ** (count + 1), 0.0)
        made = Spread.of(middle, radius)
        return Spread.of(made.middle, made.radius + self._room(made.magnitude, ARITHMETIC + min(count, 8)))

    @_quiet
    def raised_by(self, base: Enclosed, power: Enclosed) -> Enclosed:
        """A power whose exponent is computed too."""
        middle = base.middle**power.middle
        by_base = numpy.abs(power.middle * base.middle ** (power.middle - 1)).astype(float)
        by_power = numpy.abs(middle * numpy.log(numpy.abs(base.middle))).astype(float)
        radius = _carried(by_base, base.radius) + _carried(by_power, power.radius)
        return Spread.of(middle, radius + self._room(numpy.abs(middle).astype(float) + radius, 2 * ARITHMETIC))

    def knows(self, row: Row) -> bool:
        """Whether NumPy or SciPy has the function."""
        return bool(row.numpy)

    @_quiet
    def function(self, row: Row, call: sympy.Function, arguments: Sequence[Enclosed]) -> Enclosed:
        """An elementary function; an error grows by the slope."""
        shape = numpy.broadcast_shapes(*(a.shape for a in arguments))
        arguments = [self.broadcast(a, shape) for a in arguments]
        middle, rough = _called(row, [a.middle for a in arguments])
        size = numpy.abs(middle).astype(float)
        radius = self._room(size, row.rounding, row.absolute)
        backward = row.backward * self.balls.unit
        if rough:  # SciPy works in double precision
            radius = radius + (row.rounding * size + row.absolute) * DOUBLE
            backward += (row.backward + 1) * DOUBLE
        for position, argument in enumerate(arguments):
            carried = argument.radius + backward * argument.magnitude
            if self.bounded and not call.args[position].is_Number and numpy.any(carried):
                slope = 1.0 if row.name in STEADY else self._slope(row, call, position, arguments)
                radius = radius + _carried(slope, carried)
        if row.name == "sign":
            open_ = (numpy.abs(arguments[0].middle) <= arguments[0].radius) & (arguments[0].radius > 0)
            radius = numpy.where(open_, 1.0 + size, radius)
        return Spread.of(middle, radius)

    def _slope(self, row: Row, call: sympy.Function, position: int, arguments: Sequence[Spread]) -> Any:
        names = [a if a.is_Number else symbol(f"x{n}") for n, a in enumerate(call.args)]
        leaves = tuple(Node(str(name)) for name in names if not name.is_Number)
        plain = type(call)(*names, evaluate=False)
        values = {str(n): Spread.of(a.middle, 0.0) for n, a in zip(names, arguments, strict=True)}
        exact = Enclosing(Graph(leaves, (leaves[0].name,)), {}, Extended(Balls.exact(), False), values)
        # the values' hidden axes are all alike, so they broadcast without labels
        return exact.value(row.derivatives[position](*names, plain)).array.magnitude

    def compared(self, condition: sympy.Basic, left: Enclosed, right: Enclosed) -> Array:
        """1 where a comparison certainly holds, -1 where it certainly does not, else 0."""
        apart = left.middle - right.middle
        room = left.radius + right.radius
        above, below = apart > room, apart < -room
        equal = (left.middle == right.middle) & (left.radius == right.radius)  # computed alike
        match condition:
            case sympy.StrictGreaterThan():
                certain, never = above, below | equal
            case sympy.GreaterThan():
                certain, never = above | equal, below
            case sympy.StrictLessThan():
                certain, never = below, above | equal
            case sympy.LessThan():
                certain, never = below | equal, above
            case sympy.Equality():
                certain, never = equal, above | below
            case _:
                certain, never = above | below, equal
        return numpy.asarray(certain.astype(numpy.int8) - never.astype(numpy.int8))

    @_quiet
    def chosen(self, branches: Sequence[tuple[Enclosed, Array]]) -> Enclosed:
        """The first branch whose comparison holds; the hull of all that might be, where that is open."""
        shape = numpy.broadcast_shapes(*(part.shape for pair in branches for part in pair))
        made = Spread.of(numpy.full(shape, numpy.nan), numpy.inf)
        begun, done = numpy.zeros(shape, dtype=bool), numpy.zeros(shape, dtype=bool)
        for branch, holds in branches:
            whole = self.broadcast(branch, shape)
            possible = ~done & (holds >= 0)
            hull = _hull(made, whole)
            middle = numpy.where(possible, numpy.where(begun, hull.middle, whole.middle), made.middle)
            radius = numpy.where(possible, numpy.where(begun, hull.radius, whole.radius), made.radius)
            made, begun, done = Spread(middle, radius), begun | possible, done | (holds > 0)
        return made

    def at_least_one(self, enclosed: Enclosed) -> Enclosed:
        """What is known to be 1 or more."""
        low = numpy.maximum(enclosed.middle - enclosed.radius, 1)
        high = numpy.maximum(enclosed.middle + enclosed.radius, low)
        return Spread.of((low + high) / 2, ((high - low) / 2).astype(float) * UPWARDS)

    @_quiet
    def contracted(self, factors: Sequence[Labelled], summed: Sequence[Index], count: int) -> Labelled:
        """Σ over axes of a product."""
        axes = tuple(axis for axis in joined(factors) if axis not in summed)
        contract = functools.partial(numpy.einsum, einsum_word(factors, axes), optimize="greedy")
        sizes = [f.array.magnitude for f in factors]
        radius = self._room(contract(*sizes), count + len(factors) + ARITHMETIC) + count * self.balls.smallest
        for position, factor in enumerate(factors):
            if numpy.any(factor.array.radius):
                radius = radius + contract(*sizes[:position], factor.array.radius, *sizes[position + 1 :]) * UPWARDS
        return Labelled(Spread.of(contract(*(f.array.middle for f in factors)), radius), axes)

    @_quiet
    def reduced(self, kind: str, rows: Enclosed) -> Enclosed:
        """A reduction over the last axis."""
        count = rows.shape[-1]
        match kind:
            case "sum":
                radius = rows.radius.sum(-1) + self._room(rows.magnitude.sum(-1), max(ARITHMETIC, count))
                return Spread.of(rows.middle.sum(-1), radius)
            case "max":
                return _largest(rows)
            case "min":
                found = _largest(Spread(-rows.middle, rows.radius))
                return Spread(-found.middle, found.radius)
            case "prod":
                made = functools.reduce(_times, (rows[..., n] for n in range(count)))
                return Spread.of(made.middle, made.radius + self._room(made.magnitude, ARITHMETIC + 2 * count))
            case _:
                shift = rows.middle.max(-1)
                middle = shift + numpy.log(numpy.exp(rows.middle - shift[..., None]).sum(-1))
                size = numpy.abs(middle).astype(float) + numpy.abs(shift).astype(float)
                # each entry's error counts by its share in the sum, which is at most log Σ share·exp(error)
                share = numpy.exp(rows.middle - middle[..., None]).astype(float)
                carried = numpy.log1p((share * numpy.expm1(rows.radius)).sum(-1)) * UPWARDS
                return Spread.of(middle, carried + self._room(size, ARITHMETIC, 2 * count + 4 * ARITHMETIC))

    def linear(self, kind: str, operands: Sequence[Enclosed]) -> Enclosed:
        """Functions of matrices, in balls after all: elimination needs the digits."""
        tensors = TensorBalls(self.balls)
        made = tensors.linear(kind, [_in_balls(tensors, operand) for operand in operands])
        middle, radius = tensors.bounds(made)
        return Spread.of(middle, radius + numpy.abs(middle) * DOUBLE)

    def bounds(self, enclosed: Enclosed) -> tuple[Array, Array]:
        """Middles and radii as floats."""
        return enclosed.middle.astype(float), enclosed.radius

    def contains(self, enclosed: Enclosed, numbers: Array) -> Array:
        """Whether each number lies in its enclosure."""
        return numpy.asarray(numpy.abs(numpy.asarray(numbers) - enclosed.middle) <= enclosed.radius)

    def broadcast(self, enclosed: Enclosed, shape: tuple[int, ...]) -> Enclosed:
        """An array of that shape."""
        return Spread(numpy.broadcast_to(enclosed.middle, shape), numpy.broadcast_to(enclosed.radius, shape))

    def united(self, enclosed: Enclosed, shape: tuple[int, ...]) -> Enclosed:
        """The same entries in another shape."""
        return Spread(enclosed.middle.reshape(shape), enclosed.radius.reshape(shape))


def _carried(slope: Any, radius: Any) -> Any:
    """An error after a function: none where there was none, whatever the slope; a hundredth more for its curvature."""
    return numpy.where(radius > 0, slope * radius * 1.01, 0.0)


def _times(left: Spread, right: Spread) -> Spread:
    middle = left.middle * right.middle
    radius = left.magnitude * right.radius + left.radius * right.magnitude
    return Spread.of(middle, radius * UPWARDS + numpy.abs(middle).astype(float) * OWN)


def _hull(left: Spread, right: Spread) -> Spread:
    low = numpy.minimum(left.middle - left.radius, right.middle - right.radius)
    high = numpy.maximum(left.middle + left.radius, right.middle + right.radius)
    return Spread.of((low + high) / 2, ((high - low) / 2).astype(float) * UPWARDS)


def _largest(rows: Spread) -> Spread:
    """The winner itself where it is certain, or where only entries computed alike compete with it."""
    best = rows.middle.argmax(-1)[..., None]
    middle = numpy.take_along_axis(rows.middle, best, -1)
    radius = numpy.take_along_axis(rows.radius, best, -1)
    alike = (rows.middle == middle) & (rows.radius == radius)
    rival = ~alike & (rows.middle + rows.radius > middle - radius)
    reach = numpy.where(rival, (rows.middle + rows.radius - middle).astype(float) * UPWARDS, 0.0).max(-1)
    return Spread.of(middle[..., 0], numpy.maximum(radius[..., 0], reach))


_SHIFTED: Mapping[str, Any] = {
    "relu": lambda x: numpy.maximum(x, 0),
    "softplus": lambda x: numpy.logaddexp(numpy.longdouble(0), x),
}


def _called(row: Row, middles: Sequence[Array]) -> tuple[Array, bool]:
    """The function's value, and whether it is one of double precision only."""
    module, _, name = row.numpy.rpartition(".")
    if module == "scipy.special":
        doubles = [numpy.asarray(m, dtype=float) for m in middles]
        return numpy.asarray(getattr(scipy.special, name)(*doubles), dtype=numpy.longdouble), True
    return numpy.asarray(_SHIFTED.get(row.name, getattr(numpy, name))(*middles)), False


def _in_balls(tensors: TensorBalls, spread: Spread) -> Enclosed:
    high = spread.middle.astype(float)
    low = (spread.middle - high).astype(float)
    plain = TensorBalls(Balls.exact())
    middle = plain.sum([plain.exact(high), plain.exact(low)])
    return tensors.with_radius(middle, spread.radius)
