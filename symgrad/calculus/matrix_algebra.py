"""Expressions in matrix notation: whole tensors, and what is done to them as NumPy has it.

`Add`, `Mul`, `Pow` and the functions act entry by entry and broadcast from the last axis; everything else is one of the
nodes below. They are made by `matrices.py` and printed by the renderers, and by nobody evaluated.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import sympy
from sympy.core.symbol import Str

from symgrad.core.expression import ONE, Expr, mul, negative, power, rebuild
from symgrad.core.indices import extent

Shape = tuple[str | int, ...]


class Whole(sympy.Symbol):  # type: ignore[misc]  # SymPy's classes are untyped
    """A whole tensor by its name.

    Attributes:
        shape: its axes; at least one, since a scalar is a plain symbol.
    """

    __slots__ = ("shape",)
    shape: Shape

    def __new__(cls, name: str, shape: Shape) -> Whole:  # noqa: D102  as in the class docstring
        made = sympy.Symbol.__xnew__(cls, name, real=True)
        made.shape = shape
        return made  # type: ignore[no-any-return]

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (self.name, self.shape), {}

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), str(self.shape))


class MatrixNode(sympy.Expr):  # type: ignore[misc]
    """An operation on whole tensors."""

    is_commutative = True

    def __new__(cls, *arguments: sympy.Basic) -> MatrixNode:  # noqa: D102
        return sympy.Basic.__new__(cls, *arguments)  # type: ignore[no-any-return]


class MatMul(MatrixNode):
    """A product of matrices and vectors, `a @ b @ c`."""


class Transpose(MatrixNode):
    """`A.T`; what it acts on has two axes."""


class Outer(MatrixNode):
    """`outer(a, b)`, the matrix a bᵀ."""


class Diag(MatrixNode):
    """`diag(a)`: the matrix of a vector, or the vector of a matrix."""


class Trace(MatrixNode):
    """`trace(A)`."""


class Column(MatrixNode):
    """`a[:, None]`: a vector that broadcasts along rows."""


class Along(MatrixNode):
    """A reduction over whole axes, `sum(A, axis=0)`: its kind, what is reduced, its axes and whether they stay."""

    @property
    def kind(self) -> str:
        """Its name in the text grammar."""
        return str(self.args[0].name)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes; none where the whole tensor is reduced."""
        return tuple(int(axis) for axis in self.args[2])

    @property
    def kept(self) -> bool:
        """Whether the axes stay, with size 1."""
        return bool(self.args[3] == ONE)


class Called(MatrixNode):
    """A function of whole tensors, `softmax(Z)` or `inv(A)`: its name, its axis (or none), its operands."""

    @property
    def kind(self) -> str:
        """Its name in the text grammar."""
        return str(self.args[0].name)

    @property
    def axis(self) -> int | None:
        """The axis it works along; None where that is the last one."""
        return int(self.args[1][0]) if self.args[1].args else None

    @property
    def operands(self) -> tuple[Expr, ...]:
        """What it is a function of."""
        return tuple(self.args[2:])


def along(kind: str, body: Expr, axes: tuple[int, ...], kept: bool = False) -> Along:
    """`kind(body, axis=axes, keepdims=kept)`."""
    made = Along(Str(kind), body, sympy.Tuple(*axes), sympy.Integer(kept))
    assert isinstance(made, Along)
    return made


def called(kind: str, *operands: Expr, axis: int | None = None) -> Expr:
    """`kind(operands, axis=axis)`."""
    return Called(Str(kind), sympy.Tuple(*(() if axis is None else (axis,))), *operands)


@lru_cache(maxsize=65536)
def shape_of(expression: sympy.Basic) -> Shape:
    """The axes of an expression in matrix notation."""
    match expression:
        case Whole():
            return expression.shape
        case MatMul():
            return functools.reduce(_product_shape, map(shape_of, expression.args))
        case Transpose():
            return shape_of(expression.args[0])[::-1]
        case Outer():
            return (*shape_of(expression.args[0]), *shape_of(expression.args[1]))
        case Column():
            return (*shape_of(expression.args[0]), 1)
        case Diag():
            inner = shape_of(expression.args[0])
            return inner * 2 if len(inner) == 1 else inner[:1]
        case Trace():
            return ()
        case Along():
            inner = shape_of(expression.args[1])
            axes = expression.axes or tuple(range(len(inner)))
            kept = (1,) if expression.kept else ()
            return tuple(s for axis, size in enumerate(inner) for s in (kept if axis in axes else (size,)))
        case Called():
            inner = shape_of(expression.operands[-1])
            return () if expression.kind in ("det", "logdet") else inner
        case _:
            return functools.reduce(_broadcast_shape, map(shape_of, expression.args), ())


def rank(expression: sympy.Basic) -> int:
    """How many axes an expression in matrix notation has."""
    return len(shape_of(expression))


def _product_shape(left: Shape, right: Shape) -> Shape:
    if len(left) < 2 or len(right) < 2:
        return (*left[:-1], *right[: max(len(right) - 2, 0)], *right[1:][-1:])
    batch = left[:-2] if len(left) >= len(right) else right[:-2]
    return (*batch, left[-2], right[-1])


def _broadcast_shape(left: Shape, right: Shape) -> Shape:
    longer, shorter = (left, right) if len(left) >= len(right) else (right, left)
    lead = len(longer) - len(shorter)
    return (*longer[:lead], *(b if a == 1 else a for a, b in zip(longer[lead:], shorter, strict=True)))


def matmul(left: Expr, right: Expr) -> Expr:
    """`left @ right`, chains flattened and numbers pulled in front."""
    coefficients, left = split_scalars(left)
    more, right = split_scalars(right)
    before = left.args if isinstance(left, MatMul) and _joins(left, left.args[-1]) else (left,)
    after = right.args if isinstance(right, MatMul) and _joins(right, right.args[0]) else (right,)
    return scaled([*coefficients, *more], MatMul(*before, *after))


def _joins(chain: MatMul, end: Expr) -> bool:
    """Whether a chain may go on at this end without parentheses: matrices associate, a vector or a batch does not."""
    return rank(end) == 2 and all(rank(factor) <= 2 for factor in chain.args)


def outer(left: Expr, right: Expr) -> Expr:
    """`outer(left, right)`, numbers pulled in front."""
    coefficients, left = split_scalars(left)
    more, right = split_scalars(right)
    return scaled([*coefficients, *more], Outer(left, right))


def column(vector: Expr) -> Expr:
    """`vector[:, None]`, numbers pulled in front."""
    coefficients, tensor = split_scalars(vector)
    return scaled(coefficients, Column(tensor))


def transpose(expression: Expr) -> Expr:
    """`expression.T`, pushed down to names; a vector is its own transpose."""
    if rank(expression) < 2:
        return expression
    match expression:
        case Transpose():
            return expression.args[0]
        case MatMul() if all(rank(factor) == 2 for factor in expression.args):
            return MatMul(*(transpose(factor) for factor in reversed(expression.args)))
        case Outer():
            return Outer(*reversed(expression.args))
        case Diag():
            return expression
        case sympy.Mul():
            coefficients, tensor = split_scalars(expression)
            if coefficients:
                return scaled(coefficients, transpose(tensor))
    return Transpose(expression)


def as_column(factors: Sequence[Expr]) -> Sequence[Expr]:
    """The factors of `x @ A @ B` as those of `B.T @ A.T @ x`: in mathematics, unlike in NumPy, vectors are columns."""
    first, *others = factors
    if rank(first) == 1 and all(rank(factor) == 2 for factor in others):
        return [*(transpose(factor) for factor in reversed(others)), first]
    return factors


def split_scalars(expression: Expr) -> tuple[list[Expr], Expr]:
    """The factors without axes, and the rest as one tensor."""
    if not isinstance(expression, sympy.Mul):
        return [], expression
    scalars = [factor for factor in expression.args if not rank(factor)]
    tensors = [factor for factor in expression.args if rank(factor)]
    return scalars, mul(*tensors)


def scaled(coefficients: list[Expr], tensor: Expr) -> Expr:
    """A tensor times numbers."""
    if not coefficients:
        return tensor
    sign = sum(c == -1 for c in coefficients) % 2
    parts = [*(c for c in coefficients if c != -1), *(tensor.args if isinstance(tensor, sympy.Mul) else (tensor,))]
    coefficient = sympy.prod(p for p in parts if isinstance(p, sympy.Rational))
    others = sorted((p for p in parts if not isinstance(p, sympy.Rational)), key=_divides)
    whole = mul(*([coefficient] if coefficient != 1 else []), *others)
    return negative(whole) if sign else whole


def _divides(factor: Expr) -> bool:
    """Whether a number stands below the fraction bar, so that it comes last."""
    return isinstance(factor, sympy.Pow) and bool(factor.exp.is_negative) and not rank(factor)


def told_as_means(expression: Expr) -> Expr:
    """`expression` with `sum(A, axis=0)/n` as `mean(A, axis=0)`, and the mean of squared deviations as `var`."""
    if not expression.args or expression.is_Atom:
        return expression
    made = rebuilt(expression, tuple(told_as_means(argument) for argument in expression.args))
    if not isinstance(made, sympy.Mul):
        return made
    for factor in made.args:
        if isinstance(factor, Along) and factor.kind == "sum":
            inner = shape_of(factor.args[1])
            sizes = [extent(inner[axis]) for axis in factor.axes or range(len(inner))]
            rest = without(made.args, [power(size, -1) for size in sizes])
            if rest is not None:
                mean = _variance(along("mean", factor.args[1], factor.axes, factor.kept))
                if factor.axes or len(sizes) > 1 or mean.kind == "var":  # sum(r**2)/n is as common as mean(r**2)
                    return mul(*(mean if part is factor else part for part in rest))
    return made


def without(factors: Sequence[Expr], removed: Sequence[Expr]) -> list[Expr] | None:
    """`factors` less each of `removed` once; None where one of them is not there."""
    rest = list(factors)
    for factor in removed:
        if factor not in rest:
            return None
        rest.remove(factor)
    return rest


def _variance(mean: Along) -> Along:
    """`mean((A - mean(A))**2)` as `var(A)`."""
    deviation = mean.args[1]
    if isinstance(deviation, sympy.Pow) and deviation.exp == 2 and isinstance(deviation.base, sympy.Add):
        whole, *others = deviation.base.args
        aligned = (False, True) if mean.axes == tuple(range(len(mean.axes))) else (True,)  # what is left stands last
        inner = [along("mean", whole, mean.axes, kept) for kept in aligned]
        if not mean.axes:
            inner.append(mul(along("sum", whole, ()), *(power(extent(size), -1) for size in shape_of(whole))))
        if len(others) == 1 and others[0] in map(negative, inner):
            return along("var", whole, mean.axes, mean.kept)
    return mean


def rebuilt(expression: sympy.Basic, arguments: tuple[sympy.Basic, ...]) -> Expr:
    """The same operation on other arguments, as `rebuild` has it."""
    return expression.func(*arguments) if isinstance(expression, MatrixNode) else rebuild(expression, arguments)
