"""The chain rule, applied backwards over the graph, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from symgrad.calculus.alike import PartialsByForm
from symgrad.calculus.deltas import resolve_deltas
from symgrad.calculus.partial import Partial
from symgrad.calculus.simplify import times
from symgrad.core.derivation import Derivation, Step, Term
from symgrad.core.expression import ZERO, Expr, add, mul, name_of, symbol
from symgrad.core.graph import Graph, Node
from symgrad.core.indices import (
    Extent,
    Index,
    bound_indices,
    delta,
    entry,
    free_indices,
    fresh_index,
    subscripts_of,
    total,
)
from symgrad.core.memory import uncollected
from symgrad.core.names import fresh, listing, suggestion
from symgrad.errors import GraphError


@uncollected
def derive(graph: Graph, wrt: Sequence[str] | str | None = None, *, output: str | None = None) -> Derivation:
    """Differentiate a graph by the chain rule, backwards, each node once.

    For every edge, an occurrence `p[J]` of a parent in the body of `v[I]` under sums over `S`, the pullback is
    `p̄[J] += Σ_{(I ∪ S) \\ J} v̄[I] · ∂body/∂p[J]`, and `dL/dv · ∂v/∂p` for scalars; the adjoint of a node is the sum
    over its edges (Griewank and Walther, Evaluating Derivatives, 2008, section 3.2). The cost is linear in the
    graph: nothing is substituted into anything.

    Args:
        graph: the loss and everything it is made of.
        wrt: names to differentiate by; every leaf but labels when left out. An intermediate may be named too.
        output: the node to differentiate; the graph's first output when left out. Of a tensor the derivatives are
            Jacobians, the output's axes first.

    Returns:
        The derivation; its `gradient` is a graph again. A name that the output does not depend on has gradient 0.

    Raises:
        GraphError: if a name is not in the graph, occurs twice, or there is nothing to differentiate by.
        NotDifferentiableError: if a function has no rule.
    """
    if not isinstance(graph, Graph):
        raise GraphError(f"derive takes a graph, as read('l = x**2') gives one; this is a {type(graph).__name__}.")
    loss = graph[output if output is not None else graph.output].name
    return _Deriving(graph, loss, _wrt(graph, wrt, loss)).derivation()


_Edge: TypeAlias = tuple[Node, Partial, int]
"""A child, the partial by one of its occurrences, and which occurrence of that parent it is."""


@dataclass
class _Deriving:
    """One derivation under way."""

    graph: Graph
    loss: str
    wrt: tuple[str, ...]
    taken: set[str] = field(default_factory=set)
    axes: tuple[Index, ...] = ()
    adjoint: dict[str, str] = field(default_factory=dict)

    def derivation(self) -> Derivation:
        graph, loss = self.graph, self.loss
        needed = graph.ancestors(loss)
        live = graph.descendants(self.wrt) & needed
        self.taken = {node.name for node in graph.nodes}
        edges = self._edges(live)
        self.axes = self._output_axes(edges)
        made: list[Node] = [node for node in graph.nodes if node.name in needed or node.name in self.wrt]
        steps: list[Step] = []
        backwards = [node.name for node in reversed(graph.nodes) if node.name in live]
        for name in (*backwards, *(n for n in self.wrt if n not in live)):
            step, nodes = self._step(graph[name], edges.get(name, []))
            steps.append(step)
            made += nodes
        gradient = Graph(tuple(made), tuple(self.adjoint[n] for n in self.wrt))
        return Derivation(graph, loss, self.wrt, tuple(steps), gradient, self.axes)

    def _output_axes(self, edges: Mapping[str, list[_Edge]]) -> tuple[Index, ...]:
        """Indices for the output's axes that no line and no partial uses."""
        shape = self.graph[self.loss].shape
        if not shape:
            return ()
        names = set(self.taken)
        for node in self.graph.nodes:
            names.update(i.name for i in (*node.index, *node.summed))
        for _, partial, _ in (edge for found in edges.values() for edge in found):
            names.update(i.name for i in _indices_of(partial))
        return _fresh_indices(shape, names)

    def _edges(self, live: frozenset[str]) -> dict[str, list[_Edge]]:
        """For each live parent its edges, the one nearest to the start first."""
        partials = PartialsByForm(live, {node.name: node.shape for node in self.graph.nodes})
        edges: dict[str, list[_Edge]] = {}
        for node in self.graph.nodes:
            if node.name not in live or node.body is None:
                continue
            count: dict[str, int] = {}
            for partial in partials.of(node.body, entry(node.name, node.index)):
                parent = name_of(partial.occurrence)
                count[parent] = count.get(parent, 0) + 1
                edges.setdefault(parent, []).append((node, partial, count[parent]))
        return edges

    def _step(self, node: Node, edges: Sequence[_Edge]) -> tuple[Step, list[Node]]:
        """All paths into one node, and the nodes of the gradient graph that hold them."""
        name = self._name(f"d{self.loss}_d{node.name}")
        self.adjoint[node.name] = name
        terms: list[Term] = []
        nodes: list[Node] = []
        for child, partial, number in edges:
            partial_name = self._name(f"p{child.name}_p{node.name}")
            contribution = name if len(edges) == 1 else self._name(f"{name}_via_{child.name}")
            terms.append(
                Term(
                    child.name,
                    node.name,
                    partial.expression,
                    partial.written,
                    partial.rule,
                    partial_name,
                    contribution,
                    partial.occurrence,
                    partial.summed,
                    number,
                )
            )
            if child.shape or node.shape or partial.summed or self.axes:
                nodes.append(self._pullback(contribution, child, node, partial))
            else:
                pulled = mul(symbol(self.adjoint[child.name]), symbol(partial_name))
                nodes += [Node(partial_name, partial.expression), Node(contribution, pulled)]
        if len(edges) != 1:
            nodes.append(self._total(name, node, terms))
        return Step(node.name, tuple(terms), name), nodes

    def _pullback(self, name: str, child: Node, parent: Node, partial: Partial) -> Node:
        """The line Σ v̄[I] · ∂body/∂p[J]; a fixed, repeated or selected subscript is tied to its axis by a delta."""
        names: set[str] = set()
        index: list[Index] = []
        ties: list[Expr] = []
        for subscript, size in zip(subscripts_of(partial.occurrence), parent.shape, strict=True):
            if isinstance(subscript, Index) and subscript not in index:
                index.append(subscript)
                continue
            names = names or self._names_beside(child, partial)
            (own,) = _fresh_indices((size,), names)
            index.append(own)
            if size != 1:
                ties.append(delta(own, subscript))
        summed = [i for i in (*child.index, *partial.summed) if i not in index]
        body = total(times(*self._upstream(child), partial.expression, *ties), summed)
        return Node(name, resolve_deltas(body), index=(*self.axes, *index))

    def _names_beside(self, child: Node, partial: Partial) -> set[str]:
        """What a fresh index of a pullback must not be called."""
        indices = (*self.axes, *child.index, *child.summed, *_indices_of(partial))
        return {*self.taken, *(i.name for i in indices)}

    def _upstream(self, child: Node) -> tuple[Expr, ...]:
        """The child's adjoint; that of the output is 1, or a delta an axis."""
        if child.name == self.loss and self.axes:
            return tuple(delta(o, i) for o, i in zip(self.axes, child.index, strict=True))
        return (entry(self.adjoint[child.name], (*self.axes, *child.index)),)

    def _total(self, name: str, node: Node, terms: list[Term]) -> Node:
        """The sum over a node's edges; 1 for the output itself, 0 for a node that never reaches it."""
        index = node.index
        if node.shape and not index:
            index = _fresh_indices(node.shape, {*self.taken, *(i.name for i in self.axes)})
        whole = (*self.axes, *index)
        if node.name == self.loss:
            seed = mul(*(delta(o, i) for o, i in zip(self.axes, index, strict=True)))
            return Node(name, seed, index=whole)
        body = add(*(entry(term.contribution, whole) for term in terms)) if terms else ZERO
        return Node(name, body, index=whole)

    def _name(self, wanted: str) -> str:
        chosen = fresh(wanted, self.taken)
        self.taken.add(chosen)
        return chosen


def _indices_of(partial: Partial) -> tuple[Index, ...]:
    """Every index of a partial and of its occurrence."""
    return (
        *free_indices(partial.occurrence),
        *free_indices(partial.expression),
        *bound_indices(partial.expression),
    )


def _fresh_indices(shape: Sequence[Extent], names: set[str]) -> tuple[Index, ...]:
    """An index for each axis; `names` are avoided, and grow."""
    made = []
    for size in shape:
        made.append(fresh_index(size, names))
        names.add(made[-1].name)
    return tuple(made)


def _wrt(graph: Graph, wrt: Sequence[str] | str | None, loss: str) -> tuple[str, ...]:
    if wrt is None:
        needed = graph.ancestors(loss)
        names = tuple(leaf for leaf in graph.leaves if leaf in needed and leaf not in graph.selectors)
        if not names:
            raise GraphError(f"{loss!r} is a constant: there is no leaf to differentiate it by.")
        return names
    names = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    if not names:
        raise GraphError("wrt is empty; name at least one leaf, or leave it out for every leaf.")
    for position, name in enumerate(names):
        if name not in graph:
            hint = suggestion(name, (n.name for n in graph.nodes)) or f" The leaves are {listing(graph.leaves)}."
            raise GraphError(f"cannot differentiate by {name!r}: it is not in the graph.{hint}")
        if name in graph.selectors:
            raise GraphError(f"cannot differentiate by {name!r}: it holds labels, whole numbers that select entries.")
        if name in names[:position]:
            raise GraphError(f"wrt names {name!r} twice; once is enough.")
    return names
