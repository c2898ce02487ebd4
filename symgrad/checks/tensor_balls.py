"""Ball arithmetic on tensors: NumPy's arrays whose entries are balls.

Each entry is computed as the scalar arithmetic would, so that one statement of what rounding may do serves both.
A contraction of balls is a product of `arb` matrices, and its room is a contraction of magnitudes in floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy
import sympy
from flint import arb, arb_mat

from symgrad.checks.enclosure import Arithmetic, Array, Enclosed
from symgrad.checks.entrywise import Labelled, aligned, einsum_word, joined
from symgrad.checks.scalar_balls import ARITHMETIC, NATIVE, Balls, compared
from symgrad.core.expression import Expr, symbol
from symgrad.core.indices import Index
from symgrad.functions import Row

UPWARDS = 1 + 2.0**-40
"""More than the rounding of magnitudes that are added up in floats."""

LINEAR = 16.0
"""Roundings, for each row of a matrix, allowed to elimination: the growth of its pivots included."""


def lifted(function: Callable[..., Any], *arrays: Any) -> Any:
    """`function` entry by entry over arrays that broadcast; of scalars it is called once."""
    shape = numpy.broadcast_shapes(*(array.shape for array in arrays if isinstance(array, numpy.ndarray)))
    if not shape:
        return function(*(array[()] if isinstance(array, numpy.ndarray) else array for array in arrays))
    columns = [_entries(array, shape) for array in arrays]
    made = [function(*entries) for entries in zip(*columns, strict=True)]
    return numpy.fromiter(made, dtype=object, count=len(made)).reshape(shape)


def _entries(array: Any, shape: tuple[int, ...]) -> list[Any]:
    if not isinstance(array, numpy.ndarray):
        return [array] * math.prod(shape)
    whole = array if array.shape == shape else numpy.broadcast_to(array, shape)
    return whole.ravel().tolist()


def magnitudes(balls: Any) -> Any:
    """Floats that no entry exceeds in magnitude."""
    if not isinstance(balls, numpy.ndarray):
        return float(balls.abs_upper()) * UPWARDS
    found = numpy.fromiter((float(b.abs_upper()) for b in balls.ravel().tolist()), dtype=float, count=balls.size)
    return numpy.nan_to_num(found, nan=numpy.inf, posinf=numpy.inf).reshape(balls.shape) * UPWARDS


@dataclass(frozen=True)
class TensorBalls(Arithmetic):
    """Arrays of balls.

    Args:
        balls: the arithmetic of one entry, which says how far to widen.
    """

    balls: Balls

    def exact(self, numbers: Any) -> Enclosed:
        """Enclosures of numbers as they are; of what is not finite, not-a-number."""
        if numpy.ndim(numbers) == 0:
            return arb(float(numbers)) if numpy.isfinite(numbers) else arb.nan()
        flat = numpy.asarray(numbers, dtype=float).ravel()
        made = [arb(number) for number in numpy.where(numpy.isfinite(flat), flat, numpy.nan).tolist()]
        return numpy.fromiter(made, dtype=object, count=len(made)).reshape(numpy.shape(numbers))

    def number(self, expression: Expr) -> Enclosed:
        """A constant of a formula."""
        return self.balls.number(expression)

    def sum(self, terms: Sequence[Enclosed]) -> Enclosed:
        """Terms added, in whatever order."""
        return lifted(lambda *entries: self.balls.sum(entries), *terms)

    def product(self, factors: Sequence[Enclosed]) -> Enclosed:
        """Factors multiplied."""
        return lifted(lambda *entries: self.balls.product(entries), *factors)

    def raised(self, base: Enclosed, exponent: sympy.Rational) -> Enclosed:
        """A whole power, or one with an exponent n/2."""
        return lifted(lambda entry: self.balls.raised(entry, exponent), base)

    def raised_by(self, base: Enclosed, power: Enclosed) -> Enclosed:
        """A power whose exponent is computed too."""
        return lifted(self.balls.raised_by, base, power)

    def knows(self, row: Row) -> bool:
        """Whether balls have the function themselves."""
        return row.name in NATIVE

    def function(self, row: Row, call: sympy.Function, arguments: Sequence[Enclosed]) -> Enclosed:
        """An elementary function."""
        native = NATIVE[row.name]
        names = [a if a.is_Number else symbol(f"x{n}") for n, a in enumerate(call.args)]
        plain = type(call)(*names, evaluate=False)

        def entry(*balls: arb) -> arb:
            values = {str(name): ball for name, ball in zip(names, balls, strict=True)}
            return self.balls.called(row, native(*balls), plain, balls, values)

        return lifted(entry, *arguments)

    def compared(self, condition: sympy.Basic, left: Enclosed, right: Enclosed) -> Array:
        """1 where a comparison certainly holds, -1 where it certainly does not, else 0."""
        equality = isinstance(condition, sympy.Equality)

        def verdict(a: arb, b: arb) -> int:
            holds = compared(condition, a, b)
            if holds is None and equality and _is_same(a, b):
                holds = True  # computed alike, so equal in any one program
            return 0 if holds is None else 1 if holds else -1

        return numpy.asarray(lifted(verdict, left, right)).astype(numpy.int8)

    def chosen(self, branches: Sequence[tuple[Enclosed, Array]]) -> Enclosed:
        """The first branch whose comparison holds; the union of all that might be, where that is open."""

        def entry(*pairs: Any) -> arb:
            union = None
            for ball, holds in zip(pairs[::2], pairs[1::2], strict=True):
                if holds >= 0:
                    union = ball if union is None else union.union(ball)
                if holds > 0:
                    break
            return union

        return lifted(entry, *(part for pair in branches for part in pair))

    def at_least_one(self, enclosed: Enclosed) -> Enclosed:
        """What is known to be 1 or more."""
        return lifted(lambda ball: ball.max(arb(1)), enclosed)

    def contracted(self, factors: Sequence[Labelled], summed: Sequence[Index], count: int) -> Labelled:
        """Σ over axes of a product, as matrix products of balls."""
        axes = tuple(axis for axis in joined(factors) if axis not in summed)
        total = aligned(_contract(list(factors), list(summed)), axes)
        unit = self.balls.unit
        if unit:
            with numpy.errstate(over="ignore", invalid="ignore"):
                magnitude = numpy.einsum(
                    einsum_word(factors, axes),
                    *(magnitudes(f.array) for f in factors),
                    optimize="greedy",
                )
                room = magnitude * ((count + len(factors) + ARITHMETIC) * unit * UPWARDS)
            total = self.with_radius(total, room + count * self.balls.smallest)
        return Labelled(total, axes)

    def reduced(self, kind: str, rows: Enclosed) -> Enclosed:
        """A reduction over the last axis."""
        operation = {
            "sum": self.balls.sum,
            "prod": self._product_of_row,
            "max": lambda row: _extreme(row, lambda a, b: a > b, arb.max),
            "min": lambda row: _extreme(row, lambda a, b: a < b, arb.min),
            "logsumexp": self._logsumexp,
        }[kind]
        flat = rows.reshape(math.prod(rows.shape[:-1]), rows.shape[-1])
        made = [operation(row.tolist()) for row in flat]
        if rows.ndim == 1:
            return made[0]
        return numpy.fromiter(made, dtype=object, count=len(made)).reshape(rows.shape[:-1])

    def _product_of_row(self, row: Sequence[arb]) -> arb:
        product = arb(1)
        for factor in row:
            product = product * factor
        # torch divides the product of all by one entry where another multiplies the rest
        return self.balls.widened(product, product.abs_upper(), ARITHMETIC + 2 * len(row))

    def _logsumexp(self, row: Sequence[arb]) -> arb:
        shift = arb(max(float(entry.mid()) for entry in row))
        total = arb(0)
        for entry in row:
            total = total + (entry - shift).exp()
        ball = shift + total.log()
        # an exponential's relative error is the error of x − shift, weighted by what it has in the sum: at most 1/e
        absolute = 2 * len(row) + 4 * ARITHMETIC
        return self.balls.widened(ball, ball.abs_upper() + shift.abs_upper(), ARITHMETIC, absolute)

    def linear(self, kind: str, operands: Sequence[Enclosed]) -> Enclosed:
        """Functions of matrices, by elimination in balls."""
        matrix = operands[0]
        try:
            inverse = _from_matrix(_matrix(matrix).inv())
        except ZeroDivisionError:
            inverse = self.exact(numpy.full(matrix.shape, numpy.nan))
        rows = len(matrix)
        unit = self.balls.unit
        # elimination solves (A + E) exactly, with E as small as this (Higham, Accuracy and Stability, 2002, ch. 9)
        error = LINEAR * rows * unit * numpy.max(magnitudes(matrix), initial=0.0)
        sizes = magnitudes(inverse)
        match kind:
            case "inv":
                return self._roomy(inverse, error * numpy.outer(sizes.sum(1), sizes.sum(0)))
            case "solve":
                right = operands[1].reshape(rows, -1)
                solution = _from_matrix(_matrix(inverse) * _matrix(right))
                room = error * numpy.outer(sizes.sum(1), magnitudes(solution).sum(0))
                return self._roomy(solution.reshape(operands[1].shape), room.reshape(operands[1].shape))
            case "det":
                ball = _matrix(matrix).det()
                relative = error * sizes.sum() + LINEAR * rows * unit
                if not numpy.isfinite(relative):  # singular: bounded by the rows' lengths (Hadamard)
                    bound = math.prod(numpy.sqrt((magnitudes(matrix) ** 2).sum(1)).tolist())
                    return self._roomy(ball, LINEAR * rows * rows * unit * bound)
                return self._roomy(ball, relative * magnitudes(ball))
            case _:
                ball = abs(_matrix(matrix).det()).log()
                largest = float(numpy.abs(numpy.log([magnitudes(matrix).max(), sizes.max()])).max()) + 1
                return self._roomy(ball, error * sizes.sum() + LINEAR * rows * unit * largest)

    def _roomy(self, ball: Enclosed, room: Any) -> Enclosed:
        if not self.balls.unit:
            return ball
        return self.with_radius(ball, room * UPWARDS + self.balls.smallest)

    def with_radius(self, ball: Enclosed, radius: Any) -> Enclosed:
        """Balls made larger; not-a-number means without bound."""
        room = numpy.nan_to_num(radius, nan=numpy.inf, posinf=numpy.inf)
        return lifted(lambda b, r: b + arb(0, r), ball, room if numpy.ndim(room) else float(room))

    def bounds(self, enclosed: Enclosed) -> tuple[Array, Array]:
        """Middles and radii as floats; radii are infinite where nothing is enclosed."""
        flat = enclosed.ravel().tolist() if isinstance(enclosed, numpy.ndarray) else [enclosed]
        middles = numpy.fromiter((float(ball.mid()) for ball in flat), dtype=float, count=len(flat))
        radii = numpy.fromiter((float(ball.rad()) for ball in flat), dtype=float, count=len(flat))
        nothing = numpy.isnan(middles) | numpy.isinf(radii) | numpy.isnan(radii)
        nothing |= numpy.fromiter((not ball.is_finite() for ball in flat), dtype=bool, count=len(flat))
        radii[nothing] = numpy.inf
        return middles.reshape(numpy.shape(enclosed)), radii.reshape(numpy.shape(enclosed))

    def contains(self, enclosed: Enclosed, numbers: Array) -> Array:
        """Whether each number, as it is, lies in its ball."""
        flat = enclosed.ravel().tolist() if isinstance(enclosed, numpy.ndarray) else [enclosed]
        pairs = zip(flat, numpy.ravel(numbers).tolist(), strict=True)
        found = [math.isfinite(number) and bool(ball.contains(arb(number))) for ball, number in pairs]
        return numpy.array(found, dtype=bool).reshape(numpy.shape(enclosed))

    def broadcast(self, enclosed: Enclosed, shape: tuple[int, ...]) -> Enclosed:
        """An array of that shape."""
        if not isinstance(enclosed, numpy.ndarray):
            return numpy.full(shape, enclosed, dtype=object)
        return enclosed if enclosed.shape == shape else numpy.broadcast_to(enclosed, shape)

    def united(self, enclosed: Enclosed, shape: tuple[int, ...]) -> Enclosed:
        """The same entries in another shape."""
        return enclosed.reshape(shape)


def _is_same(a: arb, b: arb) -> bool:
    return bool(a.mid() == b.mid() and a.rad() == b.rad())


def _extreme(row: Sequence[arb], beats: Callable[[arb, arb], Any], joined_: Callable[[arb, arb], arb]) -> arb:
    """The largest or smallest entry; the very ball of the winner, where there is one."""
    best = row[0]
    for entry in row[1:]:
        if beats(entry, best):
            best = entry
        elif not (beats(best, entry) or _is_same(best, entry)):
            best = joined_(best, entry)
    return best


def _matrix(array: Array) -> arb_mat:
    return arb_mat(*array.shape, array.ravel().tolist())


def _from_matrix(matrix: arb_mat) -> Array:
    count = matrix.nrows() * matrix.ncols()
    return numpy.fromiter(matrix.entries(), dtype=object, count=count).reshape(matrix.nrows(), matrix.ncols())


def _contract(pending: list[Labelled], summed: list[Index]) -> Labelled:
    """Two factors at a time, the cheapest pair first; the value does not depend on the order."""
    while len(pending) > 1:
        left, right = min(combinations(pending, 2), key=lambda pair: math.prod(_extent(i, pair) for i in joined(pair)))
        rest = [f for f in pending if f is not left and f is not right]
        gone = [i for i in summed if not any(i in f.axes for f in rest)]
        pending = [*rest, _pair(left, right, gone)]
        summed = [i for i in summed if i not in gone]
    (last,) = pending
    return _summed_over(last, summed)


def _extent(axis: Index, parts: Sequence[Labelled]) -> int:
    return next(int(p.array.shape[p.axes.index(axis)]) for p in parts if axis in p.axes)


def _summed_over(part: Labelled, summed: Sequence[Index]) -> Labelled:
    positions = tuple(n for n, axis in enumerate(part.axes) if axis in summed)
    if not positions:
        return part
    return Labelled(part.array.sum(axis=positions), tuple(axis for axis in part.axes if axis not in summed))


def _pair(left: Labelled, right: Labelled, summed: Sequence[Index]) -> Labelled:
    """The product of two arrays, summed over axes that nothing else has."""
    both = [i for i in left.axes if i in right.axes]
    left = _summed_over(left, [i for i in summed if i not in both])
    right = _summed_over(right, [i for i in summed if i not in both])
    inner = [i for i in both if i in summed]
    batch = [i for i in both if i not in summed]
    rows = [i for i in left.axes if i not in both]
    columns = [i for i in right.axes if i not in both]
    axes = (*batch, *rows, *columns)
    if not inner:
        return Labelled(aligned(left, axes) * aligned(right, axes), axes)
    shape = [_extent(i, (left, right)) for i in axes]
    counts = [math.prod(_extent(i, (left, right)) for i in group) for group in (batch, rows, inner, columns)]
    first = aligned(left, (*batch, *rows, *inner)).reshape(counts[0], counts[1], counts[2])
    second = aligned(right, (*batch, *inner, *columns)).reshape(counts[0], counts[2], counts[3])
    made = [_from_matrix(_matrix(a) * _matrix(b)) for a, b in zip(first, second, strict=True)]
    array = numpy.array(made, dtype=object).reshape(shape) if axes else made[0][0, 0]
    return Labelled(array, axes)
