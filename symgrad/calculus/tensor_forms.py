"""The forms a derivation with tensors is told in: one line a node, inserted nodes written in place.

A line gives the adjoint of a node entry by entry, as the sum of its contributions, each from one node that the user
wrote. What the reader inserted (the logsumexp within softmax) is told where it stands, its value as its formula and its
adjoint likewise, while that stays small; every line is made from the derivation's own contributions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import sympy

from symgrad.calculus.deltas import resolve_deltas
from symgrad.calculus.index_patterns import names_in, operands_of, recallable, renamed, unify
from symgrad.calculus.matrices import matrix_form
from symgrad.calculus.simplify import factored, plus, tidy, times
from symgrad.core.derivation import Derivation, Term
from symgrad.core.expression import (
    ONE,
    ZERO,
    Expr,
    add,
    is_negative,
    name_of,
    rebuild,
    size,
    substitute,
    symbol,
)
from symgrad.core.graph import Node
from symgrad.core.indices import (
    Extent,
    Index,
    bound_indices,
    entry,
    free_indices,
    fresh_index,
    instance,
    relabel,
    subscripts_of,
)
from symgrad.core.symbols import MatrixFunction

INLINE_LIMIT = 60
"""The largest formula (operations and operands) that is written in place of an inserted node."""

ANSWER_LIMIT = 45
"""The largest formula in which adjoints are written out, where the answer alone is asked for."""

Definition = tuple[tuple[Index, ...], Expr]


@dataclass(frozen=True)
class Part:
    """What one node contributes to the adjoint of another.

    Args:
        child: the node the user wrote; the inserted ones between are written in place.
        terms: the edges that lead to it.
        formula: the contribution, entry by entry.
    """

    child: str
    terms: tuple[Term, ...]
    formula: Expr


@dataclass(frozen=True)
class Line:
    """The adjoint of one node.

    Args:
        node: whose.
        index: the axes of the output, then those of the node.
        parts: its contributions.
    """

    node: str
    index: tuple[Index, ...]
    parts: tuple[Part, ...]

    @property
    def formula(self) -> Expr:
        """The whole, entry by entry."""
        return plus(*(part.formula for part in self.parts))


@dataclass(frozen=True)
class TensorForms:
    """The forms of one derivation, made on demand."""

    derivation: Derivation

    # inserted nodes

    @cached_property
    def hidden(self) -> frozenset[str]:
        """The inserted nodes that are written in place wherever they are read."""
        return frozenset(self._definitions)

    @cached_property
    def matrices(self) -> Mapping[str, Expr]:
        """Inserted nodes that functions of matrices read, in matrix notation."""
        shapes = {node.name: node.shape for node in self.derivation.primal.nodes}
        found: dict[str, Expr] = {}
        for node in self.derivation.primal.nodes:
            if node.body is None:
                continue
            for name in operands_of(node.body):
                operand = self.derivation.primal[name]
                if operand.inserted and name not in found and operand.body is not None:
                    whole = self._written_out(operand.body, self._small)
                    form = matrix_form(whole, operand.index, shapes, as_written=True, inline=found)
                    if form is not None:
                        found[name] = form
        return found

    @cached_property
    def _small(self) -> Mapping[str, Definition]:
        """Every inserted node whose formula is small enough, functions of matrices aside."""
        small: dict[str, Definition] = {}
        for node in self.derivation.primal.nodes:
            if node.inserted and node.body is not None:
                whole = self._written_out(node.body, small)
                if size(whole) <= INLINE_LIMIT:
                    small[node.name] = node.index, whole
        return small

    @cached_property
    def _definitions(self) -> Mapping[str, Definition]:
        read = {name for n in self.derivation.primal.nodes if n.body is not None for name in operands_of(n.body)}
        return {name: told for name, told in self._small.items() if name not in read or name in self.matrices}

    @cached_property
    def _twins(self) -> Mapping[str, Definition]:
        """Inserted nodes that say what a node of the user's says, which stands for them."""
        named: dict[Expr, Node] = {}
        twins: dict[str, Definition] = {}
        for node in self.derivation.primal.nodes:
            if node.body is None or not node.body.args:
                continue
            used = [i for i in node.index if i.size != 1]
            key, index = relabel(node.body, tuple(used), ())
            twin = named.get(key) if node.name in self.hidden else None
            if twin is not None and len(used) == len(twin.index) - [i.size for i in twin.index].count(1):
                own = iter(used)
                twins[node.name] = (
                    node.index,
                    entry(twin.name, tuple(ZERO if i.size == 1 else next(own) for i in twin.index)),
                )
            elif not node.inserted and len(index) == len(used):
                named.setdefault(key, node)
        return twins

    def body(self, node: Node) -> Expr:
        """A node's right-hand side, inserted nodes written in place."""
        assert node.body is not None
        return self.legible(_associated(self._written_out(node.body, self._definitions)), node.index)

    def _written_out(self, expression: Expr, definitions: Mapping[str, Definition]) -> Expr:
        """`expression` with definitions in place of names; bound indices keep clear of each other."""
        taken = dict.fromkeys((*free_indices(expression), *bound_indices(expression)))

        def visit(part: sympy.Basic) -> sympy.Basic:
            if isinstance(part, (sympy.Symbol, sympy.Indexed)) and not isinstance(part, Index):
                name = name_of(part)
                if name not in definitions:
                    return part
                index, body = definitions[name]
                made = instance(body, index, subscripts_of(part), tuple(taken))
                taken.update(bound_indices(made))
                return made
            if not part.args or isinstance(part, MatrixFunction):
                return part
            arguments = tuple(visit(argument) for argument in part.args)
            if all(new is old for new, old in zip(arguments, part.args, strict=True)):
                return part
            return rebuild(part, arguments)

        return visit(expression)

    # lines

    @cached_property
    def lines(self) -> Mapping[str, Line]:
        """For each live node that is told by name the line of its adjoint, from the output backwards."""
        primal, output = self.derivation.primal, self.derivation.output
        known = {**self._definitions, **self._twins}
        lines: dict[str, Line] = {}
        for step in self.derivation.steps:
            node = primal[step.node]
            line = self._line(node, step.terms, known, lines)
            if step.node == output and not self.derivation.axes:
                known[step.adjoint] = ((), ONE)
            if node.name in self.hidden and size(line.formula) <= INLINE_LIMIT:
                known[step.adjoint] = (line.index, line.formula)
            else:
                lines[step.node] = line
        return lines

    def _line(
        self, node: Node, terms: tuple[Term, ...], known: Mapping[str, Definition], told: Mapping[str, Line]
    ) -> Line:
        own = self._own_index(node, terms)
        index = (*self.axes, *own)
        if not terms:
            adjoint = self.derivation.gradient[self.derivation.adjoints[node.name]]
            assert adjoint.body is not None
            formula = instance(adjoint.body, adjoint.index, index, ())
            return Line(node.name, index, (Part(node.name, (), formula),) if formula != ZERO else ())
        groups: dict[str, list[tuple[Term, Expr]]] = {}
        for term in terms:
            groups.setdefault(self._origin(term.child, told), []).append((term, self._contribution(term, index, known)))
        parts = []
        for child, found in groups.items():
            if any(term.child in self.hidden for term, _ in found):
                found.sort(key=lambda pair: (pair[0].child in self.hidden, is_negative(pair[1])))
                whole = factored(plus(*(formula for _, formula in found)))
            else:
                whole = plus(*(formula for _, formula in found))
            parts.append(Part(child, tuple(term for term, _ in found), self.legible(whole, index)))
        return Line(node.name, index, tuple(part for part in parts if part.formula != ZERO) or tuple(parts[:1]))

    @cached_property
    def axes(self) -> tuple[Index, ...]:
        """The output's own indices in adjoints, none with the name of a node or a size."""
        taken = {*self._names, *(i.name for i in self.derivation.axes)}
        made = []
        for index in self.derivation.axes:
            made.append(index if index.name not in self._names else fresh_index(index.size, taken))
            taken.add(made[-1].name)
        return tuple(made)

    def _own_index(self, node: Node, terms: tuple[Term, ...]) -> tuple[Index, ...]:
        """The node's own indices, or those of its first occurrence, none with the name of anything else."""
        index = node.index
        if node.shape and (terms or not index):
            given = self.derivation.gradient[terms[0].contribution if terms else self.derivation.adjoints[node.name]]
            index = given.index[len(self.derivation.axes) :]
        taken = {*self._names, *(i.name for i in self.axes)}
        own = []
        for i in index:
            own.append(i if i.name not in taken else fresh_index(i.size, taken | {j.name for j in index}))
            taken.add(own[-1].name)
        return tuple(own)

    def _contribution(self, term: Term, index: tuple[Index, ...], known: Mapping[str, Definition]) -> Expr:
        node = self.derivation.gradient[term.contribution]
        body, own = node.body, node.index
        assert body is not None
        if term.partial_name in self.derivation.gradient:
            body, own = times(symbol(self.derivation.adjoints[term.child]), term.partial), ()
        whole = self._written_out(self.recalled(body), known)
        return tidy(resolve_deltas(tidy(instance(whole, own, index, ()))))

    def _origin(self, child: str, told: Mapping[str, Line]) -> str:
        """The node told by name that an inserted one belongs to: the next that reads it."""
        while child in self.hidden and child not in told:
            child = self._readers[child]
        return child

    @cached_property
    def _readers(self) -> Mapping[str, str]:
        """For each inserted node the last live node that reads it."""
        live = {step.node for step in self.derivation.steps}
        return {
            parent: node.name
            for node in self.derivation.primal.nodes
            if node.name in live
            for parent in node.parents
            if self.derivation.primal[parent].inserted
        }

    # what has a name already

    def recalled(self, expression: Expr) -> Expr:
        """`expression` with `exp(z[j] − lse)` as `p[j]`, where that is how `p` is defined; `solve(A, b)` likewise."""
        found: dict[sympy.Basic, Expr] = {}
        for part in recallable(expression):
            for node in self._named_bodies:
                match: dict[Index, Expr] = {}
                if unify(node.body, part, node.index, match) and len(match) == len(node.index):
                    found[part] = entry(node.name, tuple(match[i] for i in node.index))
                    break
        return substitute(expression, found) if found else expression

    @cached_property
    def _named_bodies(self) -> tuple[Node, ...]:
        """Nodes whose whole body is a function of matrices, or an exponential of something inserted."""
        return tuple(
            node
            for node in self.derivation.primal.nodes
            if isinstance(node.body, MatrixFunction)
            or (isinstance(node.body, sympy.exp) and any(p in self.hidden for p in node.parents))
        )

    def terms_into(self, part: Part) -> tuple[Term, ...]:
        """The edges of a part, and those that lead on from the inserted nodes on the way."""
        found = list(part.terms)
        for term in found:
            if term.child in self.hidden and term.child not in self.lines:
                found += [t for t in self.derivation.step(term.child).terms if t not in found]
        return tuple(found)

    # forks

    @cached_property
    def has_fork(self) -> bool:
        """Whether some node reaches the output by more than one of the nodes told by name."""
        return any(len({part.child for part in line.parts}) > 1 for line in self.lines.values())

    @cached_property
    def has_ambiguity(self) -> bool:
        """Whether some node reads the output both directly and indirectly, so that ∂l/∂v could mean either."""
        children = ({part.child for part in line.parts} for line in self.lines.values())
        return any(len(found) > 1 and self.derivation.output in found for found in children)

    # names

    @cached_property
    def _names(self) -> frozenset[str]:
        """Names that no printed index may have."""
        primal = self.derivation.primal
        return frozenset({*(node.name for node in primal.nodes), *primal.sizes})

    def legible(self, expression: Expr, index: tuple[Index, ...]) -> Expr:
        """`expression` with bound indices renamed where a reader could take one for something else."""
        return renamed(expression, {i.name for i in index} | self._names)

    def references(self, line: Line) -> dict[str, None]:
        """The adjoints a line names."""
        adjoints = set(self.derivation.adjoints.values())
        return dict.fromkeys(n for part in line.parts for n in names_in(part.formula) if n in adjoints)

    @cached_property
    def shapes(self) -> Mapping[str, tuple[Extent, ...]]:
        """The shape of everything a line may name: nodes and adjoints."""
        axes = tuple(i.size for i in self.derivation.axes)
        shapes = {node.name: node.shape for node in self.derivation.primal.nodes}
        for step in self.derivation.steps:
            shapes[step.adjoint] = (*axes, *shapes[step.node])
        return shapes

    def matrix(self, formula: Expr, index: tuple[Index, ...]) -> Expr | None:
        """A line's formula in matrix notation, or None."""
        adjoints = tuple(self.derivation.adjoints.values())
        return matrix_form(formula, index, self.shapes, summed=adjoints, inline=self.matrices)

    def answer(self, line: Line) -> Line:
        """A line with the adjoints in it written out, while it stays small."""
        by_name = {step.adjoint: step.node for step in self.derivation.steps}
        parts = []
        for part in line.parts:
            formula = part.formula
            while True:
                named = [n for n in names_in(formula) if n in by_name and by_name[n] in self.lines]
                definitions = {n: (self.lines[by_name[n]].index, self.lines[by_name[n]].formula) for n in named}
                grown = size(formula) + sum(size(body) for _, body in definitions.values())
                if not named or grown > ANSWER_LIMIT:
                    break
                formula = tidy(resolve_deltas(tidy(self._written_out(formula, definitions))))
            parts.append(Part(part.child, part.terms, self.legible(formula, line.index)))
        return Line(line.node, line.index, tuple(parts))


def _associated(expression: Expr) -> Expr:
    """`(a + b) + c` as `a + b + c`, which is how it reads back."""
    if not expression.args or isinstance(expression, (sympy.Indexed, MatrixFunction)):
        return expression
    made = rebuild(expression, tuple(_associated(argument) for argument in expression.args))
    if isinstance(made, sympy.Add) and isinstance(made.args[0], sympy.Add):
        return add(*made.args[0].args, *made.args[1:])
    return made
