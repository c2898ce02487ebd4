"""Enclosing a line of tensors, entry by entry, in whichever arithmetic can afford it.

The walk over an expression stands here; what a sum, a product or a contraction is stands in an `Arithmetic`: balls for
proofs (tensor_balls.py), extended precision with error bounds for what would take too long in balls (extended.py).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy
import sympy

from symgrad.checks.entrywise import (
    Labelled,
    aligned,
    entry_of,
    extent_of,
    flat_factors,
    is_contraction,
    joined,
    shape_of,
)
from symgrad.checks.scalar_balls import is_root
from symgrad.core.expression import Expr, is_negative, name_of, without_sign
from symgrad.core.graph import Graph
from symgrad.core.indices import (
    Index,
    MatrixFunction,
    MaxOver,
    MinOver,
    Reduction,
    Size,
    SumOver,
    free_indices,
    subscripts_of,
)
from symgrad.functions import Row, row_of

Array: TypeAlias = numpy.ndarray[Any, Any]

Enclosed: TypeAlias = Any
"""An array of enclosures, or a single one."""


class Arithmetic(ABC):
    """Operations on arrays of enclosures that broadcast; a scalar may be an array of no axes."""

    @abstractmethod
    def exact(self, numbers: Any) -> Enclosed:
        """Enclosures of numbers as they are; what is not finite encloses nothing and everything."""

    @abstractmethod
    def number(self, expression: Expr) -> Enclosed:
        """A constant of a formula."""

    @abstractmethod
    def sum(self, terms: Sequence[Enclosed]) -> Enclosed:
        """Terms added, in whatever order."""

    @abstractmethod
    def product(self, factors: Sequence[Enclosed]) -> Enclosed:
        """Factors multiplied."""

    @abstractmethod
    def raised(self, base: Enclosed, exponent: sympy.Rational) -> Enclosed:
        """A whole power, or one with an exponent n/2."""

    @abstractmethod
    def raised_by(self, base: Enclosed, power: Enclosed) -> Enclosed:
        """A power whose exponent is computed too."""

    @abstractmethod
    def knows(self, row: Row) -> bool:
        """Whether `function` has it; what it has not is evaluated by its definition."""

    @abstractmethod
    def function(self, row: Row, call: sympy.Function, arguments: Sequence[Enclosed]) -> Enclosed:
        """An elementary function."""

    @abstractmethod
    def compared(self, condition: sympy.Basic, left: Enclosed, right: Enclosed) -> Array:
        """1 where a comparison certainly holds, -1 where it certainly does not, else 0."""

    @abstractmethod
    def chosen(self, branches: Sequence[tuple[Enclosed, Array]]) -> Enclosed:
        """The first branch whose comparison holds; all that might be, where that is open."""

    @abstractmethod
    def at_least_one(self, enclosed: Enclosed) -> Enclosed:
        """What is known to be 1 or more."""

    @abstractmethod
    def contracted(self, factors: Sequence[Labelled], summed: Sequence[Index], count: int) -> Labelled:
        """Σ over axes of a product of arrays, each with axes; `count` terms an entry."""

    @abstractmethod
    def reduced(self, kind: str, rows: Enclosed) -> Enclosed:
        """`sum`, `max`, `min`, `prod` or `logsumexp` over the last axis."""

    @abstractmethod
    def linear(self, kind: str, operands: Sequence[Enclosed]) -> Enclosed:
        """`inv`, `det`, `logdet` or `solve` of whole matrices."""

    @abstractmethod
    def bounds(self, enclosed: Enclosed) -> tuple[Array, Array]:
        """Middles and radii as floats; a radius is infinite where nothing is enclosed."""

    @abstractmethod
    def contains(self, enclosed: Enclosed, numbers: Array) -> Array:
        """Whether each number lies in its enclosure."""

    @abstractmethod
    def broadcast(self, enclosed: Enclosed, shape: tuple[int, ...]) -> Enclosed:
        """An array of that shape."""

    @abstractmethod
    def united(self, enclosed: Enclosed, shape: tuple[int, ...]) -> Enclosed:
        """The same entries in another shape."""


@dataclass(frozen=True)
class Enclosing:
    """Encloses the lines of a graph at a point.

    Args:
        graph: tells which names are labels, and which hold a largest or smallest entry.
        sizes: the number behind each size's name.
        arithmetic: how.
        values: the enclosure of each node, labels as whole numbers; grows as lines are evaluated.
    """

    graph: Graph
    sizes: Mapping[str, int]
    arithmetic: Arithmetic
    values: dict[str, Any]

    def line(self, body: Expr, index: Sequence[Index] = ()) -> Enclosed:
        """The enclosure of every entry of `v[index] = body`."""
        made = self.value(body)
        array = aligned(made, index)
        shape = shape_of((i.size for i in index), self.sizes)
        return self.arithmetic.broadcast(array, shape) if shape else array

    @cached_property
    def _extremes(self) -> frozenset[str]:
        """Names of the nodes that hold a largest or a smallest entry."""
        return frozenset(node.name for node in self.graph.nodes if isinstance(node.body, (MaxOver, MinOver)))

    def value(self, part: Expr) -> Labelled:
        """An expression, its axes labelled by its free indices."""
        match part:
            case Index():
                positions = numpy.arange(extent_of(part.size, self.sizes), dtype=float)
                return Labelled(self.arithmetic.exact(positions), (part,))
            case Size():
                return Labelled(self.arithmetic.exact(float(self.sizes[part.name])))
            case sympy.Symbol() | sympy.Indexed():
                return self._entry(part)
            case sympy.Number() | sympy.NumberSymbol():
                return Labelled(self.arithmetic.number(part))
            case sympy.Add():
                return self._apply(self.arithmetic.sum, [self.value(term) for term in part.args])
            case sympy.Mul():
                return self._apply(self.arithmetic.product, [self.value(factor) for factor in part.args])
            case sympy.Pow():
                return self._power(part)
            case sympy.Piecewise():
                return self._cases(part)
            case SumOver():
                found = self._summed(part.body, part.indices)
                # of the entries that are compared with the largest, one at least is it, though which may be open
                return Labelled(self.arithmetic.at_least_one(found.array), found.axes) if self._counts(part) else found
            case Reduction():
                return self._reduced(part.kind, self.value(part.body), part.indices)
            case MatrixFunction():
                operands = [self.values[name_of(operand)] for operand in part.operands]
                return entry_of(self.arithmetic.linear(part.kind, operands), part.subscripts, self._label)
            case _:
                return self._function(part)

    def _apply(self, operation: Any, parts: Sequence[Labelled]) -> Labelled:
        axes = joined(parts)
        return Labelled(operation([aligned(part, axes) for part in parts]), axes)

    def _entry(self, occurrence: Expr) -> Labelled:
        name = name_of(occurrence)
        found = entry_of(self.values[name], subscripts_of(occurrence), self._label)
        return Labelled(self.arithmetic.exact(found.array), found.axes) if name in self.graph.selectors else found

    def _label(self, subscript: Expr) -> Labelled:
        if isinstance(subscript, Index):
            return Labelled(numpy.arange(extent_of(subscript.size, self.sizes)), (subscript,))
        return entry_of(self.values[name_of(subscript)], subscripts_of(subscript), self._label)

    def _power(self, part: sympy.Pow) -> Labelled:
        base = self.value(part.base)
        if is_root(part.exp):
            return Labelled(self.arithmetic.raised(base.array, part.exp), base.axes)
        return self._apply(lambda both: self.arithmetic.raised_by(*both), [base, self.value(part.exp)])

    def _function(self, part: sympy.Function) -> Labelled:
        row = row_of(part)
        if not self.arithmetic.knows(row):
            assert row.definition is not None, row.name
            return self.value(row.definition(*part.args))
        arguments = [self.value(argument) for argument in part.args]
        return self._apply(lambda arrays: self.arithmetic.function(row, part, arrays), arguments)

    def _cases(self, part: sympy.Piecewise) -> Labelled:
        branches = [self.value(branch) for branch, _ in part.args]
        conditions = [self._holds(condition) for _, condition in part.args]
        axes = joined([*branches, *conditions])
        pairs = [(aligned(b, axes), aligned(c, axes)) for b, c in zip(branches, conditions, strict=True)]
        return Labelled(self.arithmetic.chosen(pairs), axes)

    def _holds(self, condition: sympy.Basic) -> Labelled:
        if condition is sympy.true:
            return Labelled(numpy.int8(1))
        left, right = (self.value(side) for side in condition.args)
        axes = joined([left, right])
        found = self.arithmetic.compared(condition, aligned(left, axes), aligned(right, axes))
        if isinstance(condition, sympy.Equality) and self.is_extreme(condition.args[1]):
            among = tuple(n for n, axis in enumerate(axes) if axis not in free_indices(condition.args[1]))
            found = _one_must_hold(numpy.asarray(found), among)
        return Labelled(found, axes)

    def is_extreme(self, side: Expr) -> bool:
        """Whether an expression is the largest or smallest of several entries."""
        if isinstance(side, (sympy.Symbol, sympy.Indexed)) and not isinstance(side, (Index, Size)):
            return name_of(side) in self._extremes
        return isinstance(side, (MaxOver, MinOver))

    def _counts(self, part: Reduction) -> bool:
        """Whether a sum counts the entries that are the largest or smallest."""
        if not isinstance(part.body, sympy.Piecewise) or part.body.args[0][0] != 1:
            return False
        condition = part.body.args[0][1]
        return isinstance(condition, sympy.Equality) and self.is_extreme(condition.args[1])

    def _summed(self, body: Expr, indices: Sequence[Index]) -> Labelled:
        if is_negative(body):
            minus = Labelled(self.arithmetic.exact(-1.0))
            return self._apply(self.arithmetic.product, [minus, self._summed(without_sign(body), indices)])
        if isinstance(body, sympy.Add) and any(is_contraction(term) for term in body.args):
            return self._apply(self.arithmetic.sum, [self._summed(term, indices) for term in body.args])
        factors = [self.value(factor) for factor in flat_factors(body)]
        arrays, scalars = [f for f in factors if f.axes], [f for f in factors if not f.axes]
        present = [i for i in indices if any(i in f.axes for f in arrays)]
        absent = [float(extent_of(i.size, self.sizes)) for i in indices if i not in present]
        scalars += [Labelled(self.arithmetic.exact(size)) for size in absent]
        if len(arrays) == 1:
            scalars.append(self._reduced("sum", arrays[0], present))
        elif arrays:
            count = math.prod(extent_of(i.size, self.sizes) for i in present)
            scalars.append(self.arithmetic.contracted(arrays, present, count))
        return self._apply(self.arithmetic.product, scalars) if len(scalars) > 1 else scalars[0]

    def _reduced(self, kind: str, part: Labelled, indices: Sequence[Index]) -> Labelled:
        """A reduction of a body that may lack some of the axes."""
        if not indices:
            return part
        kept = tuple(axis for axis in part.axes if axis not in indices)
        axes = (*kept, *indices)
        shape = shape_of((i.size for i in axes), self.sizes)
        whole = self.arithmetic.broadcast(aligned(part, axes), shape)
        rows = self.arithmetic.united(whole, (*shape[: len(kept)], math.prod(shape[len(kept) :])))
        return Labelled(self.arithmetic.reduced(kind, rows), kept)


def _one_must_hold(found: Array, among: tuple[int, ...]) -> Array:
    """Of the entries one is the largest: where a single one can be, it is."""
    possible = (found >= 0).sum(axis=among, keepdims=True)
    return numpy.where((found == 0) & (possible == 1), numpy.int8(1), found)
