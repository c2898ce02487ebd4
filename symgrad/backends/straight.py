"""A straight-line program in the making: each operation once, single uses written in place.

Equal operations on equal operands are one vertex (value numbering; Cocke and Schwartz, 1970), wherever in primal or
gradient they stand. What is read once is written where it is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sympy

from symgrad.backends.arrays import ArrayOperation, SizeOf
from symgrad.core.expression import Expr, rebuild, substitute, symbol

INLINE_LIMIT = 12
"""How many operations a statement may hold before its parts get statements of their own."""

WIDTH_LIMIT = 40
"""How many terms or factors stand in one statement."""


@dataclass(frozen=True)
class Statement:
    """`target = expression`, with the user's name for it where it has one.

    Args:
        target: what is assigned.
        expression: what to.
        label: the user's name for it.
        plain: whether it is a plain Python number, made of constants and sizes alone.
    """

    target: sympy.Symbol
    expression: Expr
    label: str = ""
    plain: bool = False


@dataclass(frozen=True)
class Blocks:
    """How a program goes through its samples.

    Args:
        leaves: the inputs to take block by block, along their first axis.
        inside: what is made in each block.
        totals: those of `inside` that are added up over the blocks.
        after: what reads a total.
        width: the sizes whose product is how many entries the largest array made in a block has a sample.
        fewest: rows a block has at least.
    """

    leaves: tuple[sympy.Symbol, ...]
    inside: frozenset[sympy.Symbol]
    totals: frozenset[sympy.Symbol]
    after: frozenset[sympy.Symbol]
    width: tuple[Expr, ...]
    fewest: int

    def region(self, target: sympy.Symbol) -> int:
        """0 before the loop over blocks, 1 in it, 2 after it."""
        return 1 if target in self.inside else 2 if target in self.after else 0


@dataclass(frozen=True)
class Lowered:
    """A straight-line program.

    Args:
        inputs: the leaves' names, in order, and the symbols that stand for them.
        constants: statements that need no input; they run once.
        statements: the others, in order.
        results: one a requested output.
        has_arrays: whether any value has axes.
        blocks: how it goes through its samples, if not all at once.
    """

    inputs: tuple[tuple[str, sympy.Symbol], ...]
    constants: tuple[Statement, ...]
    statements: tuple[Statement, ...]
    results: tuple[Expr, ...]
    has_arrays: bool
    blocks: Blocks | None = None


@dataclass
class Recorder:
    """Gives each operation its symbol."""

    known: dict[Expr, sympy.Symbol] = field(default_factory=dict)
    operations: dict[sympy.Symbol, Expr] = field(default_factory=dict)
    labels: dict[sympy.Symbol, str] = field(default_factory=dict)
    constants: set[sympy.Symbol] = field(default_factory=set)
    sizes: set[sympy.Symbol] = field(default_factory=set)
    count: int = 0

    def new(self, constant: bool) -> sympy.Symbol:
        """A symbol that nothing has yet."""
        made = symbol(f"v{self.count}")
        self.count += 1
        if constant:
            self.constants.add(made)
        return made

    def operation(self, operation: Expr) -> Expr:
        """The symbol of an operation on symbols and numbers, new or known."""
        if operation.is_Atom:
            return operation
        if isinstance(operation, (sympy.Add, sympy.Mul)) and len(operation.args) > WIDTH_LIMIT:
            # in turn, as before, but not in one statement: Python's compiler nests as deep as a sum is wide
            head = self.operation(rebuild(operation, operation.args[:WIDTH_LIMIT]))
            return self.operation(rebuild(operation, (head, *operation.args[WIDTH_LIMIT:])))
        if operation not in self.known:
            # arrays are made where and when the inputs are, so that a program works on any device
            reads, is_array = reads_of(operation), isinstance(operation, ArrayOperation)
            target = self.new(constant=not is_array and self.constants.issuperset(reads))
            if isinstance(operation, SizeOf) or (not is_array and self._is_of_sizes(reads)):
                self.sizes.add(target)
            self.known[operation] = target
            self.operations[target] = operation
        return self.known[operation]

    def _is_of_sizes(self, reads: Sequence[sympy.Symbol]) -> bool:
        """Whether a number depends on sizes and on nothing else but constants."""
        return all(r in self.sizes or r in self.constants for r in reads) and any(r in self.sizes for r in reads)

    def live(self, results: Sequence[Expr]) -> list[sympy.Symbol]:
        """The operations that the results need, in order."""
        needed = set(results)
        for target, operation in reversed(self.operations.items()):
            if target in needed:
                needed.update(reads_of(operation))
        return [target for target in self.operations if target in needed]

    def finish(
        self,
        inputs: tuple[tuple[str, sympy.Symbol], ...],
        results: Sequence[Expr],
        has_arrays: bool,
        blocks: Blocks | None = None,
    ) -> Lowered:
        """Dead code left out, single uses written in place."""
        live = self.live(results)
        reads = {target: reads_of(self.operations[target]) for target in live}
        stored = self._stored(reads, results, blocks)
        constants: list[Statement] = []
        statements: list[Statement] = []
        inlined: dict[sympy.Basic, Expr] = {}
        sizes: dict[sympy.Basic, int] = {}
        for target in live:
            operation = self.operations[target]
            size = 1 + sum(sizes.get(read, 0) for read in reads[target])
            plain = self._is_plain(target)
            if target not in stored and size <= INLINE_LIMIT and target not in self.constants and not plain:
                inlined[target], sizes[target] = substitute(operation, inlined), size
                continue
            statement = Statement(target, substitute(operation, inlined), self.labels.get(target, ""), plain)
            (constants if target in self.constants else statements).append(statement)
        if blocks is not None:
            statements.sort(key=lambda statement: blocks.region(statement.target))
        return Lowered(inputs, tuple(constants), tuple(statements), tuple(results), has_arrays, blocks)

    def _is_plain(self, target: sympy.Symbol) -> bool:
        return target in self.sizes and not isinstance(self.operations[target], SizeOf)

    def _stored(
        self, reads: Mapping[sympy.Symbol, Sequence[sympy.Symbol]], results: Sequence[Expr], blocks: Blocks | None
    ) -> set[sympy.Basic]:
        """What gets a statement: results, what is read twice, and what leaves its part of the program."""
        stored: set[sympy.Basic] = set(results) | (set() if blocks is None else set(blocks.totals))
        seen: set[sympy.Basic] = set()
        for target, reading in reads.items():
            for read in reading:
                if read in seen or (blocks is not None and blocks.region(read) != blocks.region(target)):
                    stored.add(read)
                seen.add(read)
        return stored


def reads_of(operation: sympy.Basic) -> list[sympy.Symbol]:
    """The symbols an operation reads, with repetitions."""
    found, stack = [], [operation]
    while stack:
        part = stack.pop()
        if isinstance(part, sympy.Symbol):
            found.append(part)
        else:
            stack.extend(part.args)
    return found
