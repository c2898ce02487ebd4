"""Lowering: from a graph to a straight-line program of elementary array statements.

Each operation is computed once, wherever in primal or gradient it stands: equal operations on equal operands are one
vertex (value numbering; Cocke and Schwartz, 1970). What is read once is written where it is read. Only identities that
keep every bit are used: `1*x` is `x`, `b**2` is `b*b`, `a*b**-1` is `a/b`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import sympy

from symgrad.core.expression import HALF, ONE, Expr, cases, mul, name_of, power, rebuild, substitute, symbol
from symgrad.core.graph import Graph, Node
from symgrad.functions import Elementary, Row, row_of

INLINE_LIMIT = 12
"""How many operations a statement may hold before its parts get statements of their own."""

WIDTH_LIMIT = 40
"""How many terms or factors stand in one statement."""


class Total(Elementary):
    """The sum over the sample axis."""

    nargs = 1


@dataclass(frozen=True)
class Statement:
    """`target = expression`, with the user's name for it where it has one."""

    target: sympy.Symbol
    expression: Expr
    label: str = ""


@dataclass(frozen=True)
class Lowered:
    """A straight-line program.

    Args:
        inputs: the leaves' names, in order, and the symbols that stand for them.
        constants: statements that need no input; they run once.
        statements: the others, in order.
        results: one a requested output.
    """

    inputs: tuple[tuple[str, sympy.Symbol], ...]
    constants: tuple[Statement, ...]
    statements: tuple[Statement, ...]
    results: tuple[Expr, ...]


def lower(graph: Graph, outputs: Sequence[str], leaves: Sequence[str], native: Callable[[Row], bool]) -> Lowered:
    """Lower the part of a graph that its outputs need.

    Args:
        graph: a scalar graph, or one with a sample index.
        outputs: names of the nodes to return, in order.
        leaves: names of the inputs, in order.
        native: whether the backend has a function; the others are written by their definitions.

    Returns:
        The program; all its symbols are generated, none is a user's name.
    """
    needed = graph.ancestors(*outputs)
    lowering = _Lowering(native)
    inputs = tuple((leaf, lowering.new(constant=False)) for leaf in leaves)
    for leaf, stand_in in inputs:
        lowering.values[leaf] = stand_in
    for node in graph.nodes:
        if node.name in needed and node.body is not None:
            lowering.add(node)
    results = tuple(lowering.values[output] for output in outputs)
    return lowering.finish(inputs, results)


@dataclass
class _Lowering:
    native: Callable[[Row], bool]
    values: dict[str, Expr] = field(default_factory=dict)
    known: dict[Expr, sympy.Symbol] = field(default_factory=dict)
    operations: dict[sympy.Symbol, Expr] = field(default_factory=dict)
    labels: dict[sympy.Symbol, str] = field(default_factory=dict)
    constants: set[sympy.Symbol] = field(default_factory=set)
    count: int = 0

    def new(self, constant: bool) -> sympy.Symbol:
        made = symbol(f"v{self.count}")
        self.count += 1
        if constant:
            self.constants.add(made)
        return made

    def add(self, node: Node) -> None:
        assert node.body is not None
        value = self.value(node.body)
        if node.summed:
            value = self.operation(Total(value))
        self.values[node.name] = value
        if isinstance(value, sympy.Symbol):
            self.labels.setdefault(value, node.name)

    def value(self, expression: Expr) -> Expr:
        """A symbol or a number that holds the expression's value; its operations are recorded on the way."""
        match expression:
            case sympy.Symbol() | sympy.Indexed():
                return self.values[name_of(expression)]
            case sympy.Number() | sympy.NumberSymbol():
                return expression
            case sympy.Mul():
                factors = [self.factor(f) for f in expression.args]
                return self.operation(mul(*(f for f in factors if f != ONE)))
            case sympy.Pow():
                return self.power(expression)
            case sympy.Piecewise():
                pairs = [(self.value(e), c if c is sympy.true else self.condition(c)) for e, c in expression.args]
                return self.operation(cases(*pairs))
            case sympy.Function():
                row = row_of(expression)
                if not self.native(row):
                    assert row.definition is not None
                    return self.value(row.definition(*expression.args))
        return self.operation(rebuild(expression, tuple(self.value(argument) for argument in expression.args)))

    def factor(self, factor: Expr) -> Expr:
        """A factor of a product; a divisor stays one, so that `a/b` is divided and not multiplied by `1/b`."""
        if isinstance(factor, sympy.Pow) and isinstance(factor.exp, sympy.Rational) and factor.exp < 0:
            return power(self.value(power(factor.base, -factor.exp)), -1)
        return self.value(factor)

    def condition(self, condition: sympy.Basic) -> sympy.Basic:
        return rebuild(condition, tuple(self.value(side) for side in condition.args))

    def power(self, expression: sympy.Pow) -> Expr:
        base, exponent = expression.args
        if exponent == 1:
            return self.value(base)
        if isinstance(exponent, sympy.Rational) and exponent < 0:
            return self.operation(power(self.value(power(base, -exponent)), -1))
        if exponent in (2, 3):
            return self.operation(mul(*[self.value(base)] * int(exponent)))
        if exponent == HALF:
            return self.operation(power(self.value(base), HALF))
        return self.operation(power(self.value(base), self.value(exponent)))

    def operation(self, operation: Expr) -> Expr:
        """The symbol of an operation on symbols and numbers, new or known."""
        if operation.is_Atom:
            return operation
        if isinstance(operation, (sympy.Add, sympy.Mul)) and len(operation.args) > WIDTH_LIMIT:
            # in turn, as before, but not in one statement: Python's compiler nests as deep as a sum is wide
            head = self.operation(rebuild(operation, operation.args[:WIDTH_LIMIT]))
            return self.operation(rebuild(operation, (head, *operation.args[WIDTH_LIMIT:])))
        if operation not in self.known:
            target = self.new(constant=self.constants.issuperset(_reads(operation)))
            self.known[operation] = target
            self.operations[target] = operation
        return self.known[operation]

    def finish(self, inputs: tuple[tuple[str, sympy.Symbol], ...], results: tuple[Expr, ...]) -> Lowered:
        """Dead code left out, single uses written in place."""
        uses: dict[Expr, int] = {}
        for result in results:
            uses[result] = uses.get(result, 0) + 2  # a result is always a statement
        for target, operation in reversed(self.operations.items()):
            if target in uses:
                for read in _reads(operation):
                    uses[read] = uses.get(read, 0) + 1
        constants: list[Statement] = []
        statements: list[Statement] = []
        inlined: dict[sympy.Basic, Expr] = {}
        sizes: dict[sympy.Basic, int] = {}
        for target, operation in self.operations.items():
            if target not in uses:
                continue
            reads = _reads(operation)
            size = 1 + sum(sizes.get(read, 0) for read in reads)
            if uses[target] == 1 and size <= INLINE_LIMIT and target not in self.constants:
                inlined[target], sizes[target] = substitute(operation, inlined), size
                continue
            statement = Statement(target, substitute(operation, inlined), self.labels.get(target, ""))
            (constants if target in self.constants else statements).append(statement)
        return Lowered(inputs, tuple(constants), tuple(statements), results)


def _reads(operation: Expr) -> list[sympy.Symbol]:
    """The symbols an operation reads, with repetitions."""
    found, stack = [], [operation]
    while stack:
        part = stack.pop()
        if isinstance(part, sympy.Symbol):
            found.append(part)
        else:
            stack.extend(part.args)
    return found
