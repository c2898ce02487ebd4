"""A derivation's formulas, enclosed at a point: every line, every contribution, every sum.

The step check fills a space with the numbers a program had, the room of conforming programs is what the formulas give
from the leaves on. Graphs of scalars are evaluated in balls one by one, tensors as arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy
from flint import arb

from symgrad.checks.enclosure import Arithmetic, Array, Enclosed, Enclosing
from symgrad.checks.entrywise import Labelled, arithmetic, flat_factors, shape_of, sizes_of
from symgrad.checks.extended import Extended
from symgrad.checks.scalar_balls import Balls
from symgrad.checks.tensor_balls import TensorBalls
from symgrad.core.derivation import Derivation, Term
from symgrad.core.expression import Expr, mul
from symgrad.core.graph import Graph, Node
from symgrad.core.indices import Index, delta, entry, free_indices, fresh_index, subscripts_of, total

LIMIT = 500_000
"""Operations of a graph's definitions up to which its tensors are enclosed in balls: some two seconds a point."""


@dataclass
class Space:
    """Enclosures of a graph's lines, where everything is a scalar.

    Args:
        graph: whose lines are evaluated.
        balls: the arithmetic of one number.
        values: the enclosure of each node; grows.
    """

    graph: Graph
    balls: Balls
    values: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def arithmetic(self) -> Arithmetic:
        """How arrays of enclosures are computed."""
        return TensorBalls(self.balls)

    @property
    def note(self) -> str:
        """What a verdict must say about these enclosures."""
        return ""

    def give(self, name: str, number: Any) -> None:
        """Let a name have a number as it is; what is not finite encloses nothing."""
        self.values[name] = self.exact(number)

    def exact(self, number: Any) -> Enclosed:
        """The enclosure of a number."""
        return arb(number)

    def shape(self, node: Node, axes: Sequence[Index] = ()) -> tuple[int, ...]:
        """The shape of a node's value, or of its adjoint after the output's axes."""
        del node, axes  # scalars have none
        return ()

    def value(self, expression: Expr) -> Labelled:
        """An expression, its axes labelled by its free indices."""
        return Labelled(self.balls.value(expression, self.values))

    def line(self, body: Expr, index: Sequence[Index] = ()) -> Enclosed:
        """Every entry of `v[index] = body`."""
        del index
        return self.balls.value(body, self.values)

    def is_extreme(self, side: Expr) -> bool:
        """Whether an expression is the largest or smallest of several entries."""
        del side
        return False

    def contribution(self, derivation: Derivation, term: Term) -> Enclosed:
        """Σ dL/dchild · ∂child/∂parent, the partial as the rules gave it before anything cancelled.

        Torch adds up such terms, and rounds.
        """
        product = self.values[derivation.adjoints[term.child]] * self.line(term.written)
        return self.balls.widened(product, product.abs_upper(), 2)

    def total(self, parts: Sequence[Enclosed]) -> Enclosed:
        """The sum of contributions; one alone is the adjoint, bit for bit."""
        if len(parts) == 1:
            return parts[0]
        ball, magnitude = arb(0), arb(0)
        for part in parts:
            ball, magnitude = ball + part, magnitude + part.abs_upper()
        return self.balls.widened(ball, magnitude, len(parts)) if parts else ball


@dataclass
class TensorSpace(Space):
    """As a space of scalars, for graphs that have tensors.

    Args:
        sizes: the number behind each size's name.
        in_balls: whether there is time for balls; otherwise the arithmetic is extended precision.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    in_balls: bool = True

    @cached_property
    def arithmetic(self) -> Arithmetic:
        """How arrays of enclosures are computed."""
        return TensorBalls(self.balls) if self.in_balls else Extended(self.balls)

    @cached_property
    def _enclosing(self) -> Enclosing:
        return Enclosing(self.graph, self.sizes, self.arithmetic, self.values)

    @property
    def note(self) -> str:
        """What a verdict must say about these enclosures."""
        return "" if self.in_balls else "bounded in extended precision"

    def give(self, name: str, number: Any) -> None:
        """Let a name have numbers as they are; labels are whole numbers."""
        labels = name in self.graph.selectors
        self.values[name] = numpy.asarray(number).astype(numpy.int64) if labels else self.exact(number)

    def exact(self, number: Any) -> Enclosed:
        """The enclosure of a number or an array."""
        return self.arithmetic.exact(number)

    def shape(self, node: Node, axes: Sequence[Index] = ()) -> tuple[int, ...]:
        """The shape of a node's value, or of its adjoint after the output's axes."""
        return shape_of((*(i.size for i in axes), *node.shape), self.sizes)

    def value(self, expression: Expr) -> Labelled:
        """An expression, its axes labelled by its free indices."""
        return self._enclosing.value(expression)

    def line(self, body: Expr, index: Sequence[Index] = ()) -> Enclosed:
        """Every entry of `v[index] = body`."""
        return self._enclosing.line(body, index)

    def is_extreme(self, side: Expr) -> bool:
        """Whether an expression is the largest or smallest of several entries."""
        return self._enclosing.is_extreme(side)

    def contribution(self, derivation: Derivation, term: Term) -> Enclosed:
        """Σ dL/dchild · ∂child/∂parent over all entries, the partial as the rules gave it."""
        return self.line(*pullback(derivation, term))

    def total(self, parts: Sequence[Enclosed]) -> Enclosed:
        """The sum of contributions; one alone is the adjoint, bit for bit."""
        if not parts:
            return self.exact(0.0)
        return parts[0] if len(parts) == 1 else self.arithmetic.sum(parts)


def space_of(graph: Graph, balls: Balls, values: Mapping[str, Any], work: Graph | None = None) -> Space:
    """The space for a graph.

    Args:
        graph: whose lines are evaluated.
        balls: how far every operation is widened.
        values: of the leaves at least; their shapes tell the sizes.
        work: the part of the graph whose arithmetic decides between balls and extended precision.
    """
    if not graph.has_tensors:
        return Space(graph, balls)
    sizes = sizes_of(graph, values)
    return TensorSpace(graph, balls, {}, sizes, arithmetic(work or graph, sizes) <= LIMIT)


def pullback(derivation: Derivation, term: Term) -> tuple[Expr, tuple[Index, ...]]:
    """The line `Σ dL/dchild · ∂child/∂parent`, from the term alone.

    A fixed, repeated or selected subscript is tied to its axis by a delta, none of which is resolved: this is the
    chain rule as it is defined, to compare with what the derivation made of it.
    """
    child, parent = derivation.primal[term.child], derivation.primal[term.parent]
    upstream = entry(derivation.adjoints[term.child], (*derivation.axes, *child.index))
    names = {i.name for i in (*derivation.axes, *child.index, *child.summed, *term.summed)}
    names |= {i.name for i in free_indices(term.written)}
    index: list[Index] = []
    ties: list[Expr] = []
    for subscript, size in zip(subscripts_of(term.occurrence), parent.shape, strict=True):
        own = subscript
        if not isinstance(subscript, Index) or subscript in index:
            own = fresh_index(size, names)
            names.add(own.name)
            ties.append(delta(own, subscript))
        index.append(own)
    summed = [i for i in (*child.index, *term.summed) if i not in index]
    body = mul(upstream, *flat_factors(term.written), *ties)
    return total(body, summed), (*derivation.axes, *index)


def has_shape(number: Any, shape: tuple[int, ...]) -> bool:
    """Whether a program's number has the shape it must have."""
    return not shape if isinstance(number, float) else numpy.shape(number) == shape


def doubles(number: Any) -> Array:
    """A number or an array in double precision."""
    return numpy.asarray(number, dtype=float)
