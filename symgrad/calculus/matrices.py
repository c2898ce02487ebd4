"""Matrix notation recognised: from entries and sums over indices to whole tensors, where a usual pattern fits.

Every part of an expression is read as a tensor whose axes carry the names of its indices. Sums of products are then
contracted pair by pair (contraction.py): an index that two factors share alone is a matrix product, one that a single
factor has is a sum along an axis, factors with the same indices multiply entry by entry. What fits no pattern is given
up, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import sympy

from symgrad.calculus.contraction import Axes, Contraction, Labelled, Unusual, elementwise, hadamard, reduced
from symgrad.calculus.matrix_algebra import (
    Diag,
    Shape,
    Whole,
    called,
    column,
    outer,
    scaled,
    told_as_means,
    transpose,
    without,
)
from symgrad.core.expression import (
    ONE,
    ZERO,
    Expr,
    add,
    cases,
    is_negative,
    mul,
    name_of,
    power,
    rebuild,
    size,
    symbol,
    without_sign,
)
from symgrad.core.indices import Index, LogSumExpOver, SumOver, extent, free_indices, reindex
from symgrad.core.symbols import MatrixFunction, Reduction

LIMIT = 400
"""The largest expression (operations and operands) that is looked at."""


def matrix_form(
    expression: Expr,
    index: tuple[Index, ...],
    shapes: Mapping[str, Shape],
    *,
    as_written: bool = False,
    summed: Collection[str] = (),
    inline: Mapping[str, Expr] | None = None,
) -> Expr | None:
    """`expression` in matrix notation, or None where no usual pattern fits.

    Args:
        expression: in entries; its free indices are among `index`.
        index: the axes of the result.
        shapes: the shape of every name it reads.
        as_written: keep `x @ W` where a definition has it, instead of the column vector `W.T @ x`.
        summed: names whose products with a vector are told as `sum(a*b)` and not as `a @ b`.
        inline: what stands for a name within a function of matrices, in matrix notation.
    """
    recogniser = _Recogniser(index, shapes, as_written, summed, inline or {})
    if size(expression) > LIMIT:
        return None
    try:
        found = recogniser.oriented(recogniser.visit(expression))
        return told_as_means(found) if as_written else found
    except Unusual:
        return None


@dataclass(frozen=True)
class _Recogniser:
    index: tuple[Index, ...]
    shapes: Mapping[str, Shape]
    as_written: bool
    summed: Collection[str]
    inline: Mapping[str, Expr] = field(default_factory=dict)

    def oriented(self, found: Labelled) -> Expr:
        """The tensor with its axes in the order asked for."""
        wanted = tuple(None if i.size == 1 else i for i in self.index)
        for tensor, axes in filter(None, ((found.tensor, found.axes), found.kept)):
            if axes == wanted:
                return tensor
            if len(axes) == 2 and axes[::-1] == wanted:
                return transpose(tensor)
        if wanted[1:] == (None,) and found.axes == wanted[:1]:
            return column(found.tensor)
        raise Unusual

    def visit(self, part: Expr) -> Labelled:
        match part:
            case Index():
                raise Unusual
            case sympy.Indexed():
                return self.entry(part)
            case MatrixFunction():
                return self.function(part)
            case _ if part.is_Atom:
                return Labelled(part)
            case SumOver():
                return self.product(_factors(part.body), part.indices)
            case Reduction():
                return self.reduction(part)
            case sympy.Mul():
                return self.product(_factors(part), ())
            case sympy.Piecewise():
                return self.cases(part)
            case sympy.exp() | sympy.Add():
                normalised = self.softmax(part)
                if normalised is not None:
                    return normalised
        build: Callable[..., Expr] = add if isinstance(part, sympy.Add) else _builder(part)
        return elementwise(build, [self.visit(argument) for argument in part.args], self.index, self.as_written)

    def whole(self, name: str) -> Expr:
        if name in self.inline:
            return self.inline[name]
        shape = self.shapes[name]
        return Whole(name, tuple(shape)) if shape else symbol(name)

    def entry(self, part: sympy.Indexed) -> Labelled:
        name = name_of(part)
        *rows, chosen = part.args[1:]
        if isinstance(chosen, sympy.Indexed) and chosen.args[1:] == tuple(rows) and len(rows) == len(set(rows)):
            axes = tuple(map(_axis, rows, self.shapes[name]))
            return Labelled(called("select", self.whole(name), self.whole(name_of(chosen))), axes)
        axes = tuple(map(_axis, part.args[1:], self.shapes[name]))
        return _with_diagonal(self.whole(name), axes)

    def function(self, part: MatrixFunction) -> Labelled:
        if not all(isinstance(s, Index) for s in part.subscripts):
            raise Unusual
        return _with_diagonal(called(part.kind, *(self.whole(o.name) for o in part.operands)), tuple(part.subscripts))

    def reduction(self, part: Reduction) -> Labelled:
        return reduced(part.kind, self.visit(part.body), part.indices)

    def cases(self, part: sympy.Piecewise) -> Labelled:
        operands: list[Expr] = []
        for branch, condition in part.args:
            operands += [branch, *condition.args]

        def build(*values: Expr) -> Expr:
            given = iter(values)
            pairs = []
            for _, condition in part.args:
                branch = next(given)
                sides = tuple(next(given) for _ in condition.args)
                pairs.append((branch, rebuild(condition, sides) if sides else condition))
            return cases(*pairs)

        if not all(c is sympy.true or isinstance(c, sympy.core.relational.Relational) for _, c in part.args):
            raise Unusual
        return elementwise(build, [self.visit(operand) for operand in operands], self.index, self.as_written)

    def softmax(self, part: Expr) -> Labelled | None:
        """`exp(x − logsumexp(x))`, or a sum with `x − logsumexp(x)` in it."""
        inner = part.args[0] if isinstance(part, sympy.exp) else part
        if not isinstance(inner, sympy.Add):
            return None
        for term in filter(is_negative, inner.args):
            total = without_sign(term)
            if not isinstance(total, LogSumExpOver) or len(total.indices) != 1:
                continue
            (bound,) = total.indices
            for index in free_indices(inner):
                # X[i,i] − logsumexp of X[i,p] over p is no softmax along i
                if index.size != bound.size or index in free_indices(total):
                    continue
                body = reindex(total.body, {bound: index})
                rest = without(inner.args, (term, *sympy.Add.make_args(body)))
                if rest is None or (rest and inner is not part):
                    continue
                whole = self.normalised("log_softmax" if inner is part else "softmax", body, index)
                if not rest:
                    return whole
                place = min(inner.args.index(t) for t in sympy.Add.make_args(body))
                operands = [*map(self.visit, rest[:place]), whole, *map(self.visit, rest[place:])]
                return elementwise(add, operands, self.index, self.as_written)
        return None

    def normalised(self, kind: str, body: Expr, index: Index) -> Labelled:
        """`kind` of a tensor along one of its axes."""
        whole = self.visit(body)
        axis = whole.axes.index(index)
        return Labelled(called(kind, whole.tensor, axis=None if axis == len(whole.axes) - 1 else axis), whole.axes)

    def product(self, factors: Sequence[Expr], summed: tuple[Index, ...]) -> Labelled:
        """Σ over `summed` of a product."""
        opened = _with_delta_opened(factors)
        if opened is not None and not summed:
            return self.visit(opened)
        scalars: list[Expr] = []
        tensors: list[Labelled] = []
        deltas: list[tuple[Index, Index]] = []
        for factor in factors:
            pair = _delta(factor)
            if pair:
                deltas.append(pair)
                continue
            found = self.visit(factor)
            if found.axes:
                tensors.append(found)
            else:
                scalars.append(found.tensor)
        if summed:
            tensors, deltas = _with_diagonals(tensors, deltas)
        if not summed and not deltas and len(tensors) > 1:
            try:
                whole = elementwise(hadamard, tensors, self.index)
            except Unusual:
                pass
            else:
                tensors = [whole]
        scalars += [extent(i.size) for i in summed if not any(i in t.axes for t in tensors)]
        summed_here = [i for i in summed if any(i in t.axes for t in tensors)]
        contraction = Contraction(tensors, scalars, summed_here, self.index, self.as_written, self.summed)
        contraction.run()
        found = self.joined(contraction.tensors, deltas)
        kept = found.kept and (scaled(scalars, found.kept[0]), found.kept[1])
        return Labelled(scaled(scalars, found.tensor) if found.axes else _times(scalars), found.axes, kept)

    def joined(self, tensors: list[Labelled], deltas: list[tuple[Index, Index]]) -> Labelled:
        """What is left after the sums: one tensor, two vectors, or nothing but numbers."""
        if deltas:
            if len(deltas) != 1 or len(tensors) != 1 or len(tensors[0].axes) != 1:
                raise Unusual
            (pair,), (vector,) = deltas, tensors
            if vector.axes[0] not in pair:
                raise Unusual
            return Labelled(Diag(vector.tensor), pair)
        if not tensors:
            return Labelled(ONE)
        if len(tensors) == 1:
            return tensors[0]
        if len(tensors) == 2 and all(len(t.axes) == 1 and t.axes[0] for t in tensors):
            first, second = tensors
            if set(self.index) >= {first.axes[0], second.axes[0]}:
                first, second = sorted(tensors, key=lambda t: self.index.index(t.axes[0]))
            return Labelled(outer(first.tensor, second.tensor), (*first.axes, *second.axes))
        return elementwise(hadamard, tensors, self.index, self.as_written)


def _times(scalars: list[Expr]) -> Expr:
    return scaled(scalars[:-1], scalars[-1]) if scalars else ONE


def _factors(body: Expr) -> list[Expr]:
    if not isinstance(body, sympy.Mul):
        return [body]
    return [factor for part in body.args for factor in _factors(part)]


def _builder(part: Expr) -> Callable[..., Expr]:
    if isinstance(part, sympy.Pow):
        return power
    return lambda *arguments: rebuild(part, arguments)


def _axis(subscript: Expr, size: str | int) -> Index | None:
    """The index of an axis; an axis of size 1 has none."""
    if size == 1 and (subscript == 0 or isinstance(subscript, Index)):
        return None
    if not isinstance(subscript, Index):
        raise Unusual
    return subscript


def _with_diagonal(whole: Expr, axes: Axes) -> Labelled:
    named = [i for i in axes if i is not None]
    if len(set(named)) == len(named):
        return Labelled(whole, axes)
    if len(axes) == 2:
        return Labelled(Diag(whole), axes[:1])
    raise Unusual


def _with_delta_opened(factors: Sequence[Expr]) -> Expr | None:
    """`s[i]*([i = j] − s[j])` multiplied out, since a delta has a form only as a factor; None where there is none."""
    for position, factor in enumerate(factors):
        if isinstance(factor, sympy.Add) and any(_delta(part) for term in factor.args for part in _factors(term)):
            others = (*factors[:position], *factors[position + 1 :])
            return add(*(mul(*others, *_factors(term)) for term in factor.args))
    return None


def _with_diagonals(
    tensors: list[Labelled], deltas: list[tuple[Index, Index]]
) -> tuple[list[Labelled], list[tuple[Index, Index]]]:
    """`a[i]·b[i]·[i = j]` as the matrix `diag(a*b)`; deltas beside which no vector stands are left."""
    left: list[tuple[Index, Index]] = []
    for pair in deltas:
        own = next((i for i in pair if any(t.axes == (i,) for t in tensors)), None)
        if own is None:
            left.append(pair)
            continue
        vectors = [t.tensor for t in tensors if t.axes == (own,)]
        diagonal = Diag(vectors[0] if len(vectors) == 1 else hadamard(*vectors))
        tensors = [*(t for t in tensors if t.axes != (own,)), Labelled(diagonal, pair)]
    return tensors, left


def _delta(factor: Expr) -> tuple[Index, Index] | None:
    """The two indices of Kronecker's delta."""
    if isinstance(factor, sympy.Piecewise) and len(factor.args) == 2:
        (one, condition), (zero, _) = factor.args
        if (one, zero) == (ONE, ZERO) and isinstance(condition, sympy.Eq):
            left, right = condition.args
            if isinstance(left, Index) and isinstance(right, Index):
                return left, right
    return None
