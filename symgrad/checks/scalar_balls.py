"""Ball arithmetic over scalar expressions (python-flint's `arb`; Johansson, IEEE Trans. Computers 66, 2017).

An enclosure certainly contains the true value. With a unit roundoff `u` every operation is widened by the rounding a
conforming float program may commit there, so the ball contains what any such program returns, in whatever order it adds
and multiplies: a sum is widened by `u` times the sum of its terms' magnitudes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import sympy
from flint import acb, arb, ctx, fmpq

from symgrad.core.expression import Expr, name_of
from symgrad.functions import Row, row_of

PRECISION = 113
"""Bits to begin with."""

MAX_PRECISION = 113 * 16
"""Bits at which a quantity that is still not separated from its rounding is left as an interval."""

UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}
"""Unit roundoff."""

SMALLEST = {"float32": 2.0**-126, "float64": 2.0**-1022}
"""Below this a float has fewer digits, or is flushed to zero."""

ARITHMETIC = 4.0
"""Roundings (in units of u) allowed to one arithmetic operation: its own, and those of another order of the same."""

LARGEST_POWER = 10_000
"""Whole exponents up to this are powers by multiplication, so that the base may be negative."""


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Work with `bits` bits inside the block."""
    before = ctx.prec
    ctx.prec = bits
    try:
        yield
    finally:
        ctx.prec = before


@dataclass(frozen=True)
class Balls:
    """Evaluates expressions in balls.

    Args:
        unit: the unit roundoff to widen by; 0 encloses the true value.
        smallest: absolute widening an operation, for underflow.
    """

    unit: float = 0.0
    smallest: float = 0.0

    @classmethod
    def exact(cls) -> Balls:
        """Encloses true values."""
        return cls()

    @classmethod
    def conforming(cls, dtype: str) -> Balls:
        """Encloses what a conforming program of this dtype may return."""
        return cls(UNIT[dtype], SMALLEST[dtype])

    def widened(self, ball: arb, magnitude: arb, roundings: float, absolute: float = 0.0) -> arb:
        """`ball` with room for so many roundings of something of this magnitude."""
        if not self.unit:
            return ball
        return ball + arb(0, magnitude * (roundings * self.unit) + (absolute * self.unit + self.smallest))

    def value(self, expression: Expr, values: Mapping[str, arb]) -> arb:
        """The ball of an expression whose names have the given balls."""
        match expression:
            case sympy.Symbol() | sympy.Indexed():
                return values[name_of(expression)]
            case sympy.Number() | sympy.NumberSymbol():
                return self.number(expression)
            case sympy.Piecewise():
                return self._cases(expression, values)
            case sympy.Pow():
                return self._power(expression, values)
        arguments = [self.value(argument, values) for argument in expression.args]
        match expression:
            case sympy.Add():
                return self.sum(arguments)
            case sympy.Mul():
                return self.product(arguments)
            case _:
                return self._function(expression, arguments, values)

    def sum(self, terms: Sequence[arb]) -> arb:
        """The sum of a line's terms, in whatever order a program adds them."""
        total, magnitude = arb(0), arb(0)
        for term in terms:
            total, magnitude = total + term, magnitude + term.abs_upper()
        return self.widened(total, magnitude, max(ARITHMETIC, len(terms)))

    def product(self, factors: Sequence[arb]) -> arb:
        """The product of a line's factors."""
        product = arb(1)
        for factor in factors:
            product = product * factor
        return self.widened(product, product.abs_upper(), ARITHMETIC + len(factors))

    def number(self, expression: Expr) -> arb:
        """A constant as it stands in a program of this precision."""
        if expression == sympy.pi:
            ball = arb.pi()
        elif isinstance(expression, sympy.Rational):
            ball = arb(fmpq(int(expression.p), int(expression.q)))
            if expression.q == 1:
                return ball
        else:
            ball = arb(float(expression))
        return self.widened(ball, ball.abs_upper(), 1)

    def _power(self, expression: sympy.Pow, values: Mapping[str, arb]) -> arb:
        base, exponent = self.value(expression.base, values), expression.exp
        if is_root(exponent):
            return self.raised(base, exponent)
        return self.raised_by(base, self.value(exponent, values))

    def raised(self, base: arb, exponent: sympy.Rational) -> arb:
        """A whole power, or one with an exponent n/2."""
        if exponent.q == 1:
            ball, roundings = _integer_power(base, int(exponent)), ARITHMETIC + min(abs(int(exponent)), 8)
        else:
            # a ball that reaches below zero by rounding alone stands for numbers that are not negative
            root = (base.nonnegative_part() if base.abs_upper() > 0 and not base < 0 else base).sqrt()
            ball, roundings = _integer_power(root, int(2 * exponent)), ARITHMETIC + abs(int(exponent.p))
        return self.widened(ball, ball.abs_upper(), roundings)

    def raised_by(self, base: arb, power: arb) -> arb:
        """A power whose exponent is computed too."""
        # of a base that is not positive only whole powers are numbers at all
        whole = None if base > 0 else power.unique_fmpz()
        if whole is not None and abs(whole) <= LARGEST_POWER:
            ball, roundings = _integer_power(base, int(whole)), ARITHMETIC + min(abs(int(whole)), 8)
        else:
            ball, roundings = base**power, ARITHMETIC
        return self.widened(ball, ball.abs_upper(), roundings)

    def _cases(self, expression: sympy.Piecewise, values: Mapping[str, arb]) -> arb:
        possible = []
        for branch, condition in expression.args:
            holds = True if condition is sympy.true else self._holds(condition, values)
            if holds is not False:
                possible.append(self.value(branch, values))
            if holds is True:
                break
        union = possible[0]
        for other in possible[1:]:
            union = union.union(other)
        return union

    def _holds(self, condition: sympy.Basic, values: Mapping[str, arb]) -> bool | None:
        """Whether a comparison certainly holds, certainly does not, or could go either way."""
        left, right = (self.value(side, values) for side in condition.args)
        return compared(condition, left, right)

    def _function(self, expression: sympy.Function, arguments: list[arb], values: Mapping[str, arb]) -> arb:
        row = row_of(expression)
        native = NATIVE.get(row.name)
        if native is None:
            assert row.definition is not None, row.name
            return self.value(row.definition(*expression.args), values)
        return self.called(row, native(*arguments), expression, arguments, values)

    def called(
        self, row: Row, ball: arb, expression: sympy.Function, arguments: Sequence[arb], values: Mapping[str, arb]
    ) -> arb:
        """A library function's value, with room for its error."""
        if row.backward and self.unit:
            exact = Balls.exact()
            for derivative, argument, size in zip(row.derivatives, expression.args, arguments, strict=True):
                if not argument.is_Number:
                    slope = exact.value(derivative(*expression.args, expression), values)
                    ball = self.widened(ball, slope.abs_upper() * size.abs_upper(), row.backward)
        return self.widened(ball, ball.abs_upper(), row.rounding, row.absolute)


def is_root(exponent: Expr) -> bool:
    """Whether a power is one by multiplication and a square root at most."""
    return isinstance(exponent, sympy.Rational) and exponent.q in (1, 2)


def compared(condition: sympy.Basic, left: arb, right: arb) -> bool | None:
    """Whether a comparison certainly holds, certainly does not, or could go either way."""
    match condition:
        case sympy.StrictGreaterThan():
            certain, never = left > right, left <= right
        case sympy.GreaterThan():
            certain, never = left >= right, left < right
        case sympy.StrictLessThan():
            certain, never = left < right, left >= right
        case sympy.LessThan():
            certain, never = left <= right, left > right
        case sympy.Equality():
            certain, never = left == right, not left.overlaps(right)
        case _:
            certain, never = not left.overlaps(right), left == right
    return True if certain else False if never else None


def _integer_power(base: arb, exponent: int) -> arb:
    """Repeated multiplication: `arb ** int` is NaN for a ball that contains 0."""
    result, square, count = arb(1), base, abs(exponent)
    while count:
        if count & 1:
            result = result * square
        square, count = square * square, count >> 1
    return result if exponent >= 0 else 1 / result


def _lgamma(x: arb) -> arb:
    return x.lgamma() if x > 0 else abs(x.gamma()).log()


def _polygamma(order: arb, x: arb) -> arb:
    return acb(x).polygamma(acb(order)).real


def _plain(name: str) -> Callable[[arb], arb]:
    return lambda x: getattr(x, name)()


NATIVE: Mapping[str, Callable[..., arb]] = {
    **{
        name: _plain(name)
        for name in [
            "exp",
            "log",
            "log1p",
            "expm1",
            "sin",
            "cos",
            "tan",
            "sec",
            "csc",
            "cot",
            "asin",
            "acos",
            "atan",
            "sinh",
            "cosh",
            "tanh",
            "asinh",
            "acosh",
            "atanh",
            "erf",
            "erfc",
            "digamma",
        ]
    },
    "abs": abs,
    "sign": _plain("sgn"),
    "atan2": arb.atan2,
    "hypot": lambda x, y: (x * x + y * y).sqrt(),
    "lgamma": _lgamma,
    "polygamma": _polygamma,
    "max": lambda a, b: a.max(b),
    "min": lambda a, b: a.min(b),
    "relu": lambda x: x.max(arb(0)),
    "softplus": lambda x: x.exp().log1p() if x < 0 else x + (-x).exp().log1p(),
}
"""The functions that balls have, by name; the others are evaluated by their definition."""
