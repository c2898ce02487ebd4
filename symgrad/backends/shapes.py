"""Shapes of a program's arrays, in the sizes that the leaves declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import sympy

from symgrad.backends.arrays import (
    NEW_AXIS,
    Affine,
    ArrayOperation,
    Copy,
    Diagonal,
    Einsum,
    Finite,
    Full,
    Gather,
    IndexAdd,
    Linear,
    LogSoftmax,
    MatrixProduct,
    Pick,
    Positions,
    Reduced,
    Scatter,
    SizeOf,
    Softmax,
    Take,
    TanhPullback,
    TensorProduct,
    View,
)
from symgrad.core.expression import Expr
from symgrad.core.indices import Extent

Shape: TypeAlias = tuple[Extent, ...]


def shape_of(operation: sympy.Basic, shapes: Mapping[sympy.Symbol, Shape], sizes: Mapping[Expr, Extent]) -> Shape:
    """The shape of what an operation makes.

    Args:
        operation: an operation of a lowered program.
        shapes: of the symbols it reads; a symbol without one is a number.
        sizes: the size that a symbol holds.
    """

    def of(part: sympy.Basic) -> Shape:
        return shape_of(part, shapes, sizes)

    def extent(size: sympy.Basic) -> Extent:
        if isinstance(size, SizeOf):
            return of(size.args[0])[int(size.args[1])]
        return int(size) if size.is_Integer else sizes[size]

    match operation:
        case sympy.Symbol():
            return shapes.get(operation, ())
        case ArrayOperation():
            pass
        case _:
            return broadcast(of(part) for part in operation.args)
    first = operation.args[0]
    match operation:
        case View():
            return tuple(1 if axis == NEW_AXIS else of(first)[axis] for axis in operation.numbers(1))
        case Take():
            return _without(of(first), [int(operation.args[1])])
        case Diagonal():
            both = [int(axis) for axis in operation.args[1:]]
            return (*_without(of(first), both), of(first)[both[0]])
        case Gather():
            return (*broadcast(map(of, operation.args[1:])), *of(first)[len(operation.args) - 1 :])
        case IndexAdd():
            axes, _ = operation.numbers(4)
            return (extent(operation.args[3]), *of(first)[axes:])
        case Pick():
            return of(operation.args[1])
        case Positions():
            return (extent(first),)
        case SizeOf():
            return ()
        case Reduced():
            return _without(of(first), operation.numbers(2) or range(len(of(first))))
        case Copy() | Finite() | Scatter() | Softmax() | LogSoftmax() | TanhPullback():
            return of(first)
        case Full():
            return tuple(extent(size) for size in operation.args[1].args)
        case MatrixProduct() | Affine():
            return _of_product(*(of(side) for side in operation.args[:2]))
        case TensorProduct():
            sides = zip(operation.args[:2], (operation.numbers(2), operation.numbers(3)), strict=True)
            return tuple(size for side, spent in sides for size in _without(of(side), spent))
        case Einsum():
            given, _, made = operation.subscripts.partition("->")
            letters = zip(given.split(","), operation.args[:2], strict=True)
            known = {c: s for spelled, side in letters for c, s in zip(spelled, of(side), strict=True)}
            return tuple(known[c] for c in made)
        case Linear():
            return () if operation.kind in ("det", "logdet") else of(operation.args[-1])
    raise NotImplementedError(type(operation).__name__)


def broadcast(shapes: Iterable[Shape]) -> Shape:
    """The shape of an operation entry by entry."""
    result: Shape = ()
    for shape in shapes:
        long, short = (result, shape) if len(result) >= len(shape) else (shape, result)
        lead = len(long) - len(short)
        result = (*long[:lead], *(b if a == 1 else a for a, b in zip(long[lead:], short, strict=True)))
    return result


def _without(shape: Shape, axes: Iterable[int]) -> Shape:
    gone = set(axes)
    return tuple(size for axis, size in enumerate(shape) if axis not in gone)


def _of_product(left: Shape, right: Shape) -> Shape:
    if len(left) == 1:
        return (*right[:-2], *right[-1:]) if len(right) > 1 else ()
    if len(right) == 1:
        return left[:-1]
    return (*broadcast([left[:-2], right[:-2]]), left[-2], right[-1])
