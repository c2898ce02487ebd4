"""Functions on tensors, each said by the formula of one entry; nothing after the readers knows their names.

Reductions come in two spellings, `sum(A, axis=0)` over placeholders of axes and `sum(A[i,j], i)` over letters; both
are a reduction over some indices of a formula, and share their definitions here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import sympy

from symgrad.calculus.elementary import is_constant
from symgrad.core.expression import (
    Expr,
    add,
    is_negative,
    mul,
    name_of,
    negative,
    power,
    reciprocal,
    square_root,
    subtract,
    without_sign,
)
from symgrad.core.indices import (
    REDUCTIONS,
    Index,
    Size,
    bound_indices,
    delta,
    extent,
    free_indices,
    matrix_function,
    reindex,
    total,
)
from symgrad.functions import BY_NAME
from symgrad.readers.shapes import (
    MismatchError,
    Operand,
    Shape,
    Sizes,
    Tensor,
    Value,
    as_value,
    axis,
    bound_index,
    broadcast,
    disagreement,
    letter_of,
    moved,
    placeholders,
)

Insert: TypeAlias = Callable[[Expr, Shape, str], Expr | None]
"""Makes a node of a part, with a suffix for its name, and returns the formula that reads it; None if it may not."""


@dataclass
class Algebra:
    """What functions on tensors mean.

    Args:
        sizes: what is known of sizes.
        insert: makes a node of an operand.
    """

    sizes: Sizes
    insert: Insert
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def bound(self, like: Index) -> Index:
        """A new index to be bound in place of `like`."""
        return bound_index(next(self.numbers), self.sizes.find(like.size), letter_of(like))

    def copy(self, expr: Expr) -> Expr:
        """`expr` for a second use in one body: no index is bound twice."""
        return reindex(expr, {index: self.bound(index) for index in bound_indices(expr)})

    # reductions: over indices of a formula, which may be placeholders of axes or letters

    def reduce(self, kind: str, expr: Expr, over: Sequence[Index]) -> Expr:
        """A reduction of `expr` over some of its indices, from their names in the text grammar."""
        fresh = {index: self.bound(index) for index in over}
        body = reindex(expr, fresh)
        free = free_indices(body)
        here = [index for index in fresh.values() if index in free]
        gone = [extent(index.size) for index in fresh.values() if index not in free]
        match kind:
            case "sum":
                return total(body, fresh.values())
            case "mean":
                summed = total(body, here)
                return mul(*_factors(summed), *(reciprocal(extent(index.size)) for index in here))
            case "prod" if gone:
                body = power(body, mul(*gone))
            case "logsumexp" if gone:
                body = add(body, *(BY_NAME["log"](size) for size in gone))
        return REDUCTIONS[kind](body, *here) if here else body

    def variance(self, expr: Expr, over: Sequence[Index]) -> Expr:
        """The mean squared distance from the mean (NumPy's `ddof=0`)."""
        mean = self.reduce("mean", self.copy(expr), over)
        return self.reduce("mean", power(subtract(expr, mean), 2), over)

    def deviation(self, expr: Expr, over: Sequence[Index]) -> Expr:
        """The root of the variance."""
        return square_root(self.variance(expr, over))

    def norm(self, expr: Expr, over: Sequence[Index]) -> Expr:
        """The root of the sum of squares."""
        return square_root(self.reduce("sum", power(expr, 2), over))

    def log_softmax(self, expr: Expr, over: Sequence[Index]) -> Expr:
        """`x - logsumexp(x)`; it keeps its axes."""
        return subtract(expr, self.reduce("logsumexp", self.copy(expr), over))

    def softmax(self, expr: Expr, over: Sequence[Index]) -> Expr:
        """`exp(x - logsumexp(x))`; it keeps its axes."""
        return BY_NAME["exp"](self.log_softmax(expr, over))

    def reduction(self, name: str, expr: Expr, over: Sequence[Index]) -> Expr:
        """Any of the functions that reduce, by its name; an operand read twice becomes a node first."""
        rule = _COMPOSED.get(name)
        return rule(self, expr, over) if rule else self.reduce(name, expr, over)

    def over_axes(self, name: str, operand: Operand, axes: tuple[int, ...], keep: bool) -> Value:
        """A reduction over axes, given by position."""
        expr, shape = operand.expr, operand.shape
        if name in TWICE:
            expr = self.once(expr, shape)
        # a placeholder has no size of its own, so it gets one before it is bound
        sized = {
            axis(operand.rank - p): bound_index(next(self.numbers), shape[p]) for p in sorted(axes) if shape[p] != 1
        }
        back: dict[Index, Expr] = {new: old for old, new in sized.items()}
        result = reindex(self.reduction(name, reindex(expr, sized), tuple(sized.values())), back)
        if name in KEEPS_AXES:
            return Tensor(result, shape)
        if keep:
            return Tensor(result, tuple(1 if p in axes else size for p, size in enumerate(shape)))
        kept = [p for p in range(operand.rank) if p not in axes]
        moves = {operand.rank - p: axis(len(kept) - new) for new, p in enumerate(kept)}
        return as_value(moved(result, moves), tuple(shape[p] for p in kept))

    # products

    def matmul(self, left: Operand, right: Operand) -> Value:
        """NumPy's `@`: vectors, matrices, and stacks of matrices along leading axes."""
        for operand in (left, right):
            if not operand.rank:
                raise MismatchError(
                    f"'@' multiplies vectors and matrices, but {operand.text} is a scalar. Write * for it."
                )
        inner, other = left.shape[-1], right.shape[-2 if right.rank > 1 else -1]
        if not self.sizes.unify(inner, other):
            raise MismatchError(disagreement(self.sizes, left, right, inner, other) + self._way_out(left, right))
        size = self.sizes.find(inner)
        bound = bound_index(next(self.numbers), size)
        summed: Mapping[int, Expr] = {1: bound}
        if right.rank == 1:
            summed = {1: bound, **{k: axis(k - 1) for k in range(2, left.rank + 1)}}
        first = moved(left.expr, summed)
        across: dict[int, Expr] = {1: bound} if right.rank == 1 else {2: bound}
        if left.rank == 1:
            across |= {k: axis(k - 1) for k in range(3, right.rank + 1)}
        second = moved(right.expr, across)
        stack = broadcast(self.sizes, (left._replace(shape=left.shape[:-2]), right._replace(shape=right.shape[:-2])))
        shape = stack + left.shape[-2:-1] + (right.shape[-1:] if right.rank > 1 else ())
        return as_value(total(product(first, second), (bound,) if size != 1 else ()), shape)

    def _way_out(self, left: Operand, right: Operand) -> str:
        inner, outer = self.sizes.find(left.shape[-1]), self.sizes.find(right.shape[0])
        if right.rank == 2 and self.sizes.find(right.shape[1]) == inner:
            return f" {left.text} @ {right.text}.T would fit."
        if left.rank == 2 and self.sizes.find(left.shape[0]) == outer:
            return f" {left.text}.T @ {right.text} would fit."
        if right.rank == 2 and left.rank == 2 and self.sizes.find(left.shape[0]) == self.sizes.find(right.shape[1]):
            return f" {right.text} @ {left.text} would fit."
        return ""

    def dot(self, left: Operand, right: Operand) -> Value:
        """NumPy's `dot` of vectors and matrices."""
        for operand in (left, right):
            self._require(operand, "dot", (1, 2))
        return self.matmul(left, right)

    def outer(self, left: Operand, right: Operand) -> Value:
        """The matrix of all products of two vectors' entries."""
        self._require(left, "outer", (1,))
        self._require(right, "outer", (1,))
        return Tensor(product(moved(left.expr, {1: axis(2)}), right.expr), left.shape + right.shape)

    # rearrangements

    def transpose(self, operand: Operand, order: tuple[int, ...] | None = None) -> Value:
        """The axes in another order; reversed if none is given."""
        order = tuple(reversed(range(operand.rank))) if order is None else order
        if sorted(order) != list(range(operand.rank)):
            raise MismatchError(
                f"transpose needs each axis of {operand.text} once, from 0 to {operand.rank - 1}; "
                f"its shape is {self.sizes.spelled(operand.shape)}."
            )
        moves = {operand.rank - p: axis(operand.rank - new) for new, p in enumerate(order)}
        return as_value(moved(operand.expr, moves), tuple(operand.shape[p] for p in order))

    def trace(self, operand: Operand) -> Value:
        """The sum of a matrix' diagonal."""
        size = self._square(operand, "trace")
        bound = bound_index(next(self.numbers), size)
        return total(moved(operand.expr, {1: bound, 2: bound}), (bound,) if size != 1 else ())

    def diagonal(self, operand: Operand) -> Value:
        """A vector's diagonal matrix, or a matrix' diagonal."""
        if operand.rank == 1:
            size = operand.shape[0]
            entries = moved(operand.expr, {1: axis(2)})
            on = product(entries, delta(axis(2), axis(1))) if size != 1 else entries
            return Tensor(on, (size, size))
        return Tensor(moved(operand.expr, {2: axis(1)}), (self._square(operand, "diag"),))

    def identity_like(self, operand: Operand) -> Value:
        """The identity matrix of a matrix' shape."""
        self._require(operand, "eye_like", (2,))
        row, column = placeholders(operand.shape)
        return Tensor(delta(row, column), operand.shape)

    # functions of whole matrices

    def of_matrix(self, kind: str, operand: Operand) -> Value:
        """`inv`, `det` or `logdet`."""
        size = self._square(operand, kind)
        shape = (size, size) if kind == "inv" else ()
        return as_value(matrix_function(kind, (self.named(operand),), placeholders(shape)), shape)

    def solve(self, matrix: Operand, right: Operand) -> Value:
        """The `x` with `A @ x = b`."""
        size = self._square(matrix, "solve")
        self._require(right, "solve", (1, 2))
        if not self.sizes.unify(size, right.shape[0]):
            raise MismatchError(disagreement(self.sizes, matrix, right, size, right.shape[0]))
        operands = (self.named(matrix), self.named(right))
        return Tensor(matrix_function("solve", operands, placeholders(right.shape)), right.shape)

    def named(self, operand: Operand) -> str:
        """The node that holds the operand, made if need be."""
        expr, shape = operand.expr, operand.shape
        named = expr if self.is_whole(expr, shape) else self.insert(expr, shape, "in")
        if named is None:
            raise MismatchError(f"{operand.text} has no name here. Give it a line, as in A = {operand.text}.")
        return name_of(named)

    def once(self, expr: Expr, shape: Shape) -> Expr:
        """The operand as something that may be read again and again: a node, if one may be made."""
        if isinstance(expr, sympy.Indexed) or is_constant(expr):
            return expr
        made = self.insert(expr, shape, "in")
        return expr if made is None else made

    def is_whole(self, expr: Expr, shape: Shape) -> bool:
        """Whether the value is a node as it stands."""
        if not shape:
            return isinstance(expr, sympy.Indexed) or (expr.is_Symbol and not isinstance(expr, (Index, Size)))
        return isinstance(expr, sympy.Indexed) and tuple(expr.args[1:]) == placeholders(shape)

    # requirements

    def _square(self, operand: Operand, name: str) -> int | str:
        self._require(operand, name, (2,) if name != "diag" else (1, 2))
        if not self.sizes.unify(*operand.shape):
            raise MismatchError(
                f"{name} needs a square matrix, but {operand.text} has shape {self.sizes.spelled(operand.shape)}."
            )
        return self.sizes.find(operand.shape[0])

    def _require(self, operand: Operand, name: str, ranks: tuple[int, ...]) -> None:
        if operand.rank not in ranks:
            kinds = " or ".join({1: "a vector", 2: "a matrix"}[rank] for rank in ranks)
            raise MismatchError(
                f"{name} takes {kinds}, but {operand.text} has shape {self.sizes.spelled(operand.shape)}."
            )


_COMPOSED: Mapping[str, Callable[[Algebra, Expr, Sequence[Index]], Expr]] = {
    "var": Algebra.variance,
    "std": Algebra.deviation,
    "norm": Algebra.norm,
    "log_softmax": Algebra.log_softmax,
    "softmax": Algebra.softmax,
}
"""Reductions that are composed of others."""

TWICE = frozenset({"var", "std", "softmax", "log_softmax"})
"""Functions that read their operand twice."""

KEEPS_AXES = frozenset({"softmax", "log_softmax"})
"""Functions whose value has the operand's axes."""


def product(left: Expr, right: Expr) -> Expr:
    """The product of two formulas as one flat product."""
    if is_negative(right) and not isinstance(right, sympy.Number):
        return negative(product(left, without_sign(right)))
    return mul(*_factors(left), *_factors(right))


def _factors(expr: Expr) -> tuple[Expr, ...]:
    return tuple(expr.args) if isinstance(expr, sympy.Mul) else (expr,)
