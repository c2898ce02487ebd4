"""Sums of what is read nowhere else: summed before it is multiplied, and never held as a whole.

    D̄[i,j] = Σ_a V̄[i,a]·W[a,j],  M̄[j] = Σ_i D̄[i,j]    becomes    M̄[j] = Σ_a (Σ_i V̄[i,a])·W[a,j]

`contract` sums a factor first over the axes that no other factor has, so all that is to be done is to write the lines
as one. That pays where a product has a factor without the axis; other lines stay as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import sympy

from symgrad.core.expression import Expr, add, is_negative, name_of, negative, rebuild, without_sign
from symgrad.core.graph import Graph, Node
from symgrad.core.indices import Index, SumOver, bound_indices, free_indices, instance, subscripts_of, total


def summed_early(graph: Graph, outputs: Collection[str]) -> Graph:
    """The graph with such lines written as one; what they name in between is gone.

    Args:
        graph: what to compute.
        outputs: the nodes that are asked for, which stay.
    """
    needed = graph.ancestors(*outputs)
    lines = [node for node in graph.nodes if node.name in needed and node.body is not None]
    if not any(node.index and node.summed for node in lines):
        return graph
    read = Counter(name for node in lines for name in _entries(node.body))
    asked = frozenset(outputs)
    merging = _Merging({n.name: n for n in lines if n.index and read[n.name] == 1 and n.name not in asked})
    merged = {node.name: merging.merged(node) for node in lines}
    if not merging.gone:
        return graph
    kept = [node for node in graph.nodes if node.is_leaf or (node.name in needed and node.name not in merging.gone)]
    return Graph(tuple(merged.get(node.name, node) for node in kept), tuple(outputs))


def _entries(body: Expr | None) -> list[str]:
    """The names whose entries a body reads, as often as it reads them."""
    found: list[str] = []
    stack: list[sympy.Basic] = [] if body is None else [body]
    while stack:
        part = stack.pop()
        if isinstance(part, sympy.Indexed):
            found.append(name_of(part))
            stack.extend(s for s in subscripts_of(part) if not isinstance(s, Index))
        else:
            stack.extend(part.args)
    return found


class _Term(NamedTuple):
    """One of several that add up."""

    expression: Expr
    minus: bool


@dataclass
class _Merging:
    """Lines that are read once, and those of them that have been written into the line that reads them."""

    once: dict[str, Node]
    gone: set[str] = field(default_factory=set)

    def merged(self, node: Node) -> Node:
        """The line with what it alone sums written into it."""
        assert node.body is not None
        if self.once.keys().isdisjoint(node.parents):
            return node
        body = self._visited(node.body, [*node.index, *node.summed])
        if body is node.body:
            return node
        made = replace(node, body=body)
        if node.name in self.once:  # what takes in this line takes in what it has taken in
            self.once[node.name] = made
        return made

    def _visited(self, part: Expr, taken: list[Index]) -> Expr:
        """A part of a line; `taken` are the indices of the whole line, and grow."""
        if isinstance(part, SumOver):
            names: set[str] = set()
            terms = self._terms(_Term(part.body, False), taken, names)
            if not any(_pays(term.expression, part.indices) for term in terms):
                return part
            self.gone |= names
            return add(*(_sum(term, part.indices) for term in terms))
        if isinstance(part, (sympy.Add, sympy.Mul)):
            arguments = tuple(self._visited(argument, taken) for argument in part.args)
            changed = any(new is not old for new, old in zip(arguments, part.args, strict=True))
            return rebuild(part, arguments) if changed else part
        return part

    def _terms(self, term: _Term, taken: list[Index], names: set[str]) -> list[_Term]:
        """The terms of a sum, those of lines read once in place of their names, which are noted."""
        expression, minus = term
        if is_negative(expression):
            return self._terms(_Term(without_sign(expression), not minus), taken, names)
        if isinstance(expression, sympy.Add):
            return [t for part in expression.args for t in self._terms(_Term(part, minus), taken, names)]
        source = self.once.get(name_of(expression)) if isinstance(expression, sympy.Indexed) else None
        if source is None or not all(isinstance(s, Index) for s in subscripts_of(expression)):
            return [term]
        assert source.body is not None
        names.add(source.name)
        body = instance(source.body, source.index, subscripts_of(expression), taken)
        taken += bound_indices(body)
        return self._terms(_Term(body, minus), taken, names)


def _pays(term: Expr, indices: Sequence[Index]) -> bool:
    """Whether the term is a contraction of which some factor lacks an axis that is to be summed."""
    if not isinstance(term, SumOver) or not isinstance(term.body, sympy.Mul):
        return False
    return any(not set(indices) <= free_indices(factor).keys() for factor in term.body.args if not factor.is_Number)


def _sum(term: _Term, indices: Sequence[Index]) -> Expr:
    """Σ of a term, its own sum taken in."""
    inner = term.expression
    summed = total(inner.body, (*indices, *inner.indices)) if isinstance(inner, SumOver) else total(inner, indices)
    return negative(summed) if term.minus else summed
