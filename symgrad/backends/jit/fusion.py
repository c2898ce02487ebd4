"""Loops shared by definitions: everything that has the sample axis goes into one loop over the samples.

At each level the axis is chosen that lets most of the work into one loop; then the same is done within that loop. A
definition that needs a finished fold over the loop's axis, or entries at another position, begins a new loop after it
(typed fusion; Kennedy and McKinley, 1993, is the general form of this greedy order).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

from symgrad.backends.jit.nests import (
    Array,
    Assign,
    Axis,
    Clear,
    Definition,
    Entries,
    Loop,
    Position,
    Product,
    Read,
    Step,
    Update,
    operations,
    reads,
    renamed,
)

FURTHER_LOOP = 0.1
"""The part of the work that a further loop may save and still not be worth it."""


def planned(program: Entries) -> tuple[Step, ...]:
    """The program's definitions in loops."""
    return _Planning(_Classes(program)).steps(program.definitions, frozenset())


class _Classes:
    """Axes that run along the same axis of some array: classes of a union-find."""

    def __init__(self, program: Entries) -> None:
        self.parent: dict[object, object] = {}
        for definition in program.definitions:
            for read in (Read(definition.array, definition.subscripts), *reads(definition.body)):
                for place, subscript in enumerate(read.subscripts):
                    if isinstance(subscript, Position):
                        self._join(subscript.axis, (read.array, place))

    def of(self, axis: Axis) -> object:
        """What stands for the class of an axis."""
        return self._root(axis)

    def _root(self, member: object) -> object:
        path = []
        while (above := self.parent.get(member, member)) is not member:
            path.append(member)
            member = above
        for passed in path:
            self.parent[passed] = member
        return member

    def _join(self, one: object, other: object) -> None:
        self.parent[self._root(one)] = self._root(other)


@dataclass
class _Split:
    """Definitions before a loop, within it with the axis that it runs over, and after it."""

    before: list[Definition] = field(default_factory=list)
    inside: dict[Definition, Axis] = field(default_factory=dict)
    after: list[Definition] = field(default_factory=list)


@dataclass
class _Planning:
    classes: _Classes
    started: set[Array] = field(default_factory=set)

    def steps(self, definitions: Sequence[Definition], bound: frozenset[Axis]) -> tuple[Step, ...]:
        """Steps that compute definitions whose axes in `bound` have loops already."""
        if not definitions:
            return ()
        if any(definition.product for definition in definitions):
            return self._around_products(definitions, bound)
        split = self._best(definitions, bound)
        if split is None:
            return tuple(_bare(definition) for definition in definitions)
        before = self.steps(split.before, bound)
        inside = self._loop(split.inside, bound)
        return (*before, *inside, *self.steps(split.after, bound))

    def _around_products(self, definitions: Sequence[Definition], bound: frozenset[Axis]) -> tuple[Step, ...]:
        """What no matrix product has to come before, the matrix products that are due then, and the rest."""
        first: list[Definition] = []
        products: list[Definition] = []
        rest: list[Definition] = []
        waiting: set[Array] = set()
        for definition in definitions:
            needed = {read.array for read in reads(definition.body)}
            if needed & waiting:
                rest.append(definition)
            else:
                (products if definition.product else first).append(definition)
            if definition.product or needed & waiting:
                waiting.add(definition.array)
        return (*self.steps(first, bound), *map(Product, products), *self.steps(rest, bound))

    def _best(self, definitions: Sequence[Definition], bound: frozenset[Axis]) -> _Split | None:
        """The split by the axis whose loops do most, in few loops: what crosses loops has to be kept in memory.

        Among equals the axis with the longest strides is outermost.
        """
        found: dict[object, None] = {}
        for definition in definitions:
            found.update(dict.fromkeys(self.classes.of(a) for a in _all_axes(definition) if a not in bound))
        best: tuple[tuple[float, int], _Split] | None = None
        for kind in found:
            first = split = self._split(definitions, kind, bound)
            inside: dict[Definition, Axis] = {}
            loops = 0
            while split.inside:
                inside |= split.inside
                loops += 1
                split = self._split(split.after, kind, bound)
            work, stride = sum(_work(d, bound) for d in inside), sum(_stride(d, axis) for d, axis in inside.items())
            score = (work / (1 + FURTHER_LOOP * loops), stride)
            if inside and (best is None or score > best[0]):
                best = (score, first)
        return best[1] if best else None

    def _split(self, definitions: Sequence[Definition], kind: object, bound: frozenset[Axis]) -> _Split:
        split = _Split()
        where: dict[Array, Definition] = {}
        late: set[Array] = set()
        for definition in definitions:
            needed = {read.array for read in reads(definition.body)}
            axis = None if needed & late else self._axis(definition, kind, bound, split, where)
            if axis is not None:
                split.inside[definition] = axis
                where[definition.array] = definition
            elif needed & late or needed & where.keys():
                split.after.append(definition)
                late.add(definition.array)
            else:
                split.before.append(definition)
        return split

    def _axis(
        self,
        definition: Definition,
        kind: object,
        bound: frozenset[Axis],
        split: _Split,
        where: dict[Array, Definition],
    ) -> Axis | None:
        """The axis of a definition over which it can join the loop; None if it cannot."""
        extents = {axis.extent for axis in split.inside.values()}
        for axis in _all_axes(definition):
            if axis in bound or self.classes.of(axis) is not kind or extents - {axis.extent}:
                continue
            if all(_in_step(read, axis, where.get(read.array), split) for read in reads(definition.body)):
                return axis
        return None

    def _loop(self, inside: dict[Definition, Axis], bound: frozenset[Axis]) -> tuple[Step, ...]:
        """The loop, and before it the folds over it that begin."""
        (shared, *_) = inside.values()
        clears: list[Step] = []
        members = []
        for definition, axis in inside.items():
            if axis in definition.folds and definition.array not in self.started:
                self.started.add(definition.array)
                clears.append(Clear(definition, tuple(a for a in definition.axes if a not in bound)))
            members.append(_with_axis(definition, axis, shared))
        return (*clears, Loop(shared, self.steps(members, bound | {shared})))


def _bare(definition: Definition) -> Step:
    return Update(definition) if definition.kind else Assign(definition)


def _all_axes(definition: Definition) -> tuple[Axis, ...]:
    return (*definition.axes, *definition.folds)


def _in_step(read: Read, axis: Axis, made: Definition | None, split: _Split) -> bool:
    """Whether what is read is there when the loop comes to the position that reads it."""
    if made is None:
        return True
    own = split.inside[made]
    if own in made.folds:
        return False
    place = next(n for n, s in enumerate(made.subscripts) if isinstance(s, Position) and s.axis is own)
    subscript = read.subscripts[place]
    return isinstance(subscript, Position) and subscript.axis is axis


def _with_axis(definition: Definition, old: Axis, new: Axis) -> Definition:
    if old is new:
        return definition
    names = {old: Position(new)}
    return replace(
        definition,
        subscripts=tuple(renamed(s, names) for s in definition.subscripts),
        axes=tuple(new if a is old else a for a in definition.axes),
        folds=tuple(new if a is old else a for a in definition.folds),
        body=renamed(definition.body, names),
    )


def _work(definition: Definition, bound: frozenset[Axis]) -> int:
    return (1 + operations(definition.body)) * prod(a.extent for a in _all_axes(definition) if a not in bound)


def _stride(definition: Definition, axis: Axis) -> int:
    """How far apart the entries are that the definition touches as the axis runs, all arrays together."""
    touched = (Read(definition.array, definition.subscripts), *reads(definition.body))
    return sum(
        prod(read.array.shape[place + 1 :])
        for read in touched
        for place, subscript in enumerate(read.subscripts)
        if isinstance(subscript, Position) and subscript.axis is axis
    )
