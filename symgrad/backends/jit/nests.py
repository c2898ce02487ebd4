"""Loop nests: what a program on tensors computes, entry by entry, once the sizes are known.

A `Definition` is one array, `v[i, j] = body` or `v[i] = Σ_k body`, its axes named. Each `Step` puts some into loops: a
`Loop` runs over an axis that all definitions within it share; a folded axis is a loop around `Update`. All is frozen
data; `entries` makes definitions from the lowered program, `fusion` plans loops, `lanes` chooses vectors, `placement`
gives arrays memory, `emission` writes LLVM IR.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from operator import is_
from typing import TypeAlias


@dataclass(frozen=True, eq=False, slots=True)
class Axis:
    """A running index from 0 to a size known in numbers; two axes are equal if they are the same object."""

    extent: int


@dataclass(frozen=True, eq=False, slots=True)
class Array:
    """An array of the program.

    Args:
        number: tells it from the others.
        shape: sizes, row-major.
        whole: whether it holds whole numbers (labels) and not numbers of the program's dtype.
    """

    number: int
    shape: tuple[int, ...]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Literal:
    """A number."""

    value: float


@dataclass(frozen=True, slots=True)
class Position:
    """Where an axis stands, a whole number."""

    axis: Axis


@dataclass(frozen=True, slots=True)
class Read:
    """An entry; each subscript is a `Position`, a `Literal` or the `Read` of a label."""

    array: Array
    subscripts: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation on numbers.

    Args:
        operation: `+ - * / neg sqrt pow finite select`, a relation (`== != < <= > >=`), or the name of a row of
            `symgrad.functions`. `select` takes a relation and two numbers.
        operands: its arguments.
    """

    operation: str
    operands: tuple[Term, ...]


Term: TypeAlias = Literal | Position | Read | Apply


@dataclass(frozen=True, eq=False)
class Definition:
    """One array, entry by entry; what passes ask of its body again and again is found out once.

    Args:
        array: what is defined.
        subscripts: its own axes as positions; 0 where an axis has one entry.
        axes: its own axes of more than one entry.
        body: the value of an entry, or of a summand.
        folds: axes that are folded away.
        kind: how: `sum`, `max`, `min` or `prod`.
        product: whether a BLAS routine computes it; the body is then the product of two entries.
    """

    array: Array
    subscripts: tuple[Term, ...]
    axes: tuple[Axis, ...]
    body: Term
    folds: tuple[Axis, ...] = ()
    kind: str = ""
    product: bool = False

    @cached_property
    def reads(self) -> tuple[Read, ...]:
        """Every entry that the body reads, labels included."""
        return tuple(reads(self.body))

    @cached_property
    def operations(self) -> int:
        """How many operations the body is written with; a function counts for several."""
        return operations(self.body)

    @property
    def target(self) -> Read:
        """The entry that is defined, as one would read it."""
        return Read(self.array, self.subscripts)

    @cached_property
    def all_axes(self) -> tuple[Axis, ...]:
        """Its own axes, and those that are folded away."""
        return (*self.axes, *self.folds)


@dataclass(frozen=True)
class Entries:
    """A program on arrays of known sizes, as definitions in order.

    Args:
        inputs: one a leaf.
        definitions: each reads inputs and earlier ones.
        results: one an output; a literal for what is a number whatever the inputs.
    """

    inputs: tuple[Array, ...]
    definitions: tuple[Definition, ...]
    results: tuple[Array | float, ...]


@dataclass(frozen=True, eq=False)
class Assign:
    """`array[subscripts] = body`."""

    definition: Definition


@dataclass(frozen=True, eq=False)
class Clear:
    """Set what will be folded to the neutral element, along the axes that are not bound here."""

    definition: Definition
    axes: tuple[Axis, ...]


@dataclass(frozen=True, eq=False)
class Update:
    """`array[subscripts] = fold(array[subscripts], body)`."""

    definition: Definition


@dataclass(frozen=True, eq=False)
class Product:
    """A definition that BLAS computes."""

    definition: Definition


@dataclass(frozen=True, eq=False)
class Loop:
    """The body for each position of an axis, or for several positions at once.

    Args:
        axis: what it runs over.
        body: what is done.
        lanes: whether positions next to each other are computed together, as the lanes of a vector.
    """

    axis: Axis
    body: tuple[Step, ...]
    lanes: bool = field(default=False)


Step: TypeAlias = Assign | Clear | Update | Product | Loop

NEUTRAL: Mapping[str, float] = {"sum": 0.0, "prod": 1.0, "max": float("-inf"), "min": float("inf")}
"""Where a fold begins."""


def reads(term: Term) -> Iterator[Read]:
    """Every entry that a term reads, labels included."""
    stack: list[Term] = [term]
    while stack:
        part = stack.pop()
        if isinstance(part, Read):
            yield part
            stack.extend(part.subscripts)
        elif isinstance(part, Apply):
            stack.extend(part.operands)


def replaced(
    term: Term, change: Callable[[Term], Term | None], made: Callable[[str, tuple[Term, ...]], Term] = Apply
) -> Term:
    """The term with parts changed, outermost first; where nothing changes it is the same object.

    Args:
        term: what to change.
        change: the new part; None leaves a part as it is and looks inside.
        made: makes an operation of operands of which one is new.
    """
    new = change(term)
    if new is not None:
        return new
    if isinstance(term, Apply):
        operands = tuple([replaced(o, change, made) for o in term.operands])
        return term if all(map(is_, operands, term.operands)) else made(term.operation, operands)
    if isinstance(term, Read) and term.subscripts:
        subscripts = tuple([replaced(s, change, made) for s in term.subscripts])
        return term if all(map(is_, subscripts, term.subscripts)) else Read(term.array, subscripts)
    return term


def renamed(term: Term, names: Mapping[Axis, Term]) -> Term:
    """The term with axes replaced by positions."""
    return replaced(term, lambda part: names.get(part.axis) if isinstance(part, Position) else None)


def operations(term: Term) -> int:
    """How many operations a term is written with; a function counts for several."""
    count, stack = 0, [term]
    while stack:
        part = stack.pop()
        if isinstance(part, Apply):
            count += 1 if part.operation in PLAIN else FUNCTION
            stack.extend(part.operands)
    return count


LONGEST = 40
"""Operations of a body up to which it is written into another; a chain of thousands is no one expression."""

FUNCTION = 40
"""Instructions of a function, about."""

PLAIN = frozenset(["+", "-", "*", "/", "neg", "sqrt", "finite", "select", "==", "!=", "<", "<=", ">", ">=", "abs"])
"""Operations that are one or two instructions."""


def walk(steps: tuple[Step, ...]) -> Iterator[Step]:
    """Every step, outermost first."""
    for step in steps:
        yield step
        if isinstance(step, Loop):
            yield from walk(step.body)


def arrays_of(step: Step) -> Iterator[Array]:
    """The arrays that a step mentions itself."""
    if not isinstance(step, Loop):
        yield step.definition.array
    if isinstance(step, (Assign, Update, Product)):
        for read in step.definition.reads:
            yield read.array


def size_of(step: Step) -> int:
    """Operations that a step is, loops written out."""
    match step:
        case Loop():
            return step.axis.extent * sum(size_of(part) for part in step.body)
        case Assign() | Update():
            return 2 + step.definition.operations
        case Clear():
            return prod(axis.extent for axis in step.axes)
        case Product():
            return sys.maxsize
