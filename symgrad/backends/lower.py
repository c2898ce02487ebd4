"""Lowering: from a graph to a straight-line program of array statements.

A line written entry by entry becomes operations on whole arrays: elementwise operations broadcast, sums of products are
contracted, other reductions reduce. An array may lack axes of its node, where its entries do not depend on them. Only
identities that keep every bit are used: `1*x` is `x`, `b**2` is `b*b`, `a*b**-1` is `a/b`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import sympy

from symgrad.backends.arrays import (
    NEW_AXIS,
    Affine,
    Diagonal,
    Finite,
    Full,
    Gather,
    Linear,
    MatrixProduct,
    Positions,
    SizeOf,
    Take,
    TanhPullback,
    reduced,
    view,
    whole,
    word,
)
from symgrad.backends.contract import Ref, contract
from symgrad.backends.straight import Lowered, Recorder
from symgrad.core.expression import (
    HALF,
    ONE,
    Expr,
    add,
    cases,
    is_negative,
    mul,
    name_of,
    negative,
    power,
    rebuild,
    symbol,
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
    bound_indices,
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
) -> Lowered:
    """Lower the part of a graph that its outputs need.

    Args:
        graph: what to compute.
        outputs: names of the nodes to return, in order.
        leaves: names of the inputs, in order.
        native: whether the backend has a function; the others are written by their definitions.
        fused: whether it has single calls for logsumexp and for `a @ b + c`.

    Returns:
        The program; all its symbols are generated, none is a user's name.
    """
    needed = graph.ancestors(*outputs)
    lowering = _Lowering(graph, native, fused)
    inputs = tuple((leaf, lowering.record.new(constant=False)) for leaf in leaves)
    for leaf, stand_in in inputs:
        lowering.add_leaf(graph[leaf], stand_in)
    for node in graph.nodes:
        if node.name in needed and node.body is not None:
            lowering.add(node)
    results = tuple(lowering.result(graph[output]) for output in outputs)
    return lowering.record.finish(inputs, results, graph.has_tensors)


@dataclass
class _Lowering:
    graph: Graph
    native: Callable[[Row], bool]
    fused: bool
    record: Recorder = field(default_factory=Recorder)
    stored: dict[str, _Stored] = field(default_factory=dict)
    sizes: dict[str, Expr] = field(default_factory=dict)
    order: dict[Index, int] = field(default_factory=dict)

    def add_leaf(self, leaf: Node, stand_in: sympy.Symbol) -> None:
        """An input, and the sizes that its shape tells."""
        self.stored[leaf.name] = _Stored(stand_in, tuple(range(leaf.rank)))
        for axis, size in enumerate(leaf.shape):
            if isinstance(size, str):
                self.sizes.setdefault(size, SizeOf(stand_in, sympy.Integer(axis)))

    def add(self, node: Node) -> None:
        """One line."""
        assert node.body is not None
        if node.shape or self.graph.has_tensors:
            self.order = {index: position for position, index in enumerate((*node.index, *bound_indices(node.body)))}
        ref = self.value(node.body)
        self.stored[node.name] = _Stored(ref.array, tuple(node.index.index(i) for i in ref.axes))
        if isinstance(ref.array, sympy.Symbol):
            self.record.labels.setdefault(ref.array, node.name)

    def result(self, node: Node) -> Expr:
        """A node's whole array, its axes in their order."""
        array, axes = self.stored[node.name]
        if axes == tuple(range(node.rank)):
            return array
        order = tuple(axes.index(a) if a in axes else NEW_AXIS for a in range(node.rank))
        if len(axes) == node.rank:
            return self.operation(view(array, order))
        shape = sympy.Tuple(*(self.extent(size) for size in node.shape))
        return self.operation(Full(view(array, order), shape))

    def extent(self, size: Extent) -> Expr:
        """A size as a number of the program."""
        if isinstance(size, int):
            return sympy.Integer(size)
        if size not in self.sizes:
            raise BackendError(f"nothing tells the size {size!r}: no leaf of the program has an axis of it.")
        return self.operation(self.sizes[size])

    def operation(self, operation: Expr) -> Expr:
        return self.record.operation(operation)

    def value(self, expression: Expr) -> Ref:
        """What holds the expression's value; its operations are recorded on the way."""
        match expression:
            case Index():
                return Ref(self.operation(Positions(self.extent(expression.size))), (expression,))
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
                return self.added(expression.args)
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
        return self.elementwise(expression, [self.value(argument) for argument in expression.args])

    # elementwise

    def elementwise(self, expression: Expr, arguments: Sequence[Ref]) -> Ref:
        """The expression's operation on whole arrays, broadcast."""
        axes = self.joined(arguments)
        aligned = tuple(self.aligned(argument, axes) for argument in arguments)
        return Ref(self.operation(rebuild(expression, aligned)), axes)

    def joined(self, refs: Sequence[Ref]) -> tuple[Index, ...]:
        """The axes of a result: the largest operand's order if it has them all, else the line's."""
        if not any(ref.axes for ref in refs):
            return ()
        every = dict.fromkeys(i for ref in refs for i in ref.axes)
        in_order = tuple(sorted(every, key=lambda i: self.order.get(i, len(self.order))))
        if any(ref.axes == in_order for ref in refs):
            return in_order
        return next((ref.axes for ref in refs if len(ref.axes) == len(every)), in_order)

    def aligned(self, ref: Ref, axes: tuple[Index, ...]) -> Expr:
        """The array with new axes where it lacks some, so that it broadcasts to `axes`."""
        if not ref.axes or ref.axes == axes[len(axes) - len(ref.axes) :]:
            return ref.array
        return view(ref.array, tuple(ref.axes.index(i) if i in ref.axes else NEW_AXIS for i in axes))

    def product(self, expression: sympy.Mul) -> Ref:
        if self.graph.has_tensors and is_negative(expression):
            return self.negated(self.value(without_sign(expression)))
        if self.fused and (pulled := self._tanh_pullback(expression)) is not None:
            return pulled
        parts = self.factors(expression)
        if not any(ref.axes for ref, _ in parts):
            in_turn = [power(ref.array, -1) if divides else ref.array for ref, divides in parts]
            return Ref(self.operation(mul(*(f for f in in_turn if f != ONE))))
        return self.divided(self.multiplied([f for f, below in parts if not below]), [f for f, below in parts if below])

    def _tanh_pullback(self, expression: sympy.Mul) -> Ref | None:
        """A product with a factor `1 - a**2`, as one call."""
        for position, factor in enumerate(expression.args):
            match factor:
                case sympy.Add(
                    args=(sympy.Integer(p=1), sympy.Mul(args=(sympy.Integer(p=-1), sympy.Pow(exp=2) as square)))
                ):
                    rest = self.value(mul(*expression.args[:position], *expression.args[position + 1 :]))
                    own = self.value(square.base)
                    if rest.axes == own.axes:
                        return Ref(self.operation(TanhPullback(rest.array, own.array)), own.axes)
        return None

    def negated(self, ref: Ref) -> Ref:
        """The negative, its sign outermost, where a sum can take it in."""
        return Ref(self.operation(negative(ref.array)), ref.axes)

    def factors(self, expression: Expr) -> list[tuple[Ref, bool]]:
        """The factors, and whether each divides: `a/b` is divided and not multiplied by `1/b`."""
        parts = expression.args if isinstance(expression, sympy.Mul) else (expression,)
        return [(self.value(power(f.base, -f.exp)), True) if _is_divisor(f) else (self.value(f), False) for f in parts]

    def multiplied(self, factors: Sequence[Ref]) -> Ref:
        """The elementwise product, small operands first."""
        ordered = sorted((f for f in factors if f.array != ONE), key=lambda f: len(f.axes))
        if not ordered:
            return Ref(ONE)
        axes = self.joined(ordered)
        return Ref(self.operation(mul(*(self.aligned(f, axes) for f in ordered))), axes)

    def divided(self, ref: Ref, divisors: Sequence[Ref]) -> Ref:
        if not divisors:
            return ref
        axes = self.joined([ref, *divisors])
        below = [power(self.aligned(d, axes), -1) for d in divisors]
        above = self.aligned(ref, axes)
        return Ref(self.operation(mul(*([] if above == ONE else [above]), *below)), axes)

    def power(self, expression: sympy.Pow) -> Ref:
        base, exponent = expression.args
        if exponent == 1:
            return self.value(base)
        if isinstance(exponent, sympy.Rational) and exponent < 0:
            below = self.value(power(base, -exponent))
            return Ref(self.operation(power(below.array, -1)), below.axes)
        raised = self.value(base)
        if exponent in (2, 3):
            return Ref(self.operation(mul(*[raised.array] * int(exponent))), raised.axes)
        if exponent == HALF:
            return Ref(self.operation(power(raised.array, HALF)), raised.axes)
        return self.elementwise(expression, [raised, self.value(exponent)])

    def cases(self, expression: sympy.Piecewise) -> Ref:
        parts: list[Ref] = []
        for branch, condition in expression.args:
            parts.append(self.value(branch))
            parts += [] if condition is sympy.true else [self.value(side) for side in condition.args]
        axes = self.joined(parts)
        arrays = iter([self.aligned(part, axes) for part in parts])
        pairs = []
        for _, given in expression.args:
            branch, condition = next(arrays), given
            if condition is not sympy.true:
                condition = rebuild(condition, tuple(next(arrays) for _ in condition.args))
            pairs.append((branch, condition))
        return Ref(self.operation(cases(*pairs)), axes)

    # entries

    def entry(self, occurrence: sympy.Indexed) -> Ref:
        """`v[J]`: an array with its axes named; fixed, repeated and selected subscripts first."""
        stored = self.stored[name_of(occurrence)]
        labels = [subscripts_of(occurrence)[axis] for axis in stored.axes]
        array = stored.array
        if any(not isinstance(label, Index) and not label.is_Integer for label in labels):
            return self.gathered(array, labels)
        while (fixed := next((axis for axis, label in enumerate(labels) if label.is_Integer), None)) is not None:
            array, labels = self._taken(array, labels, fixed)
        while (twice := _first_repeated(labels)) is not None:
            first, second = twice
            array = self.operation(Diagonal(array, sympy.Integer(first), sympy.Integer(second)))
            label = labels[first]
            labels = [*(label for axis, label in enumerate(labels) if axis not in twice), label]
        return Ref(array, tuple(labels))

    def _taken(self, array: Expr, labels: list[Expr], axis: int) -> tuple[Expr, list[Expr]]:
        taken = self.operation(Take(array, sympy.Integer(axis), labels[axis]))
        return taken, [*labels[:axis], *labels[axis + 1 :]]

    def gathered(self, array: Expr, labels: Sequence[Expr]) -> Ref:
        """Entries selected by leaves of integers."""
        positions = [self.value(label) for label in labels]
        axes = self.joined(positions)
        return Ref(self.operation(Gather(array, *(self.aligned(p, axes) for p in positions))), axes)

    # reductions

    def sum(self, expression: SumOver) -> Ref:
        body, indices = expression.body, expression.indices
        if isinstance(body, sympy.Add) and any(_is_product(term) for term in body.args):
            return self.joined_sum([(self.sum_of(_unsigned(t), indices), is_negative(t)) for t in body.args])
        return self.sum_of(body, indices)

    def added(self, terms: Sequence[Expr]) -> Ref:
        """A sum of terms; signs stay outside what has to be aligned."""
        return self.joined_sum([(self.value(_unsigned(term)), is_negative(term)) for term in terms])

    def joined_sum(self, terms: Sequence[tuple[Ref, bool]]) -> Ref:
        """The sum of arrays, some of them negative."""
        axes = self.joined([ref for ref, _ in terms])
        if self.fused and (affine := self._affine(terms, axes)) is not None:
            return Ref(affine, axes)
        aligned = [(self.aligned(ref, axes), minus) for ref, minus in terms]
        signed = [self.operation(negative(array)) if minus else array for array, minus in aligned]
        return Ref(self.operation(add(*signed)), axes)

    def _affine(self, terms: Sequence[tuple[Ref, bool]], axes: tuple[Index, ...]) -> Expr | None:
        """A matrix product and a row added to it, as one call."""
        match terms:
            case [(Ref(sympy.Symbol() as product, both), False), (Ref(_, row), False)] if (
                both == axes and row == axes[1:]
            ):
                made = self.record.operations.get(product)
                if len(axes) == 2 and isinstance(made, MatrixProduct):
                    return self.operation(Affine(*made.args, terms[1][0].array))
        return None

    def sum_of(self, body: Expr, indices: Sequence[Index]) -> Ref:
        """Σ of one term: a contraction where it is a product."""
        if is_negative(body):
            return self.negated(self.sum_of(without_sign(body), indices))
        parts = self.factors(body)
        factors, divisors = [f for f, below in parts if not below], [f for f, below in parts if below]
        outside = [d for d in divisors if not set(d.axes) & set(indices)]
        for divisor in (d for d in divisors if d not in outside):
            home = next((n for n, f in enumerate(factors) if set(divisor.axes) <= set(f.axes)), None)
            if home is None:
                factors.append(self.divided(Ref(ONE), [divisor]))
            else:
                factors[home] = self.divided(factors[home], [divisor])
        scalars = [f for f in factors if not f.axes]
        present = [i for i in indices if any(i in f.axes for f in factors)]
        scalars += [Ref(self.extent(i.size)) for i in indices if i not in present]
        arrays = [f for f in factors if f.axes]
        if arrays:
            scalars.append(contract(arrays, present, self.order, self.multiplied, self.operation))
        return self.divided(self.multiplied(scalars), outside)

    def reduction(self, expression: Reduction) -> Ref:
        """Products, extremes and logsumexp, the last without overflow."""
        body = self.value(expression.body)
        missing = [i for i in expression.indices if i not in body.axes]
        if missing:  # max of a constant is the constant, but a product or a logsumexp counts how many there are
            axes = (*missing, *body.axes)
            shape = sympy.Tuple(*(self.extent(i.size) for i in axes))
            body = Ref(self.operation(Full(body.array, shape)), axes)
        if self.fused or not isinstance(expression, LogSumExpOver):
            return self.reduced(body, expression.kind, expression.indices)
        largest = self.reduced(body, "max", expression.indices)
        shift = Ref(self.operation(Finite(largest.array, largest.array)), largest.axes)
        below = self.joined_sum([(body, False), (shift, True)])
        raised = self.elementwise(sympy.exp(symbol("_"), evaluate=False), [below])
        total = self.reduced(raised, "sum", expression.indices)
        return self.joined_sum(
            [(shift, False), (self.elementwise(sympy.log(symbol("_"), evaluate=False), [total]), False)]
        )

    def reduced(self, ref: Ref, kind: str, indices: Sequence[Index]) -> Ref:
        made = reduced(ref.array, kind, (ref.axes.index(i) for i in indices), len(ref.axes))
        return Ref(self.operation(made), tuple(i for i in ref.axes if i not in indices))

    def matrix_function(self, expression: MatrixFunction) -> Ref:
        operands = [self.result(self.graph[name_of(operand)]) for operand in expression.operands]
        array = self.operation(Linear(word(expression.kind), *operands))
        labels = list(expression.subscripts)
        while (fixed := next((axis for axis, label in enumerate(labels) if label.is_Integer), None)) is not None:
            array, labels = self._taken(array, labels, fixed)
        if (twice := _first_repeated(labels)) is not None:
            array = self.operation(Diagonal(array, *whole(twice)))
            labels = labels[:1]
        return Ref(array, tuple(labels))


def _unsigned(term: Expr) -> Expr:
    return without_sign(term) if is_negative(term) else term


def _is_divisor(factor: Expr) -> bool:
    return isinstance(factor, sympy.Pow) and isinstance(factor.exp, sympy.Rational) and factor.exp < 0


def _is_product(term: Expr) -> bool:
    factors = [f for f in term.args if not f.is_Number] if isinstance(term, sympy.Mul) else []
    return len(factors) > 1 or _is_divisor(term)


def _first_repeated(labels: Sequence[Expr]) -> tuple[int, int] | None:
    """Two axes with the same subscript."""
    for second, label in enumerate(labels):
        if label in labels[:second]:
            return labels.index(label), second
    return None
