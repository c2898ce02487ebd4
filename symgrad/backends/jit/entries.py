"""From a lowered program and the shapes of its inputs to definitions entry by entry.

Views, fixed entries, diagonals and broadcasting become subscripts; nothing is moved. Numbers that depend on sizes alone
are computed here, in double precision, as the numpy backend does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NamedTuple

import numpy
import sympy

from symgrad.backends.arrays import (
    NEW_AXIS,
    Diagonal,
    Einsum,
    Finite,
    Full,
    Gather,
    MatrixProduct,
    Positions,
    Reduced,
    SizeOf,
    Take,
    TensorProduct,
    View,
)
from symgrad.backends.jit.nests import Apply, Array, Axis, Definition, Entries, Literal, Position, Read, Term
from symgrad.backends.straight import Lowered
from symgrad.core.expression import HALF, Expr, is_negative, without_sign
from symgrad.functions import BY_NAME, row_of

ZERO = Literal(0)


class Unsupported(Exception):  # noqa: N818  # not an error: the caller takes another way
    """An operation that native code does not compute."""


class Seen(NamedTuple):
    """A view of an array, or a number.

    Args:
        array: what is looked at, or the number.
        subscripts: for each axis of the array the axis of the view it is, or a fixed subscript.
        shape: of the view.
    """

    array: Array | float
    subscripts: tuple[int | Literal, ...] = ()
    shape: tuple[int, ...] = ()

    def entry(self, at: Sequence[Term]) -> Term:
        """One entry; subscripts beyond the view's rank come first and broadcast, as do axes of one entry."""
        if not isinstance(self.array, Array):
            return Literal(self.array)
        own = at[len(at) - len(self.shape) :]
        places = [ZERO if size == 1 else place for size, place in zip(self.shape, own, strict=True)]
        return Read(self.array, tuple(places[s] if isinstance(s, int) else s for s in self.subscripts))


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
    return Entries(tuple(inputs), tuple(reading.definitions), results)


def _whole(array: Array) -> Seen:
    return Seen(array, tuple(range(len(array.shape))), array.shape)


@dataclass
class _Reading:
    known: dict[Expr, Seen] = field(default_factory=dict)
    definitions: list[Definition] = field(default_factory=list)
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
        axes = [Axis(size) for size in shape]
        places = tuple(ZERO if axis.extent == 1 else Position(axis) for axis in axes)
        array = self.array(shape, whole)
        own = tuple(axis for axis in axes if axis.extent > 1)
        self.definitions.append(Definition(array, places, own, body(places), folds, kind))
        return _whole(array)

    def seen(self, expression: Expr) -> Seen:
        """What an expression is."""
        match expression:
            case sympy.Symbol():
                return self.known[expression]
            case sympy.Integer():
                return Seen(int(expression))
            case sympy.Number() | sympy.NumberSymbol():
                return Seen(float(expression))
            case View():
                return _viewed(self.seen(expression.args[0]), expression.numbers(1))
            case Take():
                return _taken(self.seen(expression.args[0]), int(expression.args[1]), int(expression.args[2]))
            case Diagonal():
                return _diagonal(self.seen(expression.args[0]), int(expression.args[1]), int(expression.args[2]))
            case SizeOf():
                return Seen(self.seen(expression.args[0]).shape[int(expression.args[1])])
            case Positions():
                return self.define((self.size(expression.args[0]),), lambda at: at[0], whole=True)
            case Gather():
                return self.gather(expression)
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
        first, second, result = _spelled(expression, left, right)
        extent: dict[str, int] = {}
        for letter, size in zip(first + second, (*left.shape, *right.shape), strict=True):
            extent[letter] = max(size, extent.get(letter, 1))
        folds = {letter: Axis(extent[letter]) for letter in dict.fromkeys(first + second) if letter not in result}

        def body(at: Sequence[Term]) -> Term:
            place: dict[str, Term] = dict(zip(result, at, strict=True))
            place |= {letter: _position(axis) for letter, axis in folds.items()}
            sides = (left.entry([place[c] for c in first]), right.entry([place[c] for c in second]))
            return Apply("*", sides)

        kind = "sum" if _running(folds.values()) else ""
        return self.define(tuple(extent[c] for c in result), body, _running(folds.values()), kind)

    def elementwise(self, expression: Expr) -> Seen:
        """An operation entry by entry; each of its parts with fewer axes is an array of its own."""
        operands: list[Seen] = []

        def operand(part: Expr) -> _Hole:
            seen = self.seen(part)
            operands.append(seen)
            return _Hole(len(operands) - 1)

        shaped = _shaped(expression, operand)
        shape = _broadcast(operands)
        if all(not isinstance(o.array, Array) for o in operands):
            return Seen(_number(_filled(shaped, operands, ())))
        return self.define(shape, lambda at: _filled(shaped, operands, at))


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


def _filled(shape: _Shape | _Hole, operands: Sequence[Seen], at: Sequence[Term]) -> Term:
    if isinstance(shape, _Hole):
        return operands[shape.number].entry(at)
    return applied(shape.operation, *(_filled(part, operands, at) for part in shape.operands))


def applied(operation: str, *operands: Term) -> Term:
    """The operation; its value where all operands are numbers."""
    values = [o.value for o in operands if isinstance(o, Literal)]
    if operation == "select" and isinstance(operands[0], Literal):
        return operands[1] if operands[0].value else operands[2]
    if len(values) < len(operands):
        return Apply(operation, operands)
    with numpy.errstate(all="ignore"):
        value = _ON_NUMBERS[operation](*values) if operation in _ON_NUMBERS else _library(operation)(*values)
    return Literal(value if isinstance(value, int) else float(value))


def _divided(a: float, b: float) -> float:
    return float(numpy.float64(a) / numpy.float64(b))


_ON_NUMBERS: Mapping[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "neg": lambda a: -a,
    "sqrt": numpy.sqrt,
    "pow": lambda a, b: numpy.float64(a) ** b,
    "finite": lambda a: a if math.isfinite(a) else 0.0,
    "==": lambda a, b: int(a == b),
    "!=": lambda a, b: int(a != b),
    "<": lambda a, b: int(a < b),
    "<=": lambda a, b: int(a <= b),
    ">": lambda a, b: int(a > b),
    ">=": lambda a, b: int(a >= b),
    "relu": lambda a: max(a, 0.0),
    "softplus": lambda a: numpy.logaddexp(0, a),
}


def _library(name: str) -> Callable[..., Any]:
    """NumPy's or SciPy's function of a row."""
    module, _, function = BY_NAME[name].numpy.rpartition(".")
    return getattr(import_module(module), function)  # type: ignore[no-any-return]


def _number(term: Term) -> float:
    assert isinstance(term, Literal)
    return term.value


def _position(axis: Axis) -> Term:
    return ZERO if axis.extent == 1 else Position(axis)


def _running(axes: Any) -> tuple[Axis, ...]:
    return tuple(axis for axis in axes if axis.extent > 1)


def _broadcast(operands: Sequence[Seen]) -> tuple[int, ...]:
    return tuple(numpy.broadcast_shapes(*(o.shape for o in operands)))


def _viewed(seen: Seen, order: tuple[int, ...]) -> Seen:
    where = {old: new for new, old in enumerate(order)}
    subscripts = tuple(where[s] if isinstance(s, int) else s for s in seen.subscripts)
    return Seen(seen.array, subscripts, tuple(1 if axis == NEW_AXIS else seen.shape[axis] for axis in order))


def _taken(seen: Seen, axis: int, position: int) -> Seen:
    def moved(subscript: int | Literal) -> int | Literal:
        if not isinstance(subscript, int) or subscript < axis:
            return subscript
        return Literal(position % seen.shape[axis]) if subscript == axis else subscript - 1

    return Seen(seen.array, tuple(map(moved, seen.subscripts)), seen.shape[:axis] + seen.shape[axis + 1 :])


def _diagonal(seen: Seen, first: int, second: int) -> Seen:
    kept = [axis for axis in range(len(seen.shape)) if axis not in (first, second)]
    where = {old: new for new, old in enumerate(kept)} | {first: len(kept), second: len(kept)}
    subscripts = tuple(where[s] if isinstance(s, int) else s for s in seen.subscripts)
    return Seen(
        seen.array, subscripts, (*(seen.shape[axis] for axis in kept), min(seen.shape[first], seen.shape[second]))
    )


def _spelled(expression: Expr, left: Seen, right: Seen) -> tuple[str, str, str]:
    """A contraction's subscripts as `einsum` has them: of the left, of the right and of the result."""
    if isinstance(expression, Einsum):
        operands, _, result = expression.subscripts.partition("->")
        first, _, second = operands.partition(",")
        return first, second, result
    letters = iter("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    of_left = [next(letters) for _ in left.shape]
    of_right = [next(letters) for _ in right.shape]
    if isinstance(expression, TensorProduct):
        for one, other in zip(expression.numbers(2), expression.numbers(3), strict=True):
            of_right[other] = of_left[one]
        gone = set(of_left) & set(of_right)
        return "".join(of_left), "".join(of_right), "".join(c for c in (*of_left, *of_right) if c not in gone)
    of_right[-2 if len(of_right) > 1 else -1] = shared = of_left[-1]
    for back in range(3, min(len(of_left), len(of_right)) + 1):
        of_right[-back] = of_left[-back]
    leading = max(of_left[:-2], of_right[:-2], key=len)
    own = [c for c in (*of_left[-2:-1], *(of_right[-1:] if len(of_right) > 1 else [])) if c != shared]
    return "".join(of_left), "".join(of_right), "".join([*leading, *own])
