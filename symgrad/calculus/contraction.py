"""Tensors whose axes carry the names of their indices: broadcast, reduced and multiplied as NumPy does it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import sympy

from symgrad.calculus.matrix_algebra import (
    Column,
    Diag,
    MatMul,
    Trace,
    Transpose,
    Whole,
    along,
    column,
    matmul,
    rank,
    scaled,
    split_scalars,
    transpose,
)
from symgrad.core.expression import Expr, mul
from symgrad.core.indices import Index

Axes: TypeAlias = tuple[Index | None, ...]
"""The index of each axis; None for an axis of size 1."""


class Unusual(Exception):  # noqa: N818  it is no error: the expression stays in index notation
    """No usual pattern fits."""


class Labelled(NamedTuple):
    """A tensor in matrix notation, and which index each of its axes is.

    Args:
        tensor: the expression.
        axes: its axes.
        kept: the same with axes of size 1 where it was reduced, so that it broadcasts along them.
    """

    tensor: Expr
    axes: Axes = ()
    kept: tuple[Expr, Axes] | None = None

    @property
    def indices(self) -> frozenset[Index]:
        """The indices of its axes."""
        return frozenset(i for i in self.axes if i is not None)


def _facing(matrix: Labelled, index: Index, last: bool) -> tuple[Index | None, Expr]:
    """The other index of a matrix, and the matrix with `index` on the side where it is multiplied."""
    first, second = matrix.axes
    stands_last = second == index
    return first if stands_last else second, matrix.tensor if stands_last == last else transpose(matrix.tensor)


def _batched(left: Labelled, right: Labelled, index: Index) -> Labelled | None:
    """A product of matrices for each of the leading axes, where no axes need exchanging."""
    for first, second in ((left, right), (right, left)):
        if len(second.axes) == 2 and second.axes[1] == index:
            second = Labelled(transpose(second.tensor), second.axes[::-1])  # noqa: PLW2901
        if first.axes[-1] != index or None in first.axes + second.axes or len(first.axes) < 2:
            continue
        if second.axes == (index,):
            return Labelled(matmul(first.tensor, second.tensor), first.axes[:-1])
        if len(second.axes) < 2 or second.axes[-2] != index:
            continue
        batch, other = first.axes[:-2], second.axes[:-2]
        if batch == other or not batch or not other:
            axes = (*(batch or other), first.axes[-2], second.axes[-1])
            if len(set(axes)) == len(axes):
                return Labelled(matmul(first.tensor, second.tensor), axes)
    return None


def reduced(kind: str, whole: Labelled, indices: Sequence[Index]) -> Labelled:
    """A tensor reduced along some of its axes."""
    if not set(indices) <= whole.indices:
        raise Unusual
    tensor, labels = whole.tensor, whole.axes
    if isinstance(tensor, Transpose):
        tensor, labels = tensor.args[0], labels[::-1]
    axes = tuple(position for position, i in enumerate(labels) if i in indices)
    left = tuple(i for i in labels if i not in indices)
    if kind == "sum" and isinstance(tensor, Diag) and not left and rank(tensor.args[0]) == 2:
        return Labelled(Trace(tensor.args[0]))
    shown = axes if left or (kind == "logsumexp" and len(axes) > 1) else ()
    kept_axes = tuple(None if i in indices else i for i in labels)
    kept = (along(kind, tensor, axes, kept=True), kept_axes)
    return Labelled(along(kind, tensor, shown), left, kept)


def elementwise(
    build: Callable[..., Expr], operands: Sequence[Labelled], order: Sequence[Index], columns: bool = False
) -> Labelled:
    """A function of several tensors entry by entry, broadcast as NumPy broadcasts.

    Raises:
        Unusual: if some tensor's axes cannot be brought in line.
    """
    axes, tensors = _broadcast(operands, order, columns)
    variants = [o.kept for o in operands if o.axes]
    first = variants[0] if variants else None
    kept = None
    if first is not None and all(v is not None and v[1] == first[1] for v in variants):
        kept = build(*(o.kept[0] if o.axes and o.kept else o.tensor for o in operands)), first[1]
    return Labelled(build(*tensors), axes, kept)


def _broadcast(operands: Sequence[Labelled], order: Sequence[Index], columns: bool) -> tuple[Axes, list[Expr]]:
    indices = dict.fromkeys(i for o in operands for i in o.axes if i is not None)
    orders: dict[Axes, None] = {o.axes: None for o in operands if o.indices == indices.keys()}
    orders.setdefault(tuple(i for i in order if i in indices))
    best: tuple[int, Axes, list[Expr]] | None = None
    for axes in orders:
        if indices.keys() - set(axes):
            continue
        fitted = [_fit(operand, axes, columns) for operand in operands]
        tensors = [tensor for tensor in fitted if tensor is not None]
        if len(tensors) < len(fitted):
            continue
        turned = sum(
            isinstance(t, (Transpose, Column)) and t != o.tensor for t, o in zip(tensors, operands, strict=True)
        )
        if best is None or turned < best[0]:
            best = turned, axes, tensors
    if best is None:
        raise Unusual
    return best[1], best[2]


def _fit(operand: Labelled, axes: Axes, columns: bool) -> Expr | None:
    """The operand so that NumPy broadcasts it to these axes, as a column if need be; None where it cannot be."""
    for tensor, own in filter(None, ((operand.tensor, operand.axes), operand.kept if operand.axes else None)):
        if _reaches(own, axes):
            return tensor
        if len(own) == 2 and _reaches(own[::-1], axes):
            return transpose(tensor)
    if columns and len(axes) == 2 and operand.axes == axes[:1]:
        return column(operand.tensor)
    return None


def _reaches(own: Axes, axes: Axes) -> bool:
    if len(own) > len(axes):
        return False
    tail = axes[len(axes) - len(own) :]
    return all(mine is None or mine == theirs for mine, theirs in zip(own, tail, strict=True))


def hadamard(*factors: Expr) -> Expr:
    """The product entry by entry, numbers in front."""
    coefficients: list[Expr] = []
    tensors: list[Expr] = []
    for factor in factors:
        scalars, tensor = split_scalars(factor)
        coefficients += scalars
        tensors += tensor.args if isinstance(tensor, sympy.Mul) else [tensor]
    return scaled(coefficients, mul(*tensors))


@dataclass
class Contraction:
    """A product of tensors whose shared indices are worked off one by one.

    Args:
        tensors: the factors with axes.
        scalars: those without; sums over everything join them.
        summed: the indices to sum over.
        order: the order that axes should have.
        as_written: keep `x @ W` where the vector stands first.
        told_as_sum: names whose products with a vector are told as `sum(a*b)`.
    """

    tensors: list[Labelled]
    scalars: list[Expr]
    summed: list[Index]
    order: Sequence[Index]
    as_written: bool
    told_as_sum: Collection[str]

    def run(self) -> None:
        """Work off every index.

        Raises:
            Unusual: if an index fits no pattern.
        """
        moves = (self._multiply, self._trace, self._merge, self._sum_alone, self._scale_rows)
        while len(self.tensors) > 1 or self.summed:
            if not any(move() for move in moves):
                break
        if self.summed:
            raise Unusual

    def holders(self, index: Index) -> list[Labelled]:
        """The factors that have an index."""
        return [t for t in self.tensors if index in t.axes]

    def replace(self, old: Sequence[Labelled], new: Labelled, done: Sequence[Index] = ()) -> bool:
        """Put `new` where the first of `old` stood; a number joins the numbers."""
        position = next(i for i, t in enumerate(self.tensors) if any(t is o for o in old))
        rest = [t for t in self.tensors if not any(t is o for o in old)]
        if new.axes:
            rest.insert(min(position, len(rest)), new)
        else:
            self.scalars.append(new.tensor)
        self.tensors = rest
        self.summed = [i for i in self.summed if i not in done]
        return True

    def _multiply(self) -> bool:
        """An index that two factors share alone is a matrix product."""
        for index in reversed(self.summed):
            pair = self.holders(index)
            if len(pair) == 2 and pair[0].indices & pair[1].indices == {index}:
                return self.replace(pair, self._product(pair[0], pair[1], index), [index])
            if len(pair) == 2 and max(len(t.axes) for t in pair) > 2:
                batched = _batched(pair[0], pair[1], index)
                if batched:
                    return self.replace(pair, batched, [index])
        return False

    def _product(self, left: Labelled, right: Labelled, index: Index) -> Labelled:
        if max(len(left.axes), len(right.axes)) > 2:
            batched = _batched(left, right, index)
            if not batched:
                raise Unusual
            return batched
        if len(left.axes) == len(right.axes) == 1:
            if any(self._is_told_as_sum(t.tensor) for t in (left, right)):
                return Labelled(along("sum", hadamard(left.tensor, right.tensor), ()))
            if isinstance(left.tensor, MatMul) and not isinstance(right.tensor, MatMul) and not self.as_written:
                left, right = right, left
            return Labelled(matmul(left.tensor, right.tensor))
        if len(left.axes) == 1:
            if self.as_written and right.axes[0] == index:
                return Labelled(matmul(left.tensor, right.tensor), right.axes[1:])
            left, right = right, left
        rows, matrix = _facing(left, index, last=True)
        if len(right.axes) == 1:
            return Labelled(matmul(matrix, right.tensor), (rows,))
        columns, other = _facing(right, index, last=False)
        made = matmul(matrix, other)
        order = list(self.order)
        if rows in order and columns in order and order.index(rows) > order.index(columns):
            return Labelled(transpose(made), (columns, rows))
        return Labelled(made, (rows, columns))

    def _is_told_as_sum(self, tensor: Expr) -> bool:
        """Whether a vector's product with another is clearer as a sum than as a row times a column."""
        if isinstance(tensor, Whole):
            return tensor.name in self.told_as_sum
        return not self.as_written and not isinstance(tensor, MatMul)

    def _trace(self) -> bool:
        """Σ A[i,j]·B[j,i]."""
        if len(self.tensors) != 2 or len(self.summed) < 2:
            return False
        left, right = self.tensors
        if len(left.axes) == 2 and left.axes[::-1] == right.axes and left.indices == set(self.summed):
            return self.replace([left, right], Labelled(Trace(matmul(left.tensor, right.tensor))), self.summed)
        return False

    def _merge(self) -> bool:
        """Factors with the same indices multiply entry by entry."""
        for position, left in enumerate(self.tensors):
            for right in self.tensors[position + 1 :]:
                if left.indices == right.indices and left.indices and len(left.axes) == len(right.axes):
                    made = elementwise(hadamard, [left, right], self.order)
                    return self.replace([left, right], made)
        return False

    def _sum_alone(self) -> bool:
        """Indices that one factor alone has are summed along its axes."""
        for tensor in self.tensors:
            alone = tuple(i for i in self.summed if i in tensor.axes and len(self.holders(i)) == 1)
            if alone:
                return self.replace([tensor], reduced("sum", tensor, alone), alone)
        return False

    def _scale_rows(self) -> bool:
        """A vector beside a matrix with its index: on the last axis it broadcasts, on the first it is a diagonal."""
        for vector in () if self.as_written else self.tensors:
            if len(vector.axes) != 1:
                continue
            (index,) = vector.axes
            for matrix in self.tensors:
                if len(matrix.axes) != 2 or index not in matrix.axes or None in matrix.axes:
                    continue
                pair = (matrix, vector)
                if matrix.axes[1] == index or vector.kept:
                    return self.replace(pair, elementwise(hadamard, pair, self.order))
                return self.replace(pair, Labelled(matmul(Diag(vector.tensor), matrix.tensor), matrix.axes))
        return False
