"""From a lowered program and the shapes of its inputs to definitions entry by entry.

Views, fixed entries, diagonals and broadcasting become subscripts; nothing is moved. Numbers that depend on sizes alone
are computed here, in double precision, as the numpy backend does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy
import sympy

from symgrad.backends.arrays import (
    Copy,
    Diagonal,
    Einsum,
    Finite,
    Full,
    Gather,
    IndexAdd,
    MatrixProduct,
    Positions,
    Reduced,
    SizeOf,
    Take,
    TensorProduct,
    View,
)
from symgrad.backends.jit.folding import applied
from symgrad.backends.jit.nests import LONGEST, Array, Axis, Definition, Entries, Literal, Position, Term
from symgrad.backends.jit.views import ZERO, Seen, diagonal, spelled, taken, viewed
from symgrad.backends.straight import Lowered
from symgrad.core.expression import HALF, Expr, is_negative, without_sign
from symgrad.functions import row_of

ZERO_REAL = Literal(0.0)


class Unsupported(Exception):  # noqa: N818  # not an error: the caller takes another way
    """An operation that native code does not compute."""


class _Part(NamedTuple):
    """An operation entry by entry that has no array yet: it may be written into the operation that reads it.

    Args:
        array: it would be.
        place: where its definition would stand.
        shaped: how it is computed, and of what.
        operands: what its holes stand for.
        length: operations it is written with.
    """

    array: Array
    place: int
    shaped: _Shape | _Hole
    operands: Sequence[Seen | _Part]
    length: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.array.shape

    def entry(self, at: Sequence[Term]) -> Term:
        """One entry."""
        return _filled(self.shaped, self.operands, at)


def entries(program: Lowered, shapes: Sequence[tuple[int, ...]], labels: frozenset[str]) -> Entries:
    """The program entry by entry.

    Args:
        program: what `lower` made.
        shapes: one an input, in numbers, none of them 0.
        labels: the inputs that hold whole numbers.

    Raises:
        Unsupported: if there are functions of whole matrices in it.
    """
    reading = _Reading()
    inputs = []
    for (name, stand_in), shape in zip(program.inputs, shapes, strict=True):
        array = reading.array(shape, whole=name in labels)
        reading.known[stand_in] = _whole(array)
        inputs.append(array)
    for statement in (*program.constants, *program.statements):
        reading.known[statement.target] = reading.seen(statement.expression)
    results = tuple(reading.result(reading.seen(result)) for result in program.results)
    return Entries(tuple(inputs), tuple(filter(None, reading.definitions)), results)


def _whole(array: Array) -> Seen:
    return Seen(array, tuple(range(len(array.shape))), array.shape)


@dataclass
class _Reading:
    known: dict[Expr, Seen] = field(default_factory=dict)
    definitions: list[Definition | None] = field(default_factory=list)
    count: int = 0

    def array(self, shape: tuple[int, ...], whole: bool = False) -> Array:
        self.count += 1
        return Array(self.count, shape, whole)

    def result(self, seen: Seen) -> Array | float:
        """An array that is an output and nothing else."""
        if not isinstance(seen.array, Array):
            return float(seen.array)
        return self.define(seen.shape, seen.entry).array

    def define(
        self,
        shape: tuple[int, ...],
        body: Callable[[Sequence[Term]], Term],
        folds: tuple[Axis, ...] = (),
        kind: str = "",
        whole: bool = False,
    ) -> Seen:
        """A new array."""
        array = self.array(shape, whole)
        self.definitions.append(_defined(array, body, folds, kind))
        return _whole(array)

    def seen(self, expression: Expr) -> Seen:
        """What an expression is."""
        return self.settled(self.read(expression))

    def settled(self, read: Seen | _Part) -> Seen:
        """What is read; a part as an array of its own, where it stood."""
        if isinstance(read, Seen):
            return read
        self.definitions[read.place] = _defined(read.array, read.entry)
        return _whole(read.array)

    def read(self, expression: Expr) -> Seen | _Part:
        """What an expression is, as it is found."""
        match expression:
            case sympy.Symbol():
                return self.known[expression]
            case sympy.Integer():
                return Seen(int(expression))
            case sympy.Number() | sympy.NumberSymbol():
                return Seen(float(expression))
            case View():
                return viewed(self.seen(expression.args[0]), expression.numbers(1))
            case Take():
                return taken(self.seen(expression.args[0]), int(expression.args[1]), int(expression.args[2]))
            case Diagonal():
                return diagonal(self.seen(expression.args[0]), int(expression.args[1]), int(expression.args[2]))
            case SizeOf():
                return Seen(self.seen(expression.args[0]).shape[int(expression.args[1])])
            case Positions():
                return self.define((self.size(expression.args[0]),), lambda at: at[0], whole=True)
            case Copy():
                return self.read(expression.args[0])  # what is returned is always written anew
            case Gather():
                return self.gather(expression)
            case IndexAdd():
                return self.index_add(expression)
            case Reduced():
                return self.reduced(self.seen(expression.args[0]), expression.kind, expression.numbers(2))
            case Full():
                array = self.seen(expression.args[0])
                shape = tuple(self.size(size) for size in expression.args[1])
                return self.define(shape, array.entry)
            case MatrixProduct() | TensorProduct() | Einsum():
                return self.contracted(expression)
        return self.elementwise(expression)

    def size(self, expression: Expr) -> int:
        """A size as a number."""
        size = self.seen(expression).array
        assert isinstance(size, int)
        return size

    def gather(self, expression: Gather) -> Seen:
        array, *positions = (self.seen(argument) for argument in expression.args)
        selected = _broadcast(positions)

        def body(at: Sequence[Term]) -> Term:
            return array.entry([*(p.entry(at[: len(selected)]) for p in positions), *at[len(selected) :]])

        return self.define((*selected, *array.shape[len(positions) :]), body)

    def index_add(self, expression: IndexAdd) -> Seen:
        """Σ_i [k = t[i]]·a[i]; `scatter` finds it again."""
        terms, _, places = (self.seen(argument) for argument in expression.args[:3])
        folds = [Axis(size) for size in places.shape]
        at_fold = [_position(axis) for axis in folds]

        def body(at: Sequence[Term]) -> Term:
            test = applied("==", at[0], places.entry(at_fold))
            return applied("select", test, terms.entry([*at_fold, *at[1:]]), ZERO_REAL)

        shape = (self.size(expression.args[3]), *terms.shape[len(folds) :])
        return self.define(shape, body, _running(folds), "sum" if _running(folds) else "")

    def reduced(self, array: Seen, kind: str, over: tuple[int, ...]) -> Seen:
        """A reduction over some axes; over all of them where none is named."""
        over = over or tuple(range(len(array.shape)))
        folds = {axis: Axis(array.shape[axis]) for axis in over}
        kept = tuple(axis for axis in range(len(array.shape)) if axis not in folds)

        def body(at: Sequence[Term]) -> Term:
            own = dict(zip(kept, at, strict=True))
            return array.entry([_position(folds[a]) if a in folds else own[a] for a in range(len(array.shape))])

        running = _running(folds.values())
        return self.define(tuple(array.shape[a] for a in kept), body, running, kind if running else "")

    def contracted(self, expression: Expr) -> Seen:
        """A sum of products of two arrays."""
        left, right = (self.seen(side) for side in expression.args[:2])
        first, second, result = spelled(expression, left, right)
        extent: dict[str, int] = {}
        for letter, size in zip(first + second, (*left.shape, *right.shape), strict=True):
            extent[letter] = max(size, extent.get(letter, 1))
        folds = {letter: Axis(extent[letter]) for letter in dict.fromkeys(first + second) if letter not in result}

        def body(at: Sequence[Term]) -> Term:
            place: dict[str, Term] = dict(zip(result, at, strict=True))
            place |= {letter: _position(axis) for letter, axis in folds.items()}
            sides = (left.entry([place[c] for c in first]), right.entry([place[c] for c in second]))
            return applied("*", *sides)

        kind = "sum" if _running(folds.values()) else ""
        return self.define(tuple(extent[c] for c in result), body, _running(folds.values()), kind)

    def elementwise(self, expression: Expr) -> Seen | _Part:
        """An operation entry by entry; each of its parts with fewer axes is an array of its own."""
        operands: list[Seen | _Part] = []

        def operand(part: Expr) -> _Hole:
            operands.append(self.read(part))
            return _Hole(len(operands) - 1)

        shaped = _shaped(expression, operand)
        shape = _broadcast(operands)
        if all(isinstance(o, Seen) and not isinstance(o.array, Array) for o in operands):
            return Seen(_number(_filled(shaped, operands, ())))
        length = _length(shaped)
        for n, part in enumerate(operands):
            if isinstance(part, _Part):
                if part.shape == shape and part.length <= LONGEST:
                    length += part.length
                else:
                    operands[n] = self.settled(part)
        self.definitions.append(None)
        return _Part(self.array(shape), len(self.definitions) - 1, shaped, operands, length)


def _defined(
    array: Array, body: Callable[[Sequence[Term]], Term], folds: tuple[Axis, ...] = (), kind: str = ""
) -> Definition:
    """The definition of an array by its entries."""
    axes = [Axis(size) for size in array.shape]
    places = tuple(ZERO if axis.extent == 1 else Position(axis) for axis in axes)
    return Definition(array, places, _running(axes), body(places), folds, kind)


class _Hole(NamedTuple):
    """Where an operand goes."""

    number: int


class _Shape(NamedTuple):
    operation: str
    operands: tuple[_Shape | _Hole, ...]


def _shaped(expression: Expr, operand: Callable[[Expr], _Hole]) -> _Shape | _Hole:
    """One operation of the program as operations on numbers, in the order in which the numpy backend does them."""

    def sign(op: str, *parts: _Shape | _Hole) -> _Shape:
        return _Shape(op, parts)

    match expression:
        case sympy.Add():
            first, *others = expression.args
            total: _Shape | _Hole = operand(first)
            for term in others:
                minus = is_negative(term)
                total = sign("-" if minus else "+", total, operand(without_sign(term) if minus else term))
            return total
        case sympy.Mul() if is_negative(expression):
            return sign("neg", operand(without_sign(expression)))
        case sympy.Mul():
            product: _Shape | _Hole | None = None
            for factor in expression.args:
                if isinstance(factor, sympy.Pow) and factor.exp == -1:
                    product = sign("/", operand(sympy.Integer(1)) if product is None else product, operand(factor.base))
                else:
                    product = operand(factor) if product is None else sign("*", product, operand(factor))
            assert product is not None
            return product
        case sympy.Pow() if expression.exp == HALF:
            return sign("sqrt", operand(expression.base))
        case sympy.Pow() if expression.exp == -1:
            return sign("/", operand(sympy.Integer(1)), operand(expression.base))
        case sympy.Pow():
            return sign("pow", operand(expression.base), operand(expression.exp))
        case sympy.Piecewise():
            return _cases(expression, operand)
        case Finite():
            return sign("finite", operand(expression.args[0]))
        case sympy.Function():
            return sign(row_of(expression).name, *(operand(argument) for argument in expression.args))
    raise Unsupported(type(expression).__name__)


def _cases(expression: sympy.Piecewise, operand: Callable[[Expr], _Hole]) -> _Shape | _Hole:
    *given, (rest, _) = expression.args
    result: _Shape | _Hole = operand(rest)
    for branch, condition in reversed(given):
        relation = {"Equality": "==", "Unequality": "!="}.get(type(condition).__name__) or condition.rel_op
        test = _Shape(relation, tuple(operand(side) for side in condition.args))
        result = _Shape("select", (test, operand(branch), result))
    return result


def _length(shape: _Shape | _Hole) -> int:
    return 0 if isinstance(shape, _Hole) else 1 + sum(map(_length, shape.operands))


def _filled(shape: _Shape | _Hole, operands: Sequence[Seen | _Part], at: Sequence[Term]) -> Term:
    if isinstance(shape, _Hole):
        return operands[shape.number].entry(at)
    return applied(shape.operation, *[_filled(part, operands, at) for part in shape.operands])


def _number(term: Term) -> float:
    assert isinstance(term, Literal)
    return term.value


def _position(axis: Axis) -> Term:
    return ZERO if axis.extent == 1 else Position(axis)


def _running(axes: Any) -> tuple[Axis, ...]:
    return tuple(axis for axis in axes if axis.extent > 1)


def _broadcast(operands: Sequence[Seen | _Part]) -> tuple[int, ...]:
    shapes = {o.shape for o in operands} - {()}
    return shapes.pop() if len(shapes) == 1 else tuple(numpy.broadcast_shapes(*shapes))
