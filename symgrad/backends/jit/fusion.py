"""Loops shared by definitions: everything that has the sample axis goes into one loop over the samples.

At each level the axis is chosen that lets most of the work into one loop; then the same is done within that loop. A
definition that needs a finished fold over the loop's axis, or entries at another position, begins a new loop after it
(typed fusion; Kennedy and McKinley, 1993, is the general form of this greedy order). One walk finds all the loops over
an axis; it is walked again only once a definition that has the axis went into a loop over another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import NamedTuple, TypeAlias

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
    renamed,
)

FURTHER_LOOP = 0.1
"""The part of the work that a further loop may save and still not be worth it."""

MANY = 256
"""Definitions from which a list is planned in halves, if loops over no axis do half of the work in few loops."""


def planned(program: Entries) -> tuple[Step, ...]:
    """The program's definitions in loops."""
    return tuple(_Planning(_Classes(program)).steps(program.definitions, frozenset()))


class _Classes:
    """Axes that run along the same axis of some array: classes of a union-find."""

    def __init__(self, program: Entries) -> None:
        self.parent: dict[object, object] = {}
        for definition in program.definitions:
            for read in (definition.target, *definition.reads):
                for place, subscript in enumerate(read.subscripts):
                    if isinstance(subscript, Position):
                        self._join(subscript.axis, (read.array, place))
        self.found: dict[Axis, object] = {}

    def of(self, axis: Axis) -> object:
        """What stands for the class of an axis."""
        if axis not in self.found:
            self.found[axis] = self._root(axis)
        return self.found[axis]

    def _root(self, member: object) -> object:
        path = []
        while (above := self.parent.setdefault(member, member)) is not member:
            path.append(member)
            member = above
        for passed in path:
            self.parent[passed] = member
        return member

    def _join(self, one: object, other: object) -> None:
        self.parent[self._root(one)] = self._root(other)


@dataclass
class _Loops:
    """The loops over one class of axes, in rounds: what needs a finished loop is in a later round.

    Args:
        classes: of all axes.
        kind: the class.
        bound: axes that have loops already.
        rounds: what is in the loop of each, and the axis that the loop runs over there; the last may have none.
        made: the round of each array, and its definition; what is not here has nothing to do with these loops.
        taken: rounds that are done with.
    """

    classes: _Classes
    kind: object
    bound: frozenset[Axis]
    rounds: list[dict[Definition, Axis]] = field(default_factory=list)
    made: dict[Array, tuple[int, Definition]] = field(default_factory=dict)
    taken: int = 0

    def put(self, definitions: Sequence[Definition]) -> None:
        """Put definitions into the first round that each can be in; those that they read stand before them."""
        for definition in definitions:
            if definition.array not in self.made:
                self._put(definition)

    def _put(self, definition: Definition) -> None:
        needed = [self.made[read.array] for read in definition.reads if read.array in self.made]
        axes = [a for a in definition.all_axes if self.classes.of(a) is self.kind and a not in self.bound]
        if not needed and not axes:
            return
        number = max([n for n, _ in needed], default=0)
        axis = self._joining(definition, axes, number)
        if axis is None and any(n == number and other in self.rounds[n] for n, other in needed):
            number += 1
            axis = self._joining(definition, axes, number)
        if number == len(self.rounds):
            self.rounds.append({})
        if axis is not None:
            self.rounds[number][definition] = axis
        self.made[definition.array] = (number, definition)

    def _joining(self, definition: Definition, axes: Sequence[Axis], number: int) -> Axis | None:
        """The axis over which a definition can join the loop of a round; None if it cannot."""
        inside = self.rounds[number] if number < len(self.rounds) else {}
        extent = next((axis.extent for axis in inside.values()), None)
        for axis in axes:
            if extent in (None, axis.extent) and all(self._in_step(read, axis, inside) for read in definition.reads):
                return axis
        return None

    def _in_step(self, read: Read, axis: Axis, inside: Mapping[Definition, Axis]) -> bool:
        """Whether what is read is there when the loop comes to the position that reads it."""
        made = self.made[read.array][1] if read.array in self.made else None
        if made is None or made not in inside:
            return True
        own = inside[made]
        if own in made.folds:
            return False
        place = next(n for n, s in enumerate(made.subscripts) if isinstance(s, Position) and s.axis is own)
        subscript = read.subscripts[place]
        return isinstance(subscript, Position) and subscript.axis is axis

    @cached_property
    def score(self) -> tuple[float, int]:
        """How much the loops do, for how many there are, and how far apart is what they touch."""
        inside = [loop for loop in self.rounds[self.taken :] if loop]
        work = sum(_work(definition, self.bound) for loop in inside for definition in loop)
        stride = sum(_stride(definition, axis) for loop in inside for definition, axis in loop.items())
        return work / (1 + FURTHER_LOOP * len(inside)), stride

    def first(
        self, definitions: Sequence[Definition]
    ) -> tuple[list[Definition], dict[Definition, Axis], list[Definition]]:
        """Take the first round: definitions before its loop, within it, and after it."""
        self.put(definitions)
        inside = self.rounds[self.taken]
        self.taken += 1
        del self.score
        later = {d for d in definitions if d.array in self.made and self.made[d.array][0] >= self.taken}
        before = [d for d in definitions if d not in inside and d not in later]
        return before, inside, [d for d in definitions if d in later]


_Known: TypeAlias = dict[object, _Loops]


class _Span(NamedTuple):
    """Definitions that have an axis of a class: what they do, and where the first and the last stand."""

    work: int
    first: int
    last: int


@dataclass
class _Planning:
    classes: _Classes
    started: set[Array] = field(default_factory=set)

    def steps(
        self, definitions: Sequence[Definition], bound: frozenset[Axis], known: _Known | None = None
    ) -> list[Step]:
        """Steps that compute definitions whose axes in `bound` have loops already.

        Args:
            definitions: in order.
            bound: the axes.
            known: loops that have been found.
        """
        if any(definition.product for definition in definitions):
            return self._around_products(definitions, bound)
        steps: list[Step] = []
        known = known or {}
        works = {definition: _work(definition, bound) for definition in definitions}
        while definitions:
            spans = self._spans(definitions, bound, works)
            if not spans:
                return [*steps, *map(_bare, definitions)]
            best = self._best(definitions, bound, spans, known)
            if best is None:
                half = len(definitions) // 2
                steps += self.steps(definitions[:half], bound)
                definitions, known = definitions[half:], {}
                continue
            before, inside, after = best.first(definitions)
            steps += self.steps(before, bound, self._without(known, [*inside, *after]))
            steps += self._loop(inside, bound)
            definitions, known = after, self._without(known, [*before, *inside]) | {best.kind: best}
        return steps

    def _without(self, known: _Known, definitions: Sequence[Definition]) -> _Known:
        """The loops over axes that none of some definitions has: those are still right where these are not."""
        kinds = {self.classes.of(axis) for definition in definitions for axis in definition.all_axes}
        return {kind: loops for kind, loops in known.items() if kind not in kinds}

    def _around_products(self, definitions: Sequence[Definition], bound: frozenset[Axis]) -> list[Step]:
        """In turns: what no further matrix product has to come before, and the matrix products that are due then."""
        turns: list[tuple[list[Definition], list[Definition]]] = []
        due: dict[Array, int] = {}
        for definition in definitions:
            turn = max((due[read.array] for read in definition.reads if read.array in due), default=0)
            if turn == len(turns):
                turns.append(([], []))
            turns[turn][definition.product].append(definition)
            due[definition.array] = turn + definition.product
        return [step for first, products in turns for step in (*self.steps(first, bound), *map(Product, products))]

    def _spans(
        self, definitions: Sequence[Definition], bound: frozenset[Axis], works: Mapping[Definition, int]
    ) -> dict[object, _Span]:
        """Each class of axes that definitions have."""
        spans: dict[object, _Span] = {}
        for position, definition in enumerate(definitions):
            work = works[definition]
            for kind in {self.classes.of(axis): None for axis in definition.all_axes if axis not in bound}:
                span = spans.get(kind, _Span(0, position, position))
                spans[kind] = _Span(span.work + work, span.first, position)
        return spans

    def _best(
        self, definitions: Sequence[Definition], bound: frozenset[Axis], spans: Mapping[object, _Span], known: _Known
    ) -> _Loops | None:
        """The loops that do most, in few loops: what crosses loops has to be kept in memory.

        Among equals the axis with the longest strides is outermost. None if the list is long, and no axis does.
        """
        least = sum(_work(d, bound) for d in definitions) / 2 if len(definitions) > MANY else 0.0
        best: tuple[tuple[float, int, int], _Loops] | None = None
        order = {kind: -number for number, kind in enumerate(spans)}
        for kind in sorted(spans, key=lambda kind: spans[kind].work, reverse=True):
            if spans[kind].work / (1 + FURTHER_LOOP) < max(least, best[0][0] if best else 0.0):
                break
            if kind not in known:
                known[kind] = _Loops(self.classes, kind, bound)
                known[kind].put(definitions[spans[kind].first : spans[kind].last + 1])
            score = (*known[kind].score, order[kind])
            if score[0] >= least and (best is None or score > best[0]):
                best = (score, known[kind])
        return best[1] if best else None

    def _loop(self, inside: Mapping[Definition, Axis], bound: frozenset[Axis]) -> list[Step]:
        """The loop, and before it the folds over it that begin."""
        shared = next(iter(inside.values()))
        clears: list[Step] = []
        members = []
        for definition, axis in inside.items():
            if axis in definition.folds and definition.array not in self.started:
                self.started.add(definition.array)
                clears.append(Clear(definition, tuple(a for a in definition.axes if a not in bound)))
            members.append(_with_axis(definition, axis, shared))
        return [*clears, Loop(shared, tuple(self.steps(members, bound | {shared})))]


def _bare(definition: Definition) -> Step:
    return Update(definition) if definition.kind else Assign(definition)


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
    return (1 + definition.operations) * prod(a.extent for a in definition.all_axes if a not in bound)


def _stride(definition: Definition, axis: Axis) -> int:
    """How far apart the entries are that the definition touches as the axis runs, all arrays together."""
    return sum(
        prod(read.array.shape[place + 1 :])
        for read in (definition.target, *definition.reads)
        for place, subscript in enumerate(read.subscripts)
        if isinstance(subscript, Position) and subscript.axis is axis
    )
