"""One entry of a line in floats, as a program computes it, and the first operation in it that goes wrong.

This is for explanations: it evaluates the parts of a body one by one at one place, the branch that `where` does not
take included, since that is where a program may meet infinity without anybody seeing it.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy
import sympy

from symgrad.checks.entrywise import extent_of
from symgrad.core.expression import Expr, name_of, occurrences
from symgrad.core.indices import Index, MatrixFunction, Reduction, Size, subscripts_of
from symgrad.functions import Row, row_of

MANY = 20_000
"""Parts of one entry that are looked at; a larger sum is not explained."""

_COMPARE: Mapping[type, Any] = {
    sympy.StrictGreaterThan: numpy.greater,
    sympy.GreaterThan: numpy.greater_equal,
    sympy.StrictLessThan: numpy.less,
    sympy.LessThan: numpy.less_equal,
    sympy.Equality: numpy.equal,
    sympy.Unequality: numpy.not_equal,
}

_REDUCE: Mapping[str, Any] = {
    "sum": numpy.sum,
    "prod": numpy.prod,
    "max": numpy.max,
    "min": numpy.min,
    "logsumexp": numpy.logaddexp.reduce,
}

Place = Mapping[Index, int]


@dataclass(frozen=True)
class Trouble:
    """An operation on finite operands that gives no finite value, or has no finite derivative.

    Args:
        part: the operation as it stands in the body.
        value: what it gives.
        slope: its derivative by the operand that is to blame, where the value itself is finite.
        operands: the numbers it reads, by their names with subscripts.
        taken: whether `where` takes the branch it stands in.
    """

    part: Expr
    value: float
    slope: float
    operands: tuple[tuple[str, float], ...]
    taken: bool

    @property
    def is_of_derivative(self) -> bool:
        """Whether only the derivative is not finite."""
        return math.isfinite(self.value)


class _TooManyError(Exception):
    """A sum too long to be explained."""


@dataclass
class EntryValues:
    """Evaluates bodies at one place.

    Args:
        values: of the nodes, as a program had them.
        sizes: the number behind each size's name.
        dtype: the precision to overflow in.
    """

    values: Mapping[str, Any]
    sizes: Mapping[str, int]
    dtype: str = "float64"
    _visited: int = 0

    def value(self, part: Expr, place: Place) -> float:
        """A part at a place; not-a-number where it is not for floats to say."""
        with numpy.errstate(all="ignore"):
            return float(self._value(part, place))

    def _value(self, part: Expr, place: Place) -> Any:
        real = getattr(numpy, self.dtype)
        match part:
            case Index():
                return real(place[part])
            case Size():
                return real(self.sizes[part.name])
            case sympy.Symbol() | sympy.Indexed():
                return real(numpy.asarray(self.values[name_of(part)])[self.entry(part, place)])
            case sympy.Number() | sympy.NumberSymbol():
                return real(float(part))
            case sympy.Piecewise():
                return self._value(next(b for b, c in part.args if self.holds(c, place)), place)
            case Reduction():
                rows = [self._value(part.body, p) for p in self.places(part.indices, place)]
                return _REDUCE[part.kind](numpy.array(rows, dtype=real))
            case MatrixFunction():
                return real("nan")
        arguments = [self._value(argument, place) for argument in part.args]
        match part:
            case sympy.Add():
                return sum(arguments[1:], arguments[0])
            case sympy.Mul():
                return self._product(part, arguments, place)
            case sympy.Pow():
                return _power(*arguments)
            case _:
                return self._function(row_of(part), part, arguments, place)

    def _product(self, part: sympy.Mul, arguments: list[Any], place: Place) -> Any:
        """Factors in order, those with negative exponents as divisors, as they are written."""
        result = getattr(numpy, self.dtype)(1)
        for factor, value in zip(part.args, arguments, strict=True):
            if _is_divisor(factor):
                result = result / _power(self._value(factor.base, place), -float(factor.exp))
            else:
                result = result * value
        return result

    def _function(self, row: Row, part: Expr, arguments: list[Any], place: Place) -> Any:
        if row.name == "relu":
            return numpy.maximum(arguments[0], 0)
        if row.name == "softplus":
            return numpy.logaddexp(getattr(numpy, self.dtype)(0), arguments[0])
        if row.numpy:
            module, _, name = row.numpy.rpartition(".")
            return getattr(importlib.import_module(module), name)(*arguments)
        assert row.definition is not None, row.name
        return self._value(row.definition(*part.args), place)

    def holds(self, condition: sympy.Basic, place: Place) -> bool:
        """Whether a condition holds at a place."""
        if condition is sympy.true:
            return True
        left, right = (self._value(side, place) for side in condition.args)
        return bool(_COMPARE[type(condition)](left, right))

    def entry(self, occurrence: Expr, place: Place) -> tuple[int, ...]:
        """The numbers of an occurrence's subscripts at a place."""
        return tuple(int(self._value(s, place)) for s in subscripts_of(occurrence))

    def places(self, indices: tuple[Index, ...], place: Place) -> Iterator[Place]:
        """The place with each combination of further indices."""
        ranges = [range(extent_of(i.size, self.sizes)) for i in indices]
        if math.prod(map(len, ranges)) > MANY:
            raise _TooManyError
        for numbers in product(*ranges):
            yield {**place, **dict(zip(indices, numbers, strict=True))}

    def trouble(self, body: Expr, place: Place, *, slopes: bool) -> Trouble | None:
        """The innermost operation that goes wrong, the branches not taken last.

        Args:
            body: of a line.
            place: the line's own indices.
            slopes: whether an infinite derivative counts.
        """
        self._visited = 0
        try:
            with numpy.errstate(all="ignore"):
                found = list(self._troubles(body, place, slopes, True))
        except (_TooManyError, KeyError, IndexError):  # a program may lack a number, or have one of a wrong shape
            return None
        return min(found, key=lambda trouble: not trouble.taken, default=None)

    def _troubles(self, part: Expr, place: Place, slopes: bool, taken: bool) -> Iterator[Trouble]:
        self._visited += 1
        if self._visited > MANY:
            raise _TooManyError
        if isinstance(part, Reduction):
            for inner in self.places(part.indices, place):
                yield from self._troubles(part.body, inner, slopes, taken)
        elif isinstance(part, sympy.Piecewise):
            chosen = next(b for b, c in part.args if self.holds(c, place))
            for branch, _ in part.args:
                yield from self._troubles(branch, place, slopes, taken and branch is chosen)
        elif part.args and not isinstance(part, (sympy.Indexed, MatrixFunction, sympy.Number)):
            inside = [t for a in _operands(part) for t in self._troubles(a, place, slopes, taken)]
            yield from inside
            if not inside:
                yield from self._own_trouble(part, place, slopes, taken)

    def _own_trouble(self, part: Expr, place: Place, slopes: bool, taken: bool) -> Iterator[Trouble]:
        """Whether an operation whose operands are finite goes wrong itself."""
        arguments = [float(self._value(argument, place)) for argument in _operands(part)]
        if not all(map(math.isfinite, arguments)):
            return
        value = float(self._value(part, place))
        slope = self._slope(part, arguments, place) if slopes and math.isfinite(value) else 0.0
        if not (math.isfinite(value) and math.isfinite(slope)):
            yield Trouble(part, value, slope, tuple(self.operands(part, place)), taken)

    def _slope(self, part: Expr, arguments: list[float], place: Place) -> float:
        """The largest derivative by an argument; infinite or not-a-number where it is none."""
        if isinstance(part, (sympy.Add, sympy.Mul)):
            return 0.0
        if isinstance(part, sympy.Pow):
            base, exponent = arguments
            return float(exponent * _power(numpy.float64(base), exponent - 1)) if exponent else 0.0
        for argument, derivative in zip(part.args, row_of(part).derivatives, strict=True):
            if argument.is_Number:
                continue
            slope = float(self._value(derivative(*part.args, part), place))
            if not math.isfinite(slope):
                return slope
        return 0.0

    def operands(self, part: Expr, place: Place) -> Iterator[tuple[str, float]]:
        """Each number a part reads, once, with its name."""
        seen = set()
        for occurrence in occurrences(part):
            name = name_of(occurrence)
            at = self.entry(occurrence, place) if isinstance(occurrence, sympy.Indexed) else ()
            if (name, at) not in seen and numpy.ndim(self.values[name]) == len(at):
                seen.add((name, at))
                yield name + subscripted(at), float(numpy.asarray(self.values[name])[at])


def _operands(part: Expr) -> tuple[Expr, ...]:
    """What an operation reads: of `a/b` it is a and b, not a and 1/b."""
    if not isinstance(part, sympy.Mul):
        return tuple(part.args)
    return tuple(factor.base if _is_divisor(factor) else factor for factor in part.args)


def _is_divisor(factor: Expr) -> bool:
    return isinstance(factor, sympy.Pow) and bool(factor.exp.is_Number) and factor.exp < 0


def _power(base: Any, exponent: Any) -> Any:
    return numpy.sqrt(base) if exponent == 0.5 else base**exponent


def subscripted(entry: tuple[int, ...]) -> str:
    """`[1, 2]`, and nothing for a scalar."""
    return f"[{', '.join(map(str, entry))}]" if entry else ""
