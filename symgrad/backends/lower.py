"""Lowering: from a graph to a straight-line program of array statements.

A line written entry by entry becomes operations on whole arrays: elementwise operations broadcast, sums of products are
contracted, other reductions reduce. An array may lack axes of its node, where its entries do not depend on them. Only
identities that keep every bit are used: `1*x` is `x`, `b**2` is `b*b`, `a*b**-1` is `a/b`. Two things are computed
otherwise than they are written: sums, whose order is the library's, and a softmax, which avoids its logsumexp.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import sympy

from symgrad.backends.arrays import (
    NEW_AXIS,
    Copy,
    Diagonal,
    Full,
    Gather,
    IndexAdd,
    Linear,
    Positions,
    SizeOf,
    Take,
    TanhPullback,
    View,
    view,
    whole,
    word,
)
from symgrad.backends.blocks import in_blocks
from symgrad.backends.broadcast import Broadcast
from symgrad.backends.contract import Ref
from symgrad.backends.fused import log_softmaxes, picked, quotients, softmaxes, through_tanh
from symgrad.backends.scales import unscaled
from symgrad.backends.selections import Selection, selection
from symgrad.backends.straight import Lowered
from symgrad.backends.sums import summed_early
from symgrad.core.expression import (
    HALF,
    ONE,
    Expr,
    cases,
    is_negative,
    mul,
    name_of,
    power,
    rebuild,
    without_sign,
)
from symgrad.core.graph import Graph, Node
from symgrad.core.indices import (
    Extent,
    Index,
    LogSumExpOver,
    MatrixFunction,
    Reduction,
    Size,
    SumOver,
    free_indices,
    subscripts_of,
)
from symgrad.errors import BackendError
from symgrad.functions import Row, row_of


class _Stored(NamedTuple):
    """A node's array, and which of the node's axes each of its axes is."""

    array: Expr
    axes: tuple[int, ...] = ()


def lower(
    graph: Graph,
    outputs: Sequence[str],
    leaves: Sequence[str],
    native: Callable[[Row], bool],
    *,
    fused: bool = False,
    blocks: bool = False,
) -> Lowered:
    """Lower the part of a graph that its outputs need.

    Args:
        graph: what to compute.
        outputs: names of the nodes to return, in order.
        leaves: names of the inputs, in order.
        native: whether the backend has a function; the others are written by their definitions.
        fused: whether it has single calls for logsumexp and for the patterns of `fused`.
        blocks: whether to go through many samples block by block where that can be done.

    Returns:
        The program; all its symbols are generated, none is a user's name.
    """
    if graph.has_tensors:
        graph = summed_early(graph, outputs)
    needed = graph.ancestors(*outputs)
    arrays = Broadcast(fused)
    lowering = _Lowering(graph, native, arrays)
    inputs = tuple((leaf, arrays.record.new(constant=False)) for leaf in leaves)
    for leaf, stand_in in inputs:
        lowering.add_leaf(graph[leaf], stand_in)
    for node in graph.nodes:
        if node.name in needed and node.body is not None:
            lowering.add(node)
    results = tuple(lowering.result(graph[output]) for output in outputs)
    if fused:
        softmaxes(arrays.record, results)
        log_softmaxes(arrays.record, results)
    else:
        quotients(arrays.record, results, arrays.exponentials)
    shapes = {stand_in: graph[leaf].shape for leaf, stand_in in inputs}
    plan = in_blocks(arrays.record, shapes, results, lowering.sizes) if blocks and graph.has_tensors else None
    return arrays.record.finish(inputs, results, graph.has_tensors, plan)


@dataclass
class _Lowering:
    graph: Graph
    native: Callable[[Row], bool]
    arrays: Broadcast
    stored: dict[str, _Stored] = field(default_factory=dict)
    sizes: dict[str, Expr] = field(default_factory=dict)
    taken: set[Expr] = field(default_factory=set)

    def add_leaf(self, leaf: Node, stand_in: sympy.Symbol) -> None:
        """An input, and the sizes that its shape tells."""
        self.stored[leaf.name] = _Stored(stand_in, tuple(range(leaf.rank)))
        self.taken.add(stand_in)
        for axis, size in enumerate(leaf.shape):
            if isinstance(size, str):
                self.sizes.setdefault(size, SizeOf(stand_in, sympy.Integer(axis)))

    def add(self, node: Node) -> None:
        """One line."""
        assert node.body is not None
        if node.shape or self.graph.has_tensors:
            self.arrays.order = {i: position for position, i in enumerate((*node.index, *node.summed))}
        ref = self.value(node.body)
        self.stored[node.name] = _Stored(ref.array, tuple(node.index.index(i) for i in ref.axes))
        if isinstance(ref.array, sympy.Symbol):
            self.arrays.record.labels.setdefault(ref.array, node.name)

    def result(self, node: Node) -> Expr:
        """A node's whole array, to be written to at will: neither an input's memory nor another result's."""
        made = memory = self.whole(node)
        if not node.rank:
            return made
        operations = self.arrays.record.operations
        while isinstance(read := operations.get(memory), (View, Take, Diagonal)):
            memory = read.args[0]
        if memory in self.taken or isinstance(operations.get(made), Diagonal):
            made = memory = self.arrays.operation(Copy(made, sympy.Integer(len(self.taken))))
            self.arrays.record.labels[made] = node.name
        self.taken.add(memory)
        return made

    def whole(self, node: Node) -> Expr:
        """A node's whole array, its axes in their order."""
        array, axes = self.stored[node.name]
        if axes == tuple(range(node.rank)):
            return array
        order = tuple(axes.index(a) if a in axes else NEW_AXIS for a in range(node.rank))
        if len(axes) == node.rank:
            return self.arrays.operation(view(array, order))
        shape = sympy.Tuple(*(self.extent(size) for size in node.shape))
        return self.arrays.operation(Full(view(array, order), shape))

    def extent(self, size: Extent) -> Expr:
        """A size as a number of the program."""
        if isinstance(size, int):
            return sympy.Integer(size)
        if size not in self.sizes:
            raise BackendError(f"nothing tells the size {size!r}: no leaf of the program has an axis of it.")
        made = self.arrays.operation(self.sizes[size])
        self.arrays.record.labels.setdefault(made, size)
        return made

    def value(self, expression: Expr) -> Ref:
        """What holds the expression's value; its operations are recorded on the way."""
        match expression:
            case Index():
                return Ref(self.arrays.operation(Positions(self.extent(expression.size))), (expression,))
            case Size():
                return Ref(self.extent(expression.name))
            case sympy.Symbol():
                return Ref(self.stored[name_of(expression)].array)
            case sympy.Indexed():
                return self.entry(expression)
            case sympy.Number() | sympy.NumberSymbol():
                return Ref(expression)
            case sympy.Mul():
                return self.product(expression)
            case sympy.Add() if self.graph.has_tensors:
                return self.terms(expression.args)
            case sympy.Pow():
                return self.power(expression)
            case sympy.Piecewise():
                return self.cases(expression)
            case SumOver():
                return self.sum(expression)
            case Reduction():
                return self.reduction(expression)
            case MatrixFunction():
                return self.matrix_function(expression)
            case sympy.Function():
                row = row_of(expression)
                if not self.native(row):
                    assert row.definition is not None
                    return self.value(row.definition(*expression.args))
        return self.arrays.elementwise(expression, [self.value(argument) for argument in expression.args])

    def product(self, expression: sympy.Mul) -> Ref:
        if self.graph.has_tensors and is_negative(expression):
            return self.arrays.negated(self.value(without_sign(expression)))
        if self.arrays.fused and (pulled := self.tanh_pullback(expression)) is not None:
            return pulled
        parts = self.factors(expression)
        if not any(ref.axes for ref, _ in parts):
            in_turn = [power(ref.array, -1) if divides else ref.array for ref, divides in parts]
            return Ref(self.arrays.operation(mul(*(f for f in in_turn if f != ONE))))
        return self.arrays.divided(
            self.arrays.multiplied([f for f, below in parts if not below]), [f for f, below in parts if below]
        )

    def tanh_pullback(self, expression: sympy.Mul) -> Ref | None:
        """A product with a factor `1 - a**2`, as one call."""
        if (found := through_tanh(expression)) is None:
            return None
        rest, own = (self.value(part) for part in found)
        if rest.axes != own.axes:
            return None
        return Ref(self.arrays.operation(TanhPullback(rest.array, own.array)), own.axes)

    def factors(self, expression: Expr) -> list[tuple[Ref, bool]]:
        """The factors, and whether each divides: `a/b` is divided and not multiplied by `1/b`."""
        parts = expression.args if isinstance(expression, sympy.Mul) else (expression,)
        return [(self.value(power(f.base, -f.exp)), True) if _is_divisor(f) else (self.value(f), False) for f in parts]

    def power(self, expression: sympy.Pow) -> Ref:
        base, exponent = expression.args
        if exponent == 1:
            return self.value(base)
        if isinstance(exponent, sympy.Rational) and exponent < 0:
            below = self.value(power(base, -exponent))
            return Ref(self.arrays.operation(power(below.array, -1)), below.axes)
        raised = self.value(base)
        if exponent in (2, 3):
            return Ref(self.arrays.operation(mul(*[raised.array] * int(exponent))), raised.axes)
        if exponent == HALF:
            return Ref(self.arrays.operation(power(raised.array, HALF)), raised.axes)
        return self.arrays.elementwise(expression, [raised, self.value(exponent)])

    def cases(self, expression: sympy.Piecewise) -> Ref:
        parts: list[Ref] = []
        for branch, condition in expression.args:
            parts.append(self.value(branch))
            parts += [] if condition is sympy.true else [self.value(side) for side in condition.args]
        axes = self.arrays.joined(parts)
        arrays = iter([self.arrays.aligned(part, axes) for part in parts])
        pairs = []
        for _, given in expression.args:
            branch, condition = next(arrays), given
            if condition is not sympy.true:
                condition = rebuild(condition, tuple(next(arrays) for _ in condition.args))
            pairs.append((branch, condition))
        return Ref(self.arrays.operation(cases(*pairs)), axes)

    # entries

    def entry(self, occurrence: sympy.Indexed) -> Ref:
        """`v[J]`: an array with its axes named; fixed, repeated and selected subscripts first."""
        stored = self.stored[name_of(occurrence)]
        labels = [subscripts_of(occurrence)[axis] for axis in stored.axes]
        array = stored.array
        if any(not isinstance(label, Index) and not label.is_Integer for label in labels):
            return self.gathered(array, labels)
        return self.arrays.at(array, labels)

    def gathered(self, array: Expr, labels: Sequence[Expr]) -> Ref:
        """Entries selected by leaves of integers; an axis that is only passed through stands last, and stays whole."""
        positions = [self.value(label) for label in labels]
        if self.arrays.fused and (one_call := picked(array, labels, positions, self.arrays.record)) is not None:
            return one_call
        kept = [axis for axis, label in enumerate(labels) if _passes_through(label, labels)]
        selecting = [axis for axis in range(len(labels)) if axis not in kept]
        axes = self.arrays.joined([positions[axis] for axis in selecting])
        aligned = (self.arrays.aligned(positions[axis], axes) for axis in selecting)
        made = Gather(view(array, (*selecting, *kept)), *aligned)
        return Ref(self.arrays.operation(made), (*axes, *(labels[axis] for axis in kept)))

    # reductions

    def sum(self, expression: SumOver) -> Ref:
        body, indices = expression.body, expression.indices
        if isinstance(body, sympy.Add) and any(_is_product(term) for term in body.args):
            return self.arrays.added([(self.sum_of(_unsigned(t), indices), is_negative(t)) for t in body.args])
        return self.sum_of(body, indices)

    def terms(self, terms: Sequence[Expr]) -> Ref:
        """A sum of terms; signs stay outside what has to be aligned."""
        return self.arrays.added([(self.value(_unsigned(term)), is_negative(term)) for term in terms])

    def sum_of(self, body: Expr, indices: Sequence[Index]) -> Ref:
        """Σ of one term: a contraction where it is a product."""
        body = unscaled(body, self.graph)
        if is_negative(body):
            return self.arrays.negated(self.sum_of(without_sign(body), indices))
        if (found := selection(body, indices, self.graph)) is not None:
            return self.added_up(found, indices)
        parts = self.factors(body)
        factors, divisors = [f for f, below in parts if not below], [f for f, below in parts if below]
        outside = [d for d in divisors if not set(d.axes) & set(indices)]
        for divisor in (d for d in divisors if d not in outside):
            home = next((n for n, f in enumerate(factors) if set(divisor.axes) <= set(f.axes)), None)
            if home is None:
                factors.append(self.arrays.divided(Ref(ONE), [divisor]))
            else:
                factors[home] = self.arrays.divided(factors[home], [divisor])
        scalars = [f for f in factors if not f.axes]
        present = [i for i in indices if any(i in f.axes for f in factors)]
        scalars += [Ref(self.extent(i.size)) for i in indices if i not in present]
        arrays = [f for f in factors if f.axes]
        if arrays:
            scalars.append(self.arrays.contracted(arrays, present))
        return self.arrays.divided(self.arrays.multiplied(scalars), outside)

    def added_up(self, selected: Selection, indices: Sequence[Index]) -> Ref:
        """Σ_i [k = t[i]]·a[i]: no array of zeros and ones, which has an entry for every k and i."""
        places = self.value(selected.label)
        inner = [i for i in indices if i not in places.axes]
        terms = self.sum_of(selected.others, inner) if inner else self.value(selected.others)
        missing = [i for i in places.axes if i not in terms.axes]
        if missing:
            terms = self.arrays.filled(terms, missing, [self.extent(i.size) for i in (*missing, *terms.axes)])
        rest = tuple(i for i in terms.axes if i not in places.axes)
        array = self.arrays.operation(self.arrays.aligned(terms, (*places.axes, *rest)))
        ranks = whole((len(places.axes), len(rest)))
        made = IndexAdd(array, array, places.array, self.extent(selected.place.size), ranks)
        return Ref(self.arrays.operation(made), (selected.place, *rest))

    def reduction(self, expression: Reduction) -> Ref:
        """Products, extremes and logsumexp, the last without overflow."""
        body = self.value(expression.body)
        missing = [i for i in expression.indices if i not in body.axes]
        if missing:  # max of a constant is the constant, but a product or a logsumexp counts how many there are
            body = self.arrays.filled(body, missing, [self.extent(i.size) for i in (*missing, *body.axes)])
        if isinstance(expression, LogSumExpOver):
            return self.arrays.logsumexp(body, expression.indices)
        return self.arrays.reduced(body, expression.kind, expression.indices)

    def matrix_function(self, expression: MatrixFunction) -> Ref:
        operands = [self.whole(self.graph[name_of(operand)]) for operand in expression.operands]
        array = self.arrays.operation(Linear(word(expression.kind), *operands))
        return self.arrays.at(array, list(expression.subscripts))


def _passes_through(label: Expr, labels: Sequence[Expr]) -> bool:
    """Whether a subscript is an index that stands in no other."""
    return isinstance(label, Index) and sum(label in free_indices(other) for other in labels) == 1


def _unsigned(term: Expr) -> Expr:
    return without_sign(term) if is_negative(term) else term


def _is_divisor(factor: Expr) -> bool:
    return isinstance(factor, sympy.Pow) and isinstance(factor.exp, sympy.Rational) and factor.exp < 0


def _is_product(term: Expr) -> bool:
    factors = [f for f in term.args if not f.is_Number] if isinstance(term, sympy.Mul) else []
    return len(factors) > 1 or _is_divisor(term)
